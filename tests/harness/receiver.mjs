/** Whoever is told of visits: a server that keeps what it is sent, and can be ill. */
import { createServer } from "node:http";
import { until } from "./process.mjs";

/**
 * @typedef {{ headers: import("node:http").IncomingHttpHeaders, raw: string, body: any }} Call
 * @typedef {"takes" | "silent" | "refuses"} Mood
 */

export class Receiver {
  /** Every call, in the order it came, taken or not. @type {Call[]} */
  calls = [];
  /** Those that it took. @type {Call[]} */
  taken = [];
  /** @type {Mood} */
  mood = "takes";

  constructor() {
    this.server = createServer((request, response) => this.#answer(request, response));
  }

  /** @param {Mood} [mood] */
  static async start(mood = "takes") {
    const receiver = new Receiver();
    receiver.mood = mood;
    await new Promise((resolve) =>
      receiver.server.listen(0, "127.0.0.1", () => resolve(undefined)),
    );
    return receiver;
  }

  /** For `NOTIFY_URL`. */
  get url() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    return `http://127.0.0.1:${port}/hook/pa55word`;
  }

  /** Resolves when it has taken so many. @param {number} count @param {number} withinMs */
  async took(count, withinMs) {
    await until(`${count} messages`, () => this.taken.length >= count, withinMs);
    return this.taken;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks).toString("utf8");
    const call = { headers: request.headers, raw, body: JSON.parse(raw) };
    this.calls.push(call);
    if (this.mood === "silent") return;
    if (this.mood === "takes") this.taken.push(call);
    response.writeHead(this.mood === "takes" ? 204 : 503).end();
  }
}
