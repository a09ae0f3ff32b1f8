/** What is uploaded: one binary for each function, for the right machine, with nothing in it that is not needed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { root } from "../harness/process.mjs";
import { ARCHITECTURES, bootstrap, logicalId } from "./bootstraps.mjs";

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

for (const architecture of /** @type {const} */ (["arm64", "x86_64"])) {
  suite(`the functions for ${architecture}`, () => {
    test("are those of the template, and no others", () => {
      assert.equal(names.length, 7);
      const folder = dirname(dirname(bootstrap(architecture, "heartbeat")));
      const built = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory());
      assert.deepEqual(built.map(({ name }) => name).sort(), names.map(logicalId).sort());
      for (const { name } of built)
        assert.deepEqual(readdirSync(join(folder, name)), ["bootstrap"]);
    });

    for (const name of names) {
      test(`${name} runs on that machine under Amazon Linux, and is stripped and small`, (t) => {
        const file = bootstrap(architecture, name);
        const { folder, machine } = ARCHITECTURES[architecture];
        assert.match(readelf("--file-header", file), new RegExp(`Machine: +${machine}\\n`));
        assert.ok(statSync(file).mode & 0o001, "everybody may run it");
        assert.doesNotMatch(readelf("--wide", "--sections", file), /\.symtab|\.debug/);
        const minors = readelf("--wide", "--version-info", file).matchAll(/GLIBC_2\.(\d+)/g);
        const newest = Math.max(...[...minors].map(([, minor]) => Number(minor)));
        assert.ok(newest <= NEWEST_MINOR_OF_GLIBC, `it asks for glibc 2.${newest}`);
        const { length } = readFileSync(file);
        const isAsShipped = folder === architecture;
        assert.ok(!isAsShipped || length < LARGEST_BYTES, `${length} bytes`);
        t.diagnostic(
          `${architecture} ${name}: ${(length / 1024 / 1024).toFixed(2)} MiB, glibc 2.${newest}`,
        );
      });
    }
  });
}
