/** Two tabs of one visitor, and a deadline of two minutes. */
import assert from "node:assert/strict";
import { Visit } from "./visit.mjs";

/** @typedef {import("./visit.mjs").TimedTab} TimedTab */

const WARNS_LATE = 'data-warn-before="20000"';
/** The deadline is the server's, or one that only the tabs know of. */
export const DEADLINES = /** @type {const} */ ([
  ["the server's", { idleTimeout: 120, attributes: WARNS_LATE }],
  ["the tabs' own", { idleTimeout: 1800, attributes: `${WARNS_LATE} data-idle-timeout="120000"` }],
]);
export const [[, SERVERS], [, OWN]] = DEADLINES;

/**
 * Two windows side by side.
 *
 * @param {import("puppeteer-core").Browser} browser
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof Visit.open>[2]} [options]
 * @param {{ one?: string, other?: string, isHidden?: boolean }} [how] what runs before the script in
 *   either; the other may be a tab behind the one instead
 */
export async function twoTabs(browser, t, options, { one, other, isHidden = false } = {}) {
  const visit = await Visit.open(browser, t, options);
  const b = await visit.tab("/page", { before: other });
  const a = await visit.tab("/page", { before: one, inWindow: !isHidden });
  assert.equal(await b.evaluate("document.visibilityState"), isHidden ? "hidden" : "visible");
  return { visit, a, b };
}

/** @param {TimedTab} tab */
export const covered = async (tab) => (await tab.status()).covered;

/** All are at the gate, because nobody was there. @param {TimedTab[]} tabs */
export async function lockedOut(...tabs) {
  const reasons = new Set();
  for (const tab of tabs) reasons.add(await tab.gate());
  // The first answer takes the cookie with it, so that the others may find none.
  reasons.delete("missing");
  assert.deepEqual([...reasons], ["idle"]);
}

/** Storage that may not be touched, as where cookies are blocked. */
export const NO_STORAGE = `
  for (const name of ["localStorage", "sessionStorage", "indexedDB"])
    Object.defineProperty(window, name, { get() { throw new DOMException("", "SecurityError"); } });`;
