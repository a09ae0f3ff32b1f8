/** How much time each visitor spent. */
import { visitors } from "../api.js";
import { h, replace } from "../dom.js";
import { DEFAULT_SORT } from "../filters.js";
import { count, human, number } from "../format.js";
import { bar, pager, panel, skeleton, table } from "../parts.js";
import { breakable, lookingBadge, soFar } from "../words.js";
import { noVisits } from "./nothing.js";

/** @typedef {import("../api.js").Visitor} Visitor */
/** @typedef {import("../parts.js").Column<Visitor>} Column */

/** @typedef {import("../app.js").View} View */

/** @implements {View} */
export class VisitorsView {
  title = "Visitors";
  isLive = false;
  element = h("div");
  #app;
  #list = h("div");

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.element.append(skeleton("table"));
  }

  /** @param {import("../api.js").Query} asked @param {AbortSignal} signal */
  async load(asked, signal) {
    const { sort } = this.#app.filters;
    const query = sort === DEFAULT_SORT ? asked : { ...asked, sort };
    const answer = await visitors(query, signal);
    if (answer.total === 0 && !answer.data.leftOut) {
      replace(this.element, noVisits(this.#app, answer.data));
      return answer.data;
    }
    const { visitors: rows, next, total } = answer;
    const buttons = this.#app.exportButtons("/api/visitors.csv", asked);
    if (!this.#list.isConnected) {
      const note =
        "Active time counts while a page is in front and its reader shows signs of life.";
      replace(this.element, panel("Time per visitor", { note, actions: buttons }, this.#list));
    }
    this.#show({ rows, next, total, sort, query });
    return answer.data;
  }

  /**
   * @param {{ rows: Visitor[], next: string | null, total: number, sort: string,
   *   query: import("../api.js").Query }} state
   */
  #show(state) {
    const { rows, next, total, sort, query } = state;
    const app = this.#app;
    replace(
      this.#list,
      table({
        caption: "Time per visitor",
        class: "visitors",
        columns: columns(app, Math.max(...rows.map(({ activeSeconds }) => activeSeconds))),
        rows,
        sort,
        onSort: (by) => app.navigate({ sort: by }),
      }),
      pager({
        shown: rows.length,
        total,
        noun: "visitor",
        next: next !== null,
        more: () =>
          app.attempt(async (signal) => {
            const more = await visitors({ ...query, cursor: next ?? "" }, signal);
            this.#show({ ...state, rows: [...rows, ...more.visitors], next: more.next });
          }),
      }),
    );
  }
}

/** @param {import("../app.js").App} app @param {number} most @returns {Column[]} */
function columns(app, most) {
  return [
    {
      label: "Visitor",
      sort: "email",
      cell: ({ email, looking, openSessions }) => [
        h(
          "a",
          { href: app.visitorLink(email), "data-key": `visitor-${email}` },
          ...breakable(email),
        ),
        looking ? lookingBadge() : openSessions > 0 && h("span", { class: "badge open" }, "Open"),
      ],
    },
    {
      label: "Active time",
      kind: "bar",
      sort: "active",
      cell: ({ activeSeconds, openSessions, activeUnknown, sessions }) => [
        bar(activeSeconds, most),
        h(
          "span",
          { class: "figure" },
          activeUnknown === sessions ? "not known" : human(activeSeconds),
          openSessions > 0 && soFar(),
          activeUnknown > 0 &&
            activeUnknown < sessions &&
            h("span", { class: "quiet" }, `, not known of ${count(activeUnknown, "visit")}`),
        ),
      ],
    },
    {
      label: "Median",
      kind: "number",
      cell: ({ medianActiveSeconds: median }) => (median === null ? "–" : human(median)),
    },
    {
      label: "Duration",
      kind: "number",
      sort: "duration",
      cell: ({ durationSeconds, openSessions }) => [
        human(durationSeconds),
        openSessions > 0 && soFar(),
      ],
    },
    { label: "Visits", kind: "number", sort: "sessions", cell: ({ sessions }) => number(sessions) },
    { label: "First visit", kind: "number", cell: ({ firstVisit }) => app.moment(firstVisit) },
    {
      label: "Last visit",
      kind: "number",
      sort: "last",
      cell: ({ lastVisit }) => app.moment(lastVisit),
    },
  ];
}
