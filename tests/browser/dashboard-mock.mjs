/** The dashboard as it ships, before a mock of the API, under the strictest policy; and somebody to look at it. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { closed, screenshots } from "../harness/browser.mjs";
import {
  aMonth,
  filtered,
  iso,
  pageOf,
  sorted,
  summaryOf,
  visit,
  visitorsOf,
} from "./dashboard-report.mjs";
import { POLICY } from "./mock-server.mjs";

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("../../static/admin/api.js").Session} Session */
/** @typedef {{ status?: number, headers?: Record<string, string>, json?: unknown, text?: string, delayMs?: number, bodyDelayMs?: number, drop?: boolean, cut?: boolean }} Answer */
/** @typedef {{ method: string, path: string, query: URLSearchParams, body: string }} Call */

const root = new URL("../../static/", import.meta.url);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const TOKEN = "token-of-the-owner-in-tests-0123456789";
/** The code of a link that is good. */
export const ONCE = "code-of-a-link-in-tests-0123456789";

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** @param {number} status @param {string} code @param {Record<string, unknown>} [more] @returns {Answer} */
export const problem = (status, code, more = {}) => ({
  status,
  json: { title: code, status, code, detail: code, ...more },
});

export class DashboardMock {
  /** Newest first. @type {Session[]} */
  visits = [];
  /** What `data` says besides. @type {Record<string, unknown>} */
  data = {};
  /** Whether the cookie is known. */
  isIn = true;
  /** Why it is not. */
  reason = "missing";
  /** Everything that reached the API. @type {Call[]} */
  calls = [];
  /** Instead of the answer, where it gives one. @type {((call: Call) => Answer | undefined) | undefined} */
  respond;
  /** How many bytes a part of a CSV has at most. */
  partBytes = 2000;
  /** What must stay empty. @type {string[]} */
  complaints = [];
  /** Kinds of console messages that a test expects. @type {RegExp | undefined} */
  expected;
  url = "";
  #server = createServer((request, response) => void this.#serve(request, response));

  /**
   * @param {import("puppeteer-core").Browser} browser
   * @param {import("node:test").TestContext} t
   * @param {(mock: DashboardMock) => void} [setUp]
   */
  static async open(browser, t, setUp = () => {}) {
    const mock = new DashboardMock();
    mock.visits = aMonth(Date.now());
    setUp(mock);
    await new Promise((listening) => mock.#server.listen(0, "127.0.0.1", () => listening(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (mock.#server.address());
    mock.url = `http://127.0.0.1:${address.port}`;
    const context = await browser.createBrowserContext();
    t.after(async () => {
      await closed(context.close());
      mock.#server.closeAllConnections();
      mock.#server.close();
      assert.deepEqual(mock.complaints, [], "what the console says");
    });
    const page = await context.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    page.on("pageerror", (error) => mock.complaints.push(String(error)));
    page.on("console", (message) => {
      // Chromium reports every answer of 400 and more; they are part of these tests.
      if (/Failed to load resource/.test(message.text())) return;
      if (!mock.expected?.test(message.text())) mock.complaints.push(message.text());
    });
    page.on("request", (request) => {
      const isOurs = request.url().startsWith(mock.url) || /^(blob|data):/.test(request.url());
      if (!isOurs) mock.complaints.push(`asks elsewhere: ${request.url()}`);
    });
    return { mock, page, context };
  }

  /** @param {string} path */
  callsOf(path) {
    return this.calls.filter((call) => call.path === path);
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const { pathname, searchParams } = new URL(request.url ?? "", this.url);
    if (!pathname.startsWith("/api/")) {
      const file = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
      const body = await readFile(new URL(`.${file}`, root)).catch(() => null);
      const headers = {
        "Content-Security-Policy": POLICY,
        "Content-Type": TYPES[extname(file)] ?? "text/plain",
      };
      response.writeHead(body ? 200 : 404, headers).end(body ?? "");
      return;
    }
    let body = "";
    for await (const chunk of request) body += chunk;
    const call = { method: request.method ?? "", path: pathname, query: searchParams, body };
    this.calls.push(call);
    const answer = this.respond?.(call) ?? this.answer(call);
    if (answer.delayMs) await sleep(answer.delayMs);
    if (answer.drop) {
      response.destroy();
      return;
    }
    const status = answer.status ?? 200;
    if (answer.cut) {
      // Half of what was announced, and then the line is dead.
      response.writeHead(status, { "Content-Length": "1000", ...answer.headers });
      response.write("x".repeat(500), () => setTimeout(() => response.destroy(), 50));
      return;
    }
    const type =
      answer.json === undefined
        ? {}
        : { "Content-Type": status < 400 ? "application/json" : "application/problem+json" };
    response.writeHead(status, { "Cache-Control": "no-store", ...type, ...answer.headers });
    if (answer.bodyDelayMs) {
      response.flushHeaders();
      await sleep(answer.bodyDelayMs);
    }
    response.end(answer.json === undefined ? answer.text : JSON.stringify(answer.json));
  }

  /** What it answers by itself. @param {Call} call @returns {Answer} */
  answer({ method, path, query, body }) {
    const now = Date.now();
    if (path === "/api/admin/login") {
      const { token, once } = JSON.parse(body);
      if (once !== undefined && once !== ONCE) return problem(401, "wrong-link");
      if (once === undefined && token !== TOKEN) return problem(401, "wrong-token");
      this.isIn = true;
      return { json: { success: true, expiresInSeconds: 28_800 } };
    }
    if (path === "/api/admin/logout") {
      this.isIn = false;
      this.reason = "missing";
      return { status: 204 };
    }
    if (!this.isIn) return problem(401, "not-the-owner", { reason: this.reason });
    if (method === "POST") return this.#revoke(path, body);
    const visits = filtered(this.visits, query);
    const data = {
      asOf: iso(now - 2000),
      olderAsOf: iso(now - 2000),
      complete: true,
      completeSince: null,
      leftOut: false,
      rows: this.visits.length,
      stored: this.visits.length,
      ...this.data,
    };
    switch (path) {
      case "/api/summary":
        return { json: { ...summaryOf(visits, query, now), data } };
      case "/api/sessions": {
        const { rows, total, next } = pageOf(visits, query);
        return { json: { sessions: rows, total, next, data } };
      }
      case "/api/visitors": {
        const { rows, total, next } = pageOf(sorted(visitorsOf(visits), query.get("sort")), query);
        return { json: { visitors: rows, total, next, data } };
      }
      case "/api/sessions.csv":
        return this.#csv(visits, query);
      default:
        return problem(404, "not-found");
    }
  }

  /** @param {Session[]} visits @param {URLSearchParams} query @returns {Answer} */
  #csv(visits, query) {
    const cell = (/** @type {unknown} */ value) => {
      const text = value === null ? "" : String(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const at = Number(query.get("cursor") ?? 0);
    let text =
      query.get("cursor") === null ? "id,emailOfAccessor,sessionStartTime,durationSeconds\r\n" : "";
    let end = at;
    while (end < visits.length && text.length < this.partBytes) {
      const one = /** @type {Session} */ (visits[end]);
      text += `${[one.id, one.email, one.start, one.durationSeconds].map(cell).join(",")}\r\n`;
      end += 1;
    }
    const headers = {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": 'attachment; filename="lastseen-sessions-2026-11-21.csv"',
      ...(end < visits.length ? { "Lastseen-Next": String(end) } : {}),
    };
    return { headers, text };
  }

  /** @param {string} path @param {string} body @returns {Answer} */
  #revoke(path, body) {
    const id = path.match(/^\/api\/sessions\/([^/]+)\/revoke$/)?.[1];
    const email = id ? undefined : JSON.parse(body).email;
    const met = this.visits.filter((one) => one.id === id || one.email === email);
    const open = met.filter(({ state }) => state === "open");
    for (const one of open)
      Object.assign(one, { state: "ended", looking: false, endReason: "revoked" });
    const endReason = id ? { endReason: met[0]?.endReason } : {};
    return { json: { success: true, ended: open.length, ...endReason } };
  }
}

/** Takes a picture, which CI keeps. @param {Page} page @param {string} name @param {boolean} [fullPage] */
export async function picture(page, name, fullPage = true) {
  mkdirSync(screenshots, { recursive: true });
  const path = /** @type {`${string}.png`} */ (join(screenshots, `dashboard-${name}.png`));
  await page.screenshot({ path, fullPage });
}

/**
 * What axe finds, in a world of its own: the page's policy lets no script in.
 *
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function violations(page) {
  const session = await page.createCDPSession();
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", {
    frameId: frameTree.frame.id,
  });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `${axe}; axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes[0].html + " " + nodes[0].failureSummary))`,
    contextId,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  assert.equal(exceptionDetails, undefined);
  return result.value;
}

/** Waits until words are in sight. @param {Page} page @param {string} text */
export async function sees(page, text) {
  await page.waitForFunction(
    (words) => document.body.innerText.includes(words),
    { timeout: 10_000, polling: 50 },
    text,
  );
}

/** What is in sight. @param {Page} page */
export const words = (page) => page.evaluate(() => document.body.innerText);

/**
 * What is cut off, overlaps the edge or is too small to hit (WCAG 2.2, 1.4.10 and 2.5.8).
 *
 * @param {Page} page
 */
export function misfits(page) {
  return page.evaluate(() => {
    /** @type {string[]} */
    const wrong = [];
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth)
      wrong.push(`${root.scrollWidth} px of page in ${innerWidth}`);
    for (const part of document.querySelectorAll(
      "button, input, select, .figures .value, th, td, h2, h3",
    )) {
      if (!part.checkVisibility() || part.closest(".unseen")) continue;
      const style = getComputedStyle(part);
      if (style.clipPath !== "none" || part.classList.contains("unseen")) continue;
      const { width, height, right, left } = part.getBoundingClientRect();
      const name = `${part.tagName} ${part.textContent?.slice(0, 40)}`;
      // A table behind a chart scrolls in a place of its own.
      const isInPlace = part.closest(".behind") !== null;
      if ((right > innerWidth + 1 || left < -1) && !isInPlace)
        wrong.push(`${name}: beyond the window`);
      // What somebody typed scrolls within its field.
      const isCut = part.scrollWidth > Math.ceil(width) + 1 && part.tagName !== "INPUT";
      if (isCut && style.display !== "inline") wrong.push(`${name}: cut off`);
      if (/BUTTON|INPUT|SELECT/.test(part.tagName) && (width < 24 || height < 24)) {
        wrong.push(`${name}: ${width} by ${height}`);
      }
    }
    return wrong;
  });
}

/** Visitors who wrote what they should not have. @param {DashboardMock} mock */
export const hostile = (mock) => {
  const long = `${"a".repeat(64)}@${`${"b".repeat(60)}.`.repeat(3)}example`;
  const path = `/<img src=x onerror=alert(1)>/${"x".repeat(250)}`;
  const pages = [
    { path, seconds: 30, scroll: 100 },
    { path: "//evil.example/‮gpj.exe", seconds: 10, scroll: 10 },
  ];
  const start = iso(Date.now() - 60_000);
  const open = /** @type {const} */ ({ state: "open", looking: true, endReason: null });
  mock.visits = [
    visit({ id: "1", email: long, start, durationSeconds: 60, pages, ...open }),
    visit({
      id: "2",
      email: `"><script>alert(1)</script>@x.example`,
      start,
      durationSeconds: 9,
      pages,
    }),
  ];
};

/** Reads RFC 4180. @param {string} csv */
export function parse(csv) {
  /** @type {string[][]} */
  const rows = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  /** @type {string[]} */
  let row = [];
  while (cell.lastIndex < csv.length) {
    const found = cell.exec(csv);
    assert.ok(found, "this is no CSV");
    row.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    if (found[3] !== ",") {
      rows.push(row);
      row = [];
    }
  }
  return rows;
}
