/** When heartbeats are due. Pure; all in milliseconds. */

/** Timers are hints: what runs between two looks at the clock while the page can be seen. */
export const TICK_MS = 1_000;
/** The pause after the first heartbeat; and what "a moment ago" means of a sibling's. */
const SOON_MS = 5_000;
/** How much longer than what was seen so far the next heartbeat waits. */
const HEAD_START_MS = 12_000;
/** The first pause after a failed send; it doubles from there, up to the interval. */
const FIRST_RETRY_MS = 5_000;
/** However long a server asks us to wait, ask again after an hour. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * The pause between two heartbeats.
 * @param {number} interval
 * @param {boolean} soon one is to follow soon
 * @param {boolean} news there is something new to tell
 * @param {number} quiet heartbeats in a row that had nothing new to tell
 * @param {number} told viewing time that was told last
 * @param {number} granted what the server granted from then on
 */
export function gap(interval, soon, news, quiet, told, granted) {
  // Nobody is there: two, four, eight intervals. The first sign of life asks at once.
  if (!soon && !news) return interval * 2 ** (quiet + 1);
  // As long as what was seen so far: a crash never costs more than about half of it.
  const ms = Math.min(interval, soon ? SOON_MS : told + HEAD_START_MS);
  // Two heartbeats may be lost before the server's deadline comes.
  return news ? Math.min(ms, Math.max(TICK_MS, granted / 3)) : ms;
}

/** The pause between two questions of a locked page. @param {number} interval @param {number} asked how many there were */
export function lockedGap(interval, asked) {
  return Math.min(interval, TICK_MS * 2 ** asked);
}

/**
 * The pause after a failed send. `random` spreads it, so that pages that failed together do not
 * return together.
 * @param {number} interval @param {number} failures in a row @param {number} retryAfter @param {number} random 0 to 1
 */
export function retry(interval, failures, retryAfter, random) {
  const backoff = Math.min(interval, FIRST_RETRY_MS * 2 ** (failures - 1));
  const spread = 0.5 + random / 2;
  return Math.max(backoff * spread, retryAfter * (2 - spread));
}

/** Seconds or a date (RFC 9110, 10.2.3), in ms from now. @param {string | null | undefined} text @param {number} wall now */
export function retryAfterMs(text, wall) {
  const ms = +(text ?? "") * 1000 || Date.parse(text ?? "") - wall;
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : 0;
}
