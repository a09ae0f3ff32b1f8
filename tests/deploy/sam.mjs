#!/usr/bin/env node
/**
 * `sam deploy` and `sam delete` as far as moto goes. After a change set, which is sam's way, moto tells
 * no outputs and takes no second one: so the stack is created and updated without. What it is called
 * with is noted beside the template.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const text = { type: /** @type {const} */ ("string") };
const { positionals, values } = parseArgs({
  allowPositionals: true,
  strict: false,
  options: {
    ...{ "config-file": text, "template-file": text, "stack-name": text, region: text },
    "parameter-overrides": text,
  },
});
appendFileSync(`${process.env.HOME}/sam.log`, `${process.argv.slice(2).join(" ")}\n`);

/** @param {string} program @param {string[]} args */
const run = (program, ...args) => execFileSync(program, args, { encoding: "utf8" });
/** @param {string[]} args */
const cloudformation = (...args) => run("aws", "cloudformation", ...args);

if (positionals[0] === "delete") {
  cloudformation("delete-stack", "--stack-name", String(values["stack-name"]));
} else {
  const file = String(values["template-file"]);
  const [, name = ""] =
    /^stack_name = "(.+)"$/m.exec(readFileSync(String(values["config-file"]), "utf8")) ?? [];
  const given = String(values["parameter-overrides"]).replace("file://", "");
  const parameters = Object.entries(JSON.parse(readFileSync(given, "utf8"))).map(
    ([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue }),
  );
  const stacks = JSON.parse(cloudformation("describe-stacks", "--output", "json")).Stacks;
  const verb = stacks.some((/** @type {any} */ { StackName }) => StackName === name)
    ? "update-stack"
    : "create-stack";
  cloudformation(
    ...[verb, "--stack-name", name, "--template-body", `file://${file}`],
    ...["--parameters", JSON.stringify(parameters), "--capabilities", "CAPABILITY_IAM"],
  );
}
