/** The lock and the server: who knows better, who is asked, and answers that mean nothing. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hide, launch, quit } from "../harness/browser.mjs";
import { near, Visit } from "./visit.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {Parameters<typeof Visit.open>[2]} [options] */
async function visitor(t, options) {
  const visit = await Visit.open(browser, t, { idleTimeout: 900, ...options });
  return { visit, tab: await visit.tab() };
}

test("who was never logged out, because the browser was gone, is when it comes back", async (t) => {
  const { visit, tab } = await visitor(t, { attributes: 'data-idle-timeout="600000"' });
  await tab.reads(10);
  tab.isAwake = false;
  const client = await tab.page.createCDPSession();
  // Its answer does not come, for there is nobody left to give it.
  client.send("Page.crash").catch(() => {});
  await visit.run(950);
  const later = await visit.tab();
  assert.equal(await later.gate(), "idle");
  assert.equal(visit.end.covered, true, "covered by what the browser remembers, then asked");
});

test("a session that was ended elsewhere ends at the next heartbeat, and is not argued with", async (t) => {
  const { visit, tab } = await visitor(t);
  const looksOnFor = async (/** @type {number} */ seconds) => {
    for (let second = 0; second < seconds && tab.page.url().endsWith("/page"); second += 10) {
      await tab.move();
      await visit.run(10);
    }
  };
  await looksOnFor(130);
  visit.session.endReason = "revoked";
  await looksOnFor(180);
  assert.equal(await tab.gate(), "revoked");
  near(visit.end.second, 130 + 90, 91);
  assert.deepEqual(visit.logouts, []);
});

test("a session that was ended elsewhere ends as soon as the page is seen again", async (t) => {
  const { visit, tab } = await visitor(t);
  await tab.reads(10);
  const front = await hide(tab.page);
  await visit.run(100);
  visit.session.endReason = "logout";
  await front.close();
  await tab.page.bringToFront();
  assert.equal(await tab.gate(), "logout");
  near(visit.end.second, 110, 0);
});

test("looking, hiding, reloading and going on to another page do not extend a session", async (t) => {
  const { visit, tab } = await visitor(t);
  await tab.reads(10);
  await visit.run(190);
  const front = await hide(tab.page);
  await visit.run(100);
  await front.close();
  await tab.page.bringToFront();
  await visit.run(100);
  await tab.page.reload();
  await visit.run(100);
  await tab.page.goto(`${visit.site.url}/second`);
  await tab.page.goBack();
  await visit.run(100);
  await tab.page.goto(`${visit.site.url}/third`);
  await visit.run(100);
  const heartbeats = visit.log.filter(({ second }) => second > 20);
  assert.ok(heartbeats.length >= 5, "it was told all the while that nothing happened");
  for (const { second, body } of heartbeats) near(body.inactiveSeconds, second - 9, 1);
  near(visit.session.idleDeadline, 909, 1);
  await visit.run(220);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 909);
});

test("a session ends with its lifetime, however active the visitor is", async (t) => {
  const { visit, tab } = await visitor(t, { lifetime: 300 });
  for (let times = 0; times < 29; times += 1) {
    await tab.move();
    await visit.run(10);
  }
  assert.equal(new URL(tab.page.url()).pathname, "/page");
  await visit.run(12);
  assert.equal(await tab.gate(), "expired");
  near(visit.end.second, 300);
});

test("an answer that arrives after the logout brings nothing back", async (t) => {
  const { visit, tab } = await visitor(t);
  await tab.reads(10);
  // A gate that takes its time: so long the page is still there to hear answers.
  await tab.page.setRequestInterception(true);
  tab.page.on("request", async (request) => {
    if (request.url().includes("/access/")) await sleep(800);
    await request.continue();
  });
  const kept = { "Set-Cookie": "session_record_id=42; Path=/; Max-Age=86400" };
  visit.instead = {
    json: { success: true, idleExpiresInSeconds: 900 },
    headers: kept,
    delayMs: 400,
  };
  const before = visit.log.length;
  await tab.evaluate("dispatchEvent(new Event('online'))");
  await visit.site.until(() => visit.log.length > before, "heartbeat");
  visit.instead = undefined;
  const asked = visit.log.length;
  await tab.evaluate("void lastseen.logout()");
  assert.equal(await tab.gate(), "logout");
  assert.equal(await tab.evaluate("document.cookie"), "");
  assert.deepEqual(
    visit.log.slice(asked).map(({ path }) => path),
    ["/api/logout"],
  );
});

test("a page that is left and come back to in time is the same session", async (t) => {
  const { visit, tab } = await visitor(t);
  await tab.reads(10);
  await tab.page.goto(`${visit.site.url}/other`);
  await visit.site.until(() => visit.site.farewells.length === 1, "farewell");
  await visit.run(600);
  await tab.page.goto(`${visit.site.url}/page`);
  await visit.run(1);
  const { tracking, covered, session, activeSeconds } = await tab.status();
  assert.deepEqual([tracking, covered, session], [true, false, "42"]);
  near(activeSeconds, 10, 1);
});

// --- Answers that mean nothing ---------------------------------------------------------------

/** @typedef {import("./mock-site.mjs").Answer} Answer @type {[string, Answer][]} */
const MEANINGLESS = [
  ["500", { status: 500, json: { code: "unavailable" } }],
  ["HTML", { text: "<h1>Welcome</h1>" }],
  ["a redirect", { status: 303, headers: { Location: "/other" } }],
  ["half an answer", { text: '{"success":true,"idleExp' }],
  ["nothing", {}],
  ["a 401 that is not ours", { status: 401, text: "<h1>Sign in</h1>" }],
];

test("an answer that means nothing ends nobody's session, and uncovers no page", async (t) => {
  const { visit, tab } = await visitor(t, { attributes: 'data-idle-timeout="600000"' });
  for (const [what, answer] of MEANINGLESS) {
    visit.instead = answer;
    await tab.reads(2);
    await tab.evaluate("lastseen.stay()");
    await visit.run(20);
    assert.equal((await tab.status()).covered, false, what);
  }
  await visit.run(600);
  for (const [what, answer] of MEANINGLESS) {
    visit.instead = answer;
    const asked = visit.log.length;
    await visit.run(200);
    assert.equal(await tab.covered(), true, what);
    assert.ok(visit.log.length > asked, "it goes on asking");
    assert.ok(visit.log.length < asked + 60, "and not all the time");
  }
  assert.deepEqual(visit.logouts, []);
  visit.instead = undefined;
  await visit.run(200);
  assert.equal(await tab.gate(), "idle");
});

test("a page that locked while the server was away opens again for a session that goes on", async (t) => {
  const { visit, tab } = await visitor(t);
  await visit.run(890);
  visit.instead = { status: 502 };
  await visit.run(20);
  assert.equal(await tab.covered(), true);
  // Somebody was active where this page could not see it.
  visit.session.idleDeadline = 1500;
  visit.instead = undefined;
  await visit.run(200);
  assert.equal((await tab.status()).covered, false);
  await tab.reads(2);
  assert.equal((await tab.status()).inactiveSeconds, 1, "and goes on as before");
});

test("deadlines that lie in the past or are none log nobody out, and let nobody stay", async (t) => {
  const { visit, tab } = await visitor(t, { attributes: 'data-idle-timeout="600000"' });
  for (const deadline of [-60, 0, null, "soon", "-1", [], {}]) {
    visit.instead = { json: { success: true, idleExpiresInSeconds: deadline } };
    await tab.reads(7);
    await tab.evaluate("lastseen.stay()");
    await visit.run(20);
    assert.equal((await tab.status()).covered, false, JSON.stringify(deadline));
    near((await tab.status()).idleInSeconds, 580, 1);
  }
  const before = visit.session.now / 1000;
  visit.instead = undefined;
  await visit.run(600);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, before + 580);
});
