// The function in front of the API: what it adds cannot be made up by a viewer, and without its
// secret nothing is passed on. In Node's vm, and in njs, which is stricter about syntax.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { event, publish, runInNjs, WITHOUT_NJS } from "./cloudfront.mjs";

const SOURCE = readFileSync(new URL("../../functions/edge-api/api.js", import.meta.url), "utf8");
const SECRET = "s".repeat(43);

/** @param {unknown} value under `api`; an error is thrown */
const kvs = (value) => () => ({
  /** @param {string} key */
  async get(key) {
    if (key !== "api" || value instanceof Error) throw value;
    return value;
  },
});

/** @param {unknown} value @param {Record<string, string>} [headers] */
async function pass(value, headers = {}) {
  const { handle, lines } = publish({ source: SOURCE, kvs: kvs(value) });
  const given = event("/api/session-heartbeat", {
    headers: { host: "www.example.com", ...headers },
    cookie: "__Host-lastseen=a",
  });
  // Made in another context, its objects are of other prototypes.
  const answer = JSON.parse(JSON.stringify(await handle(structuredClone(given))));
  return { answer, given, lines };
}

test("the API learns the host and the secret, and all else as it was", async () => {
  const { answer, given } = await pass(SECRET, { "user-agent": "a", origin: "https://b.example" });
  assert.deepEqual(answer, {
    ...given.request,
    headers: {
      host: { value: "www.example.com" },
      "user-agent": { value: "a" },
      origin: { value: "https://b.example" },
      "x-forwarded-host": { value: "www.example.com" },
      "x-lastseen-edge": { value: SECRET },
    },
  });
});

test("what a viewer sends under these names is overwritten", async () => {
  const { answer } = await pass(SECRET, {
    "X-Forwarded-Host": "evil.example",
    "X-Lastseen-Edge": "guess",
  });
  assert.deepEqual(answer.headers["x-forwarded-host"], { value: "www.example.com" });
  assert.deepEqual(answer.headers["x-lastseen-edge"], { value: SECRET });
});

test("a secret that was stored as a line is the same secret", async () => {
  const { answer } = await pass(`${SECRET}\n`);
  assert.equal(answer.headers["x-lastseen-edge"].value, SECRET);
});

test("without a secret nothing is passed on, and the log does not say what there was", async () => {
  for (const value of [new Error(`no ${SECRET}`), undefined, null, "", " \n", 5, {}]) {
    const { answer, lines } = await pass(value);
    assert.equal(answer.statusCode, 503, String(value));
    assert.equal(answer.headers["cache-control"].value, "no-store");
    assert.equal(answer.uri, undefined);
    assert.doesNotMatch(lines.join("\n"), /ssss/);
  }
});

test("njs reads it the same way", { skip: WITHOUT_NJS }, () => {
  const given = JSON.stringify(event("/logout", { headers: { host: "www.example.com" } }));
  const driver = `handler(${given}).then((answer) => console.log(JSON.stringify(answer.headers)));`;
  const printed = runInNjs(
    `${SOURCE}\n${driver}`,
    `export default { kvs: () => ({ get: async (key) => key === "api" ? "${SECRET}\\n" : "" }) };`,
  );
  assert.deepEqual(JSON.parse(printed), {
    host: { value: "www.example.com" },
    "x-lastseen-edge": { value: SECRET },
    "x-forwarded-host": { value: "www.example.com" },
  });
});
