/** A way to NocoDB on which everything that passes is counted. */
import { Agent, createServer, request as open } from "node:http";

export class Counted {
  /** `rows`: how many a PATCH changes; `at`: by performance.now(). */
  /** @type {{ method: string, path: string, rows: number, at: number }[]} */
  requests = [];
  url = "";
  /** Connections are kept on both sides, or making them would be what is measured. */
  #agent = new Agent({ keepAlive: true });
  #server = createServer((request, response) => this.#pass(request, response));

  /** @param {string} target `http://host:port` */
  constructor(target) {
    this.target = new URL(target);
  }

  /** @param {string | undefined} target */
  static async start(target) {
    const counted = new Counted(target ?? "");
    const server = counted.#server;
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    counted.url = `http://127.0.0.1:${port}`;
    return counted;
  }

  /** How many pass while something is done. @param {() => unknown} work */
  async during(work) {
    const before = this.requests.length;
    await work();
    return this.requests.length - before;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  #pass(request, response) {
    const { method = "", url: path = "", headers } = request;
    const passing = { method, path, rows: 0, at: performance.now() };
    this.requests.push(passing);
    if (method === "PATCH") {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        passing.rows = [JSON.parse(text)].flat().length;
      });
    }
    const { hostname, port, host } = this.target;
    const all = { ...headers, host };
    const onward = open(
      { hostname, port, method, path, headers: all, agent: this.#agent },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => request.socket.destroy());
    request.pipe(onward);
  }
}
