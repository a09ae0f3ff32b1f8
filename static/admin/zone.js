/** Days and clock times in a time zone, by the browser's own tables (IANA, as the server's are). */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The zone that this browser is set to. */
export function browserZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** Whether the browser knows a zone of this name. @param {string} zone */
export function isZone(zone) {
  try {
    return Boolean(new Intl.DateTimeFormat("en-GB", { timeZone: zone }));
  } catch {
    return false;
  }
}

/** Making a formatter takes far longer than using one. @type {Map<string, Intl.DateTimeFormat>} */
const formatters = new Map();

/** @param {string} zone @param {Intl.DateTimeFormatOptions} options */
function formatter(zone, options) {
  const key = JSON.stringify([zone, options]);
  const known = formatters.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
  formatters.set(key, made);
  return made;
}

/** The date there, `2026-11-01`. @param {number} ms @param {string} zone */
export function dayOf(ms, zone) {
  const parts = formatter(zone, { year: "numeric", month: "2-digit", day: "2-digit" });
  const [day, month, year] = parts.format(ms).split("/");
  return `${year}-${month}-${day}`;
}

/** @param {string} day @param {number} days */
export function addDays(day, days) {
  return new Date(Date.parse(`${day}T00:00Z`) + days * 24 * HOUR).toISOString().slice(0, 10);
}

/**
 * The first moment of a day there. Some zones have days that begin at 1 o'clock, so it is searched
 * for and not calculated: the first minute that is of that day.
 *
 * @param {string} day `2026-11-01`
 * @param {string} zone
 * @returns {number} milliseconds since 1970
 */
export function midnight(day, zone) {
  const noon = Date.parse(`${day}T00:00Z`);
  // No zone is further from UTC than 15 hours.
  let before = noon - 15 * HOUR;
  let after = noon + 15 * HOUR;
  while (after - before > MINUTE) {
    const middle = before + Math.floor((after - before) / MINUTE / 2) * MINUTE;
    if (dayOf(middle, zone) >= day) after = middle;
    else before = middle;
  }
  return after;
}

/**
 * The moments of a day at which the clock there shows these hours; one that is skipped is left out.
 *
 * @param {string} day
 * @param {string} zone
 * @param {number[]} hours
 * @returns {{ hour: number, at: number }[]}
 */
export function hoursOf(day, zone, hours) {
  const start = midnight(day, zone);
  const end = midnight(addDays(day, 1), zone);
  /** @type {Map<number, number>} */
  const found = new Map();
  for (let at = start; at < end; at += 15 * MINUTE) {
    const [hour, minute] = clock(at, zone).split(":").map(Number);
    if (hour !== undefined && minute === 0 && !found.has(hour)) found.set(hour, at);
  }
  return hours.flatMap((hour) => {
    const at = found.get(hour);
    return at === undefined ? [] : [{ hour, at }];
  });
}

/** `14:05`. @param {number} ms @param {string} zone */
export function clock(ms, zone) {
  return formatter(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(ms);
}

/** `21 Nov 2026, 14:05`. @param {number} ms @param {string} zone */
export function moment(ms, zone) {
  return `${date(ms, zone)}, ${clock(ms, zone)}`;
}

/** `21 Nov 2026`. @param {number} ms @param {string} zone */
export function date(ms, zone) {
  return formatter(zone, { day: "numeric", month: "short", year: "numeric" }).format(ms);
}

/** `Saturday 21 November 2026`. @param {number} ms @param {string} zone */
export function longDate(ms, zone) {
  const options = /** @type {const} */ ({ day: "numeric", month: "long", year: "numeric" });
  return formatter(zone, { weekday: "long", ...options }).format(ms);
}

/** How far its clocks are from UTC at that moment: `UTC+1`. @param {number} ms @param {string} zone */
export function offset(ms, zone) {
  const parts = formatter(zone, { timeZoneName: "shortOffset" }).formatToParts(ms);
  const name = parts.find(({ type }) => type === "timeZoneName")?.value ?? "UTC";
  return name.replace("GMT", "UTC");
}
