/**
 * The tabs of one browser have one deadline, whatever became of the others. What they say to each
 * other and keep is in tabs-apart.test.mjs, what a logout means to them in tabs-logout.test.mjs.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { covered, DEADLINES, lockedOut, OWN, SERVERS, twoTabs } from "./two-tabs.mjs";
import { near, Visit } from "./visit.mjs";

/** @typedef {import("./visit.mjs").TimedTab} TimedTab */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

for (const [whose, options] of DEADLINES) {
  test(`a tab does not lock while another one is used; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(browser, t, options);
    for (let times = 0; times < 20; times += 1) {
      await b.move();
      await visit.run(10, 4);
      assert.equal(await a.warning(), null);
    }
    assert.equal(await covered(a), false);
    assert.ok((await a.status()).inactiveSeconds <= 12);
    assert.ok(visit.log.every(({ body }) => body.inactiveSeconds <= 16));
  });

  test(`tabs that nobody uses lock together, on time; the deadline is ${whose}`, async (t) => {
    const { visit, a, b } = await twoTabs(browser, t, options);
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
      await page.evaluate("document.addEventListener('freeze', () => { console.log('frozen') })");
      await client.send("Page.setWebLifecycleState", { state: "frozen" });
    },
    async ({ page, visit }) => {
      const client = await page.createCDPSession();
      await client.send("Page.setWebLifecycleState", { state: "active" });
      // It may be on its way to the gate by now, and can be asked nothing.
      assert.ok(visit.site.console.includes("log: frozen"), "it was frozen");
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
  test(`when another tab ${fate}, a tab still locks on time`, async (t) => {
    const { visit, a, b } = await twoTabs(browser, t, OWN, { isHidden: true });
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

test("a tab that opens while others are idle shares their deadline, and opening it moves nothing", async (t) => {
  const visit = await Visit.open(browser, t, SERVERS);
  const a = await visit.tab();
  await visit.run(60);
  const b = await visit.tab("/page", { inWindow: true });
  near((await b.status()).idleInSeconds, 60, 1);
  await visit.run(50, 4);
  // While they warn, too; and the warning of the new one is true.
  const c = await visit.tab("/page", { inWindow: true });
  await visit.run(1);
  for (const tab of [a, b, c]) near((await tab.warning()) ?? 0, 9, 1);
  await visit.run(6, 2);
  assert.equal(await covered(c), false);
  await visit.run(5);
  await lockedOut(a, b, c);
  near(visit.locked, 120);
});

test("Stay in one tab closes the warning of all, with the whole time for all", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, OWN);
  await visit.run(110, 4);
  assert.notEqual(await a.warning(), null);
  assert.notEqual(await b.warning(), null);
  await b.press("Stay");
  await visit.run(2);
  assert.deepEqual([await a.warning(), await b.warning()], [null, null]);
  for (const tab of [a, b]) near((await tab.status()).idleInSeconds, 118);
});

test("input in one tab is known in the others within two seconds, and is stored by then", async (t) => {
  const { visit, a, b } = await twoTabs(browser, t, SERVERS);
  await visit.run(40, 4);
  await b.move();
  await visit.run(2);
  near((await a.status()).inactiveSeconds, 2, 0);
  const newest = await a.evaluate(
    "Math.max(...Object.values(localStorage).map((text) => JSON.parse(text).a))",
  );
  near((visit.start + visit.session.now - newest) / 1000, 2, 0.1);
});
