/** Hundreds of requests at once from one address, while a visitor is inside. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { send } from "../harness/http.mjs";
import { ENTER, FILE, HEARTBEAT, LOGOUT, NAVIGATION, PAGE, someone } from "./target.mjs";

/** @typedef {import("./target.mjs").ServeTarget} ServeTarget */
/** @typedef {import("./tally.mjs").Tally} Tally */

const AT_ONCE = 300;
/** How long a heartbeat may take meanwhile: browsers would wait longer, their visitors not. */
const SERVED_WITHIN_MS = 3000;
/** What the process may grow by, for good. */
const GROWTH_KIB = 64 * 1024;

const FORGED = `eyJhbGciOiJIUzI1NiJ9.${"x".repeat(3000)}.x`;

/** @type {{ name: string, path: string, call: () => import("../harness/http.mjs").Call }[]} */
const FLOODS = [
  { name: "forms", path: ENTER, call: () => ({ form: { email: someone() } }) },
  { name: "one visitor's form", path: ENTER, call: () => ({ form: { email: "one@example.com" } }) },
  { name: "programs", path: ENTER, call: () => ({ json: { email: someone() } }) },
  { name: "no emails", path: ENTER, call: () => ({ form: { email: "nobody" } }) },
  {
    name: "other addresses of one's own making",
    path: ENTER,
    call: () => ({
      form: { email: someone() },
      headers: { "x-forwarded-for": `198.51.100.${Math.floor(Math.random() * 256)}` },
    }),
  },
  {
    name: "large bodies",
    path: ENTER,
    call: () => ({ json: { email: someone(), x: "x".repeat(60_000) } }),
  },
  {
    name: "forged heartbeats",
    path: HEARTBEAT,
    call: () => ({ json: {}, headers: { cookie: `lastseen=${FORGED}` } }),
  },
  { name: "log-outs", path: LOGOUT, call: () => ({ json: { everywhere: true } }) },
  { name: "pages", path: PAGE, call: () => ({ headers: NAVIGATION }) },
  { name: "files", path: FILE, call: () => ({}) },
];

/** @param {Tally} tally @param {() => ServeTarget} target */
export function floods(tally, target) {
  tally.holds("a flood keeps no visitor waiting", FLOODS, async ({ path, call }) => {
    const { visitor, token } = await target().visitor();
    const before = await memoryOf(target());
    let over = false;
    const flood = Promise.all(
      Array.from({ length: AT_ONCE }, () => send(target().url, path, call())),
    ).finally(() => {
      over = true;
    });
    let slowest = 0;
    do {
      const asked = performance.now();
      const answer = await visitor.send(HEARTBEAT, { method: "POST" });
      assert.equal(answer.status, 200, `the visitor inside: ${answer.text}`);
      slowest = Math.max(slowest, performance.now() - asked);
    } while (!over);
    for (const { status, headers } of await flood) assertTakenOrLimited(path, status, headers);
    assert.ok(slowest < SERVED_WITHIN_MS, `the visitor inside waited ${slowest.toFixed()} ms`);
    await target().assertOpen(token);
    const growth = (await memoryOf(target())) - before;
    assert.ok(growth < GROWTH_KIB, `${growth} KiB more`);
  });
}

/**
 * At the gate: let in, sent back, or told when to come again.
 *
 * @param {string} path
 * @param {number} status
 * @param {import("node:http").IncomingHttpHeaders} headers
 */
function assertTakenOrLimited(path, status, headers) {
  if (status === 429) assert.ok(Number(headers["retry-after"]) > 0, "429 without Retry-After");
  else if (path === ENTER) assert.ok([200, 303].includes(status), `status ${status}`);
  else assert.ok(status >= 200 && status < 500, `status ${status}`);
}

/** The memory that the process holds, in KiB. @param {ServeTarget} target */
async function memoryOf({ serve }) {
  const status = await readFile(`/proc/${serve.running?.child.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}
