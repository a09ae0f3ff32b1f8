/**
 * The owner's reports as docs/api.md tells them, made from a list of visits, for a mock server. The
 * rules are the server's own and tested there; this is only as exact as the page needs.
 */

/** @typedef {import("../../static/admin/api.js").Session} Session */
/** @typedef {import("../../static/admin/api.js").Visitor} Visitor */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LIMIT = 100;

/** @param {number} ms */
export const iso = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Numbers that look random and are the same every time. @param {number} seed */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A visit, with what is not told filled in.
 *
 * @param {Partial<Session> & { start: string }} told
 * @returns {Session}
 */
export function visit({ start, durationSeconds = 0, ...rest }) {
  const pages = rest.pages ?? [];
  return {
    id: "1",
    email: "ann@example.com",
    start,
    lastSeen: iso(Date.parse(start) + 1000 * durationSeconds),
    durationSeconds,
    activeSeconds: Math.floor(durationSeconds * 0.8),
    state: "ended",
    looking: false,
    endReason: rest.state && rest.state !== "ended" ? null : "idle",
    endedAt: null,
    currentPage: pages[0]?.path ?? null,
    ...rest,
    pages,
  };
}

const PEOPLE = [
  "ann.lindqvist@northwind.example",
  "bo@fabrikam.example",
  "chiara.marchetti@tallowlane.example",
  "d.okafor@contoso.example",
  "elena@northwind.example",
  "f.garcia-lorca@adventure-works.example",
  "gus@litware.example",
  "hana.sato@contoso.example",
  "ines@fabrikam.example",
  "jonas.weber@wingtip.example",
];
const PATHS = [
  "/portfolio/confidential/",
  "/portfolio/confidential/figures/",
  "/portfolio/confidential/plan/",
  "/portfolio/confidential/team/",
  "/portfolio/confidential/appendix/costs-and-contingencies/",
];

/**
 * A month of a data room: more on working days, some looking now.
 *
 * @param {number} now milliseconds since 1970
 * @param {number} [visits]
 * @returns {Session[]} newest first
 */
export function aMonth(now, visits = 140) {
  const next = numbers(7);
  const pick = (/** @type {any[]} */ list) => list[Math.floor(next() * list.length)];
  /** @type {Session[]} */
  const found = [];
  for (let index = 0; index < visits; index += 1) {
    const isLooking = index < 3;
    const length = Math.floor(60 + next() ** 3 * 4200);
    const ago = isLooking ? length * 1000 : next() * 29 * DAY;
    const start = Math.floor((now - ago) / 1000) * 1000;
    const age = now - start;
    const durationSeconds = Math.min(length, Math.floor(age / 1000));
    const isFirstPages = PATHS.filter((_, at) => at === 0 || next() < 0.45);
    const activeSeconds = Math.floor(durationSeconds * (0.6 + 0.35 * next()));
    const shares = isFirstPages.map(() => 0.15 + next());
    const whole = shares.reduce((sum, share) => sum + share, 0);
    const pages = isFirstPages
      .map((path, at) => ({
        path,
        seconds: Math.floor((activeSeconds * (shares[at] ?? 0)) / whole),
        scroll: Math.floor(100 * Math.min(1, 0.2 + next() * 1.05)),
      }))
      .sort((a, b) => b.seconds - a.seconds);
    const reason = pick(["logout", "idle", "idle", "none", "none", "none", "revoked", "expired"]);
    const state = isLooking ? "open" : reason === "none" ? "vanished" : "ended";
    found.push(
      visit({
        id: String(1000 - index),
        email: index < 3 ? (PEOPLE[index] ?? "") : pick(PEOPLE),
        start: iso(start),
        durationSeconds,
        activeSeconds,
        state,
        looking: isLooking,
        endReason: state === "ended" ? reason : null,
        pages,
      }),
    );
  }
  return found.sort((a, b) => (a.start < b.start ? 1 : -1));
}

/** @param {string} email */
const domainOf = (email) => email.slice(email.lastIndexOf("@") + 1);

/** @param {number[]} values */
function median(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const [low = 0, high = 0] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.floor(sorted.length / 2)],
  ];
  return Math.floor((low + high) / 2);
}

/** @param {number[]} values */
const total = (values) => values.reduce((sum, value) => sum + value, 0);

/** Making a formatter takes far longer than using one. @type {Map<string, Intl.DateTimeFormat>} */
const dates = new Map();

/** The date in a zone. @param {number} ms @param {string} tz */
function dateIn(ms, tz) {
  const known =
    dates.get(tz) ?? new Intl.DateTimeFormat("sv-SE", { timeZone: tz, dateStyle: "short" });
  dates.set(tz, known);
  return known.format(ms);
}

/**
 * Those that the filters let through.
 *
 * @param {Session[]} all
 * @param {URLSearchParams} query
 */
export function filtered(all, query) {
  const tz = query.get("tz") ?? "UTC";
  const [email, domain, from, to] = ["email", "domain", "from", "to"].map((name) =>
    query.get(name),
  );
  const [state, reason] = [query.get("state"), query.get("reason")];
  return all.filter((one) => {
    const day = dateIn(Date.parse(one.start), tz);
    if (email && one.email !== email.toLowerCase()) return false;
    if (domain && domainOf(one.email) !== domain.toLowerCase()) return false;
    if ((from && day < from) || (to && day > to)) return false;
    if (state && (one.state === "open") !== (state === "open")) return false;
    if (reason === "none") return one.state === "vanished";
    return !reason || one.endReason === reason;
  });
}

/** @param {Session[]} visits @returns {Visitor[]} newest last visit first */
export function visitorsOf(visits) {
  /** @type {Map<string, Session[]>} */
  const byEmail = new Map();
  for (const one of visits) byEmail.set(one.email, [...(byEmail.get(one.email) ?? []), one]);
  return [...byEmail].map(([email, own]) => {
    const closed = own.filter(({ state }) => state !== "open");
    const known = (/** @type {Session[]} */ some) =>
      some.flatMap(({ activeSeconds }) => (activeSeconds === null ? [] : [activeSeconds]));
    const starts = own.map(({ start }) => start).sort();
    return {
      email,
      sessions: own.length,
      openSessions: own.length - closed.length,
      looking: own.some(({ looking }) => looking),
      firstVisit: starts[0] ?? "",
      lastVisit: starts.at(-1) ?? "",
      lastSeen:
        own
          .map(({ lastSeen }) => lastSeen)
          .sort()
          .at(-1) ?? "",
      durationSeconds: total(own.map(({ durationSeconds }) => durationSeconds)),
      activeSeconds: total(known(own)),
      activeUnknown: own.length - known(own).length,
      medianActiveSeconds: median(known(closed)),
      pages: [],
      pagesLeftOut: 0,
    };
  });
}

/** @type {Record<string, (a: Visitor, b: Visitor) => number>} */
const ORDERS = {
  last: (a, b) => (a.lastVisit < b.lastVisit ? 1 : -1),
  email: (a, b) => (a.email < b.email ? -1 : 1),
  active: (a, b) => b.activeSeconds - a.activeSeconds,
  duration: (a, b) => b.durationSeconds - a.durationSeconds,
  sessions: (a, b) => b.sessions - a.sessions,
};

/** @param {Visitor[]} people @param {string | null} order */
export const sorted = (people, order) => [...people].sort(ORDERS[order ?? "last"]);

/**
 * A part of a list, and where the next one begins.
 *
 * @template T
 * @param {T[]} list
 * @param {URLSearchParams} query
 */
export function pageOf(list, query) {
  const at = Number(query.get("cursor") ?? 0);
  const end = at + Number(query.get("limit") ?? LIMIT);
  return {
    rows: list.slice(at, end),
    total: list.length,
    next: end < list.length ? String(end) : null,
  };
}

/** @param {Session[]} visits @param {URLSearchParams} query @param {number} now */
export function summaryOf(visits, query, now) {
  const tz = query.get("tz") ?? "UTC";
  const closed = visits.filter(({ state }) => state !== "open");
  const of = (/** @type {string} */ state) => visits.filter((one) => one.state === state).length;
  const looking = visits.filter((one) => one.looking);
  const known = (/** @type {Session[]} */ some) =>
    some.flatMap(({ activeSeconds }) => (activeSeconds === null ? [] : [activeSeconds]));
  const durations = (/** @type {Session[]} */ some) => some.map((one) => one.durationSeconds);
  const because = (/** @type {string} */ reason) =>
    visits.filter((one) => one.endReason === reason).length;
  return {
    sessions: {
      total: visits.length,
      open: of("open"),
      looking: looking.length,
      ended: of("ended"),
      vanished: of("vanished"),
    },
    visitors: new Set(visits.map(({ email }) => email)).size,
    durationSeconds: { total: total(durations(visits)), median: median(durations(closed)) },
    activeSeconds: {
      total: total(known(visits)),
      median: median(known(closed)),
      unknown: visits.length - known(visits).length,
    },
    reasons: {
      ...Object.fromEntries(
        ["logout", "idle", "expired", "revoked"].map((one) => [one, because(one)]),
      ),
      none: of("vanished"),
    },
    periods: periodsOf(visits, query, now, tz),
    pages: pagesOf(visits),
    pagesLeftOut: 0,
    looking: looking.sort((a, b) => (a.lastSeen < b.lastSeen ? 1 : -1)).slice(0, 100),
  };
}

/** @param {Session[]} visits @param {URLSearchParams} query @param {number} now @param {string} tz */
function periodsOf(visits, query, now, tz) {
  const oldest = visits.at(-1)?.start ?? iso(now);
  const from = query.get("from") ?? dateIn(Date.parse(oldest), tz);
  const to = query.get("to") ?? dateIn(now, tz);
  const unit = /** @type {"hour" | "day"} */ (from === to ? "hour" : "day");
  // Made once: ten thousand times is seconds.
  const offsets = new Intl.DateTimeFormat("en", { timeZone: tz, timeZoneName: "longOffset" });
  const times = new Intl.DateTimeFormat("sv-SE", {
    timeZone: tz,
    dateStyle: "short",
    timeStyle: "medium",
  });
  /** The offset of the zone at a moment, `+01:00`. @param {number} ms */
  const offset = (ms) => {
    return (
      offsets
        .formatToParts(ms)
        .find(({ type }) => type === "timeZoneName")
        ?.value.slice(3) || "+00:00"
    );
  };
  const local = (/** @type {number} */ ms) => `${times.format(ms).replace(" ", "T")}${offset(ms)}`;
  /** @type {Map<string, { start: string, label: string, own: Session[] }>} */
  const items = new Map();
  const key = (/** @type {number} */ ms) => {
    const full = local(ms);
    return unit === "hour" ? full.slice(0, 13) + full.slice(19) : full.slice(0, 10);
  };
  for (let at = Date.parse(`${from}T00:00Z`) - 14 * HOUR; ; at += HOUR) {
    const day = dateIn(at, tz);
    if (day > to || at > now) break;
    if (day < from || items.has(key(at))) continue;
    items.set(key(at), {
      start: local(at),
      label: unit === "hour" ? local(at).slice(0, 16) : day,
      own: [],
    });
  }
  for (const one of visits) items.get(key(Date.parse(one.start)))?.own.push(one);
  return {
    unit,
    timeZone: tz,
    items: [...items.values()].map(({ start, label, own }) => ({
      start,
      label,
      sessions: own.length,
      visitors: new Set(own.map(({ email }) => email)).size,
      durationSeconds: total(own.map(({ durationSeconds }) => durationSeconds)),
      activeSeconds: total(own.map(({ activeSeconds }) => activeSeconds ?? 0)),
    })),
  };
}

/** @param {Session[]} visits */
function pagesOf(visits) {
  /** @type {Map<string, { one: Session, seconds: number, scroll: number }[]>} */
  const byPath = new Map();
  for (const one of visits) {
    for (const { path, seconds, scroll } of one.pages) {
      byPath.set(path, [...(byPath.get(path) ?? []), { one, seconds, scroll }]);
    }
  }
  return [...byPath]
    .map(([path, reads]) => ({
      path,
      sessions: reads.length,
      visitors: new Set(reads.map(({ one }) => one.email)).size,
      seconds: total(reads.map(({ seconds }) => seconds)),
      medianSeconds: median(
        reads.filter(({ one }) => one.state !== "open").map(({ seconds }) => seconds),
      ),
      scroll: {
        median: median(reads.map(({ scroll }) => scroll)),
        reached: Array.from(
          { length: 11 },
          (_, tenth) => reads.filter(({ scroll }) => scroll >= 10 * tenth).length,
        ),
      },
    }))
    .sort((a, b) => b.seconds - a.seconds);
}
