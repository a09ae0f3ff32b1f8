/** Codes by mail, on the wire: the real server, and a real mail server behind it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { send, Visitor } from "../harness/http.mjs";
import { MailServer } from "../harness/mail.mjs";
import { environment, Running, until } from "../harness/process.mjs";
import { binary, Serve } from "../harness/serve.mjs";

const PATH = "/api/verify-temp-access";

/** @type {MailServer} */
let mail;
/** @type {Serve | undefined} */
let serve;
/** @type {MailServer | undefined} */
let other;

before(async () => {
  mail = await MailServer.start();
});
after(() => mail.stop());
afterEach(async () => {
  await serve?.stop();
  await other?.stop();
  serve = other = undefined;
  mail.mails = [];
  mail.delayMs = 0;
});

/** @param {NodeJS.ProcessEnv} [settings] */
async function start(settings) {
  serve = await Serve.start({ ...mail.settings, ...settings });
  return serve;
}

test("a code comes by mail, and the visit begins with it", async () => {
  const { url } = await start({ SITE_AUDIENCE: "www.example.com" });
  const anna = new Visitor(url);
  const asked = await anna.send(PATH, { json: { email: "Anna@Example.com" } });
  assert.equal(asked.status, 202);
  assert.deepEqual(asked.json, { success: true, step: "code", codeExpiresInSeconds: 600 });
  const [{ name, attributes } = { name: "", attributes: {} }, ...more] = asked.cookies;
  assert.equal(name, "lastseen-code");
  assert.deepEqual(attributes, { path: "/", "max-age": "600", httponly: true, samesite: "Lax" });
  assert.deepEqual(more, []);
  assert.deepEqual(await serve?.rows(), []);

  const code = await mail.code("anna@example.com");
  const { from, to, headers, text } = mail.mails[0] ?? assert.fail("no mail");
  assert.equal(from, "gate@example.com");
  assert.deepEqual(to, ["anna@example.com"]);
  assert.equal(headers.get("from"), "www.example.com <gate@example.com>");
  assert.equal(headers.get("subject"), "Your code for www.example.com");
  assert.match(headers.get("content-type") ?? "", /^text\/plain/);
  assert.equal(headers.get("auto-submitted"), "auto-generated");
  assert.ok(headers.has("date"));
  assert.ok(text.includes("within 10 minutes") && text.includes("ignore this mail"));

  const entered = await anna.send(PATH, { json: { code: code.toLowerCase() } });
  assert.equal(entered.status, 200);
  assert.ok(anna.cookies.has("lastseen") && !anna.cookies.has("lastseen-code"));
  assert.equal((await anna.send("/portfolio/confidential/")).status, 200);
  const [row, ...others] = (await serve?.rows()) ?? [];
  assert.equal(row?.emailOfAccessor, "anna@example.com");
  assert.deepEqual(others, []);
});

test("neither an address nor a code is ever in the log", async () => {
  const { url } = await start({ DENIED_EMAILS: "eve@example.com" });
  for (const email of ["anna@example.com", "eve@example.com"]) {
    const visitor = new Visitor(url);
    await visitor.send(PATH, { json: { email } });
    await visitor.send(PATH, { json: { code: "QXQX-QXQX" } });
  }
  await new Visitor(url).send(PATH, { json: { code: "QXQX-QXQX" } });
  const code = await mail.code("anna@example.com");
  for (const event of ["code-sent", "not-allowed", "wrong-code", "code-of-another-browser"]) {
    await until(`line with ${event}`, () => serve?.log.includes(event) ?? false);
  }
  const log = serve?.log ?? "";
  for (const secret of ["anna@", "eve@", "example.com", code, code.replace("-", ""), "QXQX"]) {
    assert.ok(!log.includes(secret), `${secret} in ${log}`);
  }
});

test("the answer takes as long for who is mailed to as for who is not", async () => {
  mail.delayMs = 500;
  const { url } = await start({ DENIED_EMAILS: "@example.org" });
  /** @type {Record<string, number[]>} */
  const took = { com: [], org: [] };
  for (let round = 0; round < 5; round += 1) {
    for (const [ending, times] of Object.entries(took)) {
      const begun = performance.now();
      const email = `visitor-${round}@example.${ending}`;
      assert.equal((await send(url, PATH, { json: { email } })).status, 202);
      times.push(performance.now() - begun);
    }
  }
  assert.equal(mail.mails.length, 5);
  const all = Object.values(took).flat();
  assert.ok(Math.min(...all) >= 1000, `${all}`);
  const middle = (/** @type {number[]} */ times) => times.toSorted((a, b) => a - b)[2] ?? 0;
  const { com = [], org = [] } = took;
  // Of the half a second that the mail takes nothing shows; what else the machine does may.
  assert.ok(Math.abs(middle(com) - middle(org)) < 250, `${com} and ${org}`);
});

test("a mail server gets the password of SMTP_URL", async () => {
  const withPassword = mail.url.replace("//", "//gate%40example.com:p%40ss@");
  const { url } = await start({ SMTP_URL: withPassword });
  await send(url, PATH, { json: { email: "anna@example.com" } });
  await mail.code("anna@example.com");
  assert.equal(mail.mails[0]?.user, "gate@example.com");
});

for (const [what, options, scheme, query] of /** @type {const} */ ([
  ["TLS", { secure: true }, "smtps", ""],
  ["STARTTLS", { secure: false }, "smtp", "?tls=required"],
])) {
  test(`a mail server that anybody could have put there gets no mail over ${what}`, async () => {
    // Its certificate is its own.
    const untrusted = await MailServer.start(options);
    other = untrusted;
    const { url } = await start({ SMTP_URL: `${scheme}://127.0.0.1:${untrusted.port}${query}` });
    const answer = await send(url, PATH, { json: { email: "anna@example.com" } });
    assert.equal(answer.status, 202, "a stranger is not told");
    assert.deepEqual(untrusted.mails, []);
    assert.match(serve?.log ?? "", /a code could not be mailed.*invalid peer certificate/);
    assert.doesNotMatch(serve?.log ?? "", /anna@/);
  });
}

test("who asks too often is told when to come back", async () => {
  const { url } = await start();
  const ask = () => send(url, PATH, { json: { email: "anna@example.com" } });
  const first = await Promise.all([ask(), ask(), ask()]);
  assert.deepEqual(
    first.map(({ status }) => status),
    [202, 202, 202],
  );
  const refused = await ask();
  assert.equal(refused.status, 429);
  assert.equal(refused.json.code, "limited");
  const wait = Number(refused.headers["retry-after"]);
  assert.ok(wait > 150 && wait <= 180, `${wait}`);
  assert.equal(mail.mails.length, 3);
  const form = await send(url, PATH, { form: { email: "anna@example.com" } });
  assert.equal(form.headers.location, "/access/?error=limited#limited");
});

test("a restart forgets the codes that are on their way, and lets nobody in for it", async () => {
  const server = await start();
  const anna = new Visitor(server.url);
  await anna.send(PATH, { json: { email: "anna@example.com" } });
  const code = await mail.code("anna@example.com");
  await server.running?.stop();
  await server.resume();
  anna.site = server.url;
  const answer = await anna.send(PATH, { json: { code } });
  assert.equal(answer.status, 403);
  assert.equal(answer.json.code, "code-expired");
});

test("the doctor asks the mail server, and says where it is but not the password", async () => {
  const password = mail.url.replace("//", "//gate:pa55word@");
  const { env } = await start({ SMTP_URL: password });
  const doctor = async (/** @type {NodeJS.ProcessEnv} */ settings) => {
    const running = new Running(binary, ["doctor"], { env: { ...env, ...settings } });
    await running.ended;
    return running.log;
  };
  const good = await doctor({});
  assert.ok(good.includes(`✓ codes are mailed through 127.0.0.1:${mail.port}`), good);
  const bad = await doctor({ SMTP_URL: "smtp://gate:pa55word@127.0.0.1:9" });
  assert.match(bad, /✗ SMTP_URL: the mail server: .* — /);
  assert.doesNotMatch(good + bad, /pa55word/);
  assert.match(await doctor({ SMTP_URL: "" }), /✗ SMTP_URL: is missing — /);
});

for (const { name, settings } of [
  { name: "VERIFY_EMAIL", settings: { VERIFY_EMAIL: "yes" } },
  { name: "MAIL_FROM", settings: { VERIFY_EMAIL: "code", SMTP_URL: "smtp://localhost" } },
  { name: "SMTP_URL", settings: { VERIFY_EMAIL: "code", MAIL_FROM: "gate@example.com" } },
  { name: "MAIL_FROM", settings: { MAIL_FROM: "gate@example.com" } },
  {
    name: "CODES_TABLE",
    settings: {
      VERIFY_EMAIL: "code",
      MAIL_FROM: "gate@example.com",
      SMTP_URL: "smtp://localhost",
      CODES_TABLE: "codes",
    },
  },
]) {
  const given = Object.keys(settings).join(", ");
  test(`with ${given} alone the server does not start, and names ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "lastseen-refused-"));
    const env = environment({ PORT: "0", DATABASE_PATH: join(folder, "all.db"), ...settings });
    const running = new Running(binary, ["serve"], { env });
    assert.equal(await running.ended, 1);
    assert.match(running.log, new RegExp(`${name}: `));
    await until("end", () => !running.isRunning);
    rmSync(folder, { recursive: true });
  });
}
