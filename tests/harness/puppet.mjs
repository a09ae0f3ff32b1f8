/** Chromium and Firefox, both driven by puppeteer: over its own protocol, and over WebDriver BiDi. */
import { execFileSync } from "node:child_process";
import puppeteer from "puppeteer-core";
import { closed, launch, quit } from "./browser.mjs";
import { Tab } from "./tab.mjs";

/** Longer than this no command takes, and a browser that hangs must not hang the tests. */
const PATIENCE_MS = 20_000;

/** The browser by name: `FIREFOX`, or what Debian installs. */
function findFirefox() {
  const name = process.env.FIREFOX ?? "firefox-esr";
  try {
    return execFileSync("sh", ["-c", 'command -v "$1"', "sh", name], { encoding: "utf8" }).trim();
  } catch {
    throw new Error(
      `no Firefox found (${name}). On Debian run tools/system; elsewhere set FIREFOX to the path of ` +
        "a Firefox (153 was tested), or LASTSEEN_ENGINES=chromium,webkit to do without",
    );
  }
}

export async function openChromium() {
  return new PuppetEngine(await launch({ protocolTimeout: PATIENCE_MS }));
}

export async function openFirefox() {
  const executablePath = findFirefox();
  const options = { headless: true, protocolTimeout: PATIENCE_MS };
  return new PuppetEngine(
    await puppeteer.launch({ browser: "firefox", executablePath, ...options }),
  );
}

class PuppetEngine {
  #browser;

  /** @param {import("puppeteer-core").Browser} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  async visitor() {
    return new PuppetVisitor(await this.#browser.createBrowserContext());
  }

  quit() {
    return quit(this.#browser);
  }
}

class PuppetVisitor {
  #context;

  /** @param {import("puppeteer-core").BrowserContext} context */
  constructor(context) {
    this.#context = context;
  }

  async tab() {
    const page = await this.#context.newPage();
    await page.bringToFront();
    return new PuppetTab(page);
  }

  async window() {
    return new PuppetTab(await this.#context.newPage({ type: "window" }));
  }

  async cookies() {
    const cookies = await this.#context.cookies();
    return Object.fromEntries(cookies.map(({ name, value }) => [name, value]));
  }

  /** @param {string} url @param {string} name @param {string} value */
  async setCookie(url, name, value) {
    const { hostname: domain } = new URL(url);
    await this.#context.setCookie({ name, value, domain, path: "/" });
  }

  /** @param {string} name */
  async deleteCookie(name) {
    const cookies = await this.#context.cookies();
    await this.#context.deleteCookie(...cookies.filter((cookie) => cookie.name === name));
  }

  close() {
    return closed(this.#context.close());
  }
}

class PuppetTab extends Tab {
  #page;
  /** What hides it. @type {import("puppeteer-core").Page | undefined} */
  #front;

  /** @param {import("puppeteer-core").Page} page */
  constructor(page) {
    super();
    this.#page = page;
  }

  /** @type {Tab["evaluate"]} */
  evaluate(body, ...args) {
    return /** @type {Promise<any>} */ (this.#page.evaluate(/** @type {any} */ (body), ...args));
  }

  /** @param {number} x @param {number} y */
  async move(x, y) {
    await this.#page.mouse.move(x, y);
  }

  async click() {
    await this.#page.mouse.down();
    await this.#page.mouse.up();
  }

  /** @param {import("./tab.mjs").Key} key */
  async press(key) {
    await this.#page.keyboard.press(key);
  }

  /** @param {number} pixels */
  async wheel(pixels) {
    await this.#page.mouse.wheel({ deltaY: pixels });
  }

  /** @param {number} x @param {number} y */
  async touch(x, y) {
    await this.#page.touchscreen.touchStart(x, y);
    await this.#page.touchscreen.touchMove(x + 10, y + 30);
    await this.#page.touchscreen.touchEnd();
  }

  async hide() {
    this.#front ??= await this.#page.browserContext().newPage();
    await this.#front.bringToFront();
    await super.hide();
  }

  async show() {
    await this.#page.bringToFront();
    await super.show();
  }

  async close() {
    await this.#page.close({ runBeforeUnload: false });
  }
}
