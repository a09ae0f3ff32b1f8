/**
 * The stack that CloudFormation would make: the template as SAM renders it, with the conditions
 * decided for some parameters. What only a deployment knows (names and ARNs of resources) stays the
 * function that asks for it.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment, root } from "../harness/process.mjs";

export const REGION = "us-east-1";

/** The functions that a schedule starts, and nobody waits for. */
export const SCHEDULED = ["RetentionFunction", "NotifyFunction", "WriterFunction"];

/** @param {string} tool @param {string[]} args */
function run(tool, args) {
  return execFileSync(join(root, "tools", tool), args, {
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
    env: environment({ AWS_DEFAULT_REGION: REGION }),
  });
}

/** The rendered template, as text. */
export const RENDERED = run("lambda", [
  "python",
  join(import.meta.dirname, "render.py"),
  join(root, "template.yaml"),
]);

const template = JSON.parse(RENDERED);

/** As the template has them. @type {Record<string, any>} */
export const PARAMETERS = template.Parameters;

/**
 * Runs a checker over the rendered template.
 *
 * @param {string} tool of tools/
 * @param {(file: string) => string[]} args
 */
export function check(tool, args) {
  const folder = mkdtempSync(join(tmpdir(), "lastseen-template-"));
  try {
    const file = join(folder, "rendered.json");
    writeFileSync(file, RENDERED);
    return run(tool, args(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @typedef {Record<string, any>} Resource
 * @typedef {{ resources: any, outputs: any, refusals: string[], ofType: (type: string) => [id: string, resource: Resource][] }} Stack
 */

/**
 * @param {Record<string, string>} [given] parameters that are not their defaults, and `AWS::Region`
 * @returns {Stack}
 */
export function stack(given = {}) {
  /** @type {Record<string, any>} */
  const values = { "AWS::Region": REGION, "AWS::StackName": "lastseen" };
  for (const [name, { Default }] of Object.entries(template.Parameters)) values[name] = Default;
  for (const [name, value] of Object.entries(given)) {
    if (!(name in values) && !(name in template.Parameters)) {
      throw new Error(`there is no parameter ${name}`);
    }
    values[name] = value;
  }
  const holds = (/** @type {string} */ name) => evaluate(template.Conditions[name]);

  /** @param {any} value @returns {any} */
  function evaluate(value) {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(evaluate).filter((one) => one !== undefined);
    const [name, ...more] = Object.keys(value);
    const argument = more.length === 0 && name ? value[name] : undefined;
    if (name === "Ref" && argument === "AWS::NoValue") return undefined;
    if (name === "Ref" && argument in values) return values[argument];
    if (name === "Condition" && typeof argument === "string") return holds(argument);
    if (name === "Fn::If") return evaluate(holds(argument[0]) ? argument[1] : argument[2]);
    if (argument !== undefined && Array.isArray(argument)) {
      const inner = evaluate(argument);
      if (name === "Fn::Equals") return String(inner[0]) === String(inner[1]);
      if (name === "Fn::And") return inner.every(Boolean);
      if (name === "Fn::Or") return inner.some(Boolean);
      if (name === "Fn::Not") return !inner[0];
    }
    const entries = Object.entries(value).map(([key, inner]) => [key, evaluate(inner)]);
    return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
  }

  /** @param {Record<string, any>} all */
  const made = (all) =>
    Object.fromEntries(
      Object.entries(all)
        .filter(([, { Condition }]) => Condition === undefined || holds(Condition))
        .map(([id, { Condition: _, ...rest }]) => [id, evaluate(rest)]),
    );
  const resources = made(template.Resources);
  /** @type {any[]} */
  const rules = Object.values(template.Rules);
  return {
    refusals: rules
      .filter(({ RuleCondition }) => evaluate(RuleCondition))
      .flatMap(({ Assertions }) => Assertions)
      .filter(({ Assert }) => !evaluate(Assert))
      .map(({ AssertDescription }) => AssertDescription),
    resources,
    outputs: made(template.Outputs),
    ofType: (type) => Object.entries(resources).filter(([, { Type }]) => Type === type),
  };
}
