/** How the warning and the cover look and read: to axe, in four languages, small, zoomed, restyled. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { DialogPage, IDLE_SECONDS } from "./dialog-page.mjs";
import { colour, contrast, pixels } from "./pixels.mjs";

// The checker that accessibility audits use; it finds what a list of our own would forget.
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {import("./dialog-page.mjs").Options} [options] */
const open = (t, options) => DialogPage.open(browser, t, options);

/** @type {("warned" | "covered")[]} */
const STATES = ["warned", "covered"];

// --- Languages --------------------------------------------------------------------------------

/** Language: the title, the sentence, and the unit of more than a minute. @type {[string, RegExp, RegExp, RegExp][]} */
const LANGUAGES = [
  ["en", /there\?$/, /\b59 seconds/, /\b2 minutes/],
  ["de", /da\?$/, /\b59 Sekunden/, /\b2 Minuten/],
  ["fr", /là\s\?$/, /\b59\ssecondes/, /\b2\sminutes/],
  ["es", /ahí\?$/, /\b59 segundos/, /\b2 minutos/],
];

for (const [lang, title, seconds, minutes] of LANGUAGES) {
  test(`it speaks ${lang}, where the script tag or the page says so`, async (t) => {
    const said = [];
    for (const options of [{ attributes: `data-lang="${lang}"`, lang: "x-none" }, { lang }]) {
      const visit = await open(t, {
        ...options,
        attributes: `data-warn-before="90000" ${options.attributes ?? ""}`,
      });
      await visit.run(IDLE_SECONDS - 89);
      assert.match((await visit.look())?.text ?? "", minutes);
      await visit.run(30);
      const dialog = await visit.look();
      assert.equal(dialog?.lang, lang);
      assert.match(dialog?.title ?? "", title);
      assert.match(dialog?.text ?? "", seconds);
      assert.deepEqual(visit.site.console, []);
      said.push(dialog);
    }
    assert.deepEqual(said[0], said[1]);
  });
}

for (const lang of ["de-AT", "de_DE", "it", "not a language", ""]) {
  test(`a page whose language is "${lang}" is asked in one that we speak, and locked in time`, async (t) => {
    const visit = await open(t, { lang });
    await visit.warned();
    assert.match((await visit.look())?.title ?? "", lang.startsWith("de") ? /da\?$/ : /there\?$/);
    await visit.run(60);
    assert.equal((await visit.look())?.covers, true);
  });
}

test("a page in another encoding changes no letter of it", async (t) => {
  const visit = await open(t, { lang: "fr", charset: "windows-1252" });
  assert.equal(await visit.page.evaluate(() => document.characterSet), "windows-1252");
  await visit.warned();
  assert.match((await visit.look())?.title ?? "", /là\s\?$/);
});

test("words of one's own, with numbers in their language", async (t) => {
  const attributes = `data-lang="it" data-text="Ci sei?|Fine tra {}.|Resta|Esci|Chiuso"`;
  const visit = await open(t, { attributes });
  await visit.warned();
  assert.deepEqual(await visit.look(), {
    covers: false,
    lang: "it",
    title: "Ci sei?",
    text: "Fine tra 60 secondi.",
    buttons: ["Resta", "Esci"],
    spoken: "Fine tra 60 secondi.",
  });
  await visit.run(60);
  assert.equal((await visit.look())?.title, "Chiuso");
});

for (const [attribute, value] of [
  ["data-lang", "xx"],
  ["data-lang", "de_DE"],
  ["data-lang", ""],
  ["data-text", "Title|In {}.|Stay|Log out"],
  ["data-text", "a|b|c|d|e|f"],
]) {
  test(`${attribute}="${value}" is one warning, and the page's language holds`, async (t) => {
    const visit = await open(t, { attributes: `${attribute}="${value}"`, lang: "fr" });
    await visit.warned();
    assert.match((await visit.look())?.title ?? "", /là\s\?$/);
    assert.equal(visit.site.console.length, 1);
    assert.match(visit.site.console[0] ?? "", /^warn: \[lastseen\] (lang|text) "/);
  });
}

// --- Style ------------------------------------------------------------------------------------

/** What is computed for the dialog and its buttons. @param {DialogPage} visit */
function styles({ page }) {
  return page.evaluate(() => {
    const dialog = document.querySelector("dialog") ?? document.body;
    const parts = [dialog, ...dialog.querySelectorAll("h2, p:not([role]), button")];
    return parts.map((part) => {
      const style = getComputedStyle(part);
      const range = document.createRange();
      range.selectNodeContents(part);
      const { x, y, width, height } = range.getBoundingClientRect();
      return {
        words: { x, y, width, height },
        background: style.backgroundColor,
        color: style.color,
        edge: style.borderTopStyle === "solid" ? style.borderTopColor : style.backgroundColor,
        radius: style.borderRadius,
        tag: part.tagName,
        opacity: style.opacity,
        moving: part.getAnimations({ subtree: true }).length,
      };
    });
  });
}

test("the site's colours and corners, by custom properties", async (t) => {
  const visit = await open(t);
  await visit.style(`:root { --lastseen-background: rgb(1, 2, 3); --lastseen-color: rgb(250, 251, 252);
    --lastseen-accent: rgb(200, 100, 50); --lastseen-radius: 7px }`);
  await visit.warned();
  const [dialog, title, text, stay, out] = await styles(visit);
  for (const { background, radius } of [dialog, out]) {
    assert.deepEqual([background, radius], ["rgb(1, 2, 3)", "7px"]);
  }
  for (const { color } of [dialog, title, text, out]) assert.equal(color, "rgb(250, 251, 252)");
  assert.equal(stay.background, "rgb(200, 100, 50)");
  assert.equal(stay.color, "rgb(1, 2, 3)");
  await visit.covered();
  const [cover, heading] = await styles(visit);
  assert.equal(cover.background, "rgb(1, 2, 3)");
  assert.equal(heading.color, "rgb(250, 251, 252)");
});

test("the page's own style for headings, text, buttons and dialogs leaves it readable", async (t) => {
  const visit = await open(t);
  await visit.style(`* { margin: 0; outline: none } h2, p { color: #fff } p { font-size: 2px }
    button { color: #fff; text-indent: -99em; width: 1px } dialog { transition: opacity 30s; opacity: 0 }
    dialog[open] { opacity: 1 } @starting-style { dialog[open] { opacity: 0 } }`);
  await visit.warned();
  for (const { opacity, moving } of await styles(visit)) {
    assert.deepEqual([opacity, moving], ["1", 0]);
  }
  await fits(visit, "a page that styles everything");
  const [, title, text] = await styles(visit);
  assert.notEqual(title.color, "rgb(255, 255, 255)");
  assert.notEqual(text.color, "rgb(255, 255, 255)");
  const { middle, outline, size } = await visit.page.$eval("dialog", (dialog) => {
    const { left, width } = dialog.getBoundingClientRect();
    const focused = getComputedStyle(document.activeElement ?? dialog);
    const paragraph = getComputedStyle(dialog.querySelector("p:not([role])") ?? dialog);
    return {
      middle: left + width / 2 - innerWidth / 2,
      outline: focused.outlineStyle,
      size: Number.parseFloat(paragraph.fontSize),
    };
  });
  assert.ok(Math.abs(middle) < 20, "in the middle");
  assert.notEqual(outline, "none", "the focus can be seen");
  assert.ok(size >= 12, `${size} px of text`);
});

// --- Everybody --------------------------------------------------------------------------------

/** Words, and what makes a button one, can be told from what is behind. @param {DialogPage} visit @param {string} where */
async function canBeRead(visit, where) {
  const [dialog, ...parts] = await styles(visit);
  const paper = colour(dialog.background);
  for (const { background, color, edge, tag, words } of parts) {
    const fill = colour(background, paper);
    assert.ok(contrast(colour(color), fill) >= 4.5, `${where}: ${color} on ${background}`);
    // What was painted may be something else: forced colours put a plate behind words.
    const seen = pixels(await visit.page.screenshot({ clip: words }));
    const inked = seen.filter((pixel) => contrast(pixel, fill) >= 3).length / seen.length;
    assert.ok(inked > 0.03 && inked < 0.6, `${where}: ${tag} of ${color} on ${background}`);
    if (tag !== "BUTTON") continue;
    const shape = Math.max(contrast(fill, paper), contrast(colour(edge, paper), paper));
    assert.ok(
      shape >= 3,
      `${where}: a button of ${background} and ${edge} on ${dialog.background}`,
    );
  }
}

/** @param {DialogPage} visit @param {{ name: string, value: string }[]} features */
async function emulate({ page }, features) {
  // Puppeteer's own call refuses the features that it does not know.
  const session = await page.createCDPSession();
  await session.send("Emulation.setEmulatedMedia", { features });
  for (const { name, value } of features) {
    const matches = await page.evaluate(
      (query) => matchMedia(query).matches,
      `(${name}: ${value})`,
    );
    assert.ok(matches, `the browser emulates ${name}`);
  }
}

/** @param {DialogPage} visit @returns {Promise<string[]>} */
async function violations({ page }) {
  // In a world of its own: axe waits with timers, and the page's stand still.
  const session = await page.createCDPSession();
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", {
    frameId: frameTree.frame.id,
  });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `${axe}; axe.run().then(({ violations }) =>
      violations.map(({ id, nodes }) => id + ": " + nodes[0].html))`,
    contextId,
    awaitPromise: true,
    returnByValue: true,
  });
  assert.equal(exceptionDetails, undefined);
  return result.value;
}

for (const state of STATES) {
  test(`axe finds nothing when it has ${state}, in light and dark, on a desk and on a phone`, async (t) => {
    const visit = await open(t);
    await visit[state]();
    for (const value of ["light", "dark"]) {
      await emulate(visit, [{ name: "prefers-color-scheme", value }]);
      for (const [width, height] of [
        [1280, 800],
        [360, 640],
      ]) {
        await visit.page.setViewport({ width, height });
        assert.deepEqual(await violations(visit), [], `${value}, ${width} px`);
        // Outside the body axe leaves this open.
        await canBeRead(visit, `${value}, ${width} px`);
      }
    }
  });
}

test("the button that has the keyboard can be told from the one that has not", async (t) => {
  const visit = await open(t);
  await visit.warned();
  const [stay] = await visit.page.$$("dialog button");
  const box = await stay?.boundingBox();
  assert.ok(box);
  const { x, y, width, height } = box;
  // With some room, for a ring around it.
  const clip = { x: x - 8, y: y - 8, width: width + 16, height: height + 16 };
  for (const value of ["light", "dark"]) {
    await emulate(visit, [{ name: "prefers-color-scheme", value }]);
    await stay?.focus();
    const focused = pixels(await visit.page.screenshot({ clip }));
    await visit.press("Tab");
    const other = pixels(await visit.page.screenshot({ clip }));
    const changed = focused.filter((one, i) => contrast(one, other[i] ?? one) >= 3).length;
    // WCAG 2.2 has two rows all around for the best mark; one is enough to be seen.
    assert.ok(changed >= 2 * (width + height), `${value}: ${changed} pixels`);
  }
});

/**
 * All of it is inside the window, no word is cut off, and the buttons are big enough to hit.
 *
 * @param {DialogPage} visit @param {string} where
 */
async function fits({ page }, where) {
  const found = await page.$eval("dialog", (dialog) => {
    /** @type {string[]} */
    const wrong = [];
    const box = dialog.getBoundingClientRect();
    if (box.left < 0 || box.top < 0) wrong.push("out of the window");
    if (box.right > innerWidth || box.bottom > innerHeight) wrong.push("out of the window");
    if (dialog.scrollWidth > dialog.clientWidth) wrong.push("it scrolls sideways");
    if (dialog.scrollHeight > dialog.clientHeight) wrong.push("it scrolls");
    if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page scrolls sideways");
    for (const part of dialog.querySelectorAll("h2, p:not([role]), button")) {
      const { left, right, top, bottom, width, height } = part.getBoundingClientRect();
      const name = part.textContent;
      if (left < box.left || right > box.right || top < box.top || bottom > box.bottom) {
        wrong.push(`${name}: outside`);
      }
      if (part.scrollWidth > Math.ceil(width)) wrong.push(`${name}: cut off`);
      if (part.tagName === "BUTTON" && (width < 24 || height < 24)) wrong.push(`${name}: small`);
    }
    return wrong;
  });
  assert.deepEqual(found, [], where);
}

test("nothing is cut off or out of reach on a phone and at 200 % zoom, in any language", async (t) => {
  for (const [lang] of LANGUAGES) {
    const visit = await open(t, { lang });
    for (const state of STATES) {
      await visit.page.setViewport({ width: 1280, height: 720 });
      await visit[state]();
      // A window of 1280 by 720 at 200 % is one of 640 by 360 whose pixels are twice the size.
      for (const [width, height] of [
        [360, 640],
        [640, 360],
      ]) {
        await visit.page.setViewport({ width, height, deviceScaleFactor: 2 });
        await fits(visit, `${state} in ${lang}, ${width} by ${height}`);
      }
      if (state === "warned") await visit.press("Enter");
    }
  }
});

test("it does not move, whether or not the visitor asked for less motion", async (t) => {
  const visit = await open(t);
  await emulate(visit, [{ name: "prefers-reduced-motion", value: "reduce" }]);
  for (const state of STATES) {
    await visit[state]();
    for (const { moving, opacity } of await styles(visit)) {
      assert.deepEqual([moving, opacity], [0, "1"]);
    }
    if (state === "warned") await visit.press("Enter");
  }
});

test("with the visitor's own colours (forced-colors) everything has an edge and can be read", async (t) => {
  const visit = await open(t);
  await emulate(visit, [{ name: "forced-colors", value: "active" }]);
  for (const state of STATES) {
    await visit[state]();
    await canBeRead(visit, `${state} in forced colours`);
    await fits(visit, `${state} in forced colours`);
    if (state === "warned") await visit.press("Enter");
  }
});
