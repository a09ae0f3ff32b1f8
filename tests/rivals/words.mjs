/** Numbers as the tables show them. */

/** @param {number} number */
export const spaced = (number) =>
  number.toLocaleString("en", { maximumFractionDigits: 1 }).replaceAll(",", " ");

/** @param {number} seconds */
export const inSeconds = (seconds) => `${spaced(seconds)} s`;
