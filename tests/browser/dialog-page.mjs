/** A page whose warning and cover come when a test says so, and what a visitor meets of them. */
import assert from "node:assert/strict";
import { PageClock } from "../harness/page-clock.mjs";
import { MockSite } from "./mock-site.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** How long the page waits for its visitor, and when it asks. */
export const IDLE_SECONDS = 180;
export const WARN_SECONDS = 60;

/** @typedef {import("./mock-site.mjs").Answer} Answer */

/** What a server says that cannot be asked. @type {Answer} */
export const DOWN = { status: 503 };

const BODY = `<main><h1>Figures</h1><p>Nobody else may read this.</p>
  <button id="first">First</button> <button id="second">Second</button></main>`;

/**
 * @typedef {object} Options
 * @property {string} [attributes] of the script tag
 * @property {number | null} [idle] the page's idle timeout in seconds; null for the server's alone
 * @property {number} [serverIdle] the server's
 * @property {string} [lang] of the page
 * @property {string} [charset] of the page
 * @property {string} [head]
 * @property {string} [body]
 * @property {string} [policy]
 */

export class DialogPage {
  /** What the server says instead of what it would. @type {Answer | undefined} */
  instead;

  /** @param {MockSite} site @param {Page} page @param {PageClock} clock */
  constructor(site, page, clock) {
    this.site = site;
    this.page = page;
    this.clock = clock;
  }

  /**
   * @param {import("puppeteer-core").Browser} browser
   * @param {import("node:test").TestContext} t
   * @param {Options} [options]
   */
  static async open(browser, t, options = {}) {
    const { attributes = "", idle = IDLE_SECONDS, lang = "en" } = options;
    const { charset = "utf-8", head = "", serverIdle = 1800 } = options;
    const site = await MockSite.open(browser, t);
    site.body = options.body ?? BODY;
    site.policy = options.policy ?? site.policy;
    const own = idle === null ? "" : `data-idle-timeout="${idle * 1000}"`;
    site.tag = `<script src="/lastseen.js" defer ${own} ${attributes}></script>`;
    // The parser moves what the second <html> says to the first.
    site.head = `<html lang="${lang}"><meta charset="${charset}"><meta name="viewport" content="width=device-width">
      <meta name="color-scheme" content="light dark">${head}`;
    await site.session("42");
    const page = await site.tab();
    const visit = new DialogPage(site, page, await PageClock.install(page));
    site.respond = ({ path, body }) => {
      if (path === "/api/logout") return { status: 204 };
      // The session is open as long as the visitor is idle for less than that.
      const seconds = serverIdle - (body.inactiveSeconds ?? 0);
      return visit.instead ?? { json: { success: true, idleExpiresInSeconds: seconds } };
    };
    await page.goto(`${site.url}/page`);
    await visit.run(0);
    return visit;
  }

  /** @param {number} seconds */
  async run(seconds) {
    await this.clock.run(seconds * 1000);
  }

  /** Until the warning is there: the visitor does nothing. */
  async warned() {
    await this.run(IDLE_SECONDS - WARN_SECONDS);
    assert.equal((await this.look())?.covers, false, "the warning is there");
  }

  /** Until the page is locked; the server cannot be asked, so that it stays as it is. */
  async covered() {
    await this.run(IDLE_SECONDS - WARN_SECONDS);
    this.instead = DOWN;
    await this.run(WARN_SECONDS);
    assert.equal((await this.look())?.covers, true, "the page is covered");
  }

  /** What is open of ours, as a visitor sees it; null for nothing. */
  look() {
    return this.page.evaluate(() => {
      // In a page's own dialogs there is no <h2> in these tests.
      const box = [...document.querySelectorAll("dialog")].find(
        (dialog) => dialog.matches(":modal") && dialog.querySelector("h2"),
      );
      if (!box) return null;
      const parts = [...box.children].map((part) => /** @type {HTMLElement} */ (part));
      const spoken = parts.find((part) => part.role === "status");
      const seen = parts.filter((part) => part !== spoken).map((part) => part.innerText);
      const covers = /** @type {any} */ (window).lastseen.status().covered === true;
      return {
        covers,
        lang: box.lang,
        title: seen[0] ?? "",
        text: covers ? "" : (seen[1] ?? ""),
        buttons: seen.slice(covers ? 1 : 2),
        spoken: spoken?.textContent ?? "",
      };
    });
  }

  /** What has the focus: an id of the page, or a button's words. */
  focused() {
    return this.page.evaluate(() => {
      const { id, tagName, textContent } = document.activeElement ?? document.body;
      return id || (tagName === "BUTTON" ? textContent : tagName);
    });
  }

  /** @returns {Promise<any>} */
  status() {
    return this.page.evaluate(() => /** @type {any} */ (window).lastseen.status());
  }

  /** @param {"Tab" | "Enter" | "Escape" | "Space"} key */
  async press(key) {
    await this.page.keyboard.press(key);
    await this.drawn();
  }

  /** Waits for two frames: with the next one Chromium tells a page that a dialog was closed. */
  async drawn() {
    await this.page.evaluate(
      () => new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen))),
    );
    await this.run(0);
  }

  /** One of the dialog's buttons. @param {string} label */
  async button(label) {
    const [button] = await this.page.$$(`dialog ::-p-text(${label})`);
    assert.ok(button, `there is a button ${label}`);
    return button;
  }

  /** Style rules of the page's own, which its policy would not take from a <style>. @param {string} css */
  async style(css) {
    await this.page.evaluate((text) => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      document.adoptedStyleSheets = [sheet];
    }, css);
  }

  /** The visitor has logged out by the button, and nothing else was said to the server. */
  async loggedOut() {
    await this.page.waitForFunction("location.pathname === '/access/'", { timeout: 5000 });
    const reasons = this.site.calls
      .filter(({ path }) => path === "/api/logout")
      .map(({ body }) => body.reason);
    assert.deepEqual(reasons, ["logout"]);
  }
}
