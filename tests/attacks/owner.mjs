/** People who would end others' sessions as if they were the owner. */
import assert from "node:assert/strict";
import { send } from "../harness/http.mjs";
import { ADMIN_TOKEN, asOwner } from "../harness/owner.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./tally.mjs").Tally} Tally */

const ALL = "/api/sessions/revoke";
const BASIC = Buffer.from(`admin:${ADMIN_TOKEN}`).toString("base64");

/**
 * What they show for the owner's token, or where they put it; `VISITOR` is a visitor's own.
 *
 * @type {{ name: string, headers?: Record<string, string>, query?: string, body?: object }[]}
 */
const CLAIMS = [
  { name: "nothing" },
  { name: "no token", headers: { authorization: "Bearer" } },
  { name: "an empty token", headers: { authorization: "Bearer " } },
  { name: "a word", headers: { authorization: "Bearer undefined" } },
  { name: "a letter less", headers: { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` } },
  { name: "a letter more", headers: { authorization: `Bearer ${ADMIN_TOKEN}x` } },
  { name: "other letters", headers: { authorization: `Bearer ${ADMIN_TOKEN.toUpperCase()}` } },
  { name: "no scheme", headers: { authorization: ADMIN_TOKEN } },
  { name: "another scheme", headers: { authorization: `Basic ${BASIC}` } },
  { name: "a visitor's token", headers: { authorization: "Bearer VISITOR" } },
  { name: "another header", headers: { "x-api-key": ADMIN_TOKEN } },
  {
    name: "a cookie",
    headers: { cookie: `lastseen=${ADMIN_TOKEN}; __Host-lastseen-admin=${ADMIN_TOKEN}` },
  },
  { name: "the query", query: `?access_token=${ADMIN_TOKEN}&token=${ADMIN_TOKEN}` },
  { name: "the body", body: { token: ADMIN_TOKEN, access_token: ADMIN_TOKEN } },
];

/** @param {Tally} tally @param {() => Target} target */
export function owner(tally, target) {
  tally.holdsAtOnce(
    "nobody but the owner ends the sessions of others",
    CLAIMS.flatMap((claim) => ["one", "a visitor's", "all"].map((what) => ({ what, ...claim }))),
    async ({ what, headers = {}, query = "", body = {} }) => {
      const { email, row, token } = await target().visitor();
      const filled = Object.entries(headers).map(([name, value]) => [
        name,
        value.replace("VISITOR", token),
      ]);
      const path = what === "one" ? `/api/sessions/${row}/revoke` : ALL;
      const wish = { one: {}, "a visitor's": { email }, all: { all: true } }[what];
      const answer = await send(target().url, path + query, {
        json: { ...body, ...wish },
        headers: Object.fromEntries(filled),
        withinMs: 120_000,
      });
      assert.equal(answer.status, 401, `status ${answer.status}`);
      assert.ok(!answer.text.includes(ADMIN_TOKEN));
      await target().assertOpen(token);
    },
  );

  tally.holds(
    "not even with the owner's token does another site end a session",
    /** @type {Record<string, string>[]} */ ([
      { "sec-fetch-site": "cross-site" },
      { origin: "https://evil.example" },
    ]),
    async (headers) => {
      const { row, token } = await target().visitor();
      for (const path of [ALL, `/api/sessions/${row}/revoke`]) {
        const answer = await send(target().url, path, {
          json: { all: true },
          headers: { ...headers, authorization: `Bearer ${ADMIN_TOKEN}` },
        });
        assert.equal(answer.status, 403, `status ${answer.status}`);
      }
      await target().assertOpen(token);
    },
  );
}

/** The owner can; otherwise nothing above would prove anything. @param {Target} target */
export async function checkThatTheOwnerMay(target) {
  const { row, token } = await target.visitor();
  const answer = await asOwner(target.url, `/api/sessions/${row}/revoke`);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(await target.isOpen(token), false);
}
