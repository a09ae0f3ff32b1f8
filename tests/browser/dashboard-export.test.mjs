/** The owner takes all figures away as one file, or none of them. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launch, quit } from "../harness/browser.mjs";
import { until } from "../harness/process.mjs";
import { DashboardMock, parse, problem, sees } from "./dashboard-mock.mjs";
import { aMonth } from "./dashboard-report.mjs";

/** @typedef {import("puppeteer-core").Page} Page */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {Page} page */
async function downloads(t, page) {
  const folder = await mkdtemp(join(tmpdir(), "lastseen-csv-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const session = await page.createCDPSession();
  await session.send("Browser.setDownloadBehavior", {
    behavior: "allow",
    downloadPath: folder,
    browserContextId: page.browserContext().id,
  });
  return folder;
}

/** The owner looks at all visits, and downloads go into a folder. @param {import("node:test").TestContext} t */
async function atVisits(t) {
  const { mock, page } = await DashboardMock.open(browser, t);
  const folder = await downloads(t, page);
  await page.goto(`${mock.url}/admin/?view=visits&range=all`);
  await page.waitForSelector(".panel");
  return { mock, page, folder };
}

const press = (/** @type {Page} */ page) =>
  page.$$eval("button", (all) => all.find((one) => one.textContent === "Export CSV")?.click());

test("follows the parts and joins them into one file, every row once", async (t) => {
  const { mock, page } = await DashboardMock.open(browser, t, (mock) => {
    mock.visits = aMonth(Date.now(), 400);
    Object.assign(mock.visits[5] ?? {}, { email: `"o'neil, \r\nfiona"@example.com` });
  });
  const folder = await downloads(t, page);
  let empty = 0;
  mock.respond = ({ query }) => {
    // Once, the server has read nothing more yet.
    if (query.get("cursor") === null || empty > 0) return undefined;
    empty += 1;
    return { headers: { "Lastseen-Next": query.get("cursor") ?? "" }, text: "" };
  };
  await page.goto(`${mock.url}/admin/?view=visits&range=all`);
  mock.expected = /^$/;
  await page.waitForSelector(".panel");
  mock.respond = (
    (inner) => (/** @type {import("./dashboard-mock.mjs").Call} */ call) =>
      call.path.endsWith(".csv") ? inner(call) : undefined
  )(mock.respond);
  await press(page);
  const name = "lastseen-sessions-2026-11-21.csv";
  await sees(page, `${name} is complete`);
  await until("the file", async () => (await readdir(folder)).includes(name));
  const [header, ...rows] = parse(await readFile(join(folder, name), "utf8"));
  assert.deepEqual(header, ["id", "emailOfAccessor", "sessionStartTime", "durationSeconds"]);
  assert.deepEqual(
    rows.map(([id, email]) => [id, email]),
    mock.visits.map(({ id, email }) => [id, email]),
  );
  const parts = mock.callsOf("/api/sessions.csv");
  assert.ok(parts.length > 5, `${parts.length} parts`);
  assert.equal(parts[0]?.query.get("part"), "first");
  assert.ok(parts.slice(1).every(({ query }) => query.get("cursor") && !query.get("part")));
});

test("an error in the middle saves nothing, and says so", async (t) => {
  const { mock, page, folder } = await atVisits(t);
  mock.respond = ({ query }) => (query.get("cursor") ? problem(503, "unavailable") : undefined);
  await press(page);
  await sees(
    page,
    "The export failed, and nothing was saved: The store does not answer right now.",
  );
  assert.deepEqual(await readdir(folder), []);
  for (const end of [{ drop: true }, { cut: true }]) {
    mock.respond = ({ query }) => (query.get("cursor") ? end : undefined);
    await page.$eval("#announce", (said) => said.replaceChildren());
    await press(page);
    await sees(page, "nothing was saved: The server cannot be reached.");
    assert.deepEqual(await readdir(folder), [], JSON.stringify(end));
  }
});

test("shows how far it is, and can be cancelled", async (t) => {
  const { mock, page, folder } = await atVisits(t);
  mock.respond = ({ query }) =>
    query.get("cursor") ? { headers: { "Lastseen-Next": "1" }, text: "", delayMs: 100 } : undefined;
  await press(page);
  await sees(page, "kB read");
  await page.$$eval("button", (all) => all.find((one) => one.textContent === "Cancel")?.click());
  await sees(page, "The export was cancelled. Nothing was saved.");
  assert.deepEqual(await readdir(folder), []);
});

test("cancelled while the last part is still coming, it saves nothing", async (t) => {
  const { mock, page, folder } = await atVisits(t);
  mock.partBytes = 1_000_000;
  mock.respond = (call) =>
    call.path.endsWith(".csv") ? { ...mock.answer(call), bodyDelayMs: 1000 } : undefined;
  await press(page);
  await until("the question", async () => mock.callsOf("/api/sessions.csv").length === 1);
  // Its headers are there.
  await sleep(200);
  await page.$$eval("button", (all) => all.find((one) => one.textContent === "Cancel")?.click());
  await sees(page, "The export was cancelled. Nothing was saved.");
  await sleep(1500);
  assert.deepEqual(await readdir(folder), []);
});

test("one goes on while another is made, and figures are asked for again", async (t) => {
  const { mock, page, folder } = await atVisits(t);
  mock.partBytes = 1_000_000;
  mock.respond = (call) => {
    if (call.path === "/api/sessions.csv") return { ...mock.answer(call), delayMs: 2000 };
    if (call.path !== "/api/visitors.csv") return undefined;
    const name = 'attachment; filename="visitors.csv"';
    return { headers: { "Content-Disposition": name }, text: "email\r\n" };
  };
  await press(page);
  await until("the first", async () => mock.callsOf("/api/sessions.csv").length === 1);
  await page.click("nav li:nth-child(2) a");
  await sees(page, "Time per visitor");
  await press(page);
  await until("the second", async () => (await readdir(folder)).includes("visitors.csv"));
  await page.click("#refresh");
  await until("the first", async () =>
    (await readdir(folder)).includes("lastseen-sessions-2026-11-21.csv"),
  );
});

test("a login that runs out meanwhile leads to the form, and saves nothing", async (t) => {
  const { mock, page, folder } = await atVisits(t);
  mock.respond = ({ query }) =>
    query.get("cursor") ? problem(401, "not-the-owner", { reason: "expired" }) : undefined;
  await press(page);
  await sees(page, "Your sign-in has run out.");
  assert.deepEqual(await readdir(folder), []);
});
