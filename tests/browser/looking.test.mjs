/** People who look without touching anything: hands off, a video, a PDF, a player of another site; and how far down they came. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { PageClock } from "../harness/page-clock.mjs";
import { MockSite } from "./mock-site.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const MINUTE = 60_000;
const DAY_OPEN = { json: { success: true, idleExpiresInSeconds: 86_400 } };

/** @param {import("node:test").TestContext} t @param {{ body?: string, answer?: object }} [options] */
async function open(t, { body = "<h1>A page</h1>", answer = DAY_OPEN } = {}) {
  const site = await MockSite.open(browser, t);
  site.answers = [answer];
  site.body = body;
  // Films of our own are blobs.
  site.policy = "";
  await site.session("42");
  const page = await site.tab();
  const clock = await PageClock.install(page);
  await page.goto(`${site.url}/page`);
  await clock.run(0);
  return { site, page, clock };
}

/** @param {Page} page @returns {Promise<any>} */
const status = (page) => page.evaluate("lastseen.status()");

/** What has reached the server when the page is left. @param {MockSite} site @param {Page} page */
async function leave(site, page) {
  const before = site.farewells.length;
  await page.goto(`${site.url}/other`);
  await site.until(() => site.farewells.length > before, "farewell");
  return site.farewells.at(-1)?.body;
}

/** @param {number} value @param {number} wanted @param {number} [by] */
function near(value, wanted, by = 2) {
  assert.ok(Math.abs(value - wanted) <= by, `${value} is not ${wanted} ± ${by}`);
}

/** Plays a film of a second over and over. @param {Page} page @param {{ muted: boolean, top?: number }} how */
async function play(page, { muted, top = 0 }) {
  await page.mouse.click(5, 5);
  await page.evaluate(
    async (muted, top) => {
      const canvas = document.createElement("canvas");
      const pen = canvas.getContext("2d");
      const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
      /** @type {Blob[]} */
      const parts = [];
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.start();
      for (let drawn = 0; drawn < 60; drawn += 1) {
        await new Promise((frame) => requestAnimationFrame(frame));
        pen?.fillRect(drawn, drawn, 9, 9);
      }
      await new Promise((stopped) => {
        recorder.onstop = stopped;
        recorder.stop();
      });
      const film = document.createElement("video");
      Object.assign(film, { src: URL.createObjectURL(new Blob(parts)), loop: true, muted });
      film.style.cssText = `position:absolute;top:${top}px;width:200px;height:100px`;
      document.body.append(film);
      await film.play();
    },
    muted,
    top,
  );
}

/** Lets page time pass, ten seconds with each sign that the film plays. @param {Page} page @param {PageClock} clock @param {number} ms */
async function watches(page, clock, ms) {
  for (let watched = 0; watched < ms; watched += 10_000) {
    await page.evaluate(
      () =>
        new Promise((heard) =>
          document.querySelector("video")?.addEventListener("timeupdate", heard, { once: true }),
        ),
    );
    await clock.run(10_000);
  }
}

test("a reader who touches nothing for 95 s and closes the tab has looked for 95 s", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.run(95_000);
  const last = await leave(site, page);
  near(last.activeSeconds, 95, 1);
  near(last.seenSecondsAgo, 0, 1);
});

test("whoever closes the tab after a longer pause was last seen then", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.run(10 * MINUTE);
  const last = await leave(site, page);
  near(last.activeSeconds, 5, 1);
  near(last.seenSecondsAgo, 0, 1);
  near(last.inactiveSeconds, 600);
});

test("a film that plays in sight is looking, and keeps the lock away", async (t) => {
  const answer = { json: { success: true, idleExpiresInSeconds: 120 } };
  const { page, clock } = await open(t, { answer });
  await play(page, { muted: false });
  await watches(page, clock, 5 * MINUTE);
  const { activeSeconds, inactiveSeconds, covered } = await status(page);
  near(activeSeconds, 300, 12);
  assert.ok(inactiveSeconds <= 10);
  assert.equal(covered, false);
});

for (const [what, how] of /** @type {const} */ ([
  ["without sound, over and over, is decoration", { muted: true }],
  ["out of sight is not looked at", { muted: false, top: 5_000 }],
])) {
  test(`a film ${what}`, async (t) => {
    const { page, clock } = await open(t);
    await play(page, how);
    await watches(page, clock, 5 * MINUTE);
    const { activeSeconds, inactiveSeconds } = await status(page);
    assert.ok(activeSeconds <= 8, `${activeSeconds} s`);
    near(inactiveSeconds, 300, 12);
  });
}

test("a PDF in a frame is looked at for ten minutes from when the pointer or focus entered it, again each time", async (t) => {
  const body = '<h1>A page</h1><iframe src="/report.pdf" width="500" height="300"></iframe>';
  const { page, clock } = await open(t, { body });
  await page.mouse.move(100, 10);
  await clock.run(1000);
  await page.mouse.move(100, 200);
  await clock.run(9 * MINUTE);
  near((await status(page)).activeSeconds, 541, 4);
  assert.ok((await status(page)).inactiveSeconds <= 1);
  await clock.run(6 * MINUTE);
  near((await status(page)).activeSeconds, 606, 4);
  near((await status(page)).inactiveSeconds, 300, 4);
  await page.mouse.move(100, 10);
  await clock.run(1000);
  const before = (await status(page)).activeSeconds;
  await page.mouse.click(100, 200);
  await clock.run(4 * MINUTE);
  near((await status(page)).activeSeconds - before, 240, 4);
});

test("lastseen.alive() counts, as often as it is called, and hurries no heartbeat", async (t) => {
  const { site, page, clock } = await open(t);
  for (let call = 0; call < 60; call += 1) {
    await page.evaluate("lastseen.alive(), lastseen.stay()");
    await clock.run(10_000);
  }
  near((await status(page)).activeSeconds, 600, 12);
  assert.ok(site.heartbeats.length <= 10, `${site.heartbeats.length} heartbeats in ten minutes`);
});

test("a machine that wakes in the dark, three times, adds nothing", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(20);
  for (let wake = 0; wake < 3; wake += 1) {
    await clock.sleep(15 * MINUTE, { ticking: true });
    await clock.run(8_000);
  }
  near((await status(page)).activeSeconds, 20);
  near(Math.max(...site.heartbeats.map(({ body }) => body.activeSeconds)), 20);
  assert.ok((await status(page)).seenSecondsAgo > 44 * 60);
});

test("a dialog of the page's own that stands for half a minute is a pause like any other", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(30);
  // Both clocks go on, and nothing runs: what confirm() does to a page.
  await clock.sleep(30_000, { ticking: true });
  await clock.reads(4);
  near((await leave(site, page)).activeSeconds, 64);
});

test("what loads late gives no false depth", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.run(20_000);
  await page.evaluate(() => {
    document.body.style.height = "4000px";
  });
  await clock.run(20_000);
  const share = await page.evaluate(
    () => (100 * innerHeight) / document.documentElement.scrollHeight,
  );
  const last = await leave(site, page);
  for (const { body } of site.heartbeats) assert.ok(body.pages["/page"].scroll <= share + 1);
  near(last.pages["/page"].scroll, share, 1);
});

test("depth is of the element that scrolls", async (t) => {
  const body = `<style>html,body{margin:0;height:100%;overflow:hidden}</style>
    <main style="height:100vh;overflow:auto"><p style="height:4000px">A long text</p></main>`;
  const { site, page, clock } = await open(t, { body });
  await clock.run(1000);
  await page.mouse.move(100, 100);
  await page.mouse.wheel({ deltaY: 1000 });
  await page.waitForFunction("document.querySelector('main').scrollTop === 1000");
  await clock.run(1000);
  const wanted = await page.evaluate(
    () => (100 * (1000 + innerHeight)) / (document.querySelector("main")?.scrollHeight ?? 1),
  );
  near((await leave(site, page)).pages["/page"].scroll, wanted, 1);
});

test("under the cover nothing plays, nothing is to be seen, and Space logs nobody out", async (t) => {
  const { site, page, clock } = await open(t);
  await play(page, { muted: false });
  await site.session(null);
  site.answers = [{ status: 503 }];
  await clock.run(2000);
  assert.equal((await status(page)).covered, true);
  assert.equal(await page.evaluate("document.querySelector('video').paused"), true);
  assert.equal(
    await page.evaluate("getComputedStyle(document.querySelector('h1')).visibility"),
    "hidden",
  );
  await page.keyboard.press("Space");
  await clock.run(100);
  assert.ok(site.calls.every(({ path }) => path === "/api/session-heartbeat"));
});

test("before the lifetime ends there is no Stay, and Esc only puts the warning away", async (t) => {
  const answer = { json: { success: true, idleExpiresInSeconds: 70, sessionExpiresInSeconds: 70 } };
  const { site, page, clock } = await open(t, { answer });
  site.answers = [{ status: 503 }];
  await clock.run(36_000);
  const buttons = "[...document.querySelectorAll('dialog button')].map((b) => b.textContent)";
  assert.deepEqual(await page.evaluate(buttons), ["Log out now"]);
  await page.keyboard.press("Escape");
  await clock.run(1000);
  assert.deepEqual(await page.evaluate(buttons), []);
  await clock.run(40_000);
  assert.equal((await status(page)).covered, true);
});

test("a misspelt attribute is a warning that names it", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = '<script src="/lastseen.js" defer data-idle-timout="900000"></script>';
  await site.visit();
  await site.heartbeat(1);
  assert.match(site.console.join("\n"), /idleTimout "900000" is not a setting; ignored/);
});

test("a tag with type=module is a tag", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = '<script type="module" src="/lastseen.js"></script>';
  await site.visit();
  await site.heartbeat(1);
});

test("a frame with the script leaves the counting to the page around it", async (t) => {
  const site = await MockSite.open(browser, t);
  site.body = `<script>if (self === top) addEventListener("load", () =>
    document.body.append(Object.assign(document.createElement("iframe"), { src: "/inner" })))</script>`;
  site.policy = "";
  const page = await site.visit();
  await page.waitForFunction("frames[0]?.lastseen");
  await site.heartbeat(2);
  assert.deepEqual([...new Set(site.heartbeats.map(({ body }) => body.page))], ["/page"]);
});
