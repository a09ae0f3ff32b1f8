/** The function that a schedule starts every minute: it tells the owner what happened in that minute. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { NocoTable } from "../harness/nocodb.mjs";
import { Receiver } from "../harness/receiver.mjs";
import { Sandbox } from "./runtime.mjs";

/** Noon of a day that is over. What is told then lies between 11:58:30 and 11:59:30. */
const NOON = "2026-01-02T12:00:00Z";

/** What EventBridge sends, as far as anybody reads it. @param {string} time */
const scheduled = (time) => ({ source: "aws.events", "detail-type": "Scheduled Event", time });

/** @type {{ stop: () => Promise<unknown> }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0)) await one.stop();
});

/** @param {string} email @param {string} from @param {string} to @param {string} [reason] */
const visit = (email, from, to, reason) => ({
  emailOfAccessor: email,
  sessionStartTime: `2026-01-02T${from}Z`,
  sessionEndTime: `2026-01-02T${to}Z`,
  ...(reason ? { endReason: reason, endedAt: `2026-01-02T${to}Z` } : {}),
});

const ROWS = [
  visit("ann@example.com", "11:00:00", "11:58:29", "logout"),
  visit("ann@example.com", "11:58:30", "11:58:40"),
  visit("bob@example.com", "11:58:35", "11:59:29", "logout"),
  visit("eve@example.com", "11:59:30", "11:59:30"),
  // Half an hour and a minute before 11:58:30 and before 11:59:30.
  visit("old@example.com", "11:00:00", "11:27:30"),
  visit("new@example.com", "11:00:00", "11:28:30"),
];

/** @param {NodeJS.ProcessEnv} [settings] */
async function start(settings) {
  const receiver = await Receiver.start();
  const table = await NocoTable.create();
  for (const row of ROWS) await table.add(row);
  const sandbox = await Sandbox.start("notify", {
    ...table.settings,
    NOTIFY_URL: receiver.url,
    ...settings,
  });
  started.push(sandbox, receiver);
  return { receiver, table, sandbox };
}

/** @param {Receiver} receiver */
const told = (receiver) =>
  receiver.taken.map(({ body }) => `${body.type} ${body.data.email.split("@")[0]}`);

test("a run tells what happened in its minute, and the next one what happened in the next", async () => {
  const { receiver, sandbox } = await start();
  await sandbox.invoke(scheduled(NOON));
  assert.deepEqual(told(receiver), ["visit.ended old", "visitor.first bob", "visit.ended bob"]);
  const [vanished] = receiver.taken;
  assert.equal(vanished?.body.data.state, "vanished");
  assert.equal(vanished?.body.timestamp, "2026-01-02T11:58:30Z");
  assert.equal(vanished?.headers["webhook-signature"], undefined, "there is no secret");
  await sandbox.invoke(scheduled("2026-01-02T12:01:00Z"));
  assert.deepEqual(told(receiver).slice(3), ["visitor.first eve", "visit.ended new"]);
  assert.ok(!sandbox.running.log.includes("@"), "nobody is named in the log");
});

test("a receiver that does not take it is a failed run, and the same event tells it all", async () => {
  const { receiver, sandbox } = await start();
  receiver.mood = "refuses";
  await assert.rejects(sandbox.invoke(scheduled(NOON)), /NOTIFY_URL: the receiver answered 503/);
  assert.equal(receiver.calls.length, 3, "three tries of the first message");
  receiver.mood = "takes";
  await sandbox.invoke(scheduled(NOON));
  assert.equal(receiver.taken.length, 3);
  const ids = receiver.calls.map(({ headers }) => headers["webhook-id"]);
  assert.equal(new Set(ids.slice(0, 4)).size, 1, "it is recognised by its id");
  assert.ok(!sandbox.running.log.includes("pa55word"));
  const failed = sandbox.lines.filter(({ message }) => message === "the scheduled task failed");
  assert.equal(failed.length, 1);
});

test("everything that is ended is told with the moment that ended it, though no row says so yet", async () => {
  const { receiver, table, sandbox } = await start();
  await table.add({ ...visit("everyone", "11:58:50", "11:58:50", "revoked") });
  await sandbox.invoke(scheduled(NOON));
  const revoked = receiver.taken.filter(({ body }) => body.data.endReason === "revoked");
  const who = revoked.map(({ body }) => body.data.email.split("@")[0]);
  assert.deepEqual(who.sort(), ["ann", "new"]);
  for (const { body } of revoked) assert.equal(body.data.endedAt, "2026-01-02T11:58:50Z");
});

test("without the setting nobody is told, and a wrong one is a failed run that names it", async () => {
  const { receiver, sandbox } = await start({ NOTIFY_URL: "" });
  await sandbox.invoke(scheduled(NOON));
  assert.deepEqual(receiver.calls, []);
  const { sandbox: other } = await start({ NOTIFY_URL: "http://example.com/pa55word" });
  await assert.rejects(other.invoke(scheduled(NOON)), /NOTIFY_URL: must start with https/);
  assert.ok(!other.running.log.includes("pa55word"));
});
