/** How many heartbeats a server takes, and what becomes of it under many browsers. */
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../tests/harness/process.mjs";
import { evenly, quantile, sendAll } from "../tests/load/browsers.mjs";
import { activeAfter, heartbeat, SESSION_KEYS, settle } from "../tests/load/population.mjs";
import { memoryMb } from "./measure.mjs";
import { add } from "./report.mjs";

const BROWSERS = [100, 1000, 10_000];
/** Each browser sends once in it: 45 times as often as a page's own interval has it. */
const WITHIN_MS = 4000;
/** Fewer than the store takes: where they fall behind, they wait, which counts. */
const AT_ONCE = 200;

/** Heartbeats per second: until one in a hundred takes longer than that. */
const LIMIT_MS = 50;
const LOWEST_RATE = 500;
const STEP = 1.4;
/** A rate is too high where it was too high so many times: a machine has other things to do, too. */
const TRIES = 2;
const STEP_MS = 1000;
const CONNECTIONS = 100;
/** More than that and it would not end within its time. */
const MOST_STEPS = 13;

const RIVAL = "Node server on SQLite";

/** @typedef {{ url: string, pid: number, stop: () => Promise<unknown> }} Server */
/** @typedef {(settings: NodeJS.ProcessEnv) => Promise<Server>} Start */

const MAKE_ROWS = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
db.executemany("INSERT OR IGNORE INTO emailAccess (id) VALUES (?)", ((id,) for id in range(1, int(sys.argv[2]) + 1)))
db.commit()
`;
const COUNT_SEEN = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
print(db.execute("SELECT count(*) FROM emailAccess WHERE id <= ? AND " + sys.argv[3], [sys.argv[2]]).fetchone()[0])
`;

/**
 * @param {string} home
 * @param {Start} startServe
 * @param {Start} startRival
 */
export async function load(home, startServe, startRival) {
  console.error("  many browsers");
  const most = Math.max(...BROWSERS);
  const [ours, theirs] = [join(home, "load.db"), join(home, "load-rival.db")];
  const nodeModules = execFileSync(join(root, "tests/nocodb/install"), { encoding: "utf8" }).trim();
  const settings = { DATABASE_PATH: theirs, NODE_MODULES_IN: nodeModules };
  const start = [
    () => startServe({ DATABASE_PATH: ours, SESSION_KEYS }),
    () => startRival(settings),
  ];
  const servers = await Promise.all(start.map((start) => start()));
  const inside = settle(ours, most);
  python(MAKE_ROWS, theirs, String(most));

  // From few to many, so that memory is what so many take.
  for (const count of BROWSERS) {
    const sides = [];
    for (const { url, pid } of servers) {
      const some = inside.slice(0, count);
      const requests = some.map((visit, number) => heartbeat(url, visit, activeAfter(number)));
      const replies = await sendAll({
        url,
        requests,
        startsMs: evenly(count, WITHIN_MS),
        atOnce: AT_ONCE,
      });
      const refused = replies.find(({ status }) => status !== 200);
      if (refused) throw new Error(`${refused.status}: ${refused.text}`);
      sides.push({ ms: replies.map(({ ms }) => ms), memory: memoryMb(pid) });
    }
    const [us, them] = sides;
    if (!us || !them) return;
    const figure = `heartbeat among ${count.toLocaleString("en")} browsers, each once in ${WITHIN_MS / 1000} s`;
    add(figure, "ms", us.ms, RIVAL, them.ms);
    add(`${figure}, p99`, "ms", us.ms, RIVAL, them.ms, 0.99);
    add(
      `memory of the server after ${count.toLocaleString("en")} browsers`,
      "MB",
      [us.memory],
      RIVAL,
      [them.memory],
    );
  }
  allSeen(ours, most, "sessionEndTime > sessionStartTime AND activeSeconds > 0");
  allSeen(theirs, most, "sessionEndTime IS NOT NULL");

  const rates = [];
  for (const { url } of servers) rates.push(await highestRate(url, inside));
  const [rate = 0, rivalsRate = 0] = rates;
  const figure = `heartbeats on SQLite at a p99 below ${LIMIT_MS} ms, open loop`;
  // A ratio of nothing says nothing.
  if (rate > 0 && rivalsRate > 0) add(figure, "per second", [rate], RIVAL, [rivalsRate]);
  else console.error(`    the machine is too busy for ${LOWEST_RATE} heartbeats per second`);
  await Promise.all(servers.map((server) => server.stop()));
}

/**
 * The highest rate of arrivals, whether those before have been answered or not, at which all are answered and 99 of
 * 100 in time.
 *
 * @param {string} url
 * @param {import("../tests/load/population.mjs").Inside[]} inside
 */
async function highestRate(url, inside) {
  const kept = inside.slice(0, CONNECTIONS);
  const beats = kept.map((visit, number) => heartbeat(url, visit, activeAfter(number)));
  let [highest, rate, failures] = [0, LOWEST_RATE, 0];
  for (let step = 0; step < MOST_STEPS && failures < TRIES; step += 1) {
    const count = Math.round((rate * STEP_MS) / 1000);
    const replies = await sendAll({
      url,
      requests: Array.from({ length: count }, (_, number) => beats[number % beats.length] ?? ""),
      startsMs: evenly(count, STEP_MS),
      connections: CONNECTIONS,
    });
    const times = replies.map(({ ms }) => ms);
    const isAnswered = replies.every(({ status }) => status === 200);
    if (isAnswered && quantile(times, 0.99) < LIMIT_MS) {
      [highest, rate, failures] = [rate, rate * STEP, 0];
    } else failures += 1;
  }
  return highest;
}

/** What was timed was also written. @param {string} database @param {number} count @param {string} condition */
function allSeen(database, count, condition) {
  const seen = Number(python(COUNT_SEEN, database, String(count), condition));
  if (seen !== count) throw new Error(`${database}: ${count - seen} of ${count} were not written`);
}

/** @param {string} program @param {string[]} args */
function python(program, ...args) {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  return stdout;
}
