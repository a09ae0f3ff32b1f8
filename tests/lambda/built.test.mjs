/**
 * What is uploaded: one binary for each function, for the right machine, with nothing in it that is not needed.
 * `make build` has what it made tested, by `BUILT`: a folder of target/sam.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { root } from "../harness/process.mjs";
import { bootstrap, logicalId, MACHINES } from "./bootstraps.mjs";

/** What Amazon Linux 2023, `provided.al2023`, has of the C library: 2.34. */
const NEWEST_MINOR_OF_GLIBC = 34;
/** Of a zipped and unzipped function, AWS takes 250 MB; ours start fast because they are small. */
const LARGEST_BYTES = 8 * 1024 * 1024;

/** @param {string[]} args */
const readelf = (...args) =>
  execFileSync("readelf", args, { env: { ...process.env, LC_ALL: "C" } }).toString();

const names = readdirSync(join(root, "functions")).filter((name) =>
  readdirSync(join(root, "functions", name)).includes("Cargo.toml"),
);

/** Of target/sam. */
const folder = process.env.BUILT || "arm64-quickly";
const [architecture = "", quickly] = folder.split("-");
const machine = MACHINES[/** @type {keyof typeof MACHINES} */ (architecture)];

suite(`the functions in target/sam/${folder}`, () => {
  test("are those of the template, and no others", () => {
    assert.equal(names.length, 7);
    const path = dirname(dirname(bootstrap(folder, "heartbeat")));
    const built = readdirSync(path, { withFileTypes: true }).filter((one) => one.isDirectory());
    assert.deepEqual(built.map(({ name }) => name).sort(), names.map(logicalId).sort());
    for (const { name } of built) assert.deepEqual(readdirSync(join(path, name)), ["bootstrap"]);
  });

  for (const name of names) {
    test(`${name} runs on that machine under Amazon Linux, and is stripped and small`, (t) => {
      const file = bootstrap(folder, name);
      assert.match(readelf("--file-header", file), new RegExp(`Machine: +${machine}\\n`));
      assert.ok(statSync(file).mode & 0o001, "everybody may run it");
      assert.doesNotMatch(readelf("--wide", "--sections", file), /\.symtab|\.debug/);
      const minors = readelf("--wide", "--version-info", file).matchAll(/GLIBC_2\.(\d+)/g);
      const newest = Math.max(...[...minors].map(([, minor]) => Number(minor)));
      assert.ok(newest <= NEWEST_MINOR_OF_GLIBC, `it asks for glibc 2.${newest}`);
      const { length } = readFileSync(file);
      assert.ok(quickly || length < LARGEST_BYTES, `${length} bytes`);
      t.diagnostic(`${name}: ${(length / 1024 / 1024).toFixed(2)} MiB, glibc 2.${newest}`);
    });
  }
});
