/**
 * The functions as they are shipped, and events of an HTTP API that no client of the tests can send: as AWS
 * documents them, and with what clients make of addresses and headers. `tests/scenario/` sends the rest.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { readSetCookie } from "../harness/http.mjs";
import { root } from "../harness/process.mjs";
import { BUILDS, command } from "./bootstraps.mjs";
import { event, Sandbox } from "./runtime.mjs";
import { StubTable } from "./table.mjs";

const ENTER = "/api/verify-temp-access";
const HEARTBEAT = "/api/session-heartbeat";
const FORM = "application/x-www-form-urlencoded";

/** The example that AWS gives for this kind of event, with `$default` for route and stage. */
const example = JSON.parse(
  execFileSync(
    join(root, "tools/lambda"),
    ["sam", "local", "generate-event", "apigateway", "http-api-proxy"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  ),
);

/** @param {string} method @param {string} path @param {object} members */
const documented = (method, path, members) => ({
  ...example,
  rawPath: path,
  rawQueryString: "",
  requestContext: {
    ...example.requestContext,
    http: { ...example.requestContext.http, method, path },
  },
  ...members,
});

test("our events have the members of the documented one", () => {
  const optional = ["pathParameters", "queryStringParameters", "stageVariables"];
  const names = (/** @type {object} */ value) =>
    Object.keys(value).filter((n) => !optional.includes(n));
  const ours = event("/x", { cookies: ["a=b"], body: "x" });
  assert.deepEqual(names(ours).sort(), names(example).sort());
  const { authentication, authorizer, ...context } = example.requestContext;
  assert.deepEqual(Object.keys(ours.requestContext).sort(), Object.keys(context).sort());
  assert.deepEqual(Object.keys(ours.requestContext.http), Object.keys(context.http));
});

for (const build of BUILDS) {
  suite(`the functions as built for ${build}`, () => {
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
      const start = (/** @type {string} */ name) =>
        Sandbox.start(name, settings, command(build, name));
      functions = {
        "verify-access": await start("verify-access"),
        heartbeat: await start("heartbeat"),
        logout: await start("logout"),
      };
      const answer = await functions["verify-access"].invoke(
        event(ENTER, { form: { email: "anna@example.com" } }),
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

    test("an answer is text, with its cookies in a list", async () => {
      const answer = await functions["verify-access"].invoke(
        event(ENTER, {
          form: { email: "anna@example.com", redirect: "/portfolio/confidential/b" },
        }),
      );
      assert.equal(answer.statusCode, 303);
      assert.equal(answer.headers.location, "/portfolio/confidential/b");
      assert.equal(answer.headers["set-cookie"], undefined);
      const names = setCookies(answer).map(({ name }) => name);
      assert.deepEqual(names, ["__Host-lastseen", "session_record_id"]);
      assert.equal(answer.isBase64Encoded, false);
    });

    test("the documented event lets in, by a form in base64", async () => {
      const body = Buffer.from("email=anna%40example.com").toString("base64");
      const answer = await functions["verify-access"].invoke(
        documented("POST", ENTER, {
          headers: { ...example.headers, host: "www.example.com", "content-type": FORM },
          body,
          isBase64Encoded: true,
        }),
      );
      assert.equal(answer.statusCode, 303, answer.body);
      assert.equal(setCookies(answer).length, 2);
    });

    for (const { what, members } of [
      { what: "no body", members: { body: undefined, isBase64Encoded: false } },
      { what: "a body of null", members: { body: null, isBase64Encoded: false } },
      { what: "an empty body in base64", members: { body: "", isBase64Encoded: true } },
    ]) {
      test(`the documented event with ${what} is a heartbeat`, async () => {
        const answer = await functions.heartbeat.invoke(
          documented("POST", HEARTBEAT, { cookies, ...members }),
        );
        assert.equal(answer.statusCode, 200, answer.body);
        assert.equal(setCookies(answer).length, 2);
      });
    }

    test("without a list of cookies there is no session", async () => {
      for (const none of [undefined, null, []]) {
        const answer = await functions.heartbeat.invoke(
          documented("GET", HEARTBEAT, { cookies: none, body: undefined, isBase64Encoded: false }),
        );
        assert.equal(JSON.parse(answer.body ?? "").reason, "missing");
      }
    });

    test("a beacon as text and one in base64 are the same heartbeat", async () => {
      const snapshot = JSON.stringify({ session: "1", page: "/b\u00fcro/", leaving: true });
      for (const body of [snapshot, Buffer.from(snapshot)]) {
        const headers = { "content-type": "text/plain;charset=UTF-8" };
        const answer = await heartbeat({ body, headers });
        assert.equal(answer.statusCode, 200, answer.body);
        assert.deepEqual(setCookies(answer), []);
      }
    });

    test("what API Gateway joins with commas is no site's own origin, and no prefetch's excuse", async () => {
      const own = "https://www.example.com";
      for (const origin of [`${own},https://evil.example`, `https://evil.example,${own}`]) {
        const answer = await heartbeat({ method: "POST", headers: { origin } });
        assert.equal(answer.statusCode, 403, answer.body);
      }
      const headers = { "sec-fetch-mode": "navigate", "sec-fetch-site": "none,none" };
      const answer = await functions.logout.invoke(event("/logout", { cookies, headers }));
      assert.equal(answer.statusCode, 200, "the page with a button");
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
      {
        what: "forwarded host in other letters",
        call: { headers: { "x-forwarded-host": "\u00e9" } },
      },
    ]) {
      test(`a ${what} ends neither in an error nor in the end of the function`, async () => {
        const answer = await heartbeat(call);
        assert.equal(JSON.parse(answer.body ?? "").hasSession, true);
        assert.ok(!functions.heartbeat.running.log.includes("panicked"));
      });
    }
  });
}
