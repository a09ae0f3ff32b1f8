/** The AWS services that functions talk to, as moto plays them. */
import { join } from "node:path";
import { freePort, Running, root, until } from "../harness/process.mjs";

/** Of JSON, where a service speaks an older one than most. @type {Record<string, string>} */
const VERSIONS = { sqs: "1.0" };

export class Moto {
  /** @param {Running} running @param {number} port */
  constructor(running, port) {
    this.running = running;
    this.port = port;
  }

  static async start() {
    const port = await freePort();
    const args = ["moto_server", "-H", "127.0.0.1", "-p", String(port)];
    const moto = new Moto(new Running(join(root, "tools/lambda"), args), port);
    try {
      // The first time the tools are installed.
      await until("answer of moto", () => moto.#isUp(), 10 * 60_000);
    } catch (error) {
      await moto.stop();
      throw new Error(`${error}\n${moto.running.log}`);
    }
    return moto;
  }

  /** For `AWS_ENDPOINT_URL`. */
  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /**
   * Asks a service in JSON.
   *
   * @param {"ssm" | "dynamodb" | "ses" | "sqs"} service
   * @param {{ target?: string, path?: string }} what of the two that the service knows operations by
   * @param {unknown} input
   * @returns {Promise<any>}
   */
  async call(service, { target, path = "/" }, input) {
    const scope = `test/20260101/eu-central-1/${service}/aws4_request`;
    const answer = await fetch(this.url + path, {
      method: "POST",
      headers: {
        "content-type": target
          ? `application/x-amz-json-${VERSIONS[service] ?? "1.1"}`
          : "application/json",
        ...(target && { "x-amz-target": target }),
        authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=none`,
      },
      body: JSON.stringify(input),
    });
    if (!answer.ok) throw new Error(`moto: ${target ?? path}: ${await answer.text()}`);
    const text = await answer.text();
    return text ? JSON.parse(text) : undefined;
  }

  /** Everything that moto remembers of a service, by kind. @param {string} service @returns {Promise<any>} */
  async remembers(service) {
    const answer = await fetch(`${this.url}/moto-api/data.json`);
    return (await answer.json())[service];
  }

  async stop() {
    await this.running.stop();
  }

  async #isUp() {
    if (!this.running.isRunning) throw new Error("moto has ended");
    return fetch(`${this.url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}
