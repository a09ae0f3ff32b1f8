/**
 * The mock server, and a visitor in any of the engines. Not all of them can run something in a page
 * before its own scripts, so that comes from the server: a prelude, the first script of every page.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../harness/process.mjs";
import { MockServer } from "../mock-server.mjs";
import { MockSession } from "../mock-session.mjs";

/**
 * @typedef {import("../../harness/engines.mjs").Tab} Tab
 * @typedef {{ session: string | null, tracking: boolean, activeSeconds: number,
 *   inactiveSeconds: number, idleInSeconds: number | null, covered: boolean }} Status
 */

export class EngineSite extends MockServer {
  body = '<h1>A page</h1><input id="field">';
  /** What a test changes in a page before the script starts. */
  prelude = "";
  /** How much faster than ours the clocks and timers of all its pages run. */
  speed = 1;
  server = new MockSession();
  /** What a heartbeat is answered instead of what the server would. @type {import("../mock-server.mjs").Answer | undefined} */
  instead;
  /** What the test makes go wrong itself. @type {RegExp | undefined} */
  expected;

  #visitor;
  #opened = Date.now();

  /** @param {import("../../harness/engines.mjs").Visitor} visitor */
  constructor(visitor) {
    super();
    this.#visitor = visitor;
    this.head = '<script src="/prelude.js"></script>';
    this.respond = (/** @type {import("../mock-server.mjs").Call} */ { path, body, headers }) => {
      if (path === "/api/complaint") return {};
      if (path === "/api/frame") return { text: "<p>Another document" };
      if (this.instead && path === "/api/session-heartbeat") return this.instead;
      const now = this.server.now + (Date.now() - this.#opened) * this.speed;
      return this.server.answer(path, body, headers.cookie, now);
    };
    Object.defineProperty(this.scripts, "/prelude.js", {
      get: () => `(${begin})(${this.speed}, ${this.#opened});\n${this.prelude}`,
    });
  }

  /**
   * @param {import("../../harness/engines.mjs").Engine} engine
   * @param {import("node:test").TestContext} t
   */
  static async open(engine, t) {
    const site = new EngineSite(await engine.visitor());
    await site.listen();
    t.after(async () => {
      await site.#visitor.close();
      site.shutDown();
      const unexpected = site.complaints.filter((complaint) => !site.expected?.test(complaint));
      assert.deepEqual(unexpected, [], "nothing goes wrong on any page");
    });
    return site;
  }

  /** Exceptions, violations of the policy, and what was written to the console as an error. */
  get complaints() {
    return this.calls.filter(({ path }) => path === "/api/complaint").map(({ body }) => body);
  }

  /** @param {string | null} id the row id, or null for a visitor without a session */
  async session(id) {
    if (id === null) await this.#visitor.deleteCookie("session_record_id");
    else await this.#visitor.setCookie(`${this.url}/other`, "session_record_id", id);
    assert.equal((await this.#visitor.cookies()).session_record_id, id ?? undefined);
  }

  get logouts() {
    return this.calls.filter(({ path }) => path === "/api/logout").map(({ body }) => body.reason);
  }

  /** So many seconds pass at once, for the server and these pages. @param {number} seconds @param {Tab[]} tabs */
  async pass(seconds, ...tabs) {
    // What is still on its way was said before that: answered afterwards, it would begin a new idle timeout.
    let heard = -1;
    while (this.calls.length > heard) {
      heard = this.calls.length;
      await sleep(200);
    }
    this.server.now += seconds * 1000;
    for (const tab of tabs) {
      await tab.evaluate((ms) => /** @type {any} */ (window).seen.skip(ms), seconds * 1000);
    }
  }

  /** A page in a new tab, in front of the others. */
  async tab(path = "/page") {
    const tab = await this.#visitor.tab();
    await tab.goto(this.url + path);
    return tab;
  }

  /** A page in a new window, beside the others. */
  async window(path = "/page") {
    const tab = await this.#visitor.window();
    await tab.goto(this.url + path);
    return tab;
  }

  /** A visitor with session 42 opens a page. */
  async visit(path = "/page") {
    await this.session("42");
    return this.tab(path);
  }
}

/**
 * Runs in the page. Tells the server what goes wrong; makes time pass faster, the same in all tabs;
 * keeps an eye on what happens.
 *
 * @param {number} speed @param {number} opened when all clocks showed what ours did
 */
function begin(speed, opened) {
  const { fetch, console } = window;
  /** @param {string} body */
  const complain = (body) =>
    void fetch("/api/complaint", { method: "POST", body, keepalive: true }).catch(() => {});
  window.addEventListener("error", ({ message, filename, lineno }) =>
    complain(`${message} at ${filename}:${lineno}`),
  );
  window.addEventListener("unhandledrejection", ({ reason }) => complain(`rejected: ${reason}`));
  document.addEventListener("securitypolicyviolation", (violation) => {
    const { effectiveDirective, blockedURI, sourceFile, lineNumber } = violation;
    complain(`${effectiveDirective} forbids ${blockedURI} at ${sourceFile}:${lineNumber}`);
  });
  const { error } = console;
  console.error = (...words) => {
    complain(`console: ${words.join(" ")}`);
    error.apply(console, words);
  };

  const wall = Date.now.bind(Date);
  const mono = performance.now.bind(performance);
  const timer = window.setTimeout.bind(window);
  const post = Worker.prototype.postMessage;
  let skipped = 0;
  Date.now = () => opened + (wall() - opened) * speed + skipped;
  performance.now = () => mono() * speed + skipped;
  // @ts-expect-error: the parts that the script uses
  window.setTimeout = (step, ms = 0) => timer(step, ms / speed);
  // A worker is told milliseconds, and nothing else.
  Worker.prototype.postMessage = function (ms) {
    post.call(this, ms / speed);
  };

  const seen = {
    restored: 0,
    covered: false,
    openedAt: 0,
    closedAt: 0,
    moves: 0,
    scrolls: 0,
    only: "",
    /** @param {number} ms */
    skip(ms) {
      skipped += ms;
    },
  };
  Object.assign(window, { seen });
  const hasDialog = () => document.querySelector("dialog[open]") !== null;
  let open = false;
  const changes = { subtree: true, childList: true, attributeFilter: ["open"] };
  new MutationObserver(() => {
    if (open === hasDialog()) return;
    open = !open;
    seen[open ? "openedAt" : "closedAt"] = wall();
  }).observe(document, changes);
  const look = () => {
    seen.covered = hasDialog();
  };
  window.addEventListener("load", () => {
    // After the script's own listeners: what a visitor gets to see when a page comes back.
    window.addEventListener("pageshow", ({ persisted }) => {
      seen.restored += persisted ? 1 : 0;
      look();
    });
    document.addEventListener("visibilitychange", look);
  });
  // Before the script's own listeners: one kind of input at a time.
  for (const kind of "pointerdown pointermove keydown wheel touchstart touchmove scroll".split(
    " ",
  )) {
    window.addEventListener(
      kind,
      (event) => {
        if (kind === "pointermove") seen.moves += 1;
        if (kind === "scroll") seen.scrolls += 1;
        if (seen.only && seen.only !== kind) event.stopImmediatePropagation();
      },
      true,
    );
  }
}

/** @param {string} attributes */
export const tagWith = (attributes) => `<script src="/lastseen.js" defer ${attributes}></script>`;

/** What the script says of itself. @param {Tab} tab @returns {Promise<Status>} */
export const status = (tab) => tab.evaluate(() => /** @type {any} */ (window).lastseen.status());

/**
 * Waits until the script says so.
 *
 * @param {Tab} tab
 * @param {string} what for the message
 * @param {(status: Status) => boolean} condition
 */
export function says(tab, what, condition, withinMs = 15_000) {
  return until(what, async () => condition(await status(tab)), withinMs);
}

/** From here on the script sees this kind of input and no other. @param {Tab} tab @param {string} kind */
export const only = (tab, kind) =>
  tab.evaluate((kind) => {
    /** @type {any} */ (window).seen.only = kind;
  }, kind);

/**
 * What the prelude saw: how often the page came back from the back-forward cache; whether a dialog
 * was open when it last came back or to the front; when one was opened and closed, by the real
 * clock; how often the pointer is said to have moved.
 *
 * @param {Tab} tab
 * @returns {Promise<{ restored: number, covered: boolean, openedAt: number, closedAt: number,
 *   moves: number, scrolls: number }>}
 */
export const seen = (tab) =>
  tab.evaluate(() => {
    const { restored, covered, openedAt, closedAt, moves, scrolls } = /** @type {any} */ (window)
      .seen;
    return { restored, covered, openedAt, closedAt, moves, scrolls };
  });

/**
 * Which button of the built-in dialog has the focus: 0 to stay, 1 to log out, -1 none of them. Null
 * where no dialog is open.
 *
 * @param {Tab} tab
 */
export const focusInDialog = (tab) =>
  tab.evaluate(() => {
    const box = document.querySelector("dialog[open]");
    return (
      box &&
      [...box.querySelectorAll("button")].indexOf(/** @type {any} */ (document.activeElement))
    );
  });

/** @param {Tab} tab */
export const warned = (tab) =>
  tab.waitFor("warned", () => document.querySelector("dialog[open]") !== null);

/** @param {Tab} tab */
export const unwarned = (tab) =>
  tab.waitFor("free of the warning", () => document.querySelector("dialog[open]") === null);
