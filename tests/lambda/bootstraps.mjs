/** What `tools/functions` has built, and how this machine runs it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isThorough } from "../harness/loop.mjs";
import { target } from "./runtime.mjs";

/** What `readelf` calls a machine, by the value of the template's parameter `Architecture`. */
export const MACHINES = Object.freeze({
  arm64: "AArch64",
  x86_64: "Advanced Micro Devices X86-64",
});

/** A function's name in template.yaml, by that of its crate. @param {string} name */
export const logicalId = (name) =>
  `${name.replace(/(^|-)([a-z])/g, (_, _dash, letter) => letter.toUpperCase())}Function`;

/**
 * The file that is zipped and uploaded.
 *
 * @param {string} folder of `target/sam`: an architecture, with `-quickly` for what is not optimised
 * @param {string} name of the function's crate
 */
export function bootstrap(folder, name) {
  const file = join(target, "sam", folder, logicalId(name), "bootstrap");
  if (!existsSync(file)) {
    throw new Error(`${file} does not exist. Run: tools/functions ${folder.replace("-", " ")}`);
  }
  return file;
}

/**
 * What tests run of a function: `debug` is what everything else was compiled with, for this machine;
 * `arm64` what `sam build` makes for Lambda, though not optimised, for the minutes that tests have.
 *
 * @typedef {"debug" | "arm64"} Build
 */

/** Those that tests run. @type {Build[]} */
export const BUILDS = isThorough ? ["debug", "arm64"] : ["debug"];

/**
 * How this machine runs it.
 *
 * @param {Build} build
 * @param {string} name
 */
export function command(build, name) {
  if (build === "debug") return [join(target, "debug", name)];
  const file = bootstrap("arm64-quickly", name);
  return process.arch === "arm64"
    ? [file]
    : // Under user-mode emulation, with the C library of that machine as Debian's cross compilers have it.
      ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu", file];
}
