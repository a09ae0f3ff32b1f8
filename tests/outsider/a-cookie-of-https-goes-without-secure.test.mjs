/** TLS in front of `lastseen serve` on loopback, whose own default is cookies for plain http. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send } from "../harness/http.mjs";
import { HttpsFront } from "../harness/https.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { command, Serve } from "../harness/serve.mjs";

const ENTER = "/api/verify-temp-access";
const PAGE = "/portfolio/confidential/";
const HOST = "www.example.com";
const PROXY = { host: HOST, "x-forwarded-proto": "https" };

/** @type {Serve} */
let serve;
before(async () => {
  serve = await Serve.start({ SITE_AUDIENCE: HOST, ADMIN_TOKEN });
});
after(() => serve?.stop());

/** @param {Record<string, string>} headers @param {string} [email] */
async function enter(headers, email = "ann@example.com") {
  const { status, cookies, text } = await send(serve.url, ENTER, { json: { email }, headers });
  assert.equal(status, 200, text);
  return cookies;
}

/** @param {import("../harness/http.mjs").SetCookie[]} cookies */
const named = (cookies) =>
  cookies.map(({ name, attributes }) => [name, attributes.secure === true]);
const OF_HTTPS = [
  ["__Host-lastseen", true],
  ["session_record_id", true],
];
const OF_HTTP = [
  ["lastseen", false],
  ["session_record_id", false],
];

test("whatever shows https has the cookies of https, and plain http its own", async () => {
  assert.deepEqual(named(await enter(PROXY)), OF_HTTPS);
  assert.deepEqual(named(await enter({ host: HOST, origin: `https://${HOST}` })), OF_HTTPS);
  assert.deepEqual(
    named(await enter({ host: HOST, referer: `https://${HOST}/access/` })),
    OF_HTTPS,
  );
  assert.deepEqual(named(await enter({ host: HOST })), OF_HTTP);
  assert.deepEqual(named(await enter({ host: HOST, origin: `http://${HOST}` })), OF_HTTP);
  const owner = await send(serve.url, "/api/admin/login", {
    json: { token: ADMIN_TOKEN },
    headers: PROXY,
  });
  assert.deepEqual(named(owner.cookies), [["__Host-lastseen-admin", true]]);
});

test("the name for plain http is worth nothing over https", async () => {
  const [plain] = await enter({ host: HOST });
  const [secure] = await enter(PROXY, "bob@example.com");
  const open = async (/** @type {string} */ cookie, /** @type {Record<string, string>} */ more) =>
    (await send(serve.url, PAGE, { headers: { host: HOST, cookie, ...more } })).status;
  const http = `lastseen=${plain?.value}`;
  const https = `__Host-lastseen=${secure?.value}`;
  assert.equal(await open(http, {}), 200);
  assert.equal(await open(http, PROXY), 302);
  assert.equal(await open(https, PROXY), 200);
  // A bookmark has neither Origin nor Referer; the cookie came over https alone.
  assert.equal(await open(https, {}), 200);
  assert.equal(await open(`${http}; ${https}`, PROXY), 200);
  assert.equal(await open(`${http}; __Host-lastseen=forged`, PROXY), 302);
});

test("a heartbeat renews, and a log-out deletes, the cookies of https with Secure", async () => {
  const [secure] = await enter(PROXY);
  const cookie = `__Host-lastseen=${secure?.value}`;
  const call = { method: "POST", headers: { host: HOST, cookie } };
  const beat = await send(serve.url, "/api/session-heartbeat", call);
  assert.deepEqual(named(beat.cookies), OF_HTTPS);
  const out = await send(serve.url, "/api/logout", call);
  assert.deepEqual(named(out.cookies), OF_HTTPS);
  assert.ok(out.cookies.every(({ removes }) => removes));
});

test("the doctor visits a site over https whose serve has its defaults, and finds nothing to set", async () => {
  const plain = await Serve.start({ SITE_AUDIENCE: "localhost" });
  const front = await HttpsFront.open("localhost", plain.url);
  try {
    const trusted = join(plain.home, "front.pem");
    await writeFile(trusted, front.cert);
    const env = { ...plain.env, SSL_CERT_FILE: trusted };
    const out = await command(["doctor", "--url", front.url], env, plain.home).catch(
      ({ stdout }) => stdout,
    );
    assert.match(out, /^✓ a heartbeat arrives/m);
    assert.doesNotMatch(out, /COOKIE_SECURE|^✗/m);
    assert.ok(
      front.cookies.every((cookie) => /; Secure/.test(cookie)),
      front.cookies.join("\n"),
    );
    assert.deepEqual(await plain.rows(), []);
  } finally {
    front.stop();
    await plain.stop();
  }
});
