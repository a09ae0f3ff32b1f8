/** Bytes in which one request is to hide another one. */
import assert from "node:assert/strict";
import { HEARTBEAT, LOGOUT, PAGE, SECRET } from "./target.mjs";
import { exchange } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./tally.mjs").Tally} Tally */

/** Less than the ten seconds in which a head has to be there. */
const PATIENCE_MS = 5000;

/** A request within what is sent as another one's body. */
const WITHIN = `GET ${PAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

/** Headers that disagree on where a body ends, and the body. @type {{ name: string, head: string, body: string }[]} */
const FRAMINGS = [
  {
    name: "a length and chunks",
    head: `Content-Length: ${5 + WITHIN.length}\r\nTransfer-Encoding: chunked`,
    body: `0\r\n\r\n${WITHIN}`,
  },
  {
    name: "chunks and a length",
    head: "Transfer-Encoding: chunked\r\nContent-Length: 4",
    body: `0\r\n\r\n${WITHIN}`,
  },
  {
    name: "two lengths",
    head: `Content-Length: 0\r\nContent-Length: ${WITHIN.length}`,
    body: WITHIN,
  },
  { name: "lengths in a list", head: `Content-Length: 0, ${WITHIN.length}`, body: WITHIN },
  { name: "a negative length", head: "Content-Length: -1", body: WITHIN },
  { name: "a signed length", head: "Content-Length: +0", body: WITHIN },
  { name: "a hexadecimal length", head: "Content-Length: 0x0", body: WITHIN },
  { name: "an empty length", head: "Content-Length:", body: WITHIN },
  { name: "a length too large", head: "Content-Length: 18446744073709551616", body: WITHIN },
  { name: "a length before a space", head: "Content-Length : 0", body: WITHIN },
  { name: "another encoding", head: "Transfer-Encoding: xchunked", body: `0\r\n\r\n${WITHIN}` },
  {
    name: "an encoding after",
    head: "Transfer-Encoding: chunked, gzip",
    body: `0\r\n\r\n${WITHIN}`,
  },
  {
    name: "encodings twice",
    head: "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    body: `0\r\n\r\n${WITHIN}`,
  },
  {
    name: "a folded encoding",
    head: "Transfer-Encoding:\r\n chunked",
    body: `0\r\n\r\n${WITHIN}`,
  },
  {
    name: "a chunk too large",
    head: "Transfer-Encoding: chunked",
    body: `FFFFFFFFFFFFFFFFF\r\nx\r\n${WITHIN}`,
  },
  { name: "a negative chunk", head: "Transfer-Encoding: chunked", body: `-1\r\n\r\n${WITHIN}` },
  { name: "a chunk without size", head: "Transfer-Encoding: chunked", body: `\r\n\r\n${WITHIN}` },
  {
    name: "a long chunk extension",
    head: "Transfer-Encoding: chunked",
    body: `0;${"x".repeat(100_000)}\r\n\r\n${WITHIN}`,
  },
  { name: "a bare carriage return", head: "X: y\rContent-Length: 0", body: WITHIN },
];

/** What comes before a body, and is more of it than is read. */
const LONG_HEADS = [
  { name: "a longer path", head: `GET /${"x".repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n` },
  { name: "the path", head: `GET /${"x".repeat(33_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n` },
  { name: "the query", head: `GET /?${"x".repeat(33_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n` },
  { name: "the method", head: `${"X".repeat(33_000)} / HTTP/1.1\r\nHost: localhost\r\n\r\n` },
  {
    name: "a value",
    head: `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(33_000)}\r\n\r\n`,
  },
  { name: "a name", head: `GET / HTTP/1.1\r\nHost: localhost\r\n${"x".repeat(33_000)}: x\r\n\r\n` },
  {
    name: "the number",
    head: `GET / HTTP/1.1\r\nHost: localhost\r\n${"X: x\r\n".repeat(150)}\r\n`,
  },
  {
    name: "the whole",
    head: `GET / HTTP/1.1\r\nHost: localhost\r\n${`X: ${"x".repeat(1000)}\r\n`.repeat(33)}\r\n`,
  },
];

/** @param {Tally} tally @param {() => Target} target */
export function framings(tally, target) {
  tally.holds(
    "no request hides in the body of another",
    FRAMINGS.flatMap((one) => [LOGOUT, HEARTBEAT].map((path) => ({ path, ...one }))),
    async ({ path, head, body }) => {
      const host = new URL(target().url).host;
      const { all, inTime } = await exchange(
        target().url,
        `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${head}\r\n\r\n${body}`,
        PATIENCE_MS,
      );
      const count = all.match(/^HTTP\/1\.1 /gm)?.length ?? 0;
      assert.ok(count <= 1, `${count} answers to one request`);
      assert.ok(inTime, "the connection stays open");
      assert.ok(!all.includes(SECRET));
    },
  );

  tally.holds(
    "a head that is too long is refused, and the connection ended",
    LONG_HEADS,
    async ({ head }) => {
      const { status, inTime, body } = await exchange(target().url, head, PATIENCE_MS);
      // A connection that is closed while the rest is still being sent may lose the answer.
      assert.ok([431, 0].includes(status), `status ${status}`);
      assert.equal(body, "");
      assert.ok(inTime, "the connection stays open");
    },
  );
}
