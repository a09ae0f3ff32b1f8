/** `tools/deploy secrets`: what is missing is made or asked for, once, and seen by nobody. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { NocoTable } from "../harness/nocodb.mjs";
import { root } from "../harness/process.mjs";
import { Aws } from "./aws.mjs";

/** @type {Aws} */
let aws;
/** @type {NocoTable} */
let table;
before(async () => {
  aws = await Aws.start();
  table = await NocoTable.create();
  aws.render();
});
after(async () => {
  await aws?.stop();
});
beforeEach(async () => {
  await aws.forgetSecrets();
  aws.configure(nocodb());
});

const SCRIPT = join(root, "tools/deploy");
const token = () => table.settings.NOCODB_API_TOKEN;
const withToken = () => aws.env({ NOCODB_API_TOKEN: token() });
/** The parameters that name the table. */
const nocodb = () => ({
  NocodbUrl: table.settings.NOCODB_URL,
  NocodbBaseId: table.settings.NOCODB_BASE_ID,
  NocodbTableId: table.settings.NOCODB_TABLE_ID,
});

test("what is missing is made or taken from the environment, and kept from then on", async () => {
  const first = await aws.run([SCRIPT, "secrets"], { env: withToken() });
  assert.equal(first.code, 0, first.err);
  const secrets = await aws.secrets();
  assert.deepEqual(Object.keys(secrets).sort(), [
    "admin-token",
    "edge-secret",
    "nocodb-api-token",
    "session-keys",
  ]);
  assert.equal(secrets["nocodb-api-token"], token());
  assert.match(secrets["session-keys"] ?? "", /^[\w-]+:[A-Za-z0-9+/_-]{43}=?$/);
  for (const name of ["admin-token", "edge-secret"])
    assert.match(secrets[name] ?? "", /^[!-+\--~]{32,}$/);

  const again = await aws.deploy("secrets");
  assert.equal(again.code, 0, again.err);
  assert.deepEqual(await aws.secrets(), secrets);
  assert.doesNotMatch(again.err, /stored/);
});

test("what the parameters ask for is asked for, and what they do not need is not made", async () => {
  aws.configure({
    ...{ ...nocodb(), Front: "none" },
    ...{
      RequirePasscode: "true",
      VerifyEmail: "code",
      SendMailBy: "smtp",
      MailFrom: "a@b.example",
    },
  });
  const refused = await aws.run([SCRIPT, "secrets"], { env: withToken() });
  assert.equal(refused.code, 1);
  assert.match(refused.err, /ACCESS_PASSCODE and SMTP_URL/);
  assert.doesNotMatch(refused.err, /NOCODB_API_TOKEN/);

  const secrets = { ACCESS_PASSCODE: "open sesame", SMTP_URL: "smtps://a:b@mail.example:465" };
  const env = aws.env({ NOCODB_API_TOKEN: token(), ...secrets });
  const ran = await aws.run([SCRIPT, "secrets"], { env });
  assert.equal(ran.code, 0, ran.err);
  const { "session-keys": _, "admin-token": __, ...given } = await aws.secrets();
  assert.deepEqual(given, {
    "access-passcode": secrets.ACCESS_PASSCODE,
    "nocodb-api-token": token(),
    "smtp-url": secrets.SMTP_URL,
  });
});

test("where visits are told, the address is asked for, and a secret is made where it signs", async () => {
  for (const [wish, made] of /** @type {const} */ ([
    ["unsigned", false],
    ["signed", true],
  ])) {
    await aws.forgetSecrets();
    aws.configure({ ...nocodb(), Notify: wish });
    const refused = await aws.run([SCRIPT, "secrets"], { env: withToken() });
    assert.equal(refused.code, 1);
    assert.match(refused.err, /NOTIFY_URL/);
    const url = "https://hooks.example.com/services/x";
    const env = aws.env({ NOCODB_API_TOKEN: token(), NOTIFY_URL: url });
    const ran = await aws.run([SCRIPT, "secrets"], { env });
    assert.equal(ran.code, 0, ran.err);
    const { "notify-url": stored, "notify-secret": secret } = await aws.secrets();
    assert.equal(stored, url);
    if (made) assert.match(secret ?? "", /^whsec_[A-Za-z0-9+/]{43}=$/);
    else assert.equal(secret, undefined);
  }
});

test("without a terminal a missing token stops it, in one line that names it", async () => {
  const { code, err } = await aws.deploy("secrets");
  assert.equal(code, 1);
  assert.match(err, /^error: .*NOCODB_API_TOKEN.*\n$/);
  assert.deepEqual(await aws.secrets(), {});
});

test("a token is typed unseen at a terminal", async () => {
  // `script` makes the terminal, which echoes what the program does not keep it from.
  const ran = await aws.run(["script", "-qec", `${SCRIPT} secrets`, "/dev/null"], {
    answers: [[/NOCODB_API_TOKEN \(is not shown\): /, token()]],
  });
  assert.equal(ran.code, 0, ran.out);
  assert.equal((await aws.secrets())["nocodb-api-token"], token());
  assert.ok(!ran.out.includes(token()));
});

test("a token that does not open the table is not stored", async () => {
  const env = aws.env({ NOCODB_API_TOKEN: "another-token" });
  const { code, err } = await aws.run([SCRIPT, "secrets"], { env });
  assert.equal(code, 1);
  assert.match(err, /does not accept the API token/);
  assert.deepEqual(await aws.secrets(), {});

  aws.configure({ ...nocodb(), NocodbTableId: "mnowhere" });
  const lost = await aws.run([SCRIPT, "secrets"], { env: withToken() });
  assert.equal(lost.code, 1);
  assert.match(lost.err, /NOCODB_TABLE_ID/);
  assert.match(lost.err, /cargo run -- setup/);
});

test("no secret is in a command line, in what is printed, in a trace, or in a file", async () => {
  const spies = join(aws.folder, "spies");
  const log = join(aws.folder, "commands.log");
  mkdirSync(spies);
  const spied = [
    "aws",
    "openssl",
    "python",
    "tr",
    "sed",
    "grep",
    "cut",
    "cat",
    "tail",
    "bash",
    "lastseen",
  ];
  for (const name of spied) {
    const target = name === "lastseen" ? aws.env().LASTSEEN_BINARY : name;
    const next = name === "lastseen" ? target : `PATH="\${PATH#*:}" exec ${name}`;
    const lines = ["#!/bin/sh", `echo "${name} $*" >>${log}`, `${next} "$@"`, ""];
    writeFileSync(join(spies, name), lines.join("\n"));
    chmodSync(join(spies, name), 0o755);
  }
  const { PATH, ...env } = withToken();
  const ran = await aws.run(["/bin/bash", "-x", SCRIPT, "secrets"], {
    env: {
      ...env,
      PATH: `${spies}:${PATH}`,
      SHELLOPTS: "xtrace",
      LASTSEEN_BINARY: join(spies, "lastseen"),
    },
  });
  assert.equal(ran.code, 0, ran.err);
  const commands = readFileSync(log, "utf8");
  assert.match(commands, /^lastseen keys new$/m);
  assert.match(commands, /^aws ssm put-parameter --name \/lastseen\/session-keys /m);
  const files = await aws.run(["grep", "-r", "", aws.folder, "--exclude-dir=bin"]);
  for (const [name, secret] of Object.entries(await aws.secrets())) {
    for (const place of [commands, ran.out, ran.err, files.out]) {
      assert.ok(!place.includes(secret), `${name} was seen`);
    }
  }
  rmSync(spies, { recursive: true });
});
