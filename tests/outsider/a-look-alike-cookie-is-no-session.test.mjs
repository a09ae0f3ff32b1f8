/**
 * A sibling subdomain, another owner's, sets a cookie for the whole domain whose name only looks like ours: in a
 * real Chromium, over https. It is no session, hides none, and books nobody's reading on another row.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { leaveEmail, someone } from "../browser/gate-page.mjs";
import { asVisitor, launch, quit } from "../harness/browser.mjs";
import { Visitor } from "../harness/http.mjs";
import { chromiumArgsFor, HttpsFront } from "../harness/https.mjs";
import { Serve } from "../harness/serve.mjs";

const SITE = "https://www.example.test";
const SIBLING = "https://blog.example.test";
const PAGE = "/portfolio/confidential/";
const OURS = "__Host-lastseen";

/** What browsers take for another name, and trimming of any white space makes ours. */
const NAMES = ["\u2003", "\u00a0", "\u3000", "\u0085"].map((blank) => blank + OURS);

/** @type {Serve} */
let serve;
/** @type {import("node:http").Server} */
let sibling;
/** @type {HttpsFront[]} */
let fronts = [];
/** @type {import("puppeteer-core").Browser} */
let browser;

before(async () => {
  sibling = createServer((_, response) => response.end("<!doctype html><title>Blog</title>"));
  await new Promise((resolve) => sibling.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (sibling.address());
  serve = await Serve.start({ COOKIE_SECURE: "true", SITE_AUDIENCE: "www.example.test" });
  fronts = [
    await HttpsFront.open("www.example.test", serve.url),
    await HttpsFront.open("blog.example.test", `http://127.0.0.1:${port}`),
  ];
  browser = await launch({ args: chromiumArgsFor(...fronts) });
});
after(async () => {
  await quit(browser);
  for (const front of fronts) front.stop();
  sibling?.close();
  await serve?.stop();
});

/** Every name that the sibling's page can give a cookie of the domain. @param {import("puppeteer-core").Page} page @param {string} token */
async function plant(page, token) {
  await page.goto(`${SIBLING}/`);
  const kept = await page.evaluate(
    (names, value) => {
      for (const name of names) {
        // biome-ignore lint/suspicious/noDocumentCookie: it is what a page of another owner does.
        document.cookie = `${name}=${value}; Domain=example.test; Path=/; Secure`;
      }
      return document.cookie;
    },
    [...NAMES, "__host-lastseen"],
    token,
  );
  const all = kept.split("; ").filter((cookie) => cookie.endsWith(token));
  assert.ok(all.length > 0, "the browser keeps none: nothing would be shown");
  assert.ok(!kept.includes(`; ${OURS}=`) && !kept.startsWith(`${OURS}=`));
}

test("it opens nothing, and neither hides nor changes the visitor's own session", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const attacker = new Visitor(serve.url);
    await attacker.enter(someone());
    const token = attacker.cookies.get(OURS) ?? "";
    assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
    const [theirs] = await serve.rows();

    const page = await visitor.newPage();
    await plant(page, token);
    await page.goto(SITE + PAGE);
    assert.equal(new URL(page.url()).pathname, "/access/", "a look-alike is no session");
    const email = someone();
    await leaveEmail(page, email);
    assert.equal(page.url(), SITE + PAGE);
    const answer = await page.evaluate(async () => {
      const body = JSON.stringify({ activeSeconds: 0, page: "/portfolio/confidential/" });
      const sent = await fetch("/api/session-heartbeat", { method: "POST", body });
      return sent.status;
    });
    assert.equal(answer, 200);
    await page.evaluate(() => fetch("/api/logout", { method: "POST" }));
    const rows = await serve.rows();
    const own = rows.find((row) => row.emailOfAccessor === email);
    assert.deepEqual([own?.endReason, own?.currentPage], ["logout", PAGE]);
    assert.deepEqual(
      rows.find((row) => row.id === theirs?.id),
      theirs,
      "the row of whoever planted it",
    );
  }));
