/** The one server that every measured page talks to. It has the real time, whatever a page's clock says. */
import { createServer } from "node:http";

/**
 * @typedef {object} Call
 * @property {string} path
 * @property {any} body what was sent, parsed where it is JSON
 * @property {number} at when, in real milliseconds of the simulation
 * @property {number} status what was answered
 */

const COOKIE = "session_record_id";

export class Site {
  url = "";
  /** What reached the server, besides the page itself. @type {Call[]} */
  calls = [];
  /** How many of those were beacons. */
  beacons = 0;
  /** Until when the session lives, by what the answered heartbeats said; open-ended before the first. */
  #deadline = Number.POSITIVE_INFINITY;

  #server = createServer((request, response) => void this.#serve(request, response));

  /**
   * @param {string} script the only one of the page
   * @param {string} head what else the page's head holds
   * @param {number} idleTimeoutSeconds of the server
   */
  constructor(script, head, idleTimeoutSeconds) {
    this.script = script;
    this.head = head;
    this.idleTimeoutSeconds = idleTimeoutSeconds;
  }

  async open() {
    await new Promise((listening) => this.#server.listen(0, "127.0.0.1", () => listening(null)));
    const address = /** @type {import("node:net").AddressInfo} */ (this.#server.address());
    this.url = `http://127.0.0.1:${address.port}`;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get cookie() {
    return { name: COOKIE, value: "42", domain: "127.0.0.1", path: "/" };
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const { pathname: path, searchParams } = new URL(request.url ?? "", "http://site");
    if (path === "/script.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(this.script);
    } else if (path === "/page") {
      // Tall, so that there is something to read.
      const html = `<!doctype html><html lang="en"><title>A page</title>${this.head}
        <script src="/script.js" defer></script><main style="height:3000px"><h1>A page</h1></main>`;
      response.writeHead(200, { "Content-Type": "text/html" }).end(html);
    } else if (path === "/favicon.ico") {
      response.writeHead(204).end();
    } else {
      let text = "";
      for await (const chunk of request) text += chunk;
      const body = parsed(text);
      if (searchParams.has("now")) this.beacons += 1;
      const at = Number(request.headers["x-simulated-now"] ?? searchParams.get("now"));
      const { status, json } = this.#answer(path, body, at);
      this.calls.push({ path, body, at, status });
      response.setHeader("Content-Type", "application/json");
      if (status === 401 || path === "/api/logout") {
        response.setHeader("Set-Cookie", `${COOKIE}=; Max-Age=0; Path=/`);
      }
      response.writeHead(status).end(status === 204 ? undefined : JSON.stringify(json));
    }
  }

  /**
   * What lastseen's server answers to heartbeats; rivals' servers say yes to everything.
   *
   * @param {string} path
   * @param {any} body
   * @param {number} at
   */
  #answer(path, body, at) {
    if (path === "/api/logout") {
      this.#deadline = Number.NEGATIVE_INFINITY;
      return { status: 204, json: null };
    }
    if (path !== "/api/session-heartbeat") return { status: 200, json: { ok: true } };
    if (at >= this.#deadline) {
      return { status: 401, json: { success: false, reason: "idle", protected: true } };
    }
    const left = this.idleTimeoutSeconds - body.inactiveSeconds;
    if (left <= 0) {
      this.#deadline = Number.NEGATIVE_INFINITY;
      return { status: 401, json: { success: false, reason: "idle", protected: true } };
    }
    // The answer to a beacon sets no cookie, and the deadline is in the cookie.
    if (!body.leaving) this.#deadline = at + left * 1000;
    const json = {
      success: true,
      idleExpiresInSeconds: left,
      sessionExpiresInSeconds: 10 * 86_400,
    };
    return { status: 200, json };
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
