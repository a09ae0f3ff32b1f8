/** Figures and moments as people read them. The words are those of `lastseen sessions`. */

/**
 * What visitors wrote, without what could turn the line around and make one address look like
 * another: the rule of `lastseen sessions`.
 *
 * @param {string} text
 */
export function printable(text) {
  return text.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}

const NUMBER = new Intl.NumberFormat("en-GB");

/**
 * `35 s`, `47 min`, `1 h 02 min`, `1 h 02 min 05 s`: exact, so that a total is the sum of what
 * stands above it.
 *
 * @param {number} seconds whole, not negative
 */
export function human(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = Math.floor(seconds) % 60;
  const two = (/** @type {number} */ figure) => String(figure).padStart(2, "0");
  if (hours === 0 && minutes === 0) return `${rest} s`;
  if (hours === 0) return rest === 0 ? `${minutes} min` : `${minutes} min ${two(rest)} s`;
  if (rest > 0) return `${number(hours)} h ${two(minutes)} min ${two(rest)} s`;
  return minutes === 0 ? `${number(hours)} h` : `${number(hours)} h ${two(minutes)} min`;
}

/**
 * The same without seconds where there are hours: for headline figures and the marks of an axis.
 *
 * @param {number} seconds
 */
export function rough(seconds) {
  return human(seconds < 3600 ? seconds : seconds - (seconds % 60));
}

/** `1,234`. @param {number} value */
export function number(value) {
  return NUMBER.format(value);
}

/** `1 visit`, `1,234 visits`. @param {number} value @param {string} one @param {string} [many] */
export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/**
 * `0 %` to `100 %`, rounded: but never to nothing what is there, nor to all what is less.
 *
 * @param {number} part
 * @param {number} whole
 */
export function percent(part, whole) {
  const rounded = whole > 0 ? Math.round((100 * part) / whole) : 0;
  if (rounded === 0 && part > 0) return "< 1 %";
  if (rounded === 100 && part < whole) return "> 99 %";
  return `${rounded} %`;
}

/**
 * `3 s ago`, `2 min ago`, `5 h ago`, `3 days ago`.
 *
 * @param {number} ms how long ago; what lies ahead counts as now
 */
export function ago(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 1) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${count(Math.floor(seconds / 86_400), "day")} ago`;
}

/** `412 B`, `3.1 kB`, `2.0 MB`. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** More durations than this in a sum tell nobody anything. */
const MAX_TERMS = 6;

/**
 * `47 min + 8 min = 55 min`.
 *
 * @param {number[]} durations in seconds; those of no length are left out
 * @returns {string | null} null where there is nothing to add up, or too much
 */
export function sum(durations) {
  const terms = durations.filter((seconds) => seconds > 0);
  if (terms.length < 2 || terms.length > MAX_TERMS) return null;
  const total = terms.reduce((before, seconds) => before + seconds, 0);
  return `${terms.map(human).join(" + ")} = ${human(total)}`;
}
