/** The scripts that lastseen.js is measured beside: their own code, as npm delivers it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {import("./visit.mjs").Column} Column */

const here = fileURLToPath(new URL(".", import.meta.url));
/** @type {Record<string, string>} */
const versions = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies;
/** @type {string | undefined} */
let installed;
/** @type {Map<string, Promise<string>>} */
const bundles = new Map();

/** One file for the page, with everything that it imports. @param {string} name of a file in pages/ */
function bundle(name) {
  const known = bundles.get(name) ?? makeBundle(name);
  bundles.set(name, known);
  return known;
}

/** @param {string} name @returns {Promise<string>} */
async function makeBundle(name) {
  installed ??= execFileSync(join(here, "install"), {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  const esbuild = createRequire(join(installed, "package.json"))("esbuild");
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(here, "pages", name)],
    bundle: true,
    write: false,
    format: "iife",
    // As sites deliver it; React is slower and louder else.
    define: { "process.env.NODE_ENV": '"production"' },
    nodePaths: [join(installed, "node_modules")],
    logLevel: "error",
  });
  return outputFiles[0].text;
}

/** @param {string} name */
const named = (name, title = name) => `${title} ${versions[name]}`;

/** The columns of the first table. @type {Column[]} */
export const trackers = [
  {
    name: named("@plausible-analytics/tracker", "Plausible"),
    script: () => bundle("plausible.js"),
    sends: true,
    // Its server adds up what the page was looked at, in milliseconds.
    seconds: ({ site }) => site.calls.reduce((sum, { body }) => sum + (body.e ?? 0), 0) / 1000,
  },
  {
    name: named("@snowplow/browser-tracker", "Snowplow"),
    script: () => bundle("snowplow.js"),
    sends: true,
    // The formula of its own dbt model: slices of ten seconds of the wall clock with a ping in them
    // (all but one, and the shortest visit, which is ten seconds too as pages/snowplow.js sets it).
    seconds: ({ site }) => {
      const events = site.calls.flatMap(({ body }) => body.data ?? []);
      const pings = events.filter(({ e }) => e === "pp");
      return 10 * new Set(pings.map(({ dtm }) => Math.floor(dtm / 10_000))).size;
    },
  },
  {
    name: named("timeme.js", "TimeMe.js"),
    script: () => bundle("timeme.js"),
    seconds: ({ page }) =>
      page.evaluate(() => /** @type {any} */ (window).TimeMe.getTimeOnCurrentPageInSeconds()),
  },
  {
    name: "Start/end only",
    script: () => bundle("start-end.js"),
    sends: true,
    seconds: ({ site }) => ((site.calls.at(-1)?.at ?? 0) - (site.calls[0]?.at ?? 0)) / 1000,
  },
];

/** The columns of the second. @type {Column[]} */
export const lockers = [
  ...["activity-detector", "idle-js", "idle-timeout", "jquery-idletimer"].map((name) => ({
    name: named(name),
    script: () => bundle(`${name}.js`),
  })),
  {
    name: named("timeme.js", "TimeMe.js"),
    head: '<script>document.documentElement.dataset.idle = "900"</script>',
    script: () => bundle("timeme.js"),
  },
  {
    name: named("react-idle-timer"),
    script: () => bundle("react-idle-timer.js"),
  },
  { name: named("@ng-idle/core"), script: () => bundle("ng-idle.js") },
  {
    name: named("hmrc-frontend", "HMRC timeout-dialog"),
    head: `<meta name="hmrc-timeout-dialog" data-timeout="900" data-countdown="60"
      data-keep-alive-url="/keep-alive" data-sign-out-url="/sign-out">`,
    script: () => bundle("hmrc-timeout-dialog.js"),
    // It counts from the last answer of the server, and takes no notice of input.
    blind: true,
  },
];

/** Columns of the tables that this does not run, and why. */
export const missing = [
  {
    name: "Matomo",
    reason: "its tracker, matomo.js, is not on npm: it comes with Matomo's server",
  },
  { name: "Papermark", reason: "its tracking is a part of its application, which is not on npm" },
];
