/** The cover: after the deadline nothing of the page is seen or reached, whatever the page does. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { DialogPage, DOWN } from "./dialog-page.mjs";
import { pixels } from "./pixels.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {import("./dialog-page.mjs").Options} [options] */
const open = (t, options) => DialogPage.open(browser, t, options);

/** A page that shines through the smallest gap. */
const LOUD = "html, body, main, dialog#own { background: #f0f; color: #f0f; min-height: 300vh }";

/** How many pixels of it a picture of the window has. @param {DialogPage} visit */
async function loudPixels({ page }) {
  // A grey has the same of all three; of the page the green is missing.
  return pixels(await page.screenshot()).filter(([r, g, b]) => Math.min(r, b) - g > 2).length;
}

/** Where a click would go, over the whole window: what is not the cover. @param {DialogPage} visit */
function reachable({ page }) {
  return page.evaluate(() => {
    const found = new Set();
    for (let x = 0; x <= 20; x += 1) {
      for (let y = 0; y <= 20; y += 1) {
        const at = document.elementFromPoint(
          Math.min(innerWidth - 1, (innerWidth * x) / 20),
          Math.min(innerHeight - 1, (innerHeight * y) / 20),
        );
        if (!at?.closest("dialog:has(h2)")) found.add(at?.tagName ?? "nothing");
      }
    }
    return [...found];
  });
}

/** @param {DialogPage} visit */
async function nothingShows(visit) {
  assert.equal((await visit.look())?.covers, true);
  assert.deepEqual(await reachable(visit), []);
  assert.equal(await loudPixels(visit), 0);
}

const OWN_LAYERS = `<main><h1>Figures</h1><button id="second">Second</button></main>
  <dialog id="own"><button id="inside">Inside</button></dialog>
  <div id="note" popover="manual">A note</div>`;

test("it is opaque and fills the window, above the page's own dialog and popover", async (t) => {
  const visit = await open(t, { body: OWN_LAYERS });
  await visit.style(`${LOUD} #note { background: #f0f; inset: 0; width: 100vw; height: 100vh }`);
  await visit.page.evaluate(() => {
    /** @type {HTMLDialogElement} */ (document.getElementById("own")).showModal();
    document.getElementById("note")?.showPopover();
  });
  assert.ok((await loudPixels(visit)) > 100_000, "there is something to be seen");
  await visit.covered();
  await nothingShows(visit);
  const [width, height] = [400, 900];
  await visit.page.setViewport({ width, height });
  await nothingShows(visit);
});

test("the page's own style for dialogs neither thins nor moves nor delays it", async (t) => {
  const visit = await open(t);
  // What tutorials teach, and what resets do.
  await visit.style(`${LOUD}
    * { margin: 0; padding: 0; box-sizing: border-box }
    dialog { opacity: 0; transition: opacity 30s, overlay 30s allow-discrete; transform: scale(0.5) }
    dialog[open] { opacity: 1 }
    @starting-style { dialog[open] { opacity: 0 } }
    dialog { max-width: 50vw; max-height: 50vh; clip-path: inset(10%); mix-blend-mode: multiply }`);
  await visit.covered();
  await nothingShows(visit);
});

test("Esc does not uncover, however often, not even for one frame", async (t) => {
  const visit = await open(t);
  await visit.style(LOUD);
  await visit.covered();
  await visit.page.evaluate(() => {
    const watched = { frames: 0, bare: 0 };
    Object.assign(window, { watched });
    (function look() {
      watched.frames += 1;
      if (!document.querySelector("dialog:modal")) watched.bare += 1;
      requestAnimationFrame(look);
    })();
  });
  for (let presses = 0; presses < 8; presses += 1) {
    await visit.page.keyboard.press("Escape");
    await visit.drawn();
  }
  const watched = await visit.page.evaluate(() => /** @type {any} */ (window).watched);
  assert.ok(watched.frames > 3);
  assert.equal(watched.bare, 0);
  await nothingShows(visit);
  assert.equal(await visit.page.$$eval("dialog", (dialogs) => dialogs.length), 1);
});

/** @type {Record<string, () => void>} */
const WAYS_TO_LOSE_IT = {
  "removes it": () => document.querySelector("dialog")?.remove(),
  "closes it": () => document.querySelector("dialog")?.close(),
  "takes its open attribute away": () => document.querySelector("dialog")?.removeAttribute("open"),
  "makes it one that is not modal": () => {
    const dialog = document.querySelector("dialog");
    dialog?.close();
    dialog?.show();
  },
  "swaps its whole body": () => document.body.replaceWith(document.createElement("body")),
};

for (const [way, step] of Object.entries(WAYS_TO_LOSE_IT)) {
  test(`a page that ${way} is covered again within a second`, async (t) => {
    const visit = await open(t);
    await visit.style(LOUD);
    await visit.covered();
    await visit.page.evaluate(step);
    await visit.run(1);
    await nothingShows(visit);
  });
}

test("it keeps the keyboard from the page, and lets the visitor log out", async (t) => {
  const visit = await open(t);
  await visit.page.focus("#second");
  await visit.covered();
  const { title, buttons } = (await visit.look()) ?? {};
  assert.ok(title);
  assert.deepEqual(buttons, ["Log out now"]);
  const focused = new Set([await visit.focused()]);
  for (let tabs = 0; tabs < 5; tabs += 1) {
    await visit.press("Tab");
    focused.add(await visit.focused());
  }
  assert.deepEqual([...focused].sort(), ["BODY", "DIALOG", "Log out now"]);
  await (await visit.button("Log out now")).focus();
  await visit.page.keyboard.press("Enter");
  await visit.loggedOut();
});

test("where the session turns out to be open the page is shown again, with the focus where it was", async (t) => {
  const visit = await open(t);
  await visit.page.focus("#second");
  await visit.run(10);
  visit.instead = DOWN;
  await visit.site.session(null);
  await visit.run(1);
  assert.equal((await visit.look())?.covers, true);
  await visit.site.session("42");
  visit.instead = undefined;
  await visit.run(30);
  assert.equal(await visit.look(), null);
  assert.equal(await visit.focused(), "second");
});

test("a page that has no body yet is covered all the same", async (t) => {
  const visit = await open(t);
  // Not deferred: it runs before there is a body.
  visit.site.tag = '<script src="/lastseen.js"></script>';
  visit.instead = DOWN;
  // A page that was open when its visitor logged out, and comes back by a reload.
  await visit.site.session(null);
  await visit.page.evaluateOnNewDocument(() => {
    const watcher = new MutationObserver(() => {
      const dialog = document.querySelector("dialog");
      if (!dialog) return;
      Object.assign(window, { hadBody: document.body !== null });
      watcher.disconnect();
    });
    watcher.observe(document, { childList: true, subtree: true });
  });
  await visit.page.reload();
  assert.equal(await visit.page.evaluate(() => /** @type {any} */ (window).hadBody), false);
  await visit.style(LOUD);
  await nothingShows(visit);
});
