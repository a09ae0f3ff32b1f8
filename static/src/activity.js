/** Signs of life: input, media that plays in sight, frames. */
import { elapsed, NEVER, now } from "./clock.js";
import { presented } from "./dialog.js";
import { hooks } from "./hooks.js";
import { paused, remaining } from "./lock.js";
import { glance, hover, lookOn, scrolledBy, shown } from "./looking.js";
import { emit, guarded } from "./safely.js";
import { settings } from "./settings.js";
import { activity, markActivity, tracking } from "./tabs.js";

const TYPES =
  "pointerdown pointermove keydown wheel touchstart touchmove scroll input click focusin paste timeupdate pointerover";

let lastX = Number.NaN;
let lastY = Number.NaN;
/** The newest input that no script of a page can bring about; coming to the page is one. */
let touched = NEVER;
let scrolled = NEVER;
/** Ends the listening. @type {AbortController | null} */
let listening = null;
/** @type {WeakSet<Document>} */
let instrumented = new WeakSet();

/** @param {Event} event */
function heard(event) {
  if (!event.isTrusted) return;
  const { type } = event;
  const target = /** @type {Element} */ (event.target);
  if (type === "pointerover") return hover(target);
  if (type === "timeupdate") {
    const media = /** @type {HTMLMediaElement} */ (target);
    const floating = media.ownerDocument.pictureInPictureElement === media;
    if (isPlaying(media) && (floating || (shown && inSight(media)))) alive();
    return;
  }
  if (type === "scroll") {
    // Pages scroll by themselves, too, and go on: alone it is a sign of life after a pause only.
    const goesOn = elapsed(scrolled) <= settings.activityWindow;
    scrolled = now();
    if ((goesOn && elapsed(touched) > settings.activityWindow) || alive()) scrolledBy(target);
    return;
  }
  if (type === "pointermove") {
    const { screenX, screenY } = /** @type {PointerEvent} */ (event);
    // Browsers make moves that do not move, when what is under the pointer changes.
    const moved = Math.abs(screenX - lastX) + Math.abs(screenY - lastY) > 0;
    lastX = screenX;
    lastY = screenY;
    if (!moved) return;
  }
  touched = now();
  alive();
}

/** A loop without sound is decoration. @param {HTMLMediaElement} media */
function isPlaying(media) {
  return !media.paused && !media.ended && !(media.loop && (media.muted || !media.volume));
}

/** @param {Element} element */
function inSight(element) {
  const { top, right, bottom, left, width } = element.getBoundingClientRect();
  const { clientHeight, clientWidth } = element.ownerDocument.documentElement;
  return width > 0 && bottom > 0 && right > 0 && top < clientHeight && left < clientWidth;
}

/** A sign of life. Before it counts the deadline is checked: the dead stay dead. @returns {boolean} whether it counts */
export function alive() {
  if (!tracking() || paused || presented) return false;
  glance();
  if (remaining() <= 0) {
    hooks.look();
    return false;
  }
  const was = elapsed(activity);
  lookOn();
  markActivity(now());
  if (was > settings.activityWindow) emit("active");
  return true;
}

export function startListening() {
  stopListening();
  touched = now();
  listening = new AbortController();
  instrumented = new WeakSet();
}

export function stopListening() {
  listening?.abort();
  listening = null;
}

/** Listens to a document, once. @param {Document} page */
export function listen(page) {
  if (!listening || instrumented.has(page)) return;
  instrumented.add(page);
  const options = { capture: true, passive: true, signal: listening.signal };
  for (const type of TYPES.split(" ")) page.addEventListener(type, guarded(heard), options);
}
