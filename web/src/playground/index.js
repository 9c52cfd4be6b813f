// The playground: models from the menu, run here, under the visitor's hands.
import "./style.css";
import { Cells } from "./cells.js";
import { enlarge, show, toContours, toImage } from "./draw.js";
import { element } from "./element.js";
import { between, normal } from "./latent.js";
import { Network, models, start, whatIsMissing } from "./runtime.js";
import { language, words } from "./words.js";

const SAMPLES = 16;
const EDGE = 80; // of the grid on which the critic is asked
const PLANE = 560; // pixels of the plane's canvas
const WALK_SECONDS = 3;
const TURN_SECONDS = 8; // in which moving points go once round

const button = (text, onclick) => element("button", { type: "button", textContent: text, onclick });
const section = (title, ...children) => element("section", {}, element("h3", { textContent: title }), ...children);

class Playground {
  constructor(root) {
    this.root = root;
    this.networks = new Map(); // by file
    this.seed = 1;
    this.animation = null;
    this.busy = Promise.resolve();
  }

  async open() {
    const missing = whatIsMissing();
    if (missing) return this.root.replaceChildren(element("p", { className: "message", textContent: words[missing] }));
    this.build();
    try {
      start().catch(() => {}); // while the menu loads; who waits for it is told what went wrong
      this.models = await models();
      this.menu.append(...this.models.map((one) => element("option", { value: one.name, textContent: one.title[language] })));
      await this.choose(this.models[0].name);
    } catch (error) {
      this.tell(words.failed(error.message));
      throw error;
    }
  }

  build() {
    this.menu = element("select", { onchange: () => this.choose(this.menu.value) });
    this.progress = element("progress", { max: 1, value: 0 });
    this.status = element("p", { className: "status", role: "status" });
    this.canvas = element("canvas", { role: "img", ariaLabel: words.picture, width: 32, height: 32 });
    this.saveButton = button(words.save, () => this.save());
    this.seedInput = element("input", { type: "number", min: 0, max: 4294967295, value: this.seed });
    this.seedInput.onchange = () => this.draw(Number(this.seedInput.value));
    this.thumbnails = element("div", { className: "thumbnails" });
    this.pointsInput = element("input", { type: "range", min: 100, max: 4000, step: 100, value: 2000 });
    this.pointsInput.oninput = () => this.draw(this.seed);
    this.moveButton = button(words.move, () => this.toggle("points"));
    this.pointControls = element(
      "div", { className: "row" }, element("label", {}, `${words.points} `, this.pointsInput), this.moveButton,
    );
    this.classes = element("div", { className: "row", role: "group", ariaLabel: words.className });
    this.classSection = section(words.className, this.classes);
    this.cells = new Cells(() => this.update());
    this.shareInput = element("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, ariaLabel: words.share });
    this.shareInput.oninput = () => this.walkTo(Number(this.shareInput.value));
    this.playButton = button(words.play, () => this.toggle("walk"));
    this.ends = [element("canvas", { ariaLabel: words.from }), element("canvas", { ariaLabel: words.to })];
    this.endNodes = [words.from, words.to].map((text, end) => element(
      "div", { className: "end" }, this.ends[end], button(text, () => this.setEnd(end)),
    ));
    this.root.replaceChildren(
      element("div", { className: "row" }, element("label", {}, `${words.model} `, this.menu), this.progress),
      element(
        "div", { className: "stage" },
        element("div", { className: "picture" }, this.canvas, this.saveButton),
        section(
          words.samples,
          element(
            "div", { className: "row" },
            button(words.another, () => this.draw(this.seed + 1)),
            element("label", {}, `${words.seed} `, this.seedInput),
          ),
          this.thumbnails, this.pointControls, this.classSection,
        ),
      ),
      this.status,
      section(
        words.latent,
        element("p", { className: "help", textContent: words.latentHelp }),
        ...this.cells.nodes,
        element("div", { className: "row" }, button(words.undo, () => this.select(this.selected))),
      ),
      section(
        words.walk,
        element("div", { className: "row walk" }, this.endNodes[0], this.shareInput, this.endNodes[1], this.playButton),
      ),
    );
    // Colours of the plane are those of the page.
    new MutationObserver(() => this.model?.critic && this.update())
      .observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  }

  tell(text) {
    this.status.textContent = text;
  }

  /** A network by its file, loaded once, with the progress shown. */
  async load(described, title) {
    const { file, bytes } = described;
    if (!this.networks.has(file)) {
      this.tell(words.loading(title));
      this.progress.hidden = false;
      const network = await Network.load(described, (received) => { this.progress.value = received / bytes; });
      this.networks.set(file, network);
    }
    this.progress.hidden = true;
    return this.networks.get(file);
  }

  async choose(name) {
    this.stop();
    const model = this.models.find((one) => one.name === name);
    const wanted = this.wanted = name;
    const network = await this.load(model, model.title[language]);
    const critic = model.critic && await this.load(model.critic, model.title[language]);
    if (this.wanted !== wanted) return; // another was chosen meanwhile
    Object.assign(this, { model, network, critic, label: null, selected: 0, contours: null });
    this.menu.value = name;
    this.root.dataset.model = name;
    this.thumbnails.hidden = Boolean(critic);
    this.pointControls.hidden = !critic;
    for (const end of this.ends) end.hidden = Boolean(critic);
    this.canvas.classList.toggle("plane", Boolean(critic));
    this.canvas.ariaLabel = critic ? words.plane : words.picture;
    this.classSection.hidden = !model.classes;
    this.showClasses();
    this.walkEnds = null;
    await this.draw(this.seed);
  }

  showClasses() {
    const names = this.model.classes ? [words.all, ...this.model.classes[language]] : [];
    this.classes.replaceChildren(...names.map((name, index) => {
      const label = index === 0 ? null : index - 1;
      const made = button(name, () => {
        this.label = label;
        this.showClasses();
        this.classes.children[index].focus();
        this.draw(this.seed);
      });
      made.ariaPressed = String(label === this.label);
      return made;
    }));
  }

  /** Runs tasks one after the other: a session computes one batch at a time. */
  queue(task) {
    this.busy = this.busy.then(task, task);
    return this.busy;
  }

  get count() {
    return this.critic ? Number(this.pointsInput.value) : SAMPLES;
  }

  labelOf(sample) {
    return this.label ?? sample % (this.model.classes?.[language].length ?? 1);
  }

  /** Draws the samples of a seed, and selects one. */
  draw(seed) {
    this.seed = Math.max(0, Math.floor(seed)) || 0;
    this.seedInput.value = this.seed;
    return this.queue(async () => {
      const { latent } = this.model;
      this.noise = normal(this.seed, this.count * latent);
      if (!this.critic) await this.drawThumbnails();
      if (!this.walkEnds) this.walkEnds = [0, 1].map((sample) => this.copyOf(sample));
    }).then(() => this.select(Math.min(this.selected, this.count - 1)));
  }

  async drawThumbnails() {
    const labels = Array.from({ length: SAMPLES }, (_, sample) => this.labelOf(sample));
    const { shape, black, latent } = this.model;
    const samples = await this.network.run(this.noise, latent, labels);
    this.thumbnails.replaceChildren(...labels.map((_, sample) => {
      const canvas = element("canvas");
      show(canvas, toImage(samples, sample, shape, black));
      const made = element("button", { type: "button", ariaLabel: words.sample(sample + 1) }, canvas);
      made.onclick = () => this.select(sample);
      return made;
    }));
  }

  copyOf(sample) {
    return { latent: this.noise.slice(sample * this.model.latent, (sample + 1) * this.model.latent), label: this.labelOf(sample) };
  }

  /** Makes a sample's latent the one that the page shows and changes. */
  select(sample) {
    if (this.animation?.name === "walk") this.stop();
    this.selected = sample;
    this.current = this.copyOf(sample);
    [...this.thumbnails.children].forEach((one, index) => { one.ariaPressed = String(index === sample); });
    return this.update();
  }

  /** Shows what the network makes of the current latent. */
  update() {
    this.cells.show(this.current.latent);
    if (this.pending) return this.pending; // what is waiting will see the newest latent
    this.pending = this.queue(async () => {
      this.pending = null;
      const before = performance.now();
      await (this.critic ? this.drawPlane() : this.drawPicture());
      const took = performance.now() - before;
      this.root.dataset.firstImage ??= (performance.now() / 1000).toFixed(2);
      this.root.dataset.pictures = Number(this.root.dataset.pictures ?? 0) + 1;
      this.tell(words.ready(this.root.dataset.firstImage, took.toFixed(0)));
    });
    return this.pending;
  }

  async imageOf({ latent, label }) {
    const samples = await this.network.run(latent, this.model.latent, [label]);
    return toImage(samples, 0, this.model.shape, this.model.black);
  }

  async drawPicture() {
    show(this.canvas, await this.imageOf(this.current));
    for (const end of [0, 1]) {
      if (this.ends[end].shown !== this.walkEnds[end]) {
        show(this.ends[end], await this.imageOf(this.walkEnds[end]));
        this.ends[end].shown = this.walkEnds[end];
      }
    }
  }

  async drawPlane() {
    const dark = document.body.dataset.mdColorScheme === "slate";
    const { reach } = this.model;
    if (this.contours?.dark !== dark) this.contours = { dark, canvas: await this.drawContours(dark) };
    const points = await this.network.run(this.noise, 2);
    const ends = await this.network.run(Float32Array.from([...this.current.latent, ...this.walkEnds.flatMap((end) => [...end.latent])]), 2);
    this.points = points;
    Object.assign(this.canvas, { width: PLANE, height: PLANE });
    const context = this.canvas.getContext("2d");
    context.drawImage(this.contours.canvas, 0, 0, PLANE, PLANE);
    const place = (values, index) => [
      ((values[2 * index] / reach + 1) / 2) * PLANE,
      ((1 - values[2 * index + 1] / reach) / 2) * PLANE,
    ];
    context.fillStyle = dark ? "rgb(130 190 255 / .7)" : "rgb(20 80 190 / .55)";
    for (let index = 0; index < points.length / 2; index += 1) {
      const [x, y] = place(points, index);
      context.fillRect(x - 1.5, y - 1.5, 3, 3);
    }
    ["#f57c00", "#2e9e4f", "#8e44ad"].forEach((colour, index) => {
      context.lineWidth = index ? 2 : 4;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(...place(ends, index), index ? 5 : 9, 0, 2 * Math.PI);
      context.stroke();
    });
  }

  async drawContours(dark) {
    const { reach } = this.model;
    const grid = new Float32Array(2 * EDGE * EDGE);
    for (let i = 0; i < EDGE * EDGE; i += 1) {
      grid[2 * i] = (((i % EDGE) + 0.5) / EDGE * 2 - 1) * reach;
      grid[2 * i + 1] = ((Math.floor(i / EDGE) + 0.5) / EDGE * 2 - 1) * reach;
    }
    const canvas = element("canvas");
    show(canvas, toContours(await this.critic.run(grid, 2), EDGE, PLANE, dark));
    return canvas;
  }

  setEnd(end) {
    this.walkEnds[end] = { latent: this.current.latent.slice(), label: this.current.label };
    this.shareInput.value = end;
    this.update();
  }

  walkTo(share) {
    const [begin, end] = this.walkEnds;
    this.shareInput.value = share;
    this.current = { latent: between(begin.latent, end.latent, share), label: share < 0.5 ? begin.label : end.label };
    return this.update();
  }

  /** Starts or stops the walk, or the moving of the points. */
  toggle(name) {
    const running = this.animation?.name === name;
    this.stop();
    if (running) return;
    const animation = this.animation = { name, begun: performance.now(), from: this.noise };
    if (name === "points") animation.to = normal(this.seed + 2 ** 31, this.noise.length);
    this.playButton.textContent = name === "walk" ? words.pause : words.play;
    this.moveButton.textContent = name === "points" ? words.stop : words.move;
    const step = async () => {
      if (this.animation !== animation) return;
      const seconds = (performance.now() - animation.begun) / 1000;
      if (name === "walk") {
        const share = (seconds / WALK_SECONDS) % 2; // there and back
        await this.walkTo(share < 1 ? share : 2 - share);
      } else {
        const angle = (2 * Math.PI * seconds) / TURN_SECONDS; // of two normal numbers, this is normal at any angle
        const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
        if (animation.to.length === animation.from.length) {
          this.noise = animation.from.map((value, i) => cosine * value + sine * animation.to[i]);
        }
        await this.update();
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  stop() {
    this.animation = null;
    this.playButton.textContent = words.play;
    this.moveButton.textContent = words.move;
  }

  save() {
    const large = this.critic ? this.canvas : enlarge(this.canvas, 256);
    large.toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob), download: `${this.model.name}.png` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }
}

const root = document.getElementById("play");
if (root) {
  const playground = new Playground(root);
  root.playground = playground; // for the tests, and for the console
  playground.open();
}
