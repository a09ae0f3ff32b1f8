/** Every state of the dashboard, in every look: what axe finds, what is cut off, and a picture of each. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import {
  DashboardMock,
  hostile,
  misfits,
  picture,
  problem,
  sees,
  violations,
} from "./dashboard-mock.mjs";
import { aMonth, iso, visit } from "./dashboard-report.mjs";

/** @typedef {import("puppeteer-core").Page} Page */
/** @typedef {{ set?: (mock: DashboardMock) => void, path: string, sees: string,
 *   act?: (page: Page, mock: DashboardMock) => Promise<unknown> }} State */

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const ANN = "ann.lindqvist@northwind.example";

/** @type {Record<string, State>} */
const STATES = {
  overview: { path: "", sees: "Visits over time" },
  "overview-tables": {
    path: "",
    sees: "Visits over time",
    act: (page) =>
      page.$$eval("summary", (all) => {
        for (const one of all) one.click();
      }),
  },
  today: {
    set: (mock) => {
      const start = `${iso(Date.now()).slice(0, 10)}T00:00:00Z`;
      const first = visit({ id: "0", email: ANN, start, durationSeconds: 60 });
      mock.visits = [...aMonth(Date.now()), first];
    },
    path: "?range=today&tz=UTC",
    sees: "How visits ended",
  },
  visitors: { path: "?view=visitors&sort=active", sees: "Time per visitor" },
  pages: {
    path: "?view=pages",
    sees: "Read down to",
    act: (page) => page.$eval("summary", (one) => one.click()),
  },
  visits: {
    set: (mock) => {
      mock.visits = aMonth(Date.now(), 25);
    },
    path: "?view=visits",
    sees: "Newest first",
  },
  visitor: { path: `?view=visitor&email=${ANN}&range=7`, sees: "Timeline" },
  "visitor-sums": {
    set: (mock) => {
      const pages = [{ path: "/portfolio/confidential/", seconds: 300, scroll: 85 }];
      mock.visits = [
        visit({ id: "2", email: ANN, start: iso(Date.now() - 4e6), durationSeconds: 480, pages }),
        visit({ id: "1", email: ANN, start: iso(Date.now() - 9e7), durationSeconds: 2820, pages }),
      ];
    },
    path: `?view=visitor&email=${ANN}`,
    sees: "47 min + 8 min = 55 min",
  },
  loading: {
    set: (mock) => {
      mock.respond = ({ path }) =>
        path === "/api/summary" ? { ...problem(503, "unavailable"), delayMs: 60_000 } : undefined;
    },
    path: "",
    sees: "",
    act: (page) => page.waitForSelector("#app:not([hidden]) .shape"),
  },
  "no-visits": {
    set: (mock) => {
      mock.visits = [];
    },
    path: "",
    sees: "No visits yet",
  },
  "none-match": { path: "?domain=nobody.example", sees: "No visits match these filters" },
  "none-then": {
    set: (mock) => {
      mock.visits = [visit({ start: "2020-01-01T00:00:00Z" })];
    },
    path: "",
    sees: "No visits in this period",
  },
  "nobody-looks": {
    set: (mock) => {
      mock.visits = aMonth(Date.now()).filter((one) => !one.looking);
    },
    path: "",
    sees: "Nobody is looking right now",
  },
  partial: {
    set: (mock) => {
      mock.data = { leftOut: true, complete: false, rows: 12_000, stored: 100_000 };
    },
    path: "",
    sees: "Older visits are still being read: 12,000 of 100,000.",
  },
  "unavailable-with-figures": {
    path: "",
    sees: "Visits over time",
    act: async (page, mock) => {
      mock.respond = () => problem(503, "unavailable");
      await page.click("#refresh");
      await sees(page, "The figures below are the last that came");
    },
  },
  "unavailable-at-first": {
    set: (mock) => {
      mock.respond = () => problem(503, "unavailable");
    },
    path: "",
    sees: "The store does not answer right now",
  },
  "wrong-filter": {
    set: (mock) => {
      mock.respond = ({ query }) =>
        query.has("from")
          ? problem(400, "invalid-parameter", {
              parameter: "from",
              detail: "from: is after to",
            })
          : undefined;
    },
    path: "?from=2026-11-20&to=2026-11-01",
    sees: "from: is after to",
  },
  "sign-in": {
    set: (mock) => {
      mock.isIn = false;
    },
    path: "",
    sees: "Owner's token",
  },
  "sign-in-expired": {
    set: (mock) => {
      mock.isIn = false;
      mock.reason = "expired";
    },
    path: "?view=visits",
    sees: "Your sign-in has run out",
  },
  "asking-to-revoke": {
    path: "",
    sees: "Looking now",
    act: (page) => page.click(".live button"),
  },
  "hostile-text": {
    set: hostile,
    path: "",
    sees: "<img src=x onerror=alert(1)>",
  },
};

const LOOKS = [
  ["light", 1280],
  ["dark", 1280],
  ["light", 320],
  ["dark", 360],
];

for (const [name, state] of Object.entries(STATES)) {
  test(`${name} is accessible and whole, in light and dark, on a desk and on a phone`, async (t) => {
    const { mock, page } = await DashboardMock.open(browser, t, state.set);
    for (const [scheme, width] of /** @type {[string, number][]} */ (LOOKS)) {
      await page.setViewport({ width, height: 800 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      mock.respond = undefined;
      state.set?.(mock);
      await page.goto("about:blank");
      await page.goto(`${mock.url}/admin/${state.path}`);
      await sees(page, state.sees);
      await state.act?.(page, mock);
      const where = `${name}, ${scheme}, ${width} px`;
      await picture(page, `${name}-${scheme}-${width}`);
      assert.deepEqual(await violations(page), [], where);
      assert.deepEqual(await misfits(page), [], where);
    }
  });
}
