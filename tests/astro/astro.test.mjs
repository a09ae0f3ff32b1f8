/**
 * SessionHeartbeat.astro in a site that Astro built, with Chromium: by view transition, where the
 * page stays and its content is swapped, and by plain navigation.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, quit } from "../harness/browser.mjs";
import { build } from "./build.mjs";
import { Site } from "./site.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** What was built. */
let folder = "";
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  folder = await build();
  browser = await launch();
});

after(() => quit(browser));

/** A visitor's way through the site, on one tab, with the time that they had each page before them. */
class Walk {
  /** Seconds by page. @type {Record<string, number>} */
  seconds = {};
  #path;
  #since = performance.now();

  /** @param {Site} site @param {Page} page @param {string} path where it starts */
  constructor(site, page, path) {
    this.site = site;
    this.page = page;
    this.#path = path;
  }

  /** @param {Site} site @param {string} path */
  static async from(site, path) {
    const page = await site.visit(path);
    return new Walk(site, page, path);
  }

  /** Reads for some time: the mouse moves now and then. @param {number} seconds */
  async read(seconds) {
    const end = performance.now() + seconds * 1000;
    for (let step = 0; performance.now() < end; step += 1) {
      await this.page.mouse.move(300 + (step % 2) * 40, 300 + (step % 3) * 20);
      await sleep(150);
    }
  }

  /**
   * Follows a link of the page, and says how it led to the next one.
   *
   * @param {string} path
   * @returns {Promise<"by view transition" | "by a full load">}
   */
  async follow(path) {
    await this.page.evaluate(() => Reflect.set(window, "stayed", true));
    await this.page.click(`a[href="${path}"]`);
    await this.arrive(path);
    const stayed = await this.page.evaluate(() => Reflect.get(window, "stayed") === true);
    return stayed ? "by view transition" : "by a full load";
  }

  /** Waits until a page is shown and every animation on the way to it is over. @param {string} path */
  async arrive(path) {
    const patience = { polling: 20, timeout: 5000 };
    await this.page.waitForFunction((to) => location.pathname === to, patience, path);
    this.#stop();
    this.#path = path;
    await this.page.waitForFunction(
      (name) =>
        document.readyState === "complete" &&
        document.querySelector("h1")?.textContent?.endsWith(` ${name}`) &&
        document.getAnimations().length === 0,
      patience,
      path.split("/").at(-2),
    );
  }

  /** Closes the tab. */
  async end() {
    const farewell = this.site.heartbeat("farewell", ({ leaving }) => leaving);
    this.#stop();
    await this.page.close({ runBeforeUnload: false });
    await farewell;
  }

  #stop() {
    const now = performance.now();
    this.seconds[this.#path] = (this.seconds[this.#path] ?? 0) + (now - this.#since) / 1000;
    this.#since = now;
  }
}

/**
 * Waits for a dialog in front of everything else and with the keyboard in it.
 *
 * @param {Page} page @param {string} title @param {number} withinMs
 */
async function inFront(page, title, withinMs) {
  await page.waitForFunction(
    (wanted) => {
      const dialog = document.querySelector("dialog:modal");
      if (dialog?.querySelector("h2")?.textContent !== wanted) return false;
      const { x, y, width, height } = dialog.getBoundingClientRect();
      const top = document.elementFromPoint(x + width / 2, y + height / 2);
      return dialog.contains(top) && dialog.contains(document.activeElement);
    },
    { polling: 20, timeout: withinMs },
    title,
  );
}

/** The figures are those of the walk. @param {Walk} walk */
function assertSeconds({ site, seconds }) {
  assert.deepEqual(Object.keys(site.pages).sort(), Object.keys(seconds).sort());
  for (const [path, looked] of Object.entries(seconds)) {
    const counted = site.pages[path]?.seconds ?? 0;
    const said = `${path}: ${counted} s counted, ${looked.toFixed(1)} s looked at`;
    // Half a second of it is rounding, and a page that is left is before nobody until the next one is there.
    assert.ok(Math.abs(counted - looked) < 1.5, said);
  }
}

test("every set of props is one script tag with these attributes and no others", async () => {
  const source = new URL("./site/src/sets.json", import.meta.url);
  const sets = JSON.parse(await readFile(source, "utf8"));
  const page = await browser.newPage();
  for (const [name, { attributes }] of Object.entries(sets)) {
    const html = await readFile(join(folder, `sets/${name}/index.html`), "utf8");
    const tags = await page.evaluate((text) => {
      const read = new DOMParser().parseFromString(text, "text/html");
      const attributesOf = (/** @type {Element} */ tag) =>
        Object.fromEntries([...tag.attributes].map((one) => [one.name, one.value]));
      return {
        everywhere: read.scripts.length,
        inHead: [...read.head.querySelectorAll("script")].map(attributesOf),
      };
    }, html);
    assert.deepEqual(tags, { everywhere: 1, inHead: [attributes] }, name);
  }
  await page.close();
});

test("view transitions go on with one session and one copy of the script, and each page has its own seconds", async (t) => {
  const site = await Site.open(folder, browser, t);
  const walk = await Walk.from(site, "/story/one/");
  await walk.page.evaluate(() => Reflect.set(window, "first", Reflect.get(window, "lastseen")));
  await walk.read(1.5);
  assert.equal(await walk.follow("/story/two/"), "by view transition");
  const heard = site.heartbeat("heartbeat of the second page", (one) => one.page === "/story/two/");
  await walk.read(3.5);
  await heard;
  assert.equal(await walk.follow("/story/three/"), "by view transition");
  await walk.read(1);
  await walk.page.goBack();
  await walk.arrive("/story/two/");
  await walk.read(1);

  const { stayed, same } = await walk.page.evaluate(() => ({
    stayed: Reflect.get(window, "stayed"),
    same: Reflect.get(window, "first") === Reflect.get(window, "lastseen"),
  }));
  assert.deepEqual({ stayed, same }, { stayed: true, same: true });
  assert.equal(site.loadsOfTheScript, 1);

  await walk.end();
  assertSeconds(walk);
  const last = site.heartbeats.at(-1);
  assert.equal(last.page, "/story/two/");
  const sum = Object.values(site.pages).reduce((seconds, figure) => seconds + figure.seconds, 0);
  assert.equal(last.activeSeconds, sum);
  assert.ok(site.heartbeats.every(({ session }) => session === "42"));
});

test("the furthest scroll belongs to the page that was scrolled, not to the one that follows it", async (t) => {
  const site = await Site.open(folder, browser, t);
  const walk = await Walk.from(site, "/story/one/");
  await walk.page.mouse.move(300, 300);
  await walk.page.mouse.wheel({ deltaY: 5000 });
  await walk.page.waitForFunction(
    () => scrollY + innerHeight >= document.documentElement.scrollHeight - 1,
    { polling: 20, timeout: 5000 },
  );
  await walk.read(0.5);
  await walk.follow("/story/two/");
  await walk.read(1.2);
  const seen = await walk.page.evaluate(
    () => (100 * innerHeight) / document.documentElement.scrollHeight,
  );
  await walk.end();
  assert.deepEqual(
    [site.pages["/story/one/"]?.scroll, site.pages["/story/two/"]?.scroll],
    [100, Math.round(seen)],
  );
});

test("plain navigation goes on with the session too, and so does the way from there to the router's pages", async (t) => {
  const site = await Site.open(folder, browser, t);
  const walk = await Walk.from(site, "/plain/one/");
  await walk.read(1.2);
  assert.equal(await walk.follow("/plain/two/"), "by a full load");
  await walk.read(2.2);
  assert.equal(await walk.follow("/story/one/"), "by a full load");
  await walk.read(1.2);
  assert.equal(site.loadsOfTheScript, 3);
  await walk.end();
  assertSeconds(walk);
  assert.equal(site.heartbeats.at(-1).page, "/story/one/");
});

test("the script starts when a view transition brings it, counts a page without it from then on, and is not run again", async (t) => {
  const site = await Site.open(folder, browser, t);
  const before = await Walk.from(site, "/without/");
  await before.read(0.5);
  assert.deepEqual(site.heartbeats, [], "nothing to track with");
  assert.equal(await before.follow("/story/one/"), "by view transition");
  const walk = new Walk(site, before.page, "/story/one/");
  await walk.read(1);
  assert.equal(await walk.follow("/without/"), "by view transition");
  await walk.read(2);
  assert.equal(await walk.follow("/story/one/"), "by view transition");
  await walk.end();
  assertSeconds(walk);
  assert.equal(site.loadsOfTheScript, 1);
});

test("the warning is shown on a page that came by view transition, comes back when one takes it away, and leads to the gate from where the visitor is then", async (t) => {
  const site = await Site.open(folder, browser, t);
  site.idleTimeoutSeconds = 20;
  site.delayMs = { "/api/logout": 1000 };
  const walk = await Walk.from(site, "/story/one/");
  const { page } = walk;
  await walk.follow("/story/two/");
  await walk.read(0.5);

  await inFront(page, "Still here?", 15_000);
  // The browser's own Back button is out of the dialog's reach.
  await page.goBack();
  await walk.arrive("/story/one/");
  await inFront(page, "Still here?", 3000);
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { hidden: true, timeout: 2000 });
  await page.waitForFunction(() => Reflect.get(window, "lastseen").status().inactiveSeconds <= 2, {
    polling: 20,
    timeout: 1500,
  });

  await walk.follow("/story/three/");
  await page.evaluate(() => void Reflect.get(window, "lastseen").logout());
  await inFront(page, "Locked", 900);
  const patience = { polling: 20, timeout: 5000 };
  await page.waitForFunction(() => document.title === "Gate", patience);
  const gate = new URL(page.url());
  assert.equal(gate.pathname, "/access/");
  assert.equal(gate.searchParams.get("redirect"), "/story/three/");
  assert.deepEqual(
    site.logouts.map(({ reason, pages }) => [reason, "/story/three/" in pages]),
    [["logout", true]],
  );
});

test("a view transition that ends after the page was covered uncovers nothing", async (t) => {
  const site = await Site.open(folder, browser, t);
  site.delayMs = { "/story/two/": 400, "/api/logout": 10_000 };
  const page = await site.visit("/story/one/");
  await page.click('a[href="/story/two/"]');
  const seen = await page.evaluate(async () => {
    void Reflect.get(window, "lastseen").logout();
    let uncovered = 0;
    const start = performance.now();
    let came = Number.POSITIVE_INFINITY;
    while (performance.now() < Math.min(start + 5000, came + 500)) {
      if (document.title === "Story two") came = Math.min(came, performance.now());
      await new Promise((painting) => requestAnimationFrame(painting));
      const box = document.querySelector("dialog:modal")?.getBoundingClientRect();
      if (!box || box.width < innerWidth || box.height < innerHeight) uncovered += 1;
    }
    return { title: document.title, uncovered };
  });
  assert.deepEqual(seen, { title: "Story two", uncovered: 0 }, "frames that were not covered");
});
