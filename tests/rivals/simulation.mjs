/**
 * Runs in a page, before its scripts: a clock that moves only when it is told to, a window that can
 * be hidden without a second tab, and a note of when what happened. Everything that the measured
 * scripts read the time from is simulated, more than the tests of lastseen.js alone need.
 */

/**
 * @typedef {object} Simulation
 * @property {(ms: number) => Promise<void>} run lets time pass: every timer at its moment, every answer awaited
 * @property {(wall: number, mono: number, real: number) => void} shift moves clocks, and runs no timer
 * @property {(name: string) => void} mark notes that something happened now; the first time counts
 * @property {() => { now: number, marks: Record<string, number>, beacons: number }} seen in real milliseconds
 * @property {(is: { visible?: boolean, focused?: boolean }) => void} put tells the page as browsers do
 * @property {(persisted: boolean) => void} leave
 * @property {() => void} comeBack out of the back-forward cache
 */

/** @param {number} start what the wall clock shows */
export function simulate(start) {
  const page = /** @type {any} */ (window);
  // In a frame, which no measured page has, or after a navigation, which is stopped below.
  if (page !== page.top || !/^\/page/.test(location.pathname)) return;

  let wall = start;
  let mono = 0;
  /** What has really passed: the wall clock, had nobody set it. */
  let real = start;
  let last = 0;
  let pending = 0;
  let beacons = 0;
  /** @type {Map<number, { at: number, every: number, step: () => void }>} */
  const timers = new Map();
  /** @type {Record<string, number>} */
  const marks = {};
  /** @param {string} name */
  const mark = (name) => {
    marks[name] ??= real;
  };

  const RealDate = Date;
  page.Date = class extends RealDate {
    /** @param {[]} given */
    constructor(...given) {
      if (given.length > 0) super(...given);
      else super(page.Date.now());
    }
    static now() {
      return Math.round(wall);
    }
  };
  performance.now = () => mono;
  /** @param {boolean} again */
  const timer =
    (again) =>
    (/** @type {Function} */ step, ms = 0, /** @type {unknown[]} */ ...given) => {
      last += 1;
      const wait = Math.max(0, Number(ms) || 0);
      const every = again ? Math.max(1, wait) : 0;
      timers.set(last, { at: mono + wait, every, step: () => step(...given) });
      return last;
    };
  const stop = (/** @type {number} */ id) => void timers.delete(Number(id));
  const after = timer(false);
  const frame = (/** @type {(now: number) => void} */ step) => after(() => step(mono), 16);
  Object.assign(page, {
    setTimeout: after,
    setInterval: timer(true),
    requestAnimationFrame: frame,
  });
  Object.assign(page, { clearTimeout: stop, clearInterval: stop, cancelAnimationFrame: stop });

  // Every request says when it was made, for the clock of the server.
  const ask = window.fetch.bind(window);
  window.fetch = async (input, options) => {
    const request = new Request(input, options);
    request.headers.set("x-simulated-now", String(real));
    pending += 1;
    try {
      const response = await ask(request);
      await response.clone().text();
      return response;
    } finally {
      pending -= 1;
    }
  };
  const beacon = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (url, data) => {
    const taken = beacon(`${url}?now=${real}`, data);
    if (taken) beacons += 1;
    return taken;
  };

  // Tasks of the page (a promise, a message) have their turn before the clock moves on.
  const { port1, port2 } = new MessageChannel();
  /** @type {(() => void)[]} */
  const waiting = [];
  port1.onmessage = () => waiting.shift()?.();
  const turn = () => {
    port2.postMessage(0);
    return /** @type {Promise<void>} */ (new Promise((resolve) => waiting.push(resolve)));
  };
  const settle = async () => {
    do for (let i = 0; i < 3; i += 1) await turn();
    while (pending > 0);
  };
  /** @param {number} byWall @param {number} byMono @param {number} byReal */
  const shift = (byWall, byMono, byReal) => {
    wall += byWall;
    mono += byMono;
    real += byReal;
  };
  /** @param {number} ms */
  const run = async (ms) => {
    const end = mono + ms;
    await settle();
    for (;;) {
      let next = -1;
      for (const [id, { at }] of timers) {
        if (at <= end && (next < 0 || at < (timers.get(next)?.at ?? 0))) next = id;
      }
      const due = timers.get(next);
      if (!due) break;
      const by = Math.max(0, due.at - mono);
      shift(by, by, by);
      if (due.every > 0) due.at = mono + due.every;
      else timers.delete(next);
      try {
        due.step();
      } catch (error) {
        window.reportError(error);
      }
      await settle();
    }
    shift(end - mono, end - mono, end - mono);
    await settle();
  };

  const is = { visible: true, focused: true };
  const fake = (/** @type {string} */ name, /** @type {() => unknown} */ get) =>
    Object.defineProperty(Document.prototype, name, { get, configurable: true });
  fake("visibilityState", () => (is.visible ? "visible" : "hidden"));
  fake("hidden", () => !is.visible);
  document.hasFocus = () => is.focused;
  const tell = (/** @type {EventTarget} */ target, /** @type {Event} */ event) =>
    void target.dispatchEvent(event);
  const transition = (/** @type {string} */ type, /** @type {boolean} */ persisted) =>
    tell(window, new PageTransitionEvent(type, { persisted }));
  const put = ({ visible = is.visible, focused = is.focused }) => {
    const turned = visible !== is.visible;
    const moved = focused !== is.focused;
    Object.assign(is, { visible, focused });
    if (moved && !focused) tell(window, new FocusEvent("blur"));
    if (turned) tell(document, new Event("visibilitychange", { bubbles: true }));
    if (moved && focused) tell(window, new FocusEvent("focus"));
  };
  const leave = (/** @type {boolean} */ persisted) => {
    tell(window, new Event("beforeunload", { cancelable: true }));
    transition("pagehide", persisted);
    put({ visible: false });
    if (!persisted) tell(window, new Event("unload"));
  };
  const comeBack = () => {
    put({ visible: true });
    transition("pageshow", true);
  };

  // A script that sends the visitor away has locked the page; what it has to say is still here.
  page.navigation.addEventListener("navigate", (/** @type {any} */ event) => {
    if (event.hashChange || !event.cancelable) return;
    event.preventDefault();
    mark("locked");
  });

  const seen = () => ({ now: real, marks, beacons });
  page.simulation = { run, shift, mark, seen, put, leave, comeBack };
}
