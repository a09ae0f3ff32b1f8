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

test("a session that ended sends a confidential page to the gate, with reason and way back", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [ended("idle", true)];
  const page = await site.visit("/page?quarter=2");
  await page.waitForFunction("location.pathname === '/access/'");
  const gate = new URL(page.url());
  assert.equal(gate.searchParams.get("redirect"), "/page?quarter=2");
  assert.equal(gate.searchParams.get("reason"), "idle");
  assert.equal(gate.hash, "#idle");
  await sleep(200);
  assert.equal(site.heartbeats.length, 1, "no farewell for a session that is over");
  await page.goBack().catch(() => null);
  assert.doesNotMatch(page.url(), /\/page/, "the way back does not lead to the content");
});

test("the gate may be elsewhere", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = tagWith('data-gate="/other?lang=de"');
  site.answers = [ended("revoked", true)];
  const page = await site.visit();
  await page.waitForFunction("location.pathname === '/other'");
  assert.equal(new URL(page.url()).search, "?lang=de&redirect=%2Fpage&reason=revoked");
});

test("a session that ended leaves a public page alone, and is not asked about again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.speed = 10;
  site.answers = [ended("expired", false)];
  const page = await site.visit();
  await site.heartbeat(1);
  await sleep(400);
  await hideBehindAnotherTab(site);
  await page.bringToFront();
  await sleep(300);
  assert.equal(site.heartbeats.length, 1);
  assert.equal(new URL(page.url()).pathname, "/page");
});

test("a new session in another tab takes an open page on again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [ended("expired", false), OPEN];
  const page = await site.visit();
  await page.waitForFunction("!lastseen.status().tracking");
  await hideBehindAnotherTab(site);
  await site.session("43");
  await page.bringToFront();
  await site.heartbeat(2);
  assert.equal(site.heartbeats[1].body.session, "43");
});

test("a page whose session ended in another tab asks as soon as it is seen, and goes to the gate", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await site.session(null);
  site.answers = [ended("missing", true)];
  await page.bringToFront();
  await page.waitForFunction("location.pathname === '/access/'");
  assert.equal(site.heartbeats.length, 3);
});

test("a page that is left after its session ended in another tab says nothing for it", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await site.session(null);
  await page.goto(`${site.url}/other`);
  await sleep(200);
  assert.equal(site.heartbeats.length, 1);
});

test("an old session's end does not throw out who came in again meanwhile", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.answers = [{ ...ended("idle", true), delayMs: 500 }, OPEN];
  const page = await site.visit();
  await site.heartbeat(1);
  await site.session("43");
  await site.heartbeat(2);
  assert.equal(site.heartbeats[1].body.session, "43");
  assert.equal(new URL(page.url()).pathname, "/page");
});

for (const [what, answer] of /** @type {[string, import("./mock-site.mjs").Answer][]} */ ([
  ["a proxy's 401 without a reason", { status: 401, text: "<h1>Sign in</h1>" }],
  ["an API gateway's own 401", { status: 401, json: { message: "Unauthorized" } }],
  ["a page of HTML", { text: "<h1>Welcome</h1>" }],
  ["nothing", {}],
  ["half an answer", { text: '{"success":true,"idleExp' }],
  ["JSON of somebody else", { json: [1, 2] }],
  ["null", { json: null }],
  ["500", { status: 500, json: { code: "unavailable" } }],
  ["408", { status: 408 }],
  ["429", { status: 429 }],
  ["a redirect", { status: 303, headers: { Location: "/other" } }],
])) {
  test(`${what} is a failed send: the page stays and tries again`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.speed = 60;
    // Twice, for Chromium itself repeats a request once that got 408.
    site.answers = [answer, answer, OPEN];
    const page = await site.visit();
    await site.heartbeat(3);
    assert.equal(new URL(page.url()).pathname, "/page");
  });
}

for (const status of [400, 403, 404, 413, 415]) {
  test(`${status}, a firewall's perhaps, is a failed send: the page goes on, and so does its lock`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.tag = EVERY_SECOND;
    site.speed = 10;
    site.answers = [{ status, json: { code: "refused" } }, OPEN];
    await site.visit();
    await site.heartbeat(2);
    const [first, second] = site.heartbeats;
    assert.ok(
      (second?.at ?? 0) - (first?.at ?? 0) >= 45,
      "backed off: half of a second at the least",
    );
  });
}

test("Retry-After is honoured, also by a page that is hidden and shown meanwhile", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.answers = [{ status: 503, headers: { "Retry-After": "2" } }, OPEN];
  const page = await site.visit();
  await site.heartbeat(1);
  await sleep(300);
  await hideBehindAnotherTab(site);
  await page.bringToFront();
  const looks = () => site.heartbeats.filter(({ body }) => !body.leaving);
  await site.until(() => looks().length >= 2, "second look");
  const [first, second] = looks();
  assert.ok(second.at - first.at >= 1500, `asked again after ${second.at - first.at} ms`);
});

test("an answer that never comes is given up, and asked for again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [{ never: true }, OPEN];
  site.speed = 60;
  await site.visit();
  // 30 s of patience and up to 5 s of pause.
  await site.heartbeat(2, 5000);
});

test("logout() takes the last snapshot with it, goes to the gate, and nothing follows", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await page.evaluate("void lastseen.logout()");
  await page.waitForFunction("location.pathname === '/access/'");
  assert.match(page.url(), /\?redirect=%2Fpage&reason=logout#logout$/);
  await sleep(200);
  const [, logout, ...more] = site.calls;
  assert.deepEqual(more, []);
  assert.equal(logout.path, "/api/logout");
  assert.equal(logout.type, "application/json");
  const { reason, session, seenSecondsAgo, page: path, leaving } = logout.body;
  assert.deepEqual(
    [reason, session, seenSecondsAgo, path, leaving],
    ["logout", "42", 0, "/page", false],
  );
});

test("logout() from a hidden page says how long ago it was seen", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 60;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.until(() => site.farewells.length === 1, "farewell");
  await sleep(500);
  await page.evaluate("void lastseen.logout()");
  const logouts = () => site.calls.filter(({ path }) => path === "/api/logout");
  await site.until(() => logouts().length === 1, "logout");
  const { seenSecondsAgo } = logouts()[0].body;
  assert.ok(seenSecondsAgo >= 30, `${seenSecondsAgo} s, and half a minute was simulated`);
});

test("a logout that fails never shows the gate as if it had worked", async (t) => {
  const site = await MockSite.open(browser, t);
  site.logoutAnswer = { status: 503, text: "try again" };
  const page = await site.visit();
  await site.heartbeat(1);
  await page.evaluate("void lastseen.logout()");
  await page.waitForFunction("location.pathname === '/api/logout'");
  const [, byFetch, byForm] = site.calls;
  assert.equal(byFetch.type, "application/json");
  assert.equal(byForm.type, "application/x-www-form-urlencoded");
  assert.equal(byForm.method, "POST");
});
