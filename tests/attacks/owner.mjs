/** People who would end others' sessions, or read about them, as if they were the owner. */
import assert from "node:assert/strict";
import { send } from "../harness/http.mjs";
import { ADMIN_TOKEN, asOwner, LOGIN, SIGN_OUT, signIn } from "../harness/owner.mjs";
import { claimsOf, newKey, PARTNER, sign } from "./target.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./tally.mjs").Tally} Tally */

const ALL = "/api/sessions/revoke";
/** Everything that tells who visited. */
const REPORTS = [
  "/api/sessions",
  "/api/sessions/ROW",
  "/api/sessions.csv",
  "/api/visitors",
  "/api/visitors.csv",
  "/api/summary",
];
const BASIC = Buffer.from(`admin:${ADMIN_TOKEN}`).toString("base64");

/**
 * What they show for the owner's token, or where they put it; `VISITOR` is a visitor's own.
 *
 * @type {{ name: string, headers?: Record<string, string>, query?: string, body?: object }[]}
 */
const CLAIMS = [
  { name: "nothing" },
  { name: "no token", headers: { authorization: "Bearer" } },
  { name: "an empty token", headers: { authorization: "Bearer " } },
  { name: "a word", headers: { authorization: "Bearer undefined" } },
  { name: "a letter less", headers: { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` } },
  { name: "a letter more", headers: { authorization: `Bearer ${ADMIN_TOKEN}x` } },
  { name: "other letters", headers: { authorization: `Bearer ${ADMIN_TOKEN.toUpperCase()}` } },
  { name: "no scheme", headers: { authorization: ADMIN_TOKEN } },
  { name: "another scheme", headers: { authorization: `Basic ${BASIC}` } },
  { name: "a visitor's token", headers: { authorization: "Bearer VISITOR" } },
  { name: "another header", headers: { "x-api-key": ADMIN_TOKEN } },
  {
    name: "a cookie",
    headers: {
      cookie: ["lastseen", "lastseen-admin", "__Host-lastseen-admin"]
        .map((name) => `${name}=${ADMIN_TOKEN}`)
        .join("; "),
    },
  },
  { name: "the query", query: `?access_token=${ADMIN_TOKEN}&token=${ADMIN_TOKEN}` },
  { name: "the body", body: { token: ADMIN_TOKEN, access_token: ADMIN_TOKEN } },
];

/**
 * What they make of the owner's cookie, of which they know all but the key; and with the key, what
 * time, another site and another owner's token make of it.
 *
 * @type {{ name: string, forge: (real: string, target: Target, session: string) => string }[]}
 */
const COOKIES = [
  { name: "nothing", forge: () => "" },
  { name: "a word", forge: () => "undefined" },
  { name: "three parts", forge: () => "a.b.c" },
  { name: "a visitor's session", forge: (_, __, session) => session },
  { name: "no signature", forge: (real) => real.replace(/[^.]+$/, "") },
  { name: "a letter less", forge: (real) => real.slice(0, -1) },
  { name: "another signature", forge: (real) => real.replace(/[^.]{8}$/, "AAAAAAAA") },
  { name: "a visitor's signature", forge: (real, _, session) => splice(real, session) },
  { name: "a key of one's own", forge: (real) => resigned(real, { kid: "now" }, "own") },
  { name: "no algorithm", forge: (real) => unsigned(real, { alg: "none", kid: "now" }) },
  { name: "no algorithm, in capitals", forge: (real) => unsigned(real, { alg: "NONE" }) },
  {
    name: "another hash",
    forge: (real, target) => resigned(real, { alg: "HS512", kid: "now" }, target, "sha512"),
  },
  {
    name: "another hash by its name alone",
    forge: (real, target) => resigned(real, { alg: "HS384", kid: "now" }, target),
  },
  { name: "no key's name", forge: (real, target) => resigned(real, {}, target) },
  {
    name: "another key's name",
    forge: (real, target) => resigned(real, { kid: "before" }, target),
  },
  { name: "an end long past", forge: (real, target) => target.resign(real, { exp: 1 }) },
  {
    name: "an end a second past",
    forge: (real, target) => target.resign(real, { exp: Math.floor(Date.now() / 1000) - 1 }),
  },
  { name: "no end", forge: (real, target) => target.resign(real, { exp: undefined }) },
  {
    name: "a visitor's purpose",
    forge: (real, target) => target.resign(real, { aud: site(real) }),
  },
  {
    name: "another site",
    forge: (real, target) => target.resign(real, { aud: "evil.example/admin" }),
  },
  {
    name: "a session with the owner's purpose",
    forge: (real, target, session) => target.resign(session, { aud: claimsOf(real).aud }),
  },
  {
    name: "another owner's token",
    forge: (real, target) => target.resign(real, { own: "A".repeat(22) }),
  },
  { name: "no owner's token", forge: (real, target) => target.resign(real, { own: undefined }) },
  { name: "any owner's token", forge: (real, target) => target.resign(real, { own: "" }) },
];

/** The site that a cookie of the owner's is for. @param {string} real */
const site = (real) => claimsOf(real).aud.replace("/admin", "");

/** @param {Record<string, unknown>} json @returns {Record<string, string>} */
const toForm = (json) =>
  Object.fromEntries(
    Object.entries(json).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );

/** @param {string} real @param {string} session */
const splice = (real, session) => real.replace(/[^.]+$/, session.split(".")[2] ?? "");

/**
 * @param {string} real
 * @param {Record<string, unknown>} header
 * @param {Target | "own"} by whose key
 * @param {string} [hash]
 */
function resigned(real, header, by, hash) {
  const { bytes } = by === "own" ? newKey("now") : by.keys[0];
  return sign(claimsOf(real), bytes, { typ: "JWT", alg: "HS256", ...header }, hash);
}

/** @param {string} real @param {Record<string, unknown>} header */
const unsigned = (real, header) =>
  sign(claimsOf(real), newKey("none").bytes, { typ: "JWT", ...header }).replace(/[^.]+$/, "");

/** What a browser says of a page that is not of this site. @type {Record<string, string>[]} */
const ELSEWHERE = [
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-fetch-site": "same-site", origin: PARTNER },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
  { origin: "https://evil.example" },
  { origin: PARTNER },
  { origin: "null" },
];

/** @param {Tally} tally @param {() => Target} target */
export function owner(tally, target) {
  tally.holdsAtOnce(
    "nobody but the owner ends the sessions of others",
    CLAIMS.flatMap((claim) => ["one", "a visitor's", "all"].map((what) => ({ what, ...claim }))),
    async ({ what, headers = {}, query = "", body = {} }) => {
      const { email, row, token } = await target().visitor();
      const filled = Object.entries(headers).map(([name, value]) => [
        name,
        value.replace("VISITOR", token),
      ]);
      const path = what === "one" ? `/api/sessions/${row}/revoke` : ALL;
      const wish = { one: {}, "a visitor's": { email }, all: { all: true } }[what];
      const answer = await send(target().url, path + query, {
        json: { ...body, ...wish },
        headers: Object.fromEntries(filled),
        withinMs: 120_000,
      });
      assert.equal(answer.status, 401, `status ${answer.status}`);
      assert.ok(!answer.text.includes(ADMIN_TOKEN));
      await target().assertOpen(token);
    },
  );

  tally.holdsAtOnce(
    "a forged, old or borrowed cookie makes nobody the owner",
    COOKIES,
    async ({ forge }) => {
      const { row, token } = await target().visitor();
      const { name, value } = await signIn(target().url);
      const cookie = `${name}=${forge(value, target(), token)}`;
      for (const [path, method] of [
        [`/api/sessions/${row}/revoke`, "POST"],
        ["/api/sessions", "GET"],
      ]) {
        const answer = await send(target().url, path ?? "", { method, headers: { cookie } });
        assert.equal(answer.status, 401, `${path}: status ${answer.status}`);
        assert.match(answer.json.reason, /^(missing|invalid|expired)$/);
      }
      await target().assertOpen(token);
    },
  );

  tally.holds(
    "the owner's cookie opens no session, and no page behind the gate",
    ["lastseen", "__Host-lastseen"],
    async (name) => {
      const { value } = await signIn(target().url);
      const headers = { cookie: `${name}=${value}` };
      const answer = await send(target().url, "/api/session-heartbeat", { headers });
      assert.equal(answer.json.hasSession, false);
      const page = await send(target().url, "/portfolio/confidential/", { headers });
      assert.notEqual(page.status, 200);
    },
  );

  tally.holdsAtOnce(
    "nobody signs in without the owner's token, and whoever guesses waits",
    [
      {},
      { token: "" },
      { token: ADMIN_TOKEN.slice(1) },
      { token: `${ADMIN_TOKEN}x` },
      { token: [ADMIN_TOKEN] },
      { token: { $ne: null } },
      { token: true },
      { password: ADMIN_TOKEN },
    ].flatMap((json) => [{ json }, { form: toForm(json) }]),
    async (call) => {
      const before = Date.now();
      const answer = await send(target().url, LOGIN, call);
      assert.ok(Date.now() - before >= 950, "it was answered at once");
      assert.deepEqual(answer.cookies, []);
      if (call.json) assert.equal(answer.status, 401, `status ${answer.status}`);
      else assert.match(answer.headers.location ?? "", /^\/admin\/\?error=wrong-token/);
    },
  );

  tally.holds(
    "no other site's page calls what is the owner's, and none reads it",
    ELSEWHERE.flatMap((headers) =>
      [LOGIN, SIGN_OUT, ALL, ...REPORTS].map((path) => ({ path, headers })),
    ),
    async ({ path, headers }) => {
      const { name, value } = await signIn(target().url);
      const isReport = REPORTS.includes(path);
      const answer = await send(target().url, path.replace("ROW", "1"), {
        ...(isReport ? {} : { json: { token: ADMIN_TOKEN, all: true } }),
        headers: { ...headers, cookie: `${name}=${value}` },
      });
      assert.equal(answer.json?.code, "cross-site", `status ${answer.status}`);
      assert.deepEqual(answer.cookies, []);
      const asked = await send(target().url, path, {
        method: "OPTIONS",
        headers: {
          ...headers,
          "access-control-request-method": isReport ? "GET" : "POST",
          "access-control-request-headers": "authorization",
        },
      });
      for (const { headers } of [answer, asked]) {
        const granted = Object.keys(headers).filter((name) => /^access-control-/.test(name));
        assert.deepEqual(granted, []);
      }
    },
  );

  tally.holdsAtOnce(
    "nobody but the owner reads who visited",
    CLAIMS.filter(({ body }) => !body).flatMap((claim) =>
      REPORTS.map((report) => ({ report, ...claim })),
    ),
    async ({ report, headers = {}, query = "" }) => {
      const { email, row, token } = await target().visitor();
      const filled = Object.entries(headers).map(([name, value]) => [
        name,
        value.replace("VISITOR", token),
      ]);
      const path = report.replace("ROW", row);
      const answer = await send(target().url, path + query, {
        headers: { cookie: `lastseen=${token}`, ...Object.fromEntries(filled) },
        withinMs: 120_000,
      });
      assert.equal(answer.status, 401, `status ${answer.status}`);
      assert.ok(!answer.text.includes(ADMIN_TOKEN) && !answer.text.includes(email));
    },
  );

  tally.holds(
    "not even with the owner's token does another site end a session",
    /** @type {Record<string, string>[]} */ ([
      { "sec-fetch-site": "cross-site" },
      { origin: "https://evil.example" },
    ]),
    async (headers) => {
      const { row, token } = await target().visitor();
      for (const path of [ALL, `/api/sessions/${row}/revoke`]) {
        const answer = await send(target().url, path, {
          json: { all: true },
          headers: { ...headers, authorization: `Bearer ${ADMIN_TOKEN}` },
        });
        assert.equal(answer.status, 403, `status ${answer.status}`);
      }
      await target().assertOpen(token);
    },
  );
}

/** The owner can; otherwise nothing above would prove anything. @param {Target} target */
export async function checkThatTheOwnerMay(target) {
  const { row, token } = await target.visitor();
  const answer = await asOwner(target.url, `/api/sessions/${row}/revoke`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(await target.isOpen(token), false);

  const { name, value, attributes } = await signIn(target.url);
  assert.deepEqual(
    [attributes.httponly, attributes.samesite, attributes.path, attributes.domain],
    [true, "Strict", "/", undefined],
  );
  const other = await target.visitor();
  const byCookie = await send(target.url, `/api/sessions/${other.row}/revoke`, {
    method: "POST",
    headers: { cookie: `${name}=${value}`, "sec-fetch-site": "same-origin" },
  });
  assert.equal(byCookie.status, 200, byCookie.text);
  assert.equal(await target.isOpen(other.token), false);
  // Nor would the forgeries: the way they are signed is the server's own.
  const resigned = target.resign(value, {});
  const headers = { cookie: `${name}=${resigned}` };
  const answered = await send(target.url, `/api/sessions/${other.row}/revoke`, {
    method: "POST",
    headers,
  });
  assert.equal(answered.status, 200, answered.text);
}
