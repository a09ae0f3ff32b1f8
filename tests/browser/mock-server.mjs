/** A site with the script as it ships, and an API that answers what a test tells it to. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const at = (/** @type {string} */ path) => new URL(`../../static${path}`, import.meta.url);
/** The script as it ships; or a broken copy, to see which tests notice. */
export const script = await readFile(process.env.LASTSEEN_SCRIPT ?? at("/lastseen.js"), "utf8");
/** @type {Record<string, string>} */
const scripts = {
  "/lastseen.js": script,
  "/lastseen-worker.js": await readFile(at("/lastseen-worker.js"), "utf8"),
};

/** What the strictest owner sets; a page that needs more than this is broken. */
export const POLICY = "default-src 'self'; object-src 'none'; require-trusted-types-for 'script'";

/**
 * @typedef {{ status?: number, headers?: Record<string, string>, json?: unknown, text?: string,
 *   delayMs?: number, held?: Promise<void>, never?: boolean }} Answer
 * @typedef {{ path: string, method: string, type: string | undefined, body: any, at: number,
 *   headers: import("node:http").IncomingHttpHeaders }} Call
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

export class MockServer {
  /** The script tag of every page but the gate and `/other`. */
  tag = '<script src="/lastseen.js" defer></script>';
  /** What stands before it, on every page. */
  head = "";
  body = "<h1>A page</h1>";
  policy = POLICY;
  /** Scripts of a test's own, by path. @type {Record<string, string>} */
  scripts = {};
  /** Answers to come, the last one for ever. @type {Answer[]} */
  answers = [OPEN];
  /** @type {Answer} */
  logoutAnswer = { status: 204 };
  /** Answers instead of these, where a list cannot tell it. @type {((call: Call) => Answer) | undefined} */
  respond;
  /** Everything that reached the API, oldest first. @type {Call[]} */
  calls = [];
  url = "";

  #server = createServer((request, response) => void this.#serve(request, response));

  async listen() {
    await new Promise((listening) => this.#server.listen(0, "127.0.0.1", () => listening(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    this.url = `http://127.0.0.1:${address.port}`;
  }

  shutDown() {
    this.#server.closeAllConnections();
    this.#server.close();
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

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const path = new URL(request.url ?? "", "http://site").pathname;
    const script = this.scripts[path] ?? scripts[path];
    if (script) {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(script);
    } else if (path.startsWith("/api/")) {
      await this.#answer(path, request, response);
    } else {
      const headers = { "Content-Type": "text/html", "Content-Security-Policy": this.policy };
      const tag = path === "/access/" || path === "/other" ? "" : this.tag;
      response
        .writeHead(200, headers)
        .end(`<!doctype html><title>${path}</title>${this.head}${tag}${this.body}`);
    }
  }

  /** @param {string} path @returns {Answer} */
  #next(path) {
    if (path === "/api/logout") return this.logoutAnswer;
    const [next = OPEN] = this.answers;
    if (path === "/api/session-heartbeat" && this.answers.length > 1) this.answers.shift();
    return next;
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
    const { method = "", headers } = request;
    const call = { path, method, type: headers["content-type"], body, at, headers };
    this.calls.push(call);
    const answer = this.respond ? this.respond(call) : this.#next(path);
    if (answer.never) return;
    if (answer.delayMs) await sleep(answer.delayMs);
    await answer.held;
    const type = answer.json === undefined ? "text/html" : "application/json";
    const content = answer.json === undefined ? answer.text : JSON.stringify(answer.json);
    response
      .writeHead(answer.status ?? 200, { "Content-Type": type, ...answer.headers })
      .end(content);
  }
}
