/**
 * Tracking only, as docs/own-site.md describes it: static pages on one host, the API on another of the
 * same domain, both over https in a real Chromium. Any server serves the pages; nothing of ours
 * stands in front of them.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { asVisitor, hide, launch, quit, show } from "../harness/browser.mjs";
import { chromiumArgsFor, HttpsFront } from "../harness/https.mjs";
import { root, until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";
import { leaveEmail, message, someone } from "./gate-page.mjs";

/** @typedef {import("puppeteer-core").BrowserContext} Context @typedef {import("puppeteer-core").Page} Page */

const WWW = "https://www.example.test";
const API = "https://api.example.test";
const TOKEN = "__Host-lastseen";
const RECORD = "session_record_id";
/** Short enough to wait for, and as long as a slow machine may need between two answers. */
const IDLE_SECONDS = 8;

/** The settings that the recipe names. */
const SETTINGS = {
  COOKIE_SECURE: "true",
  SITE_AUDIENCE: "www.example.test",
  ALLOWED_ORIGINS: WWW,
  COOKIE_DOMAIN: "example.test",
  PROTECTED_PREFIXES: "/deck",
  DEFAULT_REDIRECT: "/deck/",
};

/** A page with the recipe's script tag. @param {string} title */
const pageOf = (title) => `<!doctype html>
<html lang="en">
<title>${title}</title>
<script src="/lastseen.js" defer
  data-endpoint="${API}/api/session-heartbeat"
  data-logout-url="${API}/api/logout"
  data-worker="/lastseen-worker.js"></script>
<h1>${title}</h1>
<form method="post" action="${API}/api/logout"><button>Log out</button></form>
<a id="out" href="${API}/logout">Log out</a>
</html>`;

/** The demo's gate page, whose forms post to the API, under a referrer policy. @param {string} policy */
async function gatePage(policy) {
  const page = await readFile(join(root, "static/access/index.html"), "utf8");
  const asItShips = '<meta name="referrer" content="same-origin">';
  assert.ok(page.includes(asItShips));
  return page
    .replaceAll('action="/api/', `action="${API}/api/`)
    .replace(asItShips, `<meta name="referrer" content="${policy}">`);
}

/** As strict as the recipe allows. */
const CONTENT_POLICY = `default-src 'self'; connect-src 'self' ${API}; form-action 'self' ${API}; worker-src 'self'`;

const TYPES = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html" };

/** A static server that knows nothing of any session. */
async function openPages() {
  /** @type {Record<string, string>} */
  const pages = {
    "/": pageOf("Public"),
    "/deck/": pageOf("Deck"),
    "/deck/two/": pageOf("Two"),
    "/access/": await gatePage("no-referrer-when-downgrade"),
    "/access/usual/": await gatePage("strict-origin-when-cross-origin"),
    "/access/hiding/": await gatePage("same-origin"),
  };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", WWW);
    const type = TYPES[/** @type {".js"} */ (extname(pathname))] ?? "text/html";
    const body =
      pages[pathname] ?? (await readFile(join(root, "static", pathname)).catch(() => ""));
    response
      .writeHead(body ? 200 : 404, {
        "content-type": `${type}; charset=utf-8`,
        "content-security-policy": CONTENT_POLICY,
      })
      .end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { url: `http://127.0.0.1:${port}`, stop: () => server.close() };
}

/** @type {Awaited<ReturnType<typeof openPages>>} */
let pages;
/** @type {Serve} */
let serve;
/** @type {HttpsFront[]} */
let fronts = [];
/** @type {import("puppeteer-core").Browser} */
let browser;

/** Starts the API with more settings, where the hosts lead. @param {NodeJS.ProcessEnv} [more] */
async function open(more) {
  serve = await Serve.start({ ...SETTINGS, ...more });
  fronts = [
    await HttpsFront.open("www.example.test", pages.url),
    await HttpsFront.open("api.example.test", serve.url),
  ];
  browser = await launch({ args: chromiumArgsFor(...fronts) });
}
async function close() {
  await quit(browser);
  for (const front of fronts) front.stop();
  await serve?.stop();
}
before(async () => {
  pages = await openPages();
  await open();
});
after(async () => {
  await close();
  pages?.stop();
});

/** @param {Context} visitor @param {string} email @param {string} back */
async function enter(visitor, email, back = "/deck/") {
  const page = await visitor.newPage();
  await page.goto(`${WWW}/access/?redirect=${encodeURIComponent(back)}`);
  await leaveEmail(page, email);
  assert.equal(page.url(), WWW + back);
  return page;
}

/** @param {string} email */
const rowOf = async (email) =>
  (await serve.rows()).find(({ emailOfAccessor }) => emailOfAccessor === email);

/** @param {Context} visitor */
const cookies = async (visitor) =>
  (await visitor.cookies())
    .map(({ name, domain, httpOnly, secure }) => ({ name, domain, httpOnly, secure }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

/** @param {Page} page @param {string} reason */
const atTheGate = (page, reason) =>
  page.waitForFunction(
    (origin, hash) =>
      location.origin === origin && location.pathname === "/access/" && location.hash === hash,
    { timeout: 15_000 },
    WWW,
    `#${reason}`,
  );

test("a visitor comes in, is seen on the other host's pages, and logs out by the button", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const email = someone();
    const page = await enter(visitor, email, "/deck/?tab=2");
    assert.deepEqual(await cookies(visitor), [
      { name: TOKEN, domain: "api.example.test", httpOnly: true, secure: true },
      { name: RECORD, domain: ".example.test", httpOnly: false, secure: true },
    ]);
    assert.match(await page.evaluate(() => document.cookie), /^session_record_id=\d+$/);
    await until("heartbeat", async () => (await rowOf(email))?.currentPage === "/deck/");
    // Leaving says so with a beacon: nothing else would be sent within these seconds.
    await page.mouse.move(100, 100);
    const before = Date.parse((await rowOf(email))?.sessionEndTime ?? "");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await page.mouse.move(200, 200);
    const behind = await hide(page);
    await until("beacon", async () => {
      const end = Date.parse((await rowOf(email))?.sessionEndTime ?? "");
      return end > before;
    });
    await behind.close();
    await show(page);
    assert.equal(page.workers().length, 1, "the worker is the page's own");

    await page.click("form button");
    await atTheGate(page, "logout");
    assert.match(page.url(), /redirect=%2Fdeck%2F%3Ftab%3D2/);
    assert.deepEqual(await cookies(visitor), []);
    assert.equal((await rowOf(email))?.endReason, "logout");
  }));

test("a log-out in one tab and one host ends the other tab, by the cookie they both see", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const email = someone();
    const page = await enter(visitor, email);
    const other = await visitor.newPage();
    await other.goto(`${WWW}/deck/two/`);
    await other.waitForFunction(() => /** @type {any} */ (window).lastseen.status().tracking);
    // A link, which the browser follows to the API's host.
    await Promise.all([other.waitForNavigation(), other.click("#out")]);
    assert.equal(other.url(), `${WWW}/access/?reason=logout#logout`);
    await show(page);
    await atTheGate(page, "logout");
    assert.equal((await rowOf(email))?.endReason, "logout");
  }));

test("without JavaScript the way back, a mistake and the log-out stay on the pages' host", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    await page.setJavaScriptEnabled(false);
    const gate = `${WWW}/access/?redirect=%2Fdeck%2Ftwo%2F`;
    await page.goto(gate);
    // Good enough for the browser, and not for the server.
    await page.type("#email", "ann@localhost");
    await Promise.all([page.waitForNavigation(), page.click("main form button")]);
    assert.equal(page.url(), `${gate}&error=invalid-email#invalid-email`);
    await page.type("#email", someone());
    await Promise.all([page.waitForNavigation(), page.click("main form button")]);
    assert.equal(page.url(), `${WWW}/deck/two/`);
    await Promise.all([page.waitForNavigation(), page.click("form button")]);
    assert.equal(page.url(), `${WWW}/access/?reason=logout#logout`);
    assert.equal(await message(page), "logout");
  }));

test("under the usual referrer policy the form brings the way back, and one that hides the page is refused", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    await page.goto(`${WWW}/access/usual/?redirect=%2Fdeck%2Ftwo%2F`);
    await leaveEmail(page, someone());
    assert.equal(page.url(), `${WWW}/deck/two/`);
    await page.goto(`${WWW}/access/hiding/?redirect=%2Fdeck%2Ftwo%2F`);
    await leaveEmail(page, someone());
    assert.match(await page.evaluate(() => document.body.innerText), /"code":"cross-site"/);
  }));

test("somebody without a session is not counted, and a public page only stops counting", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    await page.goto(`${WWW}/deck/`);
    const status = await page.evaluate(() => /** @type {any} */ (window).lastseen.status());
    assert.equal(status.tracking, false, "nothing protects the page, and nobody is tracked");

    const email = someone();
    const inside = await enter(visitor, email, "/");
    await until("heartbeat", async () => (await rowOf(email))?.currentPage === "/");
    await serve.command("sessions", "revoke", "--email", email);
    await (await hide(inside)).close();
    await show(inside);
    await inside.waitForFunction(() => !(/** @type {any} */ (window).lastseen.status().tracking));
    assert.equal(inside.url(), `${WWW}/`);
    assert.deepEqual(await cookies(visitor), []);
  }));

test("an idle page is covered and locked in time, though the server is elsewhere", async (t) => {
  await close();
  await open({ IDLE_TIMEOUT_SECONDS: `${IDLE_SECONDS}` });
  await asVisitor(browser, t, async (visitor) => {
    const email = someone();
    const page = await enter(visitor, email);
    // The page notes it by itself: on a quick machine the cover is there for a moment only.
    await page.evaluate(() => {
      const note = () => {
        if (/** @type {any} */ (window).lastseen.status().covered) sessionStorage.covered = "yes";
      };
      new MutationObserver(note).observe(document, { childList: true, subtree: true });
    });
    await atTheGate(page, "idle");
    assert.equal(await page.evaluate(() => sessionStorage.covered), "yes");
    assert.match(page.url(), /redirect=%2Fdeck%2F/);
    assert.deepEqual(await cookies(visitor), []);
    assert.equal((await rowOf(email))?.endReason, "idle");
  });
});
