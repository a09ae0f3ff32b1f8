/** What the alarm of NocoDB counts, as a function logs it. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { event, Sandbox } from "./runtime.mjs";
import { stack } from "./stack.mjs";

/** @type {Sandbox | undefined} */
let sandbox;
after(() => sandbox?.stop());

/** `{ $.name = "value" && … }` with `*` for anything, as CloudWatch Logs reads it. @param {string} pattern */
const conditions = (pattern) =>
  [...pattern.matchAll(/\$\.(\w+) = "([^"*]*)(\*?)"/g)].map(
    ([, name = "", start = "", open]) =>
      /** @param {any} line */
      (line) =>
        open ? String(line[name]).startsWith(start) : line[name] === start,
  );

test("a visit that NocoDB does not take is counted, and one that it is not asked about is not", async () => {
  sandbox = await Sandbox.start("verify-access", {
    SITE_AUDIENCE: "localhost",
    SESSION_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}`,
    // Nobody listens there.
    NOCODB_URL: "http://127.0.0.1:9",
    NOCODB_BASE_ID: "pbase",
    NOCODB_TABLE_ID: "mtable",
    NOCODB_API_TOKEN: "token",
  });
  const post = (/** @type {string} */ email) =>
    event("/api/verify-temp-access", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email }),
    });
  const [, filter] = stack().ofType("AWS::Logs::MetricFilter")[0] ?? [];
  const wanted = conditions(filter?.Properties.FilterPattern);
  assert.equal(wanted.length, 2);
  const counted = () =>
    (sandbox?.lines ?? []).filter((line) => wanted.every((holds) => holds(line))).length;

  assert.equal((await sandbox.invoke(post("nobody"))).statusCode, 400);
  assert.equal(counted(), 0);
  assert.equal((await sandbox.invoke(post("ada@example.com"))).statusCode, 503);
  assert.equal(counted(), 1);
});
