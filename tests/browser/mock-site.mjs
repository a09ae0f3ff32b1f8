/**
 * The mock server, and a browser to visit it with. The whole product has tests of its own; here the
 * script alone is looked at.
 */
import assert from "node:assert/strict";
import { closed } from "../harness/browser.mjs";
import { MockServer } from "./mock-server.mjs";

export { ended, OPEN, POLICY } from "./mock-server.mjs";

/** @typedef {import("./mock-server.mjs").Answer} Answer */

/**
 * Makes the page's clocks and timers run faster from the start, so that minutes take seconds.
 * @param {import("puppeteer-core").Page} page @param {number} factor
 */
async function speedUp(page, factor) {
  await page.evaluateOnNewDocument((times) => {
    const wall = Date.now.bind(Date);
    const mono = performance.now.bind(performance);
    const timer = window.setTimeout.bind(window);
    const start = wall();
    Date.now = () => start + (wall() - start) * times;
    performance.now = () => mono() * times;
    // @ts-expect-error: the parts of setTimeout that the script uses
    window.setTimeout = (step, ms = 0) => timer(step, ms / times);
  }, factor);
}

export class MockSite extends MockServer {
  /** How much faster than ours the clocks and timers of its pages run. */
  speed = 1;
  /** What the visitor's console must stay free of. @type {string[]} */
  errors = [];
  /** @type {string[]} */
  console = [];

  /** @type {import("puppeteer-core").BrowserContext | undefined} */
  #visitor;

  /** @param {import("puppeteer-core").Browser} browser @param {import("node:test").TestContext} t */
  static async open(browser, t) {
    const site = new MockSite();
    await site.listen();
    site.#visitor = await browser.createBrowserContext();
    t.after(async () => {
      await closed(site.#visitor?.close());
      site.shutDown();
      assert.deepEqual(site.errors, [], "no exception and no policy violation on any page");
    });
    return site;
  }

  /** @param {string | null} id the row id, or null for a visitor without a session */
  async session(id) {
    assert.ok(this.#visitor);
    const [old] = await this.#visitor.cookies();
    if (old) await this.#visitor.deleteCookie(old);
    const cookie = { name: "session_record_id", domain: "127.0.0.1", path: "/" };
    if (id !== null) await this.#visitor.setCookie({ ...cookie, value: id });
    assert.equal((await this.#visitor.cookies()).length, id === null ? 0 : 1);
  }

  /** A new tab in front of the others, empty yet. @param {import("puppeteer-core").CreatePageOptions} [options] */
  async tab(options) {
    assert.ok(this.#visitor);
    const page = await this.#visitor.newPage(options);
    if (this.speed !== 1) await speedUp(page, this.speed);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      const text = message.text();
      this.console.push(`${message.type()}: ${text}`);
      if (/Content Security Policy|Uncaught/.test(text)) this.errors.push(text);
    });
    return page;
  }

  /** A visitor with session 42 opens a page. */
  async visit(path = "/page") {
    await this.session("42");
    const page = await this.tab();
    await page.goto(this.url + path);
    return page;
  }
}
