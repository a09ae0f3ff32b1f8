/**
 * A site with the script as it ships, an API that answers what a test tells it to, and a browser to
 * visit it with. The whole product has tests of its own; here the script alone is looked at.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";
import { closed } from "../harness/browser.mjs";

const script = await readFile(new URL("../../static/lastseen.js", import.meta.url));

/** What the strictest owner sets; a page that needs more than this is broken. */
export const POLICY = "default-src 'self'; object-src 'none'; require-trusted-types-for 'script'";

/**
 * @typedef {{ status?: number, headers?: Record<string, string>, json?: unknown, text?: string,
 *   delayMs?: number, never?: boolean }} Answer
 * @typedef {{ path: string, method: string, type: string | undefined, body: any, at: number }} Call
 */

/** @type {Answer} */
export const OPEN = {
  json: { success: true, idleExpiresInSeconds: 1800, sessionExpiresInSeconds: 86_400 },
};

/** @param {string} reason @param {boolean} isProtected @returns {Answer} */
export const ended = (reason, isProtected) => ({
  status: 401,
  json: { success: false, reason, protected: isProtected },
});

export function launchBrowser() {
  return puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
    // Puppeteer turns the cache off; visitors have it.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
}

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

export class MockSite {
  /** The script tag of every page. */
  tag = '<script src="/lastseen.js" defer></script>';
  /** How much faster than ours the clocks and timers of its pages run. */
  speed = 1;
  /** Answers to come, the last one for ever. @type {Answer[]} */
  answers = [OPEN];
  /** @type {Answer} */
  logoutAnswer = { status: 204 };
  /** Everything that reached the API, oldest first. @type {Call[]} */
  calls = [];
  /** What the visitor's console must stay free of. @type {string[]} */
  errors = [];
  /** @type {string[]} */
  console = [];
  url = "";

  #server = createServer((request, response) => void this.#serve(request, response));
  /** @type {import("puppeteer-core").BrowserContext | undefined} */
  #visitor;

  /** @param {import("puppeteer-core").Browser} browser @param {import("node:test").TestContext} t */
  static async open(browser, t) {
    const site = new MockSite();
    await new Promise((listening) => site.#server.listen(0, "127.0.0.1", () => listening(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (site.#server.address());
    site.url = `http://127.0.0.1:${address.port}`;
    site.#visitor = await browser.createBrowserContext();
    t.after(async () => {
      await closed(site.#visitor?.close());
      site.#server.closeAllConnections();
      site.#server.close();
      assert.deepEqual(site.errors, [], "no exception and no policy violation on any page");
    });
    return site;
  }

  get heartbeats() {
    return this.calls.filter((call) => call.path === "/api/session-heartbeat");
  }

  get farewells() {
    return this.heartbeats.filter((call) => call.body?.leaving === true);
  }

  /** Resolves once `count` heartbeats, farewells among them, have arrived. @param {number} count */
  heartbeat(count, withinMs = 10_000) {
    return this.until(() => this.heartbeats.length >= count, `${count} heartbeats`, withinMs);
  }

  /** @param {() => boolean | Promise<boolean>} condition @param {string} what */
  async until(condition, what, withinMs = 10_000) {
    const deadline = Date.now() + withinMs;
    while (!(await condition())) {
      const seen = JSON.stringify(this.calls.map(({ path, body }) => ({ path, body })));
      assert.ok(Date.now() < deadline, `no ${what} within ${withinMs} ms; calls: ${seen}`);
      await sleep(10);
    }
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

  /** A new tab in front of the others, empty yet. */
  async tab() {
    assert.ok(this.#visitor);
    const page = await this.#visitor.newPage();
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

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const path = new URL(request.url ?? "", "http://site").pathname;
    if (path === "/lastseen.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(script);
    } else if (path.startsWith("/api/")) {
      await this.#answer(path, request, response);
    } else {
      const headers = { "Content-Type": "text/html", "Content-Security-Policy": POLICY };
      const tag = path === "/access/" || path === "/other" ? "" : this.tag;
      response
        .writeHead(200, headers)
        .end(`<!doctype html><title>${path}</title>${tag}<h1>A page</h1>`);
    }
  }

  /**
   * @param {string} path
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #answer(path, request, response) {
    const at = Date.now();
    let text = "";
    for await (const chunk of request) text += chunk;
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      body = text;
    }
    this.calls.push({
      path,
      method: request.method ?? "",
      type: request.headers["content-type"],
      body,
      at,
    });
    const [next = OPEN] = this.answers;
    if (path === "/api/session-heartbeat" && this.answers.length > 1) this.answers.shift();
    const answer = path === "/api/logout" ? this.logoutAnswer : next;
    if (answer.never) return;
    if (answer.delayMs) await sleep(answer.delayMs);
    const type = answer.json === undefined ? "text/html" : "application/json";
    const content = answer.json === undefined ? answer.text : JSON.stringify(answer.json);
    response
      .writeHead(answer.status ?? 200, { "Content-Type": type, ...answer.headers })
      .end(content);
  }
}
