/** The function behind the site: what is protected stands in no page of another origin. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { event, publish } from "./cloudfront.mjs";

const SOURCE = readFileSync(
  new URL("../../functions/edge-headers/headers.js", import.meta.url),
  "utf8",
);
const { handle } = publish({
  source: SOURCE,
  kvs: () => assert.fail("it has nothing to know"),
});

/** @param {string} [cacheControl] */
async function embedding(cacheControl) {
  const headers = cacheControl === undefined ? {} : { "cache-control": { value: cacheControl } };
  const response = { statusCode: 200, headers: { etag: { value: '"1"' }, ...headers } };
  const made = await handle({ ...event("/deck/a.pdf"), response });
  assert.equal(made.statusCode, 200);
  assert.equal(made.headers.etag?.value, '"1"');
  return made.headers["cross-origin-resource-policy"]?.value;
}

test("a file that nobody may keep is shown by no other origin's page", async () => {
  for (const value of ["no-store", "No-Store", "private, no-store"]) {
    assert.equal(await embedding(value), "same-origin", value);
  }
});

test("a file that is open is anybody's to embed", async () => {
  for (const value of ["no-cache", "max-age=60", undefined]) {
    assert.equal(await embedding(value), undefined, value);
  }
});
