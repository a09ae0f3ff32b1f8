/** `lastseen serve` on a folder that holds, or leads to, what is nobody's to see. */
import assert from "node:assert/strict";
import { link, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { send, Visitor } from "../harness/http.mjs";
import { Serve } from "../harness/serve.mjs";

const NAVIGATION = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };

/** @type {string} */
let folder;
/** @type {Serve} */
let serve;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "lastseen-site-"));
  for (const [name, text] of Object.entries({
    "access/index.html": "<form></form>",
    "deck/index.html": "confidential",
    "deck/q3.pdf": "confidential",
    "open/index.html": "open",
    ".env": "ADMIN_TOKEN=x",
    "lastseen.env": "ADMIN_TOKEN=x",
    ".git/config": "x",
    ".well-known/security.txt": "x",
  })) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  serve = await Serve.start({ STATIC_DIR: folder, PROTECTED_PREFIXES: "/deck" });
  await symlink(join(folder, "deck/q3.pdf"), join(folder, "open/q3.pdf"));
  await symlink(join(folder, "deck"), join(folder, "open/again"));
  await symlink(serve.home, join(folder, "open/data"));
  await symlink(join(folder, "lastseen.env"), join(folder, "open/settings.txt"));
  await link(join(serve.home, "lastseen.db"), join(folder, "open/copy.bin"));
  await writeFile(join(folder, "..", `${folder.split("/").at(-1)}.txt`), "x");
});
after(async () => {
  await serve?.stop();
  await rm(folder, { recursive: true, force: true });
  await rm(`${folder}.txt`, { force: true });
});

/** @param {string} path */
const get = (path) => send(serve.url, path, { headers: NAVIGATION });

test("neither what serve keeps nor what its name hides is served, whatever leads to it", async () => {
  for (const path of [
    "/open/data/lastseen.db",
    "/open/data/lastseen.db-wal",
    "/open/data/admin-token",
    "/open/data/session-keys",
    "/open/data/queue.db",
    "/open/data/sign-in.db",
    "/open/copy.bin",
    "/open/settings.txt",
    "/lastseen.env",
    "/LASTSEEN.ENV",
    "/.env",
    "/.git/config",
  ]) {
    const { status, text } = await get(path);
    assert.equal(status, 404, path);
    assert.doesNotMatch(text, /SQLite|ADMIN_TOKEN/, path);
  }
  assert.equal((await get("/.well-known/security.txt")).status, 200);
});

test("what SQLite makes while it runs is not served either", async () => {
  // A visit makes the log beside the database, where it was not there yet.
  await new Visitor(serve.url).enter("ann@example.com");
  await link(join(serve.home, "lastseen.db-wal"), join(folder, "open/wal.bin"));
  assert.equal((await get("/open/wal.bin")).status, 404);
});

test("a link out of the site is no page, and one into a protected folder is protected", async () => {
  await symlink(`${folder}.txt`, join(folder, "open/outside.txt"));
  assert.equal((await get("/open/outside.txt")).status, 404);
  const visitor = new Visitor(serve.url);
  await visitor.enter("bob@example.com");
  for (const path of [
    "/open/q3.pdf",
    "/open/again/",
    "/open/again/q3.pdf",
    "/open/again/index.html",
  ]) {
    const kept = await get(path);
    assert.equal(kept.status, 302, path);
    assert.match(String(kept.headers.location), /^\/access\//, path);
    const opened = await visitor.send(path, { headers: NAVIGATION });
    assert.equal(opened.text, "confidential", path);
    assert.equal(opened.headers["cache-control"], "no-store", path);
    assert.equal(opened.headers["cross-origin-resource-policy"], "same-origin", path);
  }
  const open = await get("/open/");
  assert.equal(open.text, "open");
  assert.equal(open.headers["cross-origin-resource-policy"], undefined);
});
