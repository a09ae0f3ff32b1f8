/** SSM Parameter Store: moto behind a door that counts who goes through, and can be shut. */
import { createServer, request as open } from "node:http";
import { join } from "node:path";
import { freePort, Running, root, until } from "../harness/process.mjs";

export class ParameterStore {
  /** The operations that functions have asked for, such as `GetParameters`, with what they said. */
  /** @type {{ operation: string, input: any }[]} */
  asked = [];
  /** @type {"open" | "shut" | "silent"} */
  door = "open";
  #port = 0;

  /** @param {Running} moto @param {number} motoPort */
  constructor(moto, motoPort) {
    this.moto = moto;
    this.motoPort = motoPort;
    this.server = createServer((request, response) => this.#pass(request, response));
  }

  static async start() {
    const port = await freePort();
    const args = ["moto_server", "-H", "127.0.0.1", "-p", String(port)];
    const store = new ParameterStore(new Running(join(root, "tools/lambda"), args), port);
    await new Promise((resolve) => store.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    store.#port = /** @type {import("node:net").AddressInfo} */ (store.server.address()).port;
    try {
      // The first time the tools are installed.
      await until("answer of moto", () => store.#isUp(), 10 * 60_000);
    } catch (error) {
      await store.stop();
      throw new Error(`${error}\n${store.moto.log}`);
    }
    return store;
  }

  /** For `AWS_ENDPOINT_URL`. */
  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** @param {string} name @param {string} value */
  async put(name, value) {
    await this.#call("PutParameter", {
      Name: name,
      Value: value,
      Type: "SecureString",
      Overwrite: true,
    });
  }

  /** @param {string} name */
  async remove(name) {
    await this.#call("DeleteParameters", { Names: [name] });
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await this.moto.stop();
  }

  async #isUp() {
    if (!this.moto.isRunning) throw new Error("moto has ended");
    return fetch(`http://127.0.0.1:${this.motoPort}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** @param {string} operation @param {unknown} input */
  async #call(operation, input) {
    const scope = "test/20260101/eu-central-1/ssm/aws4_request";
    const answer = await fetch(`http://127.0.0.1:${this.motoPort}/`, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `AmazonSSM.${operation}`,
        authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
      },
      body: JSON.stringify(input),
    });
    if (!answer.ok) throw new Error(`moto: ${operation}: ${await answer.text()}`);
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #pass(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const operation = String(request.headers["x-amz-target"]).replace("AmazonSSM.", "");
    this.asked.push({ operation, input: JSON.parse(body.toString("utf8")) });
    if (this.door === "shut") request.socket.destroy();
    if (this.door !== "open") return;
    const { method, url: path, headers } = request;
    const onward = { host: "127.0.0.1", port: this.motoPort, method, path, headers };
    const passed = open(onward, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    passed.end(body);
  }
}
