/**
 * A token is trusted for a page for FRESH_SECONDS after the store confirmed it, whatever the client says it is
 * doing and whatever the page's file is called; for what is no page five times as long. `plain curl` was given
 * pages for five minutes.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { claimsOf, newKey, sign } from "../attacks/target.mjs";
import { send, Visitor } from "../harness/http.mjs";
import { Serve } from "../harness/serve.mjs";

const FOLDER = "/portfolio/confidential/";
const HTML = "<!doctype html><title>Secret</title>";
/** Files, and whether they open as pages. */
const FILES = {
  "index.html": true,
  "old.htm": true,
  "UPPER.HTML": true,
  "notes.xhtml": true,
  "plan.svg": false,
  "deck.pdf": false,
  "page.html.txt": false,
};
/** What clients say. @type {Record<string, string>[]} */
const SAID = [
  {},
  { accept: "*/*", "user-agent": "curl/8.5.0" },
  { "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image", "sec-fetch-site": "same-origin" },
  { "sec-fetch-mode": "cors", "sec-fetch-dest": "empty" },
  { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-user": "?1" },
  { range: "bytes=0-9" },
];

const key = newKey("k");
const site = mkdtempSync(join(tmpdir(), "lastseen-pages-"));
/** @type {Serve} */
let serve;

before(async () => {
  mkdirSync(join(site, FOLDER), { recursive: true });
  for (const name of Object.keys(FILES)) writeFileSync(join(site, FOLDER, name), HTML);
  writeFileSync(join(site, "404.html"), HTML);
  serve = await Serve.start({
    STATIC_DIR: site,
    SESSION_KEYS: `k:${key.bytes.toString("base64")}`,
  });
});
after(async () => {
  await serve?.stop();
  rmSync(site, { recursive: true, force: true });
});

/** The visitor's cookie, as it would be so many seconds after the store confirmed it. @param {Visitor} visitor @param {number} ago */
function confirmed(visitor, ago) {
  const claims = claimsOf(visitor.cookies.get("lastseen") ?? "");
  const older = { ...claims, iat: Math.floor(Date.now() / 1000) - ago };
  return `lastseen=${sign(older, key.bytes, { typ: "JWT", alg: "HS256", kid: "k" })}`;
}

test("what is served decides how long a token is trusted for it", async () => {
  const visitor = new Visitor(serve.url);
  await visitor.enter("ann@example.com");
  for (const said of SAID) {
    for (const [name, isPage] of Object.entries(FILES)) {
      // Far enough from the deadlines that a slow machine does not reach them.
      for (const [ago, isFresh] of /** @type {[number, boolean][]} */ ([
        [5, true],
        [60, !isPage],
        [240, !isPage],
        [300, false],
      ])) {
        const headers = { ...said, cookie: confirmed(visitor, ago) };
        const answer = await send(serve.url, FOLDER + name, { headers });
        const what = `${name} after ${ago} s, ${JSON.stringify(said)}`;
        assert.equal(answer.text.includes("Secret") || answer.status === 206, isFresh, what);
        if (!isFresh) {
          assert.equal(answer.status, 302, what);
          assert.match(answer.headers.location ?? "", /^\/api\/session-refresh\?/, what);
        }
      }
    }
  }
});
