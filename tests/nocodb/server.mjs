// A real NocoDB server for the tests: fresh, on a free port of 127.0.0.1, forgotten when it stops.
//
//     node tests/nocodb/server.mjs DIRECTORY      (the directory that tests/nocodb/install printed)
//
// NocoDB reads its own settings from the environment: with DB_QUERY_LIMIT_MAX=25 it gives 25 rows at once.
//
// Prints one line of JSON once it answers, {"url","token","base","pid"}, and runs until its standard input closes or
// it is told to stop (SIGTERM, SIGINT). `with-server` runs a command inside one.

import { randomBytes } from "node:crypto";
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** It answers after 3 to 7 seconds on two idle cores; compilers may be running beside it. */
const HEALTHY_WITHIN_MS = 300_000;

const installed = process.argv[2];
if (!installed) {
  process.stderr.write("usage: server.mjs DIRECTORY (the one that tests/nocodb/install prints)\n");
  process.exit(2);
}

const home = mkdtempSync(join(tmpdir(), "lastseen-nocodb-"));
const logFile = join(home, "server.log");
const log = createWriteStream(logFile);
const print = process.stdout.write.bind(process.stdout);
const complain = process.stderr.write.bind(process.stderr);

let finished = false;
/** @param {number} code */
function stop(code) {
  if (finished) return;
  finished = true;
  // There is nothing worth closing in good order: the database goes with the directory.
  rmSync(home, { recursive: true, force: true });
  process.exit(code);
}
/** @param {unknown} error */
function fail(error) {
  if (finished) return;
  const reason = error instanceof Error ? error.stack : String(error);
  complain(`nocodb: the test server failed: ${reason}\n${tail(logFile)}\n`);
  stop(1);
}
/** @param {string} file */
function tail(file) {
  try {
    return readFileSync(file, "utf8").split("\n").slice(-40).join("\n");
  } catch {
    return "";
  }
}

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => stop(0));
process.on("uncaughtException", fail);
// NocoDB leaves promises unhandled in ordinary operation; they belong in its log, not in our way.
process.on("unhandledRejection", (reason) => log.write(`unhandled: ${reason}\n`));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
process.stdin.on("end", () => stop(0)).on("error", () => stop(0));
process.stdin.resume();

// NocoDB writes banners and SQL to our own streams; only the one line below may reach them.
/** @param {any} chunk @param {any} [encoding] @param {any} [done] */
const intoLog = (chunk, encoding, done) => log.write(chunk, encoding, done);
process.stdout.write = intoLog;
process.stderr.write = intoLog;

const email = "owner@example.com";
const password = randomBytes(12).toString("hex");
Object.assign(process.env, {
  NODE_ENV: "production",
  NC_DB_JSON: JSON.stringify({
    client: "sqlite3",
    connection: { filename: join(home, "meta.db") },
    useNullAsDefault: true,
  }),
  NC_TOOL_DIR: home,
  NC_AUTH_JWT_SECRET: randomBytes(32).toString("hex"),
  NC_ADMIN_EMAIL: email,
  NC_ADMIN_PASSWORD: password,
  // Its automations may call the tests' own servers.
  NC_ALLOW_LOCAL_HOOKS: "true",
  NC_DISABLE_TELE: "true",
  NC_DISABLE_ERR_REPORTS: "true",
  NC_DISABLE_AUDIT: "true",
});
process.chdir(home);

const load = createRequire(join(resolve(installed), "package.json"));
const express = load("express");
const app = express();
const server = createServer(app);
server.on("error", fail);

server.listen(0, "127.0.0.1", async () => {
  try {
    const address = server.address();
    if (!address || typeof address === "string") throw new Error("the server has no port");
    const url = `http://127.0.0.1:${address.port}`;
    process.env.NC_PUBLIC_URL = url;
    process.env.PORT = String(address.port);
    const { Noco } = load("nocodb");
    app.use(await Noco.init({}, server, app));
    await healthy(url);

    const { token: jwt } = await call(url, "/api/v1/auth/user/signin", {}, { email, password });
    const { token } = await call(
      url,
      "/api/v1/tokens",
      { "xc-auth": jwt },
      { description: "tests" },
    );
    const { id: base } = await call(
      url,
      "/api/v3/meta/workspaces/nc/bases",
      { "xc-token": token },
      { title: "lastseen tests" },
    );
    if (!token || !base) throw new Error("signing in gave no token or no base");
    print(`${JSON.stringify({ url, token, base, pid: process.pid })}\n`);
  } catch (error) {
    fail(error);
  }
});

/** @param {string} url */
async function healthy(url) {
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  while (Date.now() < deadline) {
    // The port answers 404 for a while before the server is ready.
    const answer = await fetch(`${url}/api/v1/health`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error(`no health within ${HEALTHY_WITHIN_MS / 1000} seconds`);
}

/**
 * @param {string} url
 * @param {string} path
 * @param {Record<string, string>} headers
 * @param {object} body
 * @returns {Promise<any>}
 */
async function call(url, path, headers, body) {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path} answered ${answer.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}
