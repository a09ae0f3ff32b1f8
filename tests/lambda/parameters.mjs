/** SSM Parameter Store: moto behind a door that counts who goes through, and can be shut. */
import { createServer, request as open } from "node:http";
import { Moto } from "./moto.mjs";

export class ParameterStore {
  /** The operations that functions have asked for, such as `GetParameters`, with what they said. */
  /** @type {{ operation: string, input: any }[]} */
  asked = [];
  /** @type {"open" | "shut" | "silent"} */
  door = "open";
  #port = 0;

  /** @param {Moto} moto */
  constructor(moto) {
    this.moto = moto;
    this.server = createServer((request, response) => this.#pass(request, response));
  }

  static async start() {
    const store = new ParameterStore(await Moto.start());
    await new Promise((resolve) => store.server.listen(0, "127.0.0.1", () => resolve(undefined)));
    store.#port = /** @type {import("node:net").AddressInfo} */ (store.server.address()).port;
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

  /** @param {string} operation @param {unknown} input */
  #call(operation, input) {
    return this.moto.call("ssm", { target: `AmazonSSM.${operation}` }, input);
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
    const onward = { host: "127.0.0.1", port: this.moto.port, method, path, headers };
    const passed = open(onward, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passed.on("error", () => response.destroy());
    passed.end(body);
  }
}
