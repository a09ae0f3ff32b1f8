/** The owner at the dashboard and a visitor at the report, in two browsers, with the real server between them. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { asVisitor, hide, launch, quit } from "../harness/browser.mjs";
import { send } from "../harness/http.mjs";
import { isThorough } from "../harness/loop.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { environment, root, until } from "../harness/process.mjs";
import { command } from "../harness/serve.mjs";
import { serveOnNocodb, serveOnSqlite } from "../harness/targets.mjs";
import { parse, picture, sees, violations, words } from "./dashboard-mock.mjs";
import { leaveEmail, message, pathOf, sentOut, someone } from "./gate-page.mjs";

/** @typedef {import("puppeteer-core").BrowserContext} Context */
/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {import("../api/journey.mjs").Target} Target */

const REPORT = "/portfolio/confidential/";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {Target} target @param {Context} visitor @param {string} email */
async function enter(target, visitor, email) {
  const page = await visitor.newPage();
  await page.goto(target.url + REPORT);
  await leaveEmail(page, email);
  assert.equal(await pathOf(page), REPORT);
  return page;
}

/** A page of the owner's, whose console stays empty. @param {Context} owner */
async function desk(owner) {
  const page = await owner.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (told) => {
    if (!/Failed to load resource/.test(told.text())) complaints.push(told.text());
  });
  return { page, complaints };
}

/** Opens a page of the owner's, by the form where they are not signed in. @param {Page} page @param {string} address */
async function signedIn(page, address) {
  await page.goto(address);
  await page.waitForSelector("#sign-in:not([hidden]), #app:not([hidden])");
  if (!(await page.$("#sign-in:not([hidden])"))) return;
  await page.type("#token", ADMIN_TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#app:not([hidden])");
}

/** Asks again until something is there: figures are those of up to five seconds ago. @param {Page} page @param {string} text */
async function shows(page, text) {
  await page.waitForSelector("#app:not([hidden])");
  await until(
    text,
    async () => {
      if ((await words(page)).includes(text)) return true;
      await page.click("#refresh");
      await sleep(500);
      return false;
    },
    10_000,
  );
}

/** A browser cannot tell which store there is. @type {[where: string, start: () => Promise<Target>][]} */
const STORES = [["the dashboard of lastseen serve on SQLite", serveOnSqlite]];
if (isThorough) STORES.push(["the dashboard of lastseen serve on NocoDB", serveOnNocodb]);

for (const [where, start] of STORES) {
  suite(where, () => {
    /** @type {Target} */
    let target;
    before(async () => {
      target = await start();
    });
    after(async () => {
      await target?.stop();
    });

    test("nobody has been here: it says how a first visit comes", (t) =>
      asVisitor(browser, t, async (owner) => {
        const { page, complaints } = await desk(owner);
        await signedIn(page, `${target.url}/admin/`);
        await sees(page, "No visits yet");
        assert.equal(page.url(), `${target.url}/admin/`);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(complaints, []);
      }));

    test("without the token there are no figures, with a wrong one neither, and signing out ends it", (t) =>
      asVisitor(browser, t, async (owner) => {
        const { page, complaints } = await desk(owner);
        await page.goto(`${target.url}/admin/`);
        await sees(page, "Owner's token");
        await page.type("#token", "a-guess-that-is-wrong-0123456789-0123456789");
        await page.keyboard.press("Enter");
        await sees(page, "This is not the owner's token.");
        await page.$eval("#token", (field) => {
          /** @type {HTMLInputElement} */ (field).value = "";
        });
        await page.type("#token", ADMIN_TOKEN);
        await page.keyboard.press("Enter");
        await page.waitForSelector("#app:not([hidden])");
        const cookies = await owner.cookies();
        const cookie = cookies.find(({ name }) => name === "lastseen-admin");
        assert.ok(cookie?.httpOnly && cookie.sameSite === "Strict", JSON.stringify(cookies));
        await page.click("#sign-out");
        await sees(page, "You are signed out.");
        await page.reload();
        await sees(page, "Owner's token");
        assert.deepEqual(complaints, []);
      }));

    test("the form works without this script, and its answers are explained", (t) =>
      asVisitor(browser, t, async (owner) => {
        const { page } = await desk(owner);
        await page.goto(`${target.url}/admin/`);
        await page.waitForSelector("#sign-in:not([hidden])");
        const submit = async (/** @type {string} */ token) => {
          await page.$eval(
            "#token",
            (field, text) => {
              /** @type {HTMLInputElement} */ (field).value = text;
            },
            token,
          );
          await Promise.all([
            page.waitForNavigation(),
            // Past the script's own listener.
            page.$eval("#sign-in-form", (form) => /** @type {HTMLFormElement} */ (form).submit()),
          ]);
        };
        await submit("a-guess-that-is-wrong-0123456789-0123456789");
        await sees(page, "This is not the owner's token.");
        await submit(ADMIN_TOKEN);
        await page.waitForSelector("#app:not([hidden])");
      }));

    test("the owner sees somebody look, revokes the visitor, and they are out", (t) =>
      asVisitor(browser, t, (owner) =>
        asVisitor(browser, t, async (visitor) => {
          const email = someone();
          const { page, complaints } = await desk(owner);
          await signedIn(page, `${target.url}/admin/?range=today`);
          await page.waitForSelector("#app:not([hidden])");
          const reading = await enter(target, visitor, email);
          await reading.mouse.move(100, 100);
          await until("a heartbeat", async () =>
            (await target.rows()).some((row) => row.emailOfAccessor === email && row.currentPage),
          );
          await page.bringToFront();
          // By itself, within two of its rounds.
          await page.waitForFunction(
            (who) => document.querySelector("ul.live")?.textContent?.includes(who),
            { timeout: 25_000 },
            email,
          );
          assert.match(await words(page), /Looking now/);
          await picture(page, `live-${where.split(" ").at(-1)}`);
          assert.deepEqual(await violations(page), []);

          await page.$$eval(
            ".live a",
            (all, who) =>
              /** @type {any[]} */ (all).find((one) => one.textContent === who)?.click(),
            email,
          );
          await sees(page, "Timeline");
          await picture(page, `live-visitor-${where.split(" ").at(-1)}`);
          const front = await hide(reading);
          await page.bringToFront();
          await page.click(".visitor-head .danger");
          await page.click("#confirm-yes");
          await sees(page, `1 visit of ${email} revoked.`);
          await sees(page, "Revoked");
          await page.waitForFunction(() => !document.querySelector(".visitor-head .danger"));

          await front.close();
          await reading.bringToFront();
          await sentOut(reading);
          assert.equal(await message(reading), "revoked");
          await reading.goto(target.url + REPORT);
          assert.equal(await pathOf(reading), "/access/", "and stays out");
          assert.deepEqual(complaints, []);
        }),
      ));

    test("filters reach the server, and what it refuses is said at the field", (t) =>
      asVisitor(browser, t, (owner) =>
        asVisitor(browser, t, async (visitor) => {
          const email = someone();
          await enter(target, visitor, email);
          const { page, complaints } = await desk(owner);
          await signedIn(page, `${target.url}/admin/?view=visits`);
          await shows(page, email);
          await page.type("#who", "nobody.example");
          await page.keyboard.press("Enter");
          await sees(page, "No visits match these filters");
          await page.click(".empty a");
          await sees(page, email);
          await page.type("#who", email);
          await page.keyboard.press("Enter");
          await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
          for (const [query, field] of [
            ["from=2026-11-20&to=2026-11-01", "from"],
            ["from=2026-13-45", "from"],
            ["tz=Moon/Base", "tz"],
            ["email=ann@@example.com", "who"],
            ["reason=boredom", "ending"],
          ]) {
            await page.goto(`${target.url}/admin/?${query}`);
            await page.waitForSelector(`#${field}[aria-invalid="true"]`, { timeout: 8000 });
          }
          for (const view of ["visitors", "pages", "visits"]) {
            await page.goto(`${target.url}/admin/?view=${view}&range=all&tz=Asia/Kathmandu`);
            await page.waitForSelector(".panel table");
            assert.deepEqual(await violations(page), [], view);
          }
          for (const sort of ["email", "active", "duration", "sessions"]) {
            await page.goto(`${target.url}/admin/?view=visitors&sort=${sort}`);
            await page.waitForSelector(".panel table [aria-sort]");
          }
          await page.goto(`${target.url}/admin/?view=visits&email=${email}`);
          await page.waitForSelector("tbody button");
          await page.click("tbody button");
          await page.click("#confirm-yes");
          await sees(page, `The visit of ${email} is revoked.`);
          const row = (await target.rows()).find((one) => one.emailOfAccessor === email);
          assert.equal(row?.endReason, "revoked");
          assert.deepEqual(complaints, []);
        }),
      ));

    for (const [view, name, key] of [
      ["visits", "sessions", "id"],
      ["visitors", "visitors", "email"],
    ]) {
      test(`${name} come as one CSV file, each once`, (t) =>
        asVisitor(browser, t, (owner) =>
          asVisitor(browser, t, async (visitor) => {
            const email = someone();
            await enter(target, visitor, email);
            const folder = await mkdtemp(join(tmpdir(), "lastseen-csv-"));
            t.after(() => rm(folder, { recursive: true, force: true }));
            const { page, complaints } = await desk(owner);
            const session = await page.createCDPSession();
            await session.send("Browser.setDownloadBehavior", {
              behavior: "allow",
              downloadPath: folder,
              browserContextId: owner.id,
            });
            await signedIn(page, `${target.url}/admin/?view=${view}&range=all`);
            await page.waitForSelector(".panel table");
            await shows(page, email);
            const rows = await target.rows();
            await page.$$eval("button", (/** @type {any[]} */ all) =>
              all.find((one) => one.textContent === "Export CSV")?.click(),
            );
            await sees(page, "is complete");
            const isCsv = (/** @type {string} */ file) => file.endsWith(".csv");
            await until("the file", async () => (await readdir(folder)).some(isCsv));
            const file = (await readdir(folder)).find(isCsv) ?? "";
            assert.match(file, new RegExp(`^lastseen-${name}-.*\\.csv$`));
            const [header = [], ...found] = parse(await readFile(join(folder, file), "utf8"));
            const cell = header.indexOf(key ?? "");
            assert.ok(cell >= 0, `${header}`);
            const expected = rows.map((row) => (key === "id" ? row.id : row.emailOfAccessor));
            assert.deepEqual(
              found.map((row) => row[cell] ?? "").sort(),
              [...new Set(expected)].sort(),
            );
            assert.deepEqual(complaints, []);
          }),
        ));
    }
  });
}

test("its files are served as the rest of the site is, and search engines are told to stay away", async () => {
  const target = await serveOnSqlite();
  try {
    const listed = await command(["files"], environment({ STATIC_DIR: join(root, "static") }));
    const files = listed
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ name }) => name.startsWith("admin/"));
    assert.ok(files.length > 20);
    /** @type {Record<string, string>} */
    const types = {
      html: "text/html; charset=utf-8",
      css: "text/css; charset=utf-8",
      js: "text/javascript; charset=utf-8",
      svg: "image/svg+xml",
      txt: "text/plain; charset=utf-8",
    };
    for (const { name, contentType, cacheControl } of files) {
      assert.equal(contentType, types[name.split(".").at(-1)], name);
      assert.equal(cacheControl, "no-cache", name);
      const answer = await send(target.url, `/${name}`);
      assert.equal(answer.status, 200, name);
      assert.equal(answer.headers["content-type"], contentType, name);
      assert.equal(answer.headers["cache-control"], "no-cache", name);
      assert.match(String(answer.headers["content-security-policy"]), /frame-ancestors 'self'/);
    }
    const page = await send(target.url, "/admin/");
    assert.match(page.text, /<meta name="robots" content="noindex, nofollow">/);
    assert.match((await send(target.url, "/robots.txt")).text, /^Disallow: \/admin\/$/m);
    const all = await readdir(join(root, "static"), { recursive: true });
    for (const file of all.filter(
      (one) => /\.(html|xml|txt)$/.test(one) && !one.startsWith("admin"),
    )) {
      if (file === "robots.txt") continue;
      assert.doesNotMatch(await readFile(join(root, "static", file), "utf8"), /\/admin\//, file);
    }
  } finally {
    await target.stop();
  }
});
