// From numbers to pictures.

/** Image `index` of a batch [N, C, H, W], whose black is `black` and whose white is 1, as ImageData. */
export function toImage(samples, index, [channels, height, width], black) {
  const size = height * width;
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < size; pixel += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const value = samples[(index * channels + (channels === 1 ? 0 : colour)) * size + pixel];
      image.data[4 * pixel + colour] = Math.round(((value - black) / (1 - black)) * 255); // clamped by its type
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** Puts an image on a canvas of its own number of pixels; styles enlarge it. */
export function show(canvas, image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A canvas with the picture enlarged by a whole number, without smoothing, at least `edge` pixels wide. */
export function enlarge(canvas, edge) {
  const factor = Math.max(1, Math.ceil(edge / canvas.width));
  const large = Object.assign(document.createElement("canvas"), {
    width: canvas.width * factor,
    height: canvas.height * factor,
  });
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  return large;
}

const BANDS = 12; // contours

/** The critic's values on a grid of `edge` by `edge` points, enlarged to `size` pixels: bands, lines where two meet. */
export function toContours(values, edge, size, dark) {
  const sorted = Float32Array.from(values).sort();
  const low = sorted[0], high = sorted[sorted.length - 1];
  const colours = Array.from({ length: 2 * BANDS }, (_, index) => { // a band's, then its line's
    const share = (index % BANDS) / (BANDS - 1);
    const light = (dark ? 14 + 26 * share : 97 - 32 * share) + (index < BANDS ? 0 : dark ? 12 : -8);
    return [...toRgb(265, 0.35, light / 100), 255];
  });
  const bands = new Uint8Array(size * size);
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const value = interpolate(values, edge, (x + 0.5) / size, 1 - (y + 0.5) / size); // upwards
      bands[y * size + x] = Math.min(BANDS - 1, ((value - low) / (high - low || 1)) * BANDS);
    }
  }
  const image = new ImageData(size, size);
  bands.forEach((band, i) => {
    const isLine = ((i + 1) % size && band !== bands[i + 1]) || (i + size < bands.length && band !== bands[i + size]);
    image.data.set(colours[band + (isLine ? BANDS : 0)], 4 * i);
  });
  return image;
}

/** The value at a place of the unit square, between those at the centres of `edge` by `edge` cells. */
function interpolate(values, edge, x, y) {
  const place = (share) => Math.min(edge - 1, Math.max(0, share * edge - 0.5));
  const [u, v] = [place(x), place(y)];
  const [left, low] = [Math.min(edge - 2, Math.floor(u)), Math.min(edge - 2, Math.floor(v))];
  const at = (dx, dy) => values[(low + dy) * edge + left + dx];
  const [p, q] = [u - left, v - low];
  return (1 - q) * ((1 - p) * at(0, 0) + p * at(1, 0)) + q * ((1 - p) * at(0, 1) + p * at(1, 1));
}

function toRgb(hue, saturation, lightness) {
  const amount = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - amount * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
