/** The functions as `cargo lambda watch` runs them, on the routes of production. */
import { send } from "./http.mjs";
import { environment, freePort, Running, root } from "./process.mjs";

/** The first call of each function compiles it: minutes on a small machine with an empty cache. */
const COMPILED_WITHIN_MS = 15 * 60_000;

/** One call to each function; with no cookie and no email none of them writes anything. */
const FIRST_CALLS = [
  { method: "POST", path: "/api/verify-temp-access" },
  { method: "GET", path: "/api/session-heartbeat" },
  { method: "POST", path: "/api/logout" },
  { method: "POST", path: "/api/sessions/revoke" },
];

export class Watch {
  /** @param {Running} running @param {string} url */
  constructor(running, url) {
    this.running = running;
    this.url = url;
  }

  /**
   * Starts the emulator and waits until every function has answered once.
   *
   * @param {NodeJS.ProcessEnv} settings
   */
  static async start(settings) {
    const port = await freePort();
    const running = new Running(
      `${root}/tools/watch`,
      // With all features everything is built already where the tests run, and a minute or five less is compiled.
      ["--invoke-port", String(port), "--ignore-changes", "--all-features"],
      // All visitors of a test come from one address, and sooner than people do.
      { env: environment({ FLOOD_LIMITS: "off", ...settings }) },
    );
    const watch = new Watch(running, `http://127.0.0.1:${port}`);
    try {
      for (const { method, path } of FIRST_CALLS) await watch.#answers(method, path);
    } catch (error) {
      await running.stop();
      throw new Error(`${error}\n${running.log}`);
    }
    return watch;
  }

  get log() {
    return this.running.log;
  }

  /**
   * One call after the other, because the functions would compile against each other.
   *
   * @param {string} method
   * @param {string} path
   */
  async #answers(method, path) {
    const deadline = Date.now() + COMPILED_WITHIN_MS;
    let last = "";
    while (Date.now() < deadline) {
      if (!this.running.isRunning) throw new Error("cargo lambda watch has ended");
      if (/could not compile|error: process didn't exit successfully/.test(this.log)) {
        throw new Error("a function does not compile or does not start");
      }
      try {
        const { status, text } = await send(this.url, path, {
          method,
          headers: { "content-type": "application/json" },
          withinMs: 5000,
        });
        if (status < 500) return;
        last = `${status} ${text}`;
      } catch (error) {
        last = String(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${method} ${path} did not answer: ${last}`);
  }

  async stop() {
    await this.running.stop();
  }
}
