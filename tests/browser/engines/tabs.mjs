/** Several tabs of one visitor: one deadline, one warning, one logout. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ended } from "../mock-server.mjs";
import { EngineSite, says, seen, status, tagWith, unwarned, warned } from "./site.mjs";

/** @typedef {import("../../harness/engines.mjs").Tab} Tab */

/** @param {() => Promise<import("../../harness/engines.mjs").Engine>} engine */
export function tabs(engine) {
  for (const [how, prelude] of [
    ["", ""],
    [", also without BroadcastChannel", "delete window.BroadcastChannel;"],
  ]) {
    test(`a logout in one tab covers the others within a second${how}`, async (t) => {
      const site = await EngineSite.open(await engine(), t);
      site.prelude = prelude;
      const behind = await site.visit("/page/behind");
      const front = await site.tab("/page/front");
      const beside = await site.window("/page/beside");
      site.instead = { ...ended("logout", true), delayMs: 2000 };

      const start = await front.evaluate(() => {
        /** @type {any} */ (window).lastseen.logout();
        return Date.now();
      });
      for (const other of [beside, behind]) {
        await warned(other);
        const after = (await seen(other)).openedAt - start;
        assert.ok(after < 1000, `covered after ${after} ms`);
        assert.equal((await status(other)).covered, true);
      }
      for (const each of [front, beside, behind]) await atGate(each);
      assert.deepEqual(site.logouts, ["logout"]);
    });
  }

  test("activity in one tab keeps the others, and without any they all end", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.tag = tagWith('data-idle-timeout="60000" data-warn-before="20000"');
    const behind = await site.visit();
    const front = await site.tab("/page/front");
    await front.move(50, 50);
    for (const step of [1, 2, 3, 4]) {
      await site.pass(30, behind, front);
      await front.move(50 + step, 50);
    }
    // Two minutes have passed for the page behind, whose own timeout is one.
    await says(behind, "word of the activity", ({ inactiveSeconds }) => inactiveSeconds < 20);
    await behind.show();
    assert.equal((await status(behind)).covered, false);
    assert.equal((await seen(behind)).openedAt, 0, "nor was it ever, nor warned");
    assert.deepEqual(site.logouts, []);

    await site.pass(70, behind, front);
    for (const each of [front, behind]) await atGate(each);
    assert.deepEqual(new Set(site.logouts), new Set(["idle"]));
  });

  test("the warning closes in every window when one stays", async (t) => {
    const site = await EngineSite.open(await engine(), t);
    site.tag = tagWith('data-idle-timeout="180000" data-warn-before="90000"');
    const one = await site.visit();
    const other = await site.window("/page/other");
    await site.pass(100, one, other);
    for (const each of [one, other]) await warned(each);
    await other.press("Enter");
    for (const each of [one, other]) await unwarned(each);
    const after = (await seen(one)).closedAt - (await seen(other)).closedAt;
    assert.ok(after < 1000, `closed after ${after} ms`);
    for (const each of [one, other]) {
      const { idleInSeconds } = await status(each);
      assert.ok(Number(idleInSeconds) > 100, `${idleInSeconds} s`);
    }
  });
}

/** @param {Tab} tab */
const atGate = (tab) => tab.waitFor("the gate", () => location.pathname === "/access/");
