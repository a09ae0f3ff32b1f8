/**
 * Batched mode in front of a real NocoDB: with how many visitors at a time every row is still written in its turn.
 * By a clock that runs faster: heartbeats, and the turns of rows, come so many times as often as they would.
 */
import { join } from "node:path";
import { NocoTable } from "../tests/harness/nocodb.mjs";
import { Running, until } from "../tests/harness/process.mjs";
import { evenly, sendAll } from "../tests/load/browsers.mjs";
import { heartbeat } from "../tests/load/population.mjs";
import { Counted } from "./counted.mjs";
import { Connection, wire } from "./measure.mjs";
import { add } from "./report.mjs";
import {
  cookies,
  HEARTBEAT,
  home,
  JSON_TYPE,
  PAGE,
  SESSION_KEYS,
  startRival,
  startServe,
} from "./servers.mjs";

/** As pages have it, and as the owner of a site with many visitors might. */
const [HEARTBEAT_SECONDS, WRITE_EVERY_SECONDS] = [180, 300];
const TIMES_AS_FAST = 30;
const BEAT_MS = (HEARTBEAT_SECONDS * 1000) / TIMES_AS_FAST;
const TURN_SECONDS = WRITE_EVERY_SECONDS / TIMES_AS_FAST;
/** Of each visitor in a step: more than three turns. */
const BEATS = 6;

/** More in a turn than a NocoDB on two cores takes. */
const MOST_VISITORS = 15_000;
/** What is tried, of what was written last, when that was all it could. */
const LESS = 0.7;
const MOST_STEPS = 3;
/** How much of a turn may be due and not written yet, at any moment. */
const BACKLOG = 0.5;
const ROWS_AT_ONCE = 500;

const RIVAL = "Node server, one PATCH for each";
const RIVALS_CONNECTIONS = 16;
const RIVALS_MS = 6000;

/** How many wait in the queue, and how many of them are due. */
const WATCH = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=30)
while True:
    select = "SELECT count(*), count(CASE WHEN due <= ? THEN 1 END) FROM queue"
    print(*db.execute(select, [time.time()]).fetchone(), flush=True)
    time.sleep(0.25)
`;

/** Of a visit nothing else is asked. @typedef {import("../tests/load/population.mjs").Inside} Inside */

export async function batched() {
  console.error("  batched mode");
  const table = await NocoTable.create();
  const counted = await Counted.start(table.settings.NOCODB_URL);
  const settings = { ...table.settings, NOCODB_URL: counted.url };
  const inside = await settle(table, MOST_VISITORS);
  const rival = await rivalsRate(settings, inside);
  const serve = await startServe({
    ...settings,
    SESSION_KEYS,
    DATABASE_PATH: join(home, "batched", "lastseen.db"),
    WRITE_EVERY_SECONDS: String(TURN_SECONDS),
    // NocoDB itself is what limits it.
    WRITE_REQUESTS_PER_SECOND: "1000",
  });
  const queue = new Queue(join(home, "batched", "queue.db"));

  let active = 1;
  counted.requests = [];
  await sendAll({ url: serve.url, ...crowd(serve.url, inside, 1, active) });
  await queue.isEmpty(60_000);
  let most = pace(counted);
  console.error(`    ${inside.length} rows at once: ${most.toFixed()} per second`);
  for (let step = 1; ; step += 1) {
    const rate = most * LESS;
    const some = inside.slice(0, Math.floor(rate * TURN_SECONDS));
    counted.requests = [];
    queue.mostDue = 0;
    const began = performance.now();
    await sendAll({ url: serve.url, ...crowd(serve.url, some, BEATS, active + 1) });
    active += BEATS;
    const sending = (performance.now() - began) / 1000;
    await queue.isEmpty(60_000);
    const isInTime = queue.mostDue <= BACKLOG * some.length;
    console.error(
      `    ${some.length} visitors, ${rate.toFixed()} rows/s: at most ${queue.mostDue} due`,
    );
    if (isInTime) {
      figures(counted, some.length, sending, rival);
      await written(table, some, active);
      break;
    }
    most = Math.min(rate, pace(counted));
    if (step === MOST_STEPS) throw new Error(`not even ${some.length} visitors are in time`);
  }
  await queue.stop();
  await serve.stop();
  counted.stop();
}

/**
 * @param {Counted} counted
 * @param {number} visitors
 * @param {number} seconds
 * @param {number} rival
 */
function figures({ requests }, visitors, seconds, rival) {
  const end = (requests[0]?.at ?? 0) + seconds * 1000;
  const meanwhile = requests.filter(({ at }) => at < end).length / seconds;
  const rows = visitors / TURN_SECONDS;
  const heartbeats = visitors * BEATS;
  const most = rows * WRITE_EVERY_SECONDS;
  const clock = `${TIMES_AS_FAST} times as fast`;
  add("rows written to NocoDB in batched mode, in time", "per second", [rows], RIVAL, [rival]);
  add("requests to NocoDB for that", "per second", [meanwhile], RIVAL, [rival]);
  add("requests to NocoDB per heartbeat then", "count", [requests.length / heartbeats], RIVAL, [1]);
  add(`visitors at a time, by a clock ${clock}`, "visitors", [most], RIVAL, [
    rival * HEARTBEAT_SECONDS,
  ]);
}

/** Rows per second, from the first to the last. @param {Counted} counted */
function pace({ requests }) {
  const writes = requests.filter(({ rows }) => rows > 0);
  const [first, last] = [writes.at(0), writes.at(-1)];
  if (!first || !last) throw new Error("nothing was written");
  const rows = writes.reduce((sum, write) => sum + write.rows, -last.rows);
  return rows / ((last.at - first.at) / 1000);
}

/**
 * Visitors who are inside already.
 *
 * @param {NocoTable} table
 * @param {number} count
 * @returns {Promise<Inside[]>}
 */
async function settle(table, count) {
  const now = Math.floor(Date.now() / 1000);
  const start = now - 600;
  const time = new Date(start * 1000).toISOString();
  const { NOCODB_URL, NOCODB_API_TOKEN, NOCODB_TABLE_ID } = table.settings;
  /** @type {Inside[]} */
  const inside = [];
  while (inside.length < count) {
    const some = Array.from({ length: ROWS_AT_ONCE }, (_, number) => ({
      emailOfAccessor: `visitor-${inside.length + number}@example.com`,
      sessionStartTime: time,
      sessionEndTime: time,
    }));
    const answer = await fetch(`${NOCODB_URL}/api/v2/tables/${NOCODB_TABLE_ID}/records`, {
      method: "POST",
      headers: { "xc-token": NOCODB_API_TOKEN, ...JSON_TYPE },
      body: JSON.stringify(some),
    });
    if (!answer.ok) throw new Error(await answer.text());
    /** @type {{ Id: number }[]} */
    const ids = await answer.json();
    for (const { Id } of ids) {
      const { lastseen } = cookies(String(Id), start, now);
      inside.push(/** @type {Inside} */ ({ id: String(Id), cookie: `lastseen=${lastseen}` }));
    }
  }
  return inside;
}

/**
 * Everybody's heartbeats, each after the same time.
 *
 * @param {string} url
 * @param {Inside[]} inside
 * @param {number} beats
 * @param {number} active seconds, at the first
 */
function crowd(url, inside, beats, active) {
  const rounds = Array.from({ length: beats }, (_, round) => round);
  return {
    requests: rounds.flatMap((round) => inside.map((one) => heartbeat(url, one, active + round))),
    startsMs: evenly(inside.length * beats, beats * BEAT_MS),
    connections: 100,
  };
}

/** Writes per second, with as many at once as suits it. @param {NodeJS.ProcessEnv} settings @param {Inside[]} inside */
async function rivalsRate(settings, inside) {
  const node = await startRival(settings);
  const begun = performance.now();
  const counts = inside.slice(0, RIVALS_CONNECTIONS).map(async ({ id }) => {
    const to = new Connection(node.url);
    const request = wire(`POST ${HEARTBEAT}`, { cookie: `session_record_id=${id}` });
    let count = 0;
    for (; performance.now() - begun < RIVALS_MS; count += 1) await to.send(request);
    return count;
  });
  const count = (await Promise.all(counts)).reduce((sum, one) => sum + one);
  const rate = (count / (performance.now() - begun)) * 1000;
  await node.stop();
  return rate;
}

/** Every row says what its visitor's last heartbeat said. @param {NocoTable} table @param {Inside[]} inside @param {number} active */
async function written(table, inside, active) {
  const rows = new Map((await table.rows()).map((row) => [row.id, row]));
  const wrong = inside.find(({ id }) => {
    const row = rows.get(id);
    return row?.activeSeconds !== active || row.currentPage !== PAGE;
  });
  if (wrong) throw new Error(`not written: ${JSON.stringify(rows.get(wrong.id))}`);
}

/** The queue of a server, watched. */
class Queue {
  mostDue = 0;
  #waiting = Number.NaN;
  #read = 0;
  /** @param {string} database */
  constructor(database) {
    this.running = new Running("python3", ["-c", WATCH, database]);
    this.running.child.stdout.on("data", () => this.#lines());
  }

  /** Once all that has come in was written. @param {number} withinMs */
  async isEmpty(withinMs) {
    // Not by what was seen before.
    this.#waiting = Number.NaN;
    const isEmpty = () => {
      if (!this.running.isRunning) throw new Error(this.running.log);
      return this.#waiting === 0;
    };
    await until("empty queue", isEmpty, withinMs);
  }

  async stop() {
    await this.running.stop({ signal: "SIGTERM" });
  }

  #lines() {
    const lines = this.running.log.split("\n").slice(0, -1);
    for (const line of lines.slice(this.#read)) {
      const [waiting = Number.NaN, due = Number.NaN] = line.split(" ").map(Number);
      this.#waiting = waiting;
      this.mostDue = Math.max(this.mostDue, due);
    }
    this.#read = lines.length;
  }
}
