// CloudFront as far as the functions at the edge can see it: events, the KeyValueStore, and no more of
// JavaScript than its runtime has (AWS, "JavaScript runtime 2.0 features for CloudFront Functions").

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import crypto from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import vm from "node:vm";

/**
 * A function as the stack publishes it: lines that are comments stay behind.
 * @param {string} file
 */
export function published(file) {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  return text.replace(/^[ \t]*\/\/.*\n/gm, "");
}

export const SOURCE = published("functions/edge-gate/gate.js");

/** What the function may import. */
const MODULES = ["cloudfront", "crypto"];
/** What V8 gives every context and the runtime does not have. */
const NOT_THERE = ["Map", "Set", "WeakMap", "WeakSet", "Proxy", "Reflect", "Intl", "WebAssembly"];
const NEITHER = ["Atomics", "BigInt", "SharedArrayBuffer", "FinalizationRegistry", "WeakRef"];

/**
 * @typedef {{ value: string, multiValue?: { value: string }[] }} Field
 * @typedef {{ method: string, uri: string, querystring: Record<string, Field>,
 *   headers: Record<string, Field>, cookies: Record<string, Field> }} EdgeRequest
 * @typedef {{ uri?: string, statusCode?: number, statusDescription?: string,
 *   headers: Record<string, Field> }} Answer
 */

/**
 * Adds a value under a name as CloudFront does: several of one name are in `multiValue`, and the
 * first of them is the `value`.
 * @param {Record<string, Field>} fields
 * @param {string} name
 * @param {string} value
 */
function add(fields, name, value) {
  const field = fields[name];
  if (field === undefined) {
    fields[name] = { value };
  } else {
    field.multiValue ??= [{ value: field.value }];
    field.multiValue.push({ value });
  }
}

/**
 * The event of a viewer's request.
 * @param {string} uri
 * @param {{ query?: string, headers?: Record<string, string>, cookie?: string }} [more]
 */
export function event(uri, { query = "", headers = {}, cookie = "" } = {}) {
  /** @type {EdgeRequest} */
  const request = { method: "GET", uri, querystring: {}, headers: {}, cookies: {} };
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const [name, ...value] = pair.split("=");
    add(request.querystring, name, value.join("="));
  }
  for (const [name, value] of Object.entries(headers)) {
    add(request.headers, name.toLowerCase(), value);
  }
  for (const pair of cookie.split(";").map((part) => part.replace(/^[ \t]+|[ \t]+$/g, ""))) {
    const equals = pair.indexOf("=");
    if (equals > 0) {
      add(request.cookies, pair.slice(0, equals), pair.slice(equals + 1));
    }
  }
  return { version: "1.0", context: { eventType: "viewer-request" }, viewer: {}, request };
}

/**
 * A KeyValueStore that holds this value under `gate`, as the text it is kept as.
 * @param {unknown} value
 */
export function store(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return {
    /** @param {string} key @param {{ format?: string }} [options] */
    async get(key, options) {
      if (key !== "gate") {
        throw new Error("KeyNotFound");
      }
      return options?.format === "json" ? JSON.parse(text) : text;
    },
  };
}

/**
 * A function as published, in a context of its own.
 * @param {object} place
 * @param {string} [place.source] another one than the gate's
 * @param {() => unknown} place.kvs what `cf.kvs()` does
 * @param {() => number} [place.now] the clock, in seconds
 * @param {unknown} [place.crypto] in place of the real one
 * @returns {{ handle: (event: unknown) => Promise<Answer>, lines: string[] }} and what it logged
 */
export function publish({ kvs, source = SOURCE, now = () => 0, crypto: ownCrypto = crypto }) {
  /** @type {Record<string, unknown>} */
  const modules = { cloudfront: { kvs }, crypto: ownCrypto };
  /** @type {string[]} */
  const lines = [];
  const context = vm.createContext(
    {
      Buffer,
      console: Object.freeze({ log: (/** @type {string} */ line) => lines.push(line) }),
      /** @param {string} name */
      require(name) {
        if (!MODULES.includes(name)) {
          throw new Error(`there is no module ${name}`);
        }
        return modules[name];
      },
    },
    { codeGeneration: { strings: false, wasm: false } },
  );
  for (const name of [...NOT_THERE, ...NEITHER]) {
    vm.runInContext(`delete globalThis.${name}`, context);
  }
  context.setClock = (/** @type {any} */ RealDate) => {
    RealDate.now = () => now() * 1000;
  };
  vm.runInContext("setClock(Date); delete globalThis.setClock", context);
  // A script, because Node runs modules in a context only behind a flag.
  const script = source.replace(/^import (\w+) from "(\w+)";$/gm, 'const $1 = require("$2");');
  vm.runInContext(`'use strict';${script}`, context);
  const handle = vm.runInContext("handler", context);
  return { handle, lines };
}

/**
 * Runs a function and what asks it in njs, and gives what was printed.
 *
 * @param {string} script
 * @param {string} cloudfront the module of that name
 */
export function runInNjs(script, cloudfront) {
  const folder = mkdtempSync(join(tmpdir(), "lastseen-njs-"));
  try {
    writeFileSync(join(folder, "cloudfront"), cloudfront);
    writeFileSync(join(folder, "main.js"), script);
    const ran = spawnSync("njs", ["-p", folder, join(folder, "main.js")], { encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
    return ran.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Why a test in njs is skipped, or false. */
export const WITHOUT_NJS = spawnSync("njs", ["-v"]).error ? "njs is not installed" : false;
