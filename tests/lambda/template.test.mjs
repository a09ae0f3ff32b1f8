/** What template.yaml promises, read the way SAM reads it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../harness/process.mjs";

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), "utf8");

const asJson =
  "import json, sys; from samcli.yamlhelper import yaml_parse; print(json.dumps(yaml_parse(sys.stdin.read())))";
const template = JSON.parse(
  execFileSync(join(root, "tools/lambda"), ["python", "-c", asJson], {
    input: read("template.yaml"),
    encoding: "utf8",
  }),
);

/** @typedef {[logicalId: string, resource: any]} Resource */

/** @param {string} type @returns {Resource[]} */
const resources = (type) =>
  Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);

const functions = resources("AWS::Serverless::Function");

/** @param {any} resource @returns {Record<string, any>} */
const variables = ({ Properties }) => ({
  ...template.Globals.Function.Environment.Variables,
  ...Properties.Environment?.Variables,
});

/** Every `!Sub` below a value. @param {any} value @returns {string[]} */
function substitutions(value) {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "Fn::Sub" && typeof inner === "string" ? [inner] : substitutions(inner),
  );
}

/** What of a function's events is a route. @param {any} properties @returns {any[]} */
const routesOf = ({ Events }) =>
  Object.values(Events).filter((/** @type {any} */ { Type }) => Type === "HttpApi");

/** Route to function, sorted. @param {[string, string][]} routes */
const table = (routes) => Object.fromEntries(routes.sort());

test("the stack, cargo lambda watch and serve have the same routes", () => {
  const stack = functions.flatMap(([, { Metadata, Properties }]) =>
    routesOf(Properties).map(({ Properties: { Path, Method } }) => {
      assert.equal(Method, "ANY", `${Path}: the function answers 405 itself`);
      return /** @type {[string, string]} */ ([Path, Metadata.BuildProperties.Binary]);
    }),
  );
  const [, router = ""] =
    /\[workspace\.metadata\.lambda\.watch\.router\]\n([^[]*)/.exec(read("Cargo.toml")) ?? [];
  const watch = [...router.matchAll(/^"(\S+)" = "(\S+)"$/gm)];
  const serve = [
    ...read("cli/src/serve.rs").matchAll(/\.route\(\s*"((?:[^"{]|\{[^*])+)",[^;]*?(\w+)::handle/g),
  ];

  assert.equal(Object.keys(table(stack)).length, 15);
  const pair = (/** @type {RegExpExecArray} */ [, path = "", name = ""]) =>
    /** @type {[string, string]} */ ([path, name.replaceAll("_", "-")]);
  assert.deepEqual(table(watch.map(pair)), table(stack));
  assert.deepEqual(table(serve.map(pair)), table(stack));
});

test("every function is built from its own crate, for the architecture of the parameter", () => {
  assert.deepEqual(template.Globals.Function.Architectures, [{ Ref: "Architecture" }]);
  assert.equal(template.Globals.Function.Runtime, "provided.al2023");
  for (const [id, { Metadata, Properties }] of functions) {
    assert.equal(Metadata.BuildMethod, "rust-cargolambda", id);
    const name = Metadata.BuildProperties.Binary;
    assert.equal(Properties.CodeUri, `functions/${name}`);
    assert.match(read(`${Properties.CodeUri}/Cargo.toml`), new RegExp(`^name = "${name}"$`, "m"));
  }
});

test("secrets are names of parameters and nothing else", () => {
  for (const [id, resource] of functions) {
    for (const [name, value] of Object.entries(variables(resource))) {
      assert.doesNotMatch(
        name,
        /(TOKEN|KEYS|PASSCODE|SMTP_URL|NOTIFY_URL|SECRET)$/,
        `${id}: ${name} would hold a secret`,
      );
      if (!name.endsWith("_PARAMETER") || value === "") continue;
      const [path, ...more] = substitutions({ value });
      assert.match(path ?? "", /^\/\$\{AWS::StackName\}\/[a-z-]+$/, `${id}: ${name}`);
      assert.deepEqual(more, []);
    }
  }
  for (const [name, parameter] of Object.entries(template.Parameters)) {
    if (name !== "RequirePasscode") assert.doesNotMatch(name, /(Token|Keys|Passcode|Secret)$/);
    assert.ok(parameter.Description, `${name} has no description`);
  }
});

test("a function may read its own parameters and write its own log, and nothing else", () => {
  const roles = new Set();
  for (const [id, resource] of functions) {
    const [role, attribute] = resource.Properties.Role["Fn::GetAtt"];
    assert.equal(attribute, "Arn");
    roles.add(role);
    const { Properties } = template.Resources[role];
    assert.equal(Properties.ManagedPolicyArns, undefined, id);
    const statements = Properties.Policies.flatMap(
      (/** @type {any} */ policy) => policy.PolicyDocument.Statement,
    );
    const [log, parameters, key, ...more] = statements;
    // Codes have a test of their own, and so has the queue.
    const codes = id === "VerifyAccessFunction" ? 2 : 0;
    const names = Object.keys(variables(resource));
    const queues = names.filter((name) => ["QUEUE_URL", "ENDINGS_URL"].includes(name));
    assert.equal(more.length, codes + queues.length, id);

    assert.deepEqual(log.Action, ["logs:CreateLogStream", "logs:PutLogEvents"]);
    const group = resource.Properties.LoggingConfig.LogGroup.Ref;
    assert.deepEqual(log.Resource, { "Fn::GetAtt": [group, "Arn"] });

    assert.equal(parameters.Action, "ssm:GetParameters");
    const prefix = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter";
    const wanted = Object.entries(variables(resource))
      .filter(([name]) => name.endsWith("_PARAMETER"))
      .flatMap(([, path]) => substitutions({ path }))
      .map((path) => prefix + path);
    assert.deepEqual(substitutions(parameters.Resource).sort(), wanted.sort(), id);

    const [condition, grant, nothing] = key["Fn::If"];
    assert.equal(condition, "HasSecretsKey");
    assert.deepEqual(nothing, { Ref: "AWS::NoValue" });
    assert.equal(grant.Action, "kms:Decrypt");
    assert.deepEqual(grant.Resource, { Ref: "SecretsKeyArn" });
    const context = grant.Condition.StringEquals["kms:EncryptionContext:PARAMETER_ARN"];
    assert.deepEqual(substitutions(context).sort(), wanted.sort(), id);
  }
  assert.equal(roles.size, functions.length, "each function has a role of its own");
});

test("old visits are deleted every day where the owner says after how long", () => {
  const { Events, Timeout, Environment } = template.Resources.RetentionFunction.Properties;
  assert.deepEqual(Environment.Variables.RETENTION_DAYS, { Ref: "RetentionDays" });
  const [event, ...more] = Object.values(Events);
  assert.deepEqual(more, []);
  assert.equal(event.Type, "Schedule");
  assert.equal(event.Properties.Schedule, "rate(1 day)");
  // SAM reads `Enabled` itself, before any condition is known.
  assert.deepEqual(event.Properties.State, { "Fn::If": ["HasRetention", "ENABLED", "DISABLED"] });
  const [, minutes = ""] =
    /LONGEST: Duration = Duration::from_mins\((\d+)\)/.exec(
      read("functions/retention/src/lib.rs"),
    ) ?? [];
  assert.ok(Number(minutes) * 60 < Timeout, "it stops by itself in time");
});

test("visits are told every minute where the owner says so, by which minute it is", () => {
  const { Events, Environment } = template.Resources.NotifyFunction.Properties;
  const [event, ...more] = Object.values(Events);
  assert.deepEqual(more, []);
  assert.equal(event.Type, "Schedule");
  // `rate(1 minute)` may begin at any second, and two events then name one minute.
  assert.equal(event.Properties.Schedule, "cron(* * * * ? *)");
  assert.deepEqual(event.Properties.State, { "Fn::If": ["Notifies", "ENABLED", "DISABLED"] });
  const { NOTIFY_URL_PARAMETER: url, NOTIFY_SECRET_PARAMETER: secret } = Environment.Variables;
  assert.deepEqual(url["Fn::If"][0], "Notifies");
  assert.deepEqual(secret["Fn::If"][0], "NotifiesSigned");
  const others = functions.filter(([id]) => id !== "NotifyFunction");
  for (const [id, other] of others) assert.ok(!("NOTIFY_URL_PARAMETER" in variables(other)), id);
});

test("what is queued is written every minute, by a function that is over before the next minute", () => {
  const { Events, Timeout, Environment } = template.Resources.WriterFunction.Properties;
  const [event, ...more] = Object.values(Events);
  assert.deepEqual(more, []);
  assert.equal(event.Type, "Schedule");
  assert.deepEqual(event.Properties, { Schedule: "rate(1 minute)" });
  const [, run = ""] =
    /RUN: Duration = Duration::from_secs\((\d+)\)/.exec(read("functions/writer/src/main.rs")) ?? [];
  assert.ok(Number(run) < Timeout, "it stops by itself in time");
  assert.ok(Timeout <= 60, "there is never more than one");
  const { SESSION_KEYS_PARAMETER, EDGE_SECRET_PARAMETER, WRITE_REQUESTS_PER_SECOND } =
    Environment.Variables;
  assert.deepEqual([SESSION_KEYS_PARAMETER, EDGE_SECRET_PARAMETER], ["", ""]);
  assert.deepEqual(WRITE_REQUESTS_PER_SECOND, { Ref: "WriteRequestsPerSecond" });
});

test("whoever writes what a visitor waits for may put into the queue, and the writer alone may take out", () => {
  /** @type {Record<string, string[]>} */
  const allowed = {};
  /** Of what the writer was told of endings. @type {Record<string, string[]>} */
  const looks = {};
  for (const [id, { Properties }] of resources("AWS::IAM::Role")) {
    const statements = Properties.Policies.flatMap(
      (/** @type {any} */ policy) => policy.PolicyDocument.Statement,
    );
    for (const statement of statements.filter((/** @type {any} */ one) =>
      JSON.stringify(one).includes("sqs:"),
    )) {
      assert.equal(statement.Effect, "Allow");
      const [resource, attribute] = statement.Resource["Fn::GetAtt"];
      assert.equal(attribute, "Arn");
      const who = resource === "WriteQueue" ? allowed : looks;
      if (who === looks) assert.equal(resource, "EndingsBoard", id);
      who[id] = [statement.Action].flat();
    }
  }
  assert.deepEqual(allowed, {
    VerifyAccessRole: ["sqs:SendMessage"],
    HeartbeatRole: ["sqs:SendMessage"],
    LogoutRole: ["sqs:SendMessage"],
    WriterRole: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:SendMessage"],
  });
  assert.deepEqual(looks, {
    HeartbeatRole: ["sqs:ReceiveMessage"],
    WriterRole: ["sqs:SendMessage"],
  });
  for (const [id, resource] of functions) {
    const { QUEUE_URL, ENDINGS_URL, WRITE_EVERY_SECONDS } = variables(resource);
    const [role] = resource.Properties.Role["Fn::GetAtt"];
    /** @type {object | undefined} */
    const wanted = role in allowed ? { Ref: "WriteQueue" } : undefined;
    assert.deepEqual(QUEUE_URL, wanted, id);
    assert.deepEqual(WRITE_EVERY_SECONDS, wanted && { Ref: "WriteEverySeconds" }, id);
    assert.deepEqual(ENDINGS_URL, role in looks ? { Ref: "EndingsBoard" } : undefined, id);
  }
});

test("where codes are on, the gate's function alone may keep them and mail them, and nothing more", () => {
  const { Statement } = template.Resources.VerifyAccessRole.Properties.Policies[0].PolicyDocument;
  const [codes, mail] = Statement.slice(3, 5).map((/** @type {any} */ one) => one["Fn::If"]);
  assert.deepEqual(codes, [
    "HasCodes",
    {
      Effect: "Allow",
      Action: ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
      Resource: { "Fn::GetAtt": ["CodesTable", "Arn"] },
    },
    { Ref: "AWS::NoValue" },
  ]);
  const [condition, grant, nothing] = mail;
  assert.equal(condition, "MailsBySes");
  assert.deepEqual(nothing, { Ref: "AWS::NoValue" });
  assert.equal(grant.Action, "ses:SendEmail");
  assert.equal(grant.Resource.length, 2, "the address, and its domain");
  assert.deepEqual(grant.Condition, { StringEquals: { "ses:FromAddress": { Ref: "MailFrom" } } });
});

test("the table of codes is there where codes are, costs nothing at rest and forgets by itself", () => {
  const { Condition, Properties } = template.Resources.CodesTable;
  assert.equal(Condition, "HasCodes");
  assert.equal(Properties.BillingMode, "PAY_PER_REQUEST");
  const source = read("shared/src/codes/dynamodb.rs");
  const attribute = (/** @type {string} */ name) =>
    new RegExp(`const ${name}: &str = "(\\w+)"`).exec(source)?.[1];
  assert.deepEqual(Properties.KeySchema, [{ AttributeName: attribute("ID"), KeyType: "HASH" }]);
  assert.deepEqual(Properties.TimeToLiveSpecification, {
    AttributeName: attribute("EXPIRES"),
    Enabled: true,
  });
  const { VerifyAccessFunction, ...others } = Object.fromEntries(functions);
  const { CODES_TABLE, MAIL_FROM } = variables(VerifyAccessFunction);
  assert.deepEqual(CODES_TABLE, { "Fn::If": ["HasCodes", { Ref: "CodesTable" }, ""] });
  assert.deepEqual(MAIL_FROM, { "Fn::If": ["HasCodes", { Ref: "MailFrom" }, ""] });
  for (const other of Object.values(others)) assert.ok(!("CODES_TABLE" in variables(other)));
});

test("a flood at the gate leaves NocoDB's cloud room for those who are inside", () => {
  const { RouteSettings } = template.Resources.Api.Properties;
  const { ThrottlingRateLimit, ThrottlingBurstLimit } =
    RouteSettings["ANY /api/verify-temp-access"];
  // It takes 5 requests a second from one token, and then none for half a minute.
  // A post that brings the cookie of an open session costs four of them.
  assert.ok(ThrottlingRateLimit * 4 < 5 && ThrottlingBurstLimit <= 4);
  for (const route of ["ANY /api/sessions/revoke", "ANY /api/sessions/{id}/revoke"]) {
    assert.ok(RouteSettings[route].ThrottlingRateLimit <= 2, route);
  }
});

test("one address cannot use up the gate's throttle for everybody", () => {
  const { Condition, Properties } = template.Resources.WebAcl;
  assert.equal(Condition, "HasWebAcl");
  // It costs more than all the rest.
  assert.equal(template.Parameters.LimitPerAddress.Default, "off");
  assert.match(template.Parameters.LimitPerAddress.Description, /USD/);
  const [rule, ...more] = Properties.Rules;
  assert.deepEqual(more, []);
  const { Limit, EvaluationWindowSec, AggregateKeyType, ScopeDownStatement } =
    rule.Statement.RateBasedStatement;
  assert.equal(AggregateKeyType, "IP");
  const { RouteSettings } = template.Resources.Api.Properties;
  const route = RouteSettings["ANY /api/verify-temp-access"];
  assert.ok(Limit / EvaluationWindowSec < route.ThrottlingRateLimit / 5);
  assert.equal(ScopeDownStatement.ByteMatchStatement.SearchString, "/api/verify-temp-access");
  const { ResponseCode, ResponseHeaders } = rule.Action.Block.CustomResponse;
  assert.equal(ResponseCode, 429);
  assert.ok(ResponseHeaders.some((/** @type {any} */ { Name }) => Name === "retry-after"));
});

test("no policy has a wildcard", () => {
  for (const [id, { Properties }] of resources("AWS::IAM::Role")) {
    assert.ok(!JSON.stringify(Properties.Policies).includes("*"), id);
  }
});

test("every log is JSON and is deleted one day", () => {
  for (const [id, { Properties }] of functions) {
    assert.equal(Properties.LoggingConfig.LogFormat, "JSON", id);
    const group = template.Resources[Properties.LoggingConfig.LogGroup.Ref];
    assert.deepEqual(group.Properties.RetentionInDays, { Ref: "LogRetentionDays" });
  }
});

test("the stack offers the settings that this version acts on, and no others", () => {
  const parts = readdirSync(join(root, "shared/src/settings")).filter(
    (file) => file !== "tests.rs",
  );
  const source = ["settings.rs", ...parts.map((file) => `settings/${file}`)]
    .map((file) => read(`shared/src/${file}`))
    .join("\n");
  const elsewhere = [
    // On AWS every site has TLS, and every session is in NocoDB; how fresh is fresh the gate is told by `lastseen keys edge`.
    "COOKIE_SECURE",
    "DATABASE_PATH",
    // The route's throttle is in front, but it cannot tell visitors apart.
    "FLOOD_LIMITS",
    "FRESH_SECONDS",
    // docs/keys.md counts on the default.
    "SECRETS_MAX_AGE_SECONDS",
  ];
  const names = [...source.matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !name.endsWith("_PARAMETER"));
  const wanted = new Set(names.filter((name) => !elsewhere.includes(name)));
  const offered = functions
    .flatMap(([, resource]) => Object.keys(variables(resource)))
    .map((name) => name.replace(/_PARAMETER$/, ""));
  assert.deepEqual([...new Set(offered)].sort(), [...wanted].sort());
});

test("every parameter says what it is for and what it may be", () => {
  for (const [name, parameter] of Object.entries(template.Parameters)) {
    assert.ok(parameter.Description, name);
    const { AllowedPattern, AllowedValues, MaxLength, MinValue } = parameter;
    const limit = AllowedPattern ?? AllowedValues ?? MaxLength ?? MinValue;
    assert.notEqual(limit, undefined, name);
    if (AllowedPattern && parameter.Default !== undefined) {
      assert.match(String(parameter.Default), new RegExp(AllowedPattern), name);
    }
    // What only the owner knows.
    if (!/^Nocodb(Url|BaseId|TableId)$/.test(name)) assert.ok("Default" in parameter, name);
  }
});

test("every output says what it is for", () => {
  for (const [name, { Description }] of Object.entries(template.Outputs)) {
    assert.ok(Description, name);
  }
});
