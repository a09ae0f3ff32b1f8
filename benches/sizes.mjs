/** How large everything is that is sent to somebody: functions to AWS, scripts to browsers. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { deflateRawSync, gzipSync } from "node:zlib";
import { root } from "../tests/harness/process.mjs";
import { add } from "./report.mjs";
import { built } from "./servers.mjs";
import { BARE, FUNCTIONS } from "./starts.mjs";

// What the rivals are minified with.
const { minify } = createRequire(join(root, "tests/package.json"))("terser");

/**
 * What sites import of the packages that do part of what lastseen.js does, and what comes with the framework
 * that they are for and is there already.
 *
 * @type {{ name: string, from: string, external?: string[] }[]}
 */
const RIVALS = [
  {
    name: "@plausible-analytics/tracker",
    from: 'export { init } from "@plausible-analytics/tracker"',
  },
  {
    name: "@snowplow/browser-tracker",
    from: 'export { enableActivityTracking, newTracker, trackPageView } from "@snowplow/browser-tracker"',
  },
  { name: "timeme.js", from: 'export { default } from "timeme.js"' },
  { name: "activity-detector", from: 'export { default } from "activity-detector"' },
  { name: "idle-js", from: 'export { default } from "idle-js"' },
  { name: "idle-timeout", from: 'export { default } from "idle-timeout"' },
  { name: "jquery-idletimer", from: 'import "jquery-idletimer/dist/idle-timer.js"' },
  {
    name: "react-idle-timer",
    from: 'export { useIdleTimer } from "react-idle-timer"',
    external: ["react", "react-dom"],
  },
  {
    name: "@ng-idle/core",
    from: 'export { DEFAULT_INTERRUPTSOURCES, Idle, LocalStorage, LocalStorageExpiry } from "@ng-idle/core"',
    external: ["@angular/*", "rxjs", "zone.js"],
  },
  {
    name: "hmrc-frontend",
    from: `export { default as SessionActivityService } from "hmrc-frontend/hmrc/components/timeout-dialog/session-activity-service.js";
      export { default } from "hmrc-frontend/hmrc/components/timeout-dialog/timeout-dialog.js"`,
  },
];

export async function sizes() {
  console.error("  sizes");
  const floor = readFileSync(join(built, "floor"));
  for (const name of FUNCTIONS) {
    const program = readFileSync(join(built, name));
    add(`${name}, the program`, "kB", kb(program), BARE, kb(floor));
    // A zip holds little else.
    add(`${name}, zipped`, "kB", zip(program), BARE, zip(floor));
  }
  const script = read("lastseen.js");
  const [bytes, gzipped] = [Buffer.byteLength(script).toLocaleString("en"), gzip(script)];
  const worker = await weights(read("lastseen-worker.js"));
  for (const rival of RIVALS) {
    const theirs = await weights(await bundle(rival));
    const figure = `lastseen.js as it ships, gzipped (as it is: ${bytes})`;
    const name = `${rival.name} (${theirs.minified})`;
    add(figure, "bytes", [gzipped], name, [theirs.gzipped]);
  }
  add("its worker, where a page asks for it", "bytes", [worker.gzipped], "as it is", [
    worker.written,
  ]);
}

/** @param {Buffer} bytes */
const kb = (bytes) => [bytes.length / 1e3];
/** @param {Buffer} bytes */
const zip = (bytes) => kb(deflateRawSync(bytes, { level: 9 }));
/** @param {string} name */
const read = (name) => readFileSync(join(root, "static", name), "utf8");
/** @param {string} text */
const gzip = (text) => gzipSync(text, { level: 9 }).length;

/** Bytes. @param {string} source */
async function weights(source) {
  const { code = "" } = await minify(source, { module: true, compress: { passes: 3 } });
  const [written, minified] = [Buffer.byteLength(source), Buffer.byteLength(code)];
  return {
    written,
    minified: minified.toLocaleString("en"),
    gzipped: gzip(code),
  };
}

/** One file, with what the package itself imports. @param {typeof RIVALS[number]} rival @returns {Promise<string>} */
async function bundle({ from, external = [] }) {
  const stdio = /** @type {const} */ (["ignore", "pipe", "inherit"]);
  const install = join(root, "tests/rivals/install");
  const installed = execFileSync(install, { encoding: "utf8", stdio: [...stdio] }).trim();
  const esbuild = createRequire(join(installed, "package.json"))("esbuild");
  const { outputFiles } = await esbuild.build({
    stdin: { contents: from, resolveDir: installed },
    bundle: true,
    write: false,
    format: "esm",
    define: { "process.env.NODE_ENV": '"production"' },
    external,
    logLevel: "error",
  });
  return outputFiles[0].text;
}
