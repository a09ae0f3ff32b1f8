/** Timers and the worker that bring the page back to its clock. */
import { hooks } from "./hooks.js";
import { attempt } from "./safely.js";
import { LONGEST_TIMER_MS, settings } from "./settings.js";

/** @type {number | undefined} */
let timer;
/** @type {Worker | undefined} */
let worker;
/** Trusted Types: a policy of one name can be made once. */
let policy;

export function startWorker() {
  if (!settings.worker) return;
  attempt(() => {
    const types = /** @type {{ trustedTypes?: any }} */ (window).trustedTypes;
    policy ??= types?.createPolicy("lastseen", {
      createScriptURL: (/** @type {string} */ url) => url,
    });
    worker = new Worker(policy ? policy.createScriptURL(settings.worker) : settings.worker);
    worker.onmessage = hooks.look;
    worker.onerror = (event) => event.preventDefault();
  });
}

/** @param {number} ms @param {boolean} slow the page may be hidden, where a worker is slowed down less */
export function wakeAfter(ms, slow) {
  clearTimeout(timer);
  const wait = Math.min(ms, LONGEST_TIMER_MS);
  timer = setTimeout(hooks.look, wait);
  if (slow) worker?.postMessage(wait);
}

export function stopWaking() {
  clearTimeout(timer);
  worker?.terminate();
  worker = undefined;
}
