/** The owner's link: what histories, terminals and logs keep of it must be worth nothing. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send } from "../harness/http.mjs";
import { LOGIN } from "../harness/owner.mjs";
import { Running } from "../harness/process.mjs";
import { binary, Serve } from "../harness/serve.mjs";

/** @type {Serve} */
let serve;
before(async () => {
  serve = await Serve.start();
});
after(() => serve?.stop());

async function link() {
  const address = (await serve.command("admin", "link")).trim();
  const [page = "", code = ""] = address.split("#once=");
  assert.equal(page, `${serve.url}/admin/`);
  assert.match(code, /^[\w-]{43}$/);
  return code;
}

/** @param {Record<string, string>} json */
const login = (json) => send(serve.url, LOGIN, { json });

test("a link signs in once, while serve runs", async () => {
  const once = await link();
  const first = await login({ once });
  assert.equal(first.status, 200, first.text);
  const [cookie] = first.cookies;
  const headers = { cookie: `${cookie?.name}=${cookie?.value}` };
  assert.equal((await send(serve.url, "/api/sessions", { headers })).status, 200);
  const again = await login({ once });
  assert.deepEqual([again.status, again.json.code], [401, "link-used"]);
  assert.match(again.json.detail, /lastseen admin link/);
  assert.deepEqual(again.cookies, []);
  const guess = await login({ once: `${once}x` });
  assert.deepEqual([guess.status, guess.json.code], [401, "wrong-link"]);
  const form = await send(serve.url, LOGIN, { form: { once } });
  assert.deepEqual(
    [form.status, form.headers.location],
    [303, "/admin/?error=link-used#link-used"],
  );
});

test("of ten uses at once one is signed in", async () => {
  const once = await link();
  const answers = await Promise.all(Array.from({ length: 10 }, () => login({ once })));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, ...Array(9).fill(401)]);
});

test("a spent link stays spent over a restart, and another is still good", async () => {
  const [spent, good] = [await link(), await link()];
  assert.equal((await login({ once: spent })).status, 200);
  await serve.running?.stop();
  await serve.resume();
  assert.equal((await login({ once: spent })).json.code, "link-used");
  assert.equal((await login({ once: good })).status, 200);
});

test("no file that serve keeps holds a link, and no log does", async () => {
  const once = await link();
  for (const name of ["sign-in.db", "sign-in.db-wal"]) {
    const kept = await readFile(join(serve.home, name), "latin1");
    assert.ok(!kept.includes(once), name);
  }
  const token = (await readFile(join(serve.home, "admin-token"), "utf8")).trim();
  assert.equal((await login({ once })).status, 200);
  for (const secret of [once, token, "#once=", "#token="]) assert.ok(!serve.log.includes(secret));
});

test("a terminal shows a link that works, and never the token", async () => {
  await serve.running?.stop();
  const env = { ...serve.env, TERM: "dumb" };
  const args = ["-qefc", `${binary} serve`, "/dev/null"];
  const running = new Running("script", args, { env, cwd: serve.home });
  try {
    const [, url] = await running.prints(/listening on (http:\/\/[\d.]+:\d+)/, 20_000);
    const once = /#once=([\w-]{43})/.exec(running.log)?.[1];
    assert.ok(once, running.log);
    const token = (await readFile(join(serve.home, "admin-token"), "utf8")).trim();
    assert.ok(!running.log.includes(token));
    assert.equal((await send(url ?? "", LOGIN, { json: { once } })).status, 200);
  } finally {
    await running.stop();
    await serve.resume();
  }
});
