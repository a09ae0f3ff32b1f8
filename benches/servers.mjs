/** The servers that are measured, and visitors who are inside. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newKey, sign } from "../tests/attacks/target.mjs";
import { send } from "../tests/harness/http.mjs";
import { environment, freePort, Running, root, until } from "../tests/harness/process.mjs";

/** @typedef {{ url: string, pid: number, stop: () => Promise<unknown> }} Server */
/** @typedef {(settings: NodeJS.ProcessEnv) => Promise<Server>} Start */

export const HEARTBEAT = "/api/session-heartbeat";
export const PAGE = "/portfolio/confidential/";
export const JSON_TYPE = { "content-type": "application/json" };

export const profile = process.argv[2] === "debug" ? "debug" : "release";
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
/** Where the functions are, and what is measured beside them. */
export const built = join(target, profile);
/** Where `serve` is, which is built for speed, and the store alone. */
const serveBuilt = join(target, profile === "debug" ? profile : "serve");
export const program = join(serveBuilt, "lastseen");
export const storeAlone = join(serveBuilt, "examples/store_alone");
/** What the servers keep, until this ends. */
export const home = mkdtempSync(join(tmpdir(), "lastseen-bench-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

const key = newKey("bench");
/** Signs as [`cookies`] does. */
export const SESSION_KEYS = `${key.kid}:${key.bytes.toString("base64")}`;

const IDLE_SECONDS = 1800;
const LIFETIME_SECONDS = 86_400;

/**
 * The cookies of somebody whose row is there, for a server with [`SESSION_KEYS`].
 *
 * @param {string} id the row's
 * @param {number} start in seconds since 1970, as the row says
 * @param {number} issued the same, of the token
 */
export function cookies(id, start, issued) {
  const claims = {
    aud: "localhost",
    sid: randomBytes(16).toString("base64url"),
    rid: id,
    start,
    iat: issued,
    exp: issued + IDLE_SECONDS,
    end: start + LIFETIME_SECONDS,
    seen: start,
    active: 0,
  };
  const token = sign(claims, key.bytes, { typ: "JWT", alg: "HS256", kid: key.kid });
  return { lastseen: token, session_record_id: id };
}

/** @type {Start} */
export function startServe(settings) {
  return start([program, "serve"], settings);
}

/** @type {Start} */
export function startRival(settings) {
  return start([process.execPath, join(root, "benches/rival.mjs")], settings);
}

/**
 * Starts a server on a free port and waits until it answers. Its log goes to a file: reading it
 * here would take time from what is measured.
 *
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} settings
 */
async function start(command, settings) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = new Running("sh", ["-c", 'exec "$0" "$@" >>server.log 2>&1', ...command], {
    cwd: home,
    env: environment({
      PORT: String(port),
      STATIC_DIR: join(root, "static"),
      // What is measured is the work, and not how soon it is refused.
      FLOOD_LIMITS: "off",
      ...settings,
    }),
  });
  const answers = async () => {
    if (!running.isRunning) throw new Error(readFileSync(join(home, "server.log"), "utf8"));
    const answer = await send(url, "/").catch(() => undefined);
    return answer !== undefined;
  };
  await until(`answer of ${command}`, answers, 20_000);
  return { url, pid: running.child.pid ?? 0, stop: () => running.stop() };
}
