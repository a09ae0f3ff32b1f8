/** The demo site as a visitor meets it: served as it is, under the strictest policy. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, quit } from "../harness/browser.mjs";
import { until } from "../harness/process.mjs";
import { POLICY } from "./mock-site.mjs";

const root = new URL("../../static/", import.meta.url);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const files = await readdir(root, { recursive: true });
// The dashboard asks an API that is not here, and has tests of its own.
const pages = files.filter((file) => file.endsWith(".html") && !file.startsWith("admin/"));

/** Codes of DESIGN section 5 that the gate explains, and what a visitor reads. */
const MESSAGES = {
  "invalid-email": /does not look like an email address/,
  "not-allowed": /not on the list/,
  "wrong-passcode": /passcode is missing or not right/,
  "consent-missing": /text below has changed/,
  "wrong-code": /not the code we mailed/,
  "code-expired": /no longer works/,
  limited: /too often/,
  unavailable: /try again in a minute/,
  "cross-site": /came from another site/,
  "too-large": /more than this form takes/,
  "unsupported-type": /could not read that/,
  "invalid-body": /Something was wrong/,
  logout: /You are logged out/,
  idle: /nothing happened for a while/,
  expired: /time limit/,
  revoked: /ended by the owner/,
  invalid: /could not recognise/,
  missing: /no visit open/,
};

/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html",
  ".css": "text/css",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};

/** @type {import("puppeteer-core").Browser} */
let browser;
/** @type {import("puppeteer-core").Page} */
let page;
/** @type {{ path: string | undefined, referer: string | undefined, form: string }[]} */
let posts = [];
/** @type {string[]} */
let complaints = [];
let url = "";

const server = createServer(async (request, response) => {
  if (request.method === "POST") {
    let form = "";
    for await (const chunk of request) form += chunk;
    posts.push({ path: request.url, referer: request.headers.referer, form });
    response.writeHead(204).end();
    return;
  }
  const path = new URL(request.url ?? "", "http://site").pathname.slice(1);
  const file = path === "" || path.endsWith("/") ? `${path}index.html` : path;
  const body = await readFile(new URL(file, root)).catch(() => null);
  const headers = {
    "Content-Security-Policy": POLICY,
    "Content-Type": TYPES[extname(file)] ?? "text/plain",
  };
  response.writeHead(body ? 200 : 404, headers).end(body);
});

before(async () => {
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(null)));
  url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  browser = await launch();
});

after(async () => {
  await quit(browser);
  server.closeAllConnections();
  server.close();
});

beforeEach(async (t) => {
  posts = [];
  complaints = [];
  page = await browser.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) complaints.push(`asks elsewhere: ${request.url()}`);
  });
  /** @type {import("node:test").TestContext} */ (t).after(async () => {
    await page.close();
    assert.deepEqual(complaints, []);
  });
});

/** What is shown of the messages. */
function shownMessages() {
  return page.$$eval(".message", (messages) =>
    messages.filter((message) => message.checkVisibility()).map((message) => message.id),
  );
}

/** Resolves once a form has arrived. */
async function posted() {
  for (const end = Date.now() + 10_000; posts.length === 0; await sleep(10)) {
    assert.ok(Date.now() < end, "no form was sent");
  }
}

const focused = () => page.evaluate(() => document.activeElement?.id);

for (const file of pages) {
  test(`${file} needs nothing inline, nothing from elsewhere, and leads nowhere that is missing`, async () => {
    await page.goto(`${url}/${file}`);
    const own = await page.$$eval("[href], [src]", (elements) =>
      elements.map((element) => element.getAttribute("href") ?? element.getAttribute("src")),
    );
    for (const target of own) {
      const answer = await fetch(new URL(target ?? "", `${url}/${file}`));
      assert.equal(answer.status, 200, `${target} in ${file}`);
    }
  });

  test(`${file} is accessible in light and dark, on a desk and on a phone`, async () => {
    await page.setBypassCSP(true);
    for (const scheme of ["light", "dark"]) {
      for (const width of [1280, 390, 320]) {
        await page.setViewport({ width, height: 800 });
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        await page.goto(`${url}/${file}`);
        await page.evaluate(axe);
        const found = await page.evaluate("axe.run().then((result) => result.violations)");
        const violations = /** @type {{ id: string, nodes: { html: string }[] }[]} */ (found);
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`);
        assert.deepEqual(told, [], `${scheme}, ${width} px`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(wide <= width, `${wide} px of page in ${width} px of window`);
      }
    }
  });
}

for (const [code, text] of Object.entries(MESSAGES)) {
  test(`the gate explains ${code} without JavaScript, by the fragment alone`, async () => {
    await page.setJavaScriptEnabled(false);
    await page.goto(`${url}/access/#${code}`);
    assert.deepEqual(await shownMessages(), [code]);
    assert.match(
      await page.$eval(`#${code}`, (message) =>
        message instanceof HTMLElement ? message.innerText : "",
      ),
      text,
    );
    // A screen reader starts there, from the first frame on.
    await until("the focus", async () => (await focused()) === code);
  });
}

test("without JavaScript the form posts the email, and the whole Referer with it", async () => {
  await page.setJavaScriptEnabled(false);
  await page.goto(`${url}/access/?redirect=%2Fportfolio%2Fconfidential%2Ffigures%2F`);
  assert.deepEqual(await shownMessages(), []);
  await page.type("#email", "mo@example.com");
  await page.keyboard.press("Enter");
  await posted();
  assert.deepEqual(posts, [
    {
      path: "/api/verify-temp-access",
      referer: `${url}/access/?redirect=%2Fportfolio%2Fconfidential%2Ffigures%2F`,
      form: "email=mo%40example.com&passcode=&consent=2026-11",
    },
  ]);
});

test("the passcode field waits until it is asked for, by the visitor or by the server", async () => {
  await page.setJavaScriptEnabled(false);
  const isShown = () => page.$eval("#passcode-field", (field) => field.checkVisibility());
  await page.goto(`${url}/access/`);
  assert.equal(await isShown(), false);
  await page.click('a[href="#passcode"]');
  assert.equal(await isShown(), true);
  await page.goto("about:blank");
  await page.goto(`${url}/access/?error=wrong-passcode#wrong-passcode`);
  assert.equal(await isShown(), true);
});

test("with JavaScript the way back is in the form, and typing can begin at once", async () => {
  await page.goto(`${url}/access/?redirect=%2Fportfolio%2Fconfidential%2F%3Fa%3D1`);
  assert.equal(await focused(), "email");
  await page.keyboard.type("mo@example.com");
  await page.keyboard.press("Enter");
  await posted();
  const form = new URLSearchParams(posts[0].form);
  assert.equal(form.get("redirect"), "/portfolio/confidential/?a=1");
});

test("with JavaScript a message that lost its fragment is shown from the query", async () => {
  await page.goto(`${url}/access/?redirect=%2F&reason=idle`);
  assert.deepEqual(await shownMessages(), ["idle"]);
  assert.equal(await focused(), "idle");
  await page.goto(`${url}/access/?error=something-new#something-new`);
  assert.deepEqual(await shownMessages(), ["invalid-body"]);
});

test("with JavaScript a wrong field is marked, and read out with its message", async () => {
  await page.goto(`${url}/access/?error=invalid-email#invalid-email`);
  const describedBy = await page.$eval("#email", (field) => field.getAttribute("aria-describedby"));
  assert.equal(describedBy, "invalid-email");
  await page.click('a[href="#passcode"]');
  await page.waitForFunction("document.activeElement?.id === 'passcode-field'");
  assert.equal(await page.$eval("#email", (field) => field.hasAttribute("aria-invalid")), false);
});

test("a double click on Continue sends one form", async () => {
  await page.goto(`${url}/access/`);
  await page.type("#email", "mo@example.com");
  await page.click(".gate button", { count: 2 });
  await posted();
  await sleep(300);
  assert.equal(posts.length, 1);
});

for (const path of ["/portfolio/confidential/", "/portfolio/confidential/figures/"]) {
  test(`${path} has a Log out that works without JavaScript and by keyboard`, async () => {
    await page.setJavaScriptEnabled(false);
    await page.goto(url + path);
    const label = () => page.evaluate(() => document.activeElement?.textContent);
    for (let tabs = 0; tabs < 10 && (await label()) !== "Log out"; tabs += 1) {
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await posted();
    assert.equal(posts[0].path, "/api/logout");
    assert.equal(posts[0].form, "reason=logout");
  });
}
