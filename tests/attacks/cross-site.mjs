/** What another site makes a visitor's browser do. */
import assert from "node:assert/strict";
import { send } from "../harness/http.mjs";
import {
  claimsOf,
  ENTER,
  HEARTBEAT,
  LOGOUT,
  NAVIGATION,
  PAGE,
  PARTNER,
  REFRESH,
} from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./target.mjs").Place} Place */
/** @typedef {import("./tally.mjs").Tally} Tally */

/** What browsers say of such a request, `HOST` being this site's. @type {Record<string, string>[]} */
const SENDERS = [
  { "sec-fetch-site": "cross-site" },
  { "sec-fetch-site": "same-site" },
  { "sec-fetch-site": "cross-site", origin: "https://evil.example" },
  { "sec-fetch-site": "cross-site", origin: "null" },
  { "sec-fetch-site": "cross-site", origin: "http://HOST" },
  { "sec-fetch-site": "same-site", origin: "http://HOST" },
  { "sec-fetch-site": "same-site", origin: "https://blog.HOST" },
  { "sec-fetch-site": "word-of-the-future", origin: "https://evil.example" },
  { "sec-fetch-site": "", origin: "https://evil.example" },
  // Browsers before Fetch Metadata.
  { origin: "https://evil.example" },
  { origin: "null" },
  { origin: "" },
  { origin: "http://HOST.evil.example" },
  { origin: "http://evil.example/HOST" },
  { origin: "http://evilHOST" },
  { origin: "http://HOST@evil.example" },
  { origin: "http://127.0.0.1" },
  { origin: "http://127.0.0.1:1" },
  { origin: "http://localhost" },
  { origin: "file://" },
  { origin: "https://partner.example.evil.example" },
];

/** The forms in which a page may send without asking first. */
const SIMPLE_BODIES = [
  { type: "application/x-www-form-urlencoded", body: "email=attacker@example.com&reason=logout" },
  { type: "text/plain", body: '{"email":"attacker@example.com","reason":"logout"}' },
];

const ROUTES = [ENTER, HEARTBEAT, LOGOUT, REFRESH, "/logout"];

/** What a browser says of where a request comes from: a word of each kind, and none. */
const SITES = ["same-origin", "none", "same-site", "cross-site", "word-of-the-future", undefined];
/** Whose page sends it. */
const OWNERS = {
  "its own": "http://HOST",
  "an allowed one": PARTNER,
  "another one": "https://evil.example",
  "no one": "null",
  "not said": undefined,
};

/**
 * What must pass, and nothing else: what the browser calls the site's own; where it says nothing
 * that is known, what comes from the site's own origin or from none; and the allowed origin.
 *
 * @param {string | undefined} site
 * @param {string} owner
 */
const mayPost = (site, owner) =>
  owner === "an allowed one" ||
  site === "same-origin" ||
  site === "none" ||
  ((site === "word-of-the-future" || site === undefined) &&
    (owner === "its own" || owner === "not said"));

const ORIGINS = [
  "https://evil.example",
  "null",
  "file://",
  "https://partner.example.evil.example",
  "https://evil-partner.example",
  "https://evilpartner.example",
  "https://partner.example@evil.example",
  "https://partner.exampl",
  "https://sub.partner.example",
  "http://partner.example",
  "https://partner.example:444",
  "https://partner.example/",
  "https://PARTNER.example",
  "https://partner_example",
  "https://partner.example https://evil.example",
  "https://evil.example,https://partner.example",
  "*",
];

/** Requests for the log-out page that no visitor made. @type {Record<string, string>[]} */
const UNWANTED = [
  { ...NAVIGATION, "sec-fetch-site": "cross-site" },
  { ...NAVIGATION, "sec-fetch-site": "cross-site", referer: "http://HOST/" },
  { ...NAVIGATION, "sec-fetch-site": "cross-site", "sec-fetch-user": "?1" },
  { ...NAVIGATION, "sec-fetch-site": "same-site" },
  { ...NAVIGATION, "sec-fetch-site": "none", "sec-fetch-user": "?1" },
  { ...NAVIGATION, "sec-purpose": "prefetch" },
  { ...NAVIGATION, "sec-purpose": "prefetch;prerender" },
  { ...NAVIGATION, "sec-purpose": "prefetch;anonymous-client-ip" },
  { ...NAVIGATION, purpose: "prefetch" },
  { ...NAVIGATION, "x-moz": "prefetch" },
  { ...NAVIGATION, "x-purpose": "preview" },
  { ...NAVIGATION, "sec-fetch-dest": "iframe" },
  { ...NAVIGATION, "sec-fetch-dest": "frame" },
  { ...NAVIGATION, "sec-fetch-dest": "embed" },
  { ...NAVIGATION, "sec-fetch-dest": "object" },
  { "sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script" },
  { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" },
  { accept: "text/html", referer: "https://evil.example/" },
  { accept: "text/html", referer: "http://HOST.evil.example/" },
  { accept: "text/html", referer: "http://127.0.0.1:1/" },
  { accept: "text/html" },
  { accept: "image/webp,*/*", referer: "http://HOST/" },
  {},
];

/** @param {Tally} tally @param {() => Target} target @param {Place} place */
export function crossSite(tally, target, { hasSite }) {
  /** @param {Record<string, string>} headers */
  const fill = (headers) => {
    const { host } = new URL(target().url);
    return Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace("HOST", host)]),
    );
  };

  tally.holds(
    "no other site posts in a visitor's name",
    SENDERS.flatMap((sender) =>
      [ENTER, HEARTBEAT, LOGOUT].flatMap((path) =>
        SIMPLE_BODIES.map(({ type, body }) => ({ path, type, body, sender })),
      ),
    ),
    async ({ path, type, body, sender }) => {
      const { token, row } = await target().visitor();
      const headers = { ...fill(sender), "content-type": type, cookie: `lastseen=${token}` };
      const answer = await send(target().url, path, { method: "POST", headers, body });
      assert.equal(answer.status, 403, `status ${answer.status}`);
      assert.deepEqual(answer.cookies, [], `row ${row}`);
      await target().assertOpen(token);
    },
  );

  tally.holds(
    "a post is taken from this site and the allowed origin, whatever the browser can say",
    SITES.flatMap((site) =>
      Object.keys(OWNERS).flatMap((owner) =>
        [ENTER, HEARTBEAT, LOGOUT].map((path) => ({ path, site, owner })),
      ),
    ),
    async ({ path, site, owner }) => {
      const origin = OWNERS[/** @type {keyof typeof OWNERS} */ (owner)];
      const headers = fill({
        ...(site === undefined ? {} : { "sec-fetch-site": site }),
        ...(origin === undefined ? {} : { origin }),
      });
      const post = await send(target().url, path, { method: "POST", headers });
      if (mayPost(site, owner)) assert.notEqual(post.status, 403, "it is refused");
      else assert.equal(post.json?.code, "cross-site", `status ${post.status}`);
      assert.match(post.headers.vary ?? "", /Origin, Sec-Fetch-Site/);
      const get = await send(target().url, path, { headers });
      assert.notEqual(get.status, 403, "what changes nothing is refused");
    },
  );

  tally.holds(
    "no answer is readable for another site's script",
    ORIGINS.flatMap((origin) =>
      [...ROUTES, ...(hasSite ? [PAGE, "/"] : [])].map((path) => ({ origin, path })),
    ),
    async ({ origin, path }) => {
      for (const call of /** @type {import("../harness/http.mjs").Call[]} */ ([
        { headers: { origin } },
        {
          method: "OPTIONS",
          headers: {
            origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
            "access-control-request-private-network": "true",
          },
        },
      ])) {
        const { headers } = await send(target().url, path, call);
        const granted = Object.keys(headers).filter((name) => /^access-control-/.test(name));
        assert.deepEqual(granted, [], `${call.method ?? "GET"}: ${headers[granted[0] ?? ""]}`);
      }
    },
  );

  tally.holds("nobody is logged out without wanting it", UNWANTED, async (headers) => {
    const { token } = await target().visitor();
    const cookie = `lastseen=${token}`;
    for (const method of ["GET", "HEAD"]) {
      const { head } = await ask(target().url, "/logout?reason=logout", {
        method,
        headers: { ...fill(headers), cookie },
      });
      assert.doesNotMatch(head, /^set-cookie:/im, method);
    }
    await target().assertOpen(token);
  });

  tally.holds(
    "no other site keeps a session alive with a picture",
    [HEARTBEAT, `${REFRESH}?redirect=${PAGE}`, "/logout", ...(hasSite ? [PAGE] : [])],
    async (path) => {
      const { token, row } = await target().visitor();
      const { exp } = claimsOf(token);
      const before = await target().row(row);
      const older = target().resign(token, { exp: exp - 600 });
      const answer = await send(target().url, path, {
        headers: {
          "sec-fetch-site": "cross-site",
          "sec-fetch-mode": "no-cors",
          "sec-fetch-dest": "image",
          cookie: `lastseen=${older}`,
        },
      });
      const renewed = answer.cookies.find(({ name }) => name === "lastseen")?.value;
      if (renewed) assert.equal(claimsOf(renewed).exp, exp - 600, "the deadline moved");
      assert.deepEqual(await target().row(row), before);
    },
  );
}

/**
 * The one that may call the API can; otherwise nothing above would prove anything.
 *
 * @param {Target} target
 */
export async function checkThatThePartnerMay(target) {
  const { headers } = await send(target.url, HEARTBEAT, { headers: { origin: PARTNER } });
  assert.equal(headers["access-control-allow-origin"], PARTNER);
}
