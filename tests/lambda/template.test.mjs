/** What template.yaml promises, read the way SAM reads it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
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

  assert.equal(Object.keys(table(stack)).length, 7);
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
      assert.doesNotMatch(name, /(TOKEN|KEYS|PASSCODE)$/, `${id}: ${name} would hold a secret`);
      if (!name.endsWith("_PARAMETER") || value === "") continue;
      const [path, ...more] = substitutions({ value });
      assert.match(path ?? "", /^\/\$\{AWS::StackName\}\/[a-z-]+$/, `${id}: ${name}`);
      assert.deepEqual(more, []);
    }
  }
  for (const [name, parameter] of Object.entries(template.Parameters)) {
    if (name !== "RequirePasscode") assert.doesNotMatch(name, /(Token|Keys|Passcode)$/);
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
    assert.deepEqual(more, []);

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
  assert.deepEqual(event.Properties.Enabled, { "Fn::If": ["HasRetention", true, false] });
  const [, minutes = ""] =
    /LONGEST: Duration = Duration::from_mins\((\d+)\)/.exec(
      read("functions/retention/src/lib.rs"),
    ) ?? [];
  assert.ok(Number(minutes) * 60 < Timeout, "it stops by itself in time");
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
  const source = ["settings.rs", "settings/store.rs"]
    .map((file) => read(`shared/src/${file}`))
    .join("\n");
  const [, refused = ""] = /NOT_YET: \[&str; \d+\] = \[([^\]]*)\]/.exec(source) ?? [];
  assert.ok(refused, "the refused settings are listed in settings.rs");
  const elsewhere = [
    // On AWS every site has TLS, and every session is in NocoDB; the gate in front of pages is not there yet.
    "COOKIE_SECURE",
    "DATABASE_PATH",
    "FRESH_SECONDS",
    // docs/keys.md counts on the default.
    "SECRETS_MAX_AGE_SECONDS",
    "VERIFY_EMAIL",
    ...refused.matchAll(/\w+/g),
  ].map(String);
  const names = [...source.matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g)]
    .map(([, name = ""]) => name)
    .filter((name) => !name.endsWith("_PARAMETER"));
  const wanted = new Set(names.filter((name) => !elsewhere.includes(name)));
  const offered = functions
    .flatMap(([, resource]) => Object.keys(variables(resource)))
    .map((name) => name.replace(/_PARAMETER$/, ""));
  assert.deepEqual([...new Set(offered)].sort(), [...wanted].sort());
});

test("the outputs name what is left to do, in order", () => {
  const outputs = Object.entries(template.Outputs);
  assert.deepEqual(
    outputs.map(([name]) => name.replace(/^Step(\d).*/, "$1")),
    outputs.map((_, index) => String(index + 1)),
  );
  for (const [name, { Description }] of outputs) assert.ok(Description, name);
});
