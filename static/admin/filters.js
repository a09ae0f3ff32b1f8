/**
 * What is asked for: it lives in the address of the page, so that a view can be bookmarked, sent to
 * somebody, and come back to.
 */
import { addDays, browserZone, dayOf } from "./zone.js";

/** @typedef {"overview" | "visitors" | "pages" | "visits" | "visitor"} ViewName */
/** @typedef {"today" | "7" | "30" | "all" | "custom"} Range */
/**
 * @typedef {object} Filters
 * @property {ViewName} view
 * @property {Range} range the period; `custom` where `from` or `to` say it
 * @property {string} from a date, both ends included; empty where open
 * @property {string} to
 * @property {string} email
 * @property {string} domain
 * @property {"" | "open" | "ended"} state
 * @property {string} reason
 * @property {string} tz
 * @property {string} sort of the visitors
 */

/** @type {ViewName[]} */
const VIEWS = ["overview", "visitors", "pages", "visits", "visitor"];
/** How many days each preset goes back, today included. @type {Map<string, number>} */
const DAYS = new Map([
  ["today", 1],
  ["7", 7],
  ["30", 30],
]);
const DEFAULT_RANGE = "30";
export const DEFAULT_SORT = "last";
/** What visitors can be sorted by. */
const SORTS = [DEFAULT_SORT, "email", "active", "duration", "sessions"];

/** @param {string} search the query of an address @returns {Filters} */
export function read(search) {
  const query = new URLSearchParams(search);
  const get = (/** @type {string} */ name) => query.get(name)?.trim() ?? "";
  const view = VIEWS.find((one) => one === get("view")) ?? "overview";
  const from = get("from");
  const to = get("to");
  const range = get("range");
  const isPreset = DAYS.has(range) || range === "all";
  const reason = get("reason");
  const state = get("state");
  return {
    // Without a visitor there is no visitor's view.
    view: view === "visitor" && !get("email") ? "visitors" : view,
    range: from || to ? "custom" : /** @type {Range} */ (isPreset ? range : DEFAULT_RANGE),
    from,
    to,
    email: get("email"),
    domain: get("email") ? "" : get("domain"),
    // A reason says that it ended.
    state: reason ? "" : state === "open" || state === "ended" ? state : "",
    reason,
    tz: get("tz") || browserZone(),
    sort: SORTS.find((one) => one === get("sort")) ?? DEFAULT_SORT,
  };
}

/** @param {Filters} filters @returns {string} the query of the address they are read from; `?` where all is as by itself */
export function write(filters) {
  const query = new URLSearchParams();
  const { view, range, from, to, email, domain, state, reason, tz, sort } = filters;
  if (view !== "overview") query.set("view", view);
  if (range === "custom") {
    if (from) query.set("from", from);
    if (to) query.set("to", to);
  } else if (range !== DEFAULT_RANGE) {
    query.set("range", range);
  }
  for (const [name, value] of Object.entries({ email, domain, state, reason })) {
    if (value) query.set(name, value);
  }
  if (tz !== browserZone()) query.set("tz", tz);
  if (sort !== DEFAULT_SORT) query.set("sort", sort);
  return `?${query}`;
}

/**
 * The same for the API.
 *
 * @param {Filters} filters
 * @param {number} now milliseconds since 1970
 * @returns {import("./api.js").Query}
 */
export function toQuery(filters, now) {
  const { range, email, domain, state, reason, tz } = filters;
  const days = DAYS.get(range);
  const from = days === undefined ? filters.from : addDays(dayOf(now, tz), 1 - days);
  const to = range === "custom" ? filters.to : "";
  const all = { email, domain, from: range === "all" ? "" : from, to, state, reason, tz };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value));
}

/** The address of another view, or of this one with other filters. @param {Filters} filters @param {Partial<Filters>} change */
export function link(filters, change) {
  return write({ ...filters, ...change });
}

/** Whether any visit is left out by more than the period. @param {Filters} filters */
export function isFiltered({ email, domain, state, reason }) {
  return Boolean(email || domain || state || reason);
}

/** Without filters: everything, of the preset's days or else of all time. @param {Filters} filters @returns {Filters} */
export function cleared(filters) {
  const nothing = /** @type {const} */ ({ from: "", to: "", email: "", domain: "", reason: "" });
  const view = filters.view === "visitor" ? "visitors" : filters.view;
  const range = filters.range === "custom" ? "all" : filters.range;
  return { ...filters, ...nothing, view, state: "", range };
}

/**
 * What one field asks for: an address, or the domain of several.
 *
 * @param {string} text `ann@example.com`, `example.com` or `@example.com`
 * @returns {{ email: string, domain: string }}
 */
export function who(text) {
  const asked = text.trim();
  const isDomain = asked.lastIndexOf("@") <= 0;
  return { email: isDomain ? "" : asked, domain: isDomain ? asked.replace(/^@/, "") : "" };
}
