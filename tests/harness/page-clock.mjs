/**
 * A page whose time stands still until a test moves it: hours take milliseconds, and a laptop sleeps
 * when it is told to. Everything else of the page is real: its input, storage, network and tabs.
 */

/**
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {{ run(ms: number): Promise<void>, shift(wall: number, mono: number): void }} Controls
 */

export class PageClock {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * To be called before the tab loads anything. Time goes on where it was when the tab goes to
   * another page.
   *
   * @param {Page} page
   * @param {PageClock} [other] of another tab, whose time this one begins with
   */
  static async install(page, other) {
    const start = other ? await other.page.evaluate(() => Date.now()) : Date.now();
    await page.evaluateOnNewDocument(stopTime, start);
    return new PageClock(page);
  }

  /** Lets time pass, with every timer at its moment and every answer awaited. @param {number} ms */
  async run(ms) {
    await this.page.evaluate((ms) => /** @type {any} */ (window).testClock.run(ms), ms);
  }

  /**
   * The lid is closed: no timer runs, no event is told. The monotonic clock stands still, as it does
   * on macOS and Linux, or goes on, as on Windows.
   *
   * @param {number} ms
   * @param {{ ticking?: boolean }} [options]
   */
  async sleep(ms, { ticking = false } = {}) {
    await this.#shift(ms, ticking ? ms : 0);
  }

  /** Somebody sets the computer's clock. @param {number} ms forward, or back where negative */
  async set(ms) {
    await this.#shift(ms, 0);
  }

  /** @param {number} wall @param {number} mono */
  async #shift(wall, mono) {
    await this.page.evaluate(
      (wall, mono) => /** @type {any} */ (window).testClock.shift(wall, mono),
      wall,
      mono,
    );
  }

  /**
   * Somebody is there: the mouse moves once a second.
   *
   * @param {number} seconds
   */
  async reads(seconds) {
    for (let second = 1; second <= seconds; second += 1) {
      await this.run(1000);
      await this.page.mouse.move(100 + (second % 50), 100 + (second % 40));
    }
  }
}

/** Runs in the page. @param {number} start */
function stopTime(start) {
  const laterOn = window.setTimeout.bind(window);
  const ask = window.fetch.bind(window);
  // Nothing else of a page lives on in the next one of its tab, and is nobody else's.
  let wall = Number(window.name) || start;
  let mono = performance.now();
  let last = 0;
  let pending = 0;
  /** @type {Map<number, { at: number, step: () => void }>} */
  const timers = new Map();

  Date.now = () => Math.round(wall);
  performance.now = () => mono;
  // @ts-expect-error: the parts of it that are used
  window.setTimeout = (/** @type {() => void} */ step, ms = 0) => {
    last += 1;
    timers.set(last, { at: mono + Math.max(0, ms), step });
    return last;
  };
  window.clearTimeout = (id) => void timers.delete(Number(id));
  window.fetch = async (...request) => {
    pending += 1;
    try {
      const response = await ask(...request);
      const text = await response.clone().text();
      // Reading it takes no time: otherwise the timers of minutes to come might run before.
      response.json = async () => JSON.parse(text);
      return response;
    } finally {
      pending -= 1;
    }
  };

  /** The disk answers in no time either. @param {any} owner @param {string} name */
  const awaited = (owner, name) => {
    const ask = owner[name];
    owner[name] = function (/** @type {unknown[]} */ ...given) {
      const request = ask.apply(this, given);
      pending += 1;
      const answered = new Promise((resolve) => {
        for (const type of ["success", "error"]) request.addEventListener(type, resolve);
      });
      // Once the script has had it, too.
      answered
        .then(() => new Promise((resolve) => laterOn(resolve)))
        .then(() => {
          pending -= 1;
        });
      return request;
    };
  };
  awaited(IDBFactory.prototype, "open");
  awaited(IDBObjectStore.prototype, "getAll");

  const settle = async () => {
    do await new Promise((resolve) => laterOn(resolve));
    while (pending > 0);
  };
  /** @param {number} ms */
  const run = async (ms) => {
    const end = mono + ms;
    await settle();
    for (;;) {
      const [next] = [...timers].sort(([, a], [, b]) => a.at - b.at);
      if (!next || next[1].at > end) break;
      const [id, { at, step }] = next;
      wall += Math.max(0, at - mono);
      mono = Math.max(mono, at);
      timers.delete(id);
      step();
      if (pending > 0) await settle();
    }
    shift(end - mono, end - mono);
    await settle();
  };
  /** @param {number} byWall @param {number} byMono */
  const shift = (byWall, byMono) => {
    wall += byWall;
    mono += byMono;
    window.name = `${wall}`;
  };
  Object.assign(window, { testClock: { run, shift } });
}
