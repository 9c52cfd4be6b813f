// Latents: drawn from a seed, and walked between.

// Uniform numbers in [0, 1) from a seed: mulberry32, public domain, by Tommy Ettinger.
function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` standard normal numbers from a seed, by Box and Muller. */
export function normal(seed, count) {
  const draw = uniform(seed);
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    numbers[i] = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  }
  return numbers;
}

/** The latent at `share` of the way from one to another, on the arc between them: noise lies near a sphere. */
export function between(begin, end, share) {
  let dot = 0, a = 0, b = 0;
  for (let i = 0; i < begin.length; i += 1) {
    dot += begin[i] * end[i];
    a += begin[i] ** 2;
    b += end[i] ** 2;
  }
  const angle = Math.acos(Math.min(1, Math.max(-1, dot / Math.sqrt(a * b || 1))));
  const sine = Math.sin(angle);
  // Parallel latents, and two numbers, of which an arc would miss most: the straight line.
  const [first, second] = sine < 1e-3 || begin.length < 3
    ? [1 - share, share]
    : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
  return begin.map((value, i) => first * value + second * end[i]);
}
