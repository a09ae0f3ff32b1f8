/** A page of a sibling subdomain, to which Chromium sends the visitor's cookie along, shows a protected picture. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { leaveEmail } from "../browser/gate-page.mjs";
import { asVisitor, launch, quit } from "../harness/browser.mjs";
import { chromiumArgsFor, HttpsFront } from "../harness/https.mjs";
import { Serve } from "../harness/serve.mjs";

const SITE = "www.lastseen-tests.example";
const SIBLING = "evil.lastseen-tests.example";
const PAGE = "/portfolio/confidential/";

/** @type {Serve} */
let serve;
/** @type {import("node:http").Server} */
let pages;
/** @type {HttpsFront[]} */
let fronts;
/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  serve = await Serve.start({ SITE_AUDIENCE: SITE });
  pages = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<h1>a sibling</h1>");
  });
  await once(pages.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (pages.address());
  fronts = [
    await HttpsFront.open(SITE, serve.url),
    await HttpsFront.open(SIBLING, `http://127.0.0.1:${port}`),
  ];
  browser = await launch({ args: chromiumArgsFor(...fronts) });
});
after(async () => {
  await quit(browser);
  for (const front of fronts ?? []) front.stop();
  pages?.close();
  await serve?.stop();
});

test("nothing protected is shown there, and what is open is", (t) =>
  asVisitor(browser, t, async (visitor) => {
    const page = await visitor.newPage();
    await page.goto(`https://${SITE}${PAGE}`);
    await leaveEmail(page, "ann@example.com");
    assert.equal(new URL(page.url()).pathname, PAGE);
    const loads = (/** @type {string} */ address) =>
      page.evaluate(
        (address) =>
          new Promise((resolve) => {
            const picture = new Image();
            picture.onload = () => resolve(true);
            picture.onerror = () => resolve(false);
            picture.src = address;
          }),
        address,
      );
    const protectedPicture = `https://${SITE}${PAGE}plan.svg`;
    const openPicture = `https://${SITE}/favicon.svg`;
    assert.equal(await loads(protectedPicture), true, "on the site itself");
    await page.goto(`https://${SIBLING}/`);
    assert.equal(await loads(protectedPicture), false);
    assert.equal(await loads(openPicture), true);
  }));
