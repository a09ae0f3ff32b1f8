/** Visits over time, drawn by uPlot. The table behind it is the caller's. */
import { serverNow } from "./api.js";
import { h } from "./dom.js";
import { human, number, rough } from "./format.js";
import { isNow, markOf, marks, nameOf } from "./periods.js";
import { soFar } from "./words.js";

/** @typedef {import("./api.js").Summary["periods"]} Periods */
/** @typedef {import("uplot")} Plot */
/** @typedef {"sessions" | "visitors" | "activeSeconds"} Metric */

/** Its script stands before this one. @type {{ uPlot: typeof import("uplot") }} */
const { uPlot } = /** @type {any} */ (globalThis);

const HEIGHT = 300;
/** Bars narrower than this cannot be told apart: a line is drawn. */
const NARROWEST = 4;
const MARK_WIDTH = 76;
const MINUTE = 60;
const HOUR = 3600;
/** Steps of an axis that people count in. */
const DURATIONS = [1, 5, 15, 30].concat(
  [1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
  [1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 1200, 2400, 4800].map((step) => step * HOUR),
);
const COUNTS = [1, 2, 5]
  .flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((zeros) => step * 10 ** zeros))
  .sort((a, b) => a - b);

/** What one bar of a metric says. @param {Metric} metric @param {number} value */
export function told(metric, value) {
  if (metric === "activeSeconds") return `${human(value)} active`;
  const [one, many] = metric === "sessions" ? ["visit", "visits"] : ["visitor", "visitors"];
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** One chart, which takes new figures without being made anew. */
export class Chart {
  /** @type {Plot | undefined} */
  #plot;
  /** @type {Periods} */
  #periods = { unit: "day", timeZone: "UTC", items: [] };
  /** @type {Metric} */
  #metric = "sessions";
  #tip = h("div", { class: "tip", hidden: true });
  element = h("div", { class: "chart" });
  #shape = "";

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.element);
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener("change", () => {
        this.#shape = "";
        this.#draw();
      });
    }
  }

  /** @param {Periods} periods @param {Metric} metric */
  show(periods, metric) {
    this.#periods = periods;
    this.#metric = metric;
    this.#draw();
  }

  #draw() {
    const width = Math.floor(this.element.clientWidth);
    const { items, unit } = this.#periods;
    if (width === 0 || items.length === 0) return;
    const data = /** @type {[number[], number[]]} */ ([
      items.map((_, index) => index),
      items.map((item) => item[this.#metric]),
    ]);
    // What cannot be changed in a chart: its axes' words and its kind of drawing.
    const shape = JSON.stringify([width, unit, this.#metric, items.length, items[0]?.start]);
    if (this.#plot && shape === this.#shape) {
      this.#plot.setData(data);
      return;
    }
    this.#plot?.destroy();
    this.#shape = shape;
    this.#plot = new uPlot(this.#options(width), data, this.element);
    this.#plot.over.append(this.#tip);
  }

  /** @param {number} width @returns {import("uplot").Options} */
  #options(width) {
    const { items, unit } = this.#periods;
    const metric = this.#metric;
    const colour = (/** @type {string} */ name) => colourOf(this.element, name);
    const [ink, line, fill] = [colour("quiet"), colour("hairline"), colour("fill")];
    const room = width - 64;
    const isBars = room / items.length >= NARROWEST;
    const marked = new Set(marks(items, unit, room / MARK_WIDTH));
    const text = `12px ${getComputedStyle(this.element).fontFamily}`;
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      padding: [12, 20, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: () => [-0.5, items.length - 0.5] },
        y: {
          range: (_, __, most) => [
            0,
            Math.max(most ?? 0, metric === "activeSeconds" ? MINUTE : 4) * 1.04,
          ],
        },
      },
      axes: [
        {
          stroke: ink,
          font: text,
          size: 32,
          gap: 6,
          grid: { show: false },
          ticks: { stroke: line, width: 1, size: 4 },
          splits: () => [...marked],
          values: (_, splits) => splits.map((index) => markOf(items, index, unit)),
        },
        {
          stroke: ink,
          font: text,
          size: 56,
          gap: 8,
          space: 44,
          grid: { stroke: line, width: 1 },
          ticks: { show: false },
          incrs: metric === "activeSeconds" ? DURATIONS : COUNTS,
          values: (_, splits) =>
            splits.map((value) => (metric === "activeSeconds" ? rough(value) : number(value))),
        },
      ],
      series: [
        {},
        {
          stroke: fill,
          fill: isBars ? fill : `${fill.replace(/^rgb\((.*)\)$/, "rgba($1, 0.25)")}`,
          width: isBars ? 0 : 1.5,
          points: { show: false },
          ...(isBars && uPlot.paths.bars
            ? { paths: uPlot.paths.bars({ size: [0.72, 40], radius: [0.12, 0] }) }
            : {}),
        },
      ],
      hooks: { setCursor: [(plot) => this.#point(plot)] },
    };
  }

  /** Says what is under the pointer. @param {Plot} plot */
  #point(plot) {
    const index = plot.cursor.idx;
    const { items, unit, timeZone } = this.#periods;
    const item = index === null || index === undefined ? undefined : items[index];
    this.#tip.hidden = !item || (plot.cursor.left ?? -1) < 0;
    if (!item || this.#tip.hidden) return;
    this.#tip.replaceChildren(
      h("strong", {}, told(this.#metric, item[this.#metric])),
      nameOf(items, index ?? 0, unit),
      ...(isNow(item, unit, timeZone, serverNow()) ? [soFar()] : []),
    );
    const at = plot.valToPos(index ?? 0, "x");
    const half = this.#tip.offsetWidth / 2;
    const left = Math.min(Math.max(at, half), plot.over.clientWidth - half);
    this.#tip.style.setProperty("--left", `${left}px`);
  }
}

/**
 * A colour of the page as a canvas takes it: the scheme and forced colours change what a name stands for.
 *
 * @param {HTMLElement} near
 * @param {string} name of a class that sets the colour
 */
function colourOf(near, name) {
  const probe = h("span", { class: `probe ${name}`, hidden: true });
  near.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
