/**
 * `lastseen serve` on SQLite with as many visitors as one machine is meant for, and with more. On 127.0.0.1 only,
 * within a minute. Times are told and not judged: they are the machine's.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { NAVIGATION, someone } from "../attacks/target.mjs";
import { Visitor } from "../harness/http.mjs";
import { environment, Running, root } from "../harness/process.mjs";
import { binary, Serve } from "../harness/serve.mjs";
import { evenly, quantile, sendAll } from "./browsers.mjs";
import { activeAfter, assertAsSent, heartbeat, SESSION_KEYS, settle } from "./population.mjs";

/** @typedef {import("./browsers.mjs").Reply} Reply */

const BROWSERS = 10_000;
/** Each is heard of once in it: nine times as often as a page's own interval has it. */
const WITHIN_MS = 20_000;
/** Fewer than the store takes, so that a machine with much else to do takes longer instead of shedding. */
const AT_ONCE = 50;
/** What the process may grow by after the first quarter, for good. */
const GROWTH_MB = 8;

const TOO_MANY = 3000;
const TOO_MANY_WITHIN_MS = 3000;
/** Where the server may open no more files, it takes 400 connections. */
const FILES = 1024;
/** More than those at once; the others wait in the system's queue. */
const TOO_MANY_AT_ONCE = 500;
/** More than those 400, and less than half of what it takes where it may open more. */
const CONNECTED = 1500;
/** Where Retry-After of what is shed lies. */
const RETRY_AFTER = { from: 5, to: 20 };
const COMERS = 4;
const PAGE = "/portfolio/confidential/";

/** Holds SQLite's write lock most of the time, as a backup or an import would, until its input ends. */
const HOLD_THE_LOCK = `
import sqlite3, sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
while not over.is_set():
    db.execute("BEGIN IMMEDIATE")
    over.wait(0.4)
    db.execute("COMMIT")
    over.wait(0.15)
`;

test("10,000 browsers are heard of without an error, in memory that stays as it is", async () => {
  // With few connections to keep, how many are kept soon stays the same.
  const serve = await startWithFewFiles();
  try {
    const inside = settle(join(serve.home, "lastseen.db"), BROWSERS);
    const requests = inside.map((visit, at) => heartbeat(serve.url, visit, activeAfter(at)));
    const part = (/** @type {number} */ from, /** @type {number} */ to) =>
      sendAll({
        url: serve.url,
        requests: requests.slice(from, to),
        startsMs: evenly(to - from, (WITHIN_MS * (to - from)) / BROWSERS),
        atOnce: AT_ONCE,
      });
    const began = performance.now();
    const first = part(0, BROWSERS / 4);
    const all = first.then(async (replies) => {
      const before = memoryMb(serve);
      const others = await part(BROWSERS / 4, BROWSERS);
      return { replies: [...replies, ...others], before, after: memoryMb(serve) };
    });
    const coming = comeAndGo(serve.url, all);
    const { replies, before, after } = await all;
    const seconds = (performance.now() - began) / 1000;
    const visits = await coming;

    assertAll(replies, [200]);
    const rows = await serve.rows();
    assertAsSent(inside, activeAfter, rows);
    assertLoggedOut(rows, BROWSERS, visits.length);
    assert.ok(visits.length > 0, "nobody came in meanwhile");
    assert.doesNotMatch(serve.log, /ERROR|INFO +5\d\d /);
    console.log(`${BROWSERS} browsers in ${seconds.toFixed()} s`);
    tell("their heartbeats", replies);
    tell("whole visits meanwhile, from the gate to the log-out", visits);
    console.log(
      `memory: ${before.toFixed(1)} MB after a quarter, ${after.toFixed(1)} MB at the end`,
    );
    assert.ok(after - before < GROWTH_MB, `${(after - before).toFixed(1)} MB more`);
  } finally {
    await serve.stop();
  }
});

test("as many are connected at once as the system allows files for", async (context) => {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const [, files] = /^Max open files +\d+ +(\d+)/m.exec(limits) ?? [];
  if (Number(files) < 5 * CONNECTED) {
    context.skip(`a process may open only ${files} files here`);
    return;
  }
  const serve = await Serve.start();
  const { hostname, port } = new URL(serve.url);
  const sockets = Array.from({ length: CONNECTED }, () => connect(Number(port), hostname));
  try {
    for (const socket of sockets) socket.write("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const answers = await Promise.all(sockets.map((socket) => once(socket, "data")));
    const parted = answers.filter((answer) => /^connection: close/im.test(String(answer)));
    assert.equal(parted.length, 0, `${parted.length} of ${CONNECTED} were not kept`);
  } finally {
    for (const socket of sockets) socket.destroy();
    await serve.stop();
  }
});

test("more heartbeats than the store takes are shed, and never the gate, a page or a log-out", async () => {
  const serve = await startWithFewFiles();
  try {
    const database = join(serve.home, "lastseen.db");
    const inside = settle(database, TOO_MANY);
    const lock = holdTheLock(database);
    const sending = sendAll({
      url: serve.url,
      // What is kept would take the room of those who wait.
      requests: inside.map((visit, at) => heartbeat(serve.url, visit, activeAfter(at), "close")),
      startsMs: evenly(TOO_MANY, TOO_MANY_WITHIN_MS),
      atOnce: TOO_MANY_AT_ONCE,
    });
    const coming = comeAndGo(serve.url, sending);
    const replies = await sending;
    const visits = await coming;
    await lock.release();

    assertAll(replies, [200, 503]);
    const shed = replies.filter(({ status }) => status === 503);
    const waits = shed.map(({ retryAfter }) => Number(retryAfter));
    assert.ok(shed.length > TOO_MANY / 10, `only ${shed.length} were shed`);
    assert.ok(shed.length < TOO_MANY, "nobody was heard of");
    assert.ok(
      waits.every((wait) => wait >= RETRY_AFTER.from && wait <= RETRY_AFTER.to),
      `${waits}`,
    );
    assert.ok(new Set(waits).size > 10, "they would come back together");
    assert.ok(visits.length >= COMERS, "nobody came in meanwhile");
    tell(`heartbeats of ${TOO_MANY} browsers, ${shed.length} of them shed`, replies);
    tell("whole visits meanwhile, from the gate to the log-out", visits);

    // With the cookies they were given, and with what has come to pass since.
    for (const [number, visit] of inside.entries()) {
      const { status, cookie } = replies[number] ?? {};
      // Within one second it says the same as before.
      assert.ok(cookie, `no cookie with ${status}`);
      visit.cookie = cookie;
    }
    const later = (/** @type {number} */ number) => activeAfter(number, 1);
    const again = await sendAll({
      url: serve.url,
      requests: inside.map((visit, number) => heartbeat(serve.url, visit, later(number))),
      startsMs: evenly(TOO_MANY, 2 * TOO_MANY_WITHIN_MS),
      atOnce: AT_ONCE,
    });
    assertAll(again, [200]);
    const rows = await serve.rows();
    assertAsSent(inside, later, rows);
    assertLoggedOut(rows, TOO_MANY, visits.length);
  } finally {
    await serve.stop();
  }
});

/**
 * Visitors who come in, open a page and log out, one after the other, for as long as something lasts.
 * Resolves to the milliseconds that each visit took.
 *
 * @param {string} url
 * @param {Promise<unknown>} whileThis
 */
async function comeAndGo(url, whileThis) {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  whileThis.then(over, over);
  /** @type {{ ms: number }[]} */
  const visits = [];
  const comers = Array.from({ length: COMERS }, async () => {
    while (!isOver) {
      const began = performance.now();
      const visitor = new Visitor(url);
      await visitor.enter(someone());
      const page = await visitor.send(PAGE, { headers: NAVIGATION });
      assert.equal(page.status, 200, `the page: ${page.status} ${page.headers.location}`);
      const out = await visitor.send("/api/logout", { json: { reason: "logout" } });
      assert.equal(out.status, 204, out.text);
      assert.equal(visitor.cookies.size, 0, "still logged in");
      visits.push({ ms: performance.now() - began });
      await sleep(250);
    }
  });
  await Promise.all(comers);
  return visits;
}

/** @param {Reply[]} replies @param {number[]} statuses */
function assertAll(replies, statuses) {
  const others = replies.filter(({ status }) => !statuses.includes(status));
  assert.equal(
    others.length,
    0,
    `${others.length} others, such as ${others[0]?.status}: ${others[0]?.text}`,
  );
}

/**
 * Whoever came and went is in the table so: a log-out is answered alike whether it was written or not.
 *
 * @param {import("../harness/row.mjs").Row[]} rows
 * @param {number} inside how many have not gone
 * @param {number} visits
 */
function assertLoggedOut(rows, inside, visits) {
  assert.equal(rows.filter(({ endReason }) => endReason === "logout").length, visits);
  assert.equal(rows.length, inside + visits);
}

/** A server that may open no more files than many systems allow. */
async function startWithFewFiles() {
  const home = await mkdtemp(join(tmpdir(), "lastseen-load-"));
  const env = environment({
    PORT: "0",
    DATABASE_PATH: join(home, "lastseen.db"),
    STATIC_DIR: join(root, "static"),
    FLOOD_LIMITS: "off",
    SESSION_KEYS,
  });
  const serve = new Serve(home, env);
  // Both limits: it would raise the lower one.
  const command = ["-c", 'ulimit -n "$1" && exec "$0" serve', binary, String(FILES)];
  try {
    serve.running = new Running("sh", command, { env, cwd: home });
    const [, url] = await serve.running.prints(/listening on (http:\S+:\d+)/, 20_000);
    serve.url = url ?? "";
    return serve;
  } catch (error) {
    await serve.stop();
    throw error;
  }
}

/** @param {string} database */
function holdTheLock(database) {
  const holder = spawn("python3", ["-c", HOLD_THE_LOCK, database], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const ended = new Promise((resolve) => holder.once("exit", resolve));
  return {
    async release() {
      holder.stdin.end();
      assert.equal(await ended, 0, "the lock was not held");
    },
  };
}

/** Resident memory. @param {Serve} serve */
function memoryMb({ running }) {
  const status = readFileSync(`/proc/${running?.child.pid}/status`, "utf8");
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

/** @param {string} what @param {{ ms: number }[]} all */
function tell(what, all) {
  const ms = all.map(({ ms }) => ms);
  const [half, most] = [0.5, 0.99].map((share) => quantile(ms, share).toFixed(1));
  console.log(`${what}: p50 ${half} ms, p99 ${most} ms (${ms.length})`);
}
