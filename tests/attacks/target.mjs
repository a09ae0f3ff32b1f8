/** A site with something to steal, and the people on it. */
import assert from "node:assert/strict";
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { send, Visitor } from "../harness/http.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { root } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";
import { watchOnNocodb } from "../harness/targets.mjs";
import { assertLines, assertObjects } from "./log.mjs";

/** In every protected file. */
export const SECRET = "for-visitors-eyes-only-7c1f";
/** In every file of the folder that is no part of the site: `.env`, `.git/config` and the like. */
export const HIDDEN = "belongs-to-the-owner-93ab";
/** In a file beside the site's folder. */
export const OUTSIDE = "outside-the-site-58de";
/** When protected files were written: no answer to an outsider may tell. */
const WRITTEN = new Date("2001-02-03T04:05:06Z");

export const PAGE = "/portfolio/confidential/";
export const FILE = "/portfolio/confidential/plan.svg";
/** Anybody may have it, and no buffer holds it. */
export const BIG_FILE = "/big.bin";
export const HEARTBEAT = "/api/session-heartbeat";
export const ENTER = "/api/verify-temp-access";
export const LOGOUT = "/api/logout";
export const REFRESH = "/api/session-refresh";

/** The headers of a person who opens a page from a link on this site. */
export const NAVIGATION = {
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-site": "same-origin",
};

/** Another site that may call the API; those that only look like it may not. */
export const PARTNER = "https://partner.example";

/** How else some file systems and servers read the name of the protected folder. */
const OTHER_NAMES = [
  "Portfolio/Confidential",
  "PORTFOLIO/CONFIDENTIAL",
  "portfolio/confidential.",
  "portfolio/confidential ",
  "portfolio/confidential;v=1",
  "portfolio;v=1/confidential",
];

export const someone = () => `visitor-${randomUUID().slice(0, 8)}@example.com`;

/**
 * A signing key as the server has it.
 *
 * @typedef {{ kid: string, bytes: Buffer }} Key
 */
/** @param {string} kid @returns {Key} */
export const newKey = (kid) => ({ kid, bytes: randomBytes(32) });

/** @param {unknown} value */
const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * A token as the server would sign it.
 *
 * @param {Record<string, unknown>} claims
 * @param {Buffer} key
 * @param {Record<string, unknown>} header
 * @param {string} [hash]
 */
export function sign(claims, key, header, hash = "sha256") {
  const text = `${base64url(header)}.${base64url(claims)}`;
  return `${text}.${createHmac(hash, key).update(text).digest("base64url")}`;
}

/** @param {string} token @returns {Record<string, any>} */
export const claimsOf = (token) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

/**
 * What is attacked: the server, and its owner's view of it.
 *
 * @typedef {{ url: string, log: string,
 *   rows: () => Promise<import("../harness/row.mjs").Row[]>,
 *   row: (id: string) => Promise<import("../harness/row.mjs").Row>,
 *   command: (...args: string[]) => Promise<string>, stop: () => Promise<unknown> }} Server
 */

/** Whether there are pages besides the API. @typedef {{ hasSite: boolean }} Place */
export const SERVE = { hasSite: true };
export const WATCH = { hasSite: false };

/** What the emulator answers where it cannot make an event of a request: API Gateway is not as strict. */
const EMULATOR_GAVE_UP = "https://httpstatuses.com/500";

export class Target {
  /**
   * @param {Server} server
   * @param {[Key, Key]} keys
   * @param {(log: string) => void} assertReadable that a log holds only lines as this server writes them
   */
  constructor(server, keys, assertReadable) {
    this.server = server;
    this.keys = keys;
    this.assertReadable = assertReadable;
  }

  /** The functions under `cargo lambda watch`, with a table in NocoDB. */
  static async watch() {
    const { keys, settings } = setUp();
    const server = await watchOnNocodb(settings);
    return Object.assign(new Target(server, keys, assertObjects), { dropTable: server.drop });
  }

  async stop() {
    await this.server.stop();
  }

  get url() {
    return this.server.url;
  }

  get log() {
    return this.server.log;
  }

  rows() {
    return this.server.rows();
  }

  /** @param {string} id */
  row(id) {
    return this.server.row(id);
  }

  /** What `lastseen` prints for the owner. @param {string[]} args */
  command(...args) {
    return this.server.command(...args);
  }

  /** It did not fail. @param {{ status: number, text?: string, body?: unknown }} answer */
  assertAnswered({ status, text, body }) {
    if ((text ?? String(body)).includes(EMULATOR_GAVE_UP)) return;
    assert.ok(status < 500, `status ${status}`);
  }

  /** Somebody who has just been let in. @param {string} [email] */
  async visitor(email = someone()) {
    const visitor = new Visitor(this.url);
    await visitor.enter(email);
    return { visitor, email, row: visitor.rowId, token: visitor.cookies.get("lastseen") ?? "" };
  }

  /** What the store says of a token, which this question does not change. @param {string} token */
  async isOpen(token) {
    const answer = await send(this.url, HEARTBEAT, { headers: { cookie: `lastseen=${token}` } });
    return answer.json.hasSession;
  }

  /** @param {string} token */
  async assertOpen(token) {
    assert.equal(await this.isOpen(token), true, "somebody else's session was ended");
  }

  /** The same claims with some changed, signed with the server's own key. Needs that key: it stands
   * for time that passes, and for another site that shares it.
   *
   * @param {string} token
   * @param {Record<string, unknown>} changes
   */
  resign(token, changes) {
    const [{ kid, bytes }] = this.keys;
    return sign({ ...claimsOf(token), ...changes }, bytes, { typ: "JWT", alg: "HS256", kid });
  }
}

function setUp() {
  const keys = /** @type {[Key, Key]} */ ([newKey("now"), newKey("before")]);
  const SESSION_KEYS = keys.map(({ kid, bytes }) => `${kid}:${bytes.toString("base64")}`).join();
  return { keys, settings: { SESSION_KEYS, ADMIN_TOKEN, ALLOWED_ORIGINS: PARTNER } };
}

/** `lastseen serve` on SQLite, with a site of its own. */
export class ServeTarget extends Target {
  /** @param {Serve} serve @param {[Key, Key]} keys @param {string} folder */
  constructor(serve, keys, folder) {
    super(serve, keys, assertLines);
    this.serve = serve;
    this.folder = folder;
  }

  /** @param {NodeJS.ProcessEnv} [more] */
  static async start(more) {
    const folder = await mkdtemp(join(tmpdir(), "lastseen-attacks-"));
    await layOut(folder);
    const { keys, settings } = setUp();
    const serve = await Serve.start({ STATIC_DIR: join(folder, "site"), ...settings, ...more });
    return new ServeTarget(serve, keys, folder);
  }

  async stop() {
    await super.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A site, and beside it what is not of it. @param {string} folder */
export async function layOut(folder) {
  const site = join(folder, "site");
  await cp(join(root, "static"), site, { recursive: true });
  const confidential = join(site, "portfolio/confidential");
  await markAll(confidential);
  for (const name of OTHER_NAMES) {
    await cp(confidential, join(site, name), { recursive: true, preserveTimestamps: true });
  }
  await writeFile(join(folder, "outside.txt"), OUTSIDE);
  await writeFile(join(site, BIG_FILE), Buffer.alloc(32 * 1024 * 1024));
  for (const name of [
    ".env",
    ".git/config",
    ".htpasswd",
    "access/.env",
    ".well-known/.env",
    "portfolio/.git/HEAD",
  ]) {
    await mkdir(join(site, name, ".."), { recursive: true });
    await writeFile(join(site, name), HIDDEN);
  }
}

/** @param {string} folder */
async function markAll(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await writeFile(path, `<!-- ${SECRET} -->\n`, { flag: "a" });
    await utimes(path, WRITTEN, WRITTEN);
  }
}

/**
 * Holds an answer to somebody without a session against what they must not learn of a protected
 * file: what is in it, and when it was written.
 *
 * @param {{ status: number, all: string }} reply
 */
export function assertSecretKept({ status, all }) {
  assert.ok(!all.includes(SECRET), `${status} with what is protected`);
  assert.ok(!/\b2001\b/.test(all.split("\r\n\r\n")[0] ?? ""), `${status} says when it was written`);
  // 503: fetched ahead.
  const isRefusal = (status >= 300 && status < 500 && status !== 304) || status === 503;
  assert.ok(status === 0 || isRefusal, `status ${status}`);
  assert.notEqual(status, 416, "the status says how long it is");
}
