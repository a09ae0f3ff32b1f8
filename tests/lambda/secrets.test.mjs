/** A function's start: secrets from SSM, the connection to NocoDB, and what it does without them. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { until } from "../harness/process.mjs";
import { ParameterStore } from "./parameters.mjs";
import { event, Sandbox } from "./runtime.mjs";
import { StubTable } from "./table.mjs";

const KEYS = "/stack/session-keys";
const TOKEN = "/stack/nocodb-api-token";
const PASSCODE = "/stack/access-passcode";
const sessionKeys = `test:${randomBytes(32).toString("base64")}`;

/** @type {ParameterStore} */
let parameters;
/** @type {StubTable} */
let table;
/** @type {Sandbox | undefined} */
let sandbox;

before(async () => {
  parameters = await ParameterStore.start();
  table = await StubTable.start();
});
after(async () => {
  table?.stop();
  await parameters?.stop();
});
beforeEach(async () => {
  parameters.asked = [];
  parameters.door = "open";
  table.forget();
  await parameters.put(KEYS, sessionKeys);
  await parameters.put(TOKEN, "token-from-ssm");
  await parameters.put(PASSCODE, "open sesame");
});
afterEach(async () => {
  await sandbox?.stop();
  sandbox = undefined;
});

/** @param {NodeJS.ProcessEnv} [settings] */
async function start(settings = {}) {
  sandbox = await Sandbox.start("verify-access", {
    AWS_ENDPOINT_URL: parameters.url,
    SITE_AUDIENCE: "www.example.com",
    ...table.settings,
    NOCODB_API_TOKEN: "",
    NOCODB_API_TOKEN_PARAMETER: TOKEN,
    SESSION_KEYS_PARAMETER: KEYS,
    // What a template passes for what nobody filled in.
    ACCESS_PASSCODE_PARAMETER: "",
    ALLOWED_EMAILS: "",
    ...settings,
  });
  return sandbox;
}

/** @param {NodeJS.ProcessEnv} [settings] */
async function started(settings) {
  const sandbox = await start(settings);
  await until("request for the next event", () => sandbox.isReady, 20_000);
  return sandbox;
}

/** @param {Sandbox} sandbox @param {Record<string, string>} [fields] */
const enter = (sandbox, fields) =>
  sandbox.invoke(
    event("/api/verify-temp-access", { form: { email: "anna@example.com", ...fields } }),
  );

/** @param {Sandbox} sandbox */
const errors = (sandbox) => sandbox.lines.filter(({ level }) => level === "ERROR");

test("all secrets are read once, in one request, before the first event", async () => {
  const sandbox = await started({ ACCESS_PASSCODE_PARAMETER: PASSCODE });
  assert.equal(parameters.asked.length, 1);
  const [{ operation, input } = { operation: "", input: {} }] = parameters.asked;
  assert.equal(operation, "GetParameters");
  assert.equal(input.WithDecryption, true);
  assert.deepEqual(input.Names.sort(), [PASSCODE, TOKEN, KEYS]);

  for (const passcode of ["open sesame", "open sesame"]) {
    const answer = await enter(sandbox, { passcode });
    assert.equal(answer.statusCode, 303);
    assert.equal(answer.cookies?.length, 2, "both cookies");
  }
  const wrong = await enter(sandbox, { passcode: "guess" });
  assert.match(wrong.headers.location ?? "", /error=wrong-passcode/);
  assert.equal(parameters.asked.length, 1, "later requests ask SSM for nothing");
  const created = table.requests.find(({ method }) => method === "POST");
  assert.equal(created?.token, "token-from-ssm");
});

test("the connection to NocoDB is open before the first event, and that one uses it", async () => {
  const sandbox = await started();
  await until("request that opens it", () => table.requests.length > 0);
  assert.deepEqual(table.requests, [{ method: "HEAD", path: "/favicon.ico", token: undefined }]);
  assert.equal((await enter(sandbox)).statusCode, 303);
  assert.equal(table.connections, 1);
});

test("NocoDB is connected to while SSM is still thinking", async () => {
  parameters.door = "silent";
  const sandbox = await start();
  await until("question to SSM", () => parameters.asked.length === 1);
  // Sooner than SSM is given up, which is after five seconds.
  await until("connection to NocoDB", () => table.connections === 1, 4000);
  assert.ok(!sandbox.isReady);
});

test("without a parameter it answers 503 and says which, and starts when the parameter is there", async () => {
  await parameters.remove(KEYS);
  const sandbox = await started();
  const refused = await enter(sandbox);
  assert.equal(refused.statusCode, 503);
  assert.ok(Number(refused.headers["retry-after"]) > 0);
  assert.equal(refused.headers["cache-control"], "no-store");
  assert.equal(refused.cookies?.length ?? 0, 0);
  assert.equal(JSON.parse(refused.body ?? "").code, "unavailable");

  // One line for the init and one for the request.
  assert.equal(errors(sandbox).length, 2);
  for (const line of errors(sandbox)) {
    assert.equal(line.message, "the function cannot start");
    assert.match(line.error, /^SSM has no parameter \/stack\/session-keys;/);
  }

  await parameters.put(KEYS, sessionKeys);
  assert.equal((await enter(sandbox)).statusCode, 303);
  assert.equal(errors(sandbox).length, 2);
});

test("a sandbox reads its secrets anew when they are old, and goes on with the known ones in an outage", async () => {
  const sandbox = await started({ SECRETS_MAX_AGE_SECONDS: "1" });
  /** @param {Awaited<ReturnType<typeof enter>>} answer */
  const kid = (answer) => {
    const [, token = ""] = /lastseen=([^;]*)/.exec(answer.cookies?.join() ?? "") ?? [];
    return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
  };
  const older = () => new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal(kid(await enter(sandbox)), "test");
  await parameters.put(KEYS, `next:${randomBytes(32).toString("base64")},${sessionKeys}`);
  await older();
  assert.equal(kid(await enter(sandbox)), "next");
  assert.equal(table.connections, 1, "NocoDB is not connected to anew");

  for (const broken of ["shut", "bad"]) {
    if (broken === "shut") parameters.door = "shut";
    else await parameters.put(KEYS, "nonsense");
    await older();
    assert.equal(kid(await enter(sandbox)), "next", broken);
    assert.match(errors(sandbox).at(-1)?.message, /those known still serve/);
    parameters.door = "open";
  }
});

test("without SSM it answers 503 with a short reason in the log, and recovers in the same sandbox", async () => {
  parameters.door = "shut";
  const sandbox = await started();
  assert.equal((await enter(sandbox)).statusCode, 503);
  const [line] = errors(sandbox);
  assert.match(line.error, /^SSM: /);
  assert.ok(line.error.length < 300, line.error);

  parameters.door = "open";
  assert.equal((await enter(sandbox)).statusCode, 303);
});

test("an SSM that never answers is given up in time for an answer", async () => {
  parameters.door = "silent";
  const begun = Date.now();
  const sandbox = await started();
  assert.ok(Date.now() - begun < 9000, "a sandbox has ten seconds for its init");
  assert.equal(errors(sandbox)[0].error, "SSM did not answer within 5 seconds");
});

for (const { name, value, says } of [
  { name: "IDLE_TIMEOUT_SECONDS", value: "x", says: "`x` is not a whole number of seconds" },
  { name: "SESSION_KEYS", value: sessionKeys, says: "unset one of them" },
  { name: "NOCODB_URL", value: "", says: "only `lastseen serve` can do without" },
]) {
  test(`a bad ${name} stops the function with one line that names it`, async () => {
    const sandbox = await start({ [name]: value });
    assert.equal(await sandbox.running.ended, 1);
    const [line, ...more] = sandbox.lines;
    assert.deepEqual(more, []);
    assert.equal(line.level, "ERROR");
    assert.ok(line.error.startsWith(name) && line.error.includes(says), line.error);
    assert.ok(!sandbox.running.log.includes(sessionKeys), "no secret is in the log");
  });
}

test("no secret and no email is ever in the log", async () => {
  const sandbox = await started({ ACCESS_PASSCODE_PARAMETER: PASSCODE });
  await enter(sandbox, { passcode: "open sesame" });
  await enter(sandbox, { passcode: "guess" });
  assert.ok(sandbox.lines.length > 0);
  for (const secret of [
    sessionKeys.slice(5),
    "token-from-ssm",
    "open sesame",
    "anna@example.com",
  ]) {
    assert.ok(!sandbox.running.log.includes(secret), secret);
  }
});
