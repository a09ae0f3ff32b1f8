/**
 * `tools/deploy` and `tools/destroy` as a whole, on an AWS account that moto plays: CloudFormation with
 * what moto knows of it (tests/deploy/sam.mjs, template.mjs), S3, SSM, CloudFront's control plane, and a
 * KeyValueStore of the test's own. `lastseen serve` stands where the site would be.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { NocoTable } from "../harness/nocodb.mjs";
import { root, until } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";
import { Aws, NAME, STACK } from "./aws.mjs";
import { Front } from "./front.mjs";

/** @type {Aws} */
let aws;
/** @type {NocoTable} */
let table;
/** @type {Serve} */
let serve;
/** @type {Front} */
let front;
/** The folder of the site. */
let site = "";
let distribution = "";

before(async () => {
  aws = await Aws.start();
  table = await NocoTable.create();
  site = join(aws.folder, "site");
  cpSync(join(root, "static"), site, { recursive: true });
  const config = join(aws.folder, "distribution.json");
  writeFileSync(config, JSON.stringify(DISTRIBUTION));
  const made = await aws.cli(
    ...["cloudfront", "create-distribution", "--distribution-config", `file://${config}`],
  );
  distribution = made.Distribution.Id;
  // moto takes some questions until it is there, and who waits for it asks once a minute.
  await until(
    "distribution",
    async () => {
      const { Distribution } = await aws.cli(
        "cloudfront",
        "get-distribution",
        "--id",
        distribution,
      );
      return Distribution.Status === "Deployed";
    },
    60_000,
  );
});
after(async () => {
  front?.stop();
  await serve?.stop();
  await aws?.stop();
});

/** As much of one as moto asks for. */
const DISTRIBUTION = {
  CallerReference: "test",
  Comment: "",
  Enabled: true,
  Origins: { Quantity: 1, Items: [{ Id: "site", DomainName: "bucket.s3.amazonaws.com" }] },
  DefaultCacheBehavior: { TargetOriginId: "site", ViewerProtocolPolicy: "redirect-to-https" },
};

const env = (/** @type {NodeJS.ProcessEnv} */ more = {}) =>
  aws.env({ ...table.settings, STATIC_DIR: site, ...more });
/** @param {string[]} steps */
const deploy = (...steps) => aws.run([join(root, "tools/deploy"), ...steps], { env: env() });

async function bucket() {
  const { Buckets } = await aws.cli("s3api", "list-buckets");
  return Buckets.map((/** @type {any} */ { Name }) => Name).find((/** @type {string} */ name) =>
    name.startsWith(`${STACK}-`),
  );
}

/** What the bucket holds, with its headers. @returns {Promise<Record<string, { type: string, cache: string }>>} */
async function objects() {
  // One process; the AWS CLI would be one for each file.
  const { code, out, err } = await aws.run(["python", "-c", OBJECTS, await bucket()]);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}
const OBJECTS = `
import boto3, json, sys
s3, bucket = boto3.client("s3"), sys.argv[1]
heads = {one["Key"]: s3.head_object(Bucket=bucket, Key=one["Key"]) for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
print(json.dumps({key: {"type": head["ContentType"], "cache": head.get("CacheControl")} for key, head in heads.items()}))
`;

/** How often CloudFront was told to forget its copies. */
async function invalidations() {
  const { InvalidationList } = await aws.cli(
    ...["cloudfront", "list-invalidations", "--distribution-id", distribution],
  );
  return InvalidationList.Items?.length ?? 0;
}

test("the first run makes everything, and learns the name of the site on the way", async () => {
  aws.configure();
  aws.render({ Distribution: distribution });
  const first = await deploy("check", "settings", "secrets", "build", "stack", "edge", "site");
  assert.equal(first.code, 0, first.err);

  // The name of the distribution is known only after it was made.
  assert.match(aws.configured, new RegExp(`SiteAudience = "${NAME}"`));
  const calls = readFileSync(join(aws.folder, "sam.log"), "utf8").trim().split("\n");
  assert.equal(calls.length, 2);
  for (const call of calls) {
    assert.match(
      call,
      /^deploy .*--region us-east-1 --s3-prefix lastseen --no-confirm-changeset --no-fail-on-empty-changeset --parameter-overrides file:\S+$/,
    );
  }
  const { Functions } = await aws.cli("lambda", "list-functions");
  for (const { Environment } of Functions) {
    assert.equal(Environment.Variables.SITE_AUDIENCE, NAME);
    assert.equal(Environment.Variables.NOCODB_TABLE_ID, table.id);
  }
});

test("CloudFormation made what the template says, as far as moto knows it", async () => {
  // moto takes no more of a bucket's template than this; the rest is in tests/lambda/stack.test.mjs.
  const { ServerSideEncryptionConfiguration } = await aws.cli(
    ...["s3api", "get-bucket-encryption", "--bucket", await bucket()],
  );
  assert.ok(ServerSideEncryptionConfiguration.Rules.length > 0);

  const { Functions } = await aws.cli("lambda", "list-functions");
  const { Roles } = await aws.cli("iam", "list-roles");
  const { logGroups } = await aws.cli("logs", "describe-log-groups");
  const kinds = [
    "VerifyAccess",
    "Heartbeat",
    "Logout",
    "Sessions",
    "Retention",
    "Notify",
    "Writer",
  ];
  assert.equal(Functions.length, kinds.length);
  for (const kind of kinds) {
    const one = Functions.find((/** @type {any} */ { FunctionName }) =>
      FunctionName.includes(kind),
    );
    const role = Roles.find((/** @type {any} */ { Arn }) => Arn === one.Role);
    assert.ok(role.RoleName.includes(`${kind}Role`), kind);
    const policy = await aws.cli(
      ...["iam", "get-role-policy", "--role-name", role.RoleName],
      ...["--policy-name", "own-log-and-secrets"],
    );
    // moto keeps what CloudFormation was given as Python writes it.
    const json = policy.PolicyDocument.replaceAll("'", '"').replaceAll("None", "null");
    const [, secrets] = JSON.parse(json).Statement;
    assert.equal(secrets.Action, "ssm:GetParameters");
    // What a function is told to read is what it may read, with the names that the deployment gave.
    const told = Object.entries(one.Environment.Variables)
      .filter(([setting, value]) => setting.endsWith("_PARAMETER") && value)
      .map(([, path]) => `arn:aws:ssm:us-east-1:123456789012:parameter${path}`);
    assert.deepEqual([secrets.Resource].flat().filter(Boolean).sort(), told.sort(), kind);
    const stored = Object.keys(await aws.secrets()).map((secret) => `/${STACK}/${secret}`);
    for (const path of told) assert.ok(stored.includes(path.replace(/.*:parameter/, "")), path);
  }
  const kept = logGroups.map((/** @type {any} */ { retentionInDays }) => retentionInDays);
  assert.equal(kept.length, 8);
  assert.deepEqual([...new Set(kept)], [30]);
});

test("the edge has the gate's settings and the first secret of the API", async () => {
  const { "edge-secret": secret = "", "session-keys": keys = "" } = await aws.secrets();
  const { gate, api, ...others } = Object.fromEntries(aws.store.values);
  assert.deepEqual(others, {});
  assert.equal(api, secret);
  const told = JSON.parse(gate ?? "");
  assert.equal(told.audience, NAME);
  assert.deepEqual(told.prefixes, ["/portfolio/confidential"]);
  assert.deepEqual(Object.keys(told.keys), [keys.split(":")[0]]);

  const puts = aws.store.puts;
  const again = await deploy("edge");
  assert.equal(again.code, 0, again.err);
  assert.equal(aws.store.puts, puts, "nothing had changed");

  await aws.keep({ "edge-secret": `${"n".repeat(40)},${secret}` });
  assert.equal((await deploy("edge")).code, 0);
  assert.equal(aws.store.values.get("api"), "n".repeat(40));
  assert.equal(aws.store.puts, puts + 1);
});

test("all steps in one go change nothing, and try the site with a visit that leaves no row", async () => {
  const { "edge-secret": EDGE_SECRET, "session-keys": SESSION_KEYS } = await aws.secrets();
  const settings = { EDGE_SECRET, SESSION_KEYS, SITE_AUDIENCE: NAME, STATIC_DIR: site };
  serve = await Serve.start({ ...table.settings, ...settings });
  front = await Front.start(serve.url, () => aws.store.values.get("api") ?? "");
  aws.render({
    ...{ Distribution: distribution, SiteUrl: front.url },
    "Api.ApiEndpoint": serve.url,
  });
  const [before, secrets, puts] = [aws.configured, await aws.secrets(), aws.store.puts];
  const ran = await deploy();
  assert.equal(ran.code, 0, ran.out + ran.err);
  const steps = [...ran.out.matchAll(/^==> (\w+)/gm)].map(([, step]) => step);
  assert.deepEqual(steps, [
    ...["check", "settings", "secrets", "build", "stack", "edge", "site", "doctor", "done"],
  ]);
  assert.equal(aws.configured, before);
  assert.deepEqual(await aws.secrets(), secrets);
  assert.equal(aws.store.puts, puts);
  assert.match(ran.err, /0 uploaded, 0 deleted/);
  assert.doesNotMatch(ran.out, /✗/);
  assert.ok(ran.err.includes(`the site: ${front.url}`));
  assert.match(ran.err, /--name \/lastseen\/admin-token/);
  assert.deepEqual(await table.rows(), []);
  for (const [name, secret] of Object.entries(secrets)) {
    assert.ok(!`${ran.out}${ran.err}`.includes(secret.trim()), `${name} was printed`);
  }
});

test("the bucket holds the site, as serve would send it", async () => {
  const found = await objects();
  assert.deepEqual(found["index.html"], { type: "text/html; charset=utf-8", cache: "no-cache" });
  assert.deepEqual(found["lastseen.js"], {
    type: "text/javascript; charset=utf-8",
    cache: "no-cache",
  });
  const page = found["portfolio/confidential/index.html"];
  assert.deepEqual(page, { type: "text/html; charset=utf-8", cache: "no-store" });
  for (const [key, { type, cache }] of Object.entries(found)) {
    if (cache === "no-store") continue;
    const answer = await fetch(`${front.url}/${key}`);
    assert.equal(answer.status, 200, key);
    assert.equal(answer.headers.get("content-type"), type, key);
    assert.equal(answer.headers.get("cache-control"), cache, key);
  }
});

test("a second run uploads nothing; what changed is uploaded, and what is gone is deleted", async () => {
  const told = await invalidations();
  assert.equal(told, 1);
  const second = await deploy("site");
  assert.equal(second.code, 0, second.err);
  assert.match(second.err, /0 uploaded, 0 deleted/);
  assert.equal(await invalidations(), told, "no copy is out of date");

  writeFileSync(join(site, "index.html"), "<p>anew");
  mkdirSync(join(site, "Ümläut & more"));
  writeFileSync(join(site, "Ümläut & more/a+b.html"), "<p>");
  mkdirSync(join(site, ".git"));
  writeFileSync(join(site, ".git/config"), "secret");
  writeFileSync(join(site, ".env"), "secret");
  rmSync(join(site, "404.html"));
  const third = await deploy("site");
  assert.equal(third.code, 0, third.err);
  assert.match(third.err, /2 uploaded, 1 deleted/);
  assert.equal(await invalidations(), told + 1);
  const names = Object.keys(await objects());
  assert.ok(names.includes("Ümläut & more/a+b.html"));
  assert.ok(!names.includes("404.html"));
  assert.deepEqual(
    names.filter((name) => name.includes("/.") || name.startsWith(".")),
    [],
  );
});

test("where other pages are protected, headers follow, whatever the case", async () => {
  mkdirSync(join(site, "Deck"));
  writeFileSync(join(site, "Deck/index.html"), "<p>");
  const text = aws.configured.replace("NocodbUrl", 'ProtectedPrefixes = "/deck"\nNocodbUrl');
  writeFileSync(aws.samconfig, text);
  const ran = await deploy("edge", "site");
  assert.equal(ran.code, 0, ran.err);
  const found = await objects();
  assert.equal(found["Deck/index.html"]?.cache, "no-store");
  assert.equal(found["portfolio/confidential/index.html"]?.cache, "no-cache");
  assert.deepEqual(JSON.parse(aws.store.values.get("gate") ?? "").prefixes, ["/deck"]);
});

test("an empty folder takes no site away", async () => {
  const empty = join(aws.folder, "empty");
  mkdirSync(empty);
  writeFileSync(aws.samconfig, aws.configured.replace(site, empty));
  const { code, err } = await deploy("site");
  assert.equal(code, 1);
  assert.match(err, /no file to upload/);
  assert.ok(Object.keys(await objects()).length > 5);
  writeFileSync(aws.samconfig, aws.configured.replace(empty, site));
});

test("without being told which stack, destroy only says what would go", async () => {
  const script = join(root, "tools/destroy");
  for (const CONFIRM of ["", "another"]) {
    const { code, err } = await aws.run([script], { env: env({ CONFIRM }) });
    assert.equal(code, 1);
    assert.match(err, /make destroy CONFIRM=lastseen/);
    assert.match(err, /leaves: the table in NocoDB/);
  }
  assert.ok(await bucket());
});

test("destroy takes the stack and its secrets, leaves others and the table, and may be run again", async () => {
  await aws.cli(
    ...["ssm", "put-parameter", "--name", "/lastseen/mine", "--type", "String", "--value", "x"],
  );
  const script = join(root, "tools/destroy");
  const keeping = await aws.run([script], { env: env({ CONFIRM: STACK, KEEP_SECRETS: "1" }) });
  assert.equal(keeping.code, 0, keeping.err);
  assert.equal(await bucket(), undefined);
  assert.equal((await aws.cli("lambda", "list-functions")).Functions.length, 0);
  assert.ok(Object.keys(await aws.secrets()).length >= 4);

  const again = await aws.run([script], { env: env({ CONFIRM: STACK }) });
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /there is no stack lastseen/);
  const { Parameters } = await aws.cli("ssm", "describe-parameters");
  assert.deepEqual(
    Parameters.map((/** @type {any} */ { Name }) => Name),
    ["/lastseen/mine"],
  );
  assert.deepEqual(await table.rows(), []);
  assert.deepEqual(aws.store.strangers, [], "nobody else was asked for anything");
});
