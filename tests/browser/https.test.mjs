/**
 * The visit over https, where browsers hold the cookies to all they promise: a real Chromium, a
 * certificate it trusts, a proxy that ends TLS, and `lastseen serve` behind it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { asVisitor, hide, launch, quit, show } from "../harness/browser.mjs";
import { HttpsFront } from "../harness/https.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";
import { leaveEmail, message, pathOf, sentOut, someone } from "./gate-page.mjs";
import { everythingStored } from "./stored.mjs";

/** @typedef {import("puppeteer-core").BrowserContext} Context @typedef {import("puppeteer-core").Page} Page */

const REPORT = "/portfolio/confidential/";
const TOKEN = "__Host-lastseen";
const RECORD = "session_record_id";

/** @type {Serve} */
let serve;
/** @type {HttpsFront} */
let front;
/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  serve = await Serve.start({ COOKIE_SECURE: "true", SITE_AUDIENCE: "portfolio.example" });
  front = await HttpsFront.open("portfolio.example", serve.url);
  browser = await launch({ args: front.chromiumArgs });
});
after(async () => {
  await quit(browser);
  front?.stop();
  await serve?.stop();
});

/** @param {Context} visitor @param {string} email */
async function enter(visitor, email) {
  const page = await visitor.newPage();
  await page.goto(front.url + REPORT);
  assert.equal(await pathOf(page), "/access/");
  await leaveEmail(page, email);
  assert.equal(await pathOf(page), REPORT);
  return page;
}

/** @param {string} email */
const rowsOf = async (email) =>
  (await serve.rows()).filter(({ emailOfAccessor }) => emailOfAccessor === email);

/** @param {Page} page */
const logOut = (page) => Promise.all([page.waitForNavigation(), page.click("header form button")]);

/** @param {Context} visitor */
const names = async (visitor) => (await visitor.cookies()).map(({ name }) => name).sort();

/** Nobody's email, in whatever spelling, and no token. @param {string} text @param {string} email */
function assertTellsNothing(text, email) {
  const [nobody = ""] = email.split("@");
  assert.ok(!text.includes(nobody), `the email in ${text}`);
  assert.doesNotMatch(text, /example\.com|%40/);
  assert.doesNotMatch(text, /eyJ[\w-]{10,}/, "a token");
  for (const cookie of front.cookies) {
    const [name = "", value = ""] = cookie.split(";")[0]?.split("=") ?? [];
    if (name !== TOKEN || value === "") continue;
    for (const part of value.split(".")) assert.ok(!text.includes(part), "part of a token");
  }
}

test("the browser keeps the cookies as they are meant: of this host alone, over https, one unseen by scripts", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await enter(visitor, someone());
    const kept = (await visitor.cookies()).sort((a, b) => (a.name < b.name ? -1 : 1));
    assert.deepEqual(
      kept.map(({ name, domain, path, secure, httpOnly, sameSite }) => ({
        name,
        domain,
        path,
        secure,
        httpOnly,
        sameSite,
      })),
      [TOKEN, RECORD].map((name) => ({
        name,
        // Without a dot in front: not for the names below it.
        domain: "portfolio.example",
        path: "/",
        secure: true,
        httpOnly: name === TOKEN,
        sameSite: "Lax",
      })),
    );
    const seen = await page.evaluate(() => document.cookie);
    assert.match(seen, /^session_record_id=\d+$/);
  }));

test("heartbeats count over https, and the log-out deletes every cookie", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const email = someone();
    const page = await enter(visitor, email);
    await until("heartbeat", async () => (await rowsOf(email))[0]?.currentPage === REPORT);
    assert.deepEqual(await names(visitor), [TOKEN, RECORD]);
    await logOut(page);
    assert.equal(await message(page), "logout");
    assert.deepEqual(await names(visitor), []);
    const [row] = await rowsOf(email);
    assert.equal(row?.endReason, "logout");
    await page.goto(front.url + REPORT);
    assert.equal(await pathOf(page), "/access/");
  }));

test("a log-out throws out the visitor's other browser, and deletes its cookies too", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const email = someone();
    const page = await enter(visitor, email);
    const behind = await hide(page);
    await asVisitor(browser, t, async (other) => {
      await logOut(await enter(other, email));
    });
    assert.deepEqual(await names(visitor), [TOKEN, RECORD]);
    await behind.close();
    await show(page);
    await sentOut(page);
    assert.equal(await message(page), "logout");
    assert.deepEqual(await names(visitor), []);
  }));

test("a browser that was here once does not come back over plain http", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    const first = await page.goto(`${front.url}/`);
    assert.equal(
      first?.headers()["strict-transport-security"],
      "max-age=31536000; includeSubDomains",
    );
    for (const host of [front.host, `below.${front.host}`]) {
      const answer = await page.goto(`http://${host}:${front.port}/`);
      assert.equal(answer?.url(), `https://${host}:${front.port}/`);
    }
  }));

test("neither storage nor any address tells an email or a token", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const email = someone();
    front.addresses.length = 0;
    const page = await enter(visitor, email);
    await page.mouse.move(200, 200);
    await until("heartbeat", async () => (await rowsOf(email))[0]?.currentPage === REPORT);
    await page.goto(`${front.url}${REPORT}figures/?view=costs`);
    await page.mouse.move(300, 300);
    const isAtFigures = async () => (await rowsOf(email))[0]?.currentPage === `${REPORT}figures/`;
    // The next heartbeat has its time.
    await until("heartbeat", isAtFigures, 20_000);
    const inside = await everythingStored(page);
    assert.match(inside, /"lastseen:/, "the script keeps its figures");
    assertTellsNothing(inside, email);
    await logOut(page);
    assertTellsNothing(await everythingStored(page), email);
    assert.ok(front.addresses.length > 10, "the browser asked for something");
    for (const address of front.addresses) assertTellsNothing(address, email);
  }));
