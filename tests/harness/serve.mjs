/** The real `lastseen serve`, on a free port, with a database of its own. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { environment, Running, root } from "./process.mjs";
import { toRow } from "./row.mjs";

/** The program as it was built last; the tests build nothing. */
export const binary =
  process.env.LASTSEEN_BINARY ??
  join(process.env.CARGO_TARGET_DIR ?? `${root}/target`, "debug/lastseen");

/**
 * Runs a command of the program to its end.
 *
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [cwd]
 * @returns {Promise<string>} its standard output
 */
export async function command(args, env, cwd) {
  const { stdout } = await promisify(execFile)(binary, args, {
    env: { ...env, NO_COLOR: "1" },
    cwd,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

export class Serve {
  /**
   * @param {string} home
   * @param {NodeJS.ProcessEnv} env
   */
  constructor(home, env) {
    this.home = home;
    this.env = env;
    this.url = "";
    /** @type {Running | undefined} */
    this.running = undefined;
  }

  /**
   * Starts it and waits until it listens.
   *
   * @param {NodeJS.ProcessEnv} [settings] besides a port, a database and the site as it ships
   */
  static async start(settings = {}) {
    if (!existsSync(binary)) throw new Error(`${binary} does not exist. Run: cargo build`);
    const home = await mkdtemp(join(tmpdir(), "lastseen-serve-"));
    const serve = new Serve(
      home,
      environment({
        PORT: "0",
        DATABASE_PATH: join(home, "lastseen.db"),
        STATIC_DIR: join(root, "static"),
        // All visitors of a test come from one address, and sooner than people do.
        FLOOD_LIMITS: "off",
        ...settings,
      }),
    );
    try {
      await serve.resume();
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
    return serve;
  }

  /** Starts it again on the same database, on another port. */
  async resume() {
    this.running = new Running(binary, ["serve"], { env: this.env, cwd: this.home });
    // Where the log is coloured, the address may be followed by an escape code.
    const [, url] = await this.running.prints(/listening on (http:\/\/[\w.[\]:]+:\d+)/, 20_000);
    this.url = url ?? "";
  }

  /** Everything it has printed since it was started or resumed. */
  get log() {
    return this.running?.log ?? "";
  }

  /**
   * Runs another command of the same program with the same settings.
   *
   * @param {string[]} args
   * @returns {Promise<string>} its standard output
   */
  command(...args) {
    return command(args, this.env, this.home);
  }

  /** Every session, as `lastseen sessions --json` tells them. */
  async rows() {
    /** @type {any[]} */
    const rows = JSON.parse(await this.command("sessions", "--json"));
    return rows.map((row) => toRow(row.id, row));
  }

  /** @param {string} id */
  async row(id) {
    const row = (await this.rows()).find((one) => one.id === id);
    if (!row) throw new Error(`there is no row ${id}`);
    return row;
  }

  /** Stops it as Ctrl-C does and forgets its database. @returns {Promise<number | null>} */
  async stop() {
    const code = (await this.running?.stop()) ?? null;
    await rm(this.home, { recursive: true, force: true });
    return code;
  }
}
