/**
 * A link in a native app opens an address as if it had been typed: nobody is logged out by it. They are asked by a
 * page with one button, which works without JavaScript, by keyboard, and on a phone. In a real Chromium.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { leaveEmail, someone } from "../browser/gate-page.mjs";
import { asVisitor, launch, quit } from "../harness/browser.mjs";
import { Serve } from "../harness/serve.mjs";

/** @type {Serve} */
let serve;
/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  serve = await Serve.start();
  browser = await launch();
});
after(async () => {
  await quit(browser);
  await serve?.stop();
});

/** @param {string} email */
const reasonOf = async (email) =>
  (await serve.rows()).find((row) => row.emailOfAccessor === email)?.endReason ?? "";

test("an address without a page before it only asks", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    const email = someone();
    await page.goto(`${serve.url}/access/`);
    await leaveEmail(page, email);

    /** @type {string[]} */
    const problems = [];
    page.on("console", (line) => problems.push(line.text()));
    page.on("requestfailed", (request) => problems.push(request.url()));
    await page.setJavaScriptEnabled(false);
    await page.setViewport({ width: 320, height: 640, isMobile: true, hasTouch: true });
    await page.goto(`${serve.url}/logout`);
    assert.equal(await page.title(), "Log out");
    assert.equal(await reasonOf(email), "", "asked, and not yet logged out");
    const seen = await page.evaluate(() => {
      const button = document.querySelector("button");
      const { width = 0, height = 0 } = button?.getBoundingClientRect() ?? {};
      return {
        isFocused: document.activeElement === button,
        buttons: document.querySelectorAll("button, a, input").length,
        text: Number.parseFloat(getComputedStyle(document.body).fontSize),
        isWide: document.documentElement.scrollWidth > innerWidth,
        width,
        height,
      };
    });
    assert.deepEqual([seen.isFocused, seen.buttons, seen.isWide], [true, 1, false]);
    assert.ok(seen.text >= 16 && seen.height >= 44 && seen.width >= 44, JSON.stringify(seen));
    assert.deepEqual(problems, [], "its style is its own, and the policy knows it");

    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.equal(new URL(page.url()).pathname, "/access/");
    assert.equal(await reasonOf(email), "logout");
  }));
