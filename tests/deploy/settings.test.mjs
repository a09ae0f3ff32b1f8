/** `tools/deploy check` and `settings`: what stops a deployment before anything is built, and what is written down. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, test } from "node:test";
import { environment, root } from "../harness/process.mjs";
import { Aws, VENV } from "./aws.mjs";

/** @type {Aws} */
let aws;
before(async () => {
  aws = await Aws.start();
});
after(() => aws?.stop());

const SCRIPT = join(root, "tools/deploy");
/** The template as it is, with its own rules for parameters. */
const real = (/** @type {NodeJS.ProcessEnv} */ more = {}) => aws.env({ TEMPLATE: "", ...more });
const TABLE = {
  NOCODB_URL: "https://nocodb.example",
  NOCODB_BASE_ID: "p1",
  NOCODB_TABLE_ID: "m1",
};

test("a machine without AWS settings is told so in one line, before anything is installed or built", async () => {
  const home = mkdtempSync(join(tmpdir(), "lastseen-clean-"));
  try {
    for (const script of ["deploy", "destroy"]) {
      const { code, out, err } = await aws.run([join(root, "tools", script)], {
        env: environment({
          HOME: home,
          AWS_EC2_METADATA_DISABLED: "true",
          LASTSEEN_CACHE: join(home, "cache"),
        }),
      });
      assert.equal(code, 1);
      assert.match(
        err,
        /^error: there are no AWS credentials here\..*aws configure.*AWS_PROFILE.*\n$/,
      );
      assert.equal(out, "");
    }
    const left = await aws.run(["find", home, "-type", "f"]);
    assert.equal(left.out, "", "nothing was installed");
  } finally {
    rmSync(home, { recursive: true });
  }
});

test("credentials that AWS does not take stop it in one line", async () => {
  const bin = join(aws.folder, "refusing");
  mkdirSync(bin);
  const refusal = "An error occurred (ExpiredToken) when calling GetCallerIdentity: it has expired";
  writeFileSync(join(bin, "aws"), `#!/bin/sh\necho "\n${refusal}" >&2\nexit 254\n`);
  chmodSync(join(bin, "aws"), 0o755);
  aws.configure();
  const { PATH, ...env } = real();
  const { code, err } = await aws.run([SCRIPT, "check"], {
    env: { ...env, PATH: `${bin}:${PATH}` },
  });
  assert.equal(code, 1);
  assert.match(err, /^error: AWS does not take the credentials: .*ExpiredToken.*AWS_PROFILE\n$/);
});

test("it may be called from anywhere, and finds its tools by itself", async () => {
  aws.configure();
  const tools = join(root, "tools");
  const env = real({
    LASTSEEN_TOOLS: "",
    LASTSEEN_CACHE: dirname(VENV),
    SAMCONFIG: relative(tools, aws.samconfig),
    TEMPLATE: "../template.yaml",
  });
  const { code, err } = await aws.run(["sh", "-c", `cd ${tools} && ./deploy check`], { env });
  assert.equal(code, 0, err);
  assert.match(err, /account 123456789012, region us-east-1, stack lastseen/);
});

test("a step that does not exist is named, and so are those that do", async () => {
  aws.configure();
  const { code, err } = await aws.run([SCRIPT, "sites"], { env: real() });
  assert.equal(code, 1);
  assert.match(err, /no step sites\..* check settings secrets build stack edge site doctor\n$/);
});

test("what is missing is taken from the environment, and written once, beside the comments", async () => {
  aws.configure();
  const before = aws.configured;
  const folder = join(aws.folder, "my site");
  mkdirSync(folder);
  const env = real({ ...TABLE, STATIC_DIR: folder });
  const ran = await aws.run([SCRIPT, "settings"], { env });
  assert.equal(ran.code, 0, ran.err);
  const written = aws.configured;
  for (const line of before.split("\n")) assert.ok(written.includes(line), line);
  for (const line of [
    'region = "us-east-1"',
    `static_dir = "${folder}"`,
    'NocodbUrl = "https://nocodb.example"',
    'NocodbBaseId = "p1"',
    'NocodbTableId = "m1"',
  ]) {
    assert.equal(written.split(`${line}\n`).length, 2, line);
  }
  const other = real({ ...TABLE, NOCODB_BASE_ID: "p2", AWS_DEFAULT_REGION: "eu-central-1" });
  const again = await aws.run([SCRIPT, "settings"], { env: other });
  assert.equal(again.code, 0, again.err);
  assert.equal(aws.configured, written, "what is written down counts");
});

test("without a terminal everything that is missing is named in one line, and nothing is written", async () => {
  aws.configure({ Front: "proxy" });
  const { code, err } = await aws.run([SCRIPT, "settings"], { env: real() });
  assert.equal(code, 1);
  const [line, ...more] = err.split("\n").filter((line) => line.startsWith("error"));
  assert.match(
    line ?? "",
    /NOCODB_URL and NOCODB_BASE_ID and NOCODB_TABLE_ID and SITE_AUDIENCE in the environment/,
  );
  assert.deepEqual(more, []);
  assert.doesNotMatch(aws.configured, /Nocodb/);
});

test("whoever sits at a terminal is asked", async () => {
  aws.configure();
  const ran = await aws.run(["script", "-qec", `${SCRIPT} settings`, "/dev/null"], {
    env: real(),
    answers: [
      [/NOCODB_URL.*: $/, "https://nocodb.example"],
      [/NOCODB_BASE_ID.*: $/, "p1"],
      [/NOCODB_TABLE_ID.*: $/, "m1"],
    ],
  });
  assert.equal(ran.code, 0, ran.out);
  assert.match(
    aws.configured,
    /NocodbUrl = "https:\/\/nocodb.example"\nNocodbBaseId = "p1"\nNocodbTableId = "m1"/,
  );
});

test("a name that the edge or SSM could not carry is refused", async () => {
  for (const name of ["aws-site", "1st", "a.b", "s".repeat(60)]) {
    aws.configure();
    const text = aws.configured.replace('stack_name = "lastseen"', `stack_name = "${name}"`);
    writeFileSync(aws.samconfig, text);
    const { code, err } = await aws.run([SCRIPT, "settings"], { env: real(TABLE) });
    assert.equal(code, 1);
    assert.match(err, /^error: stack_name: /);
  }
});

test("what the template would refuse is refused before the build, by name", async () => {
  for (const [wrong, message] of /** @type {[Record<string, string>, RegExp][]} */ ([
    [{ NocodbUrl: "nocodb.example" }, /NocodbUrl: must start with https:\/\//],
    [{ Front: "nginx" }, /Front: must be one of site, cloudfront, proxy, none/],
    [{ ProtectedPrefix: "/deck" }, /ProtectedPrefix: is no parameter/],
    [{ ProtectedPrefixes: "deck" }, /ProtectedPrefixes: must be plain paths that start with \//],
    [{ IdleTimeoutSeconds: "abc" }, /IdleTimeoutSeconds: must be a number/],
    [{ TrustedHops: "9" }, /TrustedHops: must be at least 1 and at most 5/],
    [{ AllowedEmails: `${"a".repeat(1200)}@b.c` }, /AllowedEmails: must have at most 1200/],
    // What the functions and the edge would say after everything was built.
    [{ IdleTimeoutSeconds: "7200" }, /IDLE_TIMEOUT_SECONDS: .*ALLOW_LONG_SESSIONS/],
    [{ ProtectedPrefixes: `/${"a".repeat(900)}` }, /PROTECTED_PREFIXES: is too long for the gate/],
  ])) {
    aws.configure({ SiteAudience: "www.example.com", ...wrong });
    const { code, err } = await aws.run([SCRIPT, "settings"], { env: real(TABLE) });
    assert.equal(code, 1, err);
    assert.match(err, message);
  }
});

test("parameters on one line, as sam writes them, are read as sam reads them", async () => {
  aws.configure();
  const text = aws.configured.replace(
    "resolve_s3",
    'parameter_overrides = "NocodbUrl=\\"https://a.example\\" GatePath=/in/"\nresolve_s3',
  );
  writeFileSync(aws.samconfig, text);
  const ran = await aws.run([SCRIPT, "settings"], { env: real(TABLE) });
  assert.equal(ran.code, 0, ran.err);
  const shown = await aws.run([
    "python",
    join(root, "tools/samconfig"),
    aws.samconfig,
    "show",
    join(root, "template.yaml"),
  ]);
  const known = shown.out.split("\n");
  for (const line of [
    "NocodbUrl=https://a.example",
    "GatePath=/in/",
    "NocodbBaseId=p1",
    "Front=site",
  ]) {
    assert.ok(known.includes(line), line);
  }
});
