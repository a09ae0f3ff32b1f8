/** The budget: the file that ships, as it goes over the wire. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const BUDGET = 7_850;

/** @param {string} name */
const read = (name) => readFile(new URL(`../../static/${name}`, import.meta.url));

test("lastseen.js is at most 7,850 bytes, gzipped", async (t) => {
  const weights = await Promise.all(
    ["lastseen.js", "lastseen-worker.js"].map(async (name) => {
      const text = await read(name);
      const bytes = gzipSync(text, { level: 9 }).length;
      t.diagnostic(`${name}: ${text.length} bytes, ${bytes} gzipped`);
      return bytes;
    }),
  );
  const [script = 0] = weights;
  assert.ok(script <= BUDGET, `lastseen.js weighs ${script} of ${BUDGET} bytes`);
});
