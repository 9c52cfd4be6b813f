// The latent, cell by cell: by pointer, by keyboard, and by a slider for the chosen cell.
import { element } from "./element.js";
import { words } from "./words.js";

const REACH = 3; // the ends of a cell
const PIXELS = 24; // of dragging, for a step of 1
const clamp = (value) => Math.min(REACH, Math.max(-REACH, value));

export class Cells {
  /** `onChange` is called after a number of the latent was changed here. */
  constructor(onChange) {
    this.onChange = onChange;
    this.chosen = 0;
    this.grid = element("div", { className: "cells", role: "group", ariaLabel: words.latent });
    this.slider = element("input", { type: "range", min: -REACH, max: REACH, step: 0.05 });
    this.output = element("output");
    this.name = element("span");
    const label = element("label", { className: "cell-slider" }, this.name, this.slider, this.output);
    this.slider.addEventListener("input", () => this.set(this.chosen, Number(this.slider.value)));
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.nodes = [this.grid, label];
  }

  /** Shows the numbers of a latent, which is then changed in place. */
  show(latent) {
    this.latent = latent;
    if (this.grid.childElementCount !== latent.length) this.build(latent.length);
    latent.forEach((value, number) => this.paint(number, value));
    this.choose(Math.min(this.chosen, latent.length - 1));
  }

  build(count) {
    this.grid.style.setProperty("--columns", count < 10 ? count : count % 16 === 0 ? 16 : 10);
    this.grid.replaceChildren(...Array.from({ length: count }, (_, number) => {
      const cell = element("div", { role: "slider", tabIndex: -1, ariaLabel: words.cell(number + 1) });
      cell.ariaValueMin = -REACH;
      cell.ariaValueMax = REACH;
      cell.addEventListener("pointerdown", (event) => this.drag(cell, number, event));
      cell.addEventListener("focus", () => this.choose(number));
      return cell;
    }));
  }

  choose(number) {
    this.grid.children[this.chosen]?.setAttribute("tabindex", "-1");
    this.chosen = number;
    this.grid.children[number].tabIndex = 0;
    this.name.textContent = words.cell(number + 1);
    this.paint(number, this.latent[number]);
  }

  paint(number, value) {
    const cell = this.grid.children[number];
    cell.style.setProperty("--amount", Math.min(1, Math.abs(value) / REACH));
    cell.dataset.sign = value < 0 ? "minus" : "plus";
    cell.ariaValueNow = value.toFixed(2);
    cell.title = value.toFixed(2);
    if (number !== this.chosen) return;
    this.slider.value = value;
    this.output.textContent = value.toFixed(2);
  }

  set(number, value) {
    this.latent[number] = clamp(value);
    this.paint(number, this.latent[number]);
    this.onChange();
  }

  drag(cell, number, event) {
    const [x, value] = [event.clientX, this.latent[number]];
    cell.focus();
    cell.setPointerCapture(event.pointerId);
    const move = (moved) => this.set(number, value + (moved.clientX - x) / PIXELS);
    const end = () => cell.removeEventListener("pointermove", move);
    cell.addEventListener("pointermove", move);
    cell.addEventListener("pointerup", end, { once: true });
    cell.addEventListener("pointercancel", end, { once: true });
  }

  press(event) {
    const last = this.latent.length - 1;
    const value = this.latent[this.chosen];
    const actions = {
      ArrowRight: () => this.focus(Math.min(last, this.chosen + 1)),
      ArrowLeft: () => this.focus(Math.max(0, this.chosen - 1)),
      Home: () => this.focus(0),
      End: () => this.focus(last),
      ArrowUp: () => this.set(this.chosen, value + 0.25),
      ArrowDown: () => this.set(this.chosen, value - 0.25),
      0: () => this.set(this.chosen, 0),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    event.stopPropagation(); // the site has keys of its own
    actions[event.key]();
  }

  focus(number) {
    this.grid.children[number].focus();
  }
}
