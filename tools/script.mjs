#!/usr/bin/env node
// Makes static/lastseen.js and its source map of static/src: esbuild bundles, terser minifies (300 bytes less than
// esbuild's own minifier, gzipped). `--check` only says whether what is committed is current.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const require = createRequire(join(root, "tests/package.json"));
/** @type {typeof import("../tests/node_modules/esbuild/lib/main.js")} */
const { build } = require("esbuild");
/** @type {typeof import("../tests/node_modules/terser/tools/terser.js")} */
const { minify } = require("terser");

const bundle = await build({
  absWorkingDir: root,
  entryPoints: ["static/src/index.js"],
  outfile: "static/lastseen.js",
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
  sourcemap: "external",
  legalComments: "none",
  banner: { js: "/*! lastseen | MIT */" },
});
/** @param {string} end */
const output = (end) => bundle.outputFiles.find(({ path }) => path.endsWith(end))?.text ?? "";
const { code, map } = await minify(output(".js"), {
  ecma: 2022,
  compress: { passes: 3, unsafe_arrows: true, pure_getters: true },
  format: { ascii_only: true, comments: /^!/ },
  sourceMap: { content: output(".map"), url: "lastseen.js.map", filename: "lastseen.js" },
});
const made = { "static/lastseen.js": `${code}\n`, "static/lastseen.js.map": `${map}\n` };
for (const [name, text] of Object.entries(made)) {
  const path = join(root, name);
  if (!process.argv.includes("--check")) await writeFile(path, text);
  else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
    console.error(`error: ${name} is not what static/src makes. Run: tools/script.mjs`);
    process.exitCode = 1;
  }
}
