/**
 * The queue behind the store: what NocoDB cannot take waits in SQS, and the function that a schedule
 * starts writes it. With a real NocoDB, which can be away, and the functions as cargo built them.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readSetCookie } from "../harness/http.mjs";
import { NocoTable } from "../harness/nocodb.mjs";
import { until } from "../harness/process.mjs";
import { Detour } from "./detour.mjs";
import { Messages } from "./messages.mjs";
import { Moto } from "./moto.mjs";
import { event, Sandbox } from "./runtime.mjs";

/** @typedef {import("../harness/row.mjs").Row} Row */
/** @typedef {"verify-access" | "heartbeat" | "logout" | "writer"} Name */

/** What EventBridge sends, as far as anybody reads it. */
const SCHEDULED = { version: "0", source: "aws.events", "detail-type": "Scheduled Event" };
const JSON_TYPE = { "content-type": "application/json" };
const PAGE = "/portfolio/confidential/";
const TERMS = "/portfolio/confidential/terms/";
const SESSION = "__Host-lastseen";

/** @type {Moto} */
let moto;
before(async () => {
  moto = await Moto.start();
});
after(() => moto?.stop());

/** @type {{ stop: () => unknown }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

/** The stack of one test: a table, a queue, and the functions between them. */
class Stack {
  /** @type {Map<Name, Sandbox>} */
  #functions = new Map();
  /** The receipts of whatever the writer took. @type {string[]} */
  receipts = [];
  /** The delays, in seconds, that were asked for. @type {number[]} */
  delays = [];
  /** Whether what was to wait is due at once: no test can wait four minutes. */
  hurries = true;

  /**
   * @param {NocoTable} table
   * @param {Messages} queue
   * @param {Detour} nocodb
   * @param {Detour} sqs
   * @param {NodeJS.ProcessEnv} settings
   */
  constructor(table, queue, nocodb, sqs, settings) {
    this.table = table;
    this.queue = queue;
    this.nocodb = nocodb;
    this.sqs = sqs;
    this.settings = settings;
    sqs.before = ({ operation, body }) => {
      if (operation !== "SendMessage" && operation !== "SendMessageBatch") return;
      for (const message of body.Entries ?? [body]) {
        this.delays.push(message.DelaySeconds ?? 0);
        if (this.hurries) message.DelaySeconds = 0;
      }
    };
    sqs.after = ({ operation, answer }) => {
      if (operation !== "ReceiveMessage") return;
      for (const { ReceiptHandle } of answer.Messages ?? []) this.receipts.push(ReceiptHandle);
    };
  }

  /** @param {NodeJS.ProcessEnv} [settings] @param {{ maxReceiveCount?: number }} [options] */
  static async start(settings = {}, options = {}) {
    const table = await NocoTable.create();
    const nocodb = await Detour.start(table.settings.NOCODB_URL);
    const sqs = await Detour.start(moto.url);
    started.push(nocodb, sqs);
    const queue = await Messages.create(moto, options);
    return new Stack(table, queue, nocodb, sqs, {
      ...table.settings,
      NOCODB_URL: nocodb.url,
      AWS_ENDPOINT_URL: sqs.url,
      QUEUE_URL: queue.url,
      SITE_AUDIENCE: "www.example.com",
      SESSION_KEYS: `test:${randomBytes(32).toString("base64")}`,
      // Visitors of a test are sooner than people.
      FLOOD_LIMITS: "off",
      // More than the tests take, so that nobody waits for it.
      WRITE_REQUESTS_PER_SECOND: "100",
      ...settings,
    });
  }

  /** The function, in a sandbox that stays. @param {Name} name */
  async function(name) {
    const known = this.#functions.get(name);
    if (known?.running.isRunning) return known;
    const sandbox = await Sandbox.start(name, this.settings);
    started.push(sandbox);
    this.#functions.set(name, sandbox);
    return sandbox;
  }

  /** As when a sandbox is taken away: with no word of warning. @param {Name} name */
  async kill(name) {
    const sandbox = await this.function(name);
    sandbox.running.kill("SIGKILL");
    await sandbox.running.ended;
    sandbox.server.closeAllConnections();
    sandbox.server.close();
    started.splice(started.indexOf(sandbox), 1);
  }

  /** A run of the writer, as the schedule starts one. */
  async write() {
    const writer = await this.function("writer");
    await writer.invoke(SCHEDULED);
  }

  /** What was sent, and by that what stands in the queue unless somebody took it out. */
  get sent() {
    const one = this.sqs.all("SendMessage").map(({ body }) => body.MessageBody);
    const many = this.sqs.all("SendMessageBatch").flatMap(({ body }) => body.Entries);
    return [...one, ...many.map(({ MessageBody }) => MessageBody)];
  }

  /** What NocoDB was asked. A new sandbox also opens a connection, by a `HEAD` that needs no token. */
  get asked() {
    return this.nocodb.requests.filter(({ method }) => method !== "HEAD");
  }

  /** Requests that changed rows, and of how many each. */
  get writes() {
    return this.nocodb.all("PATCH").map(({ body }) => [body].flat().length);
  }

  /** Somebody who comes in now. @param {string} email */
  async visitor(email) {
    const visitor = new Visitor(this, email);
    const answer = await visitor.send("verify-access", "/api/verify-temp-access", {
      form: { email },
    });
    assert.equal(answer.statusCode, 303, answer.body);
    return visitor;
  }
}

/** A browser's worth of events. */
class Visitor {
  /** @type {Map<string, string>} */
  cookies = new Map();

  /** @param {Stack} stack @param {string} email */
  constructor(stack, email) {
    this.stack = stack;
    this.email = email;
  }

  get rowId() {
    return this.cookies.get("session_record_id") ?? "";
  }

  /** What the session's token says. */
  get token() {
    const [, claims = ""] = (this.cookies.get(SESSION) ?? "").split(".");
    return JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
  }

  /** @returns {Promise<Row>} */
  row() {
    return this.stack.table.row(this.rowId);
  }

  /** @param {Name} name @param {string} path @param {Parameters<typeof event>[1]} call */
  async send(name, path, call) {
    const sandbox = await this.stack.function(name);
    const cookies = [...this.cookies].map(([name, value]) => `${name}=${value}`);
    const answer = await sandbox.invoke(event(path, { cookies, ...call }));
    for (const { name, value, removes } of (answer.cookies ?? []).map(readSetCookie)) {
      if (removes) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }

  /** @param {object} [snapshot] */
  heartbeat(snapshot = {}) {
    const body = JSON.stringify({ session: this.rowId, ...snapshot });
    return this.send("heartbeat", "/api/session-heartbeat", { headers: JSON_TYPE, body });
  }

  /** @param {object} [wish] */
  logOut(wish = {}) {
    const body = JSON.stringify({ session: this.rowId, ...wish });
    return this.send("logout", "/api/logout", { headers: JSON_TYPE, body });
  }
}

/** @param {number} activeSeconds @param {Record<string, { seconds: number, scroll: number }>} pages */
const snapshot = (activeSeconds, pages, page = PAGE) => ({
  activeSeconds,
  inactiveSeconds: 0,
  seenSecondsAgo: 0,
  page,
  pages,
});

/** Seconds since 1970, as a row or a clock has them. @param {string | number | null | undefined} time */
const seconds = (time) => Math.floor(new Date(time ?? Number.NaN).getTime() / 1000);

/**
 * When something was done, to the second.
 *
 * @template T
 * @param {() => Promise<T>} deed
 */
async function timed(deed) {
  const from = seconds(Date.now());
  const result = await deed();
  const to = seconds(Date.now());
  /** @param {string | null | undefined} time @param {string} [what] */
  const includes = (time, what) =>
    assert.ok(seconds(time) >= from && seconds(time) <= to, `${what}: ${time}`);
  return { result, includes };
}

suite("NocoDB is away, and heartbeats are written at once otherwise", () => {
  test("nobody notices, and afterwards the table is as if it had been there", async () => {
    const stack = await Stack.start();
    const [ann, annElsewhere, bob, cyd, dan] = [
      await stack.visitor("ann@example.com"),
      await stack.visitor("ann@example.com"),
      await stack.visitor("bob@example.com"),
      await stack.visitor("cyd@example.com"),
      await stack.visitor("dan@example.com"),
    ];
    // Figures are never more than the time that has passed.
    await sleep(3000);
    const early = { [PAGE]: { seconds: 1, scroll: 40 } };
    for (const one of [ann, annElsewhere, bob, cyd, dan]) {
      assert.equal((await one.heartbeat(snapshot(1, early))).statusCode, 200);
    }
    assert.deepEqual(stack.sqs.requests, [], "whom NocoDB answers costs the queue nothing");
    const before = {
      bob: bob.token,
      annElsewhere: await annElsewhere.row(),
      dan: await dan.row(),
    };
    await sleep(1100);

    stack.nocodb.isAway = true;
    const late = { [PAGE]: { seconds: 2, scroll: 85 }, [TERMS]: { seconds: 1, scroll: 10 } };
    const beat = await timed(() => bob.heartbeat(snapshot(3, late, TERMS)));
    stack.nocodb.forget();
    assert.equal((await dan.heartbeat(snapshot(2, early))).statusCode, 200);
    assert.deepEqual(stack.nocodb.requests, [], "a store that failed is left alone for a moment");
    assert.equal(beat.result.statusCode, 200, beat.result.body);
    const told = JSON.parse(beat.result.body ?? "");
    assert.equal(told.success, true);
    assert.ok(bob.token.exp > before.bob.exp, "the cookie is renewed");
    assert.equal(bob.token.iat, before.bob.iat, "which the store has not confirmed");
    assert.equal(told.idleExpiresInSeconds, 1800);

    const [annsId, cydsId] = [ann.rowId, cyd.rowId];
    const out = await timed(() => ann.logOut(snapshot(3, late)));
    assert.equal(out.result.statusCode, 204);
    assert.deepEqual([...ann.cookies], [], "cookies are cleared");
    const away = await timed(() =>
      cyd.logOut({ ...snapshot(1, early), reason: "idle", seenSecondsAgo: 2 }),
    );
    assert.equal(away.result.statusCode, 204);
    assert.deepEqual([...cyd.cookies], []);

    assert.deepEqual(stack.delays, [240, 240, 0, 0], "heartbeats wait for the page's next one");
    assert.equal(await stack.queue.count(), 4);
    for (const body of stack.sent) assert.ok(!body.includes("@"), "nobody is named in the queue");
    assert.deepEqual(await dan.row(), before.dan, "nothing was written");

    stack.nocodb.isAway = false;
    await stack.write();
    assert.equal(await stack.queue.count(), 0);

    const row = await bob.row();
    beat.includes(row.sessionEndTime, "last seen");
    assert.deepEqual(
      [row.activeSeconds, row.pages, row.currentPage, row.endReason, row.endedAt],
      [3, late, TERMS, null, null],
    );
    const annsRow = await stack.table.row(annsId);
    out.includes(annsRow.sessionEndTime, "last seen");
    out.includes(annsRow.endedAt, "when she logged out, and not when it was written");
    assert.deepEqual(
      [annsRow.activeSeconds, annsRow.pages, annsRow.endReason],
      [3, late, "logout"],
    );
    const cydsRow = await stack.table.row(cydsId);
    away.includes(cydsRow.endedAt, "when the clock ran out");
    assert.ok(
      seconds(cydsRow.sessionEndTime) <= seconds(cydsRow.endedAt) - 1,
      "two seconds before",
    );
    assert.deepEqual([cydsRow.activeSeconds, cydsRow.endReason], [1, "idle"]);

    const other = await annElsewhere.row();
    assert.equal(other.endReason, "logout", "logging out ends every browser");
    out.includes(other.endedAt);
    assert.equal(other.sessionEndTime, before.annElsewhere.sessionEndTime);
    assert.deepEqual(other.pages, early);
    assert.equal((await dan.row()).endReason, null, "and nobody else's");
    // The store may be left alone for some seconds more; then everybody knows.
    await until(
      "word of the log-out",
      async () => (await annElsewhere.heartbeat(snapshot(1, early))).statusCode === 401,
      10_000,
    );
    assert.deepEqual([...annElsewhere.cookies], []);
    const writer = await stack.function("writer");
    assert.ok(!writer.running.log.includes("@"), "nobody is named in the log");
  });

  test("without the queue, too, a heartbeat is refused for now, and the cookie is renewed all the same", async () => {
    const stack = await Stack.start();
    const ann = await stack.visitor("ann@example.com");
    const { exp } = ann.token;
    await sleep(1100);
    stack.nocodb.isAway = true;
    stack.sqs.isAway = true;
    const answer = await ann.heartbeat();
    assert.equal(answer.statusCode, 503, answer.body);
    assert.ok(Number(answer.headers["retry-after"]) > 0);
    assert.ok(ann.token.exp > exp);
    assert.equal((await ann.logOut()).statusCode, 204);
    assert.deepEqual([...ann.cookies], []);
  });
});

suite("in batched mode", () => {
  test("each row is written once, with the largest figures, whatever the order and how often", async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "2" });
    stack.hurries = false;
    /** @type {Visitor[]} */
    const visitors = [];
    for (const name of ["ann", "bob", "cyd"]) {
      visitors.push(await stack.visitor(`${name}@example.com`));
    }
    await sleep(4000);
    stack.nocodb.forget();
    const moments = [];
    for (let beat = 1; beat <= 4; beat += 1) {
      const pages = { [PAGE]: { seconds: beat, scroll: 20 * beat } };
      for (const visitor of visitors) {
        const deed = await timed(() => visitor.heartbeat(snapshot(beat, pages)));
        assert.equal(deed.result.statusCode, 200, deed.result.body);
        moments.push(deed);
      }
    }
    assert.deepEqual(stack.nocodb.all("PATCH"), [], "heartbeats cost NocoDB nothing");
    // Which sessions have ended is asked once in 20 seconds, whoever sends heartbeats: with a moment, and without.
    assert.ok(stack.asked.length <= 2, JSON.stringify(stack.asked));
    assert.equal(stack.sent.length, 12);
    for (const delay of stack.delays) assert.ok(delay >= 1 && delay <= 2, String(delay));

    // SQS hands out in any order, and now and then twice.
    for (const body of stack.sent.toReversed()) await stack.queue.send(body);
    await sleep(2100);
    assert.equal(await stack.queue.count(), 24);
    stack.nocodb.forget();
    await stack.write();
    // Two take messages at once, and each writes what it has in one request.
    assert.ok(stack.writes.length <= 2, `${stack.writes}`);
    for (const rows of stack.writes) assert.ok(rows <= 3, "each row once");
    assert.equal(await stack.queue.count(), 0);
    for (const [index, visitor] of visitors.entries()) {
      const row = await visitor.row();
      moments.at(index - visitors.length)?.includes(row.sessionEndTime, "last seen");
      assert.equal(row.activeSeconds, 4);
      assert.deepEqual(row.pages, { [PAGE]: { seconds: 4, scroll: 80 } });
      assert.equal(row.endReason, null);
    }

    // The same once more: rows that say all of it are read, and not written.
    for (const body of stack.sent) await stack.queue.send(body);
    stack.nocodb.forget();
    await stack.write();
    assert.deepEqual(stack.writes, []);
    assert.equal(await stack.queue.count(), 0);
  });

  test("what the owner types is noticed within twenty seconds, and a log-out in another browser", async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "1", EVERYWHERE_ON: "logout" });
    const [ann, annElsewhere, bob] = [
      await stack.visitor("ann@example.com"),
      await stack.visitor("ann@example.com"),
      await stack.visitor("bob@example.com"),
    ];
    assert.equal((await bob.heartbeat()).statusCode, 200);
    assert.equal((await annElsewhere.heartbeat()).statusCode, 200);
    await stack.table.type(bob.rowId, { endReason: "enough" });
    assert.equal((await ann.logOut()).statusCode, 204);
    stack.nocodb.forget();
    const begun = Date.now();
    /** @param {Visitor} visitor */
    const reason = async (visitor) => {
      for (;;) {
        const { statusCode, body = "" } = await visitor.heartbeat();
        if (statusCode === 401) return JSON.parse(body).reason;
        assert.equal(statusCode, 200, body);
        // It was perhaps asked just before the ending.
        assert.ok(Date.now() - begun < 22_000, "nobody noticed");
        await sleep(500);
      }
    };
    assert.equal(await reason(bob), "revoked");
    assert.equal(await reason(annElsewhere), "logout");
    assert.ok(stack.asked.length <= 6, "it is asked once for everybody, in two questions");
    assert.deepEqual([...bob.cookies], []);

    // What was queued of them before and since opens no row again.
    await stack.write();
    assert.equal(await stack.queue.count(), 0);
    const rows = await stack.table.rows();
    const reasons = rows.map(({ endReason }) => endReason);
    assert.deepEqual(reasons, ["logout", "logout", "enough"]);
  });

  test("the writer asks NocoDB for endings, and the functions learn them from it", async () => {
    const board = await Messages.create(moto);
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "1", ENDINGS_URL: board.url });
    const bob = await stack.visitor("bob@example.com");
    stack.nocodb.forget();
    assert.equal((await bob.heartbeat()).statusCode, 200);
    assert.notDeepEqual(stack.asked, [], "while nobody says anything it asks NocoDB itself");
    const writer = await stack.function("writer");
    // It goes on for a minute, as long as others have to be told.
    const run = writer.invoke(SCHEDULED).catch(() => {});
    const begun = Date.now();
    while (!(await board.count())) {
      assert.ok(Date.now() - begun < 42_000, "the writer says nothing");
      await sleep(200);
    }
    await stack.table.type(bob.rowId, { endReason: "enough" });
    for (;;) {
      const { statusCode, body = "" } = await bob.heartbeat();
      if (statusCode === 401) {
        assert.equal(JSON.parse(body).reason, "revoked");
        break;
      }
      assert.equal(statusCode, 200, body);
      assert.ok(Date.now() - begun < 42_000, "nobody noticed");
      await sleep(500);
    }
    assert.ok(await board.count(), "it stays there for others");
    await stack.kill("writer");
    await run;
  });

  test("without a queue the function does not start, and says why", async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60", QUEUE_URL: "" });
    const heartbeat = await stack.function("heartbeat");
    await heartbeat.running.ended;
    assert.match(heartbeat.running.log, /QUEUE_URL: is missing/);
  });
});

suite("the writer, while NocoDB is away", () => {
  test("loses nothing and counts nothing, however often it tries", async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60" });
    const [ann, bob] = [
      await stack.visitor("ann@example.com"),
      await stack.visitor("bob@example.com"),
    ];
    await sleep(2000);
    for (const active of [1, 2]) {
      for (const visitor of [ann, bob]) await visitor.heartbeat(snapshot(active, {}));
    }
    stack.nocodb.isAway = true;
    for (let run = 0; run < 3; run += 1) {
      await stack.write();
      const waiting = await stack.queue.due();
      const keys = new Set(waiting.map(({ body }) => JSON.parse(body).record));
      assert.deepEqual([...keys].sort(), [ann.rowId, bob.rowId].sort());
      // Two take messages at once.
      assert.ok(waiting.length <= 4, `each session's as one: ${waiting.length}`);
      // After ten times a message would be among the refused.
      for (const { received } of waiting) assert.equal(received, 0);
    }
    const writer = await stack.function("writer");
    const told = writer.lines.filter(({ message }) => message.includes("cannot be written"));
    assert.ok(told.length >= 3 && told.length <= 6, String(told.length));
    for (const { level, error } of told) {
      // What the alarm "NocoDB" counts.
      assert.equal(level, "ERROR");
      assert.match(error, /^NocoDB/);
    }

    stack.nocodb.isAway = false;
    await stack.write();
    assert.equal(await stack.queue.count(), 0);
    assert.equal(await stack.queue.count(stack.queue.refusedUrl), 0);
    for (const visitor of [ann, bob]) assert.equal((await visitor.row()).activeSeconds, 2);
  });

  test("leaves it alone for as long as it asks for", async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60" });
    const ann = await stack.visitor("ann@example.com");
    await sleep(1100);
    await ann.heartbeat(snapshot(1, {}));
    stack.hurries = false;
    stack.delays = [];
    stack.nocodb.forget();
    stack.nocodb.before = () => ({ status: 429, headers: { "retry-after": "12" } });
    await stack.write();
    const asked = Date.now();
    const { length } = stack.nocodb.requests;
    // Its row, and beside it whether everything was ended.
    assert.ok(length >= 1 && length <= 2, `${length} requests`);
    assert.deepEqual(stack.delays, [12]);

    stack.nocodb.before = () => {};
    stack.nocodb.forget();
    while (Date.now() - asked < 9_000) {
      await stack.write();
      assert.deepEqual(stack.nocodb.requests, [], "nobody asks meanwhile");
    }
    await sleep(13_000 - (Date.now() - asked));
    await stack.write();
    assert.equal((await ann.row()).activeSeconds, 1);
    assert.equal(await stack.queue.count(), 0);
  });
});

test("what no row takes goes out of the way, and nothing else with it", async () => {
  const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60" }, { maxReceiveCount: 2 });
  const [ann, bob, gone] = [
    await stack.visitor("ann@example.com"),
    await stack.visitor("bob@example.com"),
    await stack.visitor("gone@example.com"),
  ];
  await sleep(1100);
  for (const visitor of [ann, gone, bob]) await visitor.heartbeat(snapshot(1, {}));
  await stack.queue.send("no entry");
  await stack.table.delete(gone.rowId);

  await stack.write();
  for (const visitor of [ann, bob]) assert.equal((await visitor.row()).activeSeconds, 1);
  assert.equal((await stack.table.rows()).length, 2, "who was deleted stays so");
  assert.equal(await stack.queue.count(), 1);

  await stack.queue.release(stack.receipts);
  await stack.write();
  assert.equal(await stack.queue.count(), 1, "it was received twice");
  await stack.queue.release(stack.receipts);
  await stack.write();
  assert.equal(await stack.queue.count(), 0);
  const refused = await stack.queue.due(stack.queue.refusedUrl);
  assert.deepEqual(
    refused.map(({ body }) => body),
    ["no entry"],
  );
  const writer = await stack.function("writer");
  assert.match(writer.running.log, /a message of the queue is no entry/);
});

test("a row that goes while it is written, and one that NocoDB refuses, take no other row with them", async () => {
  const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60" }, { maxReceiveCount: 1 });
  /** @type {Visitor[]} */
  const visitors = [];
  for (const name of ["ann", "bob", "gone", "cyd", "odd", "dan"]) {
    visitors.push(await stack.visitor(`${name}@example.com`));
  }
  const [, , gone, , odd] = visitors;
  assert.ok(gone && odd);
  await sleep(1100);
  for (const visitor of visitors) await visitor.heartbeat(snapshot(1, {}));
  let isThere = true;
  stack.nocodb.before = async ({ method, body }) => {
    if (method !== "PATCH") return;
    // It was read a moment ago.
    if (isThere) await stack.table.delete(gone.rowId);
    isThere = false;
    if (![body].flat().some(({ Id }) => String(Id) === odd.rowId)) return;
    return { status: 400, json: { error: "INVALID_VALUE_FOR_FIELD", message: "Invalid value" } };
  };
  await stack.write();
  for (const visitor of visitors) {
    if (visitor === gone) continue;
    const { activeSeconds } = await visitor.row();
    assert.equal(activeSeconds, visitor === odd ? null : 1, visitor.email);
  }
  assert.equal((await stack.table.rows()).length, 5);
  assert.equal(await stack.queue.count(), 1);

  await stack.queue.release(stack.receipts);
  await stack.write();
  assert.equal(await stack.queue.count(), 0);
  const refused = await stack.queue.due(stack.queue.refusedUrl);
  assert.deepEqual(
    refused.map(({ body }) => JSON.parse(body).record),
    [odd.rowId],
  );
  const writer = await stack.function("writer");
  assert.match(writer.running.log, /a row refuses what is to be written/);
});

for (const moment of /** @type {const} */ (["before", "after"])) {
  test(`a writer that is killed ${moment} NocoDB took its second request leaves the rest to the next run`, async () => {
    const stack = await Stack.start({ WRITE_EVERY_SECONDS: "60" });
    const ann = await stack.visitor("ann@example.com");
    await sleep(2000);
    await ann.heartbeat(snapshot(1, {}));
    // More visits than go into one request, each with a message like hers.
    const fields = {
      emailOfAccessor: "bob@example.com",
      sessionStartTime: (await ann.row()).sessionStartTime,
      sessionEndTime: (await ann.row()).sessionStartTime,
    };
    const ids = [ann.rowId, ...(await stack.table.addMany(Array(119).fill(fields)))];
    const entry = JSON.parse(stack.sent[0]);
    const wanted = new Map(ids.map((id, index) => [id, index]));
    await Promise.all(
      ids.map((record, index) => {
        const figures = { ...entry.figures, active_seconds: index };
        return stack.queue.send(JSON.stringify({ ...entry, record, figures }));
      }),
    );

    let writes = 0;
    /** @type {(reached: unknown) => void} */
    let tell = () => {};
    const reached = new Promise((resolve) => {
      tell = resolve;
    });
    /** @param {import("./detour.mjs").Passing} passing */
    const hold = async ({ method }) => {
      if (method !== "PATCH") return;
      writes += 1;
      if (writes !== 2) return;
      tell(undefined);
      await new Promise(() => {});
    };
    stack.nocodb[moment] = hold;
    const run = assert.rejects(stack.write(), /the function ended/);
    await reached;
    await stack.kill("writer");
    await run;
    stack.nocodb[moment] = async () => {};
    const half = (await stack.table.rows()).filter(({ activeSeconds }) => activeSeconds !== null);
    assert.ok(half.length >= 1 && half.length <= 120);
    const left = await stack.queue.count();
    assert.ok(left >= 1 && left >= 120 - half.length, "nothing is gone that may not be written");

    await stack.queue.release(stack.receipts);
    stack.nocodb.forget();
    await stack.write();
    assert.equal(await stack.queue.count(), 0);
    const rows = stack.writes.reduce((sum, count) => sum + count, 0);
    // Hers was sent twice.
    assert.ok(rows - (120 - half.length) <= 1, "what is there is not written again");
    for (const { id, activeSeconds } of await stack.table.rows()) {
      // Of hers the larger figure stays.
      assert.equal(activeSeconds, id === ann.rowId ? 1 : wanted.get(id));
    }
  });
}

test("without a queue the writer has nothing to do", async () => {
  const stack = await Stack.start({ QUEUE_URL: "" });
  await stack.write();
  assert.deepEqual([...stack.sqs.requests, ...stack.nocodb.requests], []);
});
