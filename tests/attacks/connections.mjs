/** Connections that are slow, idle or many, and answers that nobody takes. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../harness/process.mjs";
import { BIG_FILE, ENTER, HEARTBEAT, PAGE } from "./target.mjs";
import { open } from "./wire.mjs";

/** @typedef {import("./target.mjs").ServeTarget} ServeTarget */
/** @typedef {import("./tally.mjs").Tally} Tally */

/** As cli/src/connections.rs and cli/src/serve.rs have them, and a little for a machine with much to do. */
const HEADERS_MS = 10_000;
const BODY_MS = 30_000;
const WRITE_MS = 30_000;
const SLACK_MS = 4000;
/** Where a process may open as few files as on many systems: more would only take longer to fill. */
export const FILES = 1024;
const MAX_CONNECTIONS = 400;

/** The process's own: the database, its log, the listener and what waits for events. */
const OTHER_FILES = 40;

/**
 * What is sent at once, what follows byte for byte, and when the server has had enough.
 *
 * @type {{ name: string, first: string, drip?: string, withinMs: number, answer: RegExp }[]}
 */
const SLOW = [
  { name: "nothing at all", first: "", withinMs: HEADERS_MS, answer: /^$/ },
  { name: "half a line", first: "GET / HT", withinMs: HEADERS_MS, answer: /^$/ },
  {
    name: "a header for ever",
    first: "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
    drip: "x",
    withinMs: HEADERS_MS,
    answer: /^$/,
  },
  {
    name: "headers for ever",
    first: "GET / HTTP/1.1\r\nHost: localhost\r\n",
    drip: "X-Slow: x\r\n",
    withinMs: HEADERS_MS,
    answer: /^$/,
  },
  {
    name: "empty lines for ever",
    first: "\r\n",
    drip: "\r\n",
    withinMs: HEADERS_MS,
    answer: /^$|^HTTP\/1\.1 400 /,
  },
  {
    name: "no second request",
    first: "GET /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n",
    withinMs: HEADERS_MS,
    answer: /^HTTP\/1\.1 200 /,
  },
  {
    name: "half a second request",
    first: "GET /site.css HTTP/1.1\r\nHost: localhost\r\n\r\nGET /",
    drip: "x",
    withinMs: HEADERS_MS,
    answer: /^HTTP\/1\.1 200 /,
  },
  ...[
    `POST ${ENTER} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n`,
    `POST ${HEARTBEAT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ].map((first) => ({
    name: `a body for ever: ${first.slice(0, 30)}`,
    first,
    drip: first.includes("chunked") ? "1\r\nx\r\n" : "x",
    withinMs: BODY_MS,
    answer: /^HTTP\/1\.1 408 [\s\S]*^cache-control: no-store\r$/im,
  })),
];

/** What a flood of connections holds open, and sends again every second. */
const FLOODS = [
  { name: "silent", beginning: "" },
  { name: "busy", beginning: "HEAD /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n", again: true },
  { name: "half a request", beginning: "GET / HTTP/1.1\r\nHost: localhost\r\nX-" },
];

/** @param {Tally} tally @param {() => ServeTarget} target */
export function connections(tally, target) {
  tally.holdsAtOnce(
    "whoever sends or takes slowly is not waited for without end",
    [...SLOW, { name: "an answer that nobody takes" }],
    async (slow) => {
      if (!("first" in slow)) return assertGivenUp(target());
      const { first, drip, withinMs, answer } = slow;
      const { all, ms } = await dawdle(target().url, first, drip, withinMs + SLACK_MS);
      assert.match(all, answer);
      assert.ok(ms >= withinMs - SLACK_MS, `after ${ms} ms: that may be a slow line`);
    },
  );

  tally.holds(
    "a visitor gets in between many who are not",
    FLOODS,
    async ({ beginning, again = false }) => {
      const many = Array.from({ length: MAX_CONNECTIONS + 100 }, () => open(target().url));
      const say = () => {
        for (const socket of many) socket.write(beginning);
      };
      const timer = again ? setInterval(say, 1000) : undefined;
      try {
        say();
        // In the queue before the visitor, whatever the server makes of them.
        await until("flood", () => many.every(({ connecting }) => !connecting));
        const began = performance.now();
        const entering = target().visitor();
        await sleep(500);
        const files = await filesOf(target());
        assert.ok(files <= MAX_CONNECTIONS + OTHER_FILES, `${files} files open`);
        const { token } = await entering;
        await target().assertOpen(token);
        const ms = performance.now() - began;
        assert.ok(ms < HEADERS_MS + SLACK_MS, `after ${ms.toFixed()} ms`);
      } finally {
        clearInterval(timer);
        for (const socket of many) socket.destroy();
      }
      await until("way back to few", async () => (await filesOf(target())) < OTHER_FILES);
    },
  );

  tally.holds(
    "whoever is done takes no more than half of the room",
    [
      `HEAD /site.css HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET ${HEARTBEAT} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    async (request) => {
      const many = Array.from({ length: (MAX_CONNECTIONS * 3) / 4 }, () => open(target().url));
      try {
        const answers = many.map(
          (socket) => new Promise((resolve) => socket.once("data", resolve)),
        );
        for (const socket of many) socket.write(request);
        await Promise.all(answers);
        const room = async () => (await filesOf(target())) <= MAX_CONNECTIONS / 2 + OTHER_FILES;
        await until("room", room, HEADERS_MS / 4);
        assert.ok((await filesOf(target())) > MAX_CONNECTIONS / 4, "nobody is kept");
        const began = performance.now();
        const { token } = await target().visitor();
        await target().assertOpen(token);
        const took = performance.now() - began;
        assert.ok(took < HEADERS_MS / 2, `others waited ${took.toFixed()} ms`);
      } finally {
        for (const socket of many) socket.destroy();
      }
    },
  );

  tally.holds(
    "whoever sends slowly keeps nobody waiting",
    [
      "GET / HTTP/1.1\r\nHost: localhost\r\nX-",
      `POST ${ENTER} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nemail`,
      `POST ${HEARTBEAT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
      `POST ${PAGE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
      "",
      // Done, and kept open.
      `GET ${PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET ${HEARTBEAT} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    ],
    async (beginning) => {
      const slow = Array.from({ length: MAX_CONNECTIONS / 2 }, () => open(target().url));
      try {
        for (const socket of slow) socket.write(beginning);
        const start = performance.now();
        const { token } = await target().visitor();
        await target().assertOpen(token);
        const took = performance.now() - start;
        assert.ok(took < HEADERS_MS / 2, `others waited ${took.toFixed()} ms`);
      } finally {
        for (const socket of slow) socket.destroy();
      }
    },
  );
}

/**
 * Sends something now and something every second, until the other side ends it.
 *
 * @param {string} site
 * @param {string} first
 * @param {string} [drip]
 * @param {number} [patienceMs]
 * @returns {Promise<{ all: string, ms: number }>}
 */
function dawdle(site, first, drip, patienceMs) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const socket = open(site);
    let all = "";
    const timer = drip === undefined ? undefined : setInterval(() => socket.write(drip), 1000);
    const patience = setTimeout(() => {
      reject(new Error(`still open after ${patienceMs} ms`));
      socket.destroy();
    }, patienceMs);
    const done = () => {
      clearInterval(timer);
      clearTimeout(patience);
      socket.destroy();
      resolve({ all, ms: performance.now() - began });
    };
    socket.setEncoding("latin1").on("data", (text) => {
      all += text;
    });
    socket.on("end", done).on("close", done);
    if (first) socket.write(first);
  });
}

/** An answer longer than all buffers on the way, to somebody who reads nothing. @param {ServeTarget} target */
async function assertGivenUp(target) {
  const socket = open(target.url);
  try {
    socket.pause();
    socket.write(`GET ${BIG_FILE} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await until("answer", () => isHeld(target, socket));
    await until("end", async () => !(await isHeld(target, socket)), WRITE_MS + SLACK_MS);
  } finally {
    socket.destroy();
  }
}

/**
 * Whether the server still has its end of a connection. What it gave up while something was unsent
 * stays in the system's list, without an inode.
 *
 * @param {ServeTarget} target
 * @param {import("node:net").Socket} socket
 */
async function isHeld({ url }, { localPort }) {
  /** @param {number | string | undefined} port */
  const hex = (port) => Number(port).toString(16).toUpperCase().padStart(4, "0");
  const connection = new RegExp(
    `^ *\\d+: \\w+:${hex(new URL(url).port)} \\w+:${hex(localPort)} (?:\\S+ +){6}([1-9]\\d*) `,
    "m",
  );
  return connection.test(await readFile("/proc/net/tcp", "utf8"));
}

/** How many files and sockets the server has open. @param {ServeTarget} target */
async function filesOf({ serve }) {
  return (await readdir(`/proc/${serve.running?.child.pid}/fd`)).length;
}
