/**
 * docs/openapi.json against the program that prints it, against the standard, against the other pages, and
 * against a running server: schemathesis sends what the document allows and what it does not, and looks at
 * every answer.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { promisify } from "node:util";
import { Visitor } from "../harness/http.mjs";
import { isThorough } from "../harness/loop.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { environment, root } from "../harness/process.mjs";
import { command, Serve } from "../harness/serve.mjs";

const DOCUMENT = join(root, "docs/openapi.json");
const SCHEMATHESIS = join(root, "tools/schemathesis");
const SETTINGS = join(root, "tests/api/schemathesis.toml");

const run = promisify(execFile);
/** @param {string} path */
const read = (path) => readFile(join(root, path), "utf8");
/** @type {any} */
const document = JSON.parse(await readFile(DOCUMENT, "utf8"));

suite("docs/openapi.json", () => {
  test("it is what the program prints", async () => {
    const printed = await command(["openapi"], environment({}));
    assert.equal(await readFile(DOCUMENT, "utf8"), printed, "`make fmt` renews it");
  });

  test("it is valid", async () => {
    await run(SCHEMATHESIS, ["--in", "openapi-spec-validator", DOCUMENT]);
  });

  test("it has the routes that there are, and no others", async () => {
    const routes = (await read("Cargo.toml")).matchAll(/^"(\/[^"]+)" = "[\w-]+"$/gm);
    const served = [...routes].map(([, route]) => route);
    assert.deepEqual(Object.keys(document.paths).sort(), served.sort());
  });

  test("it knows the error codes of docs/api.md, and no others", async () => {
    const table = (await read("docs/api.md")).matchAll(/^\| \d{3} \| `([\w-]+)` \|/gm);
    const told = new Set([...table].map(([, code]) => code));
    // No operation of the document has it: it is what another method is answered with.
    told.delete("method-not-allowed");
    const known = new Set(each(document.paths).flatMap((schema) => schema.code?.enum ?? []));
    assert.deepEqual([...known].sort(), [...told].sort());
  });

  test("every operation says who may call it, and what it answers when that is refused", () => {
    for (const [path, item] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        const what = `${method} ${path}`;
        assert.ok(operation.operationId && operation.summary, what);
        assert.ok(Array.isArray(operation.security), what);
        assert.ok(operation.responses[403], what);
        const isOwners = JSON.stringify(operation.security).includes("owners");
        assert.equal(isOwners, /^\/api\/(sessions|visitors|summary)/.test(path), what);
        if (isOwners) assert.ok(operation.responses[401], what);
      }
    }
  });
});

suite("lastseen serve against docs/openapi.json", { concurrency: true }, () => {
  /** @type {string} */
  let folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "lastseen-openapi-"));
    await writeFile(join(folder, "strict.json"), JSON.stringify(closed(document)));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [who, ids] of Object.entries({
    visitors: ["enter", "heartbeat", "hasSession", "refresh"],
    "those who leave": ["logOut", "logOutByLink"],
    "the owner": Object.values(document.paths)
      .flatMap((item) => Object.values(item))
      .filter(({ operationId, security }) => security.length === 2 || /^sign/.test(operationId))
      .map(({ operationId }) => operationId)
      .filter((id) => !["hasSession", "refresh", "logOut", "logOutByLink"].includes(id)),
  })) {
    test(`what ${who} may send is taken, what not is refused, and every answer is as described`, async () => {
      // The names of cookies as the document has them.
      const serve = await Serve.start({
        ADMIN_TOKEN,
        COOKIE_SECURE: "true",
        SITE_AUDIENCE: "x.test",
      });
      try {
        const visitor = new Visitor(serve.url);
        await visitor.enter("ann@example.com");
        await schemathesis(serve.url, ids, {
          SESSION: visitor.cookies.get("__Host-lastseen"),
          OWNERS_TOKEN: ADMIN_TOKEN,
        });
      } finally {
        await serve.stop();
      }
    });
  }

  /** @param {string} url @param {string[]} ids @param {NodeJS.ProcessEnv} secrets */
  async function schemathesis(url, ids, secrets) {
    const operations = ids.flatMap((id) => ["--include-operation-id", id]);
    const options = ["--url", url, "--seed", "1", "--no-color", ...operations];
    // As many as the file says take a minute and more of computing.
    if (!isThorough) options.push("--max-examples", "3");
    const args = ["--config-file", SETTINGS, "run", join(folder, "strict.json"), ...options];
    const running = run(SCHEMATHESIS, args, {
      cwd: folder,
      env: { ...process.env, ...secrets },
      timeout: 300_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    const { stdout } = await running.catch((error) => {
      throw new Error(`schemathesis found something:\n${error.stdout}${error.stderr}`);
    });
    const [, tested] = /Tested: (\d+)/.exec(stdout) ?? [];
    assert.equal(Number(tested), ids.length, stdout);
  }
});

/**
 * The properties of every object in a part of the document.
 *
 * @param {any} part
 * @returns {any[]}
 */
function each(part) {
  if (typeof part !== "object" || part === null) return [];
  const own = part.properties ? [part.properties] : [];
  return [...own, ...Object.values(part).flatMap(each)];
}

/**
 * The document with answers of exactly the members that it names: it promises no less, and the server is
 * held to no more.
 *
 * @param {any} open
 */
function closed(open) {
  const copy = structuredClone(open);
  const operations = Object.values(copy.paths).flatMap((item) => Object.values(item));
  const bodies = operations.map(({ requestBody }) => JSON.stringify(requestBody ?? {}));
  const sent = new Set([...bodies.join().matchAll(/schemas\/(\w+)/g)].map(([, name]) => name));
  for (const [name, schema] of Object.entries(copy.components.schemas)) {
    if (!sent.has(name) && schema.properties) schema.additionalProperties = false;
  }
  for (const { responses } of operations) close(responses);
  return copy;
}

/** @param {any} part */
function close(part) {
  if (typeof part !== "object" || part === null) return;
  if (part.type === "object" && part.properties) part.additionalProperties = false;
  Object.values(part).forEach(close);
}
