/** `lastseen doctor --url` over https: the certificate, the cookies that need it, and what it says of plain http. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HttpsFront } from "../harness/https.mjs";
import { command, Serve } from "../harness/serve.mjs";

/** @type {Serve} */
let serve;
/** @type {HttpsFront} */
let front;
let folder = "";
before(async () => {
  serve = await Serve.start({ COOKIE_SECURE: "true", SITE_AUDIENCE: "localhost" });
  front = await HttpsFront.open("localhost", serve.url);
  folder = await mkdtemp(join(tmpdir(), "lastseen-doctor-"));
  await writeFile(join(folder, "cert.pem"), front.cert);
});
after(async () => {
  front?.stop();
  await serve?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What it says, and whether it was content. @param {NodeJS.ProcessEnv} [more] */
async function doctor(more) {
  const env = { ...serve.env, SSL_CERT_FILE: join(folder, "cert.pem"), ...more };
  try {
    return { out: await command(["doctor", "--url", front.url], env, serve.home), code: 0 };
  } catch (error) {
    const { stdout, code } = /** @type {{ stdout: string, code: number }} */ (error);
    return { out: stdout, code };
  }
}

test("a site over https gets a tick for everything, its cookies and headers among it", async () => {
  const { out, code } = await doctor();
  assert.equal(code, 0, out);
  assert.doesNotMatch(out, /^[✗!]/m);
  assert.match(out, /✓ https:\/\/localhost:\d+\/ answers, with a certificate that is trusted/);
  assert.match(out, /✓ a heartbeat arrives/);
  assert.match(out, /✓ the visit's row is deleted/);
  assert.ok(front.cookies.some((cookie) => cookie.startsWith("__Host-lastseen=")));
  assert.deepEqual(await serve.rows(), []);
});

test("a certificate that nobody vouches for is no https", async () => {
  const { out, code } = await doctor({ SSL_CERT_FILE: "" });
  assert.equal(code, 1);
  assert.match(out, /^✗ https:\/\/localhost:\d+\/ could not be reached: .*certificate/);
});

test("a site that does not ask browsers to stay on https deserves a look", async () => {
  const plain = await Serve.start({ SITE_AUDIENCE: "localhost" });
  const other = await HttpsFront.open("localhost", plain.url);
  try {
    await writeFile(join(folder, "other.pem"), other.cert);
    const env = { ...plain.env, COOKIE_SECURE: "", SSL_CERT_FILE: join(folder, "other.pem") };
    const answer = command(["doctor", "--url", other.url], env, plain.home);
    const out = await answer.catch(({ stdout }) => stdout);
    assert.match(out, /^! the gate page comes without Strict-Transport-Security/m);
    assert.match(out, /^✓ a heartbeat arrives/m);
    assert.deepEqual(await plain.rows(), []);
  } finally {
    other.stop();
    await plain.stop();
  }
});
