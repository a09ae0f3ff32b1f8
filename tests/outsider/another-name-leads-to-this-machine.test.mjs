/** A page elsewhere points a name of its own at 127.0.0.1 (DNS rebinding), and reads what is served there. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { exchange } from "../attacks/wire.mjs";
import { send } from "../harness/http.mjs";
import { Serve } from "../harness/serve.mjs";

/** @type {Serve} */
let serve;
before(async () => {
  serve = await Serve.start({
    SITE_AUDIENCE: "www.example.com",
    ALLOWED_ORIGINS: "https://blog.example.com",
  });
});
after(() => serve?.stop());

/** @param {string} host @param {Record<string, string>} [more] @param {string} [path] */
const get = (host, more = {}, path = "/") => send(serve.url, path, { headers: { host, ...more } });

test("a name that is not the site's reads nothing, and is told which setting names it", async () => {
  for (const host of [
    "evil.example",
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "example.com",
    "192.168.1.7",
  ]) {
    for (const path of [
      "/",
      "/portfolio/confidential/",
      "/admin/",
      "/api/session-heartbeat",
      "/none",
    ]) {
      const { status, json, headers } = await get(host, {}, path);
      assert.equal(status, 421, `${host} ${path}`);
      assert.equal(json.code, "misdirected");
      assert.match(json.detail, /SITE_AUDIENCE/);
      assert.equal(headers["cache-control"], "no-store");
      assert.equal(headers["set-cookie"], undefined);
    }
    const posted = await send(serve.url, "/api/verify-temp-access", {
      json: { email: "ann@example.com" },
      headers: { host, origin: `http://${host}` },
    });
    assert.equal(posted.status, 421, host);
  }
  assert.deepEqual(await serve.rows(), []);
  const page = await get("evil.example", { accept: "text/html" });
  assert.equal(page.status, 421);
  assert.match(page.text, /<h1>.*SITE_AUDIENCE/s);
  assert.doesNotMatch(page.text, /evil/);
});

test("nothing that a page can set makes another name the site's", async () => {
  /** @type {Record<string, string>[]} */
  const attempts = [
    { "x-forwarded-host": "www.example.com" },
    { forwarded: "host=www.example.com" },
    { origin: "https://www.example.com", referer: "https://www.example.com/" },
  ];
  for (const more of attempts) {
    assert.equal((await get("evil.example", more)).status, 421, JSON.stringify(more));
  }
  const twice =
    "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
  assert.ok([400, 421].includes((await exchange(serve.url, twice)).status));
  const whole = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  assert.ok([400, 421].includes((await exchange(serve.url, whole)).status));
});

test("the machine's own names, the site's, and those that may call are answered", async () => {
  const { port } = new URL(serve.url);
  for (const host of [
    `127.0.0.1:${port}`,
    "localhost",
    `demo.localhost:${port}`,
    "[::1]:1",
    "www.example.com",
    "WWW.EXAMPLE.COM:443",
    "blog.example.com",
  ]) {
    assert.equal((await get(host)).status, 200, host);
  }
});

test("behind a proxy that passes on its own name for this, the site goes on working", async () => {
  const { host } = new URL(serve.url);
  const headers = {
    host,
    "x-forwarded-host": "www.example.com",
    "x-forwarded-proto": "https",
    origin: "https://www.example.com",
    "sec-fetch-site": "same-origin",
  };
  const form = { email: "ann@example.com", redirect: "/portfolio/confidential/" };
  const { status } = await send(serve.url, "/api/verify-temp-access", { form, headers });
  assert.equal(status, 303);
});
