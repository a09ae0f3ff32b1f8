/**
 * Viewing time of this page. A pause opens with a sign of life, or when the page comes to the front;
 * the next sign, or leaving, closes it.
 */
import { elapsed, NEVER, now } from "./clock.js";
import { depth, pageName } from "./figures.js";
import { paused } from "./lock.js";
import { settings } from "./settings.js";
import { activity, count, credited, figuresOf, news, save, setDepth } from "./tabs.js";
import { counted, frameKind, OPAQUE, PDF, PDF_MS, TAIL_MS } from "./viewing.js";

/** @typedef {import("./clock.js").Moment} Moment */

/** The page of the figures; see `followAddress`. */
export let here = "";
/** The newest activity of, or arrival at, this very page. */
export let own = NEVER;
/** The page is visible, loaded or back from the back-forward cache. */
export let shown = false;
/** Where the open pause began; null while nobody can be looking. @type {Moment | null} */
let from = null;
/** What counts of it if no sign of life ends it in time. */
let tailMs = TAIL_MS;
/** The page is in front, and has the keyboard. */
let attentive = false;
/** When we last looked at the clock. */
let glanced = NEVER;
/** When the visitor closed this page or went on to another. */
let departed = NEVER;

/** The PDF's frame that the pointer is over. @type {Element | null} */
let hovered = null;
/** The frame that focus or pointer is in. @type {Element | null} */
let entered = null;
let enteredAt = NEVER;

/** What scrolls here: the document, or an element that is most of it. @type {Element | null} */
let scroller = null;
let scrolled = false;
/** The lowest pixel that was seen, and the largest height that there was. */
let bottom = 0;
let tallest = 0;
/** The depth before this visit of the page. */
let depthBefore = 0;

export function markOwn() {
  own = now();
  news();
}

/** Somebody is looking, or may be. */
export function isLooking() {
  return from !== null;
}

/** @param {Moment | null} moment @param {number} tail */
function openPause(moment, tail) {
  from = moment;
  tailMs = tail;
}

/** Counts the open pause: as far as is sure, or, with a sign of life, for good. @param {boolean} [sign] */
export function credit(sign) {
  if (!from) return;
  const t = now();
  const window = settings.activityWindow;
  // With the keyboard in a frame of another site nothing more can be seen of its reader.
  const tail = frameKind(entered) === OPAQUE ? window : tailMs;
  const ms = counted(t[0] - from[0], t[1] - from[1], sign === true, window, tail);
  count(here, from, ms, t);
  if (sign) openPause(t, TAIL_MS);
}

export function stopLooking() {
  from = null;
}

/** Closes the open pause, for good. */
export function closePause() {
  credit(true);
  from = null;
}

/** A sign of life. */
export function lookOn() {
  credit(true);
  if (!from) openPause(now(), TAIL_MS);
  markOwn();
}

/** How long ago somebody was last seen, in ms. */
export function seenMs() {
  return Math.min(elapsed(credited), elapsed(activity), elapsed(departed));
}

/** Notices a machine that slept, a page that was stopped: nobody looked, and nobody is known to be back. */
export function glance() {
  if (from && glanced !== NEVER && elapsed(glanced) > settings.activityWindow) openPause(now(), 0);
  glanced = now();
}

/** Follows the address. @returns {boolean} whether there is another page now */
export function followAddress() {
  const name = pageName(location.pathname, location.hash);
  if (here === name) return false;
  closeAddress();
  here = name;
  depthBefore = figuresOf(here)[1];
  scrolled = false;
  bottom = tallest = 0;
  scroller = null;
  markOwn();
  return true;
}

function closeAddress() {
  if (!here) return;
  credit(true);
  tellDepth(true);
}

/** Notes how far down the visitor has come by now. */
export function measure() {
  const { scrollTop, clientHeight, scrollHeight } =
    scroller ?? document.scrollingElement ?? document.documentElement;
  bottom = Math.max(bottom, scrollTop + (scroller ? clientHeight : innerHeight));
  tallest = Math.max(tallest, scrollHeight);
  tellDepth(scrolled);
}

/** A page that nobody has scrolled tells its depth when it is left: what comes late is there by then. @param {boolean} sure */
function tellDepth(sure) {
  if (sure && tallest) setDepth(here, Math.max(depthBefore, depth(bottom, tallest)));
}

/** @param {Element | Document} target what was scrolled */
export function scrolledBy(target) {
  const view = document.scrollingElement ?? document.documentElement;
  if (target !== document) {
    if (target.ownerDocument !== document) return;
    const { clientWidth, clientHeight } = /** @type {Element} */ (target);
    // An inner element is what scrolls here where it is most of the window, and the document does not.
    if (clientWidth * clientHeight * 2 < innerWidth * innerHeight) return;
    if (view.scrollHeight > innerHeight + 1) return;
    if (scroller !== target) bottom = tallest = 0;
    scroller = /** @type {Element} */ (target);
  }
  scrolled = true;
  measure();
}

/** Notices whether the page is in front. */
export function attend() {
  const before = attentive;
  // A touch screen's web view has no focus before the first tap (reported of iOS).
  attentive = shown && (document.hasFocus() || matchMedia("(pointer:coarse)").matches);
  if (attentive && !before) openPause(paused ? null : now(), TAIL_MS);
  if (before && !attentive) {
    closePause();
    save();
  }
}

/** @param {Element} element that the pointer is over */
export function hover(element) {
  // Inside a frame it is over the frame still.
  if (element.ownerDocument === document) hovered = frameKind(element) === PDF ? element : null;
}

/** Whether focus or pointer has come into a frame now; or is in a PDF's, and came there a short enough while ago. */
export function inFrame() {
  const { activeElement } = document;
  const frame = frameKind(activeElement) ? activeElement : hovered?.isConnected ? hovered : null;
  const isNew = frame !== entered;
  if (isNew) {
    entered = frame;
    enteredAt = now();
  }
  return attentive && frame && (isNew || (frameKind(frame) === PDF && elapsed(enteredAt) < PDF_MS));
}

/** The page can be seen. @returns {boolean} whether that is new */
export function arrived() {
  if (shown || document.hidden) return false;
  shown = true;
  own = now();
  return true;
}

/** @param {boolean} person somebody closed the page or went on to another @returns {boolean} whether it could be seen until now */
export function left(person) {
  if (!shown) return false;
  if (person && attentive) departed = now();
  shown = attentive = false;
  return true;
}

/** The last word on this page. */
export function concludePage() {
  closePause();
  measure();
  tellDepth(true);
}

export function resumeLooking() {
  openPause(attentive ? now() : null, TAIL_MS);
}

export function resetLooking() {
  departed = NEVER;
  bottom = tallest = depthBefore = 0;
  scrolled = false;
}
