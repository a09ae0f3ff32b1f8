/** Hundreds of requests at once from one address, while visitors are inside and come in elsewhere. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { send, Visitor } from "../harness/http.mjs";
import {
  ENTER,
  FILE,
  HEARTBEAT,
  LOGOUT,
  NAVIGATION,
  PAGE,
  ServeTarget,
  someone,
} from "./target.mjs";

/** @typedef {import("./tally.mjs").Tally} Tally */
/** @typedef {import("../harness/http.mjs").Call} Call */

/** One proxy in front, whose word counts; and floods are limited, as they are unless a test says otherwise. */
const SETTINGS = { TRUSTED_HOPS: "2", FLOOD_LIMITS: "on" };
/** What that proxy says of the flood, and of a visitor. */
const FLOODER = "198.51.100.7";
const VISITOR = "203.0.113.9";

const AT_ONCE = 300;
/** How long an answer may take meanwhile: browsers would wait longer, their visitors not. */
const SERVED_WITHIN_MS = 5000;
const BETWEEN_HEARTBEATS_MS = 250;
/** What the process may grow by, for good. */
const GROWTH_KIB = 64 * 1024;

const FORGED = `eyJhbGciOiJIUzI1NiJ9.${"x".repeat(3000)}.x`;

/** @type {{ name: string, path: string, forwardedFor?: () => string, call: () => Call }[]} */
const FLOODS = [
  { name: "forms", path: ENTER, call: () => ({ form: { email: someone() } }) },
  { name: "one visitor's form", path: ENTER, call: () => ({ form: { email: "one@example.com" } }) },
  { name: "programs", path: ENTER, call: () => ({ json: { email: someone() } }) },
  { name: "no emails", path: ENTER, call: () => ({ form: { email: "nobody" } }) },
  {
    name: "other addresses of one's own making",
    path: ENTER,
    forwardedFor: () => `192.0.2.${Math.floor(Math.random() * 256)}, ${FLOODER}`,
    call: () => ({ form: { email: someone() } }),
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

/** @param {Tally} tally */
export function floods(tally) {
  tally.holds("a flood keeps no visitor waiting, inside or at the gate", FLOODS, async (flood) => {
    const target = await ServeTarget.start(SETTINGS);
    try {
      await assertServedMeanwhile(target, flood);
    } finally {
      await target.stop();
    }
  });
}

/** @param {ServeTarget} target @param {typeof FLOODS[number]} flood */
async function assertServedMeanwhile(target, { path, forwardedFor = () => FLOODER, call }) {
  const elsewhere = { "x-forwarded-for": VISITOR };
  const inside = new Visitor(target.url);
  await inside.send(ENTER, { form: { email: someone() }, headers: elsewhere });
  const before = await memoryOf(target);
  let over = false;
  const flood = Promise.all(
    Array.from({ length: AT_ONCE }, () => {
      const one = call();
      const headers = { ...one.headers, "x-forwarded-for": forwardedFor() };
      return send(target.url, path, { ...one, headers });
    }),
  ).finally(() => {
    over = true;
  });

  const began = performance.now();
  const newcomer = await send(target.url, ENTER, {
    form: { email: someone() },
    headers: elsewhere,
  });
  assert.equal(newcomer.status, 303, "somebody elsewhere is let in");
  assert.equal(newcomer.cookies.length, 2, "somebody elsewhere is let in");
  let slowest = performance.now() - began;
  do {
    const asked = performance.now();
    const answer = await inside.send(HEARTBEAT, { method: "POST", headers: elsewhere });
    assert.equal(answer.status, 200, `the visitor inside: ${answer.text}`);
    slowest = Math.max(slowest, performance.now() - asked);
    // As a visitor who changes tabs all the time, and not as another flood.
    await sleep(BETWEEN_HEARTBEATS_MS);
  } while (!over);

  const answers = await flood;
  for (const { status, headers } of answers) assertTakenOrLimited(path, status, headers);
  // A form is sent back to the gate, which says so.
  const isLimited = /[?&]error=limited\b/;
  const limited = answers.filter(
    ({ status, headers }) => status === 429 || isLimited.test(headers.location ?? ""),
  ).length;
  if (path === ENTER) assert.ok(limited > AT_ONCE / 2, `only ${limited} were told to wait`);
  assert.ok(slowest < SERVED_WITHIN_MS, `a visitor waited ${slowest.toFixed()} ms`);
  const growth = (await memoryOf(target)) - before;
  assert.ok(growth < GROWTH_KIB, `${growth} KiB more`);
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
