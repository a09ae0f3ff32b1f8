// Measures lastseen beside its rivals and prints one table: `make bench`.
//
// The sides of a row take turns, so that whatever else the machine does hits them alike. It talks to
// 127.0.0.1 only and ends within five minutes, come what may.
//
//     tests/nocodb/with-server node benches/bench.mjs            (writes docs/performance.md)
//     tests/nocodb/with-server node benches/bench.mjs debug      (debug builds; writes nothing)

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, gzipSync } from "node:zlib";
import { send, Visitor } from "../tests/harness/http.mjs";
import { NocoTable } from "../tests/harness/nocodb.mjs";
import { environment, freePort, Running, root, until } from "../tests/harness/process.mjs";
import { event } from "../tests/lambda/runtime.mjs";
import { Connection, cpuMs, memoryMb, wire } from "./measure.mjs";
import { add, table, write } from "./report.mjs";
import { reports } from "./reports.mjs";

const COLD_STARTS = 101;
const ROUNDS = 1000;
const WARM_UP_ROUNDS = 40;
const CONNECTIONS = 10;
const SLICES = 5;
const SLICE_MS = 1000;
const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";
const JSON_TYPE = { "content-type": "application/json" };
const NOCODB = "NocoDB";
const BARE = "Rust function that does nothing";
/** What each function answers first, without asking the store. */
const STARTS = [
  { name: "floor", status: 200, event: event(HEARTBEAT) },
  { name: "heartbeat", status: 200, event: event(HEARTBEAT) },
  { name: "verify-access", status: 400, event: post("/api/verify-temp-access", '{"email":""}') },
  { name: "logout", status: 204, event: post("/api/logout", "{}") },
];

const profile = process.argv[2] === "debug" ? "debug" : "release";
const built = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), profile);
const home = mkdtempSync(join(tmpdir(), "lastseen-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
setTimeout(() => {
  console.error("error: not done within five minutes");
  process.exit(1);
}, 300_000).unref();

const nocoTable = await NocoTable.create();
const nocodb = nocoTable.settings;
const { NOCODB_URL, ...withoutUrl } = nocodb;
await coldStarts(NOCODB, nocodb);
await coldStarts("a store that answers at once", withoutUrl);
await heartbeatsOnNocodb();
await heartbeatsOnSqlite();
await reports(home, startServe);
sizes();
console.log(`\n${table()}\n`);
if (profile === "release") write();
process.exit(0);

/**
 * From spawning a function to its first answer, the connection to the store included.
 *
 * @param {string} store
 * @param {NodeJS.ProcessEnv} settings
 */
async function coldStarts(store, settings) {
  console.error(`  cold starts beside ${store}`);
  const programs = STARTS.flatMap(({ name, event }) => [join(built, name), JSON.stringify(event)]);
  const running = new Running(join(built, "cold-start"), [String(COLD_STARTS), ...programs], {
    env: environment({
      SITE_AUDIENCE: "www.example.com",
      SESSION_KEYS: `bench:${randomBytes(32).toString("base64")}`,
      ...settings,
    }),
  });
  if ((await running.ended) !== 0) throw new Error(running.log);
  const lines = running.log.trimEnd().split("\n");
  const [floor, ...functions] = STARTS.map(({ name, status }, number) => {
    const own = lines.map((line) => line.split("\t")).filter((line) => Number(line[0]) === number);
    const wrong = own.find(([, , , answer]) => JSON.parse(answer ?? "").statusCode !== status);
    if (wrong) throw new Error(`${name} answered ${wrong}`);
    return { name, ms: own.map(([, us]) => Number(us) / 1e3), mb: own.map(megabytes) };
  });
  for (const { name, ms } of functions) {
    add(`cold start of ${name}, beside ${store}`, "ms", ms, BARE, floor?.ms);
  }
  // Its peak, which is the same beside any store.
  if (store === NOCODB)
    add("memory of heartbeat then", "MB", functions[0]?.mb ?? [], BARE, floor?.mb);
}

/** One heartbeat after the other, each on a connection that is open already. */
async function heartbeatsOnNocodb() {
  console.error("  heartbeats on NocoDB");
  const [serve, node] = [await startServe(nocodb), await startRival(nocodb)];
  const [one, two, three] = await visitors(serve.url, 3);
  if (!one || !two || !three) return;
  const records = `/api/v3/data/${nocodb.NOCODB_BASE_ID}/${nocodb.NOCODB_TABLE_ID}/records`;
  const token = { "xc-token": nocodb.NOCODB_API_TOKEN, ...JSON_TYPE };
  const patch = () => {
    const fields = { sessionEndTime: new Date().toISOString() };
    return wire(`PATCH ${records}`, token, JSON.stringify({ id: Number(three.id), fields }));
  };
  const heartbeat = (/** @type {{ cookie: string }} */ { cookie }) =>
    wire(`POST ${HEARTBEAT}`, { cookie });
  const ours = side(serve.url, () => heartbeat(one));
  const theirs = side(node.url, () => heartbeat(two));
  const raw = side(NOCODB_URL, patch);
  const sides = [ours, theirs, raw];
  let cpu = [0, 0];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    if (round === WARM_UP_ROUNDS) {
      for (const { ms } of sides) ms.length = 0;
      cpu = [cpuMs(serve.pid), cpuMs(node.pid)];
    }
    for (let turn = 0; turn < sides.length; turn += 1) {
      const { ms, to, request } = sides[(round + turn) % sides.length] ?? ours;
      ms.push(await to.send(request()));
    }
  }
  const [ourCpu = 0, theirCpu = 0] = [serve, node].map(
    ({ pid }, index) => (cpuMs(pid) - (cpu[index] ?? 0)) / ROUNDS,
  );
  allSeen(await nocoTable.rows());
  const added = (/** @type {{ ms: number[] }} */ { ms }) =>
    ms.map((time, round) => time - (raw.ms[round] ?? 0));

  const rival = "Node server";
  add("heartbeat on NocoDB", "ms", ours.ms, "that PATCH alone", raw.ms);
  add("heartbeat on NocoDB", "ms", ours.ms, rival, theirs.ms);
  add("heartbeat on NocoDB, p99", "ms", ours.ms, "that PATCH alone", raw.ms, 0.99);
  add("heartbeat on NocoDB, p99", "ms", ours.ms, rival, theirs.ms, 0.99);
  add("what it adds to that PATCH", "ms", added(ours), rival, added(theirs));
  add("CPU time of it, without NocoDB's", "ms", [ourCpu], rival, [theirCpu]);
  await Promise.all([serve.stop(), node.stop()]);
}

/** As many heartbeats as a few connections carry that wait for nothing but the last answer. */
async function heartbeatsOnSqlite() {
  console.error("  heartbeats on SQLite");
  const nodeModules = execFileSync(join(root, "tests/nocodb/install"), { encoding: "utf8" }).trim();
  const servers = [
    await startServe({ DATABASE_PATH: join(home, "lastseen.db") }),
    await startRival({ DATABASE_PATH: join(home, "rival.db"), NODE_MODULES_IN: nodeModules }),
    await startRival({}),
  ];
  const requests = (await visitors(servers[0]?.url ?? "", CONNECTIONS)).map(({ cookie, id }) => {
    const pages = { [PAGE]: { seconds: 0, scroll: 85 } };
    const seen = { activeSeconds: 0, inactiveSeconds: 0, seenSecondsAgo: 0 };
    const snapshot = JSON.stringify({ session: id, ...seen, page: PAGE, pages, leaving: false });
    return wire(`POST ${HEARTBEAT}`, { cookie, ...JSON_TYPE }, snapshot);
  });
  const sides = servers.map(({ url, pid }) => ({
    pid,
    before: memoryMb(pid),
    connections: requests.map((request) => side(url, () => request)),
    /** @type {number[]} */ rates: [],
    /** @type {number[]} */ cpu: [],
  }));
  // The first slice warms up.
  for (let slice = 0; slice <= SLICES; slice += 1) {
    for (const { pid, connections, rates, cpu } of sides) {
      if (slice === 1) for (const { ms } of connections) ms.length = 0;
      const [begun, cpuBefore] = [performance.now(), cpuMs(pid)];
      const counts = connections.map(async ({ ms, to, request }) => {
        const before = ms.length;
        while (performance.now() - begun < SLICE_MS) ms.push(await to.send(request()));
        return ms.length - before;
      });
      const count = (await Promise.all(counts)).reduce((sum, one) => sum + one);
      if (slice === 0) continue;
      rates.push((count / (performance.now() - begun)) * 1e3);
      cpu.push((cpuMs(pid) - cpuBefore) / count);
    }
  }
  const [ours, theirs, nothing] = sides.map((side) => ({
    ...side,
    after: memoryMb(side.pid),
    ms: side.connections.flatMap(({ ms }) => ms),
  }));
  if (!ours || !theirs || !nothing) return;
  const [rival, idle] = ["Node server on SQLite", "Node server that stores nothing"];
  const env = environment({ DATABASE_PATH: join(home, "lastseen.db") });
  allSeen(
    JSON.parse(
      execFileSync(join(built, "lastseen"), ["sessions", "--json"], { env, encoding: "utf8" }),
    ),
  );
  const figure = `heartbeats on SQLite, ${CONNECTIONS} connections`;
  add(figure, "per second", ours.rates, rival, theirs.rates);
  add(figure, "per second", ours.rates, idle, nothing.rates);
  add(`${figure}, p99`, "ms", ours.ms, rival, theirs.ms, 0.99);
  add("CPU time of one of them", "ms", ours.cpu, rival, theirs.cpu);
  add("memory of the server before them", "MB", [ours.before], rival, [theirs.before]);
  add("memory of the server after them", "MB", [ours.after], rival, [theirs.after]);
  await Promise.all(servers.map((server) => server.stop()));
}

function sizes() {
  const kb = (/** @type {Buffer} */ bytes) => [bytes.length / 1e3];
  // A zip holds little else.
  const zip = (/** @type {Buffer} */ bytes) => kb(deflateRawSync(bytes, { level: 9 }));
  const floor = readFileSync(join(built, "floor"));
  for (const { name } of STARTS.slice(1)) {
    const program = readFileSync(join(built, name));
    add(`${name}, the program`, "kB", kb(program), BARE, kb(floor));
    add(`${name}, zipped`, "kB", zip(program), BARE, zip(floor));
  }
  const script = readFileSync(join(root, "static/lastseen.js"));
  add("lastseen.js as it is", "kB", kb(script));
  add("lastseen.js, gzipped", "kB", kb(gzipSync(script, { level: 9 })));
}

/**
 * What was timed was also written.
 *
 * @param {{ emailOfAccessor: string, sessionStartTime: string, sessionEndTime: string }[]} rows
 */
function allSeen(rows) {
  const unseen = rows.find((row) => !(row.sessionEndTime > row.sessionStartTime));
  if (unseen || rows.length === 0) throw new Error(`not written: ${JSON.stringify(unseen)}`);
}

/** @param {string} path @param {string} body */
function post(path, body) {
  return event(path, { headers: { ...JSON_TYPE }, body });
}

/** @param {string[]} line of cold-start */
function megabytes(line) {
  return (Number(line[2]) * 1024) / 1e6;
}

/** @param {string} url @param {() => string} request */
function side(url, request) {
  return { to: new Connection(url), request, ms: /** @type {number[]} */ ([]) };
}

/** Lets visitors in. @param {string} url @param {number} count */
async function visitors(url, count) {
  const found = [];
  for (let number = 0; number < count; number += 1) {
    const visitor = new Visitor(url);
    await visitor.enter(`visitor-${number}@example.com`);
    const cookie = [...visitor.cookies].map((pair) => pair.join("=")).join("; ");
    found.push({ cookie, id: visitor.rowId });
  }
  return found;
}

/** @param {NodeJS.ProcessEnv} settings */
function startServe(settings) {
  return start([join(built, "lastseen"), "serve"], settings);
}

/** @param {NodeJS.ProcessEnv} settings */
function startRival(settings) {
  return start([process.execPath, join(root, "benches/rival.mjs")], settings);
}

/**
 * Starts a server on a free port and waits until it answers. Its log goes to a file: reading it
 * here would take time from what is measured.
 *
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} settings
 */
async function start(command, settings) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = new Running("sh", ["-c", 'exec "$0" "$@" >>server.log 2>&1', ...command], {
    cwd: home,
    env: environment({
      PORT: String(port),
      STATIC_DIR: join(root, "static"),
      // What is measured is the work, and not how soon it is refused.
      FLOOD_LIMITS: "off",
      ...settings,
    }),
  });
  const answers = async () => {
    if (!running.isRunning) throw new Error(readFileSync(join(home, "server.log"), "utf8"));
    const answer = await send(url, "/").catch(() => undefined);
    return answer !== undefined;
  };
  await until(`answer of ${command}`, answers, 20_000);
  return { url, pid: running.child.pid ?? 0, stop: () => running.stop() };
}
