/**
 * What the three loops do, in the order in which it is begun where nothing else decides.
 *
 * Folders of tests/ that hold `*.test.mjs` are found by themselves, and run in `make test` unless this
 * file says otherwise.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {"lint" | "check" | "test" | "test-all"} Loop
 *
 * @typedef {object} Step
 * @property {string} id
 * @property {string} what the step's line
 * @property {Loop[]} loops that have it
 * @property {"install" | "compute" | "test"} lane what it takes a place in
 * @property {string[]} needs ids of steps; of those that the loop has, all must have passed
 * @property {string[]} [run] the command; or
 * @property {string[]} [files] files for `node --test`, each by itself
 * @property {string} [afterRunning] id of a step that cargo has to have compiled, for it lets one
 *   command at a time into target/
 * @property {Record<string, string>} [env] besides what all are given
 * @property {boolean} [isWhole] files that leave nothing open: Node 20, forced to exit, may leave out of
 *   its report what it has just run (seen with many quick tests; a failure still fails)
 * @property {boolean} [isService] runs until all else is over, and says `READY` once it does
 */

export const root = join(import.meta.dirname, "..");

/** @type {Loop[]} */
const EACH = ["lint", "check", "test", "test-all"];
/** @type {Loop[]} */
const FROM_CHECK = ["check", "test", "test-all"];
/** @type {Loop[]} */
const TESTS = ["test", "test-all"];
/** @type {Loop[]} */
const ALL = ["test-all"];

const CARGO = ["--workspace", "--all-features"];

/** What tests in Node may use of all that is installed, built and started. */
const ALWAYS = ["system", "npm", "build", "nocodb"];

/** Folders of tests/ of which something is to be said. @type {Record<string, Partial<Step>>} */
const FOLDERS = {
  api: { what: "the API of lastseen serve", needs: ["schemathesis"] },
  astro: { what: "the script on an Astro site", needs: ["astro-tools"] },
  attacks: { what: "attacks" },
  browser: { what: "real browsers" },
  deploy: { what: "deployment, on an AWS account of their own", needs: ["lambda-tools"] },
  edge: { what: "the gate at the edge", isWhole: true },
  faults: { what: "lastseen serve, killed, in front of a NocoDB that comes and goes" },
  lambda: { what: "the functions as Lambda runs them, and the template", needs: ["lambda-tools"] },
  load: { what: "lastseen serve under load", loops: ALL },
  recipes: { what: "a site of one's own behind nginx" },
  rivals: { what: "the script in the situations that it is compared in", loops: ALL },
  script: { what: "the script's rules", isWhole: true, loops: FROM_CHECK },
  scenario: { what: "one scenario, the same answers from everything", needs: ["lambda-tools"] },
  tools: { what: "the sums and promises of the docs", isWhole: true },
};

/** What steps need besides, to show all they can. @type {Record<string, string[]>} */
const FOR_ALL = {
  "tests-lambda": ["functions", "checkov"],
  "tests-scenario": ["functions"],
  "tests-tools": ["cargo-deny"],
};

/** Files that show again what others show, in a dearer way: before a release only. */
const THOROUGH = [
  // It compiles cargo-deny.
  "tools/dependencies.test.mjs",
  // serve-on-nocodb.test.mjs has all of it.
  "api/serve-on-sqlite.test.mjs",
  // The same through the emulator, which scenario.test.mjs shows to answer like everything else.
  "attacks/watch.test.mjs",
  "lambda/watch.test.mjs",
  // What `sam build` makes for arm64.
  "lambda/built.test.mjs",
];

/** Files that take two places: two thousand connections at once, three browsers at once. */
export const HEAVY = ["tests/attacks/serve.test.mjs", "tests/browser/engines.test.mjs"];

/** @param {string} folder */
const testFiles = (folder) =>
  readdirSync(join(root, "tests", folder)).filter((name) => name.endsWith(".test.mjs"));

/** @returns {Step[]} */
function folders() {
  return readdirSync(join(root, "tests"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
    .map(({ name }) => ({ name, files: testFiles(name).map((file) => `${name}/${file}`) }))
    .filter(({ files }) => files.length > 0)
    .map(({ name, files }) => {
      const { what = name, needs = [], ...more } = FOLDERS[name] ?? {};
      return {
        id: `tests-${name}`,
        what: `tests: ${what}`,
        loops: TESTS,
        lane: "test",
        needs: [...ALWAYS, ...needs],
        files: files.map((file) => `tests/${file}`),
        ...more,
      };
    });
}

/** @param {Loop} loop @returns {Step[]} */
export function stepsOf(loop) {
  const isAll = loop === "test-all";
  return [...STEPS, ...folders()]
    .filter(({ loops }) => loops.includes(loop))
    .map((step) => ({
      ...step,
      needs: [...step.needs, ...(isAll ? (FOR_ALL[step.id] ?? []) : [])],
      env: { LASTSEEN_LOOP: loop, ...(isAll && { SCHEDULES: "deep" }), ...step.env },
      files: step.files?.filter((file) => isAll || !THOROUGH.includes(file.slice("tests/".length))),
    }));
}

/** @type {Step[]} */
const STEPS = [
  // Installed in places outside the checkout, once.
  install("npm", "npm packages", ["tools/node-modules"], EACH),
  install("system", "system packages", ["tools/system"], TESTS),
  install("server", "a NocoDB server", ["tools/nocodb"], TESTS),
  install("lambda-tools", "cargo-lambda, SAM and moto", ["tools/lambda", "true"], TESTS),
  install("astro-tools", "Astro", ["tests/astro/install"], TESTS),
  install("schemathesis", "schemathesis", ["tools/schemathesis", "--version"], TESTS),
  install("checkov", "checkov", ["tools/checkov", "--version"], ALL),
  install("cargo-deny", "cargo-deny", ["tools/cargo-deny", "--version"], ALL),
  {
    id: "nocodb",
    what: "a NocoDB server, started",
    loops: TESTS,
    lane: "install",
    needs: ["server"],
    run: [
      "tests/nocodb/with-server",
      "sh",
      "-c",
      "env | grep -E '^(NOCODB_TEST|CARGO_TARGET).*='; echo READY; cat",
    ],
    isService: true,
  },

  compute("build", "build: everything", ["cargo", "build", ...CARGO, "--all-targets", "--quiet"]),
  look("rust-format", "format: Rust", ["cargo", "fmt", "--all", "--check"]),
  look("fuzz-format", "format: fuzz targets", [
    "cargo",
    "fmt",
    "--manifest-path",
    "fuzz/Cargo.toml",
    "--check",
  ]),
  look(
    "biome",
    "format and lint: JavaScript, CSS, HTML",
    ["tests/node_modules/.bin/biome", "check", "--error-on-warnings", "."],
    ["npm"],
  ),
  look(
    "types-site",
    "types: JavaScript of the site",
    ["tests/node_modules/.bin/tsc", "-p", "tests/tsconfig.static.json"],
    ["npm"],
  ),
  look(
    "types-tests",
    "types: JavaScript of the tests",
    ["tests/node_modules/.bin/tsc", "-p", "tests/tsconfig.json"],
    ["npm"],
  ),
  look("edge-functions", "template: the edge's functions", ["tools/edge-functions", "--check"]),
  look("script", "script: what static/src makes", ["node", "tools/script.mjs", "--check"], ["npm"]),
  {
    id: "cargo-test",
    what: "tests: Rust",
    loops: FROM_CHECK,
    lane: "test",
    needs: ["build", "nocodb"],
    run: ["cargo", "test", ...CARGO, "--no-fail-fast"],
    // Many of them wait, and cargo runs one binary after the other.
    env: { RUST_TEST_THREADS: "4" },
  },
  {
    ...compute(
      "clippy",
      "lint: clippy",
      ["cargo", "clippy", ...CARGO, "--all-targets", "--quiet", "--", "-D", "warnings"],
      EACH,
      ["build"],
    ),
    afterRunning: "cargo-test",
  },
  {
    ...look(
      "sam",
      "template: sam validate",
      ["tools/lambda", "sam", "validate", "--lint", "--region", "us-east-1"],
      ["lambda-tools"],
    ),
    loops: TESTS,
  },
  {
    ...look(
      "dependencies",
      "dependencies: licences, sources, advisories",
      ["tools/dependencies"],
      ["cargo-deny"],
    ),
    loops: ALL,
  },
  compute(
    "functions",
    "build: the functions for arm64, without optimising",
    ["tools/functions", "arm64", "quickly"],
    ALL,
    ["build", "lambda-tools", "system"],
  ),
  compute(
    "fuzz",
    "tests: readers of what anybody sends, fuzzed for a moment",
    ["tools/fuzz", "10"],
    ALL,
    ["build"],
  ),
];

/** @param {string} id @param {string} what @param {string[]} run @param {Loop[]} loops @returns {Step} */
function install(id, what, run, loops) {
  return { id, what: `tools: ${what}`, loops, lane: "install", needs: [], run };
}

/** @param {string} id @param {string} what @param {string[]} run @param {string[]} [needs] @returns {Step} */
function look(id, what, run, needs = []) {
  return { id, what, loops: EACH, lane: "test", needs, run };
}

/** @param {string} id @param {string} what @param {string[]} run @param {Loop[]} [loops] @param {string[]} [needs] @returns {Step} */
function compute(id, what, run, loops = FROM_CHECK, needs = []) {
  return { id, what, loops, lane: "compute", needs, run };
}
