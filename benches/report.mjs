/** Figures as a table, on the terminal and in docs/performance.md. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { root } from "../tests/harness/process.mjs";

const page = join(root, "docs/performance.md");
const BLOCK = /(<!-- make bench writes from here -->\n).*(<!-- to here -->)/s;
const loadBefore = loadavg()[0] ?? 0;
const header = ["figure", "unit", "lastseen", "rival", "", "ratio", "runs"];
const rows = [header, header.map(() => "---")];

/** @param {number[]} values @param {number} share 0.5 is the median */
function quantile(values, share) {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (sorted.length - 1) * share;
  const [low = Number.NaN, high = low] = sorted.slice(Math.floor(at), Math.floor(at) + 2);
  return low + (high - low) * (at % 1);
}

/** @param {number} value */
const threeDigits = (value) =>
  Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);

/**
 * The value, and where there are several the quartiles around it.
 *
 * @param {number[]} values
 * @param {number} share
 */
function cell(values, share) {
  const value = threeDigits(quantile(values, share));
  if (share !== 0.5 || values.length === 1) return value;
  const [low, high] = [quantile(values, 0.25), quantile(values, 0.75)].map(threeDigits);
  return `${value} (${low} to ${high})`;
}

/**
 * A row; both sides in the same unit, one value for each run.
 *
 * @param {string} figure
 * @param {string} unit
 * @param {number[]} ours
 * @param {string} [rival]
 * @param {number[]} [theirs]
 * @param {number} [share] the quantile, the median if none is given
 */
export function add(figure, unit, ours, rival, theirs, share = 0.5) {
  const ratio = theirs && (quantile(ours, share) / quantile(theirs, share)).toFixed(2);
  const other = theirs ? [rival ?? "", cell(theirs, share), ratio ?? ""] : ["none yet", "", ""];
  rows.push([figure, unit, cell(ours, share), ...other, ours.length.toLocaleString("en")]);
}

/** The table. */
export function table() {
  const widths = header.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const padded = rows.map((row) => row.map((text, column) => text.padEnd(widths[column] ?? 0)));
  return padded.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Puts the table, the date and the machine in place of the last ones. */
export function write() {
  const machine = [
    `${cpus().length} cores of ${cpus()[0]?.model}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB of memory`,
    `Linux ${release().split("-")[0]} on ${process.arch}`,
    execFileSync("rustc", ["--version"], { encoding: "utf8" }).split(" (")[0],
    `Node ${process.versions.node}`,
    `load average ${loadBefore.toFixed(1)} before and ${loadavg()[0]?.toFixed(1)} after`,
  ].join(", ");
  const date = new Date().toISOString().slice(0, 10);
  const text = readFileSync(page, "utf8");
  if (!BLOCK.test(text)) throw new Error(`${page} has lost its markers`);
  const block = `\n\`make bench\` on ${date}: ${machine}.\n\n${table()}\n\n`;
  writeFileSync(
    page,
    text.replace(BLOCK, (_, begin, end) => begin + block + end),
  );
}
