/**
 * The tabs of one browser: one deadline for all of them, whatever became of the others. The idle
 * timeout is two minutes. What a logout means to the others (X5) is in tabs-logout.test.mjs.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { quit, show } from "../harness/browser.mjs";
import { launchBrowser } from "./mock-site.mjs";
import { near, Visit } from "./visit.mjs";

/** @typedef {import("./visit.mjs").TimedTab} TimedTab */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => quit(browser));

const WARNS_LATE = 'data-warn-before="20000"';
/** The deadline is the server's, or one that only the tabs know of. */
const DEADLINES = /** @type {const} */ ([
  ["the server's", { idleTimeout: 120, attributes: WARNS_LATE }],
  ["the tabs' own", { idleTimeout: 1800, attributes: `${WARNS_LATE} data-idle-timeout="120000"` }],
]);
const [[, SERVERS], [, OWN]] = DEADLINES;

/**
 * Two windows side by side.
 *
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof Visit.open>[2]} [options]
 * @param {{ one?: string, other?: string, isHidden?: boolean }} [how] what runs before the script in
 *   either; the other may be a tab behind the one instead
 */
async function twoTabs(t, options = SERVERS, { one, other, isHidden = false } = {}) {
  const visit = await Visit.open(browser, t, options);
  const b = await visit.tab("/page", { before: other });
  const a = await visit.tab("/page", { before: one, inWindow: !isHidden });
  assert.equal(await b.evaluate("document.visibilityState"), isHidden ? "hidden" : "visible");
  return { visit, a, b };
}

/** @param {TimedTab} tab */
const covered = async (tab) => (await tab.status()).covered;

/** All are at the gate, because nobody was there. @param {TimedTab[]} tabs */
async function lockedOut(...tabs) {
  const reasons = new Set();
  for (const tab of tabs) reasons.add(await tab.gate());
  // The first answer takes the cookie with it, so that the others may find none.
  reasons.delete("missing");
  assert.deepEqual([...reasons], ["idle"]);
}

for (const [whose, options] of DEADLINES) {
  test(`X1: a tab does not lock while another one is used; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(t, options);
    for (let times = 0; times < 20; times += 1) {
      await b.move();
      await visit.run(10, 4);
      assert.equal(await a.warning(), null);
    }
    assert.equal(await covered(a), false);
    assert.ok((await a.status()).inactiveSeconds <= 12);
    assert.ok(visit.log.every(({ body }) => body.inactiveSeconds <= 16));
  });

  test(`X2: tabs that nobody uses lock together, on time; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(t, options);
    await visit.run(20, 4);
    await b.move();
    await visit.run(116, 4);
    assert.deepEqual([await covered(a), await covered(b)], [false, false]);
    near((await a.warning()) ?? 0, 4, 1);
    near((await b.warning()) ?? 0, 4, 1);
    await visit.run(8);
    await lockedOut(a, b);
    near(visit.locked, 140);
  });
}

/** How it comes about, and how one sees that it did. @type {[string, (b: TimedTab) => Promise<unknown>, (b: TimedTab) => Promise<unknown>][]} */
const FATES = [
  [
    "is frozen",
    async ({ page }) => {
      const client = await page.createCDPSession();
      await page.evaluate(
        "document.addEventListener('freeze', () => { document.title = 'frozen' })",
      );
      await client.send("Page.setWebLifecycleState", { state: "frozen" });
    },
    async ({ page }) => {
      const client = await page.createCDPSession();
      await client.send("Page.setWebLifecycleState", { state: "active" });
      assert.equal(await page.title(), "frozen");
    },
  ],
  [
    "crashes",
    async ({ page }) => {
      const client = await page.createCDPSession();
      const gone = new Promise((crashed) => page.once("error", crashed));
      // Its answer does not come, for there is nobody left to give it.
      client.send("Page.crash").catch(() => {});
      await gone;
    },
    async () => {},
  ],
  // Its timers stand still, and it is never heard of again.
  ["hangs", async () => {}, async () => {}],
];

for (const [fate, befall, check] of FATES) {
  test(`X3: when another tab ${fate}, a tab still locks on time`, async (t) => {
    const { visit, a, b } = await twoTabs(t, OWN, { isHidden: true });
    await visit.run(10);
    await befall(b);
    b.isAwake = false;
    await visit.run(10);
    await a.move();
    await visit.run(116);
    assert.equal(await covered(a), false);
    await visit.run(8);
    assert.equal(await a.gate(), "idle");
    near(visit.locked, 140);
    await check(b);
  });
}

test("X4: a tab that opens while others are idle shares their deadline, and opening it moves nothing", async (t) => {
  for (const [, options] of DEADLINES) {
    const visit = await Visit.open(browser, t, options);
    const a = await visit.tab();
    await visit.run(60);
    const b = await visit.tab("/page", { inWindow: true });
    near((await b.status()).idleInSeconds, 60, 1);
    await visit.run(50, 4);
    // While they warn, too; and the warning of the new one is true.
    const c = await visit.tab("/page", { inWindow: true });
    await visit.run(1);
    near((await c.warning()) ?? 0, 9, 1);
    near((await a.warning()) ?? 0, 9, 1);
    await visit.run(15);
    await lockedOut(a, b, c);
    near(visit.locked, 120);
  }
});

test("X4: Stay in one tab closes the warning of all, with the whole time for all", async (t) => {
  for (const [, options] of DEADLINES) {
    const { visit, a, b } = await twoTabs(t, options);
    await visit.run(110, 4);
    assert.notEqual(await a.warning(), null);
    assert.notEqual(await b.warning(), null);
    await b.press("Stay");
    await visit.run(2);
    assert.deepEqual([await a.warning(), await b.warning()], [null, null]);
    for (const tab of [a, b]) near((await tab.status()).idleInSeconds, 118);
  }
});

test("X11: input in one tab is known in the others within two seconds, and is stored by then", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  await visit.run(40, 4);
  await b.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
  const newest = await a.evaluate(
    "Math.max(...Object.values(localStorage).map((text) => JSON.parse(text).a))",
  );
  near((visit.start + visit.session.now - newest) / 1000, 2, 0.1);
});

// --- Messages --------------------------------------------------------------------------------

/** A tab that hears others only when a test says so: `held` is what they said since. */
const HARD_OF_HEARING = `{
  window.held = [];
  const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, "onmessage");
  Object.defineProperty(BroadcastChannel.prototype, "onmessage", {
    set(listen) {
      set.call(this, (event) => void held.push(() => listen.call(this, event)));
    },
  });
  addEventListener("storage", (event) => event.stopImmediatePropagation());
}`;

const NO_STORAGE = `
  for (const name of ["localStorage", "sessionStorage", "indexedDB"])
    Object.defineProperty(window, name, { get() { throw new DOMException("", "SecurityError"); } });`;

test("X6: a deadline counts from the activity, not from when it was heard of", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN, { other: HARD_OF_HEARING + NO_STORAGE });
  await visit.run(10);
  await a.move();
  await visit.run(60, 4);
  near((await b.status()).inactiveSeconds, 70, 0);
  assert.ok((await b.evaluate("held.length")) > 0);
  await b.evaluate("held.splice(0).forEach((hear) => hear())");
  near((await b.status()).inactiveSeconds, 60, 0);
  near((await b.status()).idleInSeconds, 60, 1);
  await visit.run(55, 4);
  assert.equal(await covered(b), false);
  await visit.run(8);
  near(visit.locked, 130);
});

test("X6: a tab that missed what was said reads it before it locks", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN, { other: HARD_OF_HEARING });
  await visit.run(90, 4);
  await a.move();
  await visit.run(40, 4);
  assert.equal(await covered(b), false);
  assert.ok(visit.log.every((call) => !call.covered));
  near((await b.status()).inactiveSeconds, 40, 0);
});

test("X7: what is heard late and is older changes nothing", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN, { other: HARD_OF_HEARING + NO_STORAGE });
  for (let times = 0; times < 4; times += 1) {
    await visit.run(5);
    await a.move();
  }
  await visit.run(2);
  assert.ok((await b.evaluate("held.length")) >= 4);
  await b.evaluate("held.pop()()");
  const known = await b.status();
  near(known.inactiveSeconds, 2, 0);
  await b.evaluate("held.reverse().forEach((hear) => hear())");
  assert.deepEqual(await b.status(), known);
});

test("X7: an activity that is still to come is no activity", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN);
  await visit.run(30, 4);
  await b.evaluate(`{
    const [key] = Object.keys(localStorage);
    const inAnHour = Date.now() + 3_600_000;
    const record = { n: 999, a: inAnHour, c: inAnHour, s: inAnHour, d: inAnHour, p: {} };
    const forged = [key.replace(/[^:]*$/, "forged"), JSON.stringify(record)];
    localStorage.setItem(...forged);
    new BroadcastChannel(key.replace(/[^:]*:[^:]*$/, "")).postMessage(forged);
  }`);
  await visit.run(86, 4);
  near((await a.status()).inactiveSeconds, 116, 0);
  await visit.run(8);
  assert.equal(await a.gate(), "idle");
  near(visit.locked, 120);
});

const ALONE = "delete window.BroadcastChannel;";

test("X8: without BroadcastChannel tabs hear each other by storage events", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN, { one: ALONE, other: ALONE });
  await visit.run(60, 4);
  await b.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
  await visit.run(110, 4);
  assert.notEqual(await a.warning(), null);
  await b.press("Stay");
  await visit.run(2);
  assert.equal(await a.warning(), null);
  await visit.run(130, 4);
  await lockedOut(a, b);
});

test("X8: without storage they hear each other all the same", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN, { one: NO_STORAGE, other: NO_STORAGE });
  await visit.run(60, 4);
  await b.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
});

test("X8: keys, channels and messages of others are ignored, and so is storage that is cleared", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN);
  await visit.run(10);
  await b.evaluate(`{
    const [key] = Object.keys(localStorage);
    const text = localStorage[key];
    const site = key.replace(/[^:]*:[^:]*$/, "");
    for (const name of ["theme", "lastseen", "lastseen:", site, site + "43:tab", site + "42"])
      localStorage.setItem(name, name === "theme" ? "dark" : text.replace('"n":', '"x":"logout","n":9'));
    for (const said of [null, 1, "logout", [], [key], [null, null], { key }, [site + "42", text],
      [site + "43:tab", text.replace('"n":', '"x":"logout","n":9')]])
      for (const name of [site, "lastseen", "other"]) new BroadcastChannel(name).postMessage(said);
    sessionStorage.setItem("theme", "dark");
    localStorage.clear();
  }`);
  await visit.run(5);
  for (const tab of [a, b]) {
    assert.equal(await covered(tab), false);
    near((await tab.status()).inactiveSeconds, 15, 0);
  }
});

// --- Storage and names -----------------------------------------------------------------------

test("X9: a tab that goes writes nothing over a newer session of another tab", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  await a.reads(10);
  // Its timers stand still, so that it does not hear of what comes.
  b.isAwake = false;
  await visit.site.session("43");
  visit.session.id = "43";
  await visit.run(1);
  await a.reads(10);
  const stored =
    "JSON.stringify(Object.entries(localStorage).filter(([key]) => key.includes(':43:')))";
  const before = await a.evaluate(stored);
  assert.match(before, /:43:/);
  await b.page.goto(`${visit.site.url}/other`);
  await visit.site.until(() => visit.site.farewells.length > 0, "farewell");
  assert.equal(visit.site.farewells[0]?.body.session, "42", "it speaks for its own session only");
  assert.equal(await a.evaluate(stored), before);
  await a.evaluate("lastseen.stay()");
  await visit.run(1);
  const { session, activeSeconds } = visit.log.at(-1)?.body ?? {};
  assert.equal(session, "43");
  near(activeSeconds, 10, 1);
});

const CUT_OFF = `${ALONE}
  addEventListener("storage", (event) => event.stopImmediatePropagation());${NO_STORAGE}`;

for (const [whose, options] of DEADLINES) {
  test(`X10: a tab that is cut off asks the server before it logs out who is active elsewhere; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(t, options, { other: CUT_OFF });
    for (let times = 0; times < 15; times += 1) {
      await a.move();
      await visit.run(10, 4);
    }
    assert.deepEqual(visit.logouts, []);
    assert.ok(
      visit.log.some((call) => call.covered),
      "it was covered, and asked",
    );
    assert.deepEqual([await covered(a), await covered(b)], [false, false]);
    await visit.run(130, 4);
    await lockedOut(a, b);
  });
}

test("X10: storage that is cleared while another tab is active ends nobody's session", async (t) => {
  const { visit, a, b } = await twoTabs(t, OWN);
  for (let times = 0; times < 15; times += 1) {
    await a.evaluate("localStorage.clear()");
    await a.move();
    await visit.run(10, 4);
  }
  assert.deepEqual([await covered(a), await covered(b)], [false, false]);
  assert.ok(visit.log.every((call) => !call.covered));
});

test("X12: two sites on one origin do not meet", async (t) => {
  const visit = await Visit.open(browser, t, OWN);
  const a = await visit.tab();
  visit.site.tag = visit.site.tag.replace(
    "defer",
    'defer data-endpoint="/api/second/heartbeat" data-logout-url="/api/second/logout"',
  );
  const b = await visit.tab("/page", { inWindow: true });
  await visit.run(30, 4);
  await a.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
  near((await b.status()).inactiveSeconds, 32, 0);
  const paths = new Set(visit.log.map(({ path }) => path));
  assert.deepEqual([...paths].sort(), ["/api/second/heartbeat", "/api/session-heartbeat"]);
  // A logout that leaves the other one's cookie alone.
  visit.instead = { status: 204 };
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  visit.instead = undefined;
  await visit.run(2);
  assert.equal(await covered(b), false);
  assert.deepEqual(
    (await b.evaluate("Object.keys(localStorage)")).map((/** @type {string} */ key) =>
      key.replace(/[^:]*$/, ""),
    ),
    ["lastseen:/api/second/heartbeat:42:"],
  );
});

/** Duplicates a tab with its `sessionStorage`; the new one is in front. @param {Visit} visit @param {TimedTab} tab @returns {Promise<TimedTab>} */
async function duplicate(visit, tab) {
  const opened = new Promise((opens) => tab.page.once("popup", opens));
  await tab.evaluate("void window.open('about:blank')");
  const page = /** @type {import("puppeteer-core").Page} */ (await opened);
  return visit.tab("/page", { page });
}

/** @param {TimedTab} tab @param {number} seconds */
async function readsInFront(tab, seconds) {
  await show(tab.page);
  await tab.reads(seconds);
}

/** What the server is told of the page at last. @param {Visit} visit @param {TimedTab} tab */
async function secondsTold(visit, tab) {
  await tab.evaluate("lastseen.stay()");
  await visit.run(6);
  return visit.log.at(-1)?.body.pages["/page"].seconds;
}

test("X13: a duplicated tab has a name of its own, and both are counted", async (t) => {
  const visit = await Visit.open(browser, t, SERVERS);
  const a = await visit.tab();
  // A name goes with its tab from page to page.
  await a.page.goto(`${visit.site.url}/page?again`);
  await a.reads(10);
  const b = await duplicate(visit, a);
  await visit.run(1);
  const names = "Object.keys(localStorage).length";
  assert.equal(await b.evaluate(names), 2);
  await b.reads(10);
  await readsInFront(a, 10);
  near(await secondsTold(visit, a), 33, 3);
  assert.equal(await b.evaluate(names), 2);
});

test("X13: a tab that is duplicated on a page without the script loses nothing", async (t) => {
  const visit = await Visit.open(browser, t, SERVERS);
  const a = await visit.tab();
  await a.reads(10);
  await a.page.goto(`${visit.site.url}/other`);
  const b = await duplicate(visit, a);
  await b.reads(10);
  await show(a.page);
  await a.page.goBack();
  await a.reads(10);
  await readsInFront(b, 10);
  await readsInFront(a, 10);
  near(await secondsTold(visit, a), 53, 3);
});
