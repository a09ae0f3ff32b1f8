/** A NocoDB whose table has one row: it answers in the shape of the real one, and notes how it was asked. */
import { createServer } from "node:http";

export class StubTable {
  connections = 0;
  /** @type {{ method?: string, path?: string, token?: string }[]} */
  requests = [];
  /** @type {Record<string, unknown>} */
  row = { endReason: null };
  #url = "";
  #server = createServer((request, response) => this.#answer(request, response));

  static async start() {
    const table = new StubTable();
    const server = table.#server.on("connection", () => {
      table.connections += 1;
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    table.#url = `http://127.0.0.1:${port}`;
    return table;
  }

  get settings() {
    return {
      NOCODB_URL: this.#url,
      NOCODB_BASE_ID: "p1",
      NOCODB_TABLE_ID: "m1",
      NOCODB_API_TOKEN: "token",
    };
  }

  /** What was asked; the row stays. */
  forget() {
    this.requests = [];
    this.connections = 0;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const token = /** @type {string | undefined} */ (request.headers["xc-token"]);
    this.requests.push({ method: request.method, path: request.url, token });
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    if (text) Object.assign(this.row, [JSON.parse(text)].flat()[0].fields);
    response.setHeader("content-type", "application/json");
    const record = { id: 1, fields: this.row };
    const isOne = request.method === "GET" && request.url?.endsWith("/records/1");
    response.end(JSON.stringify(isOne ? record : { records: [record], message: "OK" }));
  }
}
