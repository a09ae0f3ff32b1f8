/**
 * Moments by two clocks. The wall clock goes on while a laptop sleeps (the monotonic one stops
 * there, except on Windows); the monotonic one survives a wall clock that is set.
 */

/** @typedef {readonly [wall: number, monotonic: number]} Moment one instant by both clocks, in ms */

export const FOREVER = 1 / 0;
/** @type {Moment} */
export const NEVER = [-FOREVER, -FOREVER];

/** @returns {Moment} */
export function now() {
  return [Date.now(), performance.now()];
}

/** Milliseconds since a moment, negative before it: the larger of what the two clocks say. @param {Moment} moment */
export function elapsed([wall, mono], t = now()) {
  return Math.max(t[0] - wall, t[1] - mono);
}

/** A moment that another page stamped with the wall clock. @param {number} wall @returns {Moment} */
export function stamped(wall, t = now()) {
  return [wall, t[1] + wall - t[0]];
}

/** The later of a moment and a stamp; a stamp from the future is a clock that was set. @param {Moment} known @param {number} wall */
export function later(known, wall, t = now()) {
  const other = stamped(wall, t);
  return wall <= t[0] && elapsed(other, t) < elapsed(known, t) ? other : known;
}

/** @param {Moment} moment @param {number} by in milliseconds @returns {Moment} */
export function shifted([wall, mono], by) {
  return [wall + by, mono + by];
}

/** @param {number} ms */
export function seconds(ms) {
  return Math.round(ms / 1000);
}
