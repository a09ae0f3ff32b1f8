import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { quit } from "../harness/browser.mjs";
import { ended, launchBrowser, MockSite, OPEN } from "./mock-site.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launchBrowser();
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

// --- Heartbeats -----------------------------------------------------------------------------

test("a page without the cookie sends nothing, not even when it is left", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.speed = 10;
  const page = await site.tab();
  await page.goto(`${site.url}/page`);
  await sleep(400);
  await page.goto(`${site.url}/other`);
  await sleep(200);
  assert.deepEqual(site.calls, []);
});

test("a heartbeat goes out on load, with a snapshot that is true and needs no preflight", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.visit("/page?quarter=2#figures");
  await site.heartbeat(1);
  const [first] = site.calls;
  assert.equal(first.method, "POST");
  assert.match(first.type ?? "", /^text\/plain/);
  const snapshot = { session: "42", seenSecondsAgo: 0, page: "/page", leaving: false };
  assert.deepEqual(first.body, snapshot);
});

test("heartbeats follow every three minutes, and no more often", async (t) => {
  const site = await MockSite.open(browser, t);
  // A third of the idle timeout is longer than the interval.
  site.answers = [{ json: { success: true, idleExpiresInSeconds: 3600 } }];
  site.speed = 120;
  await site.visit();
  await site.heartbeat(3);
  const [first, second, third] = site.heartbeats.map(({ at }) => at);
  for (const gap of [second - first, third - second]) {
    assert.ok(gap > 1300, `${gap} ms stand for three minutes, which are 1500`);
  }
});

test("a heartbeat never comes later than a third of the time the server still grants", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [{ json: { success: true, idleExpiresInSeconds: 3 } }];
  await site.visit();
  await site.heartbeat(3, 3500);
  const ages = site.heartbeats.map(({ body }) => body.seenSecondsAgo);
  assert.deepEqual(ages, [0, 0, 0], "whoever looks was last seen now");
});

test("a timer that fires early sends nothing, for the clock decides", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const page = await site.tab();
  await page.evaluateOnNewDocument(() => {
    const timer = window.setTimeout.bind(window);
    // All but the one that gives up a heartbeat without an answer, which is longer.
    // @ts-expect-error: the parts of setTimeout that the script uses
    window.setTimeout = (step, ms = 0) => timer(step, ms > 20_000 ? ms : 20);
  });
  await page.goto(`${site.url}/page`);
  await sleep(1000);
  const answered = site.heartbeats.length;
  await sleep(1000);
  assert.equal(answered, 1);
  assert.equal(site.heartbeats.length, 1);
});

test("a laptop that slept through the interval sends soon after it wakes", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 30;
  const page = await site.visit();
  await site.heartbeat(1);
  await sleep(200);
  assert.equal(site.heartbeats.length, 1);
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() + 4 * 60 * 1000;
  });
  // 15 s by the page's own timers, thirty times faster.
  await site.heartbeat(2, 1000);
});

test("a laptop that slept past the idle deadline with the page visible does not claim the night", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 30;
  site.answers = [OPEN, ended("idle", false)];
  const page = await site.visit();
  await site.heartbeat(1);
  await sleep(200);
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() + 8 * 3_600_000;
  });
  await site.heartbeat(2, 1000);
  const seenSecondsAgo = site.heartbeats[1]?.body.seenSecondsAgo;
  assert.ok(seenSecondsAgo >= 8 * 3600 - 5 && seenSecondsAgo < 8 * 3600 + 60, `${seenSecondsAgo}`);
});

test("a clock set back an hour does not stop the heartbeats", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(1);
  await page.evaluate(() => {
    const real = Date.now;
    Date.now = () => real() - 3_600_000;
  });
  await site.heartbeat(3);
});

// --- Hiding, showing, leaving ---------------------------------------------------------------

test("after a while away a page says when it was last looked at, and then that it is again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 30;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await sleep(1000);
  await page.bringToFront();
  await site.heartbeat(4, 1000);
  const [, , first, second] = site.heartbeats.map(({ body }) => body.seenSecondsAgo);
  assert.ok(first >= 25, `${first}: half a minute was simulated`);
  assert.equal(second, 0);
});

test("a page that comes back to an ended session does not claim the time in between", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 30;
  site.answers = [OPEN, OPEN, ended("logout", false)];
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await sleep(1000);
  await page.bringToFront();
  await site.heartbeat(3, 1000);
  await hideBehindAnotherTab(site);
  await sleep(500);
  const ages = site.heartbeats.slice(2).map(({ body }) => body.seenSecondsAgo);
  assert.ok(
    ages.every((age) => age >= 25),
    `${ages}`,
  );
});

test("hiding sends one farewell, and then the page is silent until it is seen again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  const farewell = { session: "42", seenSecondsAgo: 0, page: "/page", leaving: true };
  assert.deepEqual(site.heartbeats[1].body, farewell);
  assert.match(site.heartbeats[1].type ?? "", /^text\/plain/);
  await sleep(2300);
  assert.equal(site.heartbeats.length, 2);
  await page.bringToFront();
  await site.heartbeat(3, 500);
  assert.equal(site.heartbeats[2].body.leaving, false);
  assert.equal(site.heartbeats[2].body.seenSecondsAgo, 0);
});

test("an answer that arrives while the page is hidden starts nothing", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND;
  site.speed = 10;
  site.answers = [{ ...OPEN, delayMs: 400 }, OPEN];
  await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await sleep(900);
  assert.equal(site.heartbeats.length, 2);
});

test("going to another page sends one farewell, though two events fire", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await page.goto(`${site.url}/other`);
  await site.heartbeat(2);
  await sleep(200);
  assert.deepEqual(
    site.heartbeats.map(({ body }) => body.leaving),
    [false, true],
  );
});

test("closing the tab sends one farewell", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await page.close();
  await site.heartbeat(2);
  await sleep(200);
  assert.equal(site.farewells.length, 1);
});

test("closing a tab that was hidden before adds no second farewell", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await page.close();
  await sleep(300);
  assert.equal(site.heartbeats.length, 2);
});

for (const [how, replacement] of /** @type {const} */ ([
  ["is missing", "undefined"],
  ["refuses", "() => false"],
  ["throws", "() => { throw new Error('blocked'); }"],
])) {
  test(`where sendBeacon ${how}, the farewell goes by a fetch that outlives the page`, async (t) => {
    const site = await MockSite.open(browser, t);
    await site.session("42");
    const page = await site.tab();
    await page.evaluateOnNewDocument(`
      navigator.sendBeacon = ${replacement};
      const send = fetch;
      window.fetch = (url, options) => {
        window.outlives = options.keepalive;
        return send(url, options);
      };
    `);
    await page.goto(`${site.url}/page`);
    await site.heartbeat(1);
    await hideBehindAnotherTab(site);
    await site.heartbeat(2);
    assert.equal(await page.evaluate("outlives"), true);
    await page.bringToFront();
    await site.heartbeat(3);
    await page.close();
    await site.heartbeat(4);
    assert.equal(site.farewells.length, 2);
  });
}

test("a tab opened in the background is not counted until somebody looks at it", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const front = await site.tab();
  const behind = await site.tab();
  await front.bringToFront();
  await behind.goto(`${site.url}/page`);
  await sleep(500);
  assert.deepEqual(site.calls, []);
  await behind.bringToFront();
  await site.heartbeat(1);
});

test("the script costs the page neither its place in the back-forward cache nor a heartbeat", async (t) => {
  const site = await MockSite.open(browser, t);
  await site.session("42");
  const page = await site.tab();
  await page.evaluateOnNewDocument(() => {
    const listened = new Set();
    const listen = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
      listened.add(type);
      return listen.call(this, type, ...rest);
    };
    Object.assign(window, { listened });
  });
  await page.goto(`${site.url}/page`);
  await site.heartbeat(1);
  await page.evaluate(() => {
    window.addEventListener("pageshow", (event) =>
      Object.assign(window, { back: event.persisted }),
    );
  });
  await page.goto(`${site.url}/other`);
  await site.heartbeat(2);
  await page.goBack();
  await site.heartbeat(3);
  assert.equal(await page.evaluate("back"), true, "the very page came back, not a new one");
  await page.goto(`${site.url}/other`);
  await site.heartbeat(4);
  await sleep(200);
  assert.deepEqual(
    site.heartbeats.map(({ body }) => body.leaving),
    [false, true, false, true],
  );
  await page.goBack();
  const listened = await page.evaluate("[...listened].sort().join(' ')");
  assert.equal(listened, "online pagehide pageshow visibilitychange");
});

// --- Answers --------------------------------------------------------------------------------

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
  test(`after ${status} the page stops: the same again would be refused again`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.tag = EVERY_SECOND;
    site.speed = 10;
    site.answers = [{ status, json: { code: "refused" } }];
    const page = await site.visit();
    await site.heartbeat(1);
    await sleep(400);
    await page.goto(`${site.url}/other`);
    await sleep(200);
    assert.equal(site.heartbeats.length, 1);
  });
}

test("pauses after failed sends grow, are not all alike, and never pass the interval", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = tagWith("data-debug");
  site.speed = 60;
  site.answers = [{ status: 500 }];
  await site.visit();
  const pauses = () =>
    site.console.flatMap((line) => /"nextHeartbeatInSeconds":(\d+)/.exec(line)?.slice(1) ?? []);
  await site.until(() => pauses().length >= 8, "eight failures", 20_000);
  for (const [index, pause] of pauses().entries()) {
    const longest = Math.min(180, 5 * 2 ** index);
    // A second for rounding, and for the time that passes until it is told.
    assert.ok(Number(pause) >= longest / 2 - 2, `pause ${index}: ${pause} s of ${longest}`);
    assert.ok(Number(pause) <= longest + 1, `pause ${index}: ${pause} s of ${longest}`);
  }
  const shares = pauses().map((pause, index) => Number(pause) / Math.min(180, 5 * 2 ** index));
  assert.ok(new Set(shares.slice(3).map((share) => share.toFixed(2))).size > 1, `${shares}`);
});

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
  assert.ok(second.at - first.at >= 1950, `asked again after ${second.at - first.at} ms`);
});

test("a page that was offline sends as soon as it is online", async (t) => {
  const site = await MockSite.open(browser, t);
  // Out of the way of the ordinary retry, whose first pause is at least 2.5 s.
  const page = await site.visit();
  await site.heartbeat(1);
  await page.setOfflineMode(true);
  const other = await hideBehindAnotherTab(site);
  await page.bringToFront();
  await sleep(300);
  const before = site.heartbeats.length;
  await page.setOfflineMode(false);
  await site.heartbeat(before + 1, 1000);
  await other.close();
});

test("an answer that never comes is given up, and asked for again", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [{ never: true }, OPEN];
  site.speed = 60;
  await site.visit();
  // 30 s of patience and up to 5 s of pause.
  await site.heartbeat(2, 2000);
});

test("a late answer is nothing to a page that has sent again since", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [{ ...ended("idle", true), delayMs: 700 }, OPEN];
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await page.bringToFront();
  await site.heartbeat(3);
  await sleep(800);
  assert.equal(new URL(page.url()).pathname, "/page");
});

// --- Logout ---------------------------------------------------------------------------------

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
  const snapshot = { session: "42", seenSecondsAgo: 0, page: "/page", leaving: false };
  assert.deepEqual(logout.body, { reason: "logout", ...snapshot });
});

test("logout() from a hidden page says how long ago it was seen", async (t) => {
  const site = await MockSite.open(browser, t);
  site.speed = 60;
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await site.heartbeat(2);
  await sleep(500);
  await page.evaluate("void lastseen.logout()");
  await site.until(() => site.calls.length === 3, "logout");
  const { seenSecondsAgo } = site.calls[2].body;
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

test("status() says how the session stands", async (t) => {
  const site = await MockSite.open(browser, t);
  site.answers = [OPEN, ended("expired", false)];
  const page = await site.visit();
  await site.heartbeat(1);
  await site.until(
    async () => (await page.evaluate("lastseen.status().nextHeartbeatInSeconds")) === 180,
    "schedule",
  );
  const open = { session: "42", tracking: true, seenSecondsAgo: 0, nextHeartbeatInSeconds: 180 };
  assert.deepEqual(await page.evaluate("lastseen.status()"), open);
  await hideBehindAnotherTab(site);
  site.answers = [ended("expired", false)];
  await page.bringToFront();
  await site.until(async () => !(await page.evaluate("lastseen.status().tracking")), "end");
  assert.equal(await page.evaluate("lastseen.status().nextHeartbeatInSeconds"), null);
});

// --- Using it -------------------------------------------------------------------------------

test("two copies of the script are one", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = EVERY_SECOND + EVERY_SECOND;
  const page = await site.visit();
  await site.heartbeat(2);
  assert.ok(site.heartbeats[1].at - site.heartbeats[0].at > 900);
  await page.goto(`${site.url}/other`);
  await sleep(200);
  assert.equal(site.farewells.length, 1);
});

test("a module import works, with the defaults", async (t) => {
  const site = await MockSite.open(browser, t);
  site.tag = '<script type="module" src="/lastseen.js"></script>';
  const page = await site.visit();
  await site.heartbeat(1);
  assert.equal(await page.evaluate("typeof lastseen.logout"), "function");
});

for (const interval of ["-5", "0", "180", "2500.5", "2000ms", "1e9", "soon", "", "99999999999"]) {
  test(`data-interval="${interval}" is one warning, and the default holds`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.tag = tagWith(`data-interval="${interval}"`);
    const page = await site.visit();
    await site.heartbeat(1);
    await site.until(
      async () => (await page.evaluate("lastseen.status().nextHeartbeatInSeconds")) === 180,
      "default interval",
    );
    assert.deepEqual(site.console, [
      "warn: [lastseen] data-interval is not a whole number from 1000 to 86400000; using 180000",
    ]);
  });
}

for (const attribute of ["data-endpoint", "data-logout-url", "data-gate"]) {
  test(`an address in ${attribute} that is none is one warning, and the default holds`, async (t) => {
    const site = await MockSite.open(browser, t);
    site.tag = tagWith(`${attribute}="javascript:alert(1)"`);
    site.answers = [ended("idle", true)];
    const page = await site.visit();
    await page.waitForFunction("location.pathname === '/access/'");
    assert.equal(site.console.filter((line) => line.startsWith("warn:")).length, 1);
    assert.ok(site.console[0].startsWith(`warn: [lastseen] ${attribute} is not an http address`));
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
  assert.match(site.console[0], /^log: \[lastseen\] heartbeat \{"session":"42"/);
  assert.match(site.console[1], /^log: \[lastseen\] answer \{"kind":"open",.*"tracking":true/);
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

test("nothing is kept in the browser's storage", async (t) => {
  const site = await MockSite.open(browser, t);
  const page = await site.visit();
  await site.heartbeat(1);
  await hideBehindAnotherTab(site);
  await page.bringToFront();
  await site.heartbeat(3);
  assert.equal(await page.evaluate("localStorage.length + sessionStorage.length"), 0);
});
