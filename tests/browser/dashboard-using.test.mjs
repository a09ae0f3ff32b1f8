/** The dashboard as its owner uses it: signing in, looking while it moves, asking, revoking. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hide, launch, quit } from "../harness/browser.mjs";
import { until } from "../harness/process.mjs";
import { DashboardMock, ONCE, picture, problem, sees, TOKEN, words } from "./dashboard-mock.mjs";
import { aMonth, iso, visit } from "./dashboard-report.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {Page} page @param {string} selector */
const text = (page, selector) =>
  page.$eval(selector, (element) => element.textContent?.trim() ?? "");

/** @param {Page} page */
const search = (page) => page.evaluate(() => location.search);

/** Makes the page's clocks and timers run faster, so that minutes take seconds. @param {Page} page @param {number} factor */
async function speedUp(page, factor) {
  await page.evaluateOnNewDocument((times) => {
    const timer = window.setTimeout.bind(window);
    const start = Date.now();
    const wall = Date.now.bind(Date);
    Date.now = () => start + (wall() - start) * times;
    // @ts-expect-error: the parts of setTimeout that the page uses
    window.setTimeout = (step, ms = 0) => timer(step, ms / times);
  }, factor);
}

suite("signing in", () => {
  test("asks for the token, says when it is wrong, and shows the figures when it is right", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    await page.goto(`${mock.url}/admin/?view=visits&range=7`);
    await page.waitForSelector("#sign-in:not([hidden])");
    assert.equal(await page.$eval("#app", (app) => app.checkVisibility()), false);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "token");
    assert.equal(
      await page.$eval("#token", (field) => field.getAttribute("autocomplete")),
      "current-password",
    );
    await page.keyboard.type("something-else");
    await page.keyboard.press("Enter");
    await sees(page, "This is not the owner's token.");
    assert.equal(
      await page.evaluate(() => document.activeElement?.id),
      "sign-in-message",
      "it is read out",
    );
    await page.$eval("#token", (field) => {
      /** @type {HTMLInputElement} */ (field).value = "";
    });
    await page.type("#token", TOKEN);
    await page.keyboard.press("Enter");
    await sees(page, "Newest first");
    assert.equal(await search(page), "?view=visits&range=7");
    assert.equal(
      await page.$eval("#token", (field) => /** @type {HTMLInputElement} */ (field).value),
      "",
    );
    assert.deepEqual(
      mock.callsOf("/api/admin/login").map(({ body }) => JSON.parse(body)),
      [{ token: "something-else" }, { token: TOKEN }],
    );
  });

  test("a link signs in by itself and leaves nothing in the address", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    await page.goto(`${mock.url}/admin/?view=pages#once=${ONCE}`);
    await sees(page, "Read down to");
    assert.equal(await page.evaluate(() => location.href), `${mock.url}/admin/?view=pages`);
    const asked = mock.calls.map(({ path }) => path);
    assert.equal(asked[0], "/api/admin/login", "nothing is asked before");
    await page.goBack();
    assert.doesNotMatch(page.url(), /once/, "and nothing in the history");
  });

  test("a link with the token signs nobody in, and leaves no token in the address", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    await page.goto(`${mock.url}/admin/#token=${TOKEN}`);
    await sees(page, "Links do not take the owner's token");
    assert.equal(page.url(), `${mock.url}/admin/`);
    assert.equal(mock.callsOf("/api/admin/login").length, 0);
  });

  for (const [code, told] of [
    ["link-used", "This link has been used"],
    ["link-expired", "This link is older than ten minutes"],
    ["wrong-link", "This is no sign-in link of this site"],
  ]) {
    test(`a link that signs nobody in (${code}) says why, and how to get another`, async (t) => {
      const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
        mock.isIn = false;
      });
      mock.respond = ({ path }) =>
        path === "/api/admin/login" ? problem(401, code ?? "") : undefined;
      await page.goto(`${mock.url}/admin/#once=${ONCE}`);
      await sees(page, told ?? "");
      await sees(page, "lastseen admin link");
      assert.equal(page.url(), `${mock.url}/admin/`);
      assert.equal(
        await page.$eval("#token", (field) => field.getAttribute("aria-invalid")),
        "false",
      );
    });
  }

  test("a link that is pasted into an open page signs in, too", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    await page.goto(`${mock.url}/admin/#once=wrong`);
    await sees(page, "This is no sign-in link of this site");
    assert.equal(await page.evaluate(() => location.hash), "");
    await page.evaluate((once) => {
      location.hash = `once=${once}`;
    }, ONCE);
    await sees(page, "Visits over time");
    assert.equal(await page.evaluate(() => location.hash), "");
  });

  test("of two tries at once the later one says how it stands", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    mock.respond = ({ body }) =>
      body.includes("wrong") ? { ...problem(401, "link-used"), delayMs: 1000 } : undefined;
    await page.goto(`${mock.url}/admin/#once=wrong`);
    await until("the first try", async () => mock.callsOf("/api/admin/login").length === 1);
    await page.evaluate((once) => {
      location.hash = `once=${once}`;
    }, ONCE);
    await sees(page, "Visits over time");
    await sleep(1500);
    assert.doesNotMatch(await words(page), /has been used/);
    assert.equal(await page.$eval("#sign-in", (form) => form.checkVisibility()), false);
  });

  for (const [error, told] of [
    ["wrong-token", "This is not the owner's token."],
    ["limited", "That was tried too often."],
  ]) {
    test(`the redirect of a form without script (error=${error}) is explained`, async (t) => {
      const { mock, page } = await DashboardMock.open(browser, t);
      await page.goto(`${mock.url}/admin/?error=${error}#${error}`);
      await sees(page, told ?? "");
      assert.equal(await search(page), "");
    });
  }

  test("tried too often says how long to wait", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.isIn = false;
    });
    mock.respond = ({ path }) =>
      path === "/api/admin/login"
        ? { ...problem(429, "limited"), headers: { "Retry-After": "30" } }
        : undefined;
    await page.goto(`${mock.url}/admin/#once=x`);
    await sees(page, "Try again in 30 seconds.");
  });

  for (const [reason, message] of [
    // The server's word, and the browser's, which forgets the cookie at the same moment.
    ["expired", "Your sign-in has run out. Sign in again"],
    ["missing", "Your sign-in has run out, or you signed out in another tab."],
  ]) {
    test(`a login that runs out (${reason}) in the middle of work says so, hides the figures, and comes back to them`, async (t) => {
      const { mock, page } = await DashboardMock.open(browser, t);
      await page.goto(`${mock.url}/admin/?view=visitors&range=all&domain=contoso.example`);
      await sees(page, "hana.sato@contoso.example");
      mock.isIn = false;
      mock.reason = reason;
      await page.click("#refresh");
      await sees(page, message);
      assert.doesNotMatch(await page.content(), /hana\.sato/);
      await page.type("#token", TOKEN);
      await page.keyboard.press("Enter");
      await sees(page, "hana.sato@contoso.example");
      assert.equal(await search(page), "?view=visitors&range=all&domain=contoso.example");
    });
  }

  test("signing out ends it, and the back button shows nothing", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "Visits over time");
    await page.click("nav li:nth-child(2) a");
    await sees(page, "Time per visitor");
    await page.click("#sign-out");
    await sees(page, "You are signed out.");
    assert.equal(mock.callsOf("/api/admin/logout").length, 1);
    await page.goBack();
    await sees(page, "Owner's token");
    assert.doesNotMatch(await page.content(), /@contoso/);
  });
});

suite("looking now", () => {
  test("is brought up to date every 10 s, and rests while the page is hidden", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await speedUp(page, 10);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "bo@fabrikam.example");
    const asked = () => mock.callsOf("/api/summary").length;
    const before = asked();
    mock.visits = [
      visit({
        id: "9",
        email: "new@example.com",
        start: iso(Date.now()),
        state: "open",
        looking: true,
      }),
      ...mock.visits,
    ];
    await sees(page, "new@example.com");
    await sleep(3200);
    const times = asked() - before;
    assert.ok(times >= 3 && times <= 6, `asked ${times} times in about 40 s`);
    assert.ok(mock.callsOf("/api/visitors").length <= 2, "the list of visitors moves slowly");
    const front = await hide(page);
    await sleep(300);
    const hidden = asked();
    await sleep(2500);
    assert.equal(asked(), hidden, "hidden, it asks nothing");
    await front.close();
    await page.bringToFront();
    await until("question", async () => asked() > hidden);
  });

  test("keeps the keyboard where it is, and open tables open, when figures change", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await speedUp(page, 10);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "bo@fabrikam.example");
    await page.click(".behind summary");
    await page.$$eval(".live a", (all) =>
      all.find((one) => one.textContent?.startsWith("bo@"))?.focus(),
    );
    mock.visits = [
      visit({
        id: "9",
        email: "new@example.com",
        start: iso(Date.now()),
        state: "open",
        looking: true,
      }),
      ...mock.visits,
    ];
    await sees(page, "new@example.com");
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      "bo@fabrikam.example",
    );
    assert.equal(await page.$eval("details", (one) => one.open), true);
  });

  test("says how old the figures are, by the server's clock", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    // This browser's clock is an hour fast.
    await page.evaluateOnNewDocument(() => {
      const wall = Date.now.bind(Date);
      Date.now = () => wall() + 3_600_000;
    });
    mock.data = { olderAsOf: iso(Date.now() - 300_000) };
    await page.goto(`${mock.url}/admin/?view=visits&tz=Europe/Berlin`);
    await sees(page, "Newest first");
    const line = await text(page, "#freshness");
    assert.match(line, /^Figures from \d{1,2} s ago, older visits from 5 min ago/);
    assert.match(line, /The last 30 days, times in Europe\/Berlin \(UTC\+[12]\)$/);
    await page.waitForFunction(
      (was) => document.querySelector("#freshness")?.textContent !== was,
      { timeout: 5000 },
      line,
    );
  });

  test("keeps the old figures when the store does not answer, asks less and less, and recovers", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await speedUp(page, 10);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "bo@fabrikam.example");
    /** @type {number[]} */
    const times = [];
    mock.respond = ({ path }) => {
      if (path === "/api/summary") times.push(Date.now());
      return problem(503, "unavailable");
    };
    await sees(
      page,
      "The store does not answer right now. The figures below are the last that came.",
    );
    assert.match(await words(page), /bo@fabrikam\.example/);
    assert.equal(await page.$eval("#view", (view) => view.className), "stale");
    await until("three tries", async () => times.length >= 4, 30_000);
    const [first = 0, second = 0, third = 0, fourth = 0] = times;
    // 10, 20 and 40 s, and never sooner.
    assert.ok(second - first > 900, `${times}`);
    assert.ok(third - second > 1900, `${times}`);
    assert.ok(fourth - third > 3900, `${times}`);
    mock.respond = undefined;
    await page.click("#trouble button");
    await page.waitForFunction(() => document.getElementById("trouble")?.hidden, {
      timeout: 20_000,
    });
    assert.equal(await page.$eval("#view", (view) => view.className), "");
  });

  test("says that it is offline, and goes on by itself when it is not", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "bo@fabrikam.example");
    await page.setOfflineMode(true);
    await sees(page, "You are offline. The figures below are the last that came.");
    await picture(page, "offline");
    await page.setOfflineMode(false);
    // Where the network is back a moment later than the page hears of it, it asks again after ten seconds.
    await page.waitForFunction(() => document.getElementById("trouble")?.hidden, {
      timeout: 15_000,
    });
  });

  test("an answer that breaks off is no answer", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    for (const end of [{ drop: true }, { cut: true }]) {
      mock.respond = () => end;
      await page.goto(`${mock.url}/admin/`);
      await sees(page, "The server cannot be reached.");
    }
  });

  test("an answer that begins and never ends is given up", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await speedUp(page, 40);
    mock.respond = (call) => ({ ...mock.answer(call), bodyDelayMs: 20_000 });
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "The server cannot be reached.");
  });

  test("while older visits are still being read it says how far, and soon asks again", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    mock.data = { leftOut: true, complete: false, rows: 12_000, stored: 100_000 };
    await page.goto(`${mock.url}/admin/?view=visitors`);
    await sees(page, "Older visits are still being read: 12,000 of 100,000.");
    mock.data = { leftOut: true, complete: false, rows: 60_000, stored: null };
    await sees(page, "60,000 so far.");
    mock.data = {};
    await page.waitForFunction(() => document.getElementById("partial")?.hidden, { timeout: 6000 });
  });
});

suite("asking", () => {
  test("filters go into the address, reach the API, and come back with the back button", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits&tz=UTC&range=all`);
    await sees(page, "Newest first");
    await page.type("#who", "@contoso.example");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.search.includes("domain=contoso.example"));
    await page.select("#ending", "idle");
    await page.waitForFunction(() => location.search.includes("reason=idle"));
    await until("the answer", async () => mock.calls.at(-1)?.query.get("reason") === "idle");
    const query = Object.fromEntries(mock.calls.at(-1)?.query ?? []);
    assert.deepEqual(query, { domain: "contoso.example", reason: "idle", tz: "UTC" });
    await until("rows", async () =>
      (await page.$$eval("tbody th", (all) => all.map((one) => one.textContent ?? ""))).every(
        (one) => one.endsWith("@contoso.example"),
      ),
    );
    await page.goBack();
    await page.waitForFunction(
      () => /** @type {any} */ (document.getElementById("ending")).value === "",
    );
    await page.goBack();
    await page.waitForFunction(
      () => /** @type {any} */ (document.getElementById("who")).value === "",
    );
  });

  test("what is not asked for any more shows nothing, however late it comes", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits&tz=UTC&range=all`);
    await sees(page, "Newest first");
    const endings = () =>
      page.$$eval("tbody tr", (all) =>
        all.map((one) => one.textContent?.includes("Idle") ?? false),
      );
    assert.ok((await endings()).includes(false));
    mock.respond = (call) =>
      call.query.get("reason") === null ? { ...mock.answer(call), bodyDelayMs: 1000 } : undefined;
    const asked = mock.calls.length;
    await page.click("#refresh");
    await until("the question", async () => mock.calls.length > asked);
    // Its headers are there.
    await sleep(200);
    await page.select("#ending", "idle");
    await until("the rows", async () => !(await endings()).includes(false));
    await sleep(1500);
    assert.ok(!(await endings()).includes(false), "the rows of all endings came later");
  });

  test("a preset takes the place of dates, and dates that of a preset", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits&tz=UTC`);
    await sees(page, "Newest first");
    const pressed = () =>
      page.$$eval('#presets [aria-pressed="true"]', (all) => all.map((one) => one.textContent));
    assert.deepEqual(await pressed(), ["30 days"]);
    await page.$eval("#from", (field) => {
      /** @type {HTMLInputElement} */ (field).value = "2026-11-01";
      field.dispatchEvent(new Event("change", { bubbles: true }));
    });
    await page.waitForFunction(() => location.search.includes("from=2026-11-01"));
    assert.deepEqual(await pressed(), []);
    await until("the answer", async () => mock.calls.at(-1)?.query.get("from") === "2026-11-01");
    await page.click("#presets button");
    await page.waitForFunction(() => location.search.includes("range=today"));
    assert.deepEqual(await pressed(), ["Today"]);
    assert.equal(
      await page.$eval("#from", (field) => /** @type {HTMLInputElement} */ (field).value),
      "",
    );
  });

  for (const [parameter, field] of [
    ["from", "from"],
    ["to", "to"],
    ["email", "who"],
    ["domain", "who"],
    ["reason", "ending"],
    ["state", "ending"],
    ["tz", "tz"],
  ]) {
    test(`what is wrong with ${parameter} is said at its field`, async (t) => {
      const { mock, page } = await DashboardMock.open(browser, t);
      const detail = `${parameter}: is not what it should be`;
      mock.respond = () => problem(400, "invalid-parameter", { parameter, detail });
      await page.goto(`${mock.url}/admin/`);
      await sees(page, detail);
      const [isInvalid, describedBy] = await page.$eval(`#${field}`, (one) => [
        one.getAttribute("aria-invalid"),
        one.getAttribute("aria-describedby"),
      ]);
      assert.equal(isInvalid, "true");
      assert.equal(await text(page, `#${describedBy}`), detail);
      mock.respond = undefined;
      await page.click("#refresh");
      await page.waitForFunction(
        (id) => !document.getElementById(id ?? "")?.hasAttribute("aria-invalid"),
        {},
        field,
      );
    });
  }

  test("a zone that no browser knows is asked for all the same, for the server to say so", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    mock.respond = ({ query }) =>
      query.get("tz") === "Moon/Base"
        ? problem(400, "invalid-parameter", {
            parameter: "tz",
            detail: "tz: there is no such time zone",
          })
        : undefined;
    await page.goto(`${mock.url}/admin/?tz=Moon/Base`);
    await sees(page, "tz: there is no such time zone");
    await page.select("#tz", "UTC");
    await sees(page, "Visits over time");
  });

  test("a bookmark of an order that is none shows the usual one", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visitors&sort=foo`);
    await sees(page, "Time per visitor");
    assert.equal(mock.callsOf("/api/visitors").at(-1)?.query.get("sort"), null);
  });

  test("nothing found offers the way back to all there is", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits&domain=nobody.example&range=7`);
    await sees(page, "No visits match these filters");
    await page.click(".empty a");
    await sees(page, "Newest first");
    assert.equal(await search(page), "?view=visits&range=all");
  });

  test("visitors are sorted by the server, and the header says by what", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visitors`);
    await sees(page, "Time per visitor");
    await page.$$eval(".sort", (/** @type {any[]} */ all) =>
      all.find((one) => one.textContent === "Active time")?.click(),
    );
    await page.waitForFunction(() => location.search.includes("sort=active"));
    await page.waitForFunction(
      () => document.querySelector("[aria-sort]")?.textContent === "Active time",
    );
    assert.equal(mock.callsOf("/api/visitors").at(-1)?.query.get("sort"), "active");
    assert.equal(
      await page.$eval("[aria-sort]", (one) => one.getAttribute("aria-sort")),
      "descending",
    );
    const shares = await page.$$eval("span.bar", (/** @type {any[]} */ all) =>
      all.map((one) => Number(one.style.getPropertyValue("--share"))),
    );
    assert.equal(shares[0], 1);
    assert.deepEqual(
      shares,
      [...shares].sort((a, b) => b - a),
    );
  });

  test("ten thousand visits are shown a hundred at a time, and quickly", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.visits = aMonth(Date.now(), 10_000);
    });
    await page.goto(`${mock.url}/admin/?view=visits`);
    await sees(page, "100 of 10,000 visits");
    const rows = () => page.$$eval("tbody tr", (all) => all.length);
    assert.equal(await rows(), 100);
    await page.focus(".pager button");
    await page.keyboard.press("Enter");
    await sees(page, "200 of 10,000 visits");
    assert.equal(await rows(), 200);
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      "Show more",
      "the keyboard stays",
    );
    const took = await page.evaluate(async () => {
      const begin = performance.now();
      /** @type {HTMLElement} */ (document.querySelector(".pager button")).click();
      while (!document.body.innerText.includes("300 of 10,000"))
        await new Promise((next) => setTimeout(next, 20));
      return performance.now() - begin;
    });
    // Generous, for the machine may be busy with other tests.
    assert.ok(took < 5000, `${took} ms`);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "Visits over time");
  });

  test("a visitor's view adds their visits up to the second, and leads back", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      const email = "ann@example.com";
      const pages = [{ path: "/x/", seconds: 300, scroll: 85 }];
      // At noon, where a visit is drawn in one stretch: one that goes on past midnight is drawn in two.
      const noon = Math.floor(Date.now() / 864e5) * 864e5 - 432e5;
      mock.visits = [
        visit({
          id: "2",
          email,
          start: iso(noon),
          durationSeconds: 480,
          activeSeconds: 60,
          pages,
        }),
        visit({
          id: "1",
          email,
          start: iso(noon - 864e5),
          durationSeconds: 2820,
          activeSeconds: 65,
          pages,
        }),
        visit({
          id: "3",
          email: "other@example.com",
          start: iso(noon - 9e7),
          durationSeconds: 60,
        }),
      ];
    });
    await page.goto(`${mock.url}/admin/?view=visits&tz=UTC`);
    await sees(page, "Newest first");
    await page.click("tbody a");
    await sees(page, "Timeline");
    assert.equal(await text(page, "#view h1"), "ann@example.com");
    const told = await words(page);
    assert.match(told, /47 min \+ 8 min = 55 min/);
    assert.match(told, /1 min 05 s \+ 1 min = 2 min 05 s/);
    assert.match(told, /read to 85 %/);
    assert.equal(await page.$$eval(".stretch", (all) => all.length), 2);
    assert.doesNotMatch(told, /other@/);
    await page.$$eval("a", (all) =>
      all.find((one) => one.textContent === "← All visitors")?.click(),
    );
    await sees(page, "other@example.com");
  });

  test("a visit past midnight is drawn on both days, on a day of 25 hours by its length", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.visits = [
        // Berlin, the night that clocks go back: from 23:00 to 5:00, which is seven hours.
        visit({ id: "1", start: "2026-10-24T21:00:00Z", durationSeconds: 7 * 3600 }),
      ];
    });
    await page.goto(
      `${mock.url}/admin/?view=visitor&email=ann@example.com&range=all&tz=Europe/Berlin`,
    );
    await sees(page, "Sunday, 25 October 2026");
    const stretches = await page.$$eval(".stretch", (all) =>
      all.map((one) =>
        ["--at", "--long"].map((name) =>
          Math.round(2400 * Number(/** @type {HTMLElement} */ (one).style.getPropertyValue(name))),
        ),
      ),
    );
    assert.deepEqual(stretches, [
      [0, 576],
      [2300, 100],
    ]);
    assert.match(await words(page), /23:00 to 05:00 on Sunday/);
  });

  test("hours of the day that clocks go back are named apart in the table behind the chart", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
      mock.visits = [visit({ start: "2026-10-25T00:30:00Z", durationSeconds: 60 })];
    });
    await page.goto(`${mock.url}/admin/?from=2026-10-25&to=2026-10-25&tz=Europe/Berlin`);
    await sees(page, "Visits over time");
    await page.click(".behind summary");
    await page.waitForSelector("table.small tbody tr");
    const names = await page.$$eval("table.small tbody th", (all) =>
      all.map((one) => one.textContent),
    );
    assert.equal(names.length, 25);
    assert.deepEqual(names.slice(21, 24), [
      "25 Oct 2026, 02:00 (UTC+01:00)",
      "25 Oct 2026, 02:00 (UTC+02:00)",
      "25 Oct 2026, 01:00",
    ]);
    await picture(page, "clocks-go-back");
  });
});

test("the chart says what is under the pointer, and draws what it is asked to", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
    const today = new Date().toISOString().slice(0, 10);
    mock.visits = [
      visit({ id: "1", start: `${today}T00:00:01Z`, durationSeconds: 100, activeSeconds: 65 }),
      visit({ id: "2", start: `${today}T00:00:00Z`, durationSeconds: 100, activeSeconds: 60 }),
    ];
  });
  await page.goto(`${mock.url}/admin/?range=7&tz=UTC`);
  const plot = await page.waitForSelector(".u-over");
  const point = async () => {
    await plot?.scrollIntoView();
    const box = await plot?.boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.move(box.x + box.width - 10, box.y + 20);
    return text(page, ".tip strong");
  };
  assert.equal(await point(), "2 visits");
  for (const [label, told] of [
    ["Visitors", "1 visitor"],
    ["Active time", "2 min 05 s active"],
  ]) {
    await page.$$eval(
      ".panel .segments button",
      (/** @type {any[]} */ all, name) => all.find((one) => one.textContent === name)?.click(),
      label,
    );
    await page.waitForFunction(
      (name) =>
        document.querySelector(".panel .segments [aria-pressed=true]")?.textContent === name,
      {},
      label,
    );
    const box = await (await page.waitForSelector(".u-over"))?.boundingBox();
    assert.ok(box);
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.move(box.x + box.width - 10, box.y + 20);
    assert.equal(await text(page, ".tip strong"), told);
  }
  assert.match(
    await page.$eval(".chart", (chart) => chart.getAttribute("aria-label") ?? ""),
    /^Bars for 7 days\. The highest: 2 min 05 s active, /,
  );
});

test("a hundred years of months are drawn as a line, and their table is made when it is opened", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  const items = Array.from({ length: 1200 }, (_, month) => ({
    start: `${1927 + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}-01T00:00:00Z`,
    label: "",
    sessions: month % 7,
    visitors: month % 5,
    durationSeconds: month,
    activeSeconds: month,
  }));
  mock.respond = (call) => {
    if (call.path !== "/api/summary") return undefined;
    const answer = mock.answer(call);
    const json = /** @type {any} */ (answer.json);
    return { json: { ...json, periods: { unit: "month", timeZone: "UTC", items } } };
  };
  await page.goto(`${mock.url}/admin/?range=all&tz=UTC`);
  await page.waitForSelector(".u-over");
  await picture(page, "a-hundred-years");
  assert.equal(await page.$$eval("table.small tbody tr", (all) => all.length), 0);
  await page.click(".behind summary");
  await page.waitForSelector("table.small tbody tr");
  assert.equal(await page.$$eval("table.small tbody tr", (all) => all.length), 1200);
});

suite("revoking", () => {
  test("asks first, ends the visit, and says so", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits`);
    await sees(page, "Newest first");
    const buttons = () => page.$$eval('tbody button[aria-label^="Revoke"]', (all) => all.length);
    assert.equal(await buttons(), 3, "only what is open can be revoked");
    await page.click('tbody button[aria-label^="Revoke"]');
    await page.waitForSelector("dialog[open]");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Cancel");
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector("dialog[open]"));
    assert.match(
      await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? ""),
      /^Revoke/,
    );
    await page.keyboard.press("Enter");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await sees(page, "is revoked.");
    await until("the row", async () => (await buttons()) === 2);
    await page.waitForFunction(() => document.activeElement?.id === "main");
    assert.equal(mock.calls.filter(({ path }) => path.endsWith("/revoke")).length, 1);
  });

  test("a question that was called off does not answer the next one, however soon that is asked", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visits`);
    await sees(page, "Newest first");
    // Browsers tell of a dialog's closing a task later, which a busy one has not come to yet.
    await page.$eval('tbody button[aria-label^="Revoke"]', (button) => {
      const press = () => /** @type {HTMLButtonElement} */ (button).click();
      press();
      document.querySelector("dialog")?.close();
      press();
    });
    await page.click("#confirm-yes");
    await sees(page, "is revoked.");
    assert.equal(mock.calls.filter(({ path }) => path.endsWith("/revoke")).length, 1);
  });

  test("a visit that has ended meanwhile is said to have", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "Looking now");
    for (const one of mock.visits)
      Object.assign(one, { state: "ended", endReason: "logout", looking: false });
    await page.click(".live button");
    await page.click("#confirm-yes");
    await sees(page, "had ended before (Logout).");
    await sees(page, "Nobody is looking right now.");
  });

  test("a visitor's open visits are revoked together", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/?view=visitor&email=bo@fabrikam.example`);
    await sees(page, "Timeline");
    await page.click(".visitor-head .danger");
    await page.click("#confirm-yes");
    await sees(page, "1 visit of bo@fabrikam.example revoked.");
    await page.waitForFunction(() => !document.querySelector(".visitor-head .danger"));
    assert.deepEqual(JSON.parse(mock.callsOf("/api/sessions/revoke")[0]?.body ?? ""), {
      email: "bo@fabrikam.example",
    });
  });

  test("a failure is said, and nothing pretends to be revoked", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "Looking now");
    mock.respond = ({ method }) => (method === "POST" ? problem(503, "unavailable") : undefined);
    await page.click(".live button");
    await page.click("#confirm-yes");
    await sees(page, "The store does not answer right now.");
    assert.equal(await page.$$eval(".live li", (all) => all.length), 3);
  });

  test("a failure is said, too, where the figures were asked for again meanwhile", async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t);
    await page.goto(`${mock.url}/admin/`);
    await sees(page, "Looking now");
    mock.respond = ({ method }) =>
      method === "POST" ? { ...problem(503, "unavailable"), delayMs: 1000 } : undefined;
    await page.click(".live button");
    await page.click("#confirm-yes");
    await until("the revoking", async () => mock.calls.at(-1)?.method === "POST");
    await page.click("#refresh");
    await sees(page, "The store does not answer right now.");
  });
});

test("everything can be reached and used by keyboard, in the order it stands", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  await page.goto(`${mock.url}/admin/?tz=UTC`);
  await sees(page, "bo@fabrikam.example");
  /** @type {string[]} */
  const stops = [];
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press("Tab");
    // Past the last one comes the browser itself.
    if (await page.evaluate(() => document.activeElement === document.body)) break;
    const [name, ring] = await page.evaluate(() => {
      const focused = /** @type {HTMLElement} */ (document.activeElement);
      const label =
        focused.getAttribute("aria-label") ?? /** @type {any} */ (focused).labels?.[0]?.textContent;
      const style = getComputedStyle(focused);
      return [
        label ?? focused.textContent?.trim().slice(0, 40) ?? "",
        `${style.outlineStyle} ${style.outlineWidth}`,
      ];
    });
    if (stops.at(-1) !== name) stops.push(name);
    assert.match(ring, /^(solid|auto) [23]px$/, `the focus can be seen on ${name}`);
  }
  const order = [
    "Skip to the figures",
    "Overview",
    "Sign out",
    "Today",
    "From",
    "Visitor or domain",
    "Time zone",
    "Refresh",
    "bo@fabrikam.example",
    "Revoke the visit of bo@fabrikam.example",
    "Visits",
    "Show as a table",
    "Logout",
    "All visitors",
    "All pages",
  ];
  const found = order.map((name) => stops.indexOf(name));
  assert.ok(!found.includes(-1), `${order.filter((_, index) => found[index] === -1)} of ${stops}`);
});

test("every view has a name of its own, and takes the keyboard along", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  await page.goto(`${mock.url}/admin/`);
  await sees(page, "Looking now");
  for (const [index, name] of ["Overview", "Visitors", "Pages", "Visits"].entries()) {
    await page.click(`nav li:nth-child(${index + 1}) a`);
    await page.waitForFunction((title) => document.title === `${title} · lastseen`, {}, name);
    assert.equal(await text(page, "nav [aria-current]"), name);
    assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  }
});
