/**
 * The stack for moto: rendered as SAM renders it, without the resources that moto does not know. It
 * skips those in silence, and stops at whatever refers to one; what only they could tell is given.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { environment, root } from "../harness/process.mjs";
import { RENDERED, stack } from "../lambda/stack.mjs";

/** @type {string[]} */
const KNOWN = JSON.parse(
  execFileSync(
    join(root, "tools/lambda"),
    [
      "python",
      "-c",
      "import json; from moto.cloudformation.parsing import get_model_map; print(json.dumps(list(get_model_map())))",
    ],
    { encoding: "utf8", env: environment({}) },
  ),
);

/**
 * @param {Record<string, string>} told by the resources that moto does not know, as `Id` or `Id.Attribute`
 * @param {Record<string, string>} [given] parameters that decide what is made
 * @returns {any}
 */
export function forMoto(told, given = {}) {
  const template = JSON.parse(RENDERED);
  const made = stack(given).resources;
  // An update trips over what a condition left out, too.
  const unknown = Object.entries(/** @type {Record<string, any>} */ (template.Resources))
    .filter(([id, { Type }]) => !KNOWN.includes(Type) || !(id in made))
    .map(([id]) => id);
  for (const id of unknown) delete template.Resources[id];
  /** @param {string} name */
  const isUnknown = (name) => unknown.includes(name.split(".")[0] ?? "");
  /** @param {string} name */
  const tell = (name) => told[name] ?? name;

  /** @param {any} value @returns {any} */
  function replace(value) {
    if (Array.isArray(value)) return value.map(replace);
    if (value === null || typeof value !== "object") return value;
    const { Ref: ref, "Fn::GetAtt": attribute, "Fn::Sub": text } = value;
    if (typeof ref === "string" && isUnknown(ref)) return tell(ref);
    const name = [attribute].flat().join(".");
    if (attribute && isUnknown(name)) return tell(name);
    if (text) {
      const [line, ...more] = [text].flat();
      const filled = line.replace(
        /\$\{([\w.]+)\}/g,
        (/** @type {string} */ whole, /** @type {string} */ name) =>
          isUnknown(name) ? tell(name) : whole,
      );
      return { "Fn::Sub": more.length === 0 ? filled : [filled, ...replace(more)] };
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replace(inner)]));
  }
  const replaced = replace(template);
  if (told.SiteUrl) replaced.Outputs.SiteUrl.Value = told.SiteUrl;
  // The table of the tests is on this machine.
  replaced.Parameters.NocodbUrl.AllowedPattern = "^https?://.+$";
  return replaced;
}
