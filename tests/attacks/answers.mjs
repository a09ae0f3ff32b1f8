/** What browsers and caches on the way are told to do with an answer. */
import assert from "node:assert/strict";
import { ADMIN_TOKEN, LOGIN, SIGN_OUT } from "../harness/owner.mjs";
import { ENTER, FILE, HEARTBEAT, LOGOUT, NAVIGATION, PAGE, REFRESH, SECRET } from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./target.mjs").Place} Place */
/** @typedef {import("./tally.mjs").Tally} Tally */
/**
 * @typedef {{ method?: string, path: string, type?: string, body?: string,
 *   headers?: Record<string, string> }} Call
 */

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";

/** Every kind of answer that must leave no copy. @type {Call[]} */
const PRIVATE = [
  { method: "POST", path: ENTER, type: JSON_TYPE, body: '{"email":"a@example.com"}' },
  { method: "POST", path: ENTER, type: FORM_TYPE, body: "email=a@example.com" },
  { method: "POST", path: ENTER, type: FORM_TYPE, body: "email=nobody" },
  { method: "POST", path: ENTER, type: JSON_TYPE, body: '{"email":"nobody"}' },
  { method: "POST", path: ENTER, type: JSON_TYPE, body: "{" },
  { method: "POST", path: ENTER, type: "image/png", body: "x" },
  { method: "POST", path: ENTER, type: FORM_TYPE, body: `x=${"x".repeat(70_000)}` },
  { method: "POST", path: ENTER, headers: { "sec-fetch-site": "cross-site" } },
  { method: "GET", path: ENTER },
  { method: "OPTIONS", path: ENTER },
  { method: "POST", path: HEARTBEAT },
  { method: "POST", path: HEARTBEAT, type: JSON_TYPE, body: '{"leaving":true}' },
  { method: "POST", path: HEARTBEAT, type: JSON_TYPE, body: '{"activeSeconds":"x"}' },
  { method: "GET", path: HEARTBEAT },
  { method: "HEAD", path: HEARTBEAT },
  { method: "PUT", path: HEARTBEAT },
  { method: "GET", path: `${REFRESH}?redirect=${PAGE}` },
  { method: "GET", path: `${REFRESH}?redirect=${PAGE}`, headers: NAVIGATION },
  { method: "POST", path: REFRESH },
  { method: "GET", path: LOGOUT },
  { method: "POST", path: LOGOUT, type: JSON_TYPE, body: '{"reason":"x"}' },
  { method: "POST", path: LOGIN, type: JSON_TYPE, body: JSON.stringify({ token: ADMIN_TOKEN }) },
  { method: "POST", path: LOGIN, type: FORM_TYPE, body: `token=${ADMIN_TOKEN}` },
  { method: "POST", path: LOGIN, type: JSON_TYPE, body: "{" },
  { method: "GET", path: LOGIN },
  { method: "POST", path: SIGN_OUT },
  { method: "GET", path: "/api/sessions" },
  { method: "GET", path: "/logout" },
  { method: "GET", path: "/logout?reason=x", headers: NAVIGATION },
];

/** The same of what is protected. @type {Call[]} */
const PROTECTED = [
  { method: "GET", path: PAGE },
  { method: "GET", path: FILE },
  { method: "HEAD", path: FILE },
  { method: "GET", path: FILE, headers: { range: "bytes=0-9" } },
  { method: "GET", path: FILE, headers: { range: "bytes=99999999-" } },
  { method: "GET", path: FILE, headers: { "if-modified-since": "Fri, 31 Dec 2100 00:00:00 GMT" } },
  { method: "POST", path: FILE },
  { method: "GET", path: `${PAGE}none` },
  { method: "GET", path: "/portfolio/confidential" },
  { method: "GET", path: "/Portfolio/Confidential/plan.svg" },
  { method: "GET", path: "/api/none" },
];

/** What anybody may see and keep for a while. @type {Call[]} */
const PUBLIC = [
  { path: "/" },
  { path: "/access/" },
  { path: "/access" },
  { path: "/lastseen.js" },
  { path: "/site.css" },
  { path: "/no-such-page" },
  { path: "/.env" },
  { path: "/a%00b" },
  { path: "/api/" },
  { method: "OPTIONS", path: "*" },
];

/** What a cache does not tell two requests apart by. @type {Record<string, string>[]} */
const UNKEYED = [
  { host: "evil.example" },
  { "x-forwarded-host": "evil.example" },
  { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" },
  { "x-host": "evil.example" },
  { "x-forwarded-server": "evil.example" },
  { forwarded: "host=evil.example" },
  { "x-original-url": "/portfolio/confidential/?evil.example" },
  { "x-rewrite-url": "/portfolio/confidential/?evil.example" },
  { "x-forwarded-prefix": "//evil.example" },
  { "x-forwarded-scheme": "evil.example" },
  { "x-http-method-override": "POST" },
  { referer: "https://evil.example/" },
  { origin: "https://evil.example" },
];

/** What answers everybody the same who has no session. */
const UNCHANGED = [HEARTBEAT, "/logout", `${REFRESH}?redirect=${PAGE}`, ENTER];

/** @param {Tally} tally @param {() => Target} target @param {Place} place */
export function answers(tally, target, { hasSite }) {
  const asked = hasSite ? [...PRIVATE, ...PROTECTED] : PRIVATE;
  const all = hasSite ? [...asked, ...PUBLIC] : asked;

  /** @param {Call} call @param {Record<string, string>} extra */
  const get = ({ method = "GET", path, type, body = "", headers }, extra = {}) =>
    ask(target().url, path, {
      method,
      body,
      headers: {
        ...(method === "GET" ? {} : { "content-length": String(body.length) }),
        ...(type ? { "content-type": type } : {}),
        ...headers,
        ...extra,
      },
    });

  tally.holds(
    "no answer of the API and nothing protected is kept by a browser or a cache",
    asked.flatMap((call) => [
      { call, visitor: false },
      { call, visitor: true },
    ]),
    async ({ call, visitor }) => {
      const token = visitor ? (await target().visitor()).token : "";
      const { status, head } = await get(call, visitor ? { cookie: `lastseen=${token}` } : {});
      assert.notEqual(status, 0, "no answer");
      assert.match(head, /^cache-control: no-store\r?$/im, `status ${status}`);
      assert.doesNotMatch(head, /^(expires|age|surrogate-control):/im);
    },
  );

  tally.holds(
    "no answer is guessed to be of another type",
    all.flatMap((call) => [
      { call, visitor: false },
      { call, visitor: true },
    ]),
    async ({ call, visitor }) => {
      const token = visitor ? (await target().visitor()).token : "";
      const { status, head, body } = await get(
        call,
        visitor ? { cookie: `lastseen=${token}` } : {},
      );
      if (body === "") return;
      assert.match(head, /^x-content-type-options: nosniff\r?$/im, `status ${status}`);
      assert.match(head, /^content-type: \S/im, `status ${status}`);
    },
  );

  tally.holds(
    "no page can be framed by another site",
    all.flatMap((call) => [
      { call, visitor: false },
      { call, visitor: true },
    ]),
    async ({ call, visitor }) => {
      const token = visitor ? (await target().visitor()).token : "";
      const { status, head } = await get(call, visitor ? { cookie: `lastseen=${token}` } : {});
      if (!/^content-type: (text\/html|image\/svg)/im.test(head)) return;
      assert.match(
        head,
        /^content-security-policy: .*\bframe-ancestors '(self|none)'/im,
        `status ${status}`,
      );
    },
  );

  tally.holds(
    "no answer tells what the server is made of",
    all.flatMap((call) => [
      { call, visitor: false },
      { call, visitor: true },
    ]),
    async ({ call, visitor }) => {
      const token = visitor ? (await target().visitor()).token : "";
      const { head, body } = await get(call, visitor ? { cookie: `lastseen=${token}` } : {});
      assert.doesNotMatch(head, /^(server|via|x-powered-by|x-amzn?-[\w-]+):/im);
      if (!/^content-type: application\/(problem\+)?json/im.test(head)) return;
      assert.doesNotMatch(
        body,
        /sqlite|nocodb|hyper|axum|lambda|serde|panic|\.rs\b|\/(tmp|home|root|data)\b/i,
      );
      assert.doesNotMatch(body, /at line \d+ column \d+/);
    },
  );

  tally.holds(
    "nothing but the path and the cookie decides what an answer says",
    UNKEYED.flatMap((headers) =>
      [...UNCHANGED, ...(hasSite ? [PAGE, "/", "/access"] : [])].map((path) => ({ path, headers })),
    ),
    async ({ path, headers }) => {
      const { head, body } = await get({ path, headers });
      assert.ok(!`${head}${body}`.includes("evil.example"), "it is repeated");
      assert.ok(!body.includes(SECRET), "it shows what is protected");
    },
  );

  tally.holds(
    "a query that nobody reads changes no answer",
    [
      "utm_content=evil.example",
      "cb=1",
      "a[]=evil.example",
      "%00",
      "_method=POST",
      "&&&==",
      "?",
    ].flatMap((query) => UNCHANGED.map((path) => ({ path, query }))),
    async ({ path, query }) => {
      const queried = await get({ path: `${path}${path.includes("?") ? "&" : "?"}${query}` });
      const without = await get({ path });
      const comparable = ({ head = "", body = "" }) => ({
        head: head.replace(/^date: .*$/im, ""),
        body,
      });
      assert.deepEqual(comparable(queried), comparable(without));
      assert.match(queried.head, /^cache-control: no-store\r?$/im);
    },
  );
}
