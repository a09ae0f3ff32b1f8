/** The budget: everything the script does, in less than any rival needs for half of it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
// The minifier whose output sites serve: the script ships as it is written, only its weight is taken.
import { minify } from "terser";

const BUDGET = 6144;

test("lastseen.js is at most 6,144 bytes, minified and gzipped", async (t) => {
  /** @param {string} name */
  const weigh = async (name) => {
    const source = await readFile(new URL(`../../static/${name}`, import.meta.url), "utf8");
    const { code = "" } = await minify(source, { compress: { passes: 3 } });
    const bytes = (/** @type {string} */ text) => gzipSync(text, { level: 9 }).length;
    t.diagnostic(
      `${name}: ${source.length} bytes as written (${bytes(source)} gzipped), ` +
        `${code.length} minified (${bytes(code)} gzipped)`,
    );
    return bytes(code);
  };
  const script = await weigh("lastseen.js");
  await weigh("lastseen-worker.js");
  assert.ok(script <= BUDGET, `lastseen.js weighs ${script} of ${BUDGET} bytes`);
});
