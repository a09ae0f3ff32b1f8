/** What is a sign of life, and what only looks like one. The idle timeout is five minutes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { POLICY } from "./mock-site.mjs";
import { near, Visit } from "./visit.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** Lets one type of input through to the page, and counts it; it is in `window.only`. */
function sieve() {
  const types = "pointerdown pointermove keydown wheel touchstart touchmove scroll";
  Object.assign(window, { seen: 0 });
  for (const type of types.split(" ")) {
    const check = (/** @type {Event} */ event) => {
      const root = /** @type {any} */ (window);
      if (root.only && root.only !== type) event.stopImmediatePropagation();
      else root.seen += 1;
    };
    window.addEventListener(type, check, { capture: true, passive: true });
  }
}

/**
 * A page that is long enough to scroll, a minute after the last input.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} [policy]
 */
async function minuteLater(t, policy = POLICY) {
  const visit = await Visit.open(browser, t, { idleTimeout: 300 });
  visit.site.policy = policy;
  visit.site.body = "<h1>A page</h1>".repeat(200);
  const tab = await visit.tab("/page", { before: sieve });
  await visit.run(30);
  // The first move only tells where the pointer is.
  await tab.page.mouse.move(50, 50);
  await visit.run(30);
  near((await tab.status()).inactiveSeconds, 60, 0);
  return { visit, tab };
}

/** @typedef {import("puppeteer-core").Page} Page @type {[string, (page: Page) => Promise<unknown>][]} */
const INPUTS = [
  ["pointerdown", (page) => page.mouse.click(50, 50)],
  ["pointermove", (page) => page.mouse.move(60, 50)],
  ["keydown", (page) => page.keyboard.press("a")],
  ["wheel", (page) => page.mouse.wheel({ deltaY: 100 })],
  ["scroll", (page) => page.mouse.wheel({ deltaY: 100 })],
  ["touchstart", (page) => page.touchscreen.tap(50, 50)],
  ["touchmove", draw],
];

/** @param {Page} page */
async function draw(page) {
  const touch = await page.touchscreen.touchStart(50, 50);
  await touch.move(60, 90);
  await touch.end();
}

/** Waits until a page does not scroll any more: it follows a wheel with the frames to come. */
const stoodStill = `(async () => {
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  for (let still = 0, at = NaN; still < 3; at = scrollY) {
    await frame();
    still = scrollY === at ? still + 1 : 0;
  }
})()`;

test("each type of input is a sign of life by itself", async (t) => {
  const { visit, tab } = await minuteLater(t);
  for (const [type, give] of INPUTS) {
    await t.test(`${type} alone moves the deadline`, async () => {
      await tab.evaluate(`only = "${type}", seen = 0`);
      near((await tab.status()).inactiveSeconds, 60, 0);
      await give(tab.page);
      await tab.page.waitForFunction("seen > 0");
      near((await tab.status()).inactiveSeconds, 0, 0);
      // Until the next one nothing counts, such as a scroll that goes on.
      await tab.evaluate("only = 'none'");
      await tab.evaluate(stoodStill);
      await visit.run(60);
    });
  }
  assert.equal((await tab.status()).covered, false);
  assert.ok(visit.session.idleDeadline > 420, "and the server was told");
  await visit.run(250);
  near(visit.locked, 420 + 300);
});

test("what a script makes up is no input", async (t) => {
  const { tab } = await minuteLater(t);
  await tab.evaluate(`{
    const at = { bubbles: true, screenX: 9, screenY: 9, clientX: 9, clientY: 9, key: "a" };
    for (const target of [document, document.body, document.querySelector("h1")]) {
      for (const type of ["pointerdown", "pointermove"]) {
        target.dispatchEvent(new PointerEvent(type, at));
        target.dispatchEvent(new PointerEvent(type, { ...at, screenX: 50 }));
      }
      target.dispatchEvent(new KeyboardEvent("keydown", at));
      target.dispatchEvent(new WheelEvent("wheel", at));
      for (const type of ["touchstart", "touchmove", "scroll", "click", "mousemove"])
        target.dispatchEvent(new Event(type, at));
    }
    document.querySelector("h1").click();
    window.dispatchEvent(new Event("focus"));
  }`);
  assert.ok((await tab.evaluate("seen")) > 20);
  near((await tab.status()).inactiveSeconds, 60, 0);
});

test("a pointer that is told of and has not moved is no activity", async (t) => {
  const { visit, tab } = await minuteLater(t);
  await tab.evaluate("only = 'pointermove', seen = 0");
  for (let times = 0; times < 5; times += 1) {
    await tab.page.mouse.move(50, 50);
    // What is under the pointer changes: browsers tell of a move.
    await tab.evaluate("document.querySelector('h1').hidden ^= true");
    await visit.run(10);
  }
  assert.ok((await tab.evaluate("seen")) >= 5, "there was something to ignore");
  near((await tab.status()).inactiveSeconds, 110, 0);
  await visit.run(200);
  near(visit.end.second, 300);
});

for (const [direction, x, y] of /** @type {const} */ ([
  ["across", 51, 50],
  ["down", 50, 51],
])) {
  test(`a pointer that moves straight ${direction} by one pixel is activity`, async (t) => {
    const { tab } = await minuteLater(t);
    await tab.page.mouse.move(x, y);
    near((await tab.status()).inactiveSeconds, 0, 0);
  });
}

test("a flood of input is written down once a second, and its last event counts", async (t) => {
  const { visit, tab } = await minuteLater(t);
  await tab.evaluate(`{
    window.written = 0;
    const set = Storage.prototype.setItem;
    Storage.prototype.setItem = function (...record) {
      window.written += 1;
      return set.apply(this, record);
    };
  }`);
  const asked = visit.log.length;
  for (let n = 0; n < 59; n += 1) {
    await tab.move();
    await visit.run(0.05);
  }
  // The last one, 2.95 s after the first.
  await tab.move();
  const written = await tab.evaluate("written");
  assert.ok(written > 0 && written <= 4, `${written} times in 3 s`);
  assert.ok(visit.log.length - asked <= 2, `${visit.log.length - asked} heartbeats in 3 s`);
  await visit.run(2.05);
  near((await tab.status()).inactiveSeconds, 2, 0);
  await visit.run(310);
  near(visit.end.second, 60 + 2.95 + 300, 1.1);
});

// --- Frames ----------------------------------------------------------------------------------

/**
 * @param {import("./visit.mjs").TimedTab} tab
 * @param {string} url
 */
async function embed(tab, url) {
  await tab.page.evaluate(async (url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    Object.assign(frame.style, { position: "fixed", left: "100px", top: "100px" });
    await new Promise((loaded) => {
      frame.onload = loaded;
      document.body.append(frame);
    });
  }, url);
}

test("input in a frame of the same site counts, in frames that come later and their frames too", async (t) => {
  const { visit, tab } = await minuteLater(t);
  await embed(tab, "/other");
  await tab.page.evaluate(async () => {
    const outer = document.querySelector("iframe")?.contentDocument;
    const inner = outer?.createElement("iframe");
    if (!outer || !inner) throw new Error("no frame");
    inner.src = "/other";
    Object.assign(inner.style, { position: "fixed", left: "100px", top: "50px" });
    await new Promise((loaded) => {
      inner.onload = loaded;
      outer.body.append(inner);
    });
  });
  await visit.run(2);
  for (const [x, y] of [
    [120, 120],
    [220, 170],
  ]) {
    await tab.page.mouse.move(x ?? 0, y ?? 0);
    await visit.run(1);
    near((await tab.status()).inactiveSeconds, 1, 0);
    await visit.run(10);
    near((await tab.status()).inactiveSeconds, 11, 0);
  }
});

test("a frame of another site counts once, when it takes the keyboard, and one activity window of viewing", async (t) => {
  const { visit, tab } = await minuteLater(t, `${POLICY}; frame-src *`);
  const before = (await tab.status()).activeSeconds;
  await embed(tab, `${visit.site.url.replace("127.0.0.1", "localhost")}/other`);
  await visit.run(1);
  near((await tab.status()).inactiveSeconds, 61, 0);
  await tab.page.mouse.click(120, 120);
  await visit.run(1);
  near((await tab.status()).inactiveSeconds, 1, 1);
  for (let second = 0; second < 80; second += 1) {
    await tab.page.mouse.move(120 + second, 120);
    if (second % 20 === 0) await tab.page.mouse.click(130, 130);
    await visit.run(1);
  }
  const { inactiveSeconds, activeSeconds } = await tab.status();
  near(inactiveSeconds, 81, 1);
  // The minute before the click, but for the tail that counted already; and what came since.
  near(activeSeconds - before, 61 - 5 + 80, 2);
  await visit.run(230);
  near(visit.end.second, 61 + 300);
});

test("leaving a frame of another site and entering it again counts again", async (t) => {
  const { visit, tab } = await minuteLater(t, `${POLICY}; frame-src *`);
  await embed(tab, `${visit.site.url.replace("127.0.0.1", "localhost")}/other`);
  await tab.page.mouse.click(120, 120);
  await visit.run(30);
  near((await tab.status()).inactiveSeconds, 30, 1);
  await tab.page.mouse.click(20, 20);
  await visit.run(30);
  near((await tab.status()).inactiveSeconds, 30, 0);
  await tab.page.mouse.click(120, 120);
  await visit.run(5);
  near((await tab.status()).inactiveSeconds, 5, 1);
});
