/**
 * The whole stack, as a visitor meets it: the distribution of the template with its functions at the
 * edge, the Lambda functions in front of a real NocoDB, and the demo site for the bucket.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send, Visitor } from "../harness/http.mjs";
import { ADMIN_TOKEN, LOGIN, SIGN_OUT } from "../harness/owner.mjs";
import { environment, root } from "../harness/process.mjs";
import { command } from "../harness/serve.mjs";
import { watchOnNocodb } from "../harness/targets.mjs";
import { Distribution } from "./distribution.mjs";

const SITE = "www.example.com";
const SECRET = "e".repeat(43);
const KEYS = `test:${Buffer.alloc(32, 7).toString("base64")}`;
const PAGE = "/portfolio/confidential/";
const STATIC_DIR = join(root, "static");
/** What `make deploy` uploads, by name. @type {Map<string, { contentType: string, cacheControl: string }>} */
const files = new Map();

/**
 * S3 as origin access control shows it: files by their exact names, 404 for the rest.
 *
 * @param {string} path
 * @returns {Promise<import("./distribution.mjs").Reply>}
 */
async function bucket(path) {
  const name = decodeURIComponent(path.slice(1));
  const file = files.get(name);
  if (!file)
    return { status: 404, headers: { "content-type": "application/xml" }, body: "<Error/>" };
  return {
    status: 200,
    headers: { "content-type": file.contentType, "cache-control": file.cacheControl },
    body: await readFile(join(STATIC_DIR, name)),
  };
}

/** @type {Awaited<ReturnType<typeof watchOnNocodb>>} */
let api;
/** @type {Distribution} */
let site;

/** @type {NodeJS.ProcessEnv} */
let settings;

before(async () => {
  settings = {
    SITE_AUDIENCE: SITE,
    SESSION_KEYS: KEYS,
    EDGE_SECRET: SECRET,
    COOKIE_SECURE: "true",
    TRUSTED_HOPS: "2",
    ADMIN_TOKEN,
  };
  api = await watchOnNocodb(settings);
  site = await Distribution.start({ bucket, api: api.url });
  const listed = await command(["files"], environment({ ...settings, STATIC_DIR }));
  for (const line of listed.trim().split("\n")) {
    const { name, ...file } = JSON.parse(line);
    files.set(name, file);
  }
  const gate = await command(["keys", "edge"], environment(settings));
  site.stored = { gate, api: `${SECRET}\n` };
});
after(async () => {
  await site?.stop();
  await api?.stop();
});

/** A browser on the site. */
class Browser extends Visitor {
  /** @param {string} path */
  open(path) {
    const headers = {
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
      accept: "text/html",
    };
    return this.send(path, { headers: { ...headers, "sec-fetch-site": "same-origin" } });
  }

  /** @param {string} path @param {import("../harness/http.mjs").Call} call */
  post(path, call) {
    return this.send(path, {
      ...call,
      headers: { origin: `http://${site.host}`, ...call.headers },
    });
  }
}

const browser = () => new Browser(site.url);

test("a visit, from the gate to the row and out again", async () => {
  const visitor = browser();
  const kept = await visitor.open(PAGE);
  assert.equal(kept.status, 302);
  assert.equal(kept.headers.location, `/access/?redirect=${encodeURIComponent(PAGE)}`);

  const gate = await visitor.open("/access/");
  assert.equal(gate.status, 200);
  assert.match(gate.text, /<form/);

  const email = "ada@example.com";
  const entered = await visitor.post("/api/verify-temp-access", {
    form: { email, redirect: PAGE },
  });
  assert.equal(entered.status, 303, entered.text);
  assert.equal(entered.headers.location, PAGE);

  const page = await visitor.open(PAGE);
  assert.equal(page.status, 200);
  assert.equal(page.headers["cache-control"], "no-store");
  assert.equal(page.headers["cross-origin-resource-policy"], "same-origin");
  assert.equal(gate.headers["cross-origin-resource-policy"], undefined);
  assert.match(page.text, /lastseen\.js/);

  const beat = await visitor.post("/api/session-heartbeat", { json: { activeSeconds: 0 } });
  assert.equal(beat.status, 200, beat.text);
  const row = visitor.rowId;
  assert.equal((await api.row(row)).emailOfAccessor, email);

  const out = await visitor.open("/logout");
  assert.equal(out.status, 303, out.text);
  assert.equal((await api.row(row)).endReason, "logout");
  assert.equal((await visitor.open(PAGE)).status, 302);
});

test("the owner signs in, and ends a session with the cookie alone", async () => {
  const visitor = browser();
  await visitor.post("/api/verify-temp-access", { form: { email: "bea@example.com" } });
  const owner = browser();
  const wrong = await owner.post(LOGIN, { form: { token: "guess" } });
  assert.equal(wrong.headers.location, "/admin/?error=wrong-token#wrong-token");
  const signedIn = await owner.post(LOGIN, { form: { token: ADMIN_TOKEN } });
  assert.equal(signedIn.headers.location, "/admin/", signedIn.text);
  assert.deepEqual([...owner.cookies.keys()], ["__Host-lastseen-admin"]);

  const path = `/api/sessions/${visitor.rowId}/revoke`;
  const elsewhere = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  assert.equal((await owner.post(path, { method: "POST", headers: elsewhere })).status, 403);
  const ended = await owner.post(path, { method: "POST" });
  assert.equal(ended.json.endReason, "revoked", ended.text);
  assert.equal((await api.row(visitor.rowId)).endReason, "revoked");

  const out = await owner.post(SIGN_OUT, { method: "POST" });
  assert.equal(out.status, 204);
  assert.equal(owner.cookies.size, 0);
  assert.equal((await owner.post(path, { method: "POST" })).status, 401);
});

test("every answer is guarded alike, whoever made it", async () => {
  const visitor = browser();
  /** @type {[string, number][]} */
  const answers = [
    ["/", 200],
    ["/lastseen.js", 200],
    ["/nothing/", 404],
    ["/api/session-heartbeat", 200],
    ["/api/nothing", 404],
  ];
  for (const [path, status] of answers) {
    const { status: answered, headers } = await visitor.open(path);
    assert.equal(answered, status, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.match(headers["strict-transport-security"] ?? "", /max-age=31536000/, path);
    assert.match(String(headers["content-security-policy"]), /frame-ancestors/, path);
  }
});

test("what is not there is the site's own page, and never a list", async () => {
  const missing = await browser().open("/nothing/here.html");
  assert.equal(missing.status, 404);
  assert.equal(missing.text, await readFile(join(STATIC_DIR, "404.html"), "utf8"));
  for (const path of ["/?list-type=2", "//", "/."]) {
    assert.doesNotMatch((await browser().open(path)).text, /ListBucketResult/);
  }
  assert.equal((await browser().open("/portfolio")).headers.location, "/portfolio/");
});

test("around the edge nobody is answered, and through it nobody forges where they are", async () => {
  const form = { email: "eve@example.com" };
  /** @type {Record<string, string>[]} */
  const guesses = [{}, { "x-lastseen-edge": "guess" }, { "x-forwarded-host": SITE }];
  for (const headers of guesses) {
    const around = await send(api.url, "/api/verify-temp-access", { form, headers });
    assert.equal(around.status, 403);
    assert.equal(around.json.code, "not-through-the-site");
    assert.deepEqual(around.cookies, []);
  }
  const forged = await browser().send("/api/verify-temp-access", {
    form,
    headers: {
      origin: "https://evil.example",
      "x-forwarded-host": "evil.example",
      "x-lastseen-edge": "guess",
    },
  });
  assert.equal(forged.status, 403);
  assert.equal(forged.json.code, "cross-site");
});

test("doctor finds nothing wrong with it from outside, and leaves no row", async () => {
  const before = (await api.rows()).length;
  const env = environment({ ...settings, ...api.settings });
  const said = await command(["doctor", "--url", site.url, "--api", api.url], env);
  assert.match(said, /opens with a session/);
  assert.match(said, /around the site|not-through-the-site/);
  assert.doesNotMatch(said, /✗/);
  assert.equal((await api.rows()).length, before);
});

test("an edge that was told nothing lets nothing through", async () => {
  const { stored } = site;
  site.stored = {};
  try {
    for (const path of ["/", PAGE, "/access/", "/api/session-heartbeat", "/logout"]) {
      const { status, headers } = await browser().open(path);
      assert.equal(status, 503, path);
      assert.equal(headers["cache-control"], "no-store", path);
    }
  } finally {
    site.stored = stored;
  }
});
