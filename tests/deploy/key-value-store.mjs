/**
 * The data plane of CloudFront's KeyValueStore, which no emulator has. Its host name begins with the
 * account's number, so it listens as the proxy for a host that does not exist; asked for any other
 * host, it notes that and refuses.
 */
import { createServer } from "node:http";

export const ARN =
  "arn:aws:cloudfront::123456789012:key-value-store/11111111-2222-3333-4444-555555555555";

export class KeyValueStore {
  /** @type {Map<string, string>} */
  values = new Map();
  /** How often something was put. */
  puts = 0;
  /** @type {string[]} */
  strangers = [];
  #version = 1;
  #port = 0;
  #server = createServer((request, response) => this.#answer(request, response));

  static async start() {
    const store = new KeyValueStore();
    await new Promise((resolve) => store.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
    store.#port = /** @type {import("node:net").AddressInfo} */ (store.#server.address()).port;
    return store;
  }

  /** What leads the AWS CLI here. */
  get settings() {
    return {
      AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE: "http://kvs.test",
      HTTP_PROXY: `http://127.0.0.1:${this.#port}`,
      HTTPS_PROXY: `http://127.0.0.1:${this.#port}`,
      NO_PROXY: "localhost,127.0.0.1",
    };
  }

  forget() {
    this.values.clear();
    this.puts = 0;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const { hostname, pathname } = new URL(request.url ?? "", "http://nowhere.test");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [, , arn, keys, key = ""] = pathname.split("/").map(decodeURIComponent);
    /** @param {number} status @param {Record<string, unknown>} body */
    const answer = (status, body) => {
      const type = status < 400 ? {} : { "x-amzn-errortype": String(body.type) };
      response.writeHead(status, { etag: `E${this.#version}`, ...type });
      response.end(JSON.stringify(body));
    };
    const size = { ItemCount: this.values.size, TotalSizeInBytes: 0 };
    if (hostname !== "123456789012.kvs.test" || arn !== ARN) {
      this.strangers.push(request.url ?? "");
      return answer(502, { type: "ServiceException" });
    }
    // Requests to any region are signed with another algorithm than those to one.
    if (!request.headers.authorization?.startsWith("AWS4-ECDSA-P256-SHA256 ")) {
      return answer(403, { type: "AccessDeniedException", Message: "signed with SigV4" });
    }
    if (!keys) return answer(200, { ...size, KvsARN: arn, Created: 1 });
    if (request.method === "PUT") {
      if (request.headers["if-match"] !== `E${this.#version}`) {
        return answer(409, { type: "ConflictException", Message: "not the version that is here" });
      }
      this.values.set(key, JSON.parse(Buffer.concat(chunks).toString("utf8")).Value);
      this.#version += 1;
      this.puts += 1;
      return answer(200, size);
    }
    const value = this.values.get(key);
    if (value === undefined) return answer(404, { type: "ResourceNotFoundException" });
    return answer(200, { ...size, Key: key, Value: value });
  }
}
