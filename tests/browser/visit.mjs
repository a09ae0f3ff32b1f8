/**
 * A visitor's tabs and the server they talk to, all in one time that a test moves. The tabs, their
 * input, storage, messages and requests are real.
 */
import assert from "node:assert/strict";
import { PageClock } from "../harness/page-clock.mjs";
import { MockSession } from "./mock-session.mjs";
import { MockSite } from "./mock-site.mjs";

/** @typedef {import("puppeteer-core").Page} Page @typedef {import("./mock-server.mjs").Answer} Answer */

/** A page that went on to another one while it was asked something. */
const WENT_ON = /context was destroyed|detached|navigat|Cannot find context/i;

export class Visit {
  /** @type {TimedTab[]} */
  tabs = [];
  start = Date.now();
  /** What the server says instead of what it would. @type {Answer | undefined} */
  instead;
  /**
   * What reached the API: the second it was sent, what it said, whether the page was covered then,
   * and what was answered.
   * @type {{ second: number, path: string, body: any, covered: boolean, answer: Answer }[]}
   */
  log = [];

  /** @param {MockSite} site @param {MockSession} session */
  constructor(site, session) {
    this.site = site;
    this.session = session;
    site.respond = ({ path, body, headers }) => {
      const now = session.now + Number(headers["test-offset"] ?? 0);
      const answer = this.instead ?? session.answer(path, body, headers.cookie, now);
      const covered = headers["test-covered"] === "true";
      this.log.push({ second: now / 1000, path, body, covered, answer });
      return answer;
    };
  }

  /**
   * @param {import("puppeteer-core").Browser} browser
   * @param {import("node:test").TestContext} t
   * @param {ConstructorParameters<typeof MockSession>[0] & { attributes?: string }} [options]
   *   the server's settings, in seconds, and the script tag's attributes
   */
  static async open(browser, t, { attributes = "", ...settings } = {}) {
    const site = await MockSite.open(browser, t);
    site.tag = `<script src="/lastseen.js" defer ${attributes}></script>`;
    await site.session("42");
    return new Visit(site, new MockSession(settings));
  }

  /** The first answer that said that the session is over. */
  get end() {
    const end = this.log.find(({ answer }) => answer.status === 401);
    assert.ok(end, "the session is over");
    return end;
  }

  /** The second at which a page first asked, covered, whether it may stay. */
  get locked() {
    const first = this.log.find(({ covered }) => covered);
    assert.ok(first, "the page was covered");
    return first.second;
  }

  get logouts() {
    return this.log.filter(({ path }) => path === "/api/logout");
  }

  /**
   * @param {string} [path]
   * @param {{ inWindow?: boolean, page?: Page, before?: string | (() => void) }} [options]
   *   in a window of its own, beside the others; in a tab that is open already; what runs in the
   *   page before anything else
   */
  async tab(path = "/page", { inWindow = false, page, before } = {}) {
    const at = page ?? (await this.site.tab(inWindow ? { type: "window" } : {}));
    const tab = new TimedTab(this, at);
    this.tabs.push(tab);
    await PageClock.install(at);
    await at.evaluateOnNewDocument(instrument, this.start + this.session.now);
    if (before) await at.evaluateOnNewDocument(/** @type {any} */ (before));
    await at.goto(this.site.url + path);
    await tab.run(0);
    return tab;
  }

  /**
   * Lets time pass. With several tabs it passes in steps, for they share one computer's clock; steps
   * of five seconds and more are sleep.
   *
   * @param {number} seconds
   * @param {number} [step] seconds
   */
  async run(seconds, step = 1) {
    const tabs = this.tabs.filter(({ isAwake }) => isAwake);
    const [only, ...others] = tabs;
    if (only && others.length === 0) {
      await only.catchUp();
      await only.run(seconds * 1000);
      this.session.now += seconds * 1000;
      await only.catchUp();
      return;
    }
    for (let left = seconds; left > 0; left -= step) {
      this.session.now += Math.min(step, left) * 1000;
      await Promise.all(tabs.map((tab) => tab.catchUp()));
      await Promise.all(tabs.map((tab) => tab.run(0)));
    }
  }

  /** The lid is closed; see `PageClock.sleep`. @param {number} seconds @param {{ ticking?: boolean }} [how] */
  async sleep(seconds, { ticking = false } = {}) {
    this.session.now += seconds * 1000;
    for (const tab of this.tabs) {
      if (tab.isAwake) await tab.clock.sleep(seconds * 1000, { ticking });
    }
  }

  /** Somebody sets the computer's clock. @param {number} seconds forward, or back where negative */
  async setClock(seconds) {
    this.start += seconds * 1000;
    for (const tab of this.tabs) if (tab.isAwake) await tab.clock.set(seconds * 1000);
  }
}

export class TimedTab {
  /** Frozen, crashed and closed tabs are not. */
  isAwake = true;
  #moves = 0;

  /** @param {Visit} visit @param {Page} page */
  constructor(visit, page) {
    this.visit = visit;
    this.page = page;
    this.clock = new PageClock(page);
  }

  /** Moves this tab's time to the visit's, wherever it was meanwhile. */
  async catchUp() {
    const wall = this.visit.start + this.visit.session.now;
    await this.#ask((wall) => {
      const late = wall - Date.now();
      /** @type {any} */ (window).testClock.shift(late, late);
    }, wall);
  }

  /** @param {number} ms */
  async run(ms) {
    await this.#ask(async (ms) => {
      const root = /** @type {any} */ (window);
      root.runBegan = performance.now();
      await root.testClock.run(ms);
      root.runBegan = undefined;
    }, ms);
  }

  /** @returns {Promise<any>} `lastseen.status()` */
  status() {
    return this.page.evaluate("lastseen.status()");
  }

  /** @param {string} expression @returns {Promise<any>} */
  evaluate(expression) {
    return this.page.evaluate(expression);
  }

  /** A sign of life, now. */
  async move() {
    // The first move only tells where the pointer is.
    if (this.#moves === 0) await this.page.mouse.move(9, 200);
    this.#moves += 1;
    await this.page.mouse.move(10 + (this.#moves % 300), 200);
  }

  /** Somebody is there, and moves the mouse once a second. @param {number} seconds */
  async reads(seconds) {
    for (let second = 0; second < seconds; second += 1) {
      await this.move();
      await this.visit.run(1);
    }
  }

  /** Whether nothing of the page can be seen. */
  covered() {
    return this.page.evaluate(() => {
      const dialog = document.querySelector("dialog:modal");
      if (!dialog) return false;
      const { left, top, right, bottom } = dialog.getBoundingClientRect();
      const { backgroundColor, opacity, visibility } = getComputedStyle(dialog);
      return (
        Math.max(left, top) <= 0 &&
        right >= innerWidth &&
        bottom >= innerHeight &&
        /^rgb\(/.test(backgroundColor) &&
        opacity === "1" &&
        visibility === "visible"
      );
    });
  }

  /** The seconds that the warning speaks of; null where there is none. */
  warning() {
    return this.page.evaluate(() => {
      const dialog = document.querySelector("dialog[open]");
      const text = dialog?.querySelector("p")?.textContent ?? "";
      const [, count, unit] = /(\d+) (second|minute)/.exec(text) ?? [];
      return count ? Number(count) * (unit === "minute" ? 60 : 1) : null;
    });
  }

  /** @param {string} label */
  async press(label) {
    await this.page.locator(`dialog ::-p-text(${label})`).click();
    await this.run(0);
  }

  /** Waits until the page has gone to the gate, and says why. */
  async gate() {
    await this.page.waitForFunction("location.pathname === '/access/'", { timeout: 5000 });
    const { searchParams } = new URL(this.page.url());
    return searchParams.get("reason");
  }

  /** @template {any[]} A @param {(...args: A) => unknown} step @param {A} args */
  async #ask(step, ...args) {
    try {
      await this.page.evaluate(/** @type {any} */ (step), ...args);
    } catch (error) {
      if (!WENT_ON.test(String(error))) throw error;
      await this.page.waitForFunction("'testClock' in window", { timeout: 5000 });
    }
  }
}

/** @param {number} value @param {number} wanted @param {number} [by] */
export function near(value, wanted, by = 2) {
  assert.ok(Math.abs(value - wanted) <= by, `${value} is not ${wanted} ± ${by}`);
}

/** Runs in the page. Every request says when it was sent, and what could be seen then. @param {number} wall */
function instrument(wall) {
  const root = /** @type {any} */ (window);
  // A page that follows another one in its tab begins where that one was.
  if (!window.name) root.testClock.shift(wall - Date.now(), 0);
  const ask = window.fetch;
  window.fetch = (url, options = {}) => {
    const covered = root.lastseen?.status().covered;
    const told = {
      "Test-Offset": `${performance.now() - (root.runBegan ?? performance.now())}`,
      "Test-Covered": `${covered}`,
    };
    return ask(url, { ...options, headers: { ...options.headers, ...told } });
  };
}
