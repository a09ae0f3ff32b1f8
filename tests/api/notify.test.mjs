/** `NOTIFY_URL`: the owner is told who came for the first time, and how visits ended. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../harness/http.mjs";
import { isThorough } from "../harness/loop.mjs";
import { asOwner } from "../harness/owner.mjs";
import { root, until } from "../harness/process.mjs";
import { Receiver } from "../harness/receiver.mjs";
import { Serve } from "../harness/serve.mjs";
import { serveOnNocodb, serveOnSqlite } from "../harness/targets.mjs";
import { insertIntoSqlite } from "../harness/visits.mjs";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const IDLE_SECONDS = 20;
const PAGE = "/portfolio/confidential/";

/** The example of docs/notifications.md: what a receiver is advised to do. @type {(secret: string, headers: Record<string, unknown>, raw: string) => any} */
const read = await (async () => {
  const manual = readFileSync(join(root, "docs/notifications.md"), "utf8");
  const [, source = ""] = /```js\n(\/\/ receiver\.mjs\n[\s\S]*?)```/.exec(manual) ?? [];
  const module = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  return module.readMessage;
})();

/** @param {import("../harness/receiver.mjs").Call} call */
const verified = ({ headers, raw }) => read(SECRET, headers, raw);

/** A first visit may be over by the time it is told. @param {any} body */
const told = ({ type, data }) =>
  [type, data.email.split("@")[0], ...(type === "visit.ended" ? [data.endReason] : [])].join(" ");

/** @param {Visitor} visitor @param {number} activeSeconds */
const beats = (visitor, activeSeconds) =>
  visitor.send("/api/session-heartbeat", {
    json: {
      session: visitor.rowId,
      activeSeconds,
      seenSecondsAgo: 0,
      page: PAGE,
      pages: { [PAGE]: { seconds: activeSeconds, scroll: 60 } },
    },
  });

/** @param {Visitor} visitor */
const logsOut = (visitor) => visitor.send("/api/logout", { json: {} });

/** @type {(() => Promise<unknown>)[]} */
const stops = [];
after(() => Promise.all(stops.map((stop) => stop())));

/** @template {{ stop: () => Promise<unknown> }} Started @param {Promise<Started>} starting */
async function started(starting) {
  const one = await starting;
  stops.push(() => one.stop());
  return one;
}

/** After how long without a word of its browser a visit is told as vanished. */
const VANISHES_SECONDS = IDLE_SECONDS + 60;

/** Somebody whom nobody has heard of for so long that their visit is soon told as vanished. @param {string} home */
function isSilentSinceLong(home) {
  const seen = Math.floor(Date.now() / 1000) - VANISHES_SECONDS + 5;
  const nothing = { reason: null, endedAt: null, active: null, page: null, pages: {} };
  insertIntoSqlite(join(home, "lastseen.db"), [
    { id: "", email: "eve@example.com", start: seen, seen, ...nothing },
  ]);
}

for (const where of isThorough ? ["SQLite", "NocoDB"] : ["SQLite"]) {
  suite(`on ${where}`, { concurrency: true }, () => {
    test("a first visit and every ending are told once, signed, with the right figures", async () => {
      const receiver = await started(Receiver.start());
      const settings = {
        NOTIFY_URL: receiver.url,
        NOTIFY_SECRET: SECRET,
        IDLE_TIMEOUT_SECONDS: `${IDLE_SECONDS}`,
      };
      const isOnSqlite = where === "SQLite";
      const target = await started(isOnSqlite ? serveOnSqlite(settings) : serveOnNocodb(settings));
      const [ann, bob, eve] = [1, 2, 3].map(() => new Visitor(target.url));
      assert.ok(ann && bob && eve);
      await ann.enter("ann@example.com");
      await bob.enter("bob@example.com");
      if (target instanceof Serve) isSilentSinceLong(target.home);
      else await eve.enter("eve@example.com");
      const [annId, bobId] = [ann.rowId, bob.rowId];
      await sleep(2100);
      assert.equal((await beats(ann, 2)).status, 200);
      assert.equal((await logsOut(ann)).status, 204);
      await ann.enter("ann@example.com");
      await logsOut(ann);
      await asOwner(target.url, `/api/sessions/${bobId}/revoke`);

      // Eve just goes away: on NocoDB in real time.
      const wanted = [
        "visit.ended ann logout",
        "visit.ended ann logout",
        "visit.ended bob revoked",
        "visit.ended eve ",
        "visitor.first ann",
        "visitor.first bob",
        ...(isOnSqlite ? [] : ["visitor.first eve"]),
      ];
      const roundMs = isOnSqlite ? 11_000 : 60_000;
      const taken = await receiver.took(
        wanted.length,
        VANISHES_SECONDS * 1000 + 2 * roundMs + 30_000,
      );
      // Nothing comes after it.
      await sleep(isOnSqlite ? roundMs + 2000 : 5000);
      const bodies = taken.map(verified);
      assert.deepEqual(bodies.map(told).sort(), wanted);
      const ids = new Set(taken.map(({ headers }) => headers["webhook-id"]));
      assert.equal(ids.size, wanted.length);
      const moments = bodies.map(({ timestamp }) => Date.parse(timestamp));
      assert.deepEqual(
        moments,
        [...moments].sort((one, other) => one - other),
      );

      const ended = bodies.find(({ type, data }) => type === "visit.ended" && data.id === annId);
      const row = await target.row(annId);
      assert.equal(ended.data.state, "ended");
      assert.equal(ended.data.activeSeconds, 2);
      assert.deepEqual(ended.data.pages, [{ path: PAGE, seconds: 2, scroll: 60 }]);
      assert.equal(Date.parse(ended.data.lastSeen), Date.parse(row.sessionEndTime));
      assert.equal(Date.parse(ended.data.endedAt), Date.parse(row.endedAt ?? ""));
      assert.equal(ended.text, "ann@example.com looked for 2 s (1 page) and logged out");
      const vanished = bodies.find(({ data }) => data.state === "vanished");
      assert.equal(vanished.data.email, "eve@example.com");
      for (const secret of ["pa55word", SECRET]) assert.ok(!target.log.includes(secret));
    });
  });
}

suite("a receiver that is ill", { concurrency: true }, () => {
  for (const mood of /** @type {const} */ (["silent", "refuses"])) {
    test(`that ${mood === "silent" ? "never answers" : mood} keeps no visitor waiting, and is told later, in order`, async () => {
      const receiver = await started(Receiver.start(mood));
      const target = await started(
        serveOnSqlite({ NOTIFY_URL: receiver.url, NOTIFY_SECRET: SECRET }),
      );
      const names = ["one", "two", "three"];
      for (const name of names) {
        const visitor = new Visitor(target.url);
        await visitor.enter(`${name}@example.com`);
        // What happens in one second has no order.
        await sleep(1100);
        await logsOut(visitor);
        await sleep(1100);
      }
      await until("call", () => receiver.calls.length > 0, 30_000);

      // While it is being waited for. An answer takes milliseconds; one that waited would take ten seconds.
      const visitor = new Visitor(target.url);
      await visitor.enter("four@example.com");
      for (let beat = 0; beat < 20; beat += 1) {
        const answer = await visitor.send("/api/session-heartbeat", { json: {}, withinMs: 3000 });
        assert.equal(answer.status, 200);
      }
      assert.deepEqual(receiver.taken, []);

      const isGivenUp = () =>
        /the owner could not be told of visits; it is tried again/.test(target.log);
      await until("run that failed", isGivenUp, 60_000);
      receiver.mood = "takes";
      const taken = await receiver.took(7, 90_000);
      assert.deepEqual(taken.map(verified).map(told), [
        ...names.flatMap((name) => [`visitor.first ${name}`, `visit.ended ${name} logout`]),
        "visitor.first four",
      ]);
      assert.match(target.log, mood === "silent" ? /could not be reached/ : /answered 503/);
      assert.ok(!target.log.includes("pa55word"));
    });
  }
});

test("what somebody else made up, and what is old, is refused by the example", async () => {
  const id = "ended-1-1";
  const seconds = Math.floor(Date.now() / 1000);
  const { createHmac } = await import("node:crypto");
  const raw = JSON.stringify({ type: "visit.ended" });
  /** @param {number} at @param {string} [key] */
  const headers = (at, key = SECRET) => {
    const hmac = createHmac("sha256", Buffer.from(key.replace("whsec_", ""), "base64"));
    const signature = hmac.update(`${id}.${at}.${raw}`).digest("base64");
    return {
      "webhook-id": id,
      "webhook-timestamp": `${at}`,
      "webhook-signature": `v1,${signature}`,
    };
  };
  assert.equal(read(SECRET, headers(seconds), raw).type, "visit.ended");
  const other = `whsec_${Buffer.alloc(32, 8).toString("base64")}`;
  assert.throws(() => read(SECRET, headers(seconds, other), raw), /signature/);
  assert.throws(() => read(SECRET, headers(seconds - 301), raw), /old/);
  assert.throws(() => read(SECRET, headers(seconds), `${raw} `), /signature/);
  assert.throws(() => read(SECRET, {}, raw), /signature|old/);
});
