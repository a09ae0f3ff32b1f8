/** One visitor's visits, day by day: when they looked, at what, and how far they read. */
import { sessions, visitors } from "../api.js";
import { h, replace } from "../dom.js";
import { count, human, number, rough, sum } from "../format.js";
import { bar, figures, newId, pager, panel, skeleton } from "../parts.js";
import { badge, breakable, lookingBadge, pathName, soFar } from "../words.js";
import { addDays, clock, dayOf, hoursOf, longDate, midnight } from "../zone.js";
import { noVisits } from "./nothing.js";

/** @typedef {import("../api.js").Session} Session */
/** @typedef {import("../api.js").Visitor} Visitor */
/** @typedef {import("../app.js").App} App */
/** @typedef {{ who: Visitor | undefined, rows: Session[], next: string | null, total: number,
 *   query: import("../api.js").Query }} State */

const HOURS = [0, 3, 6, 9, 12, 15, 18, 21];

/** @typedef {import("../app.js").View} View */

/** @implements {View} */
export class VisitorView {
  title;
  isLive = false;
  heading = h("div", { class: "visitor-head" });
  element = h("div", { class: "visitor" });
  #app;

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.title = app.filters.email;
    this.#head(undefined);
    this.element.append(skeleton("tiles", "list", "list"));
  }

  /** @param {Visitor | undefined} who */
  #head(who) {
    const app = this.#app;
    const back = { href: app.link({ view: "visitors", email: "" }), "data-key": "back" };
    replace(
      this.heading,
      h("p", {}, h("a", back, "← All visitors")),
      h("h1", {}, h("span", {}, ...breakable(this.title)), who?.looking && lookingBadge()),
      who && who.openSessions > 0 && app.revokeAllButton(this.title, who.openSessions),
    );
  }

  /** @param {import("../api.js").Query} query @param {AbortSignal} signal */
  async load(query, signal) {
    const [list, people] = await Promise.all([sessions(query, signal), visitors(query, signal)]);
    const { sessions: rows, next, total, data } = list;
    this.#show({ who: people.visitors[0], rows, next, total, query }, data);
    return data;
  }

  /** @param {State} state @param {import("../api.js").Data} data */
  #show(state, data) {
    const { who, rows, next, total, query } = state;
    const app = this.#app;
    this.#head(who);
    if (total === 0 && !data.leftOut) {
      replace(this.element, noVisits(app, data));
      return;
    }
    replace(
      this.element,
      who && headline(app, who),
      panel(
        "Timeline",
        { note: `Times are in ${app.filters.tz}.` },
        totals(rows, next === null),
        ...days(rows, app.filters.tz).map((day) => this.#day(day)),
        pager({
          shown: rows.length,
          total,
          noun: "visit",
          next: next !== null,
          more: () =>
            app.attempt(async (signal) => {
              const more = await sessions({ ...query, cursor: next ?? "" }, signal);
              this.#show({ ...state, rows: [...rows, ...more.sessions], next: more.next }, data);
            }),
        }),
      ),
    );
  }

  /** @param {Day} day */
  #day({ day, visits, looked }) {
    const { tz } = this.#app.filters;
    const id = newId("day");
    const start = midnight(day, tz);
    return h(
      "section",
      { class: "day", "aria-labelledby": id },
      h("h3", { id }, longDate(start, tz)),
      lane(day, looked, tz),
      visits.length === 0
        ? h("p", { class: "quiet" }, "The visit that began the day before.")
        : h("ul", { class: "timeline" }, ...visits.map((visit) => this.#visit(visit))),
    );
  }

  /** @param {Session} session */
  #visit(session) {
    const { start, lastSeen, durationSeconds, activeSeconds, state, pages, id } = session;
    const { tz } = this.#app.filters;
    const [from, to] = [Date.parse(start), Date.parse(lastSeen)];
    const isNextDay = dayOf(from, tz) !== dayOf(to, tz);
    const until = `${clock(to, tz)}${isNextDay ? ` on ${longDate(to, tz)}` : ""}`;
    const most = Math.max(...pages.map(({ seconds }) => seconds));
    return h(
      "li",
      { class: "visit" },
      h(
        "div",
        { class: "visit-head" },
        h("p", { class: "when" }, `${clock(from, tz)} to ${until}`),
        badge(session),
        h(
          "p",
          { class: "visit-figures" },
          h("span", {}, human(durationSeconds), state === "open" && soFar()),
          h(
            "span",
            { class: "quiet" },
            activeSeconds === null ? "active time not known" : `${human(activeSeconds)} active`,
          ),
        ),
        this.#app.revokeButton(session, "timeline"),
      ),
      pages.length > 0 &&
        h(
          "ul",
          { class: "read", "aria-label": `Pages of the visit at ${clock(from, tz)}` },
          ...pages.map(({ path, seconds, scroll }) =>
            h(
              "li",
              { "data-visit": id },
              pathName(path),
              h(
                "span",
                { class: "read-time" },
                bar(seconds, most),
                h("span", { class: "figure" }, human(seconds)),
              ),
              h(
                "span",
                { class: "depth" },
                h("span", { class: "depth-bar", "aria-hidden": "true", "--share": scroll / 100 }),
                h("span", { class: "figure" }, `read to ${number(scroll)} %`),
              ),
            ),
          ),
        ),
    );
  }
}

/** @param {App} app @param {Visitor} who */
function headline(app, who) {
  const {
    sessions: visits,
    openSessions,
    durationSeconds,
    activeSeconds,
    medianActiveSeconds,
    firstVisit,
    lastVisit,
  } = who;
  const growing = openSessions > 0 ? " so far" : "";
  return figures([
    {
      label: "Visits",
      value: number(visits),
      notes: [openSessions > 0 && `${number(openSessions)} open`],
    },
    {
      label: `Active time${growing}`,
      value: rough(activeSeconds),
      notes: [
        medianActiveSeconds === null
          ? "no visit has ended yet"
          : `median ${human(medianActiveSeconds)} a visit`,
        who.activeUnknown > 0 && `not known of ${count(who.activeUnknown, "visit")}`,
      ],
    },
    { label: `Duration${growing}`, value: rough(durationSeconds) },
    {
      label: "Last visit",
      value: app.date(lastVisit),
      notes: [visits > 1 && `first ${app.date(firstVisit)}`],
    },
  ]);
}

/** What the visits add up to, to the second. @param {Session[]} rows newest first @param {boolean} isAll */
function totals(rows, isAll) {
  if (!isAll || rows.length < 2) return null;
  const oldestFirst = [...rows].reverse();
  const isOpen = rows.some(({ state }) => state === "open");
  const isKnown = rows.every(({ activeSeconds }) => activeSeconds !== null);
  /** @type {[string, string | null][]} */
  const lines = [
    ["Duration", sum(oldestFirst.map(({ durationSeconds }) => durationSeconds))],
    ["Active", isKnown ? sum(oldestFirst.map(({ activeSeconds }) => activeSeconds ?? 0)) : null],
  ];
  const said = lines.filter(([, text]) => text);
  if (said.length === 0) return null;
  return h(
    "dl",
    { class: "sums" },
    ...said.map(([label, text]) =>
      h("div", {}, h("dt", {}, label), h("dd", {}, text, isOpen && soFar())),
    ),
  );
}

/** @typedef {{ day: string, visits: Session[], looked: { from: number, to: number }[] }} Day */

/**
 * Visits by the day they began on, newest first; one that goes on past midnight is also drawn on the
 * day after.
 *
 * @param {Session[]} rows
 * @param {string} tz
 * @returns {Day[]}
 */
export function days(rows, tz) {
  /** @type {Map<string, Day>} */
  const found = new Map();
  const on = (/** @type {string} */ day) => {
    const known = found.get(day) ?? { day, visits: [], looked: [] };
    found.set(day, known);
    return known;
  };
  for (const visit of rows) {
    const from = Date.parse(visit.start);
    const to = Date.parse(visit.lastSeen);
    const first = dayOf(from, tz);
    on(first).visits.push(visit);
    const last = dayOf(to, tz);
    for (let day = first; day <= last; day = addDays(day, 1)) on(day).looked.push({ from, to });
  }
  return [...found.values()].sort((a, b) => (a.day < b.day ? 1 : -1));
}

/**
 * A day from midnight to midnight, as long as that day is: 23 and 25 hours included. It is drawn for
 * eyes alone; the list below it says the same.
 *
 * @param {string} day
 * @param {{ from: number, to: number }[]} looked
 * @param {string} tz
 */
function lane(day, looked, tz) {
  const start = midnight(day, tz);
  const end = midnight(addDays(day, 1), tz);
  const share = (/** @type {number} */ at) =>
    Math.min(1, Math.max(0, (at - start) / (end - start)));
  return h(
    "div",
    { class: "lane", "aria-hidden": "true" },
    ...hoursOf(day, tz, HOURS).map(({ hour, at }) =>
      h(
        "span",
        { class: hour % 6 === 0 ? "hour" : "hour minor", "--at": share(at) },
        `${String(hour).padStart(2, "0")}:00`,
      ),
    ),
    ...looked.map(({ from, to }) =>
      h("span", { class: "stretch", "--at": share(from), "--long": share(to) - share(from) }),
    ),
  );
}
