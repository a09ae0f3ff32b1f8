/** What `tools/deploy stack` asks of the real SAM CLI, and what is left to do where something else stands in front. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Aws, STACK } from "./aws.mjs";

/** @type {Aws} */
let aws;
before(async () => {
  aws = await Aws.start();
});
after(() => aws?.stop());

const PARAMETERS = {
  ...{ NocodbUrl: "http://127.0.0.1:9", NocodbBaseId: "p1", NocodbTableId: "m1" },
  SiteAudience: "www.example.com",
};

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
  await aws.cli("cloudformation", "delete-stack", "--stack-name", STACK);
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
