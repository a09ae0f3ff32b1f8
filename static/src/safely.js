/** Errors that never reach the page, the console's debug lines, and events on `window`. */

let verbose = false;

/** Turns the debug lines on or off. @param {boolean} on */
export function setVerbose(on) {
  verbose = on;
}

/** @param {unknown[]} words */
export function log(...words) {
  if (verbose) console.log("[lastseen]", ...words);
}

/** @param {string} text */
export function warnInConsole(text) {
  console.warn(`[lastseen] ${text}`);
}

/**
 * Runs a step whose failure must not reach the page: storage that is full or denied, a browser that
 * forbids cookies, a mistake of ours.
 * @template T @param {() => T} step @returns {T | undefined} undefined where it threw
 */
export function attempt(step) {
  try {
    return step();
  } catch (error) {
    log(error);
    return undefined;
  }
}

/** @template {unknown[]} A @param {(...args: A) => unknown} step @returns {(...args: A) => void} */
export function guarded(step) {
  return (...args) => void attempt(() => step(...args));
}

/** Takes a step with a window's document and those of the frames of this site. @param {Window} frame @param {(page: Document) => void} step */
export function eachPage(frame, step) {
  // Throws for a frame of another site.
  attempt(() => step(frame.document));
  for (let i = 0; i < frame.length; i += 1) eachPage(/** @type {Window} */ (frame[i]), step);
}

/** @param {string} name @param {unknown} [detail] @returns {boolean} false where a listener prevents the default */
export function emit(name, detail) {
  log(name, detail);
  return window.dispatchEvent(new CustomEvent(`lastseen:${name}`, { detail, cancelable: true }));
}
