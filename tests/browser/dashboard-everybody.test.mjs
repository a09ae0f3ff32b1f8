/** The dashboard for everybody: zoomed, in the reader's own colours, without motion, by keyboard, and whatever visitors wrote. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { DashboardMock, hostile, misfits, picture, sees } from "./dashboard-mock.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @type {Record<string, string>} */
const VIEWS = {
  overview: "",
  visitors: "?view=visitors",
  pages: "?view=pages",
  visits: "?view=visits",
  visitor: "?view=visitor&email=ann.lindqvist@northwind.example",
};

test("at 200 % zoom nothing is cut off", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  // A window of 1280 by 720 at 200 % is one of 640 by 360 whose pixels are twice the size.
  await page.setViewport({ width: 640, height: 360, deviceScaleFactor: 2 });
  for (const name of Object.keys(VIEWS)) {
    await page.goto(`${mock.url}/admin/${VIEWS[name]}`);
    await page.waitForSelector(".panel");
    assert.deepEqual(await misfits(page), [], name);
    await picture(page, `${name}-zoomed`, false);
  }
});

test("with the reader's own colours (forced-colors) bars and marks are still drawn", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  const session = await page.createCDPSession();
  await session.send("Emulation.setEmulatedMedia", {
    features: [{ name: "forced-colors", value: "active" }],
  });
  for (const name of ["overview", "pages", "visitor"]) {
    await page.goto(`${mock.url}/admin/${VIEWS[name]}`);
    await page.waitForSelector(".panel");
    await picture(page, `${name}-forced-colours`);
    const drawn = await page.evaluate(() => {
      const colour = (/** @type {string} */ of, /** @type {string | undefined} */ pseudo) => {
        const element = document.querySelector(of);
        return element ? getComputedStyle(element, pseudo).backgroundColor : "";
      };
      const paper = getComputedStyle(document.body).backgroundColor;
      return [colour("span.bar", "::after"), colour(".stretch", undefined)]
        .filter(Boolean)
        .map((one) => one !== paper && one !== "rgba(0, 0, 0, 0)");
    });
    assert.ok(drawn.length > 0 && drawn.every(Boolean), `${name}: ${drawn}`);
  }
});

test("nothing moves where less motion is asked for", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t);
  await page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "reduce" }]);
  await page.goto(`${mock.url}/admin/`);
  await sees(page, "Looking now");
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  await page.emulateMediaFeatures([{ name: "prefers-reduced-motion", value: "no-preference" }]);
  assert.ok(
    (await page.evaluate(() => document.getAnimations().length)) > 0,
    "or nothing ever does",
  );
});

test("what visitors wrote is text, and nothing else", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t, hostile);
  let alerts = 0;
  page.on("dialog", (dialog) => {
    alerts += 1;
    dialog.dismiss();
  });
  for (const view of ["", "?view=visitors", "?view=pages", "?view=visits"]) {
    await page.goto(`${mock.url}/admin/${view}`);
    await page.waitForSelector(".panel");
    // What turns a line around makes exe.jpg of gpj.exe.
    assert.doesNotMatch(await page.$eval("#view", (one) => one.textContent ?? ""), /\u202e/, view);
    assert.equal(await page.$$eval("#view img, #view script", (found) => found.length), 0, view);
    const links = await page.$$eval("#view a", (all) => all.map((one) => one.getAttribute("href")));
    for (const link of links) assert.match(link ?? "", /^\?/, "links stay on this page");
  }
  await page.goto(`${mock.url}/admin/?view=visits`);
  await page.waitForSelector(".panel");
  await page.$$eval("tbody a", (all) =>
    all.find((one) => one.textContent?.includes("<script>"))?.click(),
  );
  await sees(page, "Timeline");
  assert.equal(
    await page.$eval("#view h1", (title) => title.textContent),
    `"><script>alert(1)</script>@x.example`,
  );
  assert.equal(alerts, 0);
});

test("nothing of the page comes from elsewhere, is inline, or makes HTML of text", async () => {
  const root = new URL("../../static/admin/", import.meta.url);
  const files = (await readdir(root, { recursive: true })).filter(
    (file) => /\.(html|css|js)$/.test(file) && !file.startsWith("vendor"),
  );
  assert.ok(files.length > 20);
  for (const file of files) {
    const source = await readFile(new URL(file, root), "utf8");
    const links = source.replaceAll("http://www.w3.org/2000/svg", "");
    assert.doesNotMatch(links, /https?:\/\//, file);
    assert.doesNotMatch(
      source,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/,
      file,
    );
    if (file.endsWith(".html"))
      assert.doesNotMatch(source, /\sstyle=|<style|\son\w+=|<script>/, file);
  }
});
