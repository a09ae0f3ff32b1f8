/**
 * Measures lastseen.js and its rivals, whose own code comes from npm, and prints two tables:
 *
 *   node tests/rivals/print.mjs                # two to three minutes; the tables on stdout
 *
 * A real Chromium, a simulated clock; the reader gives real input every second while active.
 * Asleep, the wall clock jumps, and timers and the monotonic clock stand still, as on macOS and
 * Linux. What misses what lastseen.js promises is bold. Exits with 1 when lastseen.js misses one of its targets.
 */
import { launch, quit } from "../harness/browser.mjs";
import { lockers, missing, trackers } from "./columns.mjs";
import { ours } from "./ours.mjs";
import { IDLE_TIMEOUT, MOST_REQUESTS, READINGS, WAITING_TIMEOUT, WAITINGS } from "./scenarios.mjs";
import { Visit } from "./visit.mjs";
import { inSeconds, spaced } from "./words.mjs";

/** @typedef {import("./visit.mjs").Column} Column */

/** Most of the time is waiting for the browser's next frame, so more than one at a time. */
const AT_ONCE = 4;
const NOT_RUN = "not run";
const NONE = "–";

const browser = await launch();
let missed = false;
/** @type {(() => Promise<void>)[]} */
const jobs = [];

/** @param {string} text @param {boolean} good @param {Column} column */
function cell(text, good, column) {
  if (good) return text;
  if (column === ours) missed = true;
  return `**${text}**`;
}

/**
 * @param {string[][]} rows
 * @param {number} row
 * @param {number} at
 * @param {() => Promise<string>} measure
 */
function fill(rows, row, at, measure) {
  jobs.push(async () => {
    process.stderr.write(".");
    /** @type {string[]} */ (rows[row])[at] = await measure();
  });
}

/** @type {Column[]} */
const readers = [...trackers, ours];
const requests = ["", "requests sent in D3", "", ...readers.map(() => NONE)];
const durations = READINGS.map(({ id, what, truth }) => [id, what, spaced(truth)]);
for (const [row, reading] of READINGS.entries()) {
  for (const [index, column] of readers.entries()) {
    const { id, target, needsTransport, idleTimeout = IDLE_TIMEOUT, act } = reading;
    fill(durations, row, 3 + index, async () => {
      if (needsTransport && !column.sends) return "n/a";
      return Visit.with(browser, column, idleTimeout, async (visit) => {
        await act(visit);
        const seconds = (await column.seconds?.(visit)) ?? 0;
        const sent = visit.site.calls.length;
        if (id === "D3" && column.sends) {
          requests[3 + index] = cell(spaced(sent), sent <= MOST_REQUESTS, column);
        }
        const [least, most] = target;
        return cell(spaced(seconds), seconds >= least && seconds <= most, column);
      });
    });
  }
}

/** @type {Column[]} */
const guards = [...lockers, ours];
const locks = guards.map(({ name }) => [name]);
for (const [row, column] of guards.entries()) {
  for (const [index, { needsInput, act }] of WAITINGS.entries()) {
    fill(locks, row, 1 + index, async () => {
      if (needsInput && column.blind) return NONE;
      return Visit.with(browser, column, WAITING_TIMEOUT, async (visit) => {
        const { text, good } = await act(visit);
        return cell(text, good, column);
      });
    });
  }
}

try {
  const work = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
} finally {
  await quit(browser);
  process.stderr.write("\n");
}

/** @param {string[][]} rows */
function table(rows) {
  const [head = []] = rows;
  const widths = head.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const lines = rows.map(
    (row) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(" | ")} |`,
  );
  lines.splice(1, 0, `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`);
  return lines.join("\n");
}

/** Puts the columns that cannot be run before ours. @param {string[]} cells @param {string[]} others */
const withMissing = (cells, others = missing.map(() => NOT_RUN)) => [
  ...cells.slice(0, -1),
  ...others,
  ...cells.slice(-1),
];
const names = readers.map(({ name }) => name);
const head = withMissing(
  ["", "scenario", "truth", ...names],
  missing.map(({ name }) => name),
);
const targets = READINGS.map(({ target: [least, most] }) => `${least}–${most}`);
console.log("Duration recorded, in seconds\n");
console.log(
  table([
    [...head, "lastseen.js promises"],
    ...durations.map((row, at) => [...withMissing(row), targets[at] ?? ""]),
    [...withMissing(requests), `≤ ${MOST_REQUESTS}`],
  ]),
);
for (const { name, reason } of missing) console.log(`\n${name}: ${NOT_RUN}; ${reason}.`);
console.log(`\nTimeMe.js: n/a where a figure that is only in the page says nothing.
The server's idle timeout is ${inSeconds(IDLE_TIMEOUT)}; in D2, D4 and D8 longer than the visitor is away.

Idle logout after 15 minutes (a warning in the last 60 s, where there is one)
`);
console.log(
  table([
    ["script", ...WAITINGS.map(({ id, what }) => `${id} ${what}`)],
    ...locks,
    ["lastseen.js promises", ...WAITINGS.map(({ target }) => target)],
  ]),
);
console.log(`\n${NONE}: it takes no notice of input.`);
process.exitCode = missed ? 1 : 0;
