/** `lastseen serve`, killed without a word of warning, in front of a real NocoDB that comes and goes. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Visitor } from "../harness/http.mjs";
import { NocoTable } from "../harness/nocodb.mjs";
import { until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";
import { Detour } from "../lambda/detour.mjs";

const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";

/** @type {{ stop: () => unknown }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

/** @param {NodeJS.ProcessEnv} [settings] */
async function start(settings = {}) {
  const table = await NocoTable.create();
  const nocodb = await Detour.start(table.settings.NOCODB_URL);
  const serve = await Serve.start({ ...table.settings, NOCODB_URL: nocodb.url, ...settings });
  started.push(nocodb, serve);
  return { table, nocodb, serve };
}

/** As a power cut does, and then on again. @param {Serve} serve */
async function killAndResume(serve) {
  const { running } = serve;
  running?.kill("SIGKILL");
  await running?.ended;
  await serve.resume();
}

/** No test is as slow as people: what grows is how far they scrolled. @param {Visitor} visitor @param {number} scroll */
async function beat(visitor, scroll) {
  const snapshot = { activeSeconds: 0, seenSecondsAgo: 0, page: PAGE, pages: pages(scroll) };
  const answer = await visitor.send(HEARTBEAT, { method: "POST", json: snapshot });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(answer.json.success && answer.json.idleExpiresInSeconds > 1700);
}

/** @param {number} scroll */
const pages = (scroll) => ({ [PAGE]: { seconds: 0, scroll } });

/** @param {Serve} serve @param {string} email */
async function visitor(serve, email) {
  const visitor = new Visitor(serve.url);
  await visitor.enter(email);
  return visitor;
}

test("whatever was answered is in SQLite after a kill", async () => {
  const serve = await Serve.start();
  started.push(serve);
  const ann = await visitor(serve, "ann@example.com");
  for (const scroll of [10, 20, 30]) {
    await beat(ann, scroll);
    await killAndResume(serve);
    ann.site = serve.url;
    const [row] = await serve.rows();
    assert.deepEqual(row?.pages, pages(scroll));
  }
});

test("whatever was confirmed to many at once, visits and log-outs among it, is in SQLite after a kill", async () => {
  const serve = await Serve.start();
  started.push(serve);
  /** @type {Map<string, { scroll: number, isOut: boolean }>} by row id */
  const confirmed = new Map();
  let isKilled = false;
  const come = async (/** @type {number} */ number) => {
    for (let visit = 0; !isKilled; visit += 1) {
      const one = await visitor(serve, `visitor-${number}-${visit}@example.com`);
      const known = { scroll: 0, isOut: false };
      confirmed.set(one.rowId, known);
      for (const scroll of [30, 60, 90]) {
        await beat(one, scroll);
        known.scroll = scroll;
      }
      if (visit % 2 === 0) continue;
      const out = await one.send("/api/logout", { json: { reason: "logout" } });
      assert.equal(out.status, 204);
      known.isOut = true;
    }
  };
  // Whoever is cut off was not answered.
  const coming = Array.from({ length: 16 }, (_, number) => come(number).catch(() => {}));
  await until("visits", () => confirmed.size > 60, 60_000);
  serve.running?.kill("SIGKILL");
  isKilled = true;
  await Promise.all(coming);
  await serve.running?.ended;
  await serve.resume();
  const rows = new Map((await serve.rows()).map((row) => [row.id, row]));
  for (const [id, { scroll, isOut }] of confirmed) {
    const row = rows.get(id);
    assert.ok(row, `visit ${id} is lost`);
    assert.ok((row.pages?.[PAGE]?.scroll ?? 0) >= scroll, `${id} lost ${scroll} %`);
    if (isOut) assert.equal(row.endReason, "logout", id);
  }
});

test("what waited for NocoDB survives kills, and a log-out ends the other browser when it is back", async () => {
  const { table, nocodb, serve } = await start();
  const [ann, elsewhere] = [
    await visitor(serve, "ann@example.com"),
    await visitor(serve, "ann@example.com"),
  ];
  nocodb.isAway = true;
  await beat(ann, 10);
  await killAndResume(serve);
  for (const one of [ann, elsewhere]) one.site = serve.url;
  await beat(ann, 20);
  await beat(elsewhere, 10);
  const out = await ann.send("/api/logout", { method: "POST", json: {} });
  assert.equal(out.status, 204);
  assert.equal(ann.cookies.size, 0, "out at once");
  await killAndResume(serve);
  elsewhere.site = serve.url;
  assert.match(serve.running?.log ?? "", /2 sessions wait in .*queue\.db to be written/);
  assert.deepEqual(
    (await table.rows()).map(({ endReason, pages }) => [endReason, pages]),
    [
      [null, null],
      [null, null],
    ],
  );
  nocodb.isAway = false;
  await until("end", async () => (await table.rows()).every((row) => row.endReason), 30_000);
  const [own, other] = await table.rows();
  assert.deepEqual([own?.endReason, own?.pages], ["logout", pages(20)]);
  assert.deepEqual([other?.endReason, other?.endedAt], ["logout", own?.endedAt]);
  const answer = await elsewhere.send(HEARTBEAT, { method: "POST" });
  assert.deepEqual([answer.status, answer.json.reason], [401, "logout"]);
});

test("in batched mode a kill between an answer and its row loses nothing", async () => {
  const { table, nocodb, serve } = await start({ WRITE_EVERY_SECONDS: "2" });
  const ann = await visitor(serve, "ann@example.com");
  for (const scroll of [10, 20, 30]) {
    nocodb.isAway = true;
    await beat(ann, scroll);
    await killAndResume(serve);
    ann.site = serve.url;
    nocodb.isAway = false;
    const furthest = async () => (await table.rows())[0]?.pages?.[PAGE]?.scroll;
    await until(`row with ${scroll} %`, async () => (await furthest()) === scroll, 20_000);
  }
  assert.equal(nocodb.all("PATCH").filter(({ path }) => path.includes("/v3/")).length, 0);
});
