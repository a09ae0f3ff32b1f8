/** NocoDB's own webhooks over the table, as docs/notifications.md describes them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../harness/http.mjs";
import { NocoTable } from "../harness/nocodb.mjs";
import { ADMIN_TOKEN, asOwner } from "../harness/owner.mjs";
import { root } from "../harness/process.mjs";
import { Receiver } from "../harness/receiver.mjs";
import { Serve } from "../harness/serve.mjs";

/** @type {Receiver} */
let came;
/** @type {Receiver} */
let ended;
/** @type {Receiver} */
let slack;
/** @type {NocoTable} */
let table;
/** @type {Serve} */
let serve;
before(async () => {
  const manual = readFileSync(join(root, "docs/notifications.md"), "utf8");
  const [, template = ""] = /```handlebars\n(.*)\n```/.exec(manual) ?? [];
  [came, ended, slack] = await Promise.all([1, 2, 3].map(() => Receiver.start()));
  table = await NocoTable.create();
  await table.automation("insert", came.url);
  await table.automation("update", ended.url, { notBlank: "endReason" });
  await table.automation("update", slack.url, { notBlank: "endReason", body: template });
  serve = await Serve.start({ ADMIN_TOKEN, ...table.settings });
});
after(async () => {
  await serve?.stop();
  for (const one of [came, ended, slack]) await one?.stop();
});
beforeEach(() => {
  for (const one of [came, ended, slack]) one.taken.length = 0;
});

/** The rows of every call. @param {Receiver} receiver @returns {any[]} */
const rows = (receiver) => receiver.taken.flatMap(({ body }) => body.data.rows);

test("a visit is told when its row is added, and when its reason is written", async () => {
  const ann = new Visitor(serve.url);
  await ann.enter("ann@example.com");
  await came.took(1, 10_000);
  assert.equal(came.taken[0]?.body.type, "records.after.insert");
  assert.equal(rows(came)[0].emailOfAccessor, "ann@example.com");
  await ann.send("/api/session-heartbeat", { json: { activeSeconds: 0 } });
  await ann.send("/api/logout", { json: {} });
  await ended.took(1, 10_000);
  const [row] = rows(ended);
  assert.deepEqual([row.emailOfAccessor, row.endReason], ["ann@example.com", "logout"]);
  await slack.took(1, 10_000);
  assert.deepEqual(slack.taken[0]?.body, { text: "ann@example.com: logout" });
  // Neither the heartbeat nor what is written afterwards.
  await table.type(String(row.Id), { currentPage: "/later/" });
  await sleep(1000);
  assert.equal(ended.taken.length, 1);
});

test("many that are ended at once come together, and so does the row that ended them", async () => {
  for (const name of ["bob", "eve", "kim"]) {
    await new Visitor(serve.url).enter(`${name}@example.com`);
  }
  await came.took(3, 10_000);
  const answer = await asOwner(serve.url, "/api/sessions/revoke", { all: true });
  assert.equal(answer.status, 200, answer.text);
  await came.took(4, 10_000);
  assert.equal(rows(came).at(-1).emailOfAccessor, "everyone");
  await ended.took(1, 10_000);
  const who = rows(ended).map(({ emailOfAccessor }) => emailOfAccessor);
  assert.deepEqual(who.sort(), ["bob@example.com", "eve@example.com", "kim@example.com"]);
  assert.equal(ended.taken.length, 1, "in one call");
  await slack.took(1, 10_000);
  assert.equal(slack.taken[0]?.body.text, "bob@example.com: revoked", "the first alone");
});
