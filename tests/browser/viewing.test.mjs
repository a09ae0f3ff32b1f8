/** Viewing time, with the time of the page in our hands: what counts, for which page, and what never does. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hide, launch, quit, show } from "../harness/browser.mjs";
import { PageClock } from "../harness/page-clock.mjs";
import { MockSite } from "./mock-site.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const HOUR = 3_600_000;
const DAY_OPEN = { json: { success: true, idleExpiresInSeconds: 86_400 } };

/**
 * A visitor opens a page whose time we hold.
 *
 * @param {import("node:test").TestContext} t
 * @param {{ tag?: string, path?: string }} [options]
 */
async function open(t, { tag, path = "/page" } = {}) {
  const site = await MockSite.open(browser, t);
  site.answers = [DAY_OPEN];
  if (tag) site.tag = tag;
  await site.session("42");
  const page = await site.tab();
  const clock = await PageClock.install(page);
  await page.goto(site.url + path);
  await clock.run(0);
  return { site, page, clock };
}

/** @param {MockSite} site */
const newest = (site) => site.heartbeats.at(-1)?.body;
/** @param {import("puppeteer-core").Page} page */
const status = (page) => page.evaluate(() => /** @type {any} */ (window).lastseen.status());

/**
 * What has reached the server when the page is left.
 *
 * @param {MockSite} site
 * @param {import("puppeteer-core").Page} page
 */
async function leave(site, page) {
  const before = site.farewells.length;
  await page.goto(`${site.url}/other`);
  await site.until(() => site.farewells.length > before, "farewell");
  return site.farewells.at(-1)?.body;
}

/** @param {number} value @param {number} wanted @param {number} [by] */
function near(value, wanted, by = 1) {
  assert.ok(Math.abs(value - wanted) <= by, `${value} is not ${wanted} ± ${by}`);
}

test("a page looked at for a second and left is one second", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.run(1200);
  const last = await leave(site, page);
  assert.equal(last.activeSeconds, 1);
  assert.deepEqual(last.pages, { "/page": { seconds: 1, scroll: 100 } });
});

test("a page hidden at once is told of, and what follows counts only while it is shown", async (t) => {
  const { site, page, clock } = await open(t);
  const front = await hide(page);
  await site.until(() => site.farewells.length === 1, "farewell");
  assert.equal(newest(site).activeSeconds, 0);
  await clock.run(2000);
  await show(page);
  await clock.run(3200);
  await front.bringToFront();
  await site.until(() => site.farewells.length === 2, "second farewell");
  assert.equal(newest(site).activeSeconds, 3);
});

test("looks too short to be seen alone add up", async (t) => {
  const { site, page, clock } = await open(t);
  for (let look = 0; look < 5; look += 1) {
    await clock.run(400);
    const front = await hide(page);
    await clock.run(60_000);
    await show(page);
    await front.close();
  }
  await clock.run(300);
  const last = await leave(site, page);
  near(last.activeSeconds, 2.3, 0.5);
});

test("a window that lost the keyboard to another one does not count", async (t) => {
  const { page, clock } = await open(t);
  await clock.reads(10);
  await page.evaluate(() => {
    document.hasFocus = () => false;
    window.dispatchEvent(new Event("blur"));
  });
  await clock.run(3000);
  near((await status(page)).activeSeconds, 10);
  await page.evaluate(() => {
    document.hasFocus = () => true;
    window.dispatchEvent(new Event("focus"));
  });
  await clock.run(4000);
  await page.mouse.move(300, 300);
  near((await status(page)).activeSeconds, 14);
});

test("every route of a page has its own time, and currentPage follows", async (t) => {
  const { site, page, clock } = await open(t, { path: "/page?a=1#part" });
  await clock.reads(10);
  await page.evaluate(() => history.pushState({}, "", "/second"));
  await clock.reads(20);
  await page.evaluate(() => {
    location.hash = "#/deep/route";
  });
  await clock.reads(5);
  await page.goBack();
  await clock.reads(7);
  const last = await leave(site, page);
  near(last.pages["/page"].seconds, 10);
  near(last.pages["/second"].seconds, 27);
  near(last.pages["/second#/deep/route"].seconds, 5);
  assert.equal(last.page, "/second");
  const sum = Object.values(last.pages).reduce((all, { seconds }) => all + seconds, 0);
  assert.equal(last.activeSeconds, sum, "activeSeconds is the sum over pages");
});

test("a route is told of soon, and a place on the page is no route", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(30);
  const before = site.heartbeats.length;
  await page.evaluate(() => {
    location.hash = "#figures";
  });
  await clock.reads(3);
  assert.equal(site.heartbeats.length, before);
  await page.evaluate(() => history.pushState({}, "", "/second"));
  await clock.reads(3);
  assert.equal(newest(site).page, "/second");
});

test("while paused nothing is counted or sent; what was before is", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(10);
  await page.evaluate(() => /** @type {any} */ (window).lastseen.pause());
  await clock.run(0);
  near(newest(site).activeSeconds, 10);
  const before = site.heartbeats.length;
  await clock.reads(400);
  const front = await hide(page);
  await show(page);
  await front.close();
  await clock.reads(5);
  assert.equal(site.heartbeats.length, before);
  await page.evaluate(() => /** @type {any} */ (window).lastseen.resume());
  await clock.reads(10);
  const last = await leave(site, page);
  near(last.activeSeconds, 20);
});

test("a slow server loses nothing of a visitor who goes on and comes back", async (t) => {
  const { site, page, clock } = await open(t);
  site.answers = [{ ...DAY_OPEN, delayMs: 600 }];
  await clock.run(2000);
  await page.goto(`${site.url}/second`);
  await clock.run(1000);
  await page.goto(`${site.url}/page`);
  await clock.run(1000);
  const last = await leave(site, page);
  near(last.pages["/page"].seconds, 3);
  near(last.pages["/second"].seconds, 1);
});

test("nothing is said, kept or listened to of somebody without a session", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.tab();
  const clock = await PageClock.install(page);
  await page.goto(`${site.url}/page`);
  await clock.reads(30);
  await page.goto(`${site.url}/second`);
  await clock.run(1000);
  assert.deepEqual(site.calls, []);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
});

test("a heartbeat follows another not before its time, whatever events come", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(120);
  const before = site.heartbeats.length;
  for (let n = 0; n < 20; n += 1) {
    await page.evaluate(() => {
      for (const type of ["focus", "blur", "online"]) window.dispatchEvent(new Event(type));
    });
    await clock.run(100);
  }
  assert.ok(site.heartbeats.length <= before + 1, `${site.heartbeats.length - before} more`);
});

test("without input there is nothing to say, and it is said more and more rarely", async (t) => {
  const { site, clock } = await open(t);
  await clock.run(7000);
  await clock.run(20_000);
  const before = site.heartbeats.length;
  await clock.run(300_000);
  assert.equal(site.heartbeats.length, before, "no heartbeat at the interval");
  await clock.run(5 * HOUR);
  assert.ok(
    site.heartbeats.length - before <= 6,
    `${site.heartbeats.length - before} in five hours`,
  );
});

test("stay() moves the deadline and invents no viewing time", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(10);
  await clock.run(600_000);
  const before = site.heartbeats.length;
  await page.evaluate(() => /** @type {any} */ (window).lastseen.stay());
  await clock.run(0);
  assert.equal(site.heartbeats.length, before + 1);
  assert.equal(newest(site).inactiveSeconds, 0);
  near(newest(site).activeSeconds, 15);
});

test("a new session starts with nothing of the old one", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(30);
  await site.session("43");
  await clock.run(1000);
  assert.equal((await status(page)).session, "43");
  await clock.reads(5);
  const last = await leave(site, page);
  assert.equal(last.session, "43");
  near(last.activeSeconds, 5);
  const keys = await page.evaluate(() => Object.keys(localStorage));
  assert.ok(
    keys.every((key) => key.includes(":43:")),
    `${keys}`,
  );
});

test("a pause that ends in time counts in full, a longer one for five seconds", async (t) => {
  const { page, clock } = await open(t);
  await clock.reads(2);
  await clock.run(58_000);
  near((await status(page)).activeSeconds, 7, 0);
  await page.mouse.move(1, 2);
  near((await status(page)).activeSeconds, 60);
  await clock.run(178_000);
  await page.mouse.move(3, 4);
  near((await status(page)).activeSeconds, 238);
  await clock.run(182_000);
  await page.mouse.move(5, 6);
  near((await status(page)).activeSeconds, 243);
  await clock.run(10_000);
  near((await status(page)).activeSeconds, 248, 0);
});

test("data-activity-window says how long a pause may be", async (t) => {
  const { page, clock } = await open(t, {
    tag: '<script src="/lastseen.js" defer data-activity-window="10000"></script>',
  });
  await clock.reads(5);
  await clock.run(20_000);
  await page.mouse.move(1, 2);
  near((await status(page)).activeSeconds, 10, 0);
  await clock.run(9000);
  await page.mouse.move(3, 4);
  near((await status(page)).activeSeconds, 19, 0);
});

test("no figure ever goes back, whatever is reported while a pause is open", async (t) => {
  const { site, page, clock } = await open(t);
  await page.mouse.move(5, 5);
  const pauses = [3, 181, 5, 190, 12, 240, 1, 59, 178, 200];
  for (const seconds of pauses) {
    await clock.run(seconds * 1000);
    await page.mouse.move(seconds, Math.random() * 200);
  }
  await leave(site, page);
  const told = site.heartbeats.map(({ body }) => body.activeSeconds);
  assert.deepEqual(
    told,
    [...told].sort((a, b) => a - b),
  );
  near(told.at(-1) ?? 0, 3 + 5 + 5 + 5 + 12 + 5 + 1 + 59 + 178 + 5, 2);
});

for (const ticking of [false, true]) {
  const clocks = ticking ? "goes on, as on Windows" : "stands still";
  test(`a night's sleep counts nothing where the monotonic clock ${clocks}`, async (t) => {
    const { site, page, clock } = await open(t);
    await clock.reads(60);
    await clock.sleep(8 * HOUR, { ticking });
    await clock.reads(60);
    near((await leave(site, page)).activeSeconds, 120, 2);
  });

  test(`four minutes of sleep count nothing where the monotonic clock ${clocks}`, async (t) => {
    const { site, page, clock } = await open(t);
    await clock.reads(20);
    await clock.sleep(240_000, { ticking });
    await clock.reads(20);
    near((await leave(site, page)).activeSeconds, 40, 2);
  });
}

test("a clock set back or forward an hour costs a few seconds at most", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(20);
  await clock.set(-HOUR);
  await clock.reads(20);
  await clock.set(HOUR);
  await clock.reads(20);
  near((await leave(site, page)).activeSeconds, 60, 3);
});

test("an hour behind another tab counts nothing", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(60);
  const front = await hide(page);
  await clock.run(HOUR);
  await show(page);
  await front.close();
  await clock.reads(60);
  near((await leave(site, page)).activeSeconds, 120);
});

test("an hour in the back-forward cache counts nothing", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(60);
  await page.goto(`${site.url}/other`);
  await page.goBack();
  await clock.sleep(HOUR);
  await clock.reads(60);
  near((await leave(site, page)).activeSeconds, 120, 2);
});

test("a page that is nearly left goes on counting", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(50);
  await page.evaluate(() => window.dispatchEvent(new Event("beforeunload", { cancelable: true })));
  await clock.reads(50);
  near((await leave(site, page)).activeSeconds, 100);
});

test("scroll is the furthest, by page, and never goes back", async (t) => {
  const paragraphs = "<p>A line of a page that is long.</p>".repeat(200);
  const { site, page, clock } = await open(t, {
    tag: `<script src="/lastseen.js" defer></script>${paragraphs}`,
  });
  await clock.reads(1);
  const [first, half] = await page.evaluate(() => {
    const whole = document.documentElement.scrollHeight / 100;
    return [innerHeight / whole, (innerHeight + 2000) / whole];
  });
  assert.equal(
    newest(site).pages["/page"].scroll,
    0,
    "what nobody scrolled is told when it is left",
  );
  assert.ok(first < half);
  await page.mouse.wheel({ deltaY: 2000 });
  await page.waitForFunction("scrollY === 2000");
  await page.mouse.wheel({ deltaY: -2000 });
  await page.waitForFunction("scrollY === 0");
  near((await leave(site, page)).pages["/page"].scroll, half);
});

test("pages that are left and come to again in one tab keep their sums", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(10);
  await page.goto(`${site.url}/second`);
  await clock.reads(10);
  await page.goto(`${site.url}/page`);
  await clock.reads(10);
  await page.goBack();
  await clock.reads(10);
  const last = await leave(site, page);
  near(last.pages["/page"].seconds, 20, 2);
  near(last.pages["/second"].seconds, 20, 2);
  assert.equal(last.page, "/second");
});
