/**
 * Every header of every kind of answer of `lastseen serve`, so that none is lost and none comes in by
 * accident; `tests/scenario/` holds the functions to the same. Left out is what differs between two
 * answers of the same kind, and what is not about the answer but about its content: dates, lengths,
 * addresses, cookies.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, suite, test } from "node:test";
import { send, Visitor } from "../harness/http.mjs";

/** @typedef {import("./journey.mjs").Target} Target */
/** @typedef {import("../harness/http.mjs").Call} Call */
/** @typedef {Record<string, string>} Headers */

const ENTER = "/api/verify-temp-access";
const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";
const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin" };
const PARTNER = "https://partner.example";

const VARYING = [
  "accept-ranges",
  "connection",
  "content-length",
  "date",
  "etag",
  "keep-alive",
  "last-modified",
  "location",
  "set-cookie",
  "transfer-encoding",
];

/** @type {Headers} */
const ALL = {
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "strict-origin-when-cross-origin",
  "x-content-type-options": "nosniff",
};
/** @type {Headers} */
const HTTPS = { "strict-transport-security": "max-age=31536000; includeSubDomains" };
/** For what no page of another origin may show. @type {Headers} */
const OWN = { "cross-origin-resource-policy": "same-origin" };
/** Answers to an origin that may call. @type {Headers} */
const SHARED = { ...ALL, "cache-control": "no-store", vary: "Origin, Sec-Fetch-Site" };
/** @type {Headers} */
const API = { ...SHARED, ...OWN };
/** @type {Headers} */
const JSON_API = { ...API, "content-type": "application/json" };
/** @type {Headers} */
const PROBLEM = { ...API, "content-type": "application/problem+json" };
/** @type {Headers} */
const CORS = {
  "access-control-allow-credentials": "true",
  "access-control-allow-origin": PARTNER,
  "access-control-expose-headers": "Retry-After",
};
/** A log-out's: no copy stays, and nothing that was fetched ahead. */
const OUT = { ...API, "clear-site-data": '"cache", "prefetchCache", "prerenderCache"' };
const BUTTON = new URL("../../functions/logout/src/button.html", import.meta.url);
const [, css = ""] = /<style>([\s\S]*)<\/style>/.exec(readFileSync(BUTTON, "utf8")) ?? [];
const STYLE = `sha256-${createHash("sha256").update(css).digest("base64")}`;
/** @type {Headers} */
const SITE = {
  ...ALL,
  "content-security-policy": "object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
};
/** @type {Headers} */
const PUBLIC = { ...SITE, "cache-control": "no-cache" };
/** @type {Headers} */
const PROTECTED = { ...SITE, ...OWN, "cache-control": "no-store" };
const HTML = { "content-type": "text/html; charset=utf-8" };

/**
 * Without `inside` nobody is logged in.
 *
 * @type {{ what: string, path: string, call?: Call, inside?: boolean, status: number,
 *   headers: Headers }[]}
 */
const KINDS = [
  {
    what: "a form at the gate",
    path: ENTER,
    call: { form: { email: "anna@example.com" } },
    status: 303,
    headers: API,
  },
  {
    what: "a program at the gate",
    path: ENTER,
    call: { json: { email: "anna@example.com" } },
    status: 200,
    headers: JSON_API,
  },
  {
    what: "a form that is refused",
    path: ENTER,
    call: { form: { email: "nobody" } },
    status: 303,
    headers: API,
  },
  {
    what: "a program that is refused",
    path: ENTER,
    call: { json: { email: "nobody" } },
    status: 400,
    headers: PROBLEM,
  },
  {
    what: "a body that is too long",
    path: ENTER,
    call: { form: { email: "x".repeat(70_000) } },
    status: 413,
    headers: PROBLEM,
  },
  {
    what: "a body of another type",
    path: ENTER,
    call: { body: "x", headers: { "content-type": "image/png" } },
    status: 415,
    headers: PROBLEM,
  },
  { what: "another method", path: ENTER, status: 405, headers: { ...PROBLEM, allow: "POST" } },
  {
    what: "another site",
    path: ENTER,
    call: { method: "POST", headers: { "sec-fetch-site": "cross-site" } },
    status: 403,
    headers: PROBLEM,
  },
  {
    what: "a heartbeat",
    path: HEARTBEAT,
    call: { method: "POST" },
    inside: true,
    status: 200,
    headers: JSON_API,
  },
  {
    what: "a heartbeat without a session",
    path: HEARTBEAT,
    call: { method: "POST" },
    status: 401,
    headers: PROBLEM,
  },
  { what: "the question for a session", path: HEARTBEAT, status: 200, headers: JSON_API },
  {
    what: "the same by an allowed origin",
    path: HEARTBEAT,
    call: { headers: { origin: PARTNER } },
    status: 200,
    headers: { ...SHARED, ...CORS, "content-type": "application/json" },
  },
  {
    what: "an allowed origin that asks first",
    path: HEARTBEAT,
    call: { method: "OPTIONS", headers: { origin: PARTNER } },
    status: 204,
    headers: {
      ...SHARED,
      ...CORS,
      "access-control-allow-headers": "Content-Type",
      "access-control-allow-methods": "GET, POST",
      "access-control-max-age": "7200",
    },
  },
  {
    what: "a refresh",
    path: `/api/session-refresh?redirect=${PAGE}`,
    inside: true,
    status: 302,
    headers: API,
  },
  {
    what: "a refresh without a session",
    path: `/api/session-refresh?redirect=${PAGE}`,
    status: 302,
    headers: API,
  },
  {
    what: "a log-out",
    path: "/api/logout",
    call: { json: {} },
    inside: true,
    status: 204,
    headers: OUT,
  },
  {
    what: "a log-out by a link",
    path: "/logout",
    call: { headers: NAVIGATION },
    inside: true,
    status: 303,
    headers: OUT,
  },
  {
    what: "the log-out page",
    path: "/logout",
    status: 200,
    headers: {
      ...API,
      ...HTML,
      "content-security-policy": `default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src '${STYLE}'`,
    },
  },
  {
    what: "a log-out page that is fetched ahead",
    path: "/logout",
    call: { headers: { ...NAVIGATION, "sec-purpose": "prefetch" } },
    status: 503,
    headers: PROBLEM,
  },
  {
    what: "a protected page that is fetched ahead",
    path: PAGE,
    call: { headers: { ...NAVIGATION, "sec-purpose": "prefetch" } },
    inside: true,
    status: 503,
    headers: { ...PROTECTED, "content-type": "application/problem+json" },
  },
  { what: "no route of the API", path: "/api/none", status: 404, headers: PROBLEM },
  { what: "a page for all", path: "/", status: 200, headers: { ...PUBLIC, ...HTML } },
  { what: "the gate page", path: "/access/", status: 200, headers: { ...PUBLIC, ...HTML } },
  {
    what: "a page that is not there",
    path: "/no-such-page",
    status: 404,
    headers: { ...PUBLIC, ...HTML },
  },
  {
    what: "the script",
    path: "/lastseen.js",
    status: 200,
    headers: { ...PUBLIC, "content-type": "text/javascript; charset=utf-8" },
  },
  { what: "the way to a folder", path: "/access", status: 307, headers: PUBLIC },
  {
    what: "another method on a page",
    path: "/",
    call: { method: "POST" },
    status: 405,
    headers: { ...PUBLIC, allow: "GET,HEAD" },
  },
  { what: "the way to the gate", path: PAGE, status: 302, headers: PROTECTED },
  {
    what: "a protected page",
    path: PAGE,
    inside: true,
    status: 200,
    headers: { ...PROTECTED, ...HTML },
  },
  {
    what: "a protected file",
    path: `${PAGE}plan.svg`,
    inside: true,
    status: 200,
    headers: { ...PROTECTED, "content-type": "image/svg+xml" },
  },
  {
    what: "a protected page that is not there",
    path: `${PAGE}none`,
    inside: true,
    status: 404,
    headers: { ...PROTECTED, ...HTML },
  },
];

/**
 * @param {string} where
 * @param {(settings: NodeJS.ProcessEnv) => Promise<Target>} start
 * @param {{ isHttps: boolean }} options
 */
export function headers(where, start, { isHttps }) {
  suite(`headers of ${where}, ${isHttps ? "behind https" : "over plain http"}`, () => {
    /** @type {Target} */
    let target;
    before(async () => {
      target = await start({ COOKIE_SECURE: String(isHttps), ALLOWED_ORIGINS: PARTNER });
    });
    after(async () => {
      await target?.stop();
    });

    for (const { what, path, call, inside, status, headers } of KINDS) {
      test(what, async () => {
        const visitor = new Visitor(target.url);
        if (inside) await visitor.enter("anna@example.com");
        const answer = inside ? await visitor.send(path, call) : await send(target.url, path, call);
        assert.equal(answer.status, status, answer.text);
        const stay = Object.entries(answer.headers).filter(([name]) => !VARYING.includes(name));
        assert.deepEqual(Object.fromEntries(stay), { ...headers, ...(isHttps ? HTTPS : {}) });
      });
    }
  });
}
