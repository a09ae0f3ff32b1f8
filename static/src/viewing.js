/** How much of a pause between two signs of life counts as looking. Pure. */

/** What counts of a pause that no sign of life ends in time. */
export const TAIL_MS = 5_000;
/** An open pause is credited late, so that what another window credited is known first. */
const LAG_MS = 1_500;
/** How long a frame that shows a PDF counts as looked at, from when focus or pointer entered it. */
export const PDF_MS = 600_000;

/**
 * Milliseconds that count of a pause: all of it where a sign of life ends it within the window, else
 * its tail. It is as long as the smaller clock says: what one of them slept through was not looked at.
 * @param {number} wall how long it is by the wall clock, in ms
 * @param {number} mono the same by the monotonic clock
 * @param {boolean} sign whether a sign of life ends it
 * @param {number} windowMs the longest pause that counts in full
 * @param {number} tailMs
 */
export function counted(wall, mono, sign, windowMs, tailMs) {
  const ms = Math.min(wall, mono);
  if (sign && Math.max(wall, mono) <= windowMs) return ms;
  return Math.min(sign ? ms : ms - LAG_MS, tailMs);
}

/** A frame whose signs of life cannot be seen from here; one that shows a PDF. */
export const OPAQUE = 1;
export const PDF = 2;

/**
 * What kind of frame an element is; 0 where it is none, or one that can be looked into. Chromium's
 * PDF viewer is a document of this site's whose input goes elsewhere; Firefox's is of no site's.
 * @param {Element | null | undefined} element
 */
export function frameKind(element) {
  const frame = /** @type {Partial<HTMLIFrameElement & HTMLObjectElement>} */ (element ?? {});
  if (!/^(IFRAME|OBJECT|EMBED)$/.test(frame.tagName ?? "")) return 0;
  const { type, src, data, contentDocument } = frame;
  const shows = `${contentDocument?.contentType} ${type} ${src || data}`;
  if (/(^| )application.pdf|\.pdf([?#]|$)/i.test(shows)) return PDF;
  return contentDocument ? 0 : OPAQUE;
}
