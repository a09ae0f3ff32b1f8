/** The commands of docs/keys.md, in their order, on an AWS account of the test's own. */
import assert from "node:assert/strict";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../harness/process.mjs";
import { binary } from "../harness/serve.mjs";
import { Aws } from "./aws.mjs";

const document = readFileSync(join(root, "docs/keys.md"), "utf8");
/** The shell commands below a heading, by the block. @param {string} heading */
function blocks(heading) {
  const section = document.split(/^## /m).find((section) => section.startsWith(`${heading}\n`));
  return [...(section ?? "").matchAll(/```sh\n(.*?)```/gs)].map(([, block = ""]) => block);
}

/** @type {Aws} */
let aws;
before(async () => {
  aws = await Aws.start();
  symlinkSync(binary, join(aws.folder, "bin/lastseen"));
  aws.configure({
    ...{ NocodbUrl: "http://127.0.0.1:9", NocodbBaseId: "p1", NocodbTableId: "m1" },
    ...{ SiteAudience: "www.example.com" },
  });
  aws.render();
  await aws.keep({
    "session-keys": "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "edge-secret": "o".repeat(32),
  });
  const { code, err } = await aws.deploy("stack", "edge");
  assert.equal(code, 0, err);
});
after(() => aws?.stop());

/** @param {string} script */
async function shell(script) {
  const ran = await aws.run(["bash", "-euo", "pipefail", "-c", script]);
  assert.equal(ran.code, 0, `${script}\n${ran.err}`);
  return ran;
}

const kept = async () =>
  ((await aws.secrets())["session-keys"] ?? "").split(",").map((key) => key.trim().split(":")[0]);
const atTheEdge = () => JSON.parse(aws.store.values.get("gate") ?? "");

test("the key that signs is replaced in three steps, and the edge knows of each", async () => {
  const [names = "", commands = "", publish = "", sign = "", retire = "", ...more] = blocks("AWS");
  assert.deepEqual(more, []);
  const step = (/** @type {string} */ block) => shell(`${names}\n${commands}\n${block}`);
  const lines = [];

  lines.push(await step(publish));
  const [first, added, ...others] = await kept();
  assert.equal(first, "old");
  assert.ok(added);
  assert.deepEqual(others, []);
  assert.deepEqual(Object.keys(atTheEdge().keys).sort(), [added, "old"].sort());

  lines.push(await step(sign));
  assert.deepEqual(await kept(), [added, "old"]);

  lines.push(await step(retire));
  assert.deepEqual(await kept(), [added]);
  assert.deepEqual(Object.keys(atTheEdge().keys), [added]);
  assert.equal(atTheEdge().audience, "www.example.com");

  const { "session-keys": keys = "" } = await aws.secrets();
  for (const { out, err } of lines)
    assert.ok(!`${out}${err}`.includes(keys.trim().split(":")[1] ?? ""));
});

test("the edge secret is replaced, and the edge sends none that the functions do not take", async () => {
  const [commands = "", add = "", swap = "", remove = "", ...more] = blocks("The edge secret");
  assert.deepEqual(more, []);
  const step = (/** @type {string} */ block) => shell(`STACK=lastseen\n${commands}\n${block}`);
  const old = "o".repeat(32);
  const accepted = async () => ((await aws.secrets())["edge-secret"] ?? "").split(",");

  await step(add);
  const [first, second = "", ...others] = await accepted();
  assert.equal(first, old);
  assert.match(second, /^[!-~]{32,}$/);
  assert.deepEqual(others, []);
  assert.equal(aws.store.values.get("api"), old);

  await step(swap);
  assert.deepEqual(await accepted(), [second, old]);
  assert.equal(aws.store.values.get("api"), second);

  await step(remove);
  assert.deepEqual(await accepted(), [second]);
});

test("after everything was ended, the edge can be told to ask at once", async () => {
  const env = aws.env({ NOT_BEFORE: "2026-01-02T03:04:05Z" });
  const { code, err } = await aws.run([join(root, "tools/deploy"), "edge"], { env });
  assert.equal(code, 0, err);
  assert.equal(atTheEdge().notBefore, Date.UTC(2026, 0, 2, 3, 4, 5) / 1000);
});
