/** Every visit, newest first, and the way to end one. */
import { sessions } from "../api.js";
import { h, replace } from "../dom.js";
import { human, number } from "../format.js";
import { pager, panel, skeleton, table } from "../parts.js";
import { badge, breakable, pathName, soFar } from "../words.js";
import { noVisits } from "./nothing.js";

/** @typedef {import("../api.js").Session} Session */
/** @typedef {import("../parts.js").Column<Session>} Column */

/** @typedef {import("../app.js").View} View */

/** @implements {View} */
export class VisitsView {
  title = "Visits";
  isLive = false;
  element = h("div");
  #app;
  #list = h("div");

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.#app = app;
    this.element.append(skeleton("table"));
  }

  /** @param {import("../api.js").Query} query @param {AbortSignal} signal */
  async load(query, signal) {
    const { sessions: rows, total, next, data } = await sessions(query, signal);
    if (total === 0 && !data.leftOut) {
      replace(this.element, noVisits(this.#app, data));
      return data;
    }
    if (!this.#list.isConnected) {
      const buttons = this.#app.exportButtons("/api/sessions.csv", query);
      replace(
        this.element,
        panel("Visits", { note: "Newest first.", actions: buttons }, this.#list),
      );
    }
    this.#show({ rows, next, total, query });
    return data;
  }

  /** @param {{ rows: Session[], next: string | null, total: number, query: import("../api.js").Query }} state */
  #show(state) {
    const { rows, next, total, query } = state;
    const app = this.#app;
    replace(
      this.#list,
      table({ caption: "Visits, newest first", class: "visits", columns: columns(app), rows }),
      pager({
        shown: rows.length,
        total,
        noun: "visit",
        next: next !== null,
        more: () =>
          app.attempt(async (signal) => {
            const more = await sessions({ ...query, cursor: next ?? "" }, signal);
            this.#show({ ...state, rows: [...rows, ...more.sessions], next: more.next });
          }),
      }),
    );
  }
}

/** @param {import("../app.js").App} app @returns {Column[]} */
function columns(app) {
  return [
    {
      label: "Visitor",
      cell: ({ id, email }) =>
        h("a", { href: app.visitorLink(email), "data-key": `visit-${id}` }, ...breakable(email)),
    },
    { label: "Start", kind: "number", cell: ({ start }) => app.moment(start) },
    {
      label: "Duration",
      kind: "number",
      cell: ({ durationSeconds, state }) => [human(durationSeconds), state === "open" && soFar()],
    },
    {
      label: "Active",
      kind: "number",
      cell: ({ activeSeconds, state }) =>
        activeSeconds === null ? "not known" : [human(activeSeconds), state === "open" && soFar()],
    },
    { label: "Pages", cell: pagesOf },
    { label: "State", cell: (session) => badge(session) },
    { label: "Revoke", kind: "action", cell: (session) => app.revokeButton(session, "visit") },
  ];
}

/** The page read longest, and how many others. @param {Session} session */
function pagesOf({ pages, currentPage, state }) {
  const path = (state === "open" ? currentPage : null) ?? pages[0]?.path ?? currentPage;
  const others = pages.filter((page) => page.path !== path).length;
  if (!path) return "–";
  return [
    pathName(path),
    others > 0 && h("span", { class: "quiet nowrap" }, ` + ${number(others)} more`),
  ];
}
