/** A logout reaches every tab of the browser, wherever it is, before it shows anything again. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, quit } from "../harness/browser.mjs";
import { twoTabs as openTwoTabs } from "./two-tabs.mjs";
import { near, Visit } from "./visit.mjs";

/** @typedef {import("./visit.mjs").TimedTab} TimedTab */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const CLEARED = { "Set-Cookie": "session_record_id=; Path=/; Max-Age=0" };
const KEPT = { "Set-Cookie": "session_record_id=42; Path=/; Max-Age=86400" };

/**
 * Notes in `window.firstFrame` whether the page is covered in the first frame that is painted after
 * it comes back, and in `window.persisted` whether it is the very page that left.
 */
const WATCH = `{
  const look = () => requestAnimationFrame(() => {
    window.firstFrame ??= lastseen.status().covered;
  });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("pageshow", ({ persisted }) => {
    window.persisted = persisted;
    if (persisted) look();
  });
}`;

/** @param {TimedTab} tab */
async function firstFrame(tab) {
  await tab.page.waitForFunction("'firstFrame' in window", { timeout: 5000 });
  return tab.evaluate("firstFrame");
}

/**
 * Two tabs, side by side or one behind the other, some time after they were opened.
 *
 * @param {import("node:test").TestContext} t
 * @param {{ before?: string, isHidden?: boolean }} [how]
 */
async function twoTabs(t, { before, isHidden } = {}) {
  const how = { one: before, other: before, isHidden };
  const opened = await openTwoTabs(browser, t, {}, how);
  await opened.visit.run(8);
  return opened;
}

for (const [how, before, isHidden] of /** @type {const} */ ([
  ["beside it", undefined, false],
  ["behind it", undefined, true],
  ["beside it, without BroadcastChannel,", "delete window.BroadcastChannel;", false],
])) {
  test(`a tab ${how} is covered before the server has answered a logout, and sends nothing more for it`, async (t) => {
    const { visit, a, b } = await twoTabs(t, { before, isHidden });
    const asked = visit.log.length;
    // So that what is seen is the message, and not yet the end of the session.
    let answered = () => {};
    /** @type {Promise<void>} */
    const held = new Promise((resolve) => {
      answered = resolve;
    });
    visit.instead = { status: 204, headers: CLEARED, held };
    await a.evaluate("void lastseen.logout()");
    await visit.site.until(async () => (await b.status()).covered, "cover", 5000);
    assert.equal(await b.covered(), true);
    await b.evaluate("lastseen.stay(), dispatchEvent(new Event('online'))");
    a.isAwake = false;
    await visit.run(20);
    a.isAwake = true;
    await sleep(100);
    assert.deepEqual(
      visit.log.slice(asked).map(({ path }) => path),
      ["/api/logout"],
      "no tab says anything while one logs out",
    );
    visit.instead = undefined;
    answered();
    assert.equal(await a.gate(), "logout");
    await visit.run(2);
    assert.equal(await b.gate(), "logout");
    assert.deepEqual(await b.evaluate("Object.keys(localStorage)"), [], "nothing is kept");
  });
}

test("the logout has the figures of all tabs in it", async (t) => {
  const { visit, a, b } = await twoTabs(t, { isHidden: true });
  await a.reads(10);
  await b.page.bringToFront();
  await b.reads(10);
  await visit.run(1);
  await a.evaluate("void lastseen.logout()");
  await a.gate();
  // Eight seconds in the beginning, of which five count, or all of them.
  near(visit.logouts[0]?.body.activeSeconds, 27);
  assert.equal(visit.logouts[0]?.body.reason, "logout");
});

test("a frozen tab is covered before it is painted again", async (t) => {
  const { visit, a, b } = await twoTabs(t, { before: WATCH, isHidden: true });
  await b.evaluate("document.addEventListener('freeze', () => { document.title = 'frozen' })");
  const client = await b.page.createCDPSession();
  await client.send("Page.setWebLifecycleState", { state: "frozen" });
  b.isAwake = false;
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  await visit.run(5);
  visit.instead = { status: 503 };
  await client.send("Page.setWebLifecycleState", { state: "active" });
  await b.page.bringToFront();
  assert.equal(await firstFrame(b), true);
  assert.equal(await b.page.title(), "frozen");
  visit.instead = undefined;
  b.isAwake = true;
  await visit.run(10);
  assert.equal(await b.gate(), "logout");
});

test("a tab that heard nothing is covered before it is painted again", async (t) => {
  const deaf = `delete window.BroadcastChannel;
    addEventListener("storage", (event) => event.stopImmediatePropagation());`;
  const { visit, a, b } = await twoTabs(t, { before: WATCH + deaf, isHidden: true });
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  await sleep(100);
  assert.equal((await b.status()).covered, false);
  visit.instead = { status: 503 };
  await b.page.bringToFront();
  assert.equal(await firstFrame(b), true);
  visit.instead = undefined;
  await visit.run(10);
  // The cookie went with the logout, and the tab never heard why.
  assert.equal(await b.gate(), "logout");
});

test("a page in the back-forward cache is covered before it is painted again", async (t) => {
  const { visit, a, b } = await twoTabs(t, { before: WATCH });
  await b.page.goto(`${visit.site.url}/other`);
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  visit.instead = { status: 503 };
  await b.page.goBack();
  assert.equal(await b.evaluate("persisted"), true, "the very page came back, not a new one");
  assert.equal(await firstFrame(b), true);
  assert.equal(await b.covered(), true);
  visit.instead = undefined;
  await visit.run(10);
  // Whether it hears of the logout after all, or only misses the cookie, is the browser's.
  assert.match((await b.gate()) ?? "", /^logout$/);
});

test("the page before the one that logged out is covered, too, when its visitor goes back", async (t) => {
  const visit = await Visit.open(browser, t);
  const tab = await visit.tab("/page", { before: WATCH });
  // A page that has hardly begun need not be kept by a busy browser (seen once).
  await visit.run(8);
  await tab.page.goto(`${visit.site.url}/second`);
  await tab.evaluate("void lastseen.logout()");
  assert.equal(await tab.gate(), "logout");
  visit.instead = { status: 503 };
  await tab.page.goBack();
  assert.equal(new URL(tab.page.url()).pathname, "/page");
  assert.equal(await tab.evaluate("persisted"), true);
  assert.equal(await firstFrame(tab), true);
});

test("a page that comes from an ordinary cache after the logout is covered as soon as it can be", async (t) => {
  const { visit, a } = await twoTabs(t);
  const opened = new Promise((opens) => a.page.once("popup", opens));
  // A page with an opener has no place in the back-forward cache.
  await a.evaluate("void window.open('about:blank', '', 'popup')");
  const page = /** @type {import("puppeteer-core").Page} */ (await opened);
  const popup = await visit.tab("/page", { page, before: WATCH });
  await popup.page.goto(`${visit.site.url}/other`);
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  visit.instead = { status: 503 };
  await popup.page.goBack();
  assert.equal(await popup.evaluate("persisted"), false);
  assert.equal(await popup.covered(), true);
  visit.instead = undefined;
  await visit.run(10);
  assert.equal(await popup.gate(), "logout");
});

test("what a sibling asked before the logout brings nothing back", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  await visit.run(30);
  const json = { success: true, idleExpiresInSeconds: 900 };
  visit.instead = { json, headers: KEPT, delayMs: 600 };
  const asked = visit.log.length;
  await b.evaluate("lastseen.stay()");
  await visit.site.until(() => visit.log.length > asked, "heartbeat");
  visit.instead = undefined;
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  await sleep(800);
  assert.equal(await a.evaluate("document.cookie"), "");
  await visit.run(2);
  assert.equal(await b.gate(), "logout");
});

test("a public page beside the one that logs out shows itself again, and is done", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  visit.session.isProtected = false;
  await a.evaluate("void lastseen.logout()");
  assert.equal(await a.gate(), "logout");
  await visit.run(3);
  const { tracking, covered } = await b.status();
  assert.deepEqual([tracking, covered], [false, false]);
  const asked = visit.log.length;
  await b.reads(5);
  assert.equal(visit.log.length, asked);
});

test("where a logout fails, the other tabs are not locked for good", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  visit.instead = { status: 503, text: "try again" };
  await a.evaluate("void lastseen.logout()");
  await a.page.waitForFunction("location.pathname === '/api/logout'");
  a.isAwake = false;
  visit.instead = undefined;
  await visit.run(10);
  assert.equal((await b.status()).covered, true, "it may yet succeed");
  await visit.run(30);
  assert.equal((await b.status()).covered, false);
  await b.reads(5);
  assert.equal((await b.status()).inactiveSeconds, 1);
});

test("a logout form that posts where lastseen does is a logout like any other", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  await a.page.evaluate(() => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: "/api/logout" });
    const button = document.createElement("button");
    form.append(button);
    document.body.append(form);
    button.click();
  });
  assert.equal(await a.gate(), "logout");
  await visit.run(2);
  assert.equal(await b.gate(), "logout");
  assert.equal(visit.logouts.length, 1);
  assert.equal(visit.logouts[0]?.body.session, "42");
});

test("a tab that is closed while another one logs out says no goodbye", async (t) => {
  const { visit, a, b } = await twoTabs(t);
  visit.instead = { status: 204, headers: CLEARED, delayMs: 500 };
  await a.evaluate("void lastseen.logout()");
  await visit.site.until(async () => (await b.status()).covered, "cover");
  await b.page.close();
  assert.equal(await a.gate(), "logout");
  assert.deepEqual(visit.site.farewells, []);
});
