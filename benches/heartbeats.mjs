/** What a heartbeat takes: on NocoDB one by one, on SQLite as many as go. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Visitor } from "../tests/harness/http.mjs";
import { environment, root } from "../tests/harness/process.mjs";
import { Connection, cpuMs, memoryMb, wire } from "./measure.mjs";
import { add } from "./report.mjs";
import {
  HEARTBEAT,
  home,
  JSON_TYPE,
  PAGE,
  program,
  startRival,
  startServe,
  storeAlone,
} from "./servers.mjs";

/** @typedef {import("../tests/harness/nocodb.mjs").NocoTable} NocoTable */

const ROUNDS = 1000;
const WARM_UP_ROUNDS = 40;
/** At the same time, first so many and then so many. */
const CONNECTIONS = [10, 64];
const SLICES = 5;
const SLICE_MS = 1000;

/**
 * One heartbeat after the other, each on a connection that is open already.
 *
 * @param {NocoTable} nocoTable
 */
export async function heartbeatsOnNocodb(nocoTable) {
  const nocodb = nocoTable.settings;
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
  const raw = side(nocodb.NOCODB_URL, patch);
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

/** As many heartbeats as so many connections carry that wait for nothing but the last answer. */
export async function heartbeatsOnSqlite() {
  console.error("  heartbeats on SQLite");
  const nodeModules = execFileSync(join(root, "tests/nocodb/install"), { encoding: "utf8" }).trim();
  const servers = [
    await startServe({ DATABASE_PATH: join(home, "lastseen.db") }),
    await startRival({ DATABASE_PATH: join(home, "rival.db"), NODE_MODULES_IN: nodeModules }),
    await startRival({}),
  ];
  const before = servers.map(({ pid }) => memoryMb(pid));
  const inside = await visitors(servers[0]?.url ?? "", Math.max(...CONNECTIONS));
  const requests = inside.map(({ cookie, id }) => {
    const pages = { [PAGE]: { seconds: 0, scroll: 85 } };
    const seen = { activeSeconds: 0, inactiveSeconds: 0, seenSecondsAgo: 0 };
    const snapshot = JSON.stringify({ session: id, ...seen, page: PAGE, pages, leaving: false });
    return wire(`POST ${HEARTBEAT}`, { cookie, ...JSON_TYPE }, snapshot);
  });
  const [rival, idle] = ["Node server on SQLite", "Node server that stores nothing"];
  for (const count of CONNECTIONS) {
    const [ours, theirs, nothing] = await takeTurns(servers, requests.slice(0, count));
    if (!ours || !theirs || !nothing) return;
    const figure = `heartbeats on SQLite, ${count} connections`;
    add(figure, "per second", ours.rates, rival, theirs.rates);
    add(figure, "per second", ours.rates, idle, nothing.rates);
    add(`${figure}, p99`, "ms", ours.ms, rival, theirs.ms, 0.99);
    add(`CPU time of one of them, ${count} connections`, "us", ours.cpu, rival, theirs.cpu);
  }
  const env = environment({ DATABASE_PATH: join(home, "lastseen.db") });
  allSeen(JSON.parse(execFileSync(program, ["sessions", "--json"], { env, encoding: "utf8" })));
  const [ours = 0, theirs = 0] = before;
  const [oursAfter = 0, theirsAfter = 0] = servers.map(({ pid }) => memoryMb(pid));
  add("memory of the server before them", "MB", [ours], rival, [theirs]);
  add("memory of the server after them", "MB", [oursAfter], rival, [theirsAfter]);
  await Promise.all(servers.map((server) => server.stop()));
  alone();
}

/**
 * Each server in turn, for a slice of time, with as many connections as there are requests.
 *
 * @param {import("./servers.mjs").Server[]} servers
 * @param {string[]} requests
 */
async function takeTurns(servers, requests) {
  const sides = servers.map(({ url, pid }) => ({
    pid,
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
      cpu.push(((cpuMs(pid) - cpuBefore) / count) * 1e3);
    }
  }
  return sides.map(({ connections, rates, cpu }) => {
    for (const { to } of connections) to.socket.destroy();
    return { rates, cpu, ms: connections.flatMap(({ ms }) => ms) };
  });
}

/** Heartbeats on the same store, without HTTP in front: one page after the other, and 64 at the same time. */
function alone() {
  for (const pages of [1, Math.max(...CONNECTIONS)]) {
    const runs = Array.from({ length: SLICES }, () => {
      const args = [String(SLICE_MS / 1e3), String(pages)];
      return execFileSync(storeAlone, args, { encoding: "utf8" }).split("\t").map(Number);
    });
    const name = `the store alone, ${pages === 1 ? "1 page" : `${pages} pages`}`;
    add(
      name,
      "per second",
      runs.map(([rate = 0]) => rate),
    );
    add(
      `CPU time of a heartbeat, ${name}`,
      "us",
      runs.map(([, cpu = 0]) => cpu),
    );
  }
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
