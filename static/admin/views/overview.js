/** What an owner wants to know first: who is looking, how much was looked at, and how it ended. */
import { serverNow, summary, visitors } from "../api.js";
import { Chart, told } from "../chart.js";
import { h, replace } from "../dom.js";
import { isFiltered } from "../filters.js";
import { count, human, number, percent, rough } from "../format.js";
import { bar, behind, figures, panel, skeleton, table } from "../parts.js";
import { isNow, nameOf } from "../periods.js";
import { breakable, dot, lookingBadge, pathName, REASONS, soFar } from "../words.js";
import { noVisits } from "./nothing.js";

/** @typedef {import("../api.js").Summary} Summary */
/** @typedef {import("../api.js").Session} Session */
/** @typedef {import("../api.js").Visitor} Visitor */
/** @typedef {import("../chart.js").Metric} Metric */
/** @typedef {import("../app.js").App} App */

/** How many of the visitors and pages with the most time are shown here. */
const TOP = 5;
/** The list of visitors moves slowly: it is asked for with every sixth summary. */
const VISITORS_EVERY = 6;

const ENDED = "Vanished: last seen, and never again. A closed tab, a lid, a dead network.";

/** @type {[Metric, string][]} */
const METRICS = [
  ["sessions", "Visits"],
  ["visitors", "Visitors"],
  ["activeSeconds", "Active time"],
];

/** @typedef {import("../app.js").View} View */

/** @implements {View} */
export class Overview {
  title = "Overview";
  isLive = true;
  element = h("div", { class: "overview" });
  #app;
  #chart = new Chart();
  /** @type {Metric} */
  #metric = "sessions";
  /** @type {Summary | undefined} */
  #summary;
  /** @type {Visitor[]} */
  #top = [];
  #round = 0;
  #asked = "";
  #isBuilt = false;

  #slots = {
    figures: h("div"),
    looking: h("div"),
    // It scrolls, so the keyboard has to get there.
    periods: h("div", {
      tabindex: "0",
      role: "region",
      "aria-label": "Visits over time, as a table",
    }),
    reasons: h("div"),
    visitors: h("div"),
    pages: h("div"),
  };

  #behind = behind(this.#slots.periods);

  /** @param {App} app */
  constructor(app) {
    this.#app = app;
    this.#behind.addEventListener("toggle", () => this.#periodsTable());
    this.element.append(skeleton("tiles", "list", "plot", "list"));
  }

  /** @param {import("../api.js").Query} query @param {AbortSignal} signal */
  async load(query, signal) {
    const asked = JSON.stringify(query);
    const isNew = asked !== this.#asked;
    const wantsVisitors = isNew || this.#round % VISITORS_EVERY === 0;
    const [told, top] = await Promise.all([
      summary(query, signal),
      wantsVisitors
        ? visitors({ ...query, sort: "active", limit: String(TOP) }, signal)
        : undefined,
    ]);
    this.#asked = asked;
    this.#round = isNew ? 1 : this.#round + 1;
    this.#summary = told;
    if (top) this.#top = top.visitors;
    this.#show();
    return told.data;
  }

  #show() {
    const told = this.#summary;
    if (!told) return;
    if (told.sessions.total === 0 && !told.data.leftOut) {
      this.#isBuilt = false;
      replace(this.element, noVisits(this.#app, told.data));
      return;
    }
    if (!this.#isBuilt) this.#build();
    this.#figures(told);
    this.#looking(told);
    this.#periods(told);
    this.#reasons(told);
    this.#visitors();
    this.#pages(told);
  }

  #build() {
    this.#isBuilt = true;
    const slots = this.#slots;
    const metrics = METRICS.map(([metric, label]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(metric === this.#metric),
          click: (/** @type {MouseEvent} */ { currentTarget }) => {
            this.#metric = metric;
            for (const one of metrics)
              one.setAttribute("aria-pressed", String(one === currentTarget));
            if (this.#summary) this.#periods(this.#summary);
          },
        },
        label,
      ),
    );
    const segments = h("div", { class: "segments", role: "group", "aria-label": "What is drawn" });
    segments.append(...metrics);
    const all = (/** @type {"visitors" | "pages"} */ view, /** @type {string} */ label) =>
      h("a", { class: "button plain", href: this.#app.link({ view }), "data-view": view }, label);
    this.element.replaceChildren(
      slots.figures,
      panel("Looking now", { class: "looking-panel" }, slots.looking),
      h(
        "div",
        { class: "columns" },
        panel("Visits over time", { actions: [segments] }, this.#chart.element, this.#behind),
        panel("How visits ended", { note: ENDED }, slots.reasons),
      ),
      h(
        "div",
        { class: "columns even" },
        panel(
          "Most time, by visitor",
          { actions: [all("visitors", "All visitors")] },
          slots.visitors,
        ),
        panel("Most time, by page", { actions: [all("pages", "All pages")] }, slots.pages),
      ),
    );
  }

  /** @param {Summary} told */
  #figures({ sessions, visitors: people, activeSeconds, durationSeconds }) {
    const { open, total, vanished, ended } = sessions;
    const median = (/** @type {number | null} */ seconds) =>
      seconds === null ? "no visit has ended yet" : `median ${human(seconds)} a visit`;
    this.#slots.figures.replaceChildren(
      figures([
        {
          label: "Visits",
          value: number(total),
          notes: [
            open > 0 ? `${number(open)} open, ${number(ended + vanished)} ended` : "all ended",
          ],
        },
        {
          label: "Visitors",
          value: number(people),
          notes: [
            people > 0 ? `${count(Number((total / people).toFixed(1)), "visit")} each` : null,
          ],
        },
        {
          label: open > 0 ? "Active time so far" : "Active time",
          value: rough(activeSeconds.total),
          notes: [
            median(activeSeconds.median),
            activeSeconds.unknown > 0 && `not known of ${count(activeSeconds.unknown, "visit")}`,
          ],
        },
        {
          label: open > 0 ? "Duration so far" : "Duration",
          value: rough(durationSeconds.total),
          notes: [median(durationSeconds.median)],
        },
      ]),
    );
  }

  /** @param {Summary} told */
  #looking({ looking, sessions }) {
    const app = this.#app;
    if (looking.length === 0) {
      const among = isFiltered(app.filters)
        ? " Only visits that the filters let through count."
        : "";
      replace(
        this.#slots.looking,
        h("p", { class: "nobody" }, `Nobody is looking right now.${among}`),
      );
      return;
    }
    const more = sessions.looking - looking.length;
    replace(
      this.#slots.looking,
      h("ul", { class: "live" }, ...looking.map((session) => this.#live(session))),
      more > 0 && h("p", { class: "quiet" }, `and ${count(more, "more visit")}`),
    );
  }

  /** @param {Session} session */
  #live(session) {
    const { id, email, currentPage, activeSeconds, durationSeconds, lastSeen } = session;
    const app = this.#app;
    return h(
      "li",
      {},
      dot(),
      h(
        "p",
        { class: "live-who" },
        h("a", { href: app.visitorLink(email), "data-key": `live-${id}` }, ...breakable(email)),
        currentPage && pathName(currentPage),
      ),
      h(
        "p",
        { class: "live-time" },
        h(
          "span",
          {},
          `${human(activeSeconds ?? durationSeconds)}${activeSeconds === null ? "" : " active"}`,
          soFar(),
        ),
        h("span", { class: "quiet" }, "last seen ", app.age(lastSeen)),
      ),
      app.revokeButton(session, "live"),
    );
  }

  /** @param {Summary} told */
  #periods({ periods }) {
    const { items, unit } = periods;
    const metric = this.#metric;
    this.#chart.show(periods, metric);
    const most = items.reduce(
      (best, item) => (item[metric] > (best?.[metric] ?? 0) ? item : best),
      items[0],
    );
    const label = most
      ? `Bars for ${count(items.length, unit)}. The highest: ${told(metric, most[metric])}, ${nameOf(items, items.indexOf(most), unit)}. All figures are in the table below.`
      : "No period";
    this.#chart.element.setAttribute("role", "img");
    this.#chart.element.setAttribute("aria-label", label);
    this.#periodsTable();
  }

  /** Up to 1,200 rows, every ten seconds: only where somebody looks at them. */
  #periodsTable() {
    if (!this.#summary || !this.#behind.open) return;
    const { items, unit, timeZone } = this.#summary.periods;
    const rows = items
      .map((item, index) => ({
        item,
        name: nameOf(items, index, unit),
        isNow: isNow(item, unit, timeZone, serverNow()),
      }))
      .reverse();
    replace(
      this.#slots.periods,
      table({
        caption: `Visits over time, in ${timeZone}, newest first`,
        class: "small",
        columns: [
          {
            label: `${unit === "hour" ? "Hour" : unit === "day" ? "Day" : "Month"}`,
            cell: ({ name, isNow }) => [name, isNow && soFar()],
          },
          { label: "Visits", kind: "number", cell: ({ item }) => number(item.sessions) },
          { label: "Visitors", kind: "number", cell: ({ item }) => number(item.visitors) },
          { label: "Active", kind: "number", cell: ({ item }) => human(item.activeSeconds) },
          { label: "Duration", kind: "number", cell: ({ item }) => human(item.durationSeconds) },
        ],
        rows,
      }),
    );
  }

  /** @param {Summary} told */
  #reasons({ reasons, sessions: { total, open } }) {
    const app = this.#app;
    /** @type {{ label: string, visits: number, href: string }[]} */
    const rows = REASONS.map(([reason, label]) => ({
      label,
      visits: reasons[reason] ?? 0,
      href: app.link({ view: "visits", reason, state: "" }),
    }));
    rows.push({
      label: "Still open",
      visits: open,
      href: app.link({ view: "visits", reason: "", state: "open" }),
    });
    replace(
      this.#slots.reasons,
      h(
        "ul",
        { class: "reasons" },
        ...rows.map(({ label, visits, href }) =>
          h(
            "li",
            {},
            h("span", { class: "reason" }, h("a", { href, "data-key": `reason-${label}` }, label)),
            h(
              "span",
              { class: "reason-figure" },
              number(visits),
              h("span", { class: "quiet" }, ` ${percent(visits, total)}`),
            ),
            bar(visits, total),
          ),
        ),
      ),
    );
  }

  #visitors() {
    const app = this.#app;
    const most = Math.max(...this.#top.map(({ activeSeconds }) => activeSeconds));
    replace(
      this.#slots.visitors,
      table({
        caption: "The visitors with the most active time",
        class: "leaders",
        columns: [
          {
            label: "Visitor",
            cell: ({ email, looking }) => [
              h(
                "a",
                { href: app.visitorLink(email), "data-key": `top-${email}` },
                ...breakable(email),
              ),
              looking && lookingBadge(),
            ],
          },
          {
            label: "Active time",
            kind: "bar",
            cell: ({ activeSeconds, openSessions }) => [
              bar(activeSeconds, most),
              h("span", { class: "figure" }, human(activeSeconds), openSessions > 0 && soFar()),
            ],
          },
          { label: "Visits", kind: "number", cell: ({ sessions }) => number(sessions) },
        ],
        rows: this.#top,
      }),
    );
  }

  /** @param {Summary} told */
  #pages({ pages }) {
    const top = pages.slice(0, TOP);
    if (top.length === 0) {
      replace(this.#slots.pages, h("p", { class: "nobody" }, "No page was read yet."));
      return;
    }
    const most = Math.max(...top.map(({ seconds }) => seconds));
    replace(
      this.#slots.pages,
      table({
        caption: "The pages with the most time",
        class: "leaders",
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
          { label: "Visits", kind: "number", cell: ({ sessions }) => number(sessions) },
        ],
        rows: top,
      }),
    );
  }
}
