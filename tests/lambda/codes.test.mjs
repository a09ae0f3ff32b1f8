/** Codes on AWS: many sandboxes, one table in DynamoDB, and mail by SES or SMTP. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { readSetCookie } from "../harness/http.mjs";
import { MailServer } from "../harness/mail.mjs";
import { until } from "../harness/process.mjs";
import { Detour } from "./detour.mjs";
import { Moto } from "./moto.mjs";
import { event, Sandbox } from "./runtime.mjs";
import { StubTable } from "./table.mjs";

const PATH = "/api/verify-temp-access";
const TABLE = "stack-codes";
const ANNA = "anna@example.com";
const sessionKeys = `test:${randomBytes(32).toString("base64")}`;

/** @type {Moto} */
let moto;
/** To moto's DynamoDB, whose threads may look at an item between another's condition and what it does. @type {Detour} */
let dynamodb;
/** @type {StubTable} */
let sessions;
/** @type {MailServer} */
let mail;
/** @type {Sandbox[]} */
let sandboxes = [];

before(async () => {
  moto = await Moto.start();
  dynamodb = await Detour.start(moto.url);
  dynamodb.takesTurns = true;
  sessions = await StubTable.start();
  mail = await MailServer.start();
  await moto.call(
    "dynamodb",
    { target: "DynamoDB_20120810.CreateTable" },
    {
      TableName: TABLE,
      AttributeDefinitions: [{ AttributeName: "challengeId", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "challengeId", KeyType: "HASH" }],
      BillingMode: "PAY_PER_REQUEST",
    },
  );
});
after(async () => {
  sessions?.stop();
  await mail?.stop();
  dynamodb?.stop();
  await moto?.stop();
});
beforeEach(() => {
  mail.mails = [];
  sessions.forget();
});
afterEach(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.stop()));
  sandboxes = [];
});

/** @param {NodeJS.ProcessEnv} [settings] */
async function start(settings) {
  const sandbox = await Sandbox.start("verify-access", {
    AWS_ENDPOINT_URL: moto.url,
    AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
    SITE_AUDIENCE: "www.example.com",
    ...sessions.settings,
    SESSION_KEYS: sessionKeys,
    ...mail.settings,
    CODES_TABLE: TABLE,
    ...settings,
  });
  sandboxes.push(sandbox);
  return sandbox;
}

/** So many sandboxes, ready to answer. @param {number} count */
async function several(count) {
  /** @type {Sandbox[]} */
  const all = [];
  for (let number = 0; number < count; number += 1) all.push(await start());
  await until("request for the next event", () => all.every(({ isReady }) => isReady), 60_000);
  return all;
}

/** @param {Sandbox} sandbox */
async function asks(sandbox) {
  const answer = await sandbox.invoke(event(PATH, { form: { email: ANNA } }));
  assert.equal(answer.statusCode, 303);
  assert.match(answer.headers.location ?? "", /step=code#code$/);
  const [cookie] = (answer.cookies ?? []).map(readSetCookie);
  assert.equal(cookie?.name, "__Host-lastseen-code");
  return `${cookie?.name}=${cookie?.value}`;
}

/** Where a code leads. @param {Sandbox} sandbox @param {string} cookie @param {string} code */
async function tries(sandbox, cookie, code) {
  const { headers } = await sandbox.invoke(event(PATH, { cookies: [cookie], form: { code } }));
  const { pathname, hash } = new URL(headers.location ?? "", "https://www.example.com");
  return hash || pathname;
}

const rows = () => sessions.requests.filter(({ method }) => method === "POST").length;

/** What DynamoDB holds. */
async function items() {
  const target = "DynamoDB_20120810.Scan";
  return (await moto.call("dynamodb", { target }, { TableName: TABLE })).Items;
}

/** @param {string[]} list @param {string} one */
const count = (list, one) => list.filter((other) => other === one).length;
/** @param {string} code */
const wrong = (code) => (code.startsWith("7") ? "8" : "7") + code.slice(1);

test("a code that one sandbox mailed is taken by another, once", async () => {
  const [first, second] = await several(2);
  assert.ok(first && second);
  const cookie = await asks(first);
  const code = await mail.code(ANNA);
  assert.equal(await tries(second, cookie, wrong(code)), "#wrong-code");
  assert.equal(rows(), 0);
  assert.equal(await tries(second, cookie, code), "/portfolio/confidential/");
  assert.equal(rows(), 1);
  assert.equal(await tries(first, cookie, code), "#code-expired");
  assert.equal(rows(), 1);
  assert.deepEqual(await items(), [], "a used code is gone");
});

test("what DynamoDB holds is a keyed hash, a deadline that it deletes by, and nothing personal", async () => {
  const sandbox = await start();
  const asked = Math.floor(Date.now() / 1000);
  const cookie = await asks(sandbox);
  const answered = Date.now() / 1000;
  const code = await mail.code(ANNA);
  const [item, ...more] = await items();
  assert.deepEqual(more, []);
  assert.deepEqual(Object.keys(item).sort(), ["challengeId", "codeHash", "expiresAt", "tries"]);
  const begun = Number(item.expiresAt.N) - 600;
  assert.ok(begun >= asked && begun <= answered, `${begun} is not from ${asked} to ${answered}`);
  assert.equal(item.tries.N, "0");
  const text = JSON.stringify(item) + Buffer.from(item.codeHash.B, "base64").toString("latin1");
  for (const secret of [ANNA, code, code.replace("-", "")]) assert.ok(!text.includes(secret));
  assert.equal(await tries(sandbox, cookie, code), "/portfolio/confidential/");
});

test("of twenty right codes at once exactly one gets in", async () => {
  const all = await several(10);
  const [first] = all;
  assert.ok(first);
  const cookie = await asks(first);
  const code = await mail.code(ANNA);
  const led = await Promise.all([...all, ...all].map((sandbox) => tries(sandbox, cookie, code)));
  assert.equal(count(led, "/portfolio/confidential/"), 1, `${led}`);
  assert.equal(count(led, "#code-expired"), 19);
  assert.equal(rows(), 1);
});

test("of fifty wrong codes at once five are compared, and then the right one is burned too", async () => {
  const all = await several(10);
  const [first] = all;
  assert.ok(first);
  const cookie = await asks(first);
  const code = await mail.code(ANNA);
  const fifty = [1, 2, 3, 4, 5].flatMap(() => all);
  const led = await Promise.all(fifty.map((sandbox) => tries(sandbox, cookie, wrong(code))));
  assert.equal(count(led, "#wrong-code"), 5, `${led}`);
  assert.equal(count(led, "#code-expired"), 45);
  assert.equal(await tries(first, cookie, code), "#code-expired");
  assert.equal(rows(), 0);
});

test("without a mail server of its own, the code goes by SES", async () => {
  await moto.call("ses", { path: "/v2/email/identities" }, { EmailIdentity: "gate@example.com" });
  const sandbox = await start({ SMTP_URL: "" });
  const cookie = await asks(sandbox);
  const { Message: messages } = await moto.remembers("ses");
  const message = messages.at(-1);
  assert.deepEqual(message.destinations.ToAddresses, [ANNA]);
  assert.equal(message.source, "gate@example.com");
  assert.equal(message.subject, "Your code for www.example.com");
  const [, code = ""] = /^ {4}(\S{9})$/m.exec(message.body) ?? [];
  assert.equal(await tries(sandbox, cookie, code), "/portfolio/confidential/");
});

test("the mail server's address, which holds a password, can be a secret in SSM", async () => {
  const secret = mail.url.replace("//", "//gate:pa55word@");
  await moto.call(
    "ssm",
    { target: "AmazonSSM.PutParameter" },
    { Name: "/stack/smtp-url", Value: secret, Type: "SecureString" },
  );
  const sandbox = await start({ SMTP_URL: "", SMTP_URL_PARAMETER: "/stack/smtp-url" });
  await asks(sandbox);
  await mail.code(ANNA);
  assert.equal(mail.mails[0]?.user, "gate");
  assert.ok(!sandbox.running.log.includes("pa55word"));
});

test("a sender that SES does not know is the owner's trouble, and no address is in the log", async () => {
  const sandbox = await start({ SMTP_URL: "", MAIL_FROM: "stranger@example.org" });
  await asks(sandbox);
  const errors = sandbox.lines.filter(({ level }) => level === "ERROR");
  assert.equal(errors.length, 1);
  assert.equal(errors[0].error, "SES refused the mail: MessageRejected");
  for (const part of ["anna", "stranger", "example.org"]) {
    assert.ok(!sandbox.running.log.includes(part), sandbox.running.log);
  }
});

test("a table that is not there lets nobody in, and is named in the log", async () => {
  const sandbox = await start({ CODES_TABLE: "elsewhere" });
  const answer = await sandbox.invoke(event(PATH, { form: { email: ANNA } }));
  assert.match(answer.headers.location ?? "", /error=unavailable#unavailable$/);
  assert.equal(answer.cookies?.length ?? 0, 0);
  assert.deepEqual(mail.mails, [], "no code is mailed that could not be entered");
  const [line] = sandbox.lines.filter(({ level }) => level === "ERROR");
  assert.match(line.error, /^the table of codes: .*not found/i);
});

for (const { name, settings } of [
  { name: "CODES_TABLE", settings: { CODES_TABLE: "" } },
  { name: "MAIL_FROM", settings: { MAIL_FROM: "" } },
]) {
  test(`without ${name} the function does not start, and says so in one line`, async () => {
    const sandbox = await start(settings);
    assert.equal(await sandbox.running.ended, 1);
    const [line, ...more] = sandbox.lines;
    assert.deepEqual(more, []);
    assert.ok(line.error.startsWith(`${name}: is missing`), line.error);
  });
}
