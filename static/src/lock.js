/** Whether the page may stay as it is: pauses, the deadline, the cookie. */
import { elapsed, now, shifted } from "./clock.js";
import { remainingMs } from "./deadline.js";
import { settings } from "./settings.js";
import { activity, deadline, markActivity, reread, sessionCookie } from "./tabs.js";

/** @typedef {import("./clock.js").Moment} Moment */

/** The deadline has passed, or the cookie is gone: covered until the server has its say. */
export let locked = false;
/** The page stopped the counting since. @type {Moment | null} */
export let paused = null;
/** How long there had been no activity then, in ms. */
let idleAtPause = 0;

/** @param {boolean} on */
export function setLocked(on) {
  locked = on;
}

export function resetLock() {
  locked = false;
  paused = null;
}

export function idleMs() {
  const ms = elapsed(activity);
  return paused ? Math.min(idleAtPause, ms) : ms;
}

/** Milliseconds until the page locks. */
export function remaining() {
  return remainingMs(settings.idleTimeout, idleMs(), deadline && -elapsed(deadline));
}

/** Whether the page may stay as it is, for all that is known here. */
export function mayStay() {
  if (remaining() <= 0) reread();
  return remaining() > 0 && sessionCookie() !== "";
}

export function startPause() {
  idleAtPause = elapsed(activity);
  paused = now();
}

/** What was left of the page's own timeout is left still; what other tabs did meanwhile counts. */
export function endPause() {
  paused = null;
  if (elapsed(activity) > idleAtPause) markActivity(shifted(now(), -idleAtPause));
}
