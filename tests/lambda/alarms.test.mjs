/** What watches over the stack: alarms, the dashboard, and what a function logs for them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { root } from "../harness/process.mjs";
import { event, Sandbox } from "./runtime.mjs";
import { PARAMETERS, SCHEDULED, stack } from "./stack.mjs";

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), "utf8");

const site = stack();

suite("alarms", () => {
  const made = stack({ AlarmEmail: "you@example.com" });
  const alarms = made.ofType("AWS::CloudWatch::Alarm");

  test("each is in the manual by the name of its description, and mails where a mail is asked for", () => {
    const manual = read("docs/operating.md");
    assert.equal(alarms.length, 8);
    for (const [id, { Properties }] of alarms) {
      assert.deepEqual(Properties.AlarmActions, [{ Ref: "AlarmTopic" }], id);
      const [, heading] =
        /docs\/operating\.md, "([^"]+)"\.$/.exec(Properties.AlarmDescription) ?? [];
      assert.match(manual, new RegExp(`^### ${heading}$`, "m"), id);
      assert.equal(Properties.TreatMissingData, "notBreaching", `${id}: a quiet site is not ill`);
    }
    for (const [id, { Properties }] of site.ofType("AWS::CloudWatch::Alarm")) {
      assert.equal(Properties.AlarmActions, undefined, id);
    }
    assert.ok(!site.resources.AlarmTopic);
  });

  test("every function is watched", () => {
    const ids = made.ofType("AWS::Lambda::Function").map(([id]) => id);
    for (const alarm of ["ErrorsAlarm", "ThrottlesAlarm"]) {
      const text = JSON.stringify(made.resources[alarm]);
      for (const id of ids) assert.ok(text.includes(`{"Ref":"${id}"}`), `${alarm} ${id}`);
    }
    const { Metrics, Threshold } = made.resources.SlowAlarm.Properties;
    const watched = ids.filter((id) => JSON.stringify(Metrics).includes(`{"Ref":"${id}"}`));
    assert.deepEqual(
      watched,
      ids.filter((id) => !SCHEDULED.includes(id)),
    );
    for (const id of watched) {
      const { Timeout } = made.resources[id].Properties;
      assert.ok(Threshold < Timeout * 1000 && Threshold > Timeout * 700, id);
    }
  });

  test("a failing NocoDB is counted by what the functions log of it", () => {
    const filters = made.ofType("AWS::Logs::MetricFilter");
    assert.deepEqual(filters.map(([, { Properties }]) => Properties.LogGroupName.Ref).sort(), [
      "HeartbeatLog",
      "VerifyAccessLog",
      "WriterLog",
    ]);
    for (const [, { Properties }] of filters) {
      assert.equal(Properties.FilterPattern, '{ $.level = "ERROR" && $.error = "NocoDB*" }');
      const [{ MetricNamespace, MetricName }] = Properties.MetricTransformations;
      const alarm = made.resources.NocoDbAlarm.Properties;
      assert.deepEqual([alarm.Namespace, alarm.MetricName], [MetricNamespace, MetricName]);
    }
  });

  test("the queue is watched: what is refused at once, what is late only when no setting explains it", () => {
    const { RefusedWritesAlarm: refused, LateWritesAlarm: late } = made.resources;
    const queueOf = (/** @type {any} */ { Properties }) =>
      Properties.Dimensions.map((/** @type {any} */ { Name, Value }) => [Name, Value]);
    for (const { Properties } of [refused, late]) assert.equal(Properties.Namespace, "AWS/SQS");

    assert.deepEqual(queueOf(refused), [
      ["QueueName", { "Fn::GetAtt": ["RefusedWrites", "QueueName"] }],
    ]);
    // SQS moves messages there by itself, and counts none of them as sent.
    assert.equal(refused.Properties.MetricName, "ApproximateNumberOfMessagesVisible");
    assert.equal(refused.Properties.Threshold, 1);

    assert.deepEqual(queueOf(late), [["QueueName", { "Fn::GetAtt": ["WriteQueue", "QueueName"] }]]);
    assert.equal(late.Properties.MetricName, "ApproximateAgeOfOldestMessage");
    assert.equal(late.Properties.Statistic, "Maximum");
    // The longest delay, the minute until the next run, and the time that what is refused is tried again.
    const { RedrivePolicy } = made.resources.WriteQueue.Properties;
    const { MaxValue } = PARAMETERS.WriteEverySeconds;
    const explained = MaxValue + 60 + RedrivePolicy.maxReceiveCount * 180;
    assert.ok(late.Properties.Threshold > explained, `${explained} s`);
  });

  test("the dashboard is JSON with and without the edge, and asks for fields that are logged", () => {
    for (const front of ["site", "proxy"]) {
      const { Dashboard, ...others } = stack({
        Front: front,
        SiteAudience: "www.example.com",
      }).resources;
      const [text, told] = Dashboard.Properties.DashboardBody["Fn::Sub"];
      const filled = Object.entries(told).reduce(
        (body, [name, value]) => body.replace(`\${${name}}`, value["Fn::Sub"] ?? value),
        text,
      );
      const alarms = Object.keys(others).filter(
        (id) => others[id].Type === "AWS::CloudWatch::Alarm",
      );
      for (const id of alarms) assert.ok(filled.includes(`"\${${id}.Arn}"`), id);
      const body = filled.replaceAll(/\$\{[\w:.]+\}/g, "x");
      const { widgets } = JSON.parse(body);
      assert.equal(widgets.length, front === "site" ? 8 : 7);
      const { query } = widgets.find((/** @type {any} */ { type }) => type === "log").properties;
      const [, events = ""] = /event in \[([^\]]+)\]/.exec(query) ?? [];
      for (const [, event] of events.matchAll(/'([\w-]+)'/g)) {
        assert.ok(read("shared/src/audit.rs").includes(`event = "${event}"`), event);
      }
    }
  });
});

/** @type {Sandbox | undefined} */
let sandbox;
after(() => sandbox?.stop());

/** `{ $.name = "value" && … }` with `*` for anything, as CloudWatch Logs reads it. @param {string} pattern */
const conditions = (pattern) =>
  [...pattern.matchAll(/\$\.(\w+) = "([^"*]*)(\*?)"/g)].map(
    ([, name = "", start = "", open]) =>
      /** @param {any} line */
      (line) =>
        open ? String(line[name]).startsWith(start) : line[name] === start,
  );

test("a visit that NocoDB does not take is counted, and one that it is not asked about is not", async () => {
  sandbox = await Sandbox.start("verify-access", {
    SITE_AUDIENCE: "localhost",
    SESSION_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}`,
    // Nobody listens there.
    NOCODB_URL: "http://127.0.0.1:9",
    NOCODB_BASE_ID: "pbase",
    NOCODB_TABLE_ID: "mtable",
    NOCODB_API_TOKEN: "token",
  });
  const post = (/** @type {string} */ email) =>
    event("/api/verify-temp-access", {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email }),
    });
  const [, filter] = stack().ofType("AWS::Logs::MetricFilter")[0] ?? [];
  const wanted = conditions(filter?.Properties.FilterPattern);
  assert.equal(wanted.length, 2);
  const counted = () =>
    (sandbox?.lines ?? []).filter((line) => wanted.every((holds) => holds(line))).length;

  assert.equal((await sandbox.invoke(post("nobody"))).statusCode, 400);
  assert.equal(counted(), 0);
  assert.equal((await sandbox.invoke(post("ada@example.com"))).statusCode, 503);
  assert.equal(counted(), 1);
});
