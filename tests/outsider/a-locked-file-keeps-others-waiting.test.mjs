/** `lastseen serve` while another program has its SQLite file locked. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { NAVIGATION } from "../attacks/target.mjs";
import { Visitor } from "../harness/http.mjs";
import { lock } from "../harness/lock.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";

const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";
/** A reader waits for nobody who writes. */
const AT_ONCE_MS = 50;
/** The fastest of so many counts: the machine has other work. */
const TRIES = 9;
/** As long as a write waits for the lock, and what the machine takes. */
const PATIENCE_MS = 5000 + 2000;

/** @type {{ stop: () => unknown }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

/** @param {number} count */
async function withVisitors(count) {
  const serve = await Serve.start();
  started.push(serve);
  const visitors = [];
  for (let number = 0; number < count; number += 1) {
    const visitor = new Visitor(serve.url);
    await visitor.enter(`visitor-${number}@example.com`);
    visitors.push(visitor);
  }
  return {
    serve,
    visitors,
    files: [join(serve.home, "lastseen.db"), join(serve.home, "queue.db")],
  };
}

/** @param {string} file */
async function locked(file) {
  const held = await lock(file);
  let isHeld = true;
  const release = async () => {
    if (isHeld) await held.release();
    isHeld = false;
  };
  started.push({ stop: release });
  return { release };
}

/** @param {() => Promise<{ status: number }>} ask */
async function fastest(ask) {
  const times = [];
  for (let round = 0; round < TRIES; round += 1) {
    const began = performance.now();
    const { status } = await ask();
    times.push(performance.now() - began);
    assert.equal(status, 200);
  }
  return Math.min(...times);
}

/** @param {Visitor} visitor */
async function refreshed(visitor) {
  const path = `/api/session-refresh?redirect=${encodeURIComponent(PAGE)}`;
  const { status, headers } = await visitor.send(path, {
    headers: { ...NAVIGATION, "sec-fetch-user": "?1" },
  });
  assert.deepEqual([status, headers.location], [302, PAGE]);
  return { status: 200 };
}

/** @param {Visitor} visitor */
function beat(visitor) {
  const pages = { [PAGE]: { seconds: 0, scroll: 60 } };
  const json = { activeSeconds: 0, seenSecondsAgo: 0, page: PAGE, pages };
  return visitor.send(HEARTBEAT, { method: "POST", json });
}

for (const inLine of [0, 3]) {
  test(`a page and a question are answered at once, with ${inLine} heartbeats in line`, async () => {
    const { visitors, files } = await withVisitors(1 + inLine);
    const [reader, ...writers] = visitors;
    if (!reader) assert.fail();
    const { release } = await locked(files[0] ?? "");
    const began = performance.now();
    let waiting = inLine;
    const beats = writers.map(async (writer) => {
      const answer = await beat(writer);
      waiting -= 1;
      return answer;
    });
    const page = await fastest(() => reader.send(PAGE, { headers: NAVIGATION }));
    // Where a page sends whom the store has not confirmed lately.
    const refresh = await fastest(() => refreshed(reader));
    const question = await fastest(() => reader.send(HEARTBEAT));
    if (performance.now() - began < 4000) assert.equal(waiting, inLine, "nobody was in line");
    assert.ok(page < AT_ONCE_MS, `a page took ${page} ms`);
    assert.ok(refresh < AT_ONCE_MS, `the way there took ${refresh} ms`);
    assert.ok(question < AT_ONCE_MS, `a question took ${question} ms`);
    // Those in line are written, or kept in the queue, in the end.
    await release();
    for (const { status } of await Promise.all(beats)) assert.equal(status, 200);
  });
}

test("the gate, heartbeats and log-outs in line wait once, together, and are never given up", async () => {
  const { serve, visitors, files } = await withVisitors(4);
  const { release } = await locked(files[0] ?? "");
  const began = performance.now();
  const [leaving, ...writers] = visitors;
  const comers = ["ann@example.com", "bob@example.com"].map((email) =>
    new Visitor(serve.url).send("/api/verify-temp-access", { json: { email } }),
  );
  const out = leaving?.send("/api/logout", { json: { reason: "logout" } });
  const beats = writers.map(beat);
  for (const { status } of await Promise.all(comers)) assert.equal(status, 503);
  for (const { status } of await Promise.all(beats)) assert.equal(status, 200);
  assert.equal((await out)?.status, 204);
  const ms = performance.now() - began;
  assert.ok(ms < PATIENCE_MS, `${ms} ms`);
  await release();
  const isOut = async () => (await serve.rows()).some(({ endReason }) => endReason === "logout");
  await until("the log-out in the table", isOut, 30_000);
});

test("SIGTERM ends it within five seconds, and what was in line waits in the queue", async () => {
  const { serve, visitors, files } = await withVisitors(4);
  const { release } = await locked(files[0] ?? "");
  const [leaving, ...writers] = visitors;
  const answers = [
    ...writers.map(beat),
    leaving?.send("/api/logout", { json: { reason: "logout" } }) ?? assert.fail(),
  ];
  // All of them are there when pages that came after them are answered.
  await fastest(() => writers[0]?.send(PAGE, { headers: NAVIGATION }) ?? assert.fail());
  const { code, ms } = await terminated(serve);
  assert.equal(code, 0);
  assert.ok(ms < 5000, `after ${ms} ms`);
  assert.deepEqual(
    (await Promise.all(answers)).map(({ status }) => status),
    [200, 200, 200, 204],
  );
  await release();
  await serve.resume();
  assert.match(serve.log, /4 sessions wait in .*queue\.db to be written/);
  const isOut = async () => (await serve.rows()).some(({ endReason }) => endReason === "logout");
  await until("the log-out in the table", isOut, 30_000);
});

test("SIGTERM ends it within five seconds though the queue's file is locked as well", async () => {
  const { serve, visitors, files } = await withVisitors(3);
  for (const file of files) await locked(file);
  const answers = visitors.map(beat);
  await fastest(() => visitors[0]?.send(PAGE, { headers: NAVIGATION }) ?? assert.fail());
  const { code, ms } = await terminated(serve);
  assert.equal(code, 0);
  assert.ok(ms < 5000, `after ${ms} ms`);
  // Kept nowhere, which the page is told, so that it sends its figures again.
  for (const { status } of await Promise.all(answers)) assert.equal(status, 503);
});

/** @param {Serve} serve */
async function terminated(serve) {
  const asked = performance.now();
  serve.running?.child.kill("SIGTERM");
  const code = await serve.running?.ended;
  return { code, ms: performance.now() - asked };
}
