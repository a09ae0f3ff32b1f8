/**
 * What reports should say, counted visit by visit from the rows that a test wrote. Days and hours are those that
 * the runtime's own time zones (ICU) show, and nothing of it is shared with what is tested.
 */
import { rfc3339 } from "./visits.mjs";

/**
 * @typedef {import("./visits.mjs").Visit} Visit
 * @typedef {"hour" | "day" | "month"} Unit
 * @typedef {{ idle: number, lifetime: number }} Limits in seconds
 */

/** `IDLE_TIMEOUT_SECONDS` and `SESSION_LIFETIME_SECONDS` as they ship. @type {Limits} */
const LIMITS = { idle: 1_800, lifetime: 86_400 };

/** @param {Visit} visit @param {number} now */
export function stateOf({ reason, start, seen }, now) {
  if (reason !== null) return "ended";
  return now >= seen + LIMITS.idle || now >= start + LIMITS.lifetime ? "vanished" : "open";
}

/** @param {Visit} visit @param {number} now */
export const looks = (visit, now) => stateOf(visit, now) === "open" && now - visit.seen <= 210;

/** @param {Visit} visit */
const duration = ({ start, seen }) => Math.max(0, seen - start);

/** @param {number[]} figures */
const sum = (figures) => figures.reduce((total, figure) => total + figure, 0);

/** @param {number[]} figures */
function median(figures) {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return null;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)];
  return Math.floor(((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2);
}

/** @param {Visit[]} visits */
const people = (visits) => new Set(visits.map(({ email }) => email.toLowerCase()));

/** @param {Visit} visit @param {number} now */
const isOver = (visit, now) => stateOf(visit, now) !== "open";

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * What the clocks of a zone show, and their offset.
 *
 * @param {number} seconds
 * @param {string} timeZone
 */
export function clock(seconds, timeZone) {
  const options = /** @type {const} */ ({
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    hourCycle: "h23",
    timeZoneName: "longOffset",
  });
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat("en", { ...options, timeZone });
  formats.set(timeZone, format);
  const shown = Object.fromEntries(
    format.formatToParts(seconds * 1000).map(({ type, value }) => [type, value]),
  );
  const offset = (shown.timeZoneName ?? "").replace("GMT", "") || "+00:00";
  const month = `${shown.year}-${shown.month}`;
  const day = `${month}-${shown.day}`;
  return { month, day, hour: `${day}T${shown.hour}:00:00${offset}` };
}

/**
 * The visits that began on these days of a zone.
 *
 * @param {Visit[]} visits
 * @param {{ from: string, to: string, zone: string }} range both days belong to it
 */
export const within = (visits, { from, to, zone }) =>
  visits.filter(({ start }) => {
    const { day } = clock(start, zone);
    return day >= from && day <= to;
  });

/**
 * One line for each period of a range, in order, those without visits too.
 *
 * @param {Visit[]} visits
 * @param {{ from: string, to: string, zone: string, unit: Unit }} range
 */
export function periods(visits, { from, to, zone, unit }) {
  /** @type {Map<string, Visit[]>} */
  const found = new Map();
  // Half an hour at a time, from a day before to a day after in any zone.
  const [begins, ends] = [Date.parse(from) / 1000 - 86_400, Date.parse(to) / 1000 + 2 * 86_400];
  for (let moment = begins; moment < ends; moment += 1_800) {
    const shown = clock(moment, zone);
    if (shown.day >= from && shown.day <= to) found.set(shown[unit], []);
  }
  for (const visit of visits) found.get(clock(visit.start, zone)[unit])?.push(visit);
  return [...found].map(([name, of]) => ({
    name,
    sessions: of.length,
    visitors: people(of).size,
    durationSeconds: sum(of.map(duration)),
    activeSeconds: sum(of.map(({ active }) => active ?? 0)),
  }));
}

/** @param {{ seconds: number, path: string }} a @param {{ seconds: number, path: string }} b */
const mostSecondsFirst = (a, b) => b.seconds - a.seconds || (a.path < b.path ? -1 : 1);

/** @param {Visit[]} visits */
const paths = (visits) => [...new Set(visits.flatMap(({ pages }) => Object.keys(pages)))];

/** Everything of a summary but its periods and where it comes from. @param {Visit[]} visits @param {number} now */
export function summary(visits, now) {
  const over = visits.filter((visit) => isOver(visit, now));
  /** @param {string | null} word */
  const ended = (word) => visits.filter(({ reason }) => reason === word).length;
  const states = visits.map((visit) => stateOf(visit, now));
  /** @param {string} wanted */
  const inState = (wanted) => states.filter((state) => state === wanted).length;
  const active = (/** @type {Visit[]} */ of) => of.flatMap(({ active }) => active ?? []);
  const pages = paths(visits).map((path) => {
    const on = visits.flatMap((visit) => {
      const figures = visit.pages[path];
      return figures ? [{ visit, ...figures }] : [];
    });
    const closed = on.filter(({ visit }) => isOver(visit, now));
    return {
      path,
      sessions: on.length,
      visitors: people(on.map(({ visit }) => visit)).size,
      seconds: sum(on.map(({ seconds }) => seconds)),
      medianSeconds: median(closed.map(({ seconds }) => seconds)),
      scroll: {
        median: median(closed.map(({ scroll }) => scroll)),
        reached: Array.from(
          { length: 11 },
          (_, tenth) => on.filter(({ scroll }) => scroll >= 10 * tenth).length,
        ),
      },
    };
  });
  return {
    sessions: {
      total: visits.length,
      open: inState("open"),
      looking: visits.filter((visit) => looks(visit, now)).length,
      ended: inState("ended"),
      vanished: inState("vanished"),
    },
    visitors: people(visits).size,
    durationSeconds: {
      total: sum(visits.map(duration)),
      median: median(over.map(duration)),
    },
    activeSeconds: {
      total: sum(active(visits)),
      median: median(active(over)),
      unknown: visits.filter(({ active }) => active === null).length,
    },
    reasons: {
      logout: ended("logout"),
      idle: ended("idle"),
      expired: ended("expired"),
      revoked: ended("revoked"),
      none: inState("vanished"),
    },
    pages: pages.sort(mostSecondsFirst),
  };
}

/** Each visitor's line, by address. @param {Visit[]} visits @param {number} now */
export function visitors(visits, now) {
  return [...people(visits)].sort().map((email) => {
    const theirs = visits.filter((visit) => visit.email.toLowerCase() === email);
    const over = theirs.filter((visit) => isOver(visit, now));
    const starts = theirs.map(({ start }) => start);
    const pages = paths(theirs).map((path) => {
      const on = theirs.flatMap((visit) => visit.pages[path] ?? []);
      return {
        path,
        seconds: sum(on.map(({ seconds }) => seconds)),
        scroll: Math.max(...on.map(({ scroll }) => scroll)),
        sessions: on.length,
      };
    });
    return {
      email,
      sessions: theirs.length,
      openSessions: theirs.length - over.length,
      looking: theirs.some((visit) => looks(visit, now)),
      firstVisit: rfc3339(Math.min(...starts)),
      lastVisit: rfc3339(Math.max(...starts)),
      lastSeen: rfc3339(Math.max(...theirs.map(({ seen }) => seen))),
      durationSeconds: sum(theirs.map(duration)),
      activeSeconds: sum(theirs.map(({ active }) => active ?? 0)),
      pagesLeftOut: 0,
      activeUnknown: theirs.filter(({ active }) => active === null).length,
      medianActiveSeconds: median(over.flatMap(({ active }) => active ?? [])),
      pages: pages.sort(mostSecondsFirst),
    };
  });
}

/** One visit as a list shows it. @param {Visit} visit @param {number} now */
export const session = (visit, now) => ({
  id: visit.id,
  email: visit.email,
  start: rfc3339(visit.start),
  lastSeen: rfc3339(visit.seen),
  durationSeconds: duration(visit),
  activeSeconds: visit.active,
  state: stateOf(visit, now),
  looking: looks(visit, now),
  endReason: visit.reason,
  endedAt: visit.endedAt === null ? null : rfc3339(visit.endedAt),
  currentPage: visit.page,
  pages: Object.entries(visit.pages)
    .map(([path, figures]) => ({ path, ...figures }))
    .sort(mostSecondsFirst),
});

/** Newest start first; of the same second the largest id. @param {Visit[]} visits */
export const newestFirst = (visits) =>
  visits.toSorted((a, b) => b.start - a.start || Number(b.id) - Number(a.id));

/**
 * Reads RFC 4180, strictly: every line ends in CR LF.
 *
 * @param {string} text
 * @returns {string[][]}
 */
export function readCsv(text) {
  /** @type {string[][]} */
  const lines = [];
  /** @type {string[]} */
  let line = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  while (cell.lastIndex < text.length) {
    const at = cell.lastIndex;
    const found = cell.exec(text);
    if (!found) throw new Error(`no CSV from ${JSON.stringify(text.slice(at, at + 80))}`);
    const [, quoted, plain = "", end] = found;
    line.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ",") continue;
    lines.push(line);
    line = [];
  }
  if (line.length > 0) throw new Error("the last line does not end");
  return lines;
}
