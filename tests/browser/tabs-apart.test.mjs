/** Tabs that hear each other late, wrong or not at all, and what is theirs alone. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit, show } from "../harness/browser.mjs";
import { covered, DEADLINES, lockedOut, NO_STORAGE, OWN, SERVERS, twoTabs } from "./two-tabs.mjs";
import { near, Visit } from "./visit.mjs";

/** @typedef {import("./visit.mjs").TimedTab} TimedTab */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

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

test("a deadline counts from the activity, not from when it was heard of", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN, { other: HARD_OF_HEARING + NO_STORAGE });
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

test("a tab that missed what was said reads it before it locks", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN, { other: HARD_OF_HEARING });
  await visit.run(90, 4);
  await a.move();
  await visit.run(40, 4);
  assert.equal(await covered(b), false);
  assert.ok(visit.log.every((call) => !call.covered));
  near((await b.status()).inactiveSeconds, 40, 0);
});

test("what is heard late and is older changes nothing", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN, { other: HARD_OF_HEARING + NO_STORAGE });
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

test("an activity that is still to come is no activity", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN);
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
  // Both tabs lock in the same moment; the second may find the cookie gone already.
  assert.match((await a.gate()) ?? "", /^(idle|missing)$/);
  near(visit.locked, 120);
});

const ALONE = "delete window.BroadcastChannel;";

test("without BroadcastChannel tabs hear each other by storage events", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN, { one: ALONE, other: ALONE });
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

test("without storage they hear each other all the same", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN, { one: NO_STORAGE, other: NO_STORAGE });
  await visit.run(60, 4);
  await b.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
});

test("keys, channels and messages of others are ignored, and so is storage that is cleared", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN);
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

test("a tab that goes writes nothing over a newer session of another tab", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, SERVERS);
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
  await a.evaluate("dispatchEvent(new Event('online'))");
  await visit.run(1);
  const { session, activeSeconds } = visit.log.at(-1)?.body ?? {};
  assert.equal(session, "43");
  near(activeSeconds, 10, 1);
});

const CUT_OFF = `${ALONE}
  addEventListener("storage", (event) => event.stopImmediatePropagation());${NO_STORAGE}`;

for (const [whose, options] of DEADLINES) {
  test(`a tab that is cut off asks the server before it logs out who is active elsewhere; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(browser, t, options, { other: CUT_OFF });
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

test("storage that is cleared while another tab is active ends nobody's session", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN);
  for (let times = 0; times < 15; times += 1) {
    await a.evaluate("localStorage.clear()");
    await a.move();
    await visit.run(10, 4);
  }
  assert.deepEqual([await covered(a), await covered(b)], [false, false]);
  assert.ok(visit.log.every((call) => !call.covered));
});

test("two sites on one origin do not meet", async (t) => {
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
  await tab.evaluate("dispatchEvent(new Event('online'))");
  await visit.run(6);
  return visit.log.at(-1)?.body.pages["/page"].seconds;
}

test("a duplicated tab has a name of its own, and both are counted", async (t) => {
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

test("a tab that is duplicated on a page without the script loses nothing", async (t) => {
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
  // The clock of a page from the cache is put right once it is back: ten seconds that pass at once, and
  // to the script are a pause like any other.
  near(await secondsTold(visit, a), 53 + 10, 3);
});
