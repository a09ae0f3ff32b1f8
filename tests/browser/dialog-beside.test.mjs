/** The warning and what else happens: hiding, sleep, other tabs, the page's own doings and its policy. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { hide, launch, quit, show } from "../harness/browser.mjs";
import { PageClock } from "../harness/page-clock.mjs";
import { DialogPage, IDLE_SECONDS, WARN_SECONDS } from "./dialog-page.mjs";
import { ended } from "./mock-site.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {import("./dialog-page.mjs").Options} [options] */
const open = (t, options) => DialogPage.open(browser, t, options);

// --- Hidden tabs, sleep, other tabs -----------------------------------------------------------

test("a hidden tab opens none; seen again it shows what is left", async (t) => {
  const visit = await open(t);
  await visit.run(10);
  await hide(visit.page);
  await visit.run(IDLE_SECONDS - 40);
  // Whatever wakes it meanwhile: another tab, a worker, the window.
  await visit.page.evaluate(() => window.dispatchEvent(new Event("focus")));
  assert.equal(await visit.look(), null);
  await show(visit.page);
  assert.match((await visit.look())?.text ?? "", /in 30 seconds/);
});

test("one that is hidden while it is open goes on from what is left", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await hide(visit.page);
  await visit.run(25);
  await show(visit.page);
  await visit.run(0);
  assert.match((await visit.look())?.text ?? "", /in 35 seconds/);
});

for (const ticking of [false, true]) {
  const clock = ticking ? "a monotonic clock that goes on" : "a monotonic clock that stands still";
  test(`a sleep that ends inside the warning shows what is left, with ${clock}`, async (t) => {
    const visit = await open(t);
    await visit.run(10);
    await visit.clock.sleep((IDLE_SECONDS - 45) * 1000, { ticking });
    await visit.run(1);
    assert.match((await visit.look())?.text ?? "", /in 3[45] seconds/);
    await visit.press("Enter");
    assert.equal((await visit.status()).idleInSeconds, IDLE_SECONDS);
  });
}

test("when one tab stays it closes in the other", async (t) => {
  const visit = await open(t);
  const page = await visit.site.tab({ type: "window" });
  const clock = await PageClock.install(page, visit.clock);
  await page.goto(`${visit.site.url}/beside`);
  const beside = new DialogPage(visit.site, page, clock);
  // The one that came last is the newest sign of life.
  for (let s = 0; s < IDLE_SECONDS - WARN_SECONDS + 5; s += 5) {
    await Promise.all([visit.run(5), beside.run(5)]);
  }
  assert.equal((await visit.look())?.covers, false);
  assert.equal((await beside.look())?.covers, false);
  await beside.press("Enter");
  await visit.run(1);
  assert.equal(await visit.look(), null);
  assert.ok((await visit.status()).idleInSeconds >= IDLE_SECONDS - 2);
});

// --- Beside what the page does ----------------------------------------------------------------

const OWN_DIALOG =
  '<dialog id="own"><button id="inside">Inside</button></dialog><button id="opener">Open</button>';

test("above the page's own modal dialog it can be used, and gives back the focus in there", async (t) => {
  const visit = await open(t, { body: OWN_DIALOG });
  await visit.page.evaluate(() => {
    const own = /** @type {HTMLDialogElement} */ (document.getElementById("own"));
    document.getElementById("opener")?.addEventListener("click", () => own.showModal());
  });
  await visit.page.click("#opener");
  for (const way of ["Enter", "Escape"]) {
    await visit.run(1);
    await visit.run(IDLE_SECONDS - WARN_SECONDS);
    assert.equal(await visit.focused(), "Stay");
    await visit.press(/** @type {"Enter" | "Escape"} */ (way));
    assert.equal(await visit.look(), null);
    assert.equal(await visit.focused(), "inside");
    assert.ok(await visit.page.$eval("#own", (own) => own.matches(":modal")), way);
  }
});

test("a page that removes it, or swaps its whole body, gets it back within a second", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.page.evaluate(() => document.querySelector("dialog")?.remove());
  await visit.run(1);
  assert.match((await visit.look())?.text ?? "", /in 59 seconds/);
  await visit.page.evaluate(() => document.body.replaceWith(document.createElement("body")));
  await visit.run(1);
  assert.match((await visit.look())?.text ?? "", /in 58 seconds/);
});

test("an element of the page that is called lastseen is not taken for the script", async (t) => {
  const visit = await open(t, { head: '<p id="lastseen">Last seen: today</p>' });
  await visit.warned();
  const description = await visit.page.$eval("dialog", (dialog) => {
    const id = dialog.getAttribute("aria-describedby") ?? "";
    return document.getElementById(id)?.textContent;
  });
  assert.equal(description, "You will be logged out in 60 seconds.");
});

test("the strictest policy sees nothing to object to, from the warning to the gate", async (t) => {
  const policy = "default-src 'self'; require-trusted-types-for 'script'";
  const visit = await open(t, { policy });
  await visit.page.evaluate(() => {
    const violations = { count: 0 };
    Object.assign(window, { violations });
    document.addEventListener("securitypolicyviolation", () => {
      violations.count += 1;
    });
  });
  const violations = () => visit.page.evaluate(() => /** @type {any} */ (window).violations.count);
  await visit.warned();
  await visit.press("Enter");
  await visit.covered();
  assert.equal(await violations(), 0);
  const refused = await visit.page.evaluate(() => {
    try {
      document.body.innerHTML = "<p>Text</p>";
      return false;
    } catch {
      return true;
    }
  });
  assert.ok(refused, "the policy is in force");
  // What this test did, not the script.
  visit.site.errors = [];
  visit.instead = ended("idle", true);
  // The page goes while its time is moved on.
  await visit.run(300).catch(() => {});
  await visit.page.waitForFunction("location.pathname === '/access/'", { timeout: 5000 });
});

test("the script turns no text into markup or code", async () => {
  const script = await readFile(new URL("../../static/lastseen.js", import.meta.url), "utf8");
  const risky =
    /innerHTML|outerHTML|insertAdjacentHTML|setHTML|createContextualFragment|document\.write|\beval\(|new Function|setAttribute\(\s*"(?:style|on)/;
  assert.doesNotMatch(script, risky);
});
