/** `lastseen serve` when it is asked to stop: what is under way is finished, and nothing else waited for. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { open } from "../attacks/wire.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";

const BODY = "email=anna@example.com";
const HEAD = `POST /api/verify-temp-access HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${BODY.length}\r\n\r\n`;

/** @param {Serve} serve @param {string} bytes */
async function connection(serve, bytes) {
  const socket = open(serve.url);
  const heard = { text: "" };
  socket.setEncoding("latin1").on("data", (text) => {
    heard.text += text;
  });
  await once(socket, "connect");
  if (bytes) socket.write(bytes);
  return { socket, heard };
}

/** @param {Serve} serve @param {NodeJS.Signals} signal */
async function askToStop(serve, signal) {
  const asked = performance.now();
  serve.running?.child.kill(signal);
  await until("word of it", () => serve.log.includes("stopping"));
  const ended = serve.running?.ended.then((code) => ({ code, ms: performance.now() - asked }));
  return ended ?? assert.fail();
}

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  test(`${signal} stops it at once, though browsers keep their connections`, async (t) => {
    const serve = await Serve.start();
    t.after(() => serve.stop());
    const { heard } = await connection(serve, "GET /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await connection(serve, "");
    await until("answer", () => heard.text.includes("\r\n\r\n"));
    const { code, ms } = await askToStop(serve, signal);
    assert.equal(code, 0);
    assert.ok(ms < 5000, `after ${ms} ms`);
    assert.match(serve.log, /stopped\n$/);
  });
}

test("a visitor who is half-way in gets in, and nobody after", async (t) => {
  const serve = await Serve.start();
  t.after(() => serve.stop());
  const { socket, heard } = await connection(serve, HEAD + BODY.slice(0, 5));
  await until("request", () => socket.bytesWritten > HEAD.length);
  const other = await connection(serve, "GET /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until("other answer", () => other.heard.text.includes("\r\n\r\n"));
  const stopping = askToStop(serve, "SIGTERM");
  await until("word of it", () => serve.log.includes("stopping"));
  await until("closed door", async () => {
    const late = open(serve.url);
    const refused = await Promise.race([
      once(late, "connect").then(() => false),
      once(late, "close").then(() => true),
    ]).catch(() => true);
    late.destroy();
    return refused;
  });
  socket.write(BODY.slice(5));
  const { code, ms } = await stopping;
  assert.match(heard.text, /^HTTP\/1\.1 303 /);
  assert.equal(code, 0);
  assert.ok(ms < 5000, `after ${ms} ms`);
});

test("whoever never finishes a request is not waited for longer than five seconds", async (t) => {
  const serve = await Serve.start();
  t.after(() => serve.stop());
  const { socket } = await connection(serve, HEAD + BODY.slice(0, 5));
  await until("request", () => socket.bytesWritten > HEAD.length);
  const { code, ms } = await askToStop(serve, "SIGTERM");
  assert.equal(code, 0);
  assert.ok(ms < 5_000, `after ${ms} ms`);
});
