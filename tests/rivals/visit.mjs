/** A visitor with a page whose time is simulated, and what they do. */
import { setTimeout as sleep } from "node:timers/promises";
import { closed } from "../harness/browser.mjs";
import { until } from "../harness/process.mjs";
import { simulate } from "./simulation.mjs";
import { Site } from "./site.mjs";

/**
 * @typedef {import("puppeteer-core").Browser} Browser
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {import("./simulation.mjs").Simulation} Simulation
 *
 * @typedef {object} Column one script that is measured
 * @property {string} name
 * @property {() => Promise<string>} script
 * @property {string} [head] what its page needs besides
 * @property {(visit: Visit) => number | Promise<number>} [seconds] the duration that it recorded
 * @property {boolean} [sends] whether it sends that anywhere; else it is read in the page
 * @property {boolean} [blind] whether it takes no notice of input
 */

/** The full hour before now: some scripts count in slices of the wall clock. */
const START = Math.floor(Date.now() / 3_600_000) * 3_600_000;

export class Visit {
  /** @type {Page | undefined} */
  #page;
  /** @type {import("puppeteer-core").BrowserContext | undefined} */
  #context;
  /** What a page must not throw. @type {string[]} */
  errors = [];
  #x = 100;
  #y = 100;
  /** Beacons of pages that are gone. */
  #beaconsBefore = 0;

  /** @param {Site} site */
  constructor(site) {
    this.site = site;
  }

  /**
   * Opens a page with a column's script, lets a visitor act, and closes everything.
   *
   * @template T
   * @param {Browser} browser
   * @param {Column} column
   * @param {number} idleTimeoutSeconds of the server
   * @param {(visit: Visit) => Promise<T>} act
   */
  static async with(browser, column, idleTimeoutSeconds, act) {
    const site = new Site(await column.script(), column.head ?? "", idleTimeoutSeconds);
    await site.open();
    const visit = new Visit(site);
    try {
      visit.#context = await browser.createBrowserContext();
      await visit.#context.setCookie(site.cookie);
      await visit.opens(START);
      const result = await act(visit);
      if (visit.errors.length > 0) throw new Error(`${column.name}: ${visit.errors.join("; ")}`);
      return result;
    } finally {
      await closed(visit.#context?.close());
      site.close();
    }
  }

  get page() {
    if (!this.#page) throw new Error("no page is open");
    return this.#page;
  }

  /** Loads the page in a new tab. @param {number} at what the wall clock shows */
  async opens(at) {
    const page = await this.#context?.newPage();
    if (!page) throw new Error("no browser is open");
    this.#page = page;
    page.on("pageerror", (error) => this.errors.push(String(error)));
    await page.evaluateOnNewDocument(simulate, at);
    await page.goto(`${this.site.url}/page`);
    await this.passes(0);
  }

  /** Time passes, and nobody does anything. @param {number} seconds */
  async passes(seconds) {
    await this.#simulate("run", seconds * 1000);
  }

  /** Somebody reads: the mouse moves, for real, each `step` seconds. @param {number} seconds */
  async reads(seconds, step = 1) {
    for (let second = step; second <= seconds; second += step) {
      await this.passes(step);
      await this.moves(1 + (second % 3), 1 + (second % 2));
    }
    await this.passes(0);
  }

  /** @param {number} byX @param {number} byY */
  async moves(byX, byY) {
    // Round and round, well inside the window.
    this.#x = 100 + ((this.#x - 100 + byX) % 300);
    this.#y = 100 + ((this.#y - 100 + byY) % 300);
    await this.page.mouse.move(this.#x, this.#y);
  }

  /** Another tab comes to the front. */
  async hides() {
    await this.#simulate("put", { visible: false, focused: false });
  }

  async shows() {
    await this.#simulate("put", { visible: true, focused: true });
  }

  /**
   * The lid is closed and opened again: the wall clock jumps, timers and the monotonic clock stood
   * still, as on macOS and Linux, and no event is told.
   *
   * @param {number} seconds
   */
  async sleeps(seconds) {
    await this.#simulate("shift", seconds * 1000, 0, seconds * 1000);
  }

  /** Somebody sets the clock of the computer. @param {number} seconds */
  async setsClock(seconds) {
    await this.#simulate("shift", seconds * 1000, 0, 0);
  }

  /** Goes to another page and back, out of the back-forward cache. @param {number} seconds away */
  async goesAndComesBack(seconds) {
    await this.#simulate("leave", true);
    const ms = seconds * 1000;
    await this.#simulate("shift", ms, ms, ms);
    await this.#simulate("comeBack");
  }

  /** Wants to leave, is asked "leave?", and stays. */
  async almostLeaves() {
    await this.page.evaluate(() => {
      window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
    });
    await this.passes(0);
  }

  async leaves() {
    await this.#simulate("leave", false);
    await this.passes(0);
  }

  /** @param {boolean} up */
  async network(up) {
    await this.page.setOfflineMode(!up);
    await this.page.waitForFunction((up) => navigator.onLine === up, { polling: 20 }, up);
    await this.passes(0);
  }

  /** The page's process dies; what is on its way to the disk has a moment to get there. */
  async crashes() {
    this.#beaconsBefore += (await this.seen()).beacons;
    await sleep(300);
    let dead = false;
    this.page.once("error", () => {
      dead = true;
    });
    const session = await this.page.createCDPSession();
    // Never answered: by whom?
    session.send("Page.crash").catch(() => {});
    await until("crash", () => dead);
  }

  /** The browser comes back to the page, for a second. @param {number} second of the visit */
  async returns(second) {
    await this.opens(START + second * 1000);
    // IndexedDB answers in its own time, not in that of the page.
    for (let i = 0; i < 5; i += 1) {
      await sleep(50);
      await this.passes(0.2);
    }
  }

  /** @returns {Promise<ReturnType<Simulation["seen"]>>} */
  seen() {
    return this.page.evaluate(() => /** @type {any} */ (window).simulation.seen());
  }

  /** Real seconds since the visit began. */
  async now() {
    return ((await this.seen()).now - START) / 1000;
  }

  /** The real second in which something first happened. @param {string[]} names whichever came first */
  async marked(...names) {
    const { marks } = await this.seen();
    const times = names.flatMap((name) => marks[name] ?? []);
    return times.length > 0 ? (Math.min(...times) - START) / 1000 : undefined;
  }

  /**
   * Does something in the simulation, and waits until what was sent has arrived: the page awaits
   * answers itself, but nobody there waits for a beacon.
   *
   * @param {keyof Simulation} step
   * @param {unknown[]} given
   */
  async #simulate(step, ...given) {
    const beacons = await this.page.evaluate(
      async (step, given) => {
        const { simulation } = /** @type {any} */ (window);
        await simulation[step](...given);
        return simulation.seen().beacons;
      },
      step,
      given,
    );
    const expected = this.#beaconsBefore + beacons;
    if (this.site.beacons < expected) {
      await until("beacon", () => this.site.beacons >= expected);
    }
  }
}
