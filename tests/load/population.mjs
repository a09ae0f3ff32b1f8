/** Visitors who are inside already: their rows, their cookies, and what their pages would send. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { newKey, sign } from "../attacks/target.mjs";
import { insertIntoSqlite } from "../harness/visits.mjs";

const IDLE_SECONDS = 1800;
const LIFETIME_SECONDS = 86_400;
/** How long ago they came in. */
const AGO_SECONDS = 600;
const PAGE = "/portfolio/confidential/";

const key = newKey("load");
/** Signs as the server that is started with it. */
export const SESSION_KEYS = `${key.kid}:${key.bytes.toString("base64")}`;

/** Seconds since 1970. */
const now = () => Math.floor(Date.now() / 1000);

/** A visit, and its cookie. @typedef {import("../harness/visits.mjs").Visit & { cookie: string }} Inside */

/**
 * Lets visitors in without the gate.
 *
 * @param {string} database of a server that runs
 * @param {number} count
 * @returns {Inside[]}
 */
export function settle(database, count) {
  const start = now() - AGO_SECONDS;
  const inside = Array.from({ length: count }, (_, number) => ({
    id: "",
    email: `visitor-${number}@example.com`,
    start,
    seen: start,
    reason: null,
    endedAt: null,
    active: 0,
    page: null,
    pages: {},
    cookie: "",
  }));
  insertIntoSqlite(database, inside);
  for (const visit of inside) visit.cookie = cookieOf(visit);
  return inside;
}

/** @param {Inside} visit */
function cookieOf({ id, start, seen, active }) {
  const iat = now();
  const claims = {
    aud: "localhost",
    sid: randomBytes(16).toString("base64url"),
    rid: id,
    start,
    iat,
    exp: iat + IDLE_SECONDS,
    end: start + LIFETIME_SECONDS,
    seen,
    active,
  };
  return `lastseen=${sign(claims, key.bytes, { typ: "JWT", alg: "HS256", kid: key.kid })}`;
}

/**
 * How long a visitor has looked by their first heartbeat here, or a later one: not as long as their neighbours.
 *
 * @param {number} number
 * @param {number} [round]
 */
export const activeAfter = (number, round = 0) => 30 + (number % 400) + 10 * round;

/**
 * A heartbeat as `static/lastseen.js` sends it.
 *
 * @param {string} url
 * @param {Inside} visit
 * @param {number} activeSeconds
 * @param {"keep-alive" | "close"} [connection]
 */
export function heartbeat(url, { id, cookie }, activeSeconds, connection = "keep-alive") {
  const body = JSON.stringify({
    session: id,
    activeSeconds,
    inactiveSeconds: 0,
    seenSecondsAgo: 0,
    page: PAGE,
    pages: { [PAGE]: { seconds: activeSeconds, scroll: 85 } },
    leaving: false,
  });
  const headers = {
    host: new URL(url).host,
    origin: url,
    referer: url + PAGE,
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    accept: "*/*",
    connection,
    cookie: `${cookie}; session_record_id=${id}`,
    "content-type": "text/plain;charset=UTF-8",
    "content-length": Buffer.byteLength(body),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /api/session-heartbeat HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/**
 * Holds the table against what everybody's last heartbeat said.
 *
 * @param {Inside[]} inside
 * @param {(number: number) => number} active
 * @param {import("../harness/row.mjs").Row[]} rows
 */
export function assertAsSent(inside, active, rows) {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const wrong = inside.filter(({ id, start }, number) => {
    const row = byId.get(id);
    const seconds = active(number);
    return !(
      row &&
      Date.parse(row.sessionEndTime) / 1000 >= start + AGO_SECONDS &&
      row.activeSeconds === seconds &&
      row.endReason === null &&
      row.currentPage === PAGE &&
      row.pages?.[PAGE]?.seconds === seconds &&
      row.pages[PAGE].scroll === 85
    );
  });
  const example = JSON.stringify(byId.get(wrong[0]?.id ?? ""));
  assert.equal(wrong.length, 0, `${wrong.length} rows are not as sent, such as ${example}`);
}
