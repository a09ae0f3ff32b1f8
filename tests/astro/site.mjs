/** The built site and an API with one session, on 127.0.0.1, and a visitor who has that session. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { closed } from "../harness/browser.mjs";
import { until } from "../harness/process.mjs";

/**
 * @typedef {import("puppeteer-core").Page} Page
 * @typedef {Record<string, { seconds: number, scroll: number }>} Figures
 */

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const COOKIE = "session_record_id";

/** @param {import("node:http").ServerResponse} response @param {number} status @param {unknown} answer */
function json(response, status, answer) {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(answer));
}

export class Site {
  url = "";
  /** The server's idle timeout. */
  idleTimeoutSeconds = 1800;
  /** How long an answer takes, by path. @type {Record<string, number>} */
  delayMs = {};
  loadsOfTheScript = 0;
  /** What heartbeats said, oldest first. @type {any[]} */
  heartbeats = [];
  /** What logouts said. @type {any[]} */
  logouts = [];
  /** What a visitor's console must stay free of. @type {string[]} */
  complaints = [];

  #folder;
  /** Why the session has ended, once it has. */
  #over = "";
  #server = createServer((request, response) => void this.#answer(request, response));
  /** @type {import("puppeteer-core").BrowserContext | undefined} */
  #visitor;

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
  }

  /**
   * @param {string} folder what was built
   * @param {import("puppeteer-core").Browser} browser
   * @param {import("node:test").TestContext} t
   */
  static async open(folder, browser, t) {
    const site = new Site(folder);
    await new Promise((listening) => site.#server.listen(0, "127.0.0.1", () => listening(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (site.#server.address());
    site.url = `http://127.0.0.1:${address.port}`;
    const visitor = await browser.createBrowserContext();
    site.#visitor = visitor;
    await visitor.setCookie({ name: COOKIE, value: "42", domain: "127.0.0.1", path: "/" });
    t.after(async () => {
      await closed(visitor.close());
      site.#server.closeAllConnections();
      site.#server.close();
      assert.deepEqual(site.complaints, [], "nothing is wrong in the console of any page");
    });
    return site;
  }

  /** The newest figures by page. @returns {Figures} */
  get pages() {
    return this.heartbeats.at(-1)?.pages ?? {};
  }

  /** A tab in front of the others. @param {string} path */
  async visit(path) {
    assert.ok(this.#visitor);
    const page = await this.#visitor.newPage();
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      if (["error", "warn", "assert"].includes(message.type())) {
        this.complaints.push(`${message.type()}: ${message.text()}`);
      }
    });
    await page.goto(this.url + path);
    return page;
  }

  /** @param {string} what @param {(heartbeat: any) => boolean} accepts */
  async heartbeat(what, accepts, withinMs = 8000) {
    const before = this.heartbeats.length;
    await until(what, () => this.heartbeats.slice(before).some(accepts), withinMs);
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const path = new URL(request.url ?? "", "http://site").pathname;
    let text = "";
    for await (const chunk of request) text += chunk;
    // A test that is over does not wait for it.
    if (this.delayMs[path]) await sleep(this.delayMs[path], null, { ref: false });
    if (path === "/api/logout") {
      this.logouts.push(JSON.parse(text));
      this.#over = this.logouts[0].reason;
      response.writeHead(204, { "Set-Cookie": `${COOKIE}=; Path=/; Max-Age=0` }).end();
    } else if (path === "/api/session-heartbeat") {
      const heartbeat = JSON.parse(text);
      this.heartbeats.push(heartbeat);
      if (this.#over) {
        const answer = { success: false, reason: this.#over, protected: true };
        return json(response, 401, answer);
      }
      const idleExpiresInSeconds = this.idleTimeoutSeconds - heartbeat.inactiveSeconds;
      json(response, 200, { success: true, idleExpiresInSeconds, sessionExpiresInSeconds: 86_400 });
    } else await this.#file(path, response);
  }

  /** @param {string} path @param {import("node:http").ServerResponse} response */
  async #file(path, response) {
    const name = path.endsWith("/") ? `${path}index.html` : path;
    try {
      const content = await readFile(join(this.#folder, name));
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      // The script is not kept, so that every load of it is a request.
      const isScript = path === "/lastseen.js";
      if (isScript) this.loadsOfTheScript += 1;
      const cache = isScript ? "no-store" : "no-cache";
      response.writeHead(200, { "Content-Type": type, "Cache-Control": cache }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  }
}
