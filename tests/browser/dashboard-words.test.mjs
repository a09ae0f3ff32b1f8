/** What the dashboard calls figures, moments and periods: its modules as the browser runs them. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { DashboardMock } from "./dashboard-mock.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/**
 * Calls functions of a module in the page, each with a list of arguments.
 *
 * @param {import("node:test").TestContext} t
 * @param {string} module
 * @param {[name: string, ...args: unknown[]][]} calls
 * @param {string} [zone] of the browser
 * @returns {Promise<any[]>}
 */
async function called(t, module, calls, zone) {
  const { mock, page } = await DashboardMock.open(browser, t);
  if (zone) await page.emulateTimezone(zone);
  await page.goto(`${mock.url}/admin/icon.svg`);
  await page.goto(`${mock.url}/admin/`);
  return page.evaluate(
    async (from, list) => {
      const functions = await import(from);
      return list.map(([name, ...args]) => functions[name](...args));
    },
    `/admin/${module}`,
    calls,
  );
}

/**
 * @param {import("node:test").TestContext} t
 * @param {string} module
 * @param {[call: [name: string, ...args: unknown[]], expected: unknown][]} table
 * @param {string} [zone]
 */
async function hold(t, module, table, zone) {
  const found = await called(
    t,
    module,
    table.map(([call]) => call),
    zone,
  );
  for (const [index, [call, expected]] of table.entries()) {
    assert.deepEqual(found[index], expected, JSON.stringify(call));
  }
}

test("durations read as lastseen sessions writes them", async (t) => {
  // The very cases of shared/src/duration.rs: two languages, one way to say it.
  const source = await readFile(new URL("../../shared/src/duration.rs", import.meta.url), "utf8");
  const cases = [...source.matchAll(/\(([\d_]+), "([^"]+)"\)/g)].map(
    ([, seconds = "", text = ""]) => [Number(seconds.replaceAll("_", "")), text],
  );
  assert.ok(cases.length > 10);
  await hold(
    t,
    "format.js",
    cases.map(([seconds, text]) => [["human", seconds], text]),
  );
});

test("ages, sizes, shares and sums say what they are of", (t) =>
  hold(t, "format.js", [
    [["ago", -5000], "just now"],
    [["ago", 3999], "3 s ago"],
    [["ago", 60_000], "1 min ago"],
    [["ago", 3_600_000], "1 h ago"],
    [["ago", 47 * 3_600_000], "47 h ago"],
    [["ago", 72 * 3_600_000], "3 days ago"],
    [["rough", 3725], "1 h 02 min"],
    [["rough", 125], "2 min 05 s"],
    [["count", 1, "visit"], "1 visit"],
    [["count", 12_000, "visit"], "12,000 visits"],
    [["percent", 1, 3], "33 %"],
    [["percent", 0, 0], "0 %"],
    [["percent", 1, 399], "< 1 %"],
    [["percent", 398, 399], "> 99 %"],
    [["percent", 399, 399], "100 %"],
    [["size", 2_040_000], "2.0 MB"],
    [["sum", [47 * 60, 8 * 60]], "47 min + 8 min = 55 min"],
    [["sum", [59, 0, 59, 2]], "59 s + 59 s + 2 s = 2 min"],
    [["sum", [60]], null],
    [["sum", [1, 2, 3, 4, 5, 6, 7]], null],
  ]));

test("days of 23 and 25 hours begin and end where the zone says", (t) =>
  hold(t, "zone.js", [
    [["midnight", "2026-10-25", "Europe/Berlin"], Date.parse("2026-10-25T00:00+02:00")],
    [["midnight", "2026-10-26", "Europe/Berlin"], Date.parse("2026-10-26T00:00+01:00")],
    [["midnight", "2026-03-29", "Europe/Berlin"], Date.parse("2026-03-29T00:00+01:00")],
    // There is no midnight there: the day begins at one o'clock.
    [["midnight", "2024-04-26", "Africa/Cairo"], Date.parse("2024-04-26T01:00+03:00")],
    [["midnight", "2026-11-21", "Asia/Kathmandu"], Date.parse("2026-11-21T00:00+05:45")],
    [["midnight", "2026-11-21", "Pacific/Kiritimati"], Date.parse("2026-11-21T00:00+14:00")],
    [["dayOf", Date.parse("2026-11-20T23:30Z"), "Europe/Berlin"], "2026-11-21"],
    [["dayOf", Date.parse("2026-11-20T23:30Z"), "UTC"], "2026-11-20"],
    [["addDays", "2026-03-01", -1], "2026-02-28"],
    // Two o'clock is skipped in spring, and comes twice in autumn: the first one is marked.
    [
      ["hoursOf", "2026-03-29", "Europe/Berlin", [0, 2, 3]],
      [
        { hour: 0, at: Date.parse("2026-03-28T23:00Z") },
        { hour: 3, at: Date.parse("2026-03-29T01:00Z") },
      ],
    ],
    [
      ["hoursOf", "2026-10-25", "Europe/Berlin", [2, 3]],
      [
        { hour: 2, at: Date.parse("2026-10-25T00:00Z") },
        { hour: 3, at: Date.parse("2026-10-25T02:00Z") },
      ],
    ],
    [["offset", Date.parse("2026-11-21T00:00Z"), "Europe/Berlin"], "UTC+1"],
    [["offset", Date.parse("2026-07-21T00:00Z"), "Europe/Berlin"], "UTC+2"],
    [["moment", Date.parse("2026-11-21T13:05Z"), "UTC"], "21 Nov 2026, 13:05"],
  ]));

test("an hour that comes twice says which of the two it is, one that is skipped is not there", (t) => {
  const items = (/** @type {string[]} */ ...starts) => starts.map((start) => ({ start }));
  const autumn = items(
    "2026-10-25T01:00:00+02:00",
    "2026-10-25T02:00:00+02:00",
    "2026-10-25T02:00:00+01:00",
    "2026-10-25T03:00:00+01:00",
  );
  const spring = items("2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00");
  return hold(t, "periods.js", [
    [["nameOf", autumn, 0, "hour"], "25 Oct 2026, 01:00"],
    [["nameOf", autumn, 1, "hour"], "25 Oct 2026, 02:00 (UTC+02:00)"],
    [["nameOf", autumn, 2, "hour"], "25 Oct 2026, 02:00 (UTC+01:00)"],
    [["nameOf", autumn, 3, "hour"], "25 Oct 2026, 03:00"],
    [["nameOf", spring, 1, "hour"], "29 Mar 2026, 03:00"],
    // Two marks of one name would look like a mistake.
    [
      ["marks", autumn, "hour", 10],
      [0, 1, 3],
    ],
    [["nameOf", items("2026-11-01T00:00:00+01:00"), 0, "day"], "1 Nov 2026"],
    [["nameOf", items("2026-11-01T00:00:00Z"), 0, "month"], "Nov 2026"],
    [["markOf", items("2026-01-01T00:00:00Z"), 0, "month"], "2026"],
    [["markOf", items("2026-11-02T00:00:00Z"), 0, "hour"], "2 Nov"],
  ]);
});

test("the names under the axis are as many as fit", async (t) => {
  const days = Array.from({ length: 30 }, (_, day) => ({
    start: `2026-11-${String(day + 1).padStart(2, "0")}T00:00:00Z`,
  }));
  const hours = Array.from({ length: 48 }, (_, hour) => ({
    start: `2026-11-0${1 + Math.floor(hour / 24)}T${String(hour % 24).padStart(2, "0")}:00:00Z`,
  }));
  const months = Array.from({ length: 40 }, (_, month) => ({
    start: `${2023 + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, "0")}-01T00:00:00Z`,
  }));
  await hold(t, "periods.js", [
    [
      ["marks", days, "day", 5],
      [1, 8, 15, 22, 29],
    ],
    [["marks", days, "day", 100], days.map((_, index) => index)],
    [
      ["marks", hours, "hour", 5],
      [0, 12, 24, 36],
    ],
    [
      ["marks", months, "month", 4],
      [0, 12, 24, 36],
    ],
    [["marks", [], "day", 5], []],
  ]);
});

test("what is asked for survives the way through the address", async (t) => {
  const searches = [
    "?",
    "?view=visits&range=7&domain=example.com",
    "?view=visitor&email=ann%2Bx%40example.com&tz=Asia%2FKathmandu",
    "?from=2026-11-01&to=2026-11-15&reason=idle&sort=active",
  ];
  const read = await called(
    t,
    "filters.js",
    searches.map((search) => ["read", search]),
  );
  const written = await called(
    t,
    "filters.js",
    read.map((filters) => ["write", filters]),
  );
  const sorted = (/** @type {string} */ search) => [...new URLSearchParams(search)].sort();
  assert.deepEqual(written.map(sorted), searches.map(sorted));
});

test("presets begin at midnight of the zone, and nothing unknown reaches the API", async (t) => {
  const now = Date.parse("2026-11-20T23:30Z");
  const table = /** @type {[string, Record<string, string>][]} */ ([
    ["?range=today&tz=Europe/Berlin", { from: "2026-11-21", tz: "Europe/Berlin" }],
    ["?range=today&tz=UTC", { from: "2026-11-20", tz: "UTC" }],
    ["?range=7&tz=UTC", { from: "2026-11-14", tz: "UTC" }],
    ["?range=nonsense&tz=UTC&view=nonsense&state=nonsense", { from: "2026-10-22", tz: "UTC" }],
    ["?range=all&tz=UTC", { tz: "UTC" }],
    ["?to=2026-11-15&tz=UTC", { to: "2026-11-15", tz: "UTC" }],
    // A reason says that it ended; an address is of one domain.
    ["?range=all&reason=idle&state=open&tz=UTC", { reason: "idle", tz: "UTC" }],
    ["?range=all&email=a@b.c&domain=b.c&tz=UTC", { email: "a@b.c", tz: "UTC" }],
    ["?range=all", { tz: "Pacific/Auckland" }],
  ]);
  const read = await called(
    t,
    "filters.js",
    table.map(([search]) => ["read", search]),
    "Pacific/Auckland",
  );
  await hold(
    t,
    "filters.js",
    table.map(([, expected], index) => [["toQuery", read[index], now], expected]),
  );
  await hold(t, "filters.js", [
    [["who", " ann@example.com "], { email: "ann@example.com", domain: "" }],
    [["who", "@example.com"], { email: "", domain: "example.com" }],
    [["who", "example.com"], { email: "", domain: "example.com" }],
    [["who", ""], { email: "", domain: "" }],
  ]);
});

test("the chart library is the one that its package ships, licence included", async () => {
  const { resolve } = createRequire(import.meta.url);
  const vendor = new URL("../../static/admin/vendor/", import.meta.url);
  const dist = new URL(".", `file://${resolve("uplot")}`);
  for (const [ours, theirs] of [
    ["uPlot.iife.min.js", "uPlot.iife.min.js"],
    ["uPlot.min.css", "uPlot.min.css"],
    ["uPlot.LICENSE.txt", "../LICENSE"],
  ]) {
    const [copy, original] = await Promise.all([
      readFile(new URL(ours ?? "", vendor)),
      readFile(new URL(theirs ?? "", dist)),
    ]);
    assert.ok(copy.equals(original), `${ours} is not the package's`);
  }
});
