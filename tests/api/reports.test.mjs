import assert from "node:assert/strict";
import { join } from "node:path";
import { suite, test } from "node:test";
import { newestFirst, readCsv } from "../harness/figures.mjs";
import { send } from "../harness/http.mjs";
import { isThorough } from "../harness/loop.mjs";
import { NocoTable } from "../harness/nocodb.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { Serve } from "../harness/serve.mjs";
import { insertIntoNocodb, insertIntoSqlite, journeys, rfc3339 } from "../harness/visits.mjs";
import { reports } from "./reports.mjs";

/** @typedef {import("../harness/visits.mjs").Visit} Visit */

/** The row that ends every session that began before. @param {number} start @returns {Visit} */
const everyone = (start) => ({
  id: "",
  email: "everyone",
  start,
  seen: start,
  reason: "revoked",
  endedAt: start,
  active: null,
  page: null,
  pages: {},
});

reports("lastseen serve on SQLite", async () => {
  const serve = await Serve.start({ ADMIN_TOKEN });
  const path = join(serve.home, "lastseen.db");
  const insert = async (/** @type {Visit[]} */ visits) => insertIntoSqlite(path, visits);
  return {
    url: serve.url,
    stop: () => serve.stop(),
    another: () => Serve.start({ ADMIN_TOKEN, DATABASE_PATH: path }),
    insert,
    insertEveryone: async (start) => {
      const row = everyone(start);
      await insert([row]);
      return row.id;
    },
  };
});

/** What the store makes of them is in the store's own tests. */
const onNocodb = isThorough ? reports : () => {};
onNocodb("lastseen serve on NocoDB", async () => {
  const table = await NocoTable.create();
  const serve = await Serve.start({ ADMIN_TOKEN, ...table.settings });
  const insert = (/** @type {Visit[]} */ visits) => insertIntoNocodb(table, visits);
  return {
    url: serve.url,
    stop: () => serve.stop(),
    another: () => Serve.start({ ADMIN_TOKEN, ...table.settings }),
    insert,
    insertEveryone: async (start) => {
      const row = everyone(start);
      await insert([row]);
      return row.id;
    },
  };
});

const COUNT = isThorough ? 100_000 : 20_000;

suite(`${COUNT} visits as CSV`, () => {
  test("are every row once, in one file of serve and in the parts of the function", async () => {
    const serve = await Serve.start({ ADMIN_TOKEN });
    try {
      const [from, to] = [Date.parse("2023-01-01") / 1000, Date.parse("2025-01-01") / 1000];
      const all = journeys({ count: COUNT, from, to, seed: 7 });
      insertIntoSqlite(join(serve.home, "lastseen.db"), all);
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
      const get = (/** @type {string} */ address) =>
        send(serve.url, address, { headers, withinMs: 120_000 });
      const whole = await get("/api/sessions.csv");
      assert.equal(whole.status, 200);
      assert.deepEqual(
        [whole.headers.link, whole.headers["lastseen-next"]],
        [undefined, undefined],
      );

      const parts = [await get("/api/sessions.csv?part=first")];
      for (;;) {
        const [, next] = /^<([^>]+)>; rel="next"$/.exec(String(parts.at(-1)?.headers.link)) ?? [];
        if (!next) break;
        parts.push(await get(next));
      }
      assert.ok(parts.length > COUNT / 20_000);
      for (const part of parts) assert.ok(part.body.length < 2_100_000);
      assert.equal(parts.map(({ text }) => text).join(""), whole.text);

      const [, ...lines] = readCsv(whole.text);
      const sorted = newestFirst(all);
      assert.equal(lines.length, sorted.length);
      for (const [index, visit] of sorted.entries()) {
        const [id, email, start, seen, reason, ended, active, page, pages] = lines[index] ?? [];
        const { endedAt } = visit;
        assert.deepEqual(
          [id, email, start, seen, reason, ended, active, page, JSON.parse(pages ?? "")],
          [
            visit.id,
            visit.email,
            rfc3339(visit.start),
            rfc3339(visit.seen),
            visit.reason ?? "",
            endedAt === null ? "" : rfc3339(endedAt),
            String(visit.active ?? ""),
            visit.page ?? "",
            visit.pages,
          ],
        );
      }
    } finally {
      await serve.stop();
    }
  });
});
