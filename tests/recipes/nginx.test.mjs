/**
 * A static site of somebody's own: nginx with the files of examples/nginx in front of its folder, and the
 * API elsewhere, which takes only what came through nginx.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { HIDDEN_NAMES, OUT, QUESTIONS, SPELLINGS } from "../attacks/paths.mjs";
import {
  assertSecretKept,
  FILE,
  HIDDEN,
  layOut,
  NAVIGATION,
  OUTSIDE,
  PAGE,
  SECRET,
} from "../attacks/target.mjs";
import { ask } from "../attacks/wire.mjs";
import { leaveEmail, pathOf } from "../browser/gate-page.mjs";
import { table, token } from "../edge/table.mjs";
import { asVisitor, launch, quit } from "../harness/browser.mjs";
import { send, Visitor } from "../harness/http.mjs";
import { HttpsFront } from "../harness/https.mjs";
import { environment } from "../harness/process.mjs";
import { command } from "../harness/serve.mjs";
import { watchOnNocodb } from "../harness/targets.mjs";
import { Nginx, skip } from "./nginx.mjs";

const HOST = table.variables.SITE_AUDIENCE;
const API = "api.example.net";
const HEARTBEAT = "/api/session-heartbeat";
const EDGE_SECRET = randomBytes(24).toString("hex");
const OWN = { origin: `https://${HOST}`, "sec-fetch-site": "same-origin" };

const SETTINGS = { ...table.variables, COOKIE_SECURE: "true", EDGE_SECRET, TRUSTED_HOPS: "2" };

/** What every page and every answer of the gate carries. */
const HEADERS = {
  "content-security-policy": "object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "strict-origin-when-cross-origin",
  "strict-transport-security": "max-age=31536000; includeSubDomains",
  "x-content-type-options": "nosniff",
};

/** The values of a header, one for each line. @param {{ head: string }} reply @param {string} name */
const valuesOf = ({ head }, name) =>
  head
    .split("\r\n")
    .filter((line) => line.toLowerCase().startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trim());

/** @param {{ head: string }} reply @param {string} cacheControl */
function assertHeaders(reply, cacheControl) {
  for (const [name, value] of Object.entries({ ...HEADERS, "cache-control": cacheControl })) {
    assert.deepEqual(valuesOf(reply, name), [value], `${name}\n${reply.head}`);
  }
  // What others may embed is what they may keep.
  const embedding = cacheControl === "no-store" ? ["same-origin"] : [];
  assert.deepEqual(valuesOf(reply, "cross-origin-resource-policy"), embedding, reply.head);
}

/** @param {string} folder @param {string} upstream @param {string} [given] other settings than an owner has */
async function nginxBefore(folder, upstream, given) {
  const front = await HttpsFront.open(API, upstream);
  const settings = given ?? (await command(["keys", "edge"], environment(SETTINGS)));
  const api = { host: API, port: front.port, cert: front.cert };
  try {
    const nginx = await Nginx.start({ host: HOST, folder, api, secret: EDGE_SECRET, settings });
    return { front, nginx };
  } catch (error) {
    front.stop();
    throw error;
  }
}

/** A token of a session that is open, and was confirmed ten minutes ago. */
function unconfirmed() {
  const now = Math.floor(Date.now() / 1000);
  const start = now - 600;
  return token({
    claims: { start, iat: start, seen: start, exp: start + 1800, end: start + 86_400 },
  });
}

suite("a site that nginx serves", { skip }, () => {
  /** @type {string} */
  let folder;
  /** @type {Awaited<ReturnType<typeof watchOnNocodb>>} */
  let functions;
  /** @type {Nginx} */
  let nginx;
  /** @type {HttpsFront} */
  let front;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lastseen-recipe-"));
    await layOut(folder);
    functions = await watchOnNocodb(SETTINGS);
    ({ nginx, front } = await nginxBefore(join(folder, "site"), functions.url));
  });
  after(async () => {
    await nginx?.stop();
    front?.stop();
    await functions?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** A browser on the site. */
  class Browser extends Visitor {
    constructor() {
      super(nginx.url);
    }

    /** @param {string} path @param {import("../harness/http.mjs").Call} [call] */
    send(path, call = {}) {
      return super.send(path, { ...call, headers: { host: HOST, ...OWN, ...call.headers } });
    }

    /** @param {string} path */
    open(path) {
      return this.send(path, { headers: NAVIGATION });
    }
  }

  /** Somebody with a session, as a header. */
  async function cookie() {
    const browser = new Browser();
    await browser.enter("anna@example.com");
    return `__Host-lastseen=${browser.cookies.get("__Host-lastseen")}`;
  }

  test("a visit from the gate to the log-out", async () => {
    const anna = new Browser();
    const turnedAway = await anna.open(`${PAGE}?a=b`);
    assert.equal(turnedAway.status, 302);
    assert.equal(turnedAway.headers["cache-control"], "no-store");
    const gate = turnedAway.headers.location ?? "";
    assert.equal(gate, `/access/?redirect=${encodeURIComponent(`${PAGE}?a=b`)}`);
    assert.equal((await anna.open(gate)).status, 200);

    const entered = await anna.send("/api/verify-temp-access", {
      form: { email: "anna@example.com" },
      headers: { referer: `https://${HOST}${gate}` },
    });
    assert.equal(entered.status, 303, entered.text);
    assert.equal(entered.headers.location, `${PAGE}?a=b`);
    const { rowId } = anna;

    const page = await anna.open(`${PAGE}?a=b`);
    assert.equal(page.status, 200);
    assert.ok(page.text.includes(SECRET));
    assert.match(page.headers["content-type"] ?? "", /^text\/html; charset=utf-8$/);
    const picture = await anna.send(FILE, { headers: { "sec-fetch-mode": "no-cors" } });
    assert.equal(picture.headers["content-type"], "image/svg+xml");

    const beat = await anna.send(HEARTBEAT, { json: { session: rowId, page: PAGE } });
    assert.equal(beat.status, 200, beat.text);
    assert.equal((await functions.row(rowId)).currentPage, PAGE);

    const out = await anna.open("/logout");
    assert.equal(out.status, 303, out.text);
    assert.equal((await functions.row(rowId)).endReason, "logout");
    assert.equal(
      (await anna.open(PAGE)).headers.location,
      `/access/?redirect=${encodeURIComponent(PAGE)}`,
    );
  });

  test("a browser is led to the gate and back", async (t) => {
    const chromium = await launch({ args: nginx.chromiumArgs });
    t.after(() => quit(chromium));
    await asVisitor(chromium, t, async (visitor) => {
      const page = await visitor.newPage();
      // Without the slash at its end it takes one redirect more.
      await page.goto(`https://${HOST}${PAGE.slice(0, -1)}`);
      assert.equal(await pathOf(page), "/access/");
      await leaveEmail(page, "anna@example.com");
      assert.equal(await pathOf(page), PAGE);
      assert.ok((await page.content()).includes(SECRET));
    });
  });

  test("every redirect says in one line where it leads", async () => {
    const inside = await cookie();
    const back = `redirect=${encodeURIComponent(PAGE)}`;
    const form = "email=anna%40example.com";
    const entry = {
      method: "POST",
      headers: {
        ...OWN,
        "content-type": "application/x-www-form-urlencoded",
        "content-length": `${form.length}`,
        referer: `https://${HOST}/access/?${back}`,
      },
      body: form,
    };
    /** @type {[string, { method?: string, headers?: Record<string, string>, body?: string }, string][]} */
    const redirects = [
      [PAGE, {}, `/access/?${back}`],
      [PAGE, { method: "HEAD" }, `/access/?${back}`],
      [
        PAGE,
        { headers: { cookie: "__Host-lastseen=x" } },
        `/access/?${back}&reason=invalid#invalid`,
      ],
      [
        PAGE,
        { headers: { cookie: `__Host-lastseen=${unconfirmed()}` } },
        `/api/session-refresh?${back}`,
      ],
      ["/access?a=b", {}, "/access/?a=b"],
      ["/api/verify-temp-access", entry, PAGE],
      ["/logout", { headers: { ...OWN, cookie: inside } }, "/access/?reason=logout#logout"],
    ];
    for (const [path, call, to] of redirects) {
      const headers = { host: HOST, ...NAVIGATION, ...call.headers };
      const reply = await ask(nginx.url, path, { ...call, headers });
      assert.deepEqual(valuesOf(reply, "location"), [to], reply.head);
    }
  });

  test("a parameter or a cookie may have any name", async () => {
    for (const query of [
      "__proto__=x&a=b",
      "constructor=1&toString=2&a=3",
      "a=1&__proto__=2&__proto__=3",
    ]) {
      const page = `${PAGE}?${query}`;
      const reply = await ask(nginx.url, page, { headers: { host: HOST, ...NAVIGATION } });
      const gate = `/access/?redirect=${encodeURIComponent(page)}`;
      assert.deepEqual(valuesOf(reply, "location"), [gate], reply.head);
    }
    const inside = await cookie();
    for (const name of ["__proto__", "constructor", "toString"]) {
      const headers = { host: HOST, ...NAVIGATION, cookie: `${name}=x; ${inside}` };
      assert.equal((await ask(nginx.url, PAGE, { headers })).status, 200, name);
    }
  });

  test("pages, and what the gate and the API answer, carry their headers once", async () => {
    const inside = await cookie();
    for (const [path, status, cacheControl, visitor] of /** @type {const} */ ([
      ["/", 200, "no-cache", ""],
      ["/none.html", 404, "no-cache", ""],
      [PAGE, 200, "no-store", inside],
      [PAGE, 302, "no-store", ""],
      ["/access", 302, "no-store", ""],
      ["/.env", 404, "no-store", ""],
    ])) {
      const headers = { host: HOST, ...NAVIGATION, cookie: visitor };
      const reply = await ask(nginx.url, path, { headers });
      assert.equal(reply.status, status, path);
      assertHeaders(reply, cacheControl);
    }
    const api = await ask(nginx.url, HEARTBEAT, { headers: { host: HOST } });
    for (const name of ["strict-transport-security", "x-content-type-options", "cache-control"]) {
      assert.equal(valuesOf(api, name).length, 1, `${name}\n${api.head}`);
    }
  });

  test("a token that has not been confirmed lately goes through a refresh", async () => {
    const browser = new Browser();
    browser.cookies.set("__Host-lastseen", unconfirmed());
    const { status, headers } = await browser.open(PAGE);
    assert.equal(status, 302);
    assert.equal(headers.location, `/api/session-refresh?redirect=${encodeURIComponent(PAGE)}`);
  });

  test("what is open needs no session, and is checked for changes", async () => {
    const browser = new Browser();
    for (const [path, status] of /** @type {const} */ ([
      ["/", 200],
      ["/access/", 200],
      ["/lastseen.js", 200],
      ["/none.html", 404],
    ])) {
      const answer = await browser.open(path);
      assert.equal(answer.status, status, path);
      assert.equal(answer.headers["cache-control"], "no-cache");
    }
    const { status, headers } = await browser.open("/access?a=b");
    assert.deepEqual([status, headers.location], [302, "/access/?a=b"]);
  });

  test("every spelling in the gates' table is decided as it says, and opens what was decided about", async () => {
    // What only the table has is made, so that there is something to open.
    const openable = table.paths.filter((/** @type {any} */ { edge }) => edge?.startsWith("/"));
    for (const { is, edge } of openable) {
      const file = join(folder, "site", decodeURIComponent(edge));
      await mkdir(dirname(file), { recursive: true });
      const mark = is === "protected" ? SECRET : "";
      await writeFile(file, `${mark} ${decodeURIComponent(edge)}`, { flag: "wx" }).catch(() => {});
    }
    const inside = await cookie();
    for (const { path, is, url, edge } of table.paths) {
      const headers = { host: HOST, ...NAVIGATION };
      const without = await ask(nginx.url, path, { headers });
      const session = await ask(nginx.url, path, { headers: { ...headers, cookie: inside } });
      for (const reply of [without, session]) {
        const isRedirect = reply.status >= 300 && reply.status < 400;
        assert.equal(valuesOf(reply, "location").length, isRedirect ? 1 : 0, reply.head);
      }
      // What is no HTTP is refused by nginx itself, and what is no path by the gate.
      if (without.status === 400) {
        assert.equal(session.status, 400);
        continue;
      }
      if (is === "refused") {
        assert.deepEqual([without.status, session.status], [404, 404], path);
      } else if (is === "protected") {
        assert.equal(without.status, 302, path);
        const back = new URLSearchParams({ redirect: url });
        assert.deepEqual(valuesOf(without, "location"), [`/access/?${back}`], without.head);
      } else {
        assert.equal(without.status, session.status, path);
      }
      if (edge === "302" || edge === "404") assert.equal(session.status, Number(edge), path);
      else if (edge) {
        assert.equal(session.status, 200, path);
        if (is === "protected") assert.ok(session.body.includes(SECRET), path);
      }
    }
  });

  test("no spelling of a protected file's path shows it to somebody without a session", async () => {
    for (const spelling of SPELLINGS) {
      for (const method of ["GET", "HEAD"]) {
        const reply = await ask(nginx.url, spelling, { method, headers: { host: HOST } });
        assertSecretKept(reply);
      }
    }
    for (const path of [FILE, PAGE]) {
      for (const { method, headers } of QUESTIONS) {
        const question = { method, headers: { host: HOST, ...headers } };
        assertSecretKept(await ask(nginx.url, path, question));
      }
    }
  });

  test("not even a visitor gets a hidden file, or one from outside the site's folder", async () => {
    const inside = await cookie();
    for (const path of [...OUT, ...HIDDEN_NAMES]) {
      const headers = { host: HOST, cookie: inside };
      const { all } = await ask(nginx.url, path.replace("FOLDER", folder.slice(1)), { headers });
      assert.ok(!all.includes(OUTSIDE) && !all.includes(HIDDEN), path);
      assert.doesNotMatch(all, /root:x?:0:|SESSION_KEYS|proxy_set_header/);
    }
  });

  test("a file whose name goes on after a protected one's is another file", async () => {
    // For nginx a `?` in a path that it is sent on to would begin the query.
    for (const path of [`${FILE}%3F.svg`, `/x%3F/../..${FILE}`, `${FILE}%3Fx=/index.html`]) {
      assertSecretKept(await ask(nginx.url, path, { headers: { host: HOST } }));
    }
    const headers = { host: HOST, cookie: await cookie(), ...NAVIGATION };
    assert.equal((await ask(nginx.url, `${FILE}%3F.svg`, { headers })).status, 404);
  });

  test("the API answers nobody who goes around nginx", async () => {
    /** @type {Record<string, string>[]} */
    const guesses = [{}, { "x-lastseen-edge": "x".repeat(40), "x-forwarded-host": HOST }];
    for (const headers of guesses) {
      const answer = await send(functions.url, HEARTBEAT, { headers });
      assert.deepEqual([answer.status, answer.json.code], [403, "not-through-the-site"]);
    }
  });

  test("another site's page cannot post, whatever it writes into headers", async () => {
    const headers = { origin: "https://evil.example", "x-forwarded-host": "evil.example" };
    const answer = await send(nginx.url, HEARTBEAT, {
      method: "POST",
      headers: { host: HOST, ...headers },
    });
    assert.deepEqual([answer.status, answer.json.code], [403, "cross-site"]);
  });

  test("nginx has logged no error of the gate", () => {
    assert.doesNotMatch(nginx.log, /\[(error|crit|alert|emerg)\].*js/i);
    assert.ok(!nginx.log.includes("the gate failed"));
  });
});

test("nginx says who asked and proves who it is, whatever the client says", { skip }, async (t) => {
  /** @type {{ url?: string, headers: import("node:http").IncomingHttpHeaders }[]} */
  const asked = [];
  const echo = createServer(({ url, headers }, response) => {
    asked.push({ url, headers });
    response.writeHead(204).end();
  });
  await new Promise((resolve) => echo.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (echo.address());
  const { nginx, front } = await nginxBefore("/nowhere", `http://127.0.0.1:${port}`);
  t.after(async () => {
    await nginx.stop();
    front.stop();
    echo.close();
  });
  const path = "/api/../logout?a=%2F&b";
  for (const target of ["/api/session-refresh?redirect=%2Fa%3Fb", path, "/logout"]) {
    const { status } = await send(nginx.url, target, {
      headers: {
        host: HOST,
        "x-lastseen-edge": "mine",
        "x-forwarded-host": "evil.example",
        "x-forwarded-for": "192.0.2.1",
      },
    });
    assert.equal(status, 204);
    const { url, headers } = asked.at(-1) ?? assert.fail();
    assert.equal(url, target, "to the byte");
    assert.equal(headers.host, API);
    assert.equal(headers["x-forwarded-host"], HOST);
    assert.equal(headers["x-lastseen-edge"], EDGE_SECRET);
    assert.equal(headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
  }
  const { length } = asked;
  for (const elsewhere of ["/api", "/logout/", "/logoutx", "/apis/x", "/%2e%2e/apis/"]) {
    await send(nginx.url, elsewhere, { headers: { host: HOST } });
  }
  assert.equal(asked.length, length, "nothing else is the API's");
});

test("settings without a gate open nothing", { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lastseen-recipe-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "index.html"), SECRET);
  const { nginx, front } = await nginxBefore(folder, "http://127.0.0.1:9", "{}");
  t.after(async () => {
    await nginx.stop();
    front.stop();
  });
  const reply = await ask(nginx.url, "/", { headers: { host: HOST } });
  assert.equal(reply.status, 503);
  assert.ok(!reply.all.includes(SECRET));
  assertHeaders(reply, "no-store");
});
