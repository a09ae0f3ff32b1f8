// The gate at the edge where something is broken: nobody is let in, and nothing is thrown.

import assert from "node:assert/strict";
import crypto from "node:crypto";
import { test } from "node:test";
import { event, publish, SOURCE, store } from "./cloudfront.mjs";
import { table, token } from "./table.mjs";

const PROTECTED = "/portfolio/confidential/";
const OPEN = "/about/";
const UNDECIDABLE = "/a%00b";
const GATE = "/access/";

/**
 * What a visitor with a valid session gets, or one with another cookie.
 * @param {Parameters<typeof publish>[0]} place
 * @param {string} path
 * @param {string} [cookie]
 */
async function visit(place, path, cookie = token()) {
  const { handle, lines } = publish({ now: () => table.now, ...place });
  const given = { ...table.request, cookie: `__Host-lastseen=${cookie}` };
  const answer = await handle(event(path, given));
  const location = answer.headers.location?.value;
  return { answer, lines, shown: answer.uri ?? location ?? answer.statusCode };
}

/** @param {() => unknown} kvs */
async function nobodyGetsAnything(kvs, what = "") {
  for (const path of [PROTECTED, OPEN, UNDECIDABLE, GATE, "/"]) {
    const { answer, shown } = await visit({ kvs }, path);
    assert.equal(shown, 503, `${what} ${path}`);
    assert.equal(answer.headers["cache-control"].value, "no-store");
  }
}

test("a KeyValueStore that cannot be read lets nobody in", async () => {
  const never = () => {
    throw new Error("the key-value store is not associated with the function");
  };
  const failures = {
    "kvs() throws": never,
    "kvs() is nothing": () => undefined,
    "get() throws": () => ({ get: never }),
    "get() rejects": () => ({ get: async () => never() }),
    "get() rejects with nothing": () => ({ get: () => Promise.reject() }),
    "there is no such key": () => ({ get: () => store(table.edge).get("another") }),
    "the value is no JSON": () => store('{"audience"'),
    "the value is empty": () => store(""),
  };
  for (const [what, kvs] of Object.entries(failures)) {
    await nobodyGetsAnything(kvs, what);
  }
});

test("settings without a gate let nobody in", async () => {
  const whole = table.edge;
  const gates = [undefined, null, 5, [], {}, "", "access/", "//evil.example/", "/\\evil.example/"];
  const spelled = ["https://evil.example/", "/a\nb/", "/a%00/", "/a%0ab/", "/é/", "/ /"];
  for (const gate of [...gates, ...spelled]) {
    await nobodyGetsAnything(() => store({ ...whole, gate }), JSON.stringify(gate));
  }
  for (const junk of ["null", "5", '"text"', "true", "[]", "{}", '[["gate","/access/"]]']) {
    await nobodyGetsAnything(() => store(junk), junk);
  }
});

test("settings with a gate and something else broken lead everybody there", async () => {
  /** @type {Record<string, unknown[]>} */
  const junk = {
    audience: [undefined, null, "", 5, [], ["www.example.com"], {}],
    keys: [undefined, null, "", 5, "a", true],
    fresh: [undefined, null, "60", 0, -1, 1.5, [], {}, 1e300],
    lifetime: [undefined, null, "86400", 0, -1, 1.5, [], {}, 1e300],
    notBefore: [null, "1", 1.5, [], {}],
    prefixes: [
      undefined,
      null,
      [],
      {},
      "/portfolio/confidential",
      [5],
      [null],
      [""],
      ["a"],
      ["/", 5],
    ],
  };
  for (const [name, values] of Object.entries(junk)) {
    for (const value of values) {
      const what = `${name} ${JSON.stringify(value)}`;
      const kvs = () => store({ ...table.edge, [name]: value });
      const back = (/** @type {string} */ path) =>
        `${GATE}?${new URLSearchParams({ redirect: path })}`;
      for (const path of [PROTECTED, OPEN]) {
        assert.equal((await visit({ kvs }, path)).shown, back(path), `${what} ${path}`);
      }
      assert.equal((await visit({ kvs }, UNDECIDABLE)).shown, GATE, what);
      // Never protected, and the end of the redirects.
      assert.equal((await visit({ kvs }, GATE)).shown, `${GATE}index.html`, what);
    }
  }
});

test("a key that is none verifies nothing, not even what it would have signed", async () => {
  const invalid = `${GATE}?redirect=%2Fportfolio%2Fconfidential%2F&reason=invalid#invalid`;
  const short = Buffer.from("short").toString("base64");
  for (const secret of ["", "=", "!", short, null, 5, [], {}, true, undefined]) {
    const kvs = () => store({ ...table.edge, keys: { a: secret } });
    const key = typeof secret === "string" ? Buffer.from(secret, "base64") : Buffer.alloc(0);
    const [header, claims] = token().split(".");
    const message = `${header}.${claims}`;
    const forged = crypto.createHmac("sha256", key).update(message).digest("base64url");
    for (const cookie of [token(), `${message}.${forged}`]) {
      assert.equal((await visit({ kvs }, PROTECTED, cookie)).shown, invalid, `${secret}`);
    }
  }
});

test("crypto that fails lets nobody in", async () => {
  const fails = () => {
    throw new Error("no such digest");
  };
  const half = { update: () => ({ digest: fails }) };
  for (const broken of [
    undefined,
    {},
    { createHmac: fails },
    { createHmac: () => undefined },
    { createHmac: () => half },
    { createHmac: () => ({ update: () => ({ digest: () => undefined }) }) },
  ]) {
    const kvs = () => store(table.edge);
    const { shown, lines } = await visit({ kvs, crypto: broken ?? null }, PROTECTED);
    assert.equal(shown, GATE);
    assert.deepEqual(lines, ["lastseen: the gate failed; nobody was let in"]);
    // What is not protected needs no crypto.
    assert.equal((await visit({ kvs, crypto: broken ?? null }, OPEN)).shown, `${OPEN}index.html`);
  }
});

test("a clock that tells no time lets nobody in", async () => {
  const kvs = () => store(table.edge);
  for (const now of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const { shown } = await visit({ kvs, now: () => now }, PROTECTED);
    assert.match(String(shown), /^\/(api\/session-refresh|access\/)\?/);
  }
});

test("an event of another shape is answered, and nobody let in", async () => {
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  const request = event(PROTECTED).request;
  for (const given of [
    undefined,
    null,
    {},
    { request: null },
    { request: {} },
    { request: { ...request, uri: undefined } },
    { request: { ...request, uri: "/\ud800" } },
    { request: { ...request, cookies: undefined } },
    { request: { ...request, querystring: undefined } },
    { request: { ...request, cookies: { "__Host-lastseen": {} } } },
    {
      request: {
        ...request,
        cookies: { "__Host-lastseen": { value: token() } },
        headers: undefined,
      },
    },
  ]) {
    const answer = await handle(given);
    assert.equal(answer.statusCode, 302, JSON.stringify(given));
    assert.match(answer.headers.location.value, /^\/access\//);
  }
});

test("what is logged holds no key and no token", async () => {
  const kvs = () => ({
    get: async () => {
      throw new Error(JSON.stringify(table.edge));
    },
  });
  const { lines } = await visit({ kvs }, PROTECTED);
  assert.deepEqual(lines, ["lastseen: the gate failed; nobody was let in"]);
});

test("settings are read once, and crypto is left alone where nothing is protected", async () => {
  let reads = 0;
  let signatures = 0;
  const counted = store(table.edge);
  const place = {
    kvs: () => ({
      get: (/** @type {string} */ key, /** @type {object} */ options) => {
        reads++;
        return counted.get(key, options);
      },
    }),
    crypto: {
      createHmac: (/** @type {string} */ name, /** @type {Buffer} */ key) => {
        signatures++;
        return crypto.createHmac(name, key);
      },
    },
  };
  await visit(place, OPEN);
  assert.deepEqual([reads, signatures], [1, 0]);
  await visit(place, PROTECTED);
  assert.deepEqual([reads, signatures], [2, 1]);
  await visit(place, PROTECTED, "x.y.z");
  assert.deepEqual([reads, signatures], [3, 1], "what cannot be a token is not hashed");
});

test("the function fits what CloudFront takes", () => {
  assert.ok(Buffer.byteLength(SOURCE) < 10_000, `${Buffer.byteLength(SOURCE)} bytes`);
});
