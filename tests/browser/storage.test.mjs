/** What the browser keeps: enough to lose nothing, and nothing about anybody. */
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hide, launch, quit, show } from "../harness/browser.mjs";
import { PageClock } from "../harness/page-clock.mjs";
import { ended, MockSite } from "./mock-site.mjs";
import { everythingStored } from "./stored.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("puppeteer-core").Page} page */
const stored = (page) =>
  page.evaluate(async () => ({
    local: { ...localStorage },
    session: { ...sessionStorage },
    databases: (await indexedDB.databases()).map(({ name }) => name),
  }));

/** @param {import("node:test").TestContext} t */
async function open(t) {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const page = await site.tab();
  const clock = await PageClock.install(page);
  await page.goto(`${site.url}/page`);
  await clock.run(0);
  return { site, page, clock };
}

test("nothing personal is stored, and every name begins with the site's", async (t) => {
  const { page, clock } = await open(t);
  await clock.reads(12);
  const { local, session, databases } = await stored(page);
  assert.deepEqual(session, {}, "a living tab has nothing that a duplicate could copy");
  assert.deepEqual(databases, ["lastseen:/api/session-heartbeat:"]);
  const [[key, text] = assert.fail("no record"), ...more] = Object.entries(local);
  assert.deepEqual(more, []);
  assert.match(key, /^lastseen:\/api\/session-heartbeat:42:[a-z0-9]+$/);
  const record = JSON.parse(text);
  assert.deepEqual(Object.keys(record).sort(), ["a", "c", "d", "n", "p", "s"]);
  for (const name of ["a", "c", "d", "n", "s"]) assert.equal(typeof record[name], "number");
  assert.deepEqual(Object.keys(record.p), ["/page"]);
});

test("what was stored goes when the session has ended and its last snapshot was answered", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(12);
  site.answers = [ended("revoked", false)];
  await clock.reads(30);
  assert.equal(site.heartbeats.at(-1)?.body.activeSeconds > 12, true);
  assert.deepEqual((await stored(page)).local, {});
  const left = await page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open("lastseen:/api/session-heartbeat:").onsuccess = ({ target }) => {
          const database = /** @type {IDBOpenDBRequest} */ (target).result;
          const all = database.transaction("tabs").objectStore("tabs").getAllKeys();
          all.onsuccess = () => resolve(all.result);
        };
      }),
  );
  assert.deepEqual(left, []);
});

test("what a crash of the whole browser cut off is told by its next visit", async (t) => {
  const profile = await mkdtemp(join(tmpdir(), "lastseen-profile-"));
  const start = () => launch({ userDataDir: profile });
  /** @type {import("puppeteer-core").Browser | undefined} */
  let second;
  const first = await start();
  t.after(async () => {
    await quit(first);
    await quit(second);
    await rm(profile, { recursive: true, force: true });
  });
  const site = await MockSite.open(browser, t);
  const cookie = {
    name: "session_record_id",
    value: "42",
    domain: "127.0.0.1",
    expires: Date.now() / 1000 + 86_400,
  };
  await first.defaultBrowserContext().setCookie(cookie);
  const page = await first.newPage();
  const clock = await PageClock.install(page);
  await page.goto(`${site.url}/page`);
  await clock.reads(170);
  const told = site.heartbeats.at(-1)?.body.activeSeconds;
  assert.ok(told >= 110 && told < 165, `${told} s had reached the server by itself`);
  // Reading begins when every writing before it is on the disk.
  await everythingStored(page);
  first.process()?.kill("SIGKILL");
  await new Promise((gone) => first.process()?.once("exit", gone));
  for (const name of readdirSync(profile)) {
    if (name.startsWith("Singleton")) rmSync(join(profile, name), { force: true });
  }

  second = await start();
  await second.defaultBrowserContext().setCookie(cookie);
  const before = site.heartbeats.length;
  const again = await second.newPage();
  await again.goto(`${site.url}/second`);
  await site.until(
    () => site.heartbeats.slice(before).some(({ body }) => body.activeSeconds >= 165),
    "repaired figure",
    15_000,
  );
  assert.ok(site.heartbeats.at(-1)?.body.pages["/page"].seconds >= 165);
});

test("a network that is down for a minute loses nothing", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(30);
  await page.setOfflineMode(true);
  await clock.reads(60);
  await page.setOfflineMode(false);
  await clock.reads(30);
  await page.goto(`${site.url}/other`);
  await site.until(() => site.farewells.length > 0, "farewell");
  const { activeSeconds } = site.farewells.at(-1)?.body ?? {};
  assert.ok(Math.abs(activeSeconds - 120) <= 1, `${activeSeconds}`);
});

test("a goodbye that was lost offline goes out when the network is back", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(20);
  await page.setOfflineMode(true);
  const front = await hide(page);
  await sleep(200);
  assert.equal(site.farewells.length, 0, "sendBeacon said true, and delivered nothing");
  await clock.run(100_000);
  await page.setOfflineMode(false);
  await site.until(() => site.farewells.length === 1, "farewell");
  const { activeSeconds, seenSecondsAgo, session } = site.farewells[0]?.body ?? {};
  assert.deepEqual([activeSeconds, seenSecondsAgo, session], [20, 100, "42"]);
  await show(page);
  await front.close();
});

test("a goodbye that was lost goes out with the next page", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(20);
  await page.evaluate(() => {
    navigator.sendBeacon = () => true;
  });
  await page.goto(`${site.url}/other`);
  await page.goto(`${site.url}/second`);
  const before = site.heartbeats.length;
  await clock.run(6000);
  await site.until(() => site.heartbeats.length > before, "heartbeat");
  assert.equal(site.heartbeats.at(-1)?.body.pages["/page"].seconds, 20);
});

test("pauses after failed sends grow, are not all alike, and never pass the interval", async (t) => {
  const { site, page, clock } = await open(t);
  site.answers = [{ status: 500 }];
  await clock.run(6000);
  const shares = new Set();
  let total = 6;
  for (let failures = 2; failures < 12; failures += 1) {
    const before = site.heartbeats.length;
    let waited = 0;
    while (site.heartbeats.length === before) {
      await clock.run(1000);
      waited += 1;
      assert.ok(waited < 200, `no retry ${failures}`);
    }
    total += waited;
    const longest = Math.min(180, 5 * 2 ** (failures - 2));
    assert.ok(waited >= longest / 2 - 1, `pause ${failures}: ${waited} s of ${longest}`);
    assert.ok(waited <= longest + 2, `pause ${failures}: ${waited} s of ${longest}`);
    if (longest > 30) shares.add((waited / longest).toFixed(2));
  }
  assert.ok(shares.size > 1, `${[...shares]} after ${total} s`);
  assert.equal(new URL(page.url()).pathname, "/page");
});

test("a retry that waits goes with the goodbye when the page hides, and leaves no timer", async (t) => {
  const { site, page, clock } = await open(t);
  await clock.reads(10);
  site.answers = [{ status: 503, headers: { "Retry-After": "30" } }];
  await clock.reads(15);
  const before = site.heartbeats.length;
  const front = await hide(page);
  await site.until(() => site.heartbeats.length === before + 1, "farewell");
  assert.equal(site.heartbeats.at(-1)?.body.leaving, true);
  assert.equal(site.heartbeats.at(-1)?.body.activeSeconds, 25);
  await clock.run(120_000);
  assert.equal(site.heartbeats.length, before + 1);
  await show(page);
  await front.close();
});

test("a repeated and a reordered heartbeat say the same: every figure is a total", async (t) => {
  const { site, clock } = await open(t);
  await clock.reads(150);
  const told = site.heartbeats.map(({ body }) => body.activeSeconds);
  assert.ok(told.length >= 5, `${told}`);
  assert.deepEqual(
    told,
    [...told].sort((a, b) => a - b),
  );
});
