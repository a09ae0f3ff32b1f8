/** What the periods of a summary are called, and how many of the names fit under a chart. */

import { dayOf } from "./zone.js";

/** @typedef {import("./api.js").Period} Period */
/** @typedef {import("./api.js").Summary["periods"]["unit"]} Unit */

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/**
 * A period's name in full: `21 Nov 2026`, `21 Nov 2026, 14:00`, `November 2026`. The clock is the
 * one that the server wrote, so an hour that comes twice in autumn says which of the two it is.
 *
 * @param {Period[]} items
 * @param {number} index
 * @param {Unit} unit
 */
export function nameOf(items, index, unit) {
  const { year, month, day, clock, offset } = parts(items[index]);
  if (unit === "month") return `${month} ${year}`;
  if (unit === "day") return `${day} ${month} ${year}`;
  const twice = [items[index - 1], items[index + 1]].some(
    (one) => one && isSameHour(one, items[index]),
  );
  return `${day} ${month} ${year}, ${clock}${twice ? ` (UTC${offset})` : ""}`;
}

/**
 * Whether a period is not over yet.
 *
 * @param {Period} item
 * @param {Unit} unit
 * @param {string} zone whose calendar it is
 * @param {number} now milliseconds since 1970
 */
export function isNow(item, unit, zone, now) {
  if (unit === "hour") {
    const age = now - Date.parse(item.start);
    return age >= 0 && age < 3_600_000;
  }
  const length = unit === "day" ? 10 : 7;
  return item.start.slice(0, length) === dayOf(now, zone).slice(0, length);
}

/**
 * A period's name under the axis, as short as its neighbours allow: `21 Nov`, `14:00`, `Nov 2026`.
 *
 * @param {Period[]} items
 * @param {number} index
 * @param {Unit} unit
 */
export function markOf(items, index, unit) {
  const { year, month, day, clock } = parts(items[index]);
  if (unit === "month") return month === "Jan" ? year : month;
  if (unit === "day") return `${day} ${month}`;
  return clock === "00:00" ? `${day} ${month}` : clock;
}

/**
 * Which periods are marked under the axis, so that their names do not touch.
 *
 * @param {Period[]} items
 * @param {Unit} unit
 * @param {number} room how many names fit
 * @returns {number[]} their indices
 */
export function marks(items, unit, room) {
  /** @type {Record<Unit, number[]>} */
  const STEPS = {
    hour: [1, 2, 3, 6, 12, 24, 48],
    day: [1, 2, 3, 7, 14, 28, 56],
    month: [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200],
  };
  const steps = STEPS[unit];
  const least = items.length / Math.max(1, room);
  const step = steps.find((one) => one >= least) ?? Math.ceil(least);
  if (unit === "hour") {
    // By the clock, which skips and repeats hours twice a year.
    return items.flatMap((item, index) => {
      const isMark = Number(item.start.slice(11, 13)) % Math.min(step, 24) === 0;
      return isMark && !(items[index - 1] && isSameHour(items[index - 1], item)) ? [index] : [];
    });
  }
  if (unit === "month" && step > 1) {
    return items.flatMap((item, index) => {
      const months = 12 * Number(item.start.slice(0, 4)) + Number(item.start.slice(5, 7)) - 1;
      return months % step === 0 ? [index] : [];
    });
  }
  // The newest is always marked.
  const last = items.length - 1;
  return items.flatMap((_, index) => ((last - index) % step === 0 ? [index] : []));
}

/** @param {Period | undefined} one @param {Period | undefined} other */
function isSameHour(one, other) {
  return one?.start.slice(0, 13) === other?.start.slice(0, 13);
}

/** @param {Period | undefined} item */
function parts(item) {
  const start = item?.start ?? "";
  return {
    year: start.slice(0, 4),
    month: MONTHS[Number(start.slice(5, 7)) - 1] ?? "",
    day: String(Number(start.slice(8, 10))),
    clock: start.slice(11, 16),
    offset: start.slice(19).replace("Z", "+00:00"),
  };
}
