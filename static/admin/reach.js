/** How far down a page its readers get. */
import { h, svg } from "./dom.js";
import { count, number, percent } from "./format.js";
import { behind, table } from "./parts.js";

/** @typedef {import("./api.js").Page} Page */

const STEP = 10;
const HEIGHT = 32;
const WIDTH = 9;
const GAP = 2;

/**
 * A bar for every tenth of a page, as high as the share of its visits that got there; what it says
 * in words; and the table behind it.
 *
 * @param {Page} page
 */
export function reach({ path, sessions, scroll: { median, reached } }) {
  const all = reached[0] ?? sessions;
  const end = reached.at(-1) ?? 0;
  const half = median === null ? "" : `Half got to ${median} %`;
  const words = `${percent(end, all)} to the end`;
  const bars = reached.map((visits, index) => {
    const height = all > 0 ? Math.max(visits > 0 ? 1.5 : 0, (HEIGHT * visits) / all) : 0;
    const x = index * (WIDTH + GAP);
    return svg("rect", { x, y: HEIGHT - height, width: WIDTH, height, class: "reach-bar", rx: 1 });
  });
  const wide = reached.length * (WIDTH + GAP) - GAP;
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${wide} ${HEIGHT + 1}`,
      width: wide,
      height: HEIGHT + 1,
      class: "reach",
      "aria-hidden": "true",
    },
    ...bars,
    svg("line", { x1: 0, x2: wide, y1: HEIGHT + 0.5, y2: HEIGHT + 0.5, class: "reach-base" }),
  );
  const rows = reached.map((visits, index) => ({ depth: index * STEP, visits }));
  return h(
    "div",
    { class: "reach-cell" },
    picture,
    h("p", { class: "quiet" }, half ? `${half}, ${words}` : words),
    behind(
      table({
        caption: `How far readers of ${path} got`,
        class: "small",
        columns: [
          { label: "Scrolled to", cell: ({ depth }) => `${depth} %` },
          { label: "Visits", kind: "number", cell: ({ visits }) => number(visits) },
          { label: "Share", kind: "number", cell: ({ visits }) => percent(visits, all) },
          {
            label: "Stopped here",
            kind: "number",
            cell: ({ depth, visits }) => number(visits - (reached[depth / STEP + 1] ?? 0)),
          },
        ],
        rows,
      }),
      `All depths of ${count(all, "visit")}`,
    ),
  );
}
