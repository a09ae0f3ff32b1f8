/** Ways to send a visitor to another site, or to write headers of one's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { send } from "../harness/http.mjs";
import {
  ENTER,
  LOGOUT,
  NAVIGATION,
  PAGE,
  PARTNER,
  REFRESH,
  ServeTarget,
  someone,
} from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./target.mjs").Place} Place */
/** @typedef {import("./tally.mjs").Tally} Tally */
/** @typedef {import("../harness/http.mjs").Answer} Answer */

const ELSEWHERE = [
  "https://evil.example/",
  "http:evil.example",
  "https:/evil.example",
  "HTTPS:\\\\evil.example",
  "//evil.example",
  "///evil.example",
  "////evil.example/",
  "/\\evil.example",
  "/\\/evil.example",
  "\\\\evil.example",
  "\\/evil.example",
  "/.//evil.example",
  "/..//evil.example",
  "/a/..//evil.example",
  "/%2e%2e//evil.example",
  "/%2fevil.example",
  "/%2F%2Fevil.example",
  "/%5cevil.example",
  "/%5C%5Cevil.example",
  "/%252fevil.example",
  "%2f%2fevil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "/\r\n/evil.example",
  "\t//evil.example",
  " //evil.example",
  "\u00a0//evil.example",
  "\u0000//evil.example",
  "/%09/evil.example",
  "/%0a/evil.example",
  "/%00/evil.example",
  "/\u2028/evil.example",
  "/／evil.example",
  "／／evil.example",
  "//evil。example",
  "//127.0.0.1@evil.example",
  "@evil.example",
  ".evil.example",
  ":80/evil.example",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "java\tscript:alert(1)",
  "data:text/html,x",
  "vbscript:x",
  "blob:https://evil.example/x",
  "?//evil.example",
  "#//evil.example",
  "",
  "..",
  "access",
  `//evil.example/${"x".repeat(3000)}`,
  "/x\r\nLocation: https://evil.example/",
  "/x%0d%0aLocation:%20https://evil.example/",
  "/x\r\n\r\n<script>alert(1)</script>",
  "/x\nSet-Cookie: injected=1",
  "/x%0aSet-Cookie:%20injected=1",
  "/x%E5%98%8A%E5%98%8DSet-Cookie:injected=1",
  "/x\u560a\u560dSet-Cookie: injected=1",
];

/** Back to what acts as soon as it is opened. */
const ENDPOINTS = [
  "/logout",
  "/logout/",
  "/logout?reason=logout",
  "/logout#x",
  "/./logout",
  "/x/../logout",
  "/%6cogout",
  "/%6Cogout",
  "/logout%3f",
  "/logout%2f",
  "/logout;x",
  "//logout",
  "/LOGOUT",
  "/api/logout",
  "/api/session-refresh?redirect=/logout",
  "/api/session-refresh?redirect=/api/session-refresh",
  "/access/",
  "/access/?redirect=/logout",
];

/** Where a path's name gets a redirect to its folder. */
const FOLDERS = [
  "/access",
  "//access",
  "/%2faccess",
  "//evil.example/%2e%2e/access",
  "//evil.example/../access",
  "//evil.example/..%2faccess",
  "/\\evil.example/..%2faccess",
  "/%5cevil.example/..%2faccess",
  "http://evil.example/access",
  "//evil.example/",
  "//evil.example//portfolio/confidential/",
  "/portfolio/confidential//evil.example",
  "/portfolio/confidential/%2f%2fevil.example",
  "/portfolio/confidential/?redirect=//evil.example",
  "/portfolio/confidential/%0d%0aLocation:%20https://evil.example/",
  "/portfolio/confidential/?%0d%0aLocation:%20https://evil.example/",
  "/portfolio/confidential/?a&redirect=https://evil.example/&error=invalid-email",
  "/portfolio/confidential/%3fredirect=//evil.example",
  "/portfolio/confidential/%26redirect=//evil.example%23",
];

const INJECTIONS = [
  "logout\r\nX-Injected: 1",
  "logout\nX-Injected: 1",
  "logout\rX-Injected: 1",
  "idle\r\n\r\nX-Injected: 1",
  "logout\u0000X-Injected: 1",
  "logout\u0085X-Injected: 1",
  "logout\u2028X-Injected: 1",
  "someone@example.com\r\nX-Injected: 1",
  "someone@example.com\nSet-Cookie: injected=1",
  "someone\r\nX-Injected: 1@example.com",
  "/x\r\nX-Injected: 1",
  "/x\r\nSet-Cookie: injected=1",
];

const ENTRANCES = ["email", "redirect", "reason", "refresh", "logout"];

/**
 * Each takes what an outsider wants, and gives where the server would send a browser.
 *
 * @type {{ way: string, go: (target: Target, redirect: string) => Promise<Answer> }[]}
 */
const WAYS = [
  {
    way: "a form",
    go: ({ url }, redirect) => send(url, ENTER, { form: { email: someone(), redirect } }),
  },
  {
    way: "JSON",
    go: ({ url }, redirect) => send(url, ENTER, { json: { email: someone(), redirect } }),
  },
  {
    way: "a form that is refused",
    go: ({ url }, redirect) => send(url, ENTER, { form: { email: "nobody", redirect } }),
  },
  {
    way: "the gate page's address",
    go: ({ url }, redirect) =>
      send(url, ENTER, {
        form: { email: someone() },
        headers: { referer: `${url}/access/?redirect=${encodeURIComponent(redirect)}` },
      }),
  },
  {
    way: "a refresh",
    go: async (target, redirect) => {
      const { token } = await target.visitor();
      return send(target.url, `${REFRESH}?redirect=${encodeURIComponent(redirect)}`, {
        headers: { cookie: `lastseen=${token}` },
      });
    },
  },
  {
    way: "a refresh without a session",
    go: ({ url }, redirect) => send(url, `${REFRESH}?redirect=${encodeURIComponent(redirect)}`),
  },
  {
    way: "the page that was logged out from",
    go: ({ url }, redirect) =>
      send(url, LOGOUT, {
        form: { reason: "logout" },
        headers: { referer: `${url}${encodeURI(redirect).replaceAll("%25", "%")}` },
      }),
  },
];

/** @param {Tally} tally @param {() => Target} target @param {Place} place */
export function redirects(tally, target, { hasSite }) {
  tally.holds(
    "no redirect leaves the site",
    ELSEWHERE.flatMap((redirect) => WAYS.map(({ way }) => ({ way, redirect }))),
    async ({ way, redirect }) => {
      const answer = await WAYS.find((one) => one.way === way)?.go(target(), redirect);
      assert.ok(answer);
      assertOnSite(answer);
    },
  );

  tally.holds(
    "no redirect is read from what is not text",
    [["//evil.example"], { toString: "//evil.example" }, 1, true, null],
    async (redirect) =>
      assertOnSite(await send(target().url, ENTER, { json: { email: someone(), redirect } })),
  );

  tally.holds(
    "no other site's page says where to go",
    [
      "https://evil.example/access/?redirect=/evil",
      "http://127.0.0.1:1/access/?redirect=/evil",
      "http://HOST.evil.example/access/?redirect=/evil",
      "http://HOST@evil.example/access/?redirect=/evil",
      "http://HOST/other/?redirect=/evil",
      "//HOST/access/?redirect=/evil",
      "http://HOST/access/../evil?redirect=/evil",
    ],
    async (referer) => {
      const { url } = target();
      const answer = await send(url, ENTER, {
        form: { email: someone() },
        headers: { referer: referer.replace("HOST", new URL(url).host) },
      });
      assert.equal(answer.headers.location, PAGE);
    },
  );

  tally.holds("no way back throws a visitor out again", ENDPOINTS, async (redirect) => {
    for (const { go } of WAYS.slice(0, 2)) {
      const { headers, json, cookies } = await go(target(), redirect);
      const back = headers.location ?? json.redirect;
      assert.doesNotMatch(back, /^\/(api(\/|$)|logout([?#]|$)|access\/)/);
      const token = cookies.find(({ name }) => name === "lastseen")?.value ?? "";
      await send(target().url, back, { headers: { ...NAVIGATION, cookie: `lastseen=${token}` } });
      await target().assertOpen(token);
    }
  });

  tally.holds(
    "nothing that is sent becomes a header",
    INJECTIONS.flatMap((text) =>
      [...ENTRANCES, ...(hasSite ? ["path", "query"] : [])].map((where) => ({ where, text })),
    ),
    async ({ where, text }) => {
      const { url } = target();
      const escaped = encodeURIComponent(text);
      /** @type {Record<string, () => Promise<Answer>>} */
      const ways = {
        email: () => send(url, ENTER, { form: { email: text } }),
        redirect: () => send(url, ENTER, { form: { email: someone(), redirect: text } }),
        reason: () => send(url, LOGOUT, { form: { reason: text } }),
        refresh: () => send(url, `${REFRESH}?redirect=${escaped}`),
        logout: () => send(url, `/logout?reason=${escaped}`, { headers: NAVIGATION }),
        path: () => send(url, `${PAGE}${escaped}`),
        query: () => send(url, `${PAGE}?x=${escaped}`),
      };
      const answer = await ways[where]?.();
      assert.ok(answer);
      target().assertAnswered(answer);
      assertOnSite(answer);
    },
  );
}

const WWW = "https://www.example.test";
/** The pages are on another host of the domain, and redirects lead back there. */
const APART = {
  SITE_AUDIENCE: "api.example.test",
  COOKIE_DOMAIN: "example.test",
  ALLOWED_ORIGINS: `${WWW},${PARTNER}`,
};
/** Ways in and out that end in a redirect, as a page of the other host opens them. */
const ACROSS = ["a form", "a form that is refused", "the page that was logged out from"];

/** Those that look like it, and one that may call but whose pages see no session. */
const OTHERS = [
  PARTNER,
  "https://evil.example",
  "https://blog.example.test",
  "https://example.test",
  "http://www.example.test",
  "https://www.example.test:444",
  "https://www.example.test.evil.example",
  "https://www.example.test@evil.example",
  "https://evil.example#https://www.example.test",
  "https://evil.example?https://www.example.test",
  "//www.example.test",
  "null",
];

/** @param {Tally} tally */
export function redirectsAcrossHosts(tally) {
  /** @type {ServeTarget | undefined} */
  let target;

  tally.holds(
    "where pages are on another host, redirects lead to that one and to no other",
    async () => {
      target = await ServeTarget.start(APART);
      return ELSEWHERE.flatMap((redirect) => ACROSS.map((way) => ({ way, redirect })));
    },
    async ({ way, redirect }) => {
      const url = target?.url ?? "";
      const encoded = encodeURI(redirect).replaceAll("%25", "%");
      const isOut = way === "the page that was logged out from";
      const answer = await send(url, isOut ? LOGOUT : ENTER, {
        form: isOut ? {} : { email: way === "a form" ? someone() : "nobody", redirect },
        headers: { origin: WWW, ...(isOut ? { referer: `${WWW}${encoded}` } : {}) },
      });
      const { location = "" } = answer.headers;
      assert.ok(location.startsWith(`${WWW}/`), location);
      assert.equal(new URL(location).origin, WWW, location);
      assertStays(location.slice(WWW.length));
    },
  );

  tally.holds(
    "nobody else's page is led back to",
    () =>
      OTHERS.flatMap(
        (other) =>
          /** @type {Record<string, string>[]} */ ([
            { origin: other },
            { referer: `${other}/access/` },
            { origin: other, referer: `${WWW}/` },
            { origin: target?.url ?? "", referer: `${other}/` },
          ]),
      ),
    async (headers) => {
      const url = target?.url ?? "";
      for (const site of ["same-site", "cross-site", undefined]) {
        const answer = await send(url, ENTER, {
          form: { email: someone() },
          headers: { ...headers, ...(site ? { "sec-fetch-site": site } : {}) },
        });
        if (answer.status === 403) continue;
        assertOnSite(answer);
      }
    },
  );

  test("the server of these is stopped", () => target?.stop());
}

/** The way from a path to its folder, and to the gate. @param {Tally} tally @param {() => Target} target */
export function redirectsOfPaths(tally, target) {
  tally.holds("no path of the site leads to another", FOLDERS, async (path) => {
    const reply = await ask(target().url, path);
    const location = /^location: (.*)$/im.exec(reply.head)?.[1]?.trim();
    if (location !== undefined) assertStays(location);
    // A parameter that the gate would read instead of the one that was meant.
    const to = new URL(location ?? "/", "http://site.example");
    assert.ok(to.searchParams.getAll("redirect").length <= 1, location);
    assert.ok(!to.searchParams.has("error"), location);
  });
}

/** @param {Answer} answer */
function assertOnSite({ headers, cookies, json }) {
  assert.equal(headers["x-injected"], undefined, "a header was injected");
  assert.ok(!cookies.some(({ name }) => name === "injected"), "a cookie was injected");
  const location = headers.location ?? json?.redirect;
  if (location !== undefined) assertStays(location);
}

/** As browsers read it, whatever page they are on. @param {string} location */
function assertStays(location) {
  assert.match(location, /^\/(?![/\\])[\x21-\x7e]*$/, location);
  for (const page of ["http://site.example/access/", "https://site.example/a/b?c#d"]) {
    assert.equal(new URL(location, page).origin, new URL(page).origin, location);
  }
  const back = new URL(location, "http://site.example").searchParams.get("redirect");
  if (back !== null && location.startsWith("/access/")) assertStays(back);
}
