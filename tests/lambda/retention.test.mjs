/** The function that a schedule starts: it deletes old visits, and says when it could not. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { NocoTable } from "../harness/nocodb.mjs";
import { Sandbox } from "./runtime.mjs";

/** What EventBridge sends, as far as anybody reads it. */
const SCHEDULED = { version: "0", source: "aws.events", "detail-type": "Scheduled Event" };
const DAY = 86_400_000;

/** @type {Sandbox | undefined} */
let sandbox;
afterEach(async () => {
  await sandbox?.stop();
  sandbox = undefined;
});

/** @param {number} days ago */
const visit = (days) => {
  const moment = new Date(Date.now() - days * DAY).toISOString();
  return {
    emailOfAccessor: "anna@example.com",
    sessionStartTime: moment,
    sessionEndTime: moment,
  };
};

/** @param {NodeJS.ProcessEnv} settings */
async function start(settings) {
  const table = await NocoTable.create();
  for (const days of [400, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 30.1, 29.9, 1]) {
    await table.add(visit(days));
  }
  sandbox = await Sandbox.start("retention", { ...table.settings, ...settings });
  return { table, sandbox };
}

test("a run deletes the visits that are older than the owner wants, and no others", async () => {
  const { table, sandbox } = await start({ RETENTION_DAYS: "30" });
  await sandbox.invoke(SCHEDULED);
  assert.equal((await table.rows()).length, 2);
  await sandbox.invoke(SCHEDULED);
  assert.equal((await table.rows()).length, 2, "a second run has nothing to do");
  const erased = sandbox.lines.filter(({ event }) => event === "erased");
  assert.deepEqual(
    erased.map(({ count }) => count),
    [12],
  );
  assert.ok(!sandbox.running.log.includes("@"), "nobody is named in the log");
});

test("without the setting it deletes nothing", async () => {
  const { table, sandbox } = await start({ RETENTION_DAYS: "" });
  await sandbox.invoke(SCHEDULED);
  assert.equal((await table.rows()).length, 14);
});

test("what could not be deleted is a failed invocation with a reason, and the next one goes on", async () => {
  const { sandbox } = await start({ RETENTION_DAYS: "30", NOCODB_API_TOKEN: "wrong" });
  for (let run = 0; run < 2; run += 1) {
    await assert.rejects(sandbox.invoke(SCHEDULED), /does not accept the API token/);
  }
  const told = sandbox.lines.filter(({ message }) => message === "the scheduled task failed");
  assert.equal(told.length, 2);
  assert.match(told[0].error, /does not accept the API token/);
});
