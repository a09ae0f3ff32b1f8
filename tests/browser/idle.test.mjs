/** When a page locks: in hours of a visitor's time, each input and each answer of the server real. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hide, launch, quit } from "../harness/browser.mjs";
import { near, Visit } from "./visit.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const HALF_AN_HOUR = 1800;
const A_QUARTER = 'data-idle-timeout="900000"';

/** @param {import("node:test").TestContext} t @param {Parameters<typeof Visit.open>[2]} [options] */
async function visitor(t, options) {
  const visit = await Visit.open(browser, t, options);
  return { visit, tab: await visit.tab() };
}

// --- On time --------------------------------------------------------------------------------

test("an untouched page locks when the server's idle timeout is over, and not before", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(897);
  assert.equal((await tab.status()).covered, false);
  await visit.run(10);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900);
  assert.deepEqual(visit.logouts, [], "the server knew it before we did");
});

test("data-idle-timeout locks a page earlier than the server would, with a logout that says so", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: HALF_AN_HOUR, attributes: A_QUARTER });
  await visit.run(897);
  assert.equal((await tab.status()).covered, false);
  await visit.run(10);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900);
  assert.deepEqual(
    visit.logouts.map(({ body }) => [body.reason, body.session]),
    [["idle", "42"]],
  );
  near(visit.logouts[0]?.body.inactiveSeconds, 900);
});

test("a longer data-idle-timeout locks later, but the server's is the ceiling", async (t) => {
  const attributes = 'data-idle-timeout="1200000"';
  const longer = await visitor(t, { idleTimeout: HALF_AN_HOUR, attributes });
  await longer.visit.run(1196);
  assert.equal((await longer.tab.status()).covered, false);
  await longer.visit.run(10);
  near(longer.visit.locked, 1200);
  const beyond = await visitor(t, { idleTimeout: 600, attributes });
  await beyond.visit.run(1300);
  near(beyond.visit.locked, 600);
});

test("idle is told once", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await tab.evaluate(`{
    window.told = [];
    for (const name of ["active", "warn", "idle", "logout"])
      window.addEventListener("lastseen:" + name, () => told.push(name));
  }`);
  visit.instead = { status: 503 };
  await visit.run(3000);
  assert.deepEqual(await tab.evaluate("told"), ["warn", "idle"]);
});

// --- The warning ----------------------------------------------------------------------------

test("while the warning is open input does not count; Stay gives the whole time again", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(830);
  assert.equal(await tab.warning(), null);
  await visit.run(12);
  near((await tab.warning()) ?? 0, 58, 1);
  await tab.reads(8);
  await tab.page.keyboard.press("a");
  await visit.run(1);
  near((await tab.warning()) ?? 0, 49, 1);
  await tab.press("Stay");
  assert.equal(await tab.warning(), null);
  await visit.run(1);
  near((await tab.status()).idleInSeconds, 899, 1);
  await visit.run(894);
  assert.equal((await tab.status()).covered, false);
  await visit.run(10);
  near(visit.locked, 851 + 900);
});

test("Esc is Stay, and an untouched warning ends in the lock", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(870);
  await tab.page.keyboard.press("Escape");
  await tab.page.waitForFunction("!document.querySelector('dialog')");
  await visit.run(2);
  assert.equal(await tab.warning(), null);
  near((await tab.status()).idleInSeconds, 898);
  await visit.run(870);
  near((await tab.warning()) ?? 0, 28);
  await visit.run(40);
  near(visit.locked, 870 + 900);
});

test("Log out now ends the session at once, with the last snapshot", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(870);
  await tab.press("Log out now");
  assert.equal(await tab.gate(), "logout");
  const [logout] = visit.logouts;
  assert.deepEqual([logout?.body.reason, logout?.body.session], ["logout", "42"]);
  assert.equal(logout?.covered, true);
});

test("a page that prevents lastseen:warn has no dialog, and locks in time all the same", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await tab.evaluate("addEventListener('lastseen:warn', (event) => event.preventDefault())");
  await visit.run(890);
  assert.equal(await tab.evaluate("document.querySelector('dialog')"), null);
  await visit.run(20);
  near(visit.locked, 900);
});

// --- Pauses, and settings that change -------------------------------------------------------

test("after a pause what was left is left, and pausing twice is pausing once", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: HALF_AN_HOUR, attributes: A_QUARTER });
  await visit.run(300);
  await tab.evaluate("lastseen.pause()");
  await visit.run(200);
  await tab.evaluate("lastseen.pause()");
  await visit.run(400);
  near((await tab.status()).idleInSeconds, 600, 1);
  await tab.evaluate("lastseen.resume()");
  await visit.run(100);
  await tab.evaluate("lastseen.resume()");
  near((await tab.status()).idleInSeconds, 500, 1);
  await visit.run(496);
  assert.equal((await tab.status()).covered, false);
  await visit.run(10);
  near(visit.locked, 1500);
});

test("a pause while the warning is open takes it away, and brings it back with what was left", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: HALF_AN_HOUR, attributes: A_QUARTER });
  await visit.run(870);
  near((await tab.warning()) ?? 0, 30, 1);
  await tab.evaluate("lastseen.pause()");
  await visit.run(300);
  assert.equal(await tab.warning(), null);
  await tab.evaluate("lastseen.resume()");
  await visit.run(1);
  near((await tab.warning()) ?? 0, 29, 1);
  await visit.run(40);
  near(visit.locked, 1200);
});

test("a pause does not outlast the server's patience", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(100);
  await tab.evaluate("lastseen.pause()");
  await visit.run(900);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900);
});

test("start() with another timeout moves the deadline, both ways and into the past", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: HALF_AN_HOUR, attributes: A_QUARTER });
  await visit.run(300);
  await tab.evaluate("lastseen.start({ idleTimeout: 700_000 })");
  near((await tab.status()).idleInSeconds, 400, 1);
  await tab.evaluate("lastseen.start({ idleTimeout: 1_200_000 })");
  near((await tab.status()).idleInSeconds, 900, 1);
  await tab.evaluate("lastseen.start({ idleTimeout: 290_000 })");
  assert.equal(await tab.covered(), true);
  await visit.run(2);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 300);
});

// --- The dead stay dead ---------------------------------------------------------------------

test("nothing the visitor or the page does uncovers a page that is past its deadline", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(890);
  visit.instead = { status: 503 };
  await visit.run(20);
  const attempts = [
    () => tab.move(),
    () => tab.page.mouse.click(300, 300),
    () => tab.page.keyboard.press("Escape"),
    () => tab.page.keyboard.press("Escape"),
    () => tab.page.keyboard.press("a"),
    () => tab.evaluate("lastseen.stay()"),
    () => tab.evaluate("lastseen.pause()"),
    () => tab.evaluate("lastseen.resume()"),
    () => tab.evaluate("lastseen.start({})"),
    () => tab.evaluate("document.querySelector('dialog').close()"),
  ];
  for (const attempt of attempts) {
    await attempt();
    await visit.site.until(() => tab.covered(), `cover after ${attempt}`);
  }
  // Nothing tells of this one; the next look at the clock puts it right.
  await tab.evaluate("document.querySelector('dialog').remove()");
  await visit.run(1);
  assert.equal(await tab.covered(), true);
  for (const { second, body } of visit.log) near(body.inactiveSeconds, second, 1);
  visit.instead = undefined;
  await visit.run(300);
  assert.equal(await tab.gate(), "idle");
});

test("a public page whose session is over is not brought back by input, calls or its old cookie", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900, isProtected: false });
  await visit.run(910);
  assert.deepEqual(
    await tab.evaluate("[lastseen.status().tracking, !!document.querySelector('dialog')]"),
    [false, false],
  );
  const before = visit.log.length;
  await tab.evaluate("document.cookie = 'session_record_id=42; path=/'");
  await tab.reads(5);
  await tab.evaluate("lastseen.stay(), lastseen.pause(), lastseen.resume(), lastseen.start({})");
  const front = await hide(tab.page);
  await tab.page.bringToFront();
  await front.close();
  await visit.run(2000);
  assert.equal((await tab.status()).tracking, false);
  assert.equal(visit.log.length, before);
});
