/** A way to a server that can be watched, blocked, and held up: NocoDB's outages, and SQS's clock. */
import { createServer, request as open } from "node:http";

/**
 * A request on its way, and what came back.
 *
 * @typedef {{ method: string, path: string, operation: string, body: any, status?: number, answer?: any }} Passing
 *   `operation`: AWS's name for it, such as `SendMessage`; `body`, `answer`: read as JSON
 * @typedef {{ status: number, headers?: Record<string, string>, json?: unknown }} Instead
 */

export class Detour {
  /** Everything that came by, whatever became of it. @type {Passing[]} */
  requests = [];
  /** Nobody is there. */
  isAway = false;
  /**
   * Looks at a request before it is passed on. May change its body, or answer itself; a promise holds
   * it up.
   *
   * @type {(passing: Passing) => Instead | void | Promise<Instead | void>}
   */
  before = () => {};
  /** Looks at an answer before it is passed on; a promise holds it up. @type {(passing: Passing) => unknown} */
  after = () => {};
  /** One request at a time is passed on, for a server whose requests are not done in one step. */
  takesTurns = false;
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();
  url = "";
  #server = createServer((request, response) => {
    this.#pass(request, response).catch(() => request.socket.destroy());
  });

  /** @param {string} target `http://host:port` */
  constructor(target) {
    this.target = new URL(target);
  }

  /** @param {string} target */
  static async start(target) {
    const detour = new Detour(target);
    const server = detour.#server;
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    detour.url = `http://127.0.0.1:${port}`;
    return detour;
  }

  /** What came by and was not forgotten. @param {string} name of a method, or of an operation of AWS */
  all(name) {
    return this.requests.filter(({ method, operation }) => name === (operation || method));
  }

  /** What came by. Everything else stays. */
  forget() {
    this.requests = [];
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #pass(request, response) {
    const { method = "", url: path = "", headers } = request;
    const body = read(await text(request));
    const operation = String(headers["x-amz-target"] ?? "").replace(/^.*\./, "");
    /** @type {Passing} */
    const passing = { method, path, operation, body };
    this.requests.push(passing);
    if (this.isAway) {
      request.socket.destroy();
      return;
    }
    const instead = await this.before(passing);
    if (instead) {
      passing.status = instead.status;
      response.writeHead(instead.status, {
        "content-type": "application/json",
        ...instead.headers,
      });
      response.end(JSON.stringify(instead.json ?? {}));
      return;
    }
    const onward = () => this.#onward(passing, headers);
    const answer = await (this.takesTurns ? this.#inTurn(onward) : onward());
    passing.status = answer.statusCode ?? 502;
    const told = await text(answer);
    passing.answer = read(told);
    await this.after(passing);
    const { "transfer-encoding": _, "content-length": __, ...kept } = answer.headers;
    response.writeHead(passing.status, { ...kept, "content-length": Buffer.byteLength(told) });
    response.end(told);
  }

  /** @template T @param {() => Promise<T>} deed @returns {Promise<T>} */
  #inTurn(deed) {
    const done = this.#turn.then(deed);
    this.#turn = done.catch(() => {});
    return done;
  }

  /**
   * @param {Passing} passing
   * @param {import("node:http").IncomingHttpHeaders} headers
   * @returns {Promise<import("node:http").IncomingMessage>}
   */
  #onward({ method, path, body }, { "content-length": _, "transfer-encoding": __, ...headers }) {
    const { hostname, port, host } = this.target;
    const sent = body === undefined ? "" : JSON.stringify(body);
    if (sent) headers["content-length"] = String(Buffer.byteLength(sent));
    return new Promise((resolve, reject) => {
      const onward = open(
        { hostname, port, method, path, headers: { ...headers, host }, agent: false },
        resolve,
      );
      onward.on("error", reject);
      onward.end(sent);
    });
  }
}

/** @param {import("node:http").IncomingMessage} message */
async function text(message) {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** @param {string} text */
function read(text) {
  return text === "" ? undefined : JSON.parse(text);
}
