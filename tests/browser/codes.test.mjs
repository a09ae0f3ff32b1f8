/**
 * Coming in with a code, as a person does: a real browser, the real server, and a real mail server
 * that the code is read from.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, quit, screenshots } from "../harness/browser.mjs";
import { MailServer } from "../harness/mail.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

const REPORT = "/portfolio/confidential/figures/";
const ANNA = "anna@example.com";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** @type {import("puppeteer-core").Browser} */
let browser;
/** @type {MailServer} */
let mail;
/** @type {Serve} */
let serve;
/** @type {import("puppeteer-core").BrowserContext} */
let visitor;
/** @type {Page} */
let page;

before(async () => {
  browser = await launch();
  mail = await MailServer.start();
});
after(async () => {
  await quit(browser);
  await mail?.stop();
});
beforeEach(async () => {
  mail.mails = [];
  serve = await Serve.start(mail.settings);
  visitor = await browser.createBrowserContext();
  page = await visitor.newPage();
});
afterEach(async () => {
  await visitor?.close();
  await serve?.stop();
});

/** Goes to the report and leaves an email at the gate that stands in front of it. */
async function asks(email = ANNA) {
  await page.goto(serve.url + REPORT);
  await page.type("#email", email);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

/** @param {string} code */
async function entersCode(code) {
  await page.click("#code", { count: 3 });
  await page.keyboard.type(code);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

/** The ids of those of these that a visitor sees. */
const seen = () =>
  page.$$eval(".gate > h1, #enter, .code, .message", (elements) =>
    elements
      .filter((element) => element.checkVisibility())
      .map(({ id, className }) => id || className || "heading"),
  );

const focused = () => page.evaluate(() => document.activeElement?.id);
const path = () => page.evaluate(() => location.pathname);
const names = async () => (await visitor.cookies()).map(({ name }) => name).sort();

/** @param {string} code */
const wrong = (code) => (code.startsWith("7") ? "8" : "7") + code.slice(1);

for (const javascript of [true, false]) {
  const how = javascript ? "with" : "without";

  test(`${how} JavaScript, a visitor comes in with the code and lands where they wanted to`, async () => {
    await page.setJavaScriptEnabled(javascript);
    await asks();
    assert.equal(await path(), "/access/");
    assert.deepEqual(await seen(), ["code"], "the code's form, and the email's not");
    // Typing can begin at once, from the first frame on.
    await until("the focus", async () => (await focused()) === "code");
    assert.deepEqual(await names(), ["lastseen-code"]);
    assert.deepEqual(await serve.rows(), []);

    await entersCode((await mail.code(ANNA)).toLowerCase().replace("-", " "));
    assert.equal(await path(), REPORT);
    assert.deepEqual(await names(), ["lastseen", "session_record_id"]);
    const [row, ...more] = await serve.rows();
    assert.equal(row?.emailOfAccessor, ANNA);
    assert.deepEqual(more, []);
  });

  test(`${how} JavaScript, a wrong code is told with the code's form, and the right one still works`, async () => {
    await page.setJavaScriptEnabled(javascript);
    await asks();
    const code = await mail.code(ANNA);
    await entersCode(wrong(code));
    assert.deepEqual(await seen(), ["code", "wrong-code"]);
    // A screen reader starts there, from the first frame on.
    await until("the focus", async () => (await focused()) === "wrong-code");
    await entersCode(code);
    assert.equal(await path(), REPORT);
  });

  test(`${how} JavaScript, a burned code leads back to the email, and a new code lets in`, async () => {
    await page.setJavaScriptEnabled(javascript);
    await asks();
    const burned = await mail.code(ANNA);
    for (let tries = 0; tries < 5; tries += 1) await entersCode(wrong(burned));
    await entersCode(burned);
    assert.deepEqual(await seen(), ["heading", "code-expired", "enter"]);
    await page.type("#email", ANNA);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.deepEqual(await seen(), ["code"]);
    await entersCode(await mail.code(ANNA, 2));
    assert.equal(await path(), REPORT, "the way back has survived it all");
  });

  test(`${how} JavaScript, a visitor can take another address or a new code instead`, async () => {
    await page.setJavaScriptEnabled(javascript);
    await asks("ana@example.com");
    await page.click('.code a[href="#email"]');
    assert.deepEqual(await seen(), ["heading", "enter"]);
    assert.equal(await focused(), "email");
    await page.keyboard.type(ANNA);
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    await entersCode(await mail.code(ANNA));
    assert.equal(await path(), REPORT);
    assert.equal((await serve.rows())[0]?.emailOfAccessor, ANNA);
  });

  test(`${how} JavaScript, who asks too often is told so`, async () => {
    await page.setJavaScriptEnabled(javascript);
    for (let times = 0; times < 4; times += 1) await asks();
    assert.deepEqual(await seen(), ["heading", "limited", "enter"]);
    assert.equal(mail.mails.length, 3);
  });
}

test("another browser has no use for the code", async () => {
  await asks();
  const code = await mail.code(ANNA);
  const stranger = await browser.createBrowserContext();
  try {
    const other = await stranger.newPage();
    await other.goto(`${serve.url}/access/#code`);
    await other.type("#code", code);
    await Promise.all([other.waitForNavigation(), other.keyboard.press("Enter")]);
    assert.equal(new URL(other.url()).hash, "#code-expired");
    assert.deepEqual(await serve.rows(), []);
  } finally {
    await stranger.close();
  }
});

test("no address that the browser has been to holds the email or the code", async () => {
  /** @type {string[]} */
  const visited = [];
  page.on("framenavigated", (frame) => visited.push(frame.url()));
  page.on("request", (request) => visited.push(request.url()));
  await asks();
  const code = await mail.code(ANNA);
  await entersCode(wrong(code));
  await entersCode(code);
  assert.ok(visited.some((url) => url.includes("step=code")));
  for (const url of visited) {
    for (const secret of ["anna", "example.com", code, code.replace("-", ""), wrong(code)]) {
      assert.ok(!url.includes(secret), `${secret} in ${url}`);
    }
  }
  const readable = await page.evaluate(() => document.cookie + JSON.stringify(localStorage));
  assert.ok(!readable.includes("code") && !readable.includes("anna"), readable);
});

test("with JavaScript a code's step that lost its fragment is shown from the query", async () => {
  await page.goto(`${serve.url}/access/?step=code`);
  await page.waitForFunction("location.hash === '#code'");
  assert.deepEqual(await seen(), ["code"]);
});

test("the code's field helps: from the mail on phones, in capitals, without corrections", async () => {
  await asks();
  const attributes = await page.$eval("#code", (field) => ({
    autocomplete: field.getAttribute("autocomplete"),
    autocapitalize: field.getAttribute("autocapitalize"),
    spellcheck: field.getAttribute("spellcheck"),
    label: document.querySelector('label[for="code"]')?.textContent,
  }));
  assert.deepEqual(attributes, {
    autocomplete: "one-time-code",
    autocapitalize: "characters",
    spellcheck: "false",
    label: "Code",
  });
});

test("the code's form is accessible and fits, in light and dark, on a desk and on a phone", async () => {
  mkdirSync(screenshots, { recursive: true });
  for (const scheme of ["light", "dark"]) {
    for (const [width, height] of /** @type {const} */ ([
      [1280, 800],
      [390, 844],
      [320, 640],
    ])) {
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const fragment of ["code", "wrong-code"]) {
        await page.goto("about:blank");
        await page.goto(`${serve.url}/access/#${fragment}`);
        await page.evaluate(axe);
        const found = await page.evaluate("axe.run().then((result) => result.violations)");
        const violations = /** @type {{ id: string, nodes: { html: string }[] }[]} */ (found);
        assert.deepEqual(
          violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
          [],
          `${fragment}, ${scheme}, ${width} px`,
        );
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${wide} px of page in ${width} px of window`);
        const field = await page.$("#code");
        assert.ok(await field?.isIntersectingViewport(), "nobody has to scroll to the field");
        const picture = join(screenshots, `${fragment}-${scheme}-${width}.png`);
        await page.screenshot({ path: /** @type {`${string}.png`} */ (picture) });
      }
    }
  }
});
