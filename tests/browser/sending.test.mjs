import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, quit } from "../harness/browser.mjs";
import { ended, MockSite, OPEN } from "./mock-site.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {string} attributes */
const tagWith = (attributes) => `<script src="/lastseen.js" defer ${attributes}></script>`;
const EVERY_SECOND = tagWith('data-interval="1000"');

/** Puts another tab in front of this one. @param {MockSite} site */
async function hideBehindAnotherTab(site) {
  const other = await site.tab();
  await other.bringToFront();
  return other;
}

test("a page without the cookie sends nothing, not even when it is left", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.speed = 10;
  const page = await site.tab();
  await page.goto(`${site.url}/page`);
  await sleep(400);
  await page.goto(`${site.url}/other`);
  await sleep(200);
  assert.deepEqual(site.calls, []);
});

test("a heartbeat goes out on load, with a snapshot that is true and needs no preflight", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.visit("/page?quarter=2#figures");
  await site.heartbeat(1);
  const [first] = site.calls;
  assert.equal(first.method, "POST");
  assert.match(first.type ?? "", /^text\/plain/);
  assert.deepEqual(first.body, {
    session: "42",
    activeSeconds: 0,
    inactiveSeconds: 0,
    seenSecondsAgo: 0,
    page: "/page",
    pages: { "/page": { seconds: 0, scroll: 0 } },
    leaving: false,
  });
});

test("a timer that fires early sends nothing, for the clock decides", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const page = await site.tab();
  await page.evaluateOnNewDocument(() => {
    const timer = window.setTimeout.bind(window);
    // All but the one that gives up a heartbeat without an answer, which is longer.
    // @ts-expect-error: the parts of setTimeout that the script uses
    window.setTimeout = (step, ms = 0) => timer(step, ms > 20_000 ? ms : 20);
  });
  await page.goto(`${site.url}/page`);
  await sleep(1000);
  const answered = site.heartbeats.length;
  await sleep(1000);
  assert.equal(answered, 1);
  assert.equal(site.heartbeats.length, 1);
});

test("a clock set back an hour does not stop the heartbeats", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(1);
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() - 3_600_000;
  });
  await site.heartbeat(3);
});

test("a page that comes back to an ended session does not claim the time in between", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 30;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.until(() => site.farewells.length === 1, "farewell");
  site.answers = [ended("logout", false)];
  await sleep(1000);
  // With what had been on its way beside the farewell.
  const before = site.heartbeats.length;
  await page.bringToFront();
  await site.heartbeat(before + 1);
  await hideBehindAnotherTab(site);
  await sleep(500);
  const ages = site.heartbeats.slice(before).map(({ body }) => body.seenSecondsAgo);
  assert.ok(
    ages.every((age) => age >= 25),
    `${ages}`,
  );
});

test("hiding sends one farewell, and then the page is silent until it is seen again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.until(() => site.farewells.length === 1, "farewell");
  const sent = site.heartbeats.length;
  const [farewell] = site.farewells;
  const { session, page: path, seenSecondsAgo } = farewell.body;
  assert.deepEqual([session, path, seenSecondsAgo], ["42", "/page", 0]);
  assert.match(farewell.type ?? "", /^text\/plain/);
  await sleep(2300);
  assert.equal(site.heartbeats.length, sent);
  await page.bringToFront();
  await site.heartbeat(sent + 1);
  const { body } = site.heartbeats[sent];
  assert.equal(body.leaving, false);
  assert.ok(body.seenSecondsAgo >= 2, "nobody has looked since it was hidden");
});

test("an answer that arrives while the page is hidden starts nothing", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.speed = 10;
  site.answers = [{ ...OPEN, delayMs: 1500 }, OPEN];
  await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await sleep(2000);
  assert.equal(site.heartbeats.length, 2);
});

test("going to another page sends one farewell, though two events fire", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await page.goto(`${site.url}/other`);
  await site.heartbeat(2);
  await sleep(200);
  assert.deepEqual(
    site.heartbeats.map(({ body }) => body.leaving),
    [false, true],
  );
});

test("closing the tab sends one farewell", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await page.close();
  await site.heartbeat(2);
  await sleep(200);
  assert.equal(site.farewells.length, 1);
});

test("closing a tab that was hidden before adds no second farewell", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await page.close();
  await sleep(300);
  assert.equal(site.heartbeats.length, 2);
});

for (const [how, replacement] of /** @type {const} */ ([
  ["is missing", "undefined"],
  ["refuses", "() => false"],
  ["throws", "() => { throw new Error('blocked'); }"],
])) {
  test(`where sendBeacon ${how}, the farewell goes by a fetch that outlives the page`, async (t) => {
    const site = await MockSite.open(browser, t);
    await site.session("42");
    const page = await site.tab();
    await page.evaluateOnNewDocument(`
      navigator.sendBeacon = ${replacement};
      const send = fetch;
      window.fetch = (url, options) => {
        window.outlives = options.keepalive;
        return send(url, options);
      };
    `);
    await page.goto(`${site.url}/page`);
    await site.heartbeat(1);
    await hideBehindAnotherTab(site);
    await site.heartbeat(2);
    assert.equal(await page.evaluate("outlives"), true);
    await page.bringToFront();
    await site.heartbeat(3);
    await page.close();
    await site.heartbeat(4);
    assert.equal(site.farewells.length, 2);
  });
}

test("a tab opened in the background is not counted until somebody looks at it", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const front = await site.tab();
  const behind = await site.tab();
  await front.bringToFront();
  await behind.goto(`${site.url}/page`);
  await sleep(500);
  assert.deepEqual(site.calls, []);
  await behind.bringToFront();
  await site.heartbeat(1);
});

test("the script costs the page neither its place in the back-forward cache nor a heartbeat", async (t) => {
  const site = await MockSite.open(browser, t);
  // Long enough for each step, and shorter than all of them.
  site.tag = tagWith('data-interval="3000"');
  await site.session("42");
  const page = await site.tab();
  await page.evaluateOnNewDocument(() => {
    const listened = new Set();
    const listen = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
      listened.add(type);
      return listen.call(this, type, ...rest);
    };
    Object.assign(window, { listened });
  });
  await page.goto(`${site.url}/page`);
  await site.heartbeat(1);
  // A page that has hardly begun need not be kept by a busy browser.
  await sleep(300);
  await page.evaluate(() => {
    window.addEventListener("pageshow", (event) =>
      Object.assign(window, { back: event.persisted }),
    );
  });
  await page.goto(`${site.url}/other`);
  await site.heartbeat(2);
  await page.goBack();
  await site.heartbeat(3);
  assert.equal(await page.evaluate("back"), true, "the very page came back, not a new one");
  await page.goto(`${site.url}/other`);
  await site.heartbeat(4);
  await sleep(200);
  assert.deepEqual(
    site.heartbeats.map(({ body }) => body.leaving),
    [false, true, false, true],
  );
  await page.goBack();
  const listened = await page.evaluate("[...listened].sort().join(' ')");
  assert.equal(
    listened,
    "blur click currententrychange focus focusin input keydown online pagehide pageshow paste pointerdown pointermove pointerover scroll storage submit timeupdate touchmove touchstart visibilitychange wheel",
  );
});
