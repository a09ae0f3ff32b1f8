import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runInNewContext } from "node:vm";
import { launch, quit } from "../harness/browser.mjs";
import { PageClock } from "../harness/page-clock.mjs";
import { ended, MockSite } from "./mock-site.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {string} attributes */
const tagWith = (attributes) => `<script src="/lastseen.js" defer ${attributes}></script>`;
const EVERY_SECOND = tagWith('data-interval="1000"');

/**
 * A visitor opens a page whose time we hold.
 *
 * @param {MockSite} site
 */
async function visit(site) {
  await site.session("42");
  const page = await site.tab();
  const clock = await PageClock.install(page);
  await page.goto(`${site.url}/page`);
  await clock.run(0);
  return { page, clock };
}

/** @param {import("puppeteer-core").Page} page @param {string} call */
const call = (page, call) => page.evaluate(`lastseen.${call}`);
/** @param {import("puppeteer-core").Page} page @returns {Promise<any>} */
const status = (page) => page.evaluate("lastseen.status()");

test("two copies of the script are one", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND + EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(2);
  assert.ok(site.heartbeats[1].at - site.heartbeats[0].at > 500);
  await page.goto(`${site.url}/other`);
  await sleep(200);
  assert.equal(site.farewells.length, 1);
});

for (const [attribute, name] of [
  ["data-endpoint", "endpoint"],
  ["data-logout-url", "logoutUrl"],
  ["data-gate", "gate"],
]) {
  test(`an address in ${attribute} that is none is one warning, and the default holds`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.tag = tagWith(`${attribute}="javascript:alert(1)"`);
    site.answers = [ended("idle", true)];
    const page = await site.visit();
    await page.waitForFunction("location.pathname === '/access/'");
    assert.equal(site.console.filter((line) => line.startsWith("warn:")).length, 1);
    assert.match(site.console[0] ?? "", new RegExp(`^warn: .lastseen. ${name} "javascript`));
  });
}

test("the endpoint may be elsewhere", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = tagWith('data-endpoint="/api/here"');
  await site.visit();
  await site.until(() => site.calls.length > 0, "call");
  assert.equal(site.calls[0].path, "/api/here");
});

test("the console is silent without data-debug, and tells the story with it", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await sleep(100);
  assert.deepEqual(site.console, []);
  site.tag = tagWith("data-debug");
  await page.goto(`${site.url}/page`);
  await site.until(() => site.console.length >= 2, "two lines");
  assert.match(site.console[0], /^log: \[lastseen\] heartbeat/);
});

test("a frame that may not read cookies is left in peace", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit("/other");
  await page.evaluate(() => {
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = "/page";
    document.body.append(frame);
  });
  await sleep(500);
  assert.deepEqual(site.calls, []);
});

for (const [name, values] of Object.entries({
  interval: ["-5", "0", "180", "2500.5", "2000ms", "1e9", "soon", "", "99999999999"],
  "idle-timeout": ["59999", "2147483648", "-1", "1e6", "15 min"],
  "warn-before": ["19999", "3600001", "a minute"],
  "activity-window": ["4999", "1.5", ""],
  lang: ["xx", "en_US", "<b>", ""],
  text: ["one", "a|b|c|d", "a|b|c|d|e|f", ""],
  worker: ["javascript:alert(1)", "data:text/javascript,1", "https://", ""],
})) {
  test(`a bad data-${name} is one warning that names it, and the default holds`, async (t) => {
    const site = await MockSite.open(browser, t);
    const option = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    for (const value of values) {
      site.console = [];
      site.tag = tagWith(`data-${name}="${value.replaceAll("<", "&lt;")}"`);
      const { page, clock } = await visit(site);
      await clock.run(7000);
      assert.equal(site.console.length, 1, `${value}: ${site.console}`);
      assert.ok(
        site.console[0]?.startsWith(`warn: [lastseen] ${option} "${value}" is not `),
        site.console[0],
      );
      assert.equal((await status(page)).tracking, true);
      await page.close();
    }
  });
}

test("without a valid interval a heartbeat with news follows another after three minutes", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = tagWith('data-interval="soon"');
  const { page, clock } = await visit(site);
  await clock.reads(300);
  const before = site.heartbeats.length;
  await clock.reads(120);
  assert.equal(site.heartbeats.length, before);
  await clock.reads(65);
  assert.equal(site.heartbeats.length, before + 1);
  assert.equal((await status(page)).tracking, true);
});

test("a warning that is not shorter than the timeout is one warning, and half of it holds", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = tagWith('data-idle-timeout="60000" data-warn-before="60000"');
  const { page, clock } = await visit(site);
  assert.equal(site.console.length, 1);
  assert.match(site.console[0] ?? "", /warnBefore is not below idleTimeout/);
  await clock.run(28_000);
  assert.equal(await page.$("dialog"), null);
  await clock.run(3000);
  assert.ok(await page.$("dialog[open]"));
});

test("a module starts when it is told to, and takes its options then", async (t) => {
  const site = await MockSite.open(browser, t);
  site.scripts = { "/module.js": 'import "/lastseen.js";' };
  site.tag = '<script type="module" src="/module.js"></script>';
  const { page, clock } = await visit(site);
  await clock.run(10_000);
  assert.deepEqual(site.calls, [], "nothing by itself");
  await call(page, 'start({ endpoint: "/api/here", interval: 2000 })');
  await clock.run(10_000);
  assert.ok(site.calls.length >= 4);
  assert.ok(site.calls.every(({ path }) => path === "/api/here"));
});

test("start() again changes the options, and nothing else", async (t) => {
  const site = await MockSite.open(browser, t);
  const { page, clock } = await visit(site);
  await clock.run(10_000);
  const before = site.heartbeats.length;
  await call(page, "start({ warnBefore: 20000, interval: 'x' })");
  await call(page, "start()");
  await call(page, "start(null)");
  await clock.run(0);
  assert.equal(site.heartbeats.length, before);
  assert.equal(site.console.length, 1);
});

test("the page is told of everything by events", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [{ json: { success: true, idleExpiresInSeconds: 400 } }];
  const { page, clock } = await visit(site);
  await page.evaluate(() => {
    const seen = /** @type {[string, unknown][]} */ ([]);
    Object.assign(window, { seen });
    for (const name of ["active", "warn", "stay", "idle", "logout", "heartbeat"]) {
      window.addEventListener(`lastseen:${name}`, (event) =>
        seen.push([name, /** @type {CustomEvent} */ (event).detail]),
      );
    }
  });
  await clock.reads(2);
  await clock.run(190_000);
  await clock.reads(2);
  for (
    let step = 0;
    step < 100 && !(await page.evaluate("seen.some(([name]) => name === 'warn')"));
    step += 1
  ) {
    await clock.run(5000);
  }
  await page.evaluate("lastseen.stay()");
  await clock.run(30_000);
  site.answers = [{ status: 503 }];
  await clock.run(450_000);
  site.answers = [ended("idle", false)];
  await clock.run(300_000);
  const seen = /** @type {[string, any][]} */ (await page.evaluate("seen"));
  const names = seen.map(([name]) => name).filter((name) => name !== "heartbeat");
  assert.deepEqual(names, ["active", "warn", "stay", "warn", "idle", "logout"]);
  const detail = Object.fromEntries(seen);
  assert.deepEqual(detail.logout, { reason: "idle" });
  assert.equal(detail.heartbeat.idleExpiresInSeconds, 400);
  assert.ok(detail.warn.seconds > 55 && detail.warn.seconds <= 60);
});

test("status() says how the session stands", async (t) => {
  const site = await MockSite.open(browser, t);
  const { page, clock } = await visit(site);
  await clock.reads(10);
  assert.deepEqual(await status(page), {
    session: "42",
    tracking: true,
    activeSeconds: 10,
    inactiveSeconds: 0,
    seenSecondsAgo: 0,
    idleInSeconds: 1795,
    sessionInSeconds: 86395,
    failures: 0,
    nextHeartbeatInSeconds: 11,
    paused: false,
    covered: false,
  });
  site.answers = [ended("expired", false)];
  await clock.reads(30);
  const { tracking, idleInSeconds, nextHeartbeatInSeconds } = await status(page);
  assert.deepEqual([tracking, idleInSeconds, nextHeartbeatInSeconds], [false, null, null]);
});

test("a form that posts to the logout address is taken over, with the last snapshot", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = `${tagWith("")}<form method="post" action="/api/logout"><button>Log out</button></form>`;
  const { page, clock } = await visit(site);
  await clock.reads(10);
  await page.click("button");
  await page.waitForFunction("location.pathname === '/access/'");
  const logout = site.calls.find(({ path }) => path === "/api/logout");
  assert.equal(logout?.body.reason, "logout");
  assert.equal(logout?.body.activeSeconds, 10);
});

test("a page with its own idea of a logout form keeps it", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = `${tagWith("")}<form action="/other"><input name="q"><button>Search</button></form>`;
  const { page } = await visit(site);
  await page.click("button");
  await page.waitForFunction("location.pathname === '/other'");
  assert.equal(site.calls.filter(({ path }) => path === "/api/logout").length, 0);
});

test("rendered on a server the script does nothing", async () => {
  const source = await readFile(new URL("../../static/lastseen.js", import.meta.url), "utf8");
  const nothing = runInNewContext(`${source}; Object.keys(globalThis)`, {});
  assert.deepEqual([...nothing], []);
});
