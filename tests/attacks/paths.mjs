/** Files that are protected, hidden or no part of the site, by every name an outsider thinks of. */
import assert from "node:assert/strict";
import { assertSecretKept, FILE, HIDDEN, OUTSIDE, PAGE, SECRET } from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").ServeTarget} ServeTarget */
/** @typedef {import("./tally.mjs").Tally} Tally */

/** Of protected files. */
export const SPELLINGS = [
  PAGE,
  FILE,
  "/portfolio/confidential",
  "/portfolio/confidential/index.html",
  "/portfolio/confidential/figures/",
  "/portfolio/confidential/figures",
  // Empty and dot segments.
  "//portfolio/confidential/plan.svg",
  "/portfolio//confidential/plan.svg",
  "/portfolio/confidential//plan.svg",
  "///portfolio///confidential///",
  "/./portfolio/confidential/plan.svg",
  "/portfolio/./confidential/plan.svg",
  "/portfolio/confidential/./plan.svg",
  "/access/../portfolio/confidential/plan.svg",
  "/access/../../portfolio/confidential/plan.svg",
  "/portfolio/confidential/../confidential/plan.svg",
  "/portfolio/confidential/.",
  "/portfolio/confidential/x/..",
  // Escapes: once, in part, twice, of separators and dots.
  "/%70ortfolio/confidential/plan.svg",
  "/portfolio/%63onfidential/plan.svg",
  "/portfolio/confidential/%70lan.svg",
  "/%70%6f%72%74%66%6f%6c%69%6f/%63%6f%6e%66%69%64%65%6e%74%69%61%6c/plan.svg",
  "/portfolio%2Fconfidential/plan.svg",
  "/portfolio%2fconfidential%2fplan.svg",
  "/%2Fportfolio/confidential/plan.svg",
  "/%2e/portfolio/confidential/plan.svg",
  "/access/%2e%2e/portfolio/confidential/plan.svg",
  "/access/%2E./portfolio/confidential/plan.svg",
  "/access/..%2fportfolio/confidential/plan.svg",
  "/access%2f..%2fportfolio%2fconfidential%2fplan.svg",
  "/%2570ortfolio/confidential/plan.svg",
  "/portfolio%252Fconfidential/plan.svg",
  "/access/%252e%252e/portfolio/confidential/plan.svg",
  "/%25%37%30ortfolio/confidential/plan.svg",
  "/portfolio/%u0063onfidential/plan.svg",
  "/portfolio/confidential/plan%2esvg",
  // Backslashes.
  "/portfolio\\confidential\\plan.svg",
  "\\portfolio\\confidential\\plan.svg",
  "/portfolio%5cconfidential%5cplan.svg",
  "/portfolio%5Cconfidential/plan.svg",
  "/access/..\\portfolio/confidential/plan.svg",
  // Case, and letters that fold into these.
  "/Portfolio/Confidential/plan.svg",
  "/PORTFOLIO/CONFIDENTIAL/plan.svg",
  "/portfolio/CONFIDENTIAL/plan.svg",
  "/%50ortfolio/%43onfidential/plan.svg",
  "/portfolio/con%EF%AC%81dential/plan.svg",
  "/portfolio/%EF%BD%83onfidential/plan.svg",
  // What some file systems drop.
  "/portfolio/confidential./plan.svg",
  "/portfolio/confidential../plan.svg",
  "/portfolio/confidential%20/plan.svg",
  "/portfolio/confidential%20%2e/plan.svg",
  "/portfolio/confidential /plan.svg",
  "/portfolio./confidential./plan.svg",
  "/portfolio/confidential/plan.svg.",
  "/portfolio/confidential/plan.svg%20",
  "/portfolio/confidential/plan.svg::$DATA",
  "/portfolio/confidential::$INDEX_ALLOCATION/plan.svg",
  // Parameters.
  "/portfolio/confidential;v=1/plan.svg",
  "/portfolio;v=1/confidential/plan.svg",
  "/portfolio/confidential;/plan.svg",
  "/portfolio/confidential%3bv=1/plan.svg",
  "/;/portfolio/confidential/plan.svg",
  "/access;/../portfolio/confidential/plan.svg",
  "/access/..;/portfolio/confidential/plan.svg",
  "/portfolio/confidential/plan.svg;.js",
  "/portfolio/confidential/plan.svg/lastseen.js",
  // Control characters and bytes that are no text.
  "/portfolio/confidential%00/plan.svg",
  "/portfolio/confidential/plan.svg%00.js",
  "/portfolio/confidential\0/plan.svg",
  "/portfolio/confidential%09/plan.svg",
  "/portfolio/confidential%0a/plan.svg",
  "/portfolio/confidential\t/plan.svg",
  "/portfolio%c0%afconfidential/plan.svg",
  "/access/%c0%ae%c0%ae/portfolio/confidential/plan.svg",
  "/access/%e0%80%ae%e0%80%ae/portfolio/confidential/plan.svg",
  "/portfolio\xc0\xafconfidential/plan.svg",
  "/portfolio/confidential/plan.svg%ff",
  "/portfolio/%e3%80%80confidential/plan.svg",
  "/portfolio/con%e2%80%8dfidential/plan.svg",
  // Queries, fragments and other forms of a request's target.
  "/portfolio/confidential/plan.svg?x=/access/",
  "/portfolio/confidential/plan.svg?/lastseen.js",
  "/portfolio/confidential/plan.svg%3fx",
  "/portfolio/confidential/plan.svg#/access/",
  "/none#/../portfolio/confidential/plan.svg",
  "/portfolio/confidential%23/plan.svg",
  "http://localhost/portfolio/confidential/plan.svg",
  "http://evil.example/portfolio/confidential/plan.svg",
  "HTTP://evil.example//portfolio/confidential/plan.svg",
  "http://access/../portfolio/confidential/plan.svg",
  "https://evil.example:443/portfolio/confidential/plan.svg",
  "//evil.example/portfolio/confidential/plan.svg",
  "http:/portfolio/confidential/plan.svg",
  "file:///portfolio/confidential/plan.svg",
  "portfolio/confidential/plan.svg",
  "*",
  "*/portfolio/confidential/plan.svg",
  // Long ones.
  `/portfolio/confidential/${"./".repeat(3000)}plan.svg`,
  `${"/".repeat(6000)}portfolio/confidential/plan.svg`,
  `/${"x/../".repeat(1500)}portfolio/confidential/plan.svg`,
  `/portfolio/confidential/plan.svg?${"x".repeat(30_000)}`,
  `/portfolio/confidential/plan.svg?${"x".repeat(60_000)}`,
  `/portfolio/confidential/plan.svg?${"x".repeat(300_000)}`,
];

/** Ways to ask about a file besides for all of it. @type {{ method?: string, headers?: Record<string, string> }[]} */
export const QUESTIONS = [
  { method: "HEAD" },
  { headers: { range: "bytes=0-9" } },
  { headers: { range: "bytes=-10" } },
  { headers: { range: "bytes=0-0,5-9" } },
  { headers: { range: "bytes=99999999-" } },
  { headers: { range: "bytes=0-", "if-range": "Sat, 03 Feb 2001 04:05:06 GMT" } },
  { headers: { "if-modified-since": "Sat, 03 Feb 2001 04:05:06 GMT" } },
  { headers: { "if-modified-since": "Fri, 31 Dec 2100 00:00:00 GMT" } },
  { headers: { "if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT" } },
  { headers: { "if-none-match": "*" } },
  { headers: { "if-match": "*" } },
  { headers: { "accept-encoding": "gzip, br" } },
  { method: "OPTIONS" },
  { method: "POST", headers: { "content-length": "0" } },
  { method: "PUT", headers: { "content-length": "0" } },
  { method: "DELETE" },
  { method: "TRACE" },
  { method: "PROPFIND" },
  { method: "get" },
  { method: "HEAD", headers: { "x-http-method-override": "GET" } },
  // What makes other servers take another path, or believe another address.
  { headers: { "x-original-url": "/access/", "x-rewrite-url": "/access/" } },
  { headers: { "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1" } },
  { headers: { "x-forwarded-prefix": "/access/", "x-forwarded-host": "localhost" } },
  { headers: { referer: "http://127.0.0.1/portfolio/confidential/" } },
  { headers: { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" } },
  { headers: { purpose: "prefetch", "sec-purpose": "prefetch" } },
  { headers: { authorization: "Bearer x" } },
  { headers: { upgrade: "websocket", connection: "upgrade, close" } },
];

/** Every way up and out, with `FOLDER` for where the site's folder lies. */
export const OUT = [
  "/../outside.txt",
  "/../../outside.txt",
  "/access/../../outside.txt",
  "/./../outside.txt",
  "//../outside.txt",
  "/..//outside.txt",
  "/%2e%2e/outside.txt",
  "/%2E%2E/outside.txt",
  "/.%2e/outside.txt",
  "/..%2foutside.txt",
  "/%2e%2e%2foutside.txt",
  "/access/..%2f..%2foutside.txt",
  "/access%2f..%2f..%2foutside.txt",
  "/..\\outside.txt",
  "/..%5coutside.txt",
  "/%2e%2e%5coutside.txt",
  "/%252e%252e/outside.txt",
  "/%252e%252e%252foutside.txt",
  "/..%252foutside.txt",
  "/....//outside.txt",
  "/.../outside.txt",
  "/..;/outside.txt",
  "/..%00/outside.txt",
  "/.%00./outside.txt",
  "/..%0a/outside.txt",
  "/..%20/outside.txt",
  "/%c0%ae%c0%ae/outside.txt",
  "/%c0%ae%c0%ae%c0%afoutside.txt",
  "/%e0%80%ae%e0%80%ae/outside.txt",
  "/\xc0\xae\xc0\xae/outside.txt",
  "/%uff0e%uff0e/outside.txt",
  "/%ef%bc%8e%ef%bc%8e/outside.txt",
  "../outside.txt",
  "http://localhost/../outside.txt",
  "http://localhost/%2e%2e/outside.txt",
  "/FOLDER/outside.txt",
  "//FOLDER/outside.txt",
  "/%2fFOLDER/outside.txt",
  "/%2f%2fFOLDER%2foutside.txt",
  "file:///FOLDER/outside.txt",
  "/file:/FOLDER/outside.txt",
  "/../../../../../../../../FOLDER/outside.txt",
  "/..%2f..%2f..%2f..%2f..%2f..%2f..%2fFOLDER%2foutside.txt",
  "/../../../../../../../../etc/passwd",
  "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
  "/..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
  "//etc/passwd",
  "/%2fetc/passwd",
  "/%2f%2fetc%2fpasswd",
  "/../../../../../../../../proc/self/environ",
  "//proc/self/environ",
  "/../lastseen.db",
  "/lastseen.db",
  "/data/lastseen.db",
  "/session-keys",
  "/../session-keys",
];

/** Of files that belong to nobody outside. */
export const HIDDEN_NAMES = [
  "/.env",
  "//.env",
  "/./.env",
  "/%2eenv",
  "/%2Eenv",
  "/.%65nv",
  "/%2e%65%6e%76",
  "/x/../.env",
  "/x/..//.env",
  "/.env?x",
  "/.env#x",
  "/.env/",
  "/.env/.",
  "/.env;x",
  "/.env%20",
  "/.env.",
  "/.env%00",
  "/\\.env",
  "/%5c.env",
  "/%252eenv",
  "/access/.env",
  "/access/%2eenv",
  "/access/..%2f.env",
  "/.git/config",
  "/.git%2fconfig",
  "/%2egit/config",
  "/.git//config",
  "/.git/./config",
  "/.git/",
  "/.git",
  "/.htpasswd",
  "/.well-known/.env",
  "/.well-known/../.env",
  "/.well-known/%2e%2e/.env",
  "/.well-known%2f.env",
  "/portfolio/.git/HEAD",
  "http://localhost/.env",
];

/** @param {Tally} tally @param {() => ServeTarget} target */
export function paths(tally, target) {
  tally.holds(
    "no spelling of a protected file's path shows it to somebody without a session",
    SPELLINGS.flatMap((spelling) => [`GET ${spelling}`, `HEAD ${spelling}`]),
    async (request) => {
      const [, method = "", spelling = ""] = /^(\w+) (.*)$/s.exec(request) ?? [];
      assertSecretKept(await ask(target().url, spelling, { method }));
    },
  );

  tally.holds(
    "no question about a protected file is answered to somebody without a session",
    QUESTIONS.flatMap((question) => [FILE, PAGE].map((path) => ({ path, ...question }))),
    async ({ path, ...question }) => assertSecretKept(await ask(target().url, path, question)),
  );

  tally.holds(
    "somebody without a session cannot tell which protected files there are",
    ["no-such.svg", "PLAN.svg", "figures/none/", "plan.svg/x"],
    async (name) => {
      /** @param {string} path */
      const told = async (path) => {
        const { status, head } = await ask(target().url, path);
        const headers = head.split("\r\n").slice(1);
        return { status, headers: headers.filter((line) => !/^(date|location):/i.test(line)) };
      };
      assert.deepEqual(await told(`${PAGE}${name}`), await told(FILE));
    },
  );

  /** @param {string} path */
  const asVisitor = async (path) => {
    const { token } = await target().visitor();
    return ask(target().url, path, { headers: { cookie: `lastseen=${token}` } });
  };

  tally.holds(
    "not even a visitor gets a file from outside the site's folder",
    OUT,
    async (path) => {
      const folder = target().folder.slice(1);
      const { all } = await asVisitor(path.replace("FOLDER", folder));
      assert.ok(!all.includes(OUTSIDE), "a file from beside the site");
      assert.doesNotMatch(all, /root:x?:0:|SESSION_KEYS|SQLite format 3/);
    },
  );

  tally.holds("not even a visitor gets a hidden file", HIDDEN_NAMES, async (path) => {
    const { status, all } = await asVisitor(path);
    assert.ok(!all.includes(HIDDEN), `${status} with a hidden file`);
  });
}

/**
 * The attacks above would prove nothing if the files were not there.
 *
 * @param {ServeTarget} target
 */
export async function checkThatFilesAreThere(target) {
  const { token } = await target.visitor();
  for (const path of [FILE, PAGE, "/Portfolio/Confidential/plan.svg"]) {
    const { status, all } = await ask(target.url, path, {
      headers: { cookie: `lastseen=${token}` },
    });
    assert.equal(status, 200, path);
    assert.ok(all.includes(SECRET), path);
    assert.match(all, /last-modified: .* 2001 /i, path);
  }
  assert.equal((await ask(target.url, "/")).status, 200);
}
