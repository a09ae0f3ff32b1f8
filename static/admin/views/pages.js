/** How long each page was read, and how far. */
import { summary } from "../api.js";
import { h, replace } from "../dom.js";
import { count, human, number } from "../format.js";
import { bar, panel, skeleton, table } from "../parts.js";
import { reach } from "../reach.js";
import { pathName } from "../words.js";
import { noVisits } from "./nothing.js";

/** @typedef {import("../app.js").View} View */

/** @implements {View} */
export class PagesView {
  title = "Pages";
  isLive = false;
  element = h("div");
  #app;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.element.append(skeleton("table"));
  }

  /** @param {import("../api.js").Query} query @param {AbortSignal} signal */
  async load(query, signal) {
    const { pages, pagesLeftOut, sessions, data } = await summary(query, signal);
    if (sessions.total === 0 && !data.leftOut) {
      replace(this.element, noVisits(this.#app, data));
      return data;
    }
    const most = Math.max(...pages.map(({ seconds }) => seconds));
    const note =
      "The bars show how many visits got at least so far down: a step is where readers stop.";
    replace(
      this.element,
      panel(
        "Pages",
        { note },
        pages.length === 0
          ? h(
              "p",
              { class: "nobody" },
              "No page was read in these visits, or the table has no column for pages.",
            )
          : table({
              caption: "Time per page, and how far it is read",
              class: "pages",
              columns: [
                { label: "Page", cell: ({ path }) => pathName(path) },
                {
                  label: "Time",
                  kind: "bar",
                  cell: ({ seconds }) => [
                    bar(seconds, most),
                    h("span", { class: "figure" }, human(seconds)),
                  ],
                },
                {
                  label: "Median",
                  kind: "number",
                  cell: ({ medianSeconds }) =>
                    medianSeconds === null ? "–" : human(medianSeconds),
                },
                { label: "Visits", kind: "number", cell: (page) => number(page.sessions) },
                { label: "Visitors", kind: "number", cell: (page) => number(page.visitors) },
                { label: "Read down to", cell: reach },
              ],
              rows: pages,
            }),
        pagesLeftOut > 0 &&
          h("p", { class: "quiet" }, `${count(pagesLeftOut, "page")} with less time left out.`),
      ),
    );
    return data;
  }
}
