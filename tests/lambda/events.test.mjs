/** The functions and the events of an HTTP API: cookies in a list, bodies in base64, and what clients make of it all. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { readSetCookie } from "../harness/http.mjs";
import { event, Sandbox } from "./runtime.mjs";
import { StubTable } from "./table.mjs";

const HEARTBEAT = "/api/session-heartbeat";

/** @type {StubTable} */
let table;
/** @type {Record<"verify-access" | "heartbeat" | "logout", Sandbox>} */
let functions;
/** The cookies of a visitor who has been let in. @type {string[]} */
let cookies;

before(async () => {
  table = await StubTable.start();
  const settings = {
    ...table.settings,
    SITE_AUDIENCE: "www.example.com",
    SESSION_KEYS: `test:${randomBytes(32).toString("base64")}`,
  };
  functions = {
    "verify-access": await Sandbox.start("verify-access", settings),
    heartbeat: await Sandbox.start("heartbeat", settings),
    logout: await Sandbox.start("logout", settings),
  };
  const answer = await functions["verify-access"].invoke(
    event("/api/verify-temp-access", { form: { email: "anna@example.com" } }),
  );
  assert.equal(answer.statusCode, 303, answer.body);
  cookies = setCookies(answer).map(({ name, value }) => `${name}=${value}`);
});
after(async () => {
  for (const sandbox of Object.values(functions ?? {})) await sandbox.stop();
  table?.stop();
});

/** @param {import("./runtime.mjs").Answer} answer */
const setCookies = (answer) => (answer.cookies ?? []).map(readSetCookie);

/** @param {Parameters<typeof event>[1]} [call] */
const heartbeat = (call) => functions.heartbeat.invoke(event(HEARTBEAT, { cookies, ...call }));

test("a form in base64 lets in, with two cookies and a redirect", async () => {
  const answer = await functions["verify-access"].invoke(
    event("/api/verify-temp-access", {
      form: { email: "anna@example.com", redirect: "/portfolio/confidential/?a=b" },
    }),
  );
  assert.equal(answer.statusCode, 303);
  assert.equal(answer.headers.location, "/portfolio/confidential/?a=b");
  const names = setCookies(answer).map(({ name }) => name);
  assert.deepEqual(names, ["__Host-lastseen", "session_record_id"]);
  assert.equal(answer.isBase64Encoded, false);
});

test("a beacon as text and one in base64 are the same heartbeat", async () => {
  const snapshot = JSON.stringify({ session: "1", activeSeconds: 0, leaving: true });
  for (const body of [snapshot, Buffer.from(snapshot)]) {
    const headers = { "content-type": "text/plain;charset=UTF-8" };
    const answer = await heartbeat({ body, headers });
    assert.equal(answer.statusCode, 200, answer.body);
    assert.deepEqual(setCookies(answer), []);
  }
});

test("a post counts as the site's own by Host, and behind CloudFront by X-Forwarded-Host", async () => {
  const api = "api.execute-api.eu-central-1.amazonaws.com";
  const site = "www.example.com";
  for (const { host, forwarded, status } of [
    { host: site, forwarded: undefined, status: 200 },
    { host: api, forwarded: site, status: 200 },
    { host: api, forwarded: undefined, status: 403 },
    { host: api, forwarded: "evil.example", status: 403 },
  ]) {
    /** @type {Record<string, string>} */
    const headers = { host, origin: `https://${site}` };
    if (forwarded) headers["x-forwarded-host"] = forwarded;
    const answer = await heartbeat({ method: "POST", headers });
    assert.equal(answer.statusCode, status, `${host} ${forwarded}: ${answer.body}`);
  }
});

test("what is too large or comes by the wrong method is refused as anywhere else", async () => {
  const headers = { "content-type": "application/json" };
  assert.equal((await heartbeat({ body: Buffer.alloc(65_537, " "), headers })).statusCode, 413);
  const answer = await heartbeat({ method: "PUT" });
  assert.equal(answer.statusCode, 405);
  assert.equal(answer.headers.allow, "GET, POST");
});

test("another application's cookie in other letters hides none of ours", async () => {
  const answer = await heartbeat({ cookies: ["name=Ren\u00e9", ...cookies] });
  assert.equal(JSON.parse(answer.body ?? "").hasSession, true);
});

for (const { what, call } of [
  { what: "query that is none", call: { query: 'a=<b> "c"#d`{|}^\u00e9%zz' } },
  { what: "host that is none", call: { headers: { host: "a b<>" } } },
  { what: "list of hosts", call: { headers: { host: "www.example.com, evil.example" } } },
  { what: "port that is none", call: { headers: { host: "www.example.com:99999" } } },
  { what: "scheme that is none", call: { headers: { "x-forwarded-proto": "a b" } } },
  { what: "forwarded host in other letters", call: { headers: { "x-forwarded-host": "\u00e9" } } },
]) {
  test(`a ${what} ends neither in an error nor in the end of the function`, async () => {
    const answer = await heartbeat(call);
    assert.equal(JSON.parse(answer.body ?? "").hasSession, true);
    assert.ok(!functions.heartbeat.running.log.includes("panicked"));
  });
}

test("a log-out by navigation clears both cookies and goes to the gate", async () => {
  const headers = { "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin" };
  const answer = await functions.logout.invoke(event("/logout", { cookies, headers }));
  assert.equal(answer.statusCode, 303, answer.body);
  assert.match(answer.headers.location ?? "", /^\/access\//);
  assert.deepEqual(
    setCookies(answer).map(({ removes }) => removes),
    [true, true],
  );
});
