/** The owner's reports, beside the same figures counted visit by visit; written once for every store. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import {
  clock,
  newestFirst,
  periods,
  readCsv,
  session,
  summary,
  visitors,
  within,
} from "../harness/figures.mjs";
import { send } from "../harness/http.mjs";
import { ADMIN_TOKEN, asOwner } from "../harness/owner.mjs";
import { journeys, rfc3339 } from "../harness/visits.mjs";

/**
 * @typedef {import("../harness/visits.mjs").Visit} Visit
 * @typedef {import("../harness/figures.mjs").Unit} Unit
 * Somewhere the API is served, and a way to write rows past it; `another` is a second server on the same rows.
 *
 * @typedef {{ url: string, stop: () => Promise<unknown>,
 *   another: () => Promise<{ url: string, stop: () => Promise<unknown> }>,
 *   insert: (visits: Visit[]) => Promise<void>, insertEveryone: (start: number) => Promise<string> }} Store
 */

const OWNER = { authorization: `Bearer ${ADMIN_TOKEN}` };
/** Rows that can still change are read again when they are this old. */
const RECENT_MS = 5_000;

const at = (/** @type {string} */ text) => Date.parse(text) / 1000;

/** Where clocks and calendars do what is easily got wrong. Long past, whenever the test runs. */
const RANGES = /** @type {const} */ ([
  { zone: "UTC", from: "2025-01-31", to: "2025-02-01", unit: "hour" },
  { zone: "UTC", from: "2024-02-01", to: "2024-03-01", unit: "day" },
  { zone: "Europe/Berlin", from: "2025-03-30", to: "2025-03-30", unit: "hour" },
  { zone: "Europe/Berlin", from: "2025-10-26", to: "2025-10-26", unit: "hour" },
  { zone: "Europe/Berlin", from: "2025-10-26", to: "2025-10-27", unit: "hour" },
  { zone: "Europe/Berlin", from: "2025-03-01", to: "2025-03-31", unit: "day" },
  { zone: "Europe/Berlin", from: "2025-10-01", to: "2025-10-31", unit: "day" },
  { zone: "America/New_York", from: "2025-11-02", to: "2025-11-02", unit: "hour" },
  { zone: "America/New_York", from: "2025-10-31", to: "2025-11-03", unit: "day" },
  { zone: "Asia/Kathmandu", from: "2025-01-31", to: "2025-02-01", unit: "hour" },
  { zone: "Europe/Berlin", from: "2024-01-01", to: "2025-12-31", unit: "month" },
]);

/**
 * @param {string} name
 * @param {() => Promise<Store>} start
 */
export function reports(name, start) {
  suite(`reports of ${name}`, () => {
    /** @type {Store} */
    let store;
    /** Everything there is. @type {Visit[]} */
    const all = [];
    let begun = 0;

    /** @param {string} path @param {Record<string, string | number>} [query] */
    async function ask(path, query = {}) {
      const text = new URLSearchParams(
        Object.entries(query).map(([name, value]) => [name, String(value)]),
      );
      const address = text.size > 0 ? `/api/${path}?${text}` : `/api/${path}`;
      return send(store.url, address, { headers: OWNER, withinMs: 60_000 });
    }

    /** As {@link ask}, until everything has been read. @param {string} path @param {Record<string, string | number>} [query] */
    async function told(path, query) {
      for (;;) {
        const answer = await ask(path, query);
        assert.equal(answer.status, 200, answer.text);
        if (!answer.json.data.leftOut) return answer.json;
      }
    }

    /** Every page of a list. @param {"sessions" | "visitors"} path @param {Record<string, string | number>} [query] @param {() => Promise<unknown>} [between] */
    async function pages(path, query = {}, between = async () => {}) {
      const items = [];
      /** @type {Record<string, string>} */
      let cursor = {};
      for (;;) {
        const answer = await told(path, { ...query, ...cursor });
        items.push(...answer[path]);
        if (answer.next === null) return { items, total: answer.total };
        cursor = { cursor: answer.next };
        await between();
      }
    }

    before(async () => {
      begun = Math.floor(Date.now() / 1000);
      store = await start();
      // A month of journeys, and days on which clocks change.
      all.push(
        ...journeys({
          count: 150,
          from: at("2025-01-15T00:00:00Z"),
          to: at("2025-02-14T00:00:00Z"),
          seed: 1,
        }),
        ...journeys({
          count: 40,
          from: at("2024-02-28T00:00:00Z"),
          to: at("2024-03-02T00:00:00Z"),
          seed: 2,
        }),
        ...journeys({
          count: 60,
          from: at("2025-03-29T20:00:00Z"),
          to: at("2025-03-31T00:00:00Z"),
          seed: 3,
        }),
        ...journeys({
          count: 60,
          from: at("2025-10-25T20:00:00Z"),
          to: at("2025-10-27T02:00:00Z"),
          seed: 4,
        }),
        ...journeys({
          count: 60,
          from: at("2025-11-02T02:00:00Z"),
          to: at("2025-11-03T06:00:00Z"),
          seed: 5,
        }),
      );
      // Some in the same second, as an owner typed them, and around the ends of a month.
      const [first] = journeys({
        count: 1,
        from: at("2025-01-20T00:00:00Z"),
        to: at("2025-01-21T00:00:00Z"),
        seed: 6,
      });
      assert.ok(first);
      for (const moment of [
        "2025-01-31T23:59:59Z",
        "2025-02-01T00:00:00Z",
        "2025-02-01T00:00:00Z",
      ]) {
        all.push({ ...first, email: "Ann@Example.com", start: at(moment), seen: at(moment) });
      }
      // Open ones, one of them being looked at; and one that nobody will hear of again.
      for (const [started, ago] of [
        [3_000, 60],
        [2_000, 1_000],
        [9_000, 2_400],
      ]) {
        const [start, seen] = [begun - (started ?? 0), begun - (ago ?? 0)];
        all.push({
          ...first,
          start,
          seen,
          reason: null,
          endedAt: null,
          active: 7,
          email: "eve@example.com",
        });
      }
      await store.insert(all);
    });
    after(() => store?.stop());

    const now = () => Math.floor(Date.now() / 1000);

    for (const { zone, from, to, unit } of RANGES) {
      test(`a summary of ${from} to ${to} in ${zone} is what counting gives`, async () => {
        const meant = within(all, { from, to, zone });
        const answer = await told("summary", { from, to, tz: zone });
        const { periods: shown, looking, data, pagesLeftOut, ...figures } = answer;
        assert.deepEqual(figures, summary(meant, now()));
        assert.deepEqual([looking, pagesLeftOut, data.leftOut], [[], 0, false]);
        assert.deepEqual([shown.unit, shown.timeZone], [unit, zone]);
        const items = shown.items.map((/** @type {any} */ { start, label, ...rest }) => ({
          name: unit === "hour" ? start : label,
          ...rest,
        }));
        assert.deepEqual(items, periods(meant, { from, to, zone, unit }));
      });
    }

    test("a summary of everything tells what is open and who is looking", async () => {
      const answer = await told("summary");
      const { periods: _, looking, data, pagesLeftOut: __, ...figures } = answer;
      assert.deepEqual(figures, summary(all, now()));
      assert.equal(answer.sessions.open, 2);
      const [one, ...more] = looking;
      assert.deepEqual(more, []);
      assert.equal(one.lastSeen, rfc3339(begun - 60));
      assert.deepEqual([data.complete, data.rows, data.stored], [true, all.length, all.length]);
    });

    for (const limit of [1_000, 7]) {
      test(`visits come newest first, ${limit} at a time`, async () => {
        const { items, total } = await pages("sessions", { limit });
        assert.equal(total, all.length);
        assert.deepEqual(
          items,
          newestFirst(all).map((visit) => session(visit, now())),
        );
      });
    }

    for (const [sort, key] of [
      ["last", "lastVisit"],
      ["email", null],
      ["active", "activeSeconds"],
      ["duration", "durationSeconds"],
      ["sessions", "sessions"],
    ]) {
      test(`visitors come by ${sort}, two at a time`, async () => {
        const expected = /** @type {any[]} */ (visitors(all, now()));
        if (key) expected.sort((a, b) => (a[key] === b[key] ? 0 : a[key] < b[key] ? 1 : -1));
        const { items, total } = await pages("visitors", { sort: sort ?? "", limit: 2 });
        assert.deepEqual(items, expected);
        assert.equal(total, expected.length);
      });
    }

    for (const [
      query,
      wants,
    ] of /** @type {[Record<string, string>, (visit: Visit, state: string) => boolean][]} */ ([
      [{ email: "ann@example.com" }, ({ email }) => email.toLowerCase() === "ann@example.com"],
      [{ domain: "example.com" }, ({ email }) => email.toLowerCase().endsWith("@example.com")],
      [{ state: "open" }, (_, state) => state === "open"],
      [{ state: "ended" }, (_, state) => state !== "open"],
      [{ reason: "logout" }, ({ reason }) => reason === "logout"],
      [{ reason: "none" }, (_, state) => state === "vanished"],
      [{ from: "2025-02-01T00:00:00Z" }, ({ start }) => start >= at("2025-02-01T00:00:00Z")],
      [{ to: "2025-02-01T00:00:00Z" }, ({ start }) => start < at("2025-02-01T00:00:00Z")],
      [
        { to: "2025-01-31", tz: "Europe/Berlin", email: "bob@example.com", reason: "idle" },
        ({ start, email, reason }) =>
          clock(start, "Europe/Berlin").day <= "2025-01-31" &&
          email === "bob@example.com" &&
          reason === "idle",
      ],
    ])) {
      test(`only those that are asked for: ${JSON.stringify(query)}`, async () => {
        const meant = all.filter((visit) => wants(visit, session(visit, now()).state));
        assert.ok(meant.length > 0 && meant.length < all.length, "some of them");
        const { items } = await pages("sessions", { ...query, limit: 100 });
        assert.deepEqual(
          items,
          newestFirst(meant).map((visit) => session(visit, now())),
        );
        const theirs = await pages("visitors", { ...query, sort: "email" });
        assert.deepEqual(theirs.items, visitors(meant, now()));
      });
    }

    test("one visit is what the list says of it", async () => {
      const visit = /** @type {Visit} */ (all[5]);
      const answer = await ask(`sessions/${visit.id}`);
      assert.deepEqual(answer.json, session(visit, now()));
    });

    test("what is no visit of this table is not found", async () => {
      const everyone = await store.insertEveryone(at("2020-01-01T00:00:00Z"));
      for (const id of [
        "abc",
        "0",
        "-1",
        "999999999",
        "mabcdef",
        "..%2f1",
        "1'--",
        "x".repeat(300),
        everyone,
      ]) {
        const answer = await ask(`sessions/${id}`);
        assert.equal(answer.status, 404, `${id}: ${answer.text}`);
        assert.deepEqual([answer.json.code, answer.json.parameter], ["no-such-session", "id"]);
        assert.match(answer.json.detail, /^id: /);
      }
    });

    const BAD = /** @type {[string, string][]} */ ([
      ["email", "ann"],
      ["email", ""],
      ["domain", "localhost"],
      ["from", "yesterday"],
      ["from", "2025-02-30"],
      ["from", "2025-02-01T00:00:00"],
      ["from", "1825-01-01"],
      ["to", "2025-13-01"],
      ["to", ""],
      ["state", "closed"],
      ["reason", "bored"],
      ["tz", "Berlin"],
      ["tz", "../../etc/passwd"],
      ["colour", "red"],
      ["__proto__", "1"],
    ]);
    const ROUTES = ["sessions", "visitors", "summary", "sessions.csv", "visitors.csv"];
    for (const route of ROUTES) {
      test(`a parameter that /api/${route} cannot follow is named`, async () => {
        /** @type {[string, string][]} */
        const own = [
          ...BAD,
          .../** @type {[string, string][]} */ (
            ["sessions", "visitors"].includes(route)
              ? [
                  ["limit", "0"],
                  ["limit", "1001"],
                  ["limit", "+5"],
                  ["limit", "ten"],
                  ["part", "first"],
                ]
              : [["limit", "5"]]
          ),
          .../** @type {[string, string][]} */ (
            route === "summary"
              ? [["cursor", "x"]]
              : [
                  ["cursor", "forged"],
                  ["cursor", ""],
                ]
          ),
          ["sort", "colour"],
          ...(route === "visitors" ? [] : /** @type {[string, string][]} */ ([["sort", "last"]])),
          ...(route.endsWith(".csv")
            ? /** @type {[string, string][]} */ ([["part", "second"]])
            : []),
        ];
        for (const [parameter, value] of own) {
          const answer = await ask(route, { [parameter]: value });
          assert.equal(answer.status, 400, `${parameter}=${value}: ${answer.text}`);
          assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/);
          assert.deepEqual(
            [answer.json.code, answer.json.parameter],
            ["invalid-parameter", parameter],
          );
          assert.ok(answer.json.detail.startsWith(`${parameter}: `), answer.json.detail);
        }
        for (const [query, parameter] of [
          ["email=a@b.cc&email=a@b.cc", "email"],
          ["email=a@b.cc&domain=b.cc", "domain"],
          ["from=2025-02-02&to=2025-02-01", "from"],
          ["state=open&reason=idle", "reason"],
        ]) {
          const answer = await send(store.url, `/api/${route}?${query}`, { headers: OWNER });
          assert.deepEqual([answer.status, answer.json.parameter], [400, parameter], query);
        }
      });
    }

    test("a cursor is good for its own question alone", async () => {
      const { next } = await told("sessions", { limit: 5, state: "ended" });
      const visitorsNext = (await told("visitors", { limit: 1, sort: "email" })).next;
      const flipped = `${next.slice(0, 10)}${next[10] === "A" ? "B" : "A"}${next.slice(11)}`;
      for (const [path, query] of /** @type {[string, Record<string, string>][]} */ ([
        ["sessions", { state: "ended", cursor: flipped }],
        ["sessions", { state: "ended", cursor: `${next}AAAA` }],
        ["sessions", { state: "open", cursor: next }],
        ["sessions", { cursor: next }],
        ["sessions", { state: "ended", tz: "Europe/Berlin", cursor: next }],
        ["visitors", { state: "ended", cursor: next }],
        ["sessions.csv", { state: "ended", cursor: next }],
        ["visitors", { sort: "last", cursor: visitorsNext }],
        ["sessions", { sort: "email", cursor: visitorsNext }],
      ])) {
        const answer = await ask(path, query);
        assert.equal(answer.status, 400, `${path} ${JSON.stringify(query)}`);
      }
      const answer = await ask("sessions", { limit: 3, state: "ended", cursor: next });
      assert.equal(answer.status, 200, "with another limit");
    });

    test("nobody but the owner reads them, and nothing but GET is known", async () => {
      const { status, json } = await send(store.url, "/api/sessions");
      assert.deepEqual([status, json.code], [401, "not-the-owner"]);
      for (const route of [...ROUTES, "sessions/1"]) {
        const answer = await send(store.url, `/api/${route}`, { method: "POST", headers: OWNER });
        assert.deepEqual([answer.status, answer.headers.allow], [405, "GET"], route);
      }
    });

    const NAMES =
      "id,emailOfAccessor,sessionStartTime,sessionEndTime,endReason,endedAt,activeSeconds,currentPage,pages,durationSeconds";

    test("visits as CSV are every row once, as one file or in parts", async () => {
      const query = { from: "2025-01-01", state: "ended" };
      const answer = await ask("sessions.csv", query);
      assert.equal(answer.headers["content-type"], "text/csv; charset=utf-8");
      const disposition = answer.headers["content-disposition"] ?? "";
      assert.match(disposition, /^attachment; filename="lastseen-sessions-\d{4}-\d\d-\d\d\.csv"$/);
      assert.deepEqual(
        [answer.headers.link, answer.headers["lastseen-next"]],
        [undefined, undefined],
      );
      const [names, ...lines] = readCsv(answer.text);
      assert.equal(names?.join(","), NAMES);
      const meant = newestFirst(
        within(all, { from: "2025-01-01", to: "9999", zone: "UTC" }),
      ).filter((visit) => session(visit, now()).state !== "open");
      const cells = meant.map((visit) => [
        visit.id,
        visit.email,
        rfc3339(visit.start),
        rfc3339(visit.seen),
        visit.reason ?? "",
        visit.endedAt === null ? "" : rfc3339(visit.endedAt),
        String(visit.active ?? ""),
        visit.page ?? "",
        visit.pages,
        String(visit.seen - visit.start),
      ]);
      const read = lines.map((line) => line.with(8, JSON.parse(line[8] ?? "")));
      assert.deepEqual(read, cells);

      const first = await ask("sessions.csv", { ...query, part: "first" });
      assert.equal(first.text, answer.text, "it fits into one part");
    });

    test("visitors as CSV are what the list says", async () => {
      const [names, ...lines] = readCsv((await ask("visitors.csv")).text);
      assert.equal(
        names?.join(","),
        "email,sessions,openSessions,firstVisit,lastVisit,lastSeen,durationSeconds,activeSeconds,medianActiveSeconds,pages",
      );
      const expected = visitors(all, now()).map((one) => ({
        ...one,
        pages: Object.fromEntries(one.pages.map(({ path, ...figures }) => [path, figures])),
      }));
      const read = lines.map(([email, ...cells]) => {
        const pages = JSON.parse(cells.pop() ?? "");
        return [email, ...cells, pages];
      });
      assert.deepEqual(
        read,
        expected.map((one) => [
          one.email,
          ...[one.sessions, one.openSessions].map(String),
          one.firstVisit,
          one.lastVisit,
          one.lastSeen,
          ...[one.durationSeconds, one.activeSeconds].map(String),
          String(one.medianActiveSeconds ?? ""),
          one.pages,
        ]),
      );
    });

    test("no cell of a file is a formula", async () => {
      const [evil] = journeys({
        count: 1,
        from: at("2023-05-05T00:00:00Z"),
        to: at("2023-05-05T01:00:00Z"),
        seed: 9,
      });
      assert.ok(evil);
      const visit = { ...evil, email: "=cmd|'/c calc'!a1@example.com", page: "@SUM(A1)" };
      await store.insert([visit]);
      all.push(visit);
      // Rows that no longer change are read again after ten minutes: another process reads it now.
      const other = await store.another();
      try {
        const answer = await send(other.url, "/api/sessions.csv?to=2023-12-31", { headers: OWNER });
        const [, line] = readCsv(answer.text);
        assert.equal(line?.[1], `'${visit.email}`);
        assert.equal(line?.[7], `'${visit.page}`);
      } finally {
        await other.stop();
      }
    });

    test("what the owner ends is seen to be ended at once", async () => {
      const visit = all.find(({ seen }) => seen === begun - 1_000);
      assert.ok(visit);
      const before = await told("sessions", { state: "open" });
      assert.ok(before.sessions.some((/** @type {any} */ { id }) => id === visit.id));
      const answer = await asOwner(store.url, `/api/sessions/${visit.id}/revoke`);
      assert.equal(answer.status, 200);
      const after = await told("sessions", { state: "open" });
      assert.ok(!after.sessions.some((/** @type {any} */ { id }) => id === visit.id));
      const [ended] = (await told("sessions", { reason: "revoked", limit: 1 })).sessions;
      assert.deepEqual([ended.id, ended.state], [visit.id, "ended"]);
      visit.reason = "revoked";
      visit.endedAt = at(ended.endedAt);
    });

    test("visits that come in meanwhile neither hide nor double others on the pages of a list", async () => {
      const known = await pages("sessions", { limit: 1_000 });
      const knownVisitors = await pages("visitors", {});
      let count = 0;
      const comesIn = async () => {
        const [visit] = journeys({ count: 1, from: now(), to: now() + 1, seed: 100 + count });
        assert.ok(visit);
        // Every time somebody who is further down the list of visitors.
        const email = knownVisitors.items.at(-1 - (count % 3)).email;
        count += 1;
        const fresh = { ...visit, email, seen: visit.start, reason: "logout" };
        await store.insert([fresh]);
        all.push(fresh);
        if (count % 3 === 0) await new Promise((resolve) => setTimeout(resolve, RECENT_MS));
      };
      const listed = await pages("sessions", { limit: 100 }, comesIn);
      const ids = listed.items.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, "once each");
      for (const { id } of known.items) assert.ok(ids.includes(id), `${id} is there`);
      const byLast = await pages("visitors", { limit: 1, sort: "last" }, comesIn);
      const emails = byLast.items.map(({ email }) => email).sort();
      assert.deepEqual(emails, knownVisitors.items.map(({ email }) => email).sort());
      assert.ok(count > 5);
    });
  });
}
