/** A NocoDB with one table: it answers in the shape of the real one, and notes how it was asked. */
import { createServer } from "node:http";

export class StubTable {
  connections = 0;
  /** @type {{ method?: string, path?: string, token?: string }[]} */
  requests = [];
  /** @type {{ id: number, fields: Record<string, unknown> }[]} in the order of their ids, from 1 */
  #rows = [];
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

  /** What was asked; the rows stay. */
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
    const [change] = text ? [JSON.parse(text)].flat() : [];
    const rows = change ? [this.#write(change)] : this.#rows;
    response.setHeader("content-type", "application/json");
    const [, id] = request.url?.match(/\/records\/(\d+)$/) ?? [];
    const answer = id ? this.#rows[Number(id) - 1] : { records: rows, message: "OK" };
    if (!answer) response.statusCode = 404;
    response.end(JSON.stringify(answer ?? { error: "ERR_RECORD_NOT_FOUND" }));
  }

  /** A row without an id is a new one. @param {{ id?: number, fields: object }} change */
  #write({ id = this.#rows.length + 1, fields }) {
    const row = this.#rows[id - 1] ?? { id, fields: { endReason: null } };
    Object.assign(row.fields, fields);
    this.#rows[id - 1] = row;
    return row;
  }
}
