/** Sleep, hidden pages and clocks that are set: when timers do not come, or come to a changed time. */
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

const HOUR = 3600;
const HALF_AN_HOUR = 1800;
const A_QUARTER = 'data-idle-timeout="900000"';

/** @param {import("node:test").TestContext} t @param {Parameters<typeof Visit.open>[2]} [options] */
async function visitor(t, options) {
  const visit = await Visit.open(browser, t, options);
  return { visit, tab: await visit.tab() };
}

// --- A laptop that slept --------------------------------------------------------------------

for (const ticking of [false, true]) {
  const clocks = ticking ? "both clocks went on" : "the monotonic clock stood still";

  test(`a laptop that slept past the deadline is logged out before the first event counts; ${clocks}`, async (t) => {
    const { visit, tab } = await visitor(t, { idleTimeout: 900 });
    await tab.reads(10);
    await tab.evaluate("addEventListener('lastseen:active', () => document.title = 'revived')");
    await visit.sleep(8 * HOUR, { ticking });
    const before = visit.log.length;
    visit.instead = { status: 503 };
    await tab.move();
    assert.equal(await tab.covered(), true, "covered by the event itself, before any timer");
    assert.notEqual(await tab.page.title(), "revived");
    visit.instead = undefined;
    await visit.run(10);
    assert.equal(await tab.gate(), "idle");
    const first = visit.log[before];
    assert.equal(first?.covered, true, "covered before the server was asked");
    near(first?.body.inactiveSeconds, 8 * HOUR);
  });

  test(`a laptop that slept past the deadline locks by itself within 2 s of waking; ${clocks}`, async (t) => {
    const { visit, tab } = await visitor(t, { idleTimeout: 900 });
    await tab.reads(10);
    await visit.sleep(8 * HOUR, { ticking });
    visit.instead = { status: 503 };
    const before = visit.log.length;
    await visit.run(2);
    assert.equal(await tab.covered(), true);
    assert.equal(await tab.warning(), null, "no warning when it is too late");
    assert.equal(visit.log[before]?.covered, true, "covered before the server was asked");
    visit.instead = undefined;
    await visit.run(10);
    assert.equal(await tab.gate(), "idle");
  });

  test(`nor is it let in by a server that would wait longer; ${clocks}`, async (t) => {
    const options = { idleTimeout: 12 * HOUR, attributes: A_QUARTER };
    const { visit, tab } = await visitor(t, options);
    await tab.reads(10);
    await visit.sleep(8 * HOUR, { ticking });
    const before = visit.log.length;
    await tab.move();
    assert.equal(await tab.covered(), true);
    await visit.run(2);
    assert.equal(await tab.gate(), "idle");
    assert.ok(visit.log.slice(before).every(({ covered }) => covered));
    assert.equal(visit.logouts[0]?.body.reason, "idle");
  });

  test(`sleep that ends inside the warning shows the time that really remains; ${clocks}`, async (t) => {
    const { visit, tab } = await visitor(t, { idleTimeout: 900 });
    await visit.run(100);
    await visit.sleep(770, { ticking });
    await visit.run(1);
    near((await tab.warning()) ?? 0, 29, 1);
    await visit.run(20);
    near((await tab.warning()) ?? 0, 9, 1);
    assert.equal(await tab.covered(), false);
    await visit.run(20);
    near(visit.locked, 900);
    assert.equal(await tab.gate(), "idle");
  });
}

test("the cover hides every pixel of the page", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  visit.instead = { status: 503 };
  await visit.sleep(HOUR);
  await visit.run(1);
  const hidden = await tab.page.screenshot();
  await tab.evaluate(`{
    document.documentElement.style.background = "red";
    document.body.append("Revenue fell by half. ".repeat(999));
    for (const [position, index] of [["fixed", "2147483647"], ["absolute", "9"]]) {
      const bar = document.createElement("b");
      bar.textContent = "Confidential";
      bar.style.cssText = "inset:0;background:lime;position:" + position + ";z-index:" + index;
      document.body.append(bar);
    }
  }`);
  assert.deepEqual(await tab.page.screenshot(), hidden);
});

// --- Hidden ---------------------------------------------------------------------------------

test("a page behind another tab is logged out on time, and hiding it was no activity", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(300);
  await hide(tab.page);
  await visit.site.until(() => visit.site.farewells.length === 1, "farewell");
  near(visit.site.farewells[0]?.body.inactiveSeconds, 300, 1);
  await visit.run(597);
  assert.equal((await tab.status()).covered, false);
  await visit.run(10);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900);
});

test("a page whose timers stood still behind another tab is covered before it is painted again", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(300);
  const front = await hide(tab.page);
  await visit.sleep(HOUR);
  visit.instead = { status: 503 };
  await tab.evaluate(`document.addEventListener("visibilitychange", () => {
    requestAnimationFrame(() => { window.firstFrame = lastseen.status().covered; });
  })`);
  await front.close();
  await tab.page.bringToFront();
  await tab.page.waitForFunction("'firstFrame' in window");
  assert.equal(await tab.evaluate("firstFrame"), true);
  assert.equal(await tab.covered(), true);
});

test("coming back to the tab is not activity", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  for (let times = 1; times <= 4; times += 1) {
    await visit.run(100);
    const front = await hide(tab.page);
    await visit.run(100);
    await tab.page.bringToFront();
    await front.close();
    await visit.run(1);
    near((await tab.status()).inactiveSeconds, 201 * times, 1);
  }
  await visit.run(105);
  near(visit.locked, 900);
});

// --- Somebody sets the clock ----------------------------------------------------------------

test("a clock set back an hour does not keep the page open", async (t) => {
  const { visit, tab } = await visitor(t, { idleTimeout: 900 });
  await visit.run(300);
  await visit.setClock(-HOUR);
  await visit.run(595);
  assert.equal((await tab.status()).covered, false);
  await visit.run(20);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900, 5);
});

for (const [whose, options] of /** @type {const} */ ([
  ["server's", { idleTimeout: 900 }],
  ["page's own", { idleTimeout: HALF_AN_HOUR, attributes: A_QUARTER }],
])) {
  test(`a clock set forward an hour covers the page until the server was asked, who knows better than the ${whose} deadline`, async (t) => {
    const { visit, tab } = await visitor(t, options);
    await tab.reads(20);
    await visit.setClock(HOUR);
    visit.instead = { status: 503 };
    await visit.run(1);
    assert.equal(await tab.covered(), true);
    visit.instead = undefined;
    await visit.run(10);
    assert.equal((await tab.status()).covered, false, "nobody is logged out by a clock");
    await tab.reads(10);
    assert.equal((await tab.status()).covered, false);
    assert.deepEqual(visit.logouts, []);
    const [{ second } = assert.fail()] = visit.log.slice(-1);
    await visit.run(920);
    assert.ok(visit.locked < 25 && second < 45);
    near(visit.end.second, 40 + 900, 10);
  });
}

for (const hours of [-1, 1]) {
  test(`a clock that is ${hours > 0 ? "fast" : "slow"} by an hour from the start changes nothing`, async (t) => {
    const visit = await Visit.open(browser, t, { idleTimeout: 900 });
    visit.start += hours * HOUR * 1000;
    const tab = await visit.tab();
    await tab.reads(30);
    assert.equal((await tab.status()).covered, false);
    near((await tab.status()).activeSeconds, 30, 1);
    await visit.run(910);
    near(visit.end.second, 930);
    assert.equal(await tab.gate(), "idle");
  });
}
