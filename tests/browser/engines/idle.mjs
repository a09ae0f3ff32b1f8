/** What counts as activity, what happens without any, and what a visitor sees of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ended, POLICY } from "../mock-server.mjs";
import { MockSession } from "../mock-session.mjs";
import {
  EngineSite,
  focusInDialog,
  only,
  says,
  seen,
  status,
  tagWith,
  unwarned,
  warned,
} from "./site.mjs";

/** @typedef {import("../../harness/engines.mjs").Tab} Tab */

const WORKER = 'data-worker="/lastseen-worker.js"';

/** What the strictest browser would do to the timers of a page that is hidden. */
const FROZEN_TIMERS = `{
  const timer = window.setTimeout;
  window.setTimeout = (step, ms) =>
    timer(() => document.visibilityState === "visible" && step(), ms);
}`;

const TALL = '<svg width="10" height="5000"></svg>';

/** @type {[kind: string, act: (page: Tab) => Promise<void>][]} */
const INPUTS = [
  ["pointermove", (page) => page.move(90, 60)],
  // To one side, and up or down: both are moves.
  ["pointermove", (page) => page.move(95, 60)],
  ["pointermove", (page) => page.move(95, 75)],
  ["pointerdown", (page) => page.click()],
  ["keydown", (page) => page.press("a")],
  // Upwards, from the top: nothing scrolls.
  ["wheel", (page) => page.wheel(-100)],
  ["scroll", (page) => page.wheel(100)],
];
/** @type {typeof INPUTS} */
const TOUCHES = [
  ["touchstart", (page) => page.touch(60, 90)],
  ["touchmove", (page) => page.touch(80, 120)],
];

/**
 * @param {() => Promise<import("../../harness/engines.mjs").Engine>} engine
 * @param {import("../../harness/engines.mjs").EngineName} name
 */
export function idle(engine, name) {
  test("input of each kind, alone, moves the deadline", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.tag = tagWith('data-idle-timeout="600000"');
    site.server = new MockSession({ idleTimeout: 86_400 });
    site.body += TALL;
    const page = await site.visit();
    await page.move(50, 50);
    // WebKitGTK's desktop build has no touch events (no `ontouchstart` in its windows).
    for (const [kind, act] of name === "webkit" ? INPUTS : [...INPUTS, ...TOUCHES]) {
      await only(page, kind);
      await site.pass(300, page);
      const before = await status(page);
      assert.ok(before.inactiveSeconds >= 300 && Number(before.idleInSeconds) <= 300, kind);
      await act(page);
      await says(page, `activity by ${kind}`, ({ inactiveSeconds }) => inactiveSeconds < 200);
      assert.ok(Number((await status(page)).idleInSeconds) > 400, kind);
    }
  });

  test("events that no visitor made, and moves that do not move, leave the deadline alone", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.body += TALL;
    const page = await site.visit();
    await page.move(50, 50);
    await only(page, "pointermove");
    await site.pass(300, page);

    const before = await seen(page);
    for (let times = 0; times < 3; times += 1) await page.move(50, 50);
    // What is under the pointer changes; WebKit makes a move of that.
    await page.evaluate(() => scrollTo(0, 300));
    await site.until(async () => (await seen(page)).scrolls > before.scrolls, "scroll");
    const moves = async () => (await seen(page)).moves - before.moves;
    if (name === "firefox") {
      // It tells a page nothing of a pointer that stays where it is.
      await sleep(150);
      assert.equal(await moves(), 0);
    } else {
      await site.until(async () => (await moves()) > 0, "move that does not move");
    }

    await only(page, "");
    await page.evaluate(() => {
      let at = 100;
      const init = () => {
        at += 7;
        return { bubbles: true, screenX: at, screenY: at, clientX: at, clientY: at, key: "a" };
      };
      const field = document.getElementById("field");
      for (let times = 0; times < 3; times += 1) {
        for (const type of ["pointermove", "pointerdown"]) {
          field?.dispatchEvent(new PointerEvent(type, init()));
        }
        field?.dispatchEvent(new KeyboardEvent("keydown", init()));
        field?.dispatchEvent(new WheelEvent("wheel", init()));
        for (const type of ["touchstart", "touchmove", "scroll"]) {
          field?.dispatchEvent(new Event(type, { bubbles: true }));
        }
        field?.click();
      }
    });
    const { inactiveSeconds } = await status(page);
    assert.ok(inactiveSeconds >= 300, `${inactiveSeconds} s`);
  });

  test("input in a frame of the same site counts, and so does the focus in a foreign one", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.server = new MockSession({ idleTimeout: 86_400 });
    // What may not run scripts has an origin of its own, and shows us nothing of its input.
    site.body = `
      <iframe src="/api/frame" width="300" height="100"></iframe><br>
      <iframe src="/api/frame" width="300" height="100" sandbox></iframe>
    `;
    const page = await site.visit();
    await page.move(40, 40);
    for (const act of [() => page.move(60, 60), () => page.press("a")]) {
      await site.pass(300, page);
      await act();
      await says(page, "activity in the frame", ({ inactiveSeconds }) => inactiveSeconds < 200);
      // The keyboard follows the mouse into the frame.
      await page.click();
    }
    await page.move(60, 160);
    await site.pass(300, page);
    await page.click();
    await says(page, "focus in the frame", ({ inactiveSeconds }) => inactiveSeconds < 200);
    await site.pass(300, page);
    await page.click();
    // Longer than the script takes between two looks at the focus.
    await sleep(1300);
    const { inactiveSeconds } = await status(page);
    assert.ok(inactiveSeconds >= 300, `once, not each time; ${inactiveSeconds} s`);
  });

  test("the warning takes the focus, keeps it from the page behind, and is answered by keyboard", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.tag = tagWith('data-idle-timeout="180000" data-warn-before="90000"');
    const page = await site.visit();
    await page.evaluate(() => document.getElementById("field")?.focus());
    const focused = () => page.evaluate(() => document.activeElement?.id);
    const warn = async () => {
      await site.pass(100, page);
      await warned(page);
      assert.equal(await focusInDialog(page), 0, "the focus is on Stay");
    };

    for (const key of /** @type {const} */ (["Escape", "Enter"])) {
      await warn();
      await page.press(key);
      await unwarned(page);
      assert.equal(await focused(), "field", `${key} gives the focus back`);
      await says(page, `${key} is Stay`, ({ idleInSeconds }) => Number(idleInSeconds) > 100);
    }

    await warn();
    // On its way round the focus may visit the browser itself: Firefox makes two stops there.
    const stops = [];
    for (let times = 0; times < 4; times += 1) {
      await page.press("Tab");
      assert.notEqual(await focused(), "field", "the focus stays out of the page behind");
      stops.push(await focusInDialog(page));
    }
    assert.equal(stops[0], 1, "from Stay to Log out");
    assert.ok(stops.includes(0), `and round again: ${stops}`);
    assert.deepEqual(site.logouts, []);
  });

  test("the warning's other button logs out, by keyboard too", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.tag = tagWith('data-idle-timeout="180000" data-warn-before="90000"');
    const page = await site.visit();
    await site.pass(100, page);
    await warned(page);
    await page.press("Tab");
    await page.press("Enter");
    await page.waitFor("the gate", () => location.pathname === "/access/");
    assert.deepEqual(site.logouts, ["logout"]);
  });

  test("a worker wakes a hidden page whose timers stand still, under the strictest policy", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.policy = `${POLICY}; worker-src 'self'`;
    site.tag = tagWith('data-idle-timeout="60000" data-worker="/lastseen-worker.js"');
    site.speed = 40;
    site.prelude = FROZEN_TIMERS;
    const page = await site.visit();
    await site.heartbeat(1);
    await page.hide();
    await site.until(() => site.logouts.length > 0, "logout");
    assert.deepEqual(site.logouts, ["idle"]);
    await page.show();
    await page.waitFor("the gate", () => location.pathname === "/access/");
    assert.match(await page.evaluate(() => location.search), /reason=idle/);
  });

  for (const [why, worker, policy] of [
    ["without a worker", "", POLICY],
    ["with a worker that the policy forbids", WORKER, `${POLICY}; worker-src 'none'`],
    ["with a worker that throws", 'data-worker="/broken.js"', POLICY],
    ["with a worker that is not there", 'data-worker="/api/nothing"', POLICY],
  ]) {
    test(`${why}, a page that slept hidden is covered as soon as it is seen`, async (t) => {
      const site = await EngineSite.open(await engine(), t);
      site.expected = /^worker-src forbids .*worker.js/;
      site.policy = policy;
      site.scripts["/broken.js"] = "throw new Error('broken')";
      site.tag = tagWith(`data-idle-timeout="60000" ${worker}`);
      site.prelude = FROZEN_TIMERS;
      const page = await site.visit();
      await site.heartbeat(1);
      await page.hide();
      await site.until(() => site.farewells.length > 0, "farewell");
      await site.pass(70, page);
      site.instead = { never: true };
      await page.show();
      assert.equal((await seen(page)).covered, true, "before anything could be painted");
      // The server is asked, and does not answer.
      await site.heartbeat(3);
      assert.equal((await status(page)).covered, true);
    });
  }

  test("a page that comes back from the cache after a logout is covered before it is seen", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    const page = await site.visit();
    await says(page, "answered", ({ idleInSeconds }) => idleInSeconds !== null);
    await page.goto(`${site.url}/other`);
    await site.until(() => site.farewells.length > 0, "farewell");
    await site.session(null);
    site.instead = { ...ended("missing", true), delayMs: 2000 };
    await page.back();
    const { restored, covered } = await seen(page);
    assert.deepEqual({ restored, covered }, { restored: 1, covered: true });
    await page.waitFor("the gate", () => location.pathname === "/access/");
  });
}
