/** Programs that run beside the tests, and end with them. */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The top of the checkout. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** @type {Set<Running>} */
const all = new Set();
process.on("exit", () => {
  for (const running of all) running.kill("SIGKILL");
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => process.exit(1));
}

export class Running {
  /** Everything it has printed. */
  log = "";

  /**
   * @param {string} command
   * @param {string[]} args
   * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options] `env` replaces ours
   */
  constructor(command, args, options = {}) {
    this.name = [command.split("/").at(-1), ...args].join(" ");
    this.child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? process.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    all.add(this);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.log += text;
      });
    }
    /** @type {Promise<number | null>} */
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => {
        this.log += `${error}\n`;
        all.delete(this);
        resolve(null);
      });
      this.child.once("close", (code) => {
        all.delete(this);
        resolve(code);
      });
    });
  }

  get isRunning() {
    return all.has(this);
  }

  /**
   * Resolves to the first match in what it prints.
   *
   * @param {RegExp} pattern
   * @param {number} withinMs
   */
  async prints(pattern, withinMs) {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.log);
      if (match) return match;
      if (!this.isRunning) throw new Error(`${this.name} ended at once:\n${this.log}`);
      if (Date.now() > deadline) {
        throw new Error(`${this.name} did not print ${pattern} in ${withinMs} ms:\n${this.log}`);
      }
      await sleep(20);
    }
  }

  /**
   * Asks it to stop, as Ctrl-C does, and makes sure that it and all it started are gone.
   *
   * @param {{ signal?: NodeJS.Signals, withinMs?: number }} [options]
   * @returns {Promise<number | null>} its exit code, null when it had to be killed
   */
  async stop({ signal = "SIGINT", withinMs = 10_000 } = {}) {
    // Before it ends: orphans cannot be traced back to it.
    const started = descendants(this.child.pid);
    if (this.isRunning) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), withinMs);
    // Its pipes close only when its children have gone too.
    const { exitCode, signalCode } = this.child;
    const exited = exitCode !== null || signalCode !== null ? true : onceExited(this.child);
    await exited;
    clearTimeout(timer);
    await sleep(50);
    for (const one of started) if (startTime(one.pid) === one.started) signalTo(one.pid, "SIGKILL");
    return await this.ended;
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    const started = descendants(this.child.pid);
    this.child.kill(signal);
    for (const one of started) signalTo(one.pid, signal);
  }
}

/** @param {import("node:child_process").ChildProcess} child */
const onceExited = (child) => new Promise((resolve) => child.once("exit", resolve));

/** @param {number} pid @param {NodeJS.Signals} signal */
function signalTo(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/**
 * What `/proc/PID/stat` says: the parent, and the start time that tells one process from a later
 * one of the same number.
 *
 * @param {number | string} pid
 */
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), started: fields[19] };
  } catch {
    return undefined;
  }
}
/** @param {number} pid */
const startTime = (pid) => stat(pid)?.started;

/**
 * All processes that descend from this one, itself not among them.
 *
 * @param {number | undefined} ancestor
 * @returns {{ pid: number, started: string | undefined }[]}
 */
function descendants(ancestor) {
  if (ancestor === undefined) return [];
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), ...stat(name) }));
  const found = [];
  const parents = [ancestor];
  for (let parent = parents.pop(); parent !== undefined; parent = parents.pop()) {
    for (const one of processes) {
      if (one.parent !== parent) continue;
      found.push({ pid: one.pid, started: one.started });
      parents.push(one.pid);
    }
  }
  return found;
}

/**
 * A port of 127.0.0.1 on which nothing listens, for a program that is told it and listens a while later.
 * None of those that the system gives to whoever asks for any, as all that runs beside this does: from
 * 32768 on.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    const isFree = await new Promise((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/**
 * Our own environment without any setting of lastseen that happens to be in it.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {NodeJS.ProcessEnv}
 */
export function environment(settings) {
  const keep = /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|RUST.*|CARGO.*|LASTSEEN_CACHE|XDG_.*|CI)$/;
  const ours = Object.entries(process.env).filter(([name]) => keep.test(name));
  return { ...Object.fromEntries(ours), ...settings };
}

/**
 * Asks again until the answer is yes.
 *
 * @param {string} what for the message, "no … within"
 * @param {() => boolean | Promise<boolean>} condition
 * @param {number} [withinMs]
 */
export async function until(what, condition, withinMs = 5000) {
  const deadline = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`no ${what} within ${withinMs} ms`);
    await sleep(25);
  }
}
