/**
 * The main job from the door to the row, written once for everything that serves the API: a visitor
 * leaves an email, is let in, is seen, and leaves; the owner reads the visit.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { send, Visitor } from "../harness/http.mjs";
import { asOwner } from "../harness/owner.mjs";

/** @typedef {import("../harness/row.mjs").Row} Row */
/** @typedef {import("../harness/http.mjs").Answer} Answer */
/**
 * Somewhere the API is served, and the owner's view of what it stored.
 *
 * @typedef {{ url: string, log: string,
 *   rows: () => Promise<Row[]>, row: (id: string) => Promise<Row>,
 *   stop: () => Promise<unknown> }} Target
 *
 * One whose owner has a table to type into.
 * @typedef {Target & { type: (id: string, fields: Record<string, unknown>) => Promise<void>,
 *   remove: (id: string) => Promise<void> }} TargetWithTable
 */

const HEARTBEAT = "/api/session-heartbeat";
const PAGE = "/portfolio/confidential/";

/** Ages the session by as much as a column of whole seconds can show. */
const A_SECOND_LATER = 1100;

/** @param {string} time */
const milliseconds = (time) => {
  const value = Date.parse(time);
  assert.ok(!Number.isNaN(value), `${time} is no time`);
  return value;
};

/** A different visitor for each test. */
const someone = () => `visitor-${crypto.randomUUID().slice(0, 8)}@example.com`;

/** @param {Answer} answer @param {number} status @param {string} code */
function assertProblem(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/);
  assert.equal(answer.json.code, code);
}

/** @param {Answer} answer @param {string} reason */
function assertEnded(answer, reason) {
  assert.equal(answer.status, 401, answer.text);
  assert.equal(answer.json.reason, reason);
  assertClears(answer);
}

/** @param {Answer} answer */
function assertClears(answer) {
  assert.deepEqual(
    answer.cookies.map(({ name, removes }) => ({ name, removes })).sort(byName),
    [
      { name: "lastseen", removes: true },
      { name: "session_record_id", removes: true },
    ],
    "both cookies are cleared",
  );
}

/** @param {{ name: string }} one @param {{ name: string }} other */
const byName = (one, other) => (one.name < other.name ? -1 : 1);

/**
 * @param {string} where
 * @param {() => Promise<Target>} start
 */
export function journey(where, start) {
  suite(where, () => {
    /** @type {Target} */
    let target;
    before(async () => {
      target = await start();
    });
    after(async () => {
      await target?.stop();
    });
    visits(() => target);
    ownersHands(() => target);
  });
}

/**
 * The same, and what an owner does in the table meanwhile.
 *
 * @param {string} where
 * @param {() => Promise<TargetWithTable>} start
 */
export function journeyWithTable(where, start) {
  suite(where, () => {
    /** @type {TargetWithTable} */
    let target;
    before(async () => {
      target = await start();
    });
    after(async () => {
      await target?.stop();
    });
    visits(() => target);
    interventions(() => target);
    ownersHands(() => target);
  });
}

/** @param {() => Target} target */
function visits(target) {
  const visitor = () => new Visitor(target().url);

  test("a visitor who leaves an email is let in, and the visit is a row", async () => {
    const anna = visitor();
    const before = Date.now();
    const answer = await anna.enter("  Anna.Visitor@Example.COM ", { redirect: `${PAGE}?a=b#c` });
    assert.equal(answer.headers.location, `${PAGE}?a=b#c`);
    assert.equal(answer.headers["cache-control"], "no-store");

    const row = await target().row(anna.rowId);
    assert.equal(row.emailOfAccessor, "anna.visitor@example.com");
    assert.equal(row.sessionEndTime, row.sessionStartTime);
    assert.equal(row.endReason, null);
    const started = milliseconds(row.sessionStartTime);
    assert.ok(started >= before - 1000 && started <= Date.now() + 1000, row.sessionStartTime);
  });

  test("the cookies say what the design says, and no more", async () => {
    const { cookies } = await visitor().enter(someone());
    assert.deepEqual(cookies.map(({ name }) => name).sort(), ["lastseen", "session_record_id"]);
    const [token, id] = cookies.sort(byName);
    for (const { attributes } of cookies) {
      assert.equal(attributes.path, "/");
      assert.match(String(attributes.samesite), /^lax$/i);
      assert.ok(!("domain" in attributes));
      const lives = Number(attributes["max-age"]);
      assert.ok(Math.abs(lives - 2 * 86_400) <= 5, `a lifetime and a day, not ${lives} seconds`);
    }
    assert.ok(token && "httponly" in token.attributes);
    assert.ok(id && !("httponly" in id.attributes));
  });

  test("a program is let in by JSON", async () => {
    const answer = await visitor().send("/api/verify-temp-access", {
      json: { email: someone(), redirect: PAGE },
    });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json, { success: true, redirect: PAGE });
    assert.equal(answer.cookies.length, 2);
  });

  test("what is no email is refused, without a cookie and without a row", async () => {
    const rows = (await target().rows()).length;
    for (const email of ["", "nobody", "a@b@c", "a@b.c, d@e.f", `${"x".repeat(250)}@b.com`]) {
      const json = await visitor().send("/api/verify-temp-access", { json: { email } });
      assertProblem(json, 400, "invalid-email");
      assert.deepEqual(json.cookies, []);
      const form = await visitor().send("/api/verify-temp-access", { form: { email } });
      assert.equal(form.status, 303);
      assert.match(
        form.headers.location ?? "",
        /^\/access\/\?.*error=invalid-email.*#invalid-email$/,
      );
      assert.deepEqual(form.cookies, []);
    }
    assert.equal((await target().rows()).length, rows);
  });

  test("a redirect to another host falls back to the default", async () => {
    for (const redirect of [
      "//evil.example/",
      "/\\evil.example/",
      "https:evil.example",
      "/\t/evil.example",
    ]) {
      const answer = await visitor().enter(someone(), { redirect });
      assert.equal(answer.headers.location, PAGE, redirect);
    }
  });

  test("a heartbeat moves last seen and renews the cookie", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const before = await target().row(visit.rowId);
    const token = visit.cookies.get("lastseen");
    await sleep(A_SECOND_LATER);
    const answer = await visit.send(HEARTBEAT, { method: "POST" });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.success, true);
    assert.ok(milliseconds(answer.json.timestamp) <= Date.now() + 1000);
    assert.ok(Math.abs(answer.json.idleExpiresInSeconds - 1800) <= 2, answer.text);
    assert.ok(Math.abs(answer.json.sessionExpiresInSeconds - 86_400) <= 5, answer.text);
    assert.notEqual(visit.cookies.get("lastseen"), token);

    const row = await target().row(visit.rowId);
    assert.equal(row.sessionStartTime, before.sessionStartTime);
    assert.ok(milliseconds(row.sessionEndTime) > milliseconds(before.sessionEndTime));
  });

  test("a snapshot is written down once, however often it arrives", async () => {
    const visit = visitor();
    await visit.enter(someone());
    await sleep(A_SECOND_LATER);
    const snapshot = {
      session: visit.rowId,
      activeSeconds: 1,
      seenSecondsAgo: 0,
      page: PAGE,
      pages: { [PAGE]: { seconds: 1, scroll: 85 } },
      leaving: false,
    };
    for (let time = 0; time < 3; time += 1) {
      const answer = await visit.send(HEARTBEAT, { json: snapshot });
      assert.equal(answer.status, 200, answer.text);
    }
    const row = await target().row(visit.rowId);
    assert.equal(row.activeSeconds, 1);
    assert.equal(row.currentPage, PAGE);
    assert.deepEqual(row.pages, { [PAGE]: { seconds: 1, scroll: 85 } });
  });

  test("active time that was never possible is not believed", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const answer = await visit.send(HEARTBEAT, {
      json: { session: visit.rowId, activeSeconds: 9999, seenSecondsAgo: 0 },
    });
    assert.equal(answer.status, 200, answer.text);
    const { activeSeconds } = await target().row(visit.rowId);
    assert.ok((activeSeconds ?? 0) <= 5, `${activeSeconds} active seconds in a new session`);
  });

  test("a farewell by beacon is recorded and touches no cookie", async () => {
    const visit = visitor();
    await visit.enter(someone());
    await sleep(A_SECOND_LATER);
    const answer = await visit.send(HEARTBEAT, {
      method: "POST",
      headers: { "content-type": "text/plain;charset=UTF-8" },
      body: JSON.stringify({
        session: visit.rowId,
        seenSecondsAgo: 0,
        page: PAGE,
        leaving: true,
      }),
    });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.cookies, []);
    const row = await target().row(visit.rowId);
    assert.ok(milliseconds(row.sessionEndTime) > milliseconds(row.sessionStartTime));
    assert.equal(row.endReason, null);
  });

  test("asking for the session extends nothing", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const row = await target().row(visit.rowId);
    await sleep(A_SECOND_LATER);
    const answer = await visit.send(HEARTBEAT);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.hasSession, true);
    assert.ok(answer.json.idleExpiresInSeconds < 1800);
    assert.deepEqual(await target().row(visit.rowId), row);
  });

  test("a refresh sends an open session back with a fresh cookie", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const answer = await visit.send(`/api/session-refresh?redirect=${encodeURIComponent(PAGE)}`);
    assert.equal(answer.status, 302, answer.text);
    assert.equal(answer.headers.location, PAGE);
    assert.ok(answer.cookies.some(({ name, removes }) => name === "lastseen" && !removes));
  });

  test("without a cookie there is no session", async () => {
    const heartbeat = await send(target().url, HEARTBEAT, { method: "POST" });
    assert.equal(heartbeat.status, 401);
    assert.equal(heartbeat.json.reason, "missing");
    const question = await send(target().url, HEARTBEAT);
    assert.equal(question.status, 200);
    assert.equal(question.json.hasSession, false);
  });

  test("a token that was tampered with is invalid", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const token = visit.cookies.get("lastseen") ?? "";
    const [head, claims] = token.split(".");
    for (const forged of [
      `${head}.${claims}.`,
      `${token.slice(0, -4)}AAAA`,
      "x",
      `e30.${claims}.`,
    ]) {
      visit.cookies.set("lastseen", forged);
      assertEnded(await visit.send(HEARTBEAT, { method: "POST" }), "invalid");
      visit.cookies.set("session_record_id", "1");
    }
  });

  test("a log-out clears the cookies and ends the row", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const { rowId: id } = visit;
    const token = visit.cookies.get("lastseen") ?? "";
    await sleep(A_SECOND_LATER);
    const answer = await visit.send("/api/logout", { json: { reason: "logout" } });
    assert.equal(answer.status, 204, answer.text);
    assertClears(answer);

    const row = await target().row(id);
    assert.equal(row.endReason, "logout");
    assert.ok(milliseconds(row.endedAt ?? "") >= milliseconds(row.sessionStartTime));

    visit.cookies.set("lastseen", token);
    assertEnded(await visit.send(HEARTBEAT, { method: "POST" }), "logout");
    assert.deepEqual(await target().row(id), row, "a late heartbeat changes nothing");
  });

  test("a log-out by form goes to the gate, and one without a session is the same", async () => {
    const visit = visitor();
    await visit.enter(someone());
    for (let time = 0; time < 2; time += 1) {
      const answer = await visit.send("/api/logout", { form: { reason: "logout" } });
      assert.equal(answer.status, 303, answer.text);
      assert.match(answer.headers.location ?? "", /^\/access\/\?.*reason=logout/);
      assertClears(answer);
    }
  });

  test("GET /logout ends the session of a page that navigates to it", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const { rowId: id } = visit;
    const answer = await visit.send("/logout", {
      headers: {
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
        "sec-fetch-site": "same-origin",
      },
    });
    assert.equal(answer.status, 303, answer.text);
    assertClears(answer);
    assert.equal((await target().row(id)).endReason, "logout");
  });

  test("a log-out ends every browser of the visitor, and nobody else's", async () => {
    const email = someone();
    const [phone, laptop, other] = [visitor(), visitor(), visitor()];
    await phone.enter(email);
    await laptop.enter(email.toUpperCase());
    await other.enter(someone());
    const { rowId: laptopRow } = laptop;

    await phone.send("/api/logout", { json: { reason: "logout" } });
    const question = await laptop.send(HEARTBEAT);
    assert.deepEqual([question.json.hasSession, question.json.reason], [false, "logout"]);
    assertEnded(await laptop.send(HEARTBEAT, { method: "POST" }), "logout");
    assert.equal((await target().row(laptopRow)).endReason, "logout");
    assert.equal((await other.send(HEARTBEAT)).json.hasSession, true);
  });

  test("an idle log-out ends this browser only", async () => {
    const email = someone();
    const [phone, laptop] = [visitor(), visitor()];
    await phone.enter(email);
    await laptop.enter(email);
    const { rowId: id } = phone;
    await phone.send("/api/logout", { json: { reason: "idle" } });
    assert.equal((await target().row(id)).endReason, "idle");
    assert.equal((await laptop.send(HEARTBEAT)).json.hasSession, true);
  });

  test("a refresh of an ended session goes to the gate with the reason", async () => {
    const email = someone();
    const [phone, laptop] = [visitor(), visitor()];
    await phone.enter(email);
    await laptop.enter(email);
    await phone.send("/api/logout", { json: {} });
    const answer = await laptop.send(`/api/session-refresh?redirect=${encodeURIComponent(PAGE)}`);
    assert.equal(answer.status, 302, answer.text);
    const to = new URL(answer.headers.location ?? "", target().url);
    assert.equal(to.pathname, "/access/");
    assert.equal(to.searchParams.get("reason"), "logout");
    assert.equal(to.searchParams.get("redirect"), PAGE);
    assertClears(answer);
  });

  test("a wrong method is told the right ones", async () => {
    const gate = await send(target().url, "/api/verify-temp-access", { method: "PUT", body: "" });
    assert.equal(gate.status, 405);
    assert.match(gate.headers.allow ?? "", /\bPOST\b/);
  });

  test("nothing personal and no secret is in the log", () => {
    assert.doesNotMatch(target().log, /@example\.com/i);
    assert.doesNotMatch(target().log, /eyJ[\w-]{20,}\./);
    assert.doesNotMatch(target().log, /panicked/);
  });
}

/** @param {() => TargetWithTable} target */
function interventions(target) {
  const visitor = () => new Visitor(target().url);

  test("a word that the owner types ends the session as revoked", async () => {
    const visit = visitor();
    await visit.enter(someone());
    const { rowId: id } = visit;
    await sleep(A_SECOND_LATER);
    await target().type(id, { endReason: "enough" });
    assertEnded(await visit.send(HEARTBEAT, { method: "POST" }), "revoked");
    const row = await target().row(id);
    assert.equal(row.endReason, "enough", "what the owner typed stays");
    assert.equal(row.sessionEndTime, row.sessionStartTime, "and last seen is what it was");
  });

  test("a deleted row ends the session", async () => {
    const visit = visitor();
    await visit.enter(someone());
    await target().remove(visit.rowId);
    const answer = await visit.send(HEARTBEAT, { method: "POST" });
    assert.equal(answer.status, 401, answer.text);
    assertClears(answer);
  });
}

/**
 * What the owner does from outside the table. The last of all: it ends everybody's sessions.
 *
 * @param {() => Target} target
 */
function ownersHands(target) {
  /** @param {string} [email] */
  const comesIn = async (email = someone()) => {
    const visitor = new Visitor(target().url);
    await visitor.enter(email);
    return visitor;
  };
  /** @param {Visitor} visitor */
  const beats = (visitor) => visitor.send(HEARTBEAT, { method: "POST" });
  /** @param {Visitor} visitor */
  const row = (visitor) => target().row(visitor.rowId);

  test("the owner ends one session, and then all of that visitor", async () => {
    const email = someone();
    const [one, two, other] = [await comesIn(email), await comesIn(email), await comesIn()];
    const [firstRow, secondRow] = [one.rowId, two.rowId];
    const answer = await asOwner(target().url, `/api/sessions/${firstRow}/revoke`);
    assert.deepEqual([answer.status, answer.json.ended], [200, 1], answer.text);
    assertEnded(await beats(one), "revoked");
    assert.equal((await beats(two)).status, 200);

    const all = await asOwner(target().url, "/api/sessions/revoke", { email });
    assert.deepEqual([all.status, all.json.ended], [200, 1], all.text);
    assertEnded(await beats(two), "revoked");
    for (const id of [firstRow, secondRow]) {
      assert.equal((await target().row(id)).endReason, "revoked");
    }
    assert.equal((await beats(other)).status, 200);
  });

  test("nobody else does", async () => {
    const visitor = await comesIn();
    const path = `/api/sessions/${visitor.rowId}/revoke`;
    for (const authorization of ["", "Bearer guess", "Basic guess"]) {
      const answer = await visitor.send(path, { json: {}, headers: { authorization } });
      assertProblem(answer, 401, "not-the-owner");
    }
    assertProblem(await send(target().url, path), 405, "method-not-allowed");
    assert.equal((await beats(visitor)).status, 200);
  });

  test("the owner ends everything, and whoever comes in later stays", async () => {
    const [ann, bob] = [await comesIn(), await comesIn()];
    const [annsRow, bobsRow] = [ann.rowId, bob.rowId];
    const copied = new Map(bob.cookies);
    const answer = await asOwner(target().url, "/api/sessions/revoke", { all: true });
    assert.deepEqual([answer.status, answer.json.more], [200, false], answer.text);
    await sleep(A_SECOND_LATER);
    const since = await comesIn();
    assertEnded(await beats(ann), "revoked");
    const page = await bob.send("/api/session-refresh?redirect=%2Fportfolio%2Fconfidential%2F", {
      headers: { accept: "text/html" },
    });
    assert.match(page.headers.location ?? "", /^\/access\/\?.*reason=revoked/);
    bob.cookies = copied;
    assertEnded(await beats(bob), "revoked");
    for (const id of [annsRow, bobsRow]) {
      const { endReason, endedAt } = await target().row(id);
      assert.deepEqual([endReason, endedAt !== null], ["revoked", true]);
    }
    assert.equal((await beats(since)).status, 200);
    assert.equal((await row(since)).endReason, null);
  });
}
