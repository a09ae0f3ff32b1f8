/**
 * What lastseen.js promises where other scripts fail: hours of reading, sleeping and walking away,
 * in a real browser with a simulated clock. `node tests/rivals/print.mjs` runs the others too.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { ours } from "./ours.mjs";
import { IDLE_TIMEOUT, MOST_REQUESTS, READINGS, WAITING_TIMEOUT, WAITINGS } from "./scenarios.mjs";
import { Visit } from "./visit.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

describe("lastseen.js records", { concurrency: 4 }, () => {
  for (const { id, what, target, idleTimeout = IDLE_TIMEOUT, act } of READINGS) {
    const [least, most] = target;
    test(`${least} to ${most} s when it is ${id}: ${what}`, async () => {
      await Visit.with(browser, ours, idleTimeout, async (visit) => {
        await act(visit);
        const seconds = (await ours.seconds?.(visit)) ?? 0;
        assert.ok(seconds >= least && seconds <= most, `${seconds} s were recorded`);
        if (id === "D3") assertLogoutInD3(visit);
      });
    });
  }
});

/** @param {Visit} visit */
function assertLogoutInD3({ site }) {
  const last = site.calls.at(-1);
  assert.ok(site.calls.length <= MOST_REQUESTS, `${site.calls.length} requests were sent`);
  assert.equal(last?.status, 401, "the session ended while nobody was there");
  const seconds = last.at / 1000 - (site.calls[0]?.at ?? 0) / 1000;
  assert.ok(Math.abs(seconds - 60 - IDLE_TIMEOUT) <= 2, `it ended after ${seconds} s`);
}

describe("lastseen.js locks", { concurrency: 4 }, () => {
  for (const { id, what, target, act } of WAITINGS) {
    test(`${id}: ${what}: ${target}`, async () => {
      await Visit.with(browser, ours, WAITING_TIMEOUT, async (visit) => {
        const { good, text } = await act(visit);
        assert.ok(good, text);
        if (id === "I6") return;
        await assertCovered(visit);
        if (id === "I2") assertNothingCounted(visit);
      });
    });
  }
});

/** What the visitor sees is the cover, in all corners, and was at once. @param {Visit} visit */
async function assertCovered(visit) {
  const { page } = visit;
  assert.equal(await visit.marked("covered"), await visit.marked("locked"), "covered at once");
  const seen = await page.evaluate(() => {
    const corners = [0, innerWidth - 1].flatMap((x) => [0, innerHeight - 1].map((y) => [x, y]));
    return corners.map(([x = 0, y = 0]) => document.elementFromPoint(x, y)?.localName);
  });
  assert.deepEqual(seen, ["dialog", "dialog", "dialog", "dialog"]);
}

/** The server heard nothing of the event, only that somebody was away all night. @param {Visit} visit */
function assertNothingCounted({ site }) {
  const [first, ...calls] = site.calls;
  const night = 8 * 3600;
  const late = calls.filter(({ at }) => at - (first?.at ?? 0) > night * 1000);
  assert.ok(late.length > 0, "the server was asked");
  for (const { status, body } of late) {
    assert.equal(status, 401);
    assert.ok(body.inactiveSeconds >= night, `${body.inactiveSeconds} s without activity`);
  }
}
