/** What stands in front of the API on AWS, as far as the API sees it: the host that was asked for, and the edge secret. */
import { createServer, request as open } from "node:http";

export class Front {
  #port = 0;

  /** @param {import("node:http").Server} server */
  constructor(server) {
    this.server = server;
  }

  /**
   * @param {string} origin
   * @param {() => string} secret
   */
  static async start(origin, secret) {
    const { hostname, port } = new URL(origin);
    const server = createServer((request, response) => {
      const { method, url: path, headers } = request;
      const added = { "x-forwarded-host": headers.host, "x-lastseen-edge": secret() };
      const onward = { hostname, port, method, path, headers: { ...headers, ...added } };
      const passed = open(onward, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      passed.on("error", () => response.destroy());
      request.pipe(passed);
    });
    const front = new Front(server);
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    front.#port = /** @type {import("node:net").AddressInfo} */ (server.address()).port;
    return front;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
