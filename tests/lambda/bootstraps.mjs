/** What `tools/functions` has built, and how this machine runs it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { target } from "./runtime.mjs";

/** By the value of the template's parameter `Architecture`. */
export const ARCHITECTURES = Object.freeze({
  arm64: { folder: "arm64", node: "arm64", machine: "AArch64", emulator: "aarch64" },
  // Not optimised, and each with the features of all, for the minutes that tests have.
  x86_64: {
    folder: "x86_64-quickly",
    node: "x64",
    machine: "Advanced Micro Devices X86-64",
    emulator: "x86_64",
  },
});

/** @typedef {keyof typeof ARCHITECTURES} Architecture */

/** A function's name in template.yaml, by that of its crate. @param {string} name */
export const logicalId = (name) =>
  `${name.replace(/(^|-)([a-z])/g, (_, _dash, letter) => letter.toUpperCase())}Function`;

/**
 * The file that is zipped and uploaded.
 *
 * @param {Architecture} architecture
 * @param {string} name of the function's crate
 */
export function bootstrap(architecture, name) {
  const { folder } = ARCHITECTURES[architecture];
  const file = join(target, "sam", folder, logicalId(name), "bootstrap");
  if (!existsSync(file)) {
    throw new Error(`${file} does not exist. Run: tools/functions ${folder.replace("-", " ")}`);
  }
  return file;
}

/**
 * What runs it here: itself, or under user-mode emulation where this machine is of the other kind.
 *
 * @param {Architecture} architecture
 * @param {string} name
 */
export function command(architecture, name) {
  const { node, emulator } = ARCHITECTURES[architecture];
  const file = bootstrap(architecture, name);
  return process.arch === node
    ? [file]
    : // With the C library of that machine, as Debian's cross compilers have it.
      [`qemu-${emulator}-static`, "-L", `/usr/${emulator}-linux-gnu`, file];
}
