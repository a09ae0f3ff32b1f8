/**
 * The visit as a person makes it: a real browser on the site as it ships, a real server behind it,
 * and the owner's table, looked at after every step.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asVisitor, close, hide, launch, quit, show } from "../harness/browser.mjs";
import { isThorough } from "../harness/loop.mjs";
import { until } from "../harness/process.mjs";
import { serveOnNocodb, serveOnSqlite } from "../harness/targets.mjs";
import { leaveEmail, message, pathOf, sentOut, someone } from "./gate-page.mjs";

/** @typedef {import("puppeteer-core").BrowserContext} Context */
/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("../api/journey.mjs").Target} Target */

const REPORT = "/portfolio/confidential/";
/** Ages the session by as much as a column of whole seconds can show. */
const A_SECOND_LATER = 1100;

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {string} time */
const ms = (time) => Date.parse(time);

/**
 * Goes to the report, through the gate.
 *
 * @param {Target} target
 * @param {Context} visitor
 * @param {string} email
 */
async function enter(target, visitor, email) {
  const page = await visitor.newPage();
  await page.goto(target.url + REPORT);
  await leaveEmail(page, email);
  assert.equal(await pathOf(page), REPORT);
  return page;
}

/** Looks at a page, for some seconds. @param {Page} page @param {number} seconds */
async function reads(page, seconds) {
  for (let half = 0; half < 2 * seconds; half += 1) {
    await page.mouse.move(200 + 10 * half, 200 + 5 * half);
    await sleep(500);
  }
}

/**
 * When something happened, in Unix milliseconds: not known better than that it was in between.
 *
 * @typedef {{ from: number, to: number }} Moment
 */

/**
 * Does something, and says when.
 *
 * @template T
 * @param {() => Promise<T>} deed
 * @returns {Promise<Moment & { done: T }>}
 */
async function during(deed) {
  const from = Date.now();
  const done = await deed();
  return { from, to: Date.now(), done };
}

/**
 * Whether a cell of whole seconds says this moment: as the server had it told, which may be after the
 * browser was done with it.
 *
 * @param {Moment} moment
 * @param {string} cell
 */
const isIn = ({ from, to }, cell) => ms(cell) > from - 1000 && ms(cell) <= to + 1000;

/**
 * Asserts that a page's seconds are those from the first to the second moment of each pair.
 *
 * @param {number} seconds
 * @param {[Moment, Moment][]} looks
 */
function assertLooked(seconds, looks) {
  const sum = (/** @type {number[]} */ some) => some.reduce((all, one) => all + one, 0) / 1000;
  const least = sum(looks.map(([begin, end]) => end.from - begin.to));
  const most = sum(looks.map(([begin, end]) => end.to - begin.from));
  const said = `${seconds} s counted, ${least} to ${most} s looked at`;
  // Half a second of it is rounding.
  assert.ok(seconds > least - 1 && seconds < most + 1, said);
}

/** @param {Target} target @param {string} email */
async function rowOf(target, email) {
  const rows = (await target.rows()).filter((row) => row.emailOfAccessor === email);
  assert.equal(rows.length, 1, `rows of ${email}`);
  return rows[0] ?? assert.fail();
}

suite("in a browser, while the owner works in the NocoDB table", () => {
  /** @type {import("../api/journey.mjs").TargetWithTable} */
  let target;
  before(async () => {
    target = await serveOnNocodb();
  });
  after(async () => {
    await target?.stop();
  });

  test("a word that the owner types sends the visitor out", (t) =>
    asVisitor(browser, t, async (visitor) => {
      const email = someone();
      const page = await enter(target, visitor, email);
      await until("heartbeat", async () => (await rowOf(target, email)).currentPage === REPORT);
      const front = await hide(page);
      await sleep(A_SECOND_LATER);
      await target.type((await rowOf(target, email)).id, { endReason: "enough" });
      await front.close();
      await page.bringToFront();
      await sentOut(page);
      assert.equal(await message(page), "revoked");
    }));
});

/** A browser cannot tell which store there is. @type {[where: string, start: typeof serveOnSqlite][]} */
const STORES = [["in a browser, with lastseen serve on SQLite", serveOnSqlite]];
if (isThorough) STORES.push(["in a browser, with lastseen serve on NocoDB", serveOnNocodb]);

for (const [where, start] of STORES) {
  suite(where, () => {
    /** @type {Target} */
    let target;
    before(async () => {
      target = await start();
    });
    after(async () => {
      await target?.stop();
    });

    test("the gate stands before the report, lets in and leads back to it", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await visitor.newPage();
        await page.goto(`${target.url}${REPORT}figures/?view=costs`);
        assert.equal(await pathOf(page), "/access/");
        await leaveEmail(page, email);
        assert.equal(
          await page.evaluate(() => location.pathname + location.search),
          `${REPORT}figures/?view=costs`,
        );
        await until(
          "heartbeat in the row",
          async () => (await rowOf(target, email)).currentPage === `${REPORT}figures/`,
        );
      }));

    test("an address that is none is refused with a message, and nobody is let in", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const page = await visitor.newPage();
        await page.goto(target.url + REPORT);
        await page.$eval("main form", (form) => {
          /** @type {HTMLFormElement} */ (form).noValidate = true;
        });
        await leaveEmail(page, "nobody");
        assert.equal(await message(page), "invalid-email");
        await leaveEmail(page, someone());
        assert.equal(await pathOf(page), REPORT, "the way back survives a mistake");
      }));

    test("the gate works without JavaScript, messages and way back included", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const page = await visitor.newPage();
        await page.setJavaScriptEnabled(false);
        await page.goto(`${target.url}/access/?error=invalid-email#invalid-email`);
        assert.equal(await message(page), "invalid-email");
        await page.goto(`${target.url}${REPORT}figures/`);
        await leaveEmail(page, someone());
        assert.equal(await pathOf(page), `${REPORT}figures/`);
        await Promise.all([page.waitForNavigation(), page.click("header form button")]);
        assert.equal(await message(page), "logout");
      }));

    test("a page that is hidden says goodbye, and says so when it is looked at again", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await enter(target, visitor, email);
        await until("heartbeat", async () => (await rowOf(target, email)).currentPage === REPORT);
        await sleep(A_SECOND_LATER);
        const seen = (await rowOf(target, email)).sessionEndTime;
        await hide(page);
        await until("goodbye", async () => (await rowOf(target, email)).sessionEndTime > seen);
        const left = (await rowOf(target, email)).sessionEndTime;
        await sleep(2 * A_SECOND_LATER);
        assert.equal((await rowOf(target, email)).sessionEndTime, left, "hidden is not seen");
        await show(page);
        // At once it says when it was last looked at, and soon that it is again.
        const again = async () => (await rowOf(target, email)).sessionEndTime > left;
        await until("return", again, 15_000);
      }));

    test("a tab that is closed was last seen when it was closed, and has no end reason", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await enter(target, visitor, email);
        await visitor.newPage();
        await show(page);
        await sleep(2 * A_SECOND_LATER);
        const closed = await during(() => close(page));
        await until("goodbye", async () =>
          isIn(closed, (await rowOf(target, email)).sessionEndTime),
        );
        assert.equal((await rowOf(target, email)).endReason, null);
      }));

    test("a tab hidden before another browser logged out was last seen when it was hidden", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await enter(target, visitor, email);
        const hidden = await during(() => hide(page));
        await sleep(6000);
        await asVisitor(browser, t, async (other) => {
          const elsewhere = await other.newPage();
          await elsewhere.goto(target.url + REPORT);
          await leaveEmail(elsewhere, email);
          await Promise.all([elsewhere.waitForNavigation(), elsewhere.click("header form button")]);
        });
        await hidden.done.close();
        await page.bringToFront();
        await sentOut(page);
        const [row] = (await target.rows()).filter((one) => one.emailOfAccessor === email);
        assert.equal(row?.endReason, "logout");
        assert.ok(isIn(hidden, row?.sessionEndTime ?? ""), `${row?.sessionEndTime}`);
      }));

    test("logging out in one tab ends the other", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const first = await enter(target, visitor, email);
        const second = await visitor.newPage();
        await second.goto(`${target.url}${REPORT}figures/`);
        await Promise.all([second.waitForNavigation(), second.click("header form button")]);
        assert.equal(await pathOf(second), "/access/");
        assert.equal(await message(second), "logout");
        const row = await rowOf(target, email);
        assert.equal(row.endReason, "logout");
        assert.ok(row.endedAt);

        await first.bringToFront();
        await sentOut(first);
        const response = await first.goto(target.url + REPORT);
        assert.equal(await pathOf(first), "/access/", `shut: ${response?.status()}`);
      }));

    test("the row says how long each page was looked at, and not how long it was open", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const entering = await during(() => enter(target, visitor, email));
        const page = entering.done;
        await reads(page, 4);
        const turning = await during(() => page.goto(`${target.url}${REPORT}figures/`));
        await reads(page, 3);
        const hiding = await during(() => hide(page));
        await sleep(4000);
        const showing = await during(async () => {
          await hiding.done.close();
          await page.bringToFront();
        });
        await reads(page, 2);
        const closing = await during(() => close(page));
        await until("goodbye", async () =>
          isIn(closing, (await rowOf(target, email)).sessionEndTime),
        );
        const { pages, activeSeconds, sessionStartTime, sessionEndTime } = await rowOf(
          target,
          email,
        );
        const nothing = { seconds: 0, scroll: 0 };
        const { seconds: report, scroll = 0 } = pages?.[REPORT] ?? nothing;
        const { seconds: figures } = pages?.[`${REPORT}figures/`] ?? nothing;
        assertLooked(report, [[entering, turning]]);
        assertLooked(figures, [
          [turning, hiding],
          [showing, closing],
        ]);
        assert.equal(activeSeconds, report + figures);
        assert.ok(scroll > 0 && scroll <= 100);
        const span = (ms(sessionEndTime) - ms(sessionStartTime)) / 1000;
        // Four seconds hidden, of which whole seconds hide less than two.
        assert.ok(span >= Number(activeSeconds) + 2, `${span} s from start to end`);
      }));
  });

  suite(`${where}, with an idle timeout of six seconds`, () => {
    /** @type {Target} */
    let target;
    before(async () => {
      target = await start({ IDLE_TIMEOUT_SECONDS: "6" });
    });
    after(async () => {
      await target?.stop();
    });

    test("whoever walks away is warned, may stay, and is logged out in the end", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await enter(target, visitor, email);
        await reads(page, 2);
        await page.waitForSelector("dialog[open]", { timeout: 6000 });
        await page.keyboard.press("Enter");
        await page.waitForFunction(() => !document.querySelector("dialog[open]"));
        const stayed = Date.now();
        await page.waitForSelector("dialog[open]", { timeout: 12_000 });
        await page.waitForFunction(() => location.pathname === "/access/", { timeout: 12_000 });
        const gone = Date.now();
        assert.equal(await message(page), "idle");
        const took = gone - stayed;
        // With asking, logging out, and loading the gate.
        assert.ok(took >= 4000 && took <= 12_000, `${took} ms after Stay`);
        const row = await rowOf(target, email);
        assert.equal(row.endReason, "idle");
        assert.ok(ms(row.sessionEndTime) <= stayed + 6500, "the end is when they were last seen");
        assert.ok(Number(row.activeSeconds) <= 12, `${row.activeSeconds}`);
      }));

    test("a tab that is hidden when the time comes shows nothing when it is seen again", (t) =>
      asVisitor(browser, t, async (visitor) => {
        const email = someone();
        const page = await enter(target, visitor, email);
        await reads(page, 1);
        const front = await hide(page);
        await until("end", async () => (await rowOf(target, email)).endReason === "idle", 12_000);
        await front.close();
        await page.bringToFront();
        await sentOut(page);
      }));
  });
}
