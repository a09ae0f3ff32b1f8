/** A real Chromium, with tabs that can be hidden, shown and closed like a person's. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";
import { root } from "./process.mjs";

/**
 * @typedef {import("puppeteer-core").Browser} Browser
 * @typedef {import("puppeteer-core").BrowserContext} Context
 * @typedef {import("puppeteer-core").Page} Page
 */

/** Where pictures of failed tests go. */
export const screenshots = join(root, "target/screenshots");

/** The browser by name: `CHROMIUM`, or the first of those that distributions install. */
export function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
  for (const name of [process.env.CHROMIUM, ...names]) {
    if (!name) continue;
    try {
      return execFileSync("sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" }).trim();
    } catch {
      // Not this one.
    }
  }
  throw new Error("no Chromium found. Run: apt-get install chromium, or set CHROMIUM to its path");
}

/** @param {import("puppeteer-core").LaunchOptions} [options] */
export function launch(options = {}) {
  return puppeteer.launch({
    executablePath: findChromium(),
    // Puppeteer turns the back-forward cache off; visitors have it.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    ...options,
    // Only pages of our own are opened; root and containers have no sandbox.
    args: ["--no-sandbox", "--disable-dev-shm-usage", ...(options.args ?? [])],
  });
}

/**
 * Hides a page as a visitor does, by putting another tab in front of it.
 *
 * @param {Page} page
 * @returns {Promise<Page>} the tab in front
 */
export async function hide(page) {
  const front = await page.browserContext().newPage();
  await front.bringToFront();
  await page.waitForFunction(() => document.visibilityState === "hidden", { polling: 20 });
  return front;
}

/** @param {Page} page */
export async function show(page) {
  await page.bringToFront();
  await page.waitForFunction(() => document.visibilityState === "visible", { polling: 20 });
}

/**
 * Closes a tab as a visitor does: the page is told that it goes.
 *
 * @param {Page} page
 */
export async function close(page) {
  await page.close({ runBeforeUnload: false });
}

/**
 * Waits for something to close, but not for ever: Chromium 156 was seen to leave a context open for
 * minutes after everything in it was done.
 *
 * @param {Promise<unknown> | undefined} closing
 */
export async function closed(closing) {
  const patience = new AbortController();
  const givenUp = sleep(5000, null, { signal: patience.signal }).catch(() => {});
  await Promise.race([closing?.catch(() => {}), givenUp]);
  patience.abort();
}

/**
 * Closes a browser, by force where it does not go by itself.
 *
 * @param {Browser | undefined} browser
 */
export async function quit(browser) {
  await closed(browser?.close());
  browser?.process()?.kill("SIGKILL");
}

/**
 * Runs a test with a visitor of its own (cookies and storage start empty), and takes a picture of
 * every open tab when the test fails.
 *
 * @param {Browser} browser
 * @param {{ name: string }} test
 * @param {(visitor: Context) => Promise<void>} body
 */
export async function asVisitor(browser, test, body) {
  const visitor = await browser.createBrowserContext();
  try {
    await body(visitor);
  } catch (error) {
    mkdirSync(screenshots, { recursive: true });
    const name = test.name.replace(/[^\w-]+/g, "-").slice(0, 80);
    for (const [index, page] of (await visitor.pages()).entries()) {
      const path = join(screenshots, `${name}-${index}.png`);
      await page.bringToFront().catch(() => {});
      await page.screenshot({ path: /** @type {`${string}.png`} */ (path) }).catch(() => {});
      console.error(`what the visitor saw at ${page.url()}: ${path}`);
    }
    throw error;
  } finally {
    await closed(visitor.close());
  }
}
