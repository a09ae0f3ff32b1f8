/** `lastseen serve` and clients that go away as soon as they have asked. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { open } from "../attacks/wire.mjs";
import { Visitor } from "../harness/http.mjs";
import { lock } from "../harness/lock.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";

const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";

/** @type {{ stop: () => unknown }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

async function start() {
  const serve = await Serve.start();
  started.push(serve);
  return serve;
}

/** @param {Serve} serve @param {string} email */
async function visitor(serve, email) {
  const visitor = new Visitor(serve.url);
  await visitor.enter(email);
  return visitor;
}

/**
 * Sends a whole request, and ends the connection before there can be an answer.
 *
 * @param {Visitor} visitor
 * @param {string} path
 * @param {unknown} json
 */
async function askAndLeave(visitor, path, json) {
  const body = JSON.stringify(json);
  const cookie = [...visitor.cookies].map((pair) => pair.join("=")).join("; ");
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${new URL(visitor.site).host}`,
    `Cookie: ${cookie}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  const socket = open(visitor.site);
  await once(socket, "connect");
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  await once(socket, "finish");
  socket.destroy();
  await once(socket, "close");
}

/** @param {Serve} serve */
const reasons = async (serve) => (await serve.rows()).map(({ endReason }) => endReason);

test("a log-out that nobody waits for ends the other browser too, however it is repeated", async () => {
  const serve = await start();
  const ann = await visitor(serve, "ann@example.com");
  const elsewhere = await visitor(serve, "ann@example.com");
  const held = await lock(join(serve.home, "lastseen.db"));
  await askAndLeave(ann, "/api/logout", { reason: "logout" });
  const again = ann.send("/api/logout", { json: { reason: "logout" } });
  await held.release();
  assert.equal((await again).status, 204);
  await until("both ends", async () => (await reasons(serve)).every(Boolean), 20_000);
  assert.deepEqual(await reasons(serve), ["logout", "logout"]);
  const answer = await elsewhere.send(HEARTBEAT, { method: "POST" });
  assert.deepEqual([answer.status, answer.json.reason], [401, "logout"]);
});

test("a beacon whose page is gone is written, and queued where it cannot be", async () => {
  const serve = await start();
  const ann = await visitor(serve, "ann@example.com");
  const bob = await visitor(serve, "bob@example.com");
  const beacon = (/** @type {number} */ scroll) => ({
    activeSeconds: 0,
    seenSecondsAgo: 0,
    page: PAGE,
    pages: { [PAGE]: { seconds: 0, scroll } },
    leaving: true,
  });
  const first = await lock(join(serve.home, "lastseen.db"));
  await askAndLeave(ann, HEARTBEAT, beacon(40));
  await first.release();
  const scrolled = async () => (await serve.row(ann.rowId)).pages?.[PAGE]?.scroll;
  await until("the figures in the table", async () => (await scrolled()) === 40, 20_000);

  const second = await lock(join(serve.home, "lastseen.db"));
  await askAndLeave(bob, HEARTBEAT, beacon(70));
  // Answered after the beacon was taken, by the same two processors.
  assert.equal((await bob.send(HEARTBEAT)).status, 200);
  serve.running?.child.kill("SIGTERM");
  assert.equal(await serve.running?.ended, 0);
  await second.release();
  await serve.resume();
  assert.match(serve.log, /1 sessions wait in .*queue\.db to be written/);
});

test("whoever comes and goes all the time is written as well, and holds up nobody", async () => {
  const serve = await start();
  const visitors = await Promise.all(
    Array.from({ length: 20 }, (_, number) => visitor(serve, `visitor-${number}@example.com`)),
  );
  const held = await lock(join(serve.home, "lastseen.db"));
  for (const one of visitors) await askAndLeave(one, "/api/logout", { reason: "logout" });
  await held.release();
  await until("all ends", async () => (await reasons(serve)).every(Boolean), 20_000);
});
