/** What `tools/deploy stack` asks of the real SAM CLI, and what is left to do where something else stands in front. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { root } from "../harness/process.mjs";
import { Aws, STACK } from "./aws.mjs";

/** @type {Aws} */
let aws;
// Each with an account of its own: moto does not delete all that a stack made.
beforeEach(async () => {
  aws = await Aws.start();
});
afterEach(() => aws?.stop());

const PARAMETERS = {
  ...{ NocodbUrl: "http://127.0.0.1:9", NocodbBaseId: "p1", NocodbTableId: "m1" },
  SiteAudience: "www.example.com",
};

const KEYS = `test:${Buffer.alloc(32, 1).toString("base64")}`;

/** What CloudFormation was given. @returns {Promise<Record<string, string>>} */
async function given() {
  const { Stacks } = await aws.cli("cloudformation", "describe-stacks", "--stack-name", STACK);
  return Object.fromEntries(
    Stacks[0].Parameters.map((/** @type {any} */ one) => [one.ParameterKey, one.ParameterValue]),
  );
}

test("behind another front there is no bucket and no edge to fill", async () => {
  aws.configure({ ...PARAMETERS, Front: "proxy" });
  aws.render({}, { Front: "proxy" });
  const { code, err } = await aws.deploy("stack", "edge", "site");
  assert.equal(code, 0, err);
  assert.equal(err.match(/nothing to do: Front is proxy/g)?.length, 2);
  assert.equal(aws.store.puts, 0);
  assert.equal((await given()).Front, "proxy");
});

test("a line that is taken out means the default again, and what is protected is never guessed", async () => {
  const protectedPages = { ...PARAMETERS, ProtectedPrefixes: "/deck" };
  aws.configure({ ...protectedPages, LogRetentionDays: "7" });
  aws.render();
  const first = await aws.deploy("stack");
  assert.equal(first.code, 0, first.err);
  assert.equal((await given()).LogRetentionDays, "7");

  aws.configure(protectedPages);
  const second = await aws.deploy("stack");
  assert.equal(second.code, 0, second.err);
  assert.equal((await given()).LogRetentionDays, "30");

  // As in a new checkout.
  aws.configure(PARAMETERS);
  for (const step of ["settings", "edge", "site"]) {
    const { code, err } = await aws.deploy(step);
    assert.equal(code, 1, step);
    assert.match(err, /error: the stack protects \/deck, .*ProtectedPrefixes/);
  }
});

test("what this shell happens to have set stays out of the gate", async () => {
  aws.configure(PARAMETERS);
  aws.render();
  await aws.keep({ "session-keys": KEYS, "edge-secret": "e".repeat(43) });
  const made = await aws.deploy("stack");
  assert.equal(made.code, 0, made.err);
  const { code, err } = await aws.run([join(root, "tools/deploy"), "edge"], {
    env: aws.env({ FRESH_SECONDS: "86400", NOTIFY_URL: "nonsense" }),
  });
  assert.equal(code, 0, err);
  assert.equal(JSON.parse(aws.store.values.get("gate") ?? "").fresh, 60);
});

test("the real sam takes samconfig.toml as tools/deploy writes it", async () => {
  aws.configure({ ...PARAMETERS, ProtectedPrefixes: "/a b,/deck" });
  aws.render();
  // moto leaves out what the bucket that sam makes for itself is known by.
  const text = aws.configured.replace("resolve_s3 = true", 's3_bucket = "bucket"');
  writeFileSync(aws.samconfig, `${text}\n[default.site.parameters]\nstatic_dir = "static"\n`);
  rmSync(join(aws.folder, "bin/sam"));
  const { code, out, err } = await aws.deploy("stack");
  assert.equal(code, 0, out + err);
  const { NocodbTableId, ProtectedPrefixes, SiteAudience, GatePath } = await given();
  assert.deepEqual(
    { NocodbTableId, ProtectedPrefixes, SiteAudience, GatePath },
    {
      ...{ NocodbTableId: "m1", ProtectedPrefixes: "/a b,/deck" },
      ...{ SiteAudience: "www.example.com", GatePath: "/access/" },
    },
  );
});
