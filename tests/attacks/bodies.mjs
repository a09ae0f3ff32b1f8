/** Bodies that are too long, broken, or not what they say. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { ENTER, HEARTBEAT, LOGOUT } from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./tally.mjs").Tally} Tally */

const FORM = "application/x-www-form-urlencoded";
const EMAIL = "email=attacker@example.com";
const JSON_EMAIL = '{"email":"attacker@example.com"}';
/** A byte more than is read. */
const TOO_LONG = 64 * 1024 + 1;

/** @param {string} text @param {number} size */
const chunked = (text, size) =>
  `${text.replace(new RegExp(`[^]{1,${size}}`, "g"), (part) => `${part.length.toString(16)}\r\n${part}\r\n`)}0\r\n\r\n`;

/** @type {{ name: string, type: string, body: string, headers?: Record<string, string> }[]} */
const TOO_BIG = [
  { name: "a form", type: FORM, body: `${EMAIL}&x=`.padEnd(TOO_LONG, "x") },
  { name: "many values", type: FORM, body: `${EMAIL}${"&".repeat(TOO_LONG)}` },
  { name: "JSON", type: "application/json", body: JSON_EMAIL.padEnd(TOO_LONG) },
  { name: "brackets", type: "application/json", body: "[".repeat(100_000) },
  { name: "objects", type: "application/json", body: '{"a":'.repeat(100_000) },
  { name: "text", type: "text/plain", body: "x".repeat(TOO_LONG) },
  { name: "no type", type: "", body: "x".repeat(TOO_LONG) },
  { name: "a megabyte", type: FORM, body: `${EMAIL}&x=${"x".repeat(1_000_000)}` },
];

/** @type {{ name: string, type: string, body: string, headers?: Record<string, string> }[]} */
const BROKEN = [
  ...[
    "{",
    "[]",
    "null",
    "true",
    "1e999",
    '"email"',
    "{}{}",
    `${JSON_EMAIL}x`,
    `\uFEFF${JSON_EMAIL}`,
    "{'email':'attacker@example.com'}",
    '{"email":"attacker@example.com",}',
    '{"email":["attacker@example.com"]}',
    '{"email":{"$ne":null}}',
    '{"email":"\\ud800@example.com"}',
    '{"email":"attacker\xff@example.com"}',
    `{"email":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    `${'{"email":'.repeat(7000)}1${"}".repeat(7000)}`,
    `{"email":"attacker@example.com","x":${"[".repeat(60_000)}`,
    `{"email":${"9".repeat(60_000)}}`,
    `{"pages":{${'"/x":0,'.repeat(8000)}"/y":0}}`,
  ].map((body) => ({ name: body.slice(0, 30), type: "application/json", body })),
  ...[
    ["no boundary", "multipart/form-data", "x"],
    ["an empty boundary", "multipart/form-data; boundary=", "--\r\n\r\nx\r\n----"],
    ["a long boundary", `multipart/form-data; boundary=${"x".repeat(5000)}`, "x"],
    ["no part", "multipart/form-data; boundary=x", "--x--"],
    ["no end", "multipart/form-data; boundary=x", part("email", "a@example.com").slice(0, -10)],
    ["no name", "multipart/form-data; boundary=x", "--x\r\n\r\na@example.com\r\n--x--\r\n"],
    ["no headers", "multipart/form-data; boundary=x", "--x\r\na@example.com\r\n--x--\r\n"],
    ["a value twice", "multipart/form-data; boundary=x", part("email", "a@b.example", 2)],
    ["parts in thousands", "multipart/form-data; boundary=x", part("x", "", 1000)],
    ["long headers", "multipart/form-data; boundary=x", part("x".repeat(60_000), "x")],
    ["no text", "multipart/form-data; boundary=x", part("email", "\xff\xfe@example.com")],
    ["another multipart", "multipart/mixed; boundary=x", part("email", "a@example.com")],
  ].map(([name = "", type = "", body = ""]) => ({ name: `multipart, ${name}`, type, body })),
  { name: "a value twice", type: FORM, body: `${EMAIL}&${EMAIL}` },
  { name: "no text", type: FORM, body: "email=%ff%fe@example.com" },
  { name: "half an escape", type: FORM, body: "email=attacker%4" },
  { name: "XML", type: "application/xml", body: "<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>" },
  { name: "a type that lies", type: "application/json", body: EMAIL },
  { name: "no type", type: "", body: EMAIL },
  { name: "two types", type: "image/png, application/json", body: JSON_EMAIL },
  {
    name: "gzip",
    type: "application/json",
    body: gzipSync(JSON_EMAIL).toString("latin1"),
    headers: { "content-encoding": "gzip" },
  },
  {
    name: "a gzip bomb",
    type: "application/json",
    body: gzipSync(Buffer.alloc(20_000_000, " ")).toString("latin1"),
    headers: { "content-encoding": "gzip" },
  },
  {
    name: "UTF-16",
    type: "application/json; charset=utf-16",
    body: Buffer.from(JSON_EMAIL, "utf16le").toString("latin1"),
  },
];

/** @param {string} name @param {string} value @param {number} [times] */
function part(name, value, times = 1) {
  const one = `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  return `${one.repeat(times)}--x--\r\n`;
}

/** @param {Tally} tally @param {() => Target} target */
export function bodies(tally, target) {
  tally.holds(
    "a body that is too long is refused, however it comes",
    TOO_BIG.flatMap((one) =>
      [ENTER, HEARTBEAT, LOGOUT].flatMap((path) =>
        ["length", "chunks"].map((as) => ({ name: one.name, as, path })),
      ),
    ),
    async ({ name, as, path }) => {
      const { type, body } = TOO_BIG.find((one) => one.name === name) ?? { type: "", body: "" };
      const { token } = await target().visitor();
      const headers = { "content-type": type, cookie: `lastseen=${token}` };
      const reply = await ask(target().url, path, {
        method: "POST",
        headers:
          as === "length"
            ? { ...headers, "content-length": String(body.length) }
            : { ...headers, "transfer-encoding": "chunked" },
        body: as === "length" ? body : chunked(body, 16_000),
      });
      // A connection that is closed while the rest is still being sent may lose the answer.
      assert.ok([413, 0].includes(reply.status), `status ${reply.status}`);
      await target().assertOpen(token);
    },
  );

  tally.holds(
    "a broken body lets nobody in and breaks nothing",
    BROKEN.flatMap((one) => [ENTER, HEARTBEAT, LOGOUT].map((path) => ({ path, ...one }))),
    async ({ path, type, body, headers }) => {
      const reply = await ask(target().url, path, {
        method: "POST",
        headers: {
          "content-type": type,
          "content-length": String(body.length),
          ...headers,
        },
        body,
      });
      assert.ok(reply.status >= 200, `status ${reply.status}`);
      target().assertAnswered(reply);
      assert.doesNotMatch(reply.head, /^set-cookie: lastseen=ey/im, "somebody is let in");
      assert.doesNotMatch(reply.body, /root:x?:0:/);
    },
  );
}
