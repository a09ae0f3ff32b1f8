// The gate at the edge, case by case as the table has it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, publish, store } from "./cloudfront.mjs";
import { SHOWN, table, token, verdict } from "./table.mjs";

/**
 * @param {any} request `path` and what `event` takes
 * @param {{ now?: number, notBefore?: number }} [at]
 */
function ask(request, { now = table.now, notBefore } = {}) {
  const { handle } = publish({ kvs: () => store({ ...table.edge, notBefore }), now: () => now });
  return handle(event(request.path, request));
}

/** @param {string} cookie */
const asked = (cookie) => ({ ...table.request, cookie });

test("every case of the table is decided as it says", async (t) => {
  for (const given of table.cases) {
    await t.test(given.what, async () => {
      const request = { ...table.request, ...given };
      const cookie = request.cookie.replaceAll("{token}", token(given));
      const answer = await ask({ ...request, cookie }, given);
      const shown = verdict(answer, `${request.path}/`);
      assert.equal(shown, SHOWN[/** @type {'open'} */ (given.verdict)]);
      if (given.location !== undefined) {
        assert.equal(answer.headers.location.value, given.location);
      }
      if (answer.statusCode !== undefined) {
        assert.equal(answer.headers["cache-control"].value, "no-store");
      }
    });
  }
});

test("every spelling of a path is read as the table says, and sent on in its normal one", async (t) => {
  for (const given of table.paths) {
    await t.test(JSON.stringify(given.path), async () => {
      const without = await ask({ ...asked(""), path: given.path });
      const session = await ask({
        ...asked(`__Host-lastseen=${token()}`),
        path: given.path,
        query: "a=1",
      });
      if (given.is === "refused") {
        assert.deepEqual([without.statusCode, session.statusCode], [404, 404]);
        return;
      }
      if (given.is === "protected") {
        const back = new URLSearchParams({ redirect: given.url });
        assert.deepEqual([without.statusCode, without.uri], [302, undefined]);
        assert.equal(without.headers.location.value, `/access/?${back}`);
      } else {
        assert.deepEqual(without.uri, session.uri);
      }
      if (given.edge === "302") {
        assert.equal(session.headers.location.value, `${given.url}/?a=1`);
        assert.equal(session.headers["cache-control"].value, "no-store");
      } else if (given.edge === "404") {
        assert.equal(session.statusCode, 404);
      } else {
        assert.equal(session.uri, given.edge);
      }
    });
  }
});

test("no flipped bit of a token is let in", async () => {
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  const valid = token();
  for (let index = 0; index < valid.length; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const flipped = String.fromCharCode(valid.charCodeAt(index) ^ (1 << bit));
      const request = event(table.request.path, table.request);
      const value = valid.slice(0, index) + flipped + valid.slice(index + 1);
      request.request.cookies = { "__Host-lastseen": { value } };
      const answer = await handle(request);
      assert.equal(verdict(answer, ""), "invalid", `byte ${index}, bit ${bit}`);
    }
  }
});

test("no shortened and no lengthened token is let in", async () => {
  const valid = token();
  for (let length = 1; length < valid.length; length++) {
    const answer = await ask(asked(`__Host-lastseen=${valid.slice(0, length)}`));
    assert.equal(verdict(answer, ""), "invalid", `${length} characters`);
  }
  for (const more of ["A", "=", "\n", ".", " x"]) {
    const request = event(table.request.path, table.request);
    request.request.cookies = { "__Host-lastseen": { value: valid + more } };
    const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
    assert.equal(verdict(await handle(request), ""), "invalid", JSON.stringify(more));
  }
});

test("a cookie whose name only looks like ours is not read", async () => {
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  for (const name of [
    "__host-lastseen",
    "\u2003__Host-lastseen",
    "__Host-lastseen\u00a0",
    "lastseen",
  ]) {
    const request = event(table.request.path, table.request);
    request.request.cookies = { [name]: { value: token() } };
    assert.equal(verdict(await handle(request), ""), "gate", JSON.stringify(name));
  }
  for (const value of [`\u2003${token()}`, `${token()}\u00a0`, `\ufeff${token()}`]) {
    const request = event(table.request.path, table.request);
    request.request.cookies = { "__Host-lastseen": { value } };
    assert.equal(verdict(await handle(request), ""), "invalid", JSON.stringify(value));
  }
});

test("spaces and tabs around a value are none of it", async () => {
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  for (const value of [` \t${token()}`, `${token()}\t `, ` "${token()}" `]) {
    const request = event(table.request.path, table.request);
    request.request.cookies = { "__Host-lastseen": { value } };
    assert.equal(verdict(await handle(request), ""), "in", JSON.stringify(value));
  }
});

test("a purpose that is sent twice is read twice", async () => {
  const request = event(table.request.path, table.request);
  const values = [{ value: "none" }, { value: "prefetch" }];
  request.request.headers["sec-purpose"] = { value: "none", multiValue: values };
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  assert.equal((await handle(request)).statusCode, 503);
});

test("of many cookies of one name the valid one counts, wherever it stands", async () => {
  for (let place = 0; place < 4; place++) {
    const values = Array.from({ length: 4 }, (_, i) => (i === place ? token() : "forged"));
    const answer = await ask(asked(values.map((value) => `__Host-lastseen=${value}`).join("; ")));
    assert.equal(verdict(answer, ""), "in", `place ${place}`);
  }
});

test("what is sent on is the request, with nothing changed but its path", async () => {
  const headers = { ...table.request.headers, accept: "text/html", range: "bytes=0-9" };
  const cookie = `a=1; __Host-lastseen=${token()}`;
  const given = { query: "a=1&b=%2F&a=2", headers, cookie };
  const { handle } = publish({ kvs: () => store(table.edge), now: () => table.now });
  const sent = await handle(event("//portfolio/confidential/", given));
  const { request } = event("/portfolio/confidential/index.html", given);
  assert.equal(JSON.stringify(sent), JSON.stringify(request));
});

test("every value of a query finds its way back", async () => {
  const answer = await ask({ ...asked(""), query: "a=1&b&a=2&c=" });
  const location = new URL(answer.headers.location.value, "https://www.example.com");
  assert.equal(
    location.searchParams.get("redirect"),
    "/portfolio/confidential/?a=1&a=2&b=&c=",
    "a redirect through an address of the same meaning",
  );
});

test("the gate stays open where everything is protected", async () => {
  const everything = { ...table.edge, prefixes: ["/"] };
  const { handle } = publish({ kvs: () => store(everything), now: () => table.now });
  for (const [path, wanted] of [
    ["/access/", "in"],
    ["/access/gate.css", "in"],
    ["/", "gate"],
    ["/x.html", "gate"],
    ["/logout", "gate"],
    ["/api/logout", "gate"],
    ["/access", "in"],
    ["/%61ccess/./gate.css", "in"],
    ["/accessories/", "gate"],
    // What is only like the gate is another folder in S3.
    ["/Access/", "gate"],
    ["/access;board/", "gate"],
    ["/access./", "gate"],
    ["/access%20/", "gate"],
  ]) {
    const slash = path === "/access" ? "/access/" : "";
    assert.equal(verdict(await handle(event(path)), slash), wanted, path);
  }
  // Our own endpoints are no pages to come back to.
  for (const path of ["/api", "/api/logout", "/logout", "/LOGOUT/../logout"]) {
    assert.equal((await handle(event(path))).headers.location.value, "/access/", path);
  }
});

test("a gate at the root opens the root alone", async () => {
  const atRoot = { ...table.edge, gate: "/", prefixes: ["/"] };
  const { handle } = publish({ kvs: () => store(atRoot), now: () => table.now });
  assert.equal((await handle(event("/"))).uri, "/index.html");
  assert.equal(
    (await handle(event("/index.html"))).headers.location.value,
    "/?redirect=%2Findex.html",
  );
});

test("while keys are rotated, the edge lets in whom any function signs for", async () => {
  const { a, b } = table.secrets;
  const steps = [{ a }, { a, b }, { b, a }, { b }];
  const signing = ["a", "a", "b", "b"];
  for (const [step, keys] of steps.entries()) {
    // Functions may be a step behind or ahead.
    for (const other of [step - 1, step, step + 1].filter((other) => other in steps)) {
      const signer = signing[other];
      const { handle } = publish({
        kvs: () => store({ ...table.edge, keys }),
        now: () => table.now,
      });
      const cookie = `__Host-lastseen=${token({ header: { kid: signer }, key: signer })}`;
      const answer = await handle(event(table.request.path, asked(cookie)));
      assert.equal(verdict(answer, ""), "in", `keys of step ${step}, a session of step ${other}`);
    }
  }
});
