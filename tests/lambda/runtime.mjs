/**
 * The Lambda service as a function sees it: the Runtime API, which hands out events and takes
 * answers, and the environment of a sandbox.
 */
import { createServer } from "node:http";
import { join } from "node:path";
import { environment, Running, root } from "../harness/process.mjs";

/** Where cargo builds. */
export const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");

/** What a role would give the sandbox; emulators take anything. */
export const CREDENTIALS = {
  AWS_REGION: "eu-central-1",
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
};

/**
 * An event of an HTTP API as API Gateway sends it (payload format 2.0): header names in lower case,
 * cookies in a list of their own, anything but text and JSON in base64.
 *
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, query?: string, cookies?: string[],
 *   body?: string | Buffer, form?: Record<string, string>, routeKey?: string }} [call]
 */
export function event(path, call = {}) {
  /** @type {Record<string, string>} */
  const headers = { host: "www.example.com", "x-forwarded-proto": "https", ...call.headers };
  const form = call.form && Buffer.from(new URLSearchParams(call.form).toString());
  if (form) headers["content-type"] = "application/x-www-form-urlencoded";
  const body = form ?? call.body;
  const method = call.method ?? (body === undefined ? "GET" : "POST");
  const routeKey = call.routeKey ?? `ANY ${path}`;
  return {
    version: "2.0",
    routeKey,
    rawPath: path,
    rawQueryString: call.query ?? "",
    cookies: call.cookies,
    headers,
    requestContext: {
      accountId: "123456789012",
      apiId: "api",
      domainName: "api.execute-api.eu-central-1.amazonaws.com",
      domainPrefix: "api",
      http: { method, path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "test" },
      requestId: crypto.randomUUID(),
      routeKey,
      stage: "$default",
      time: "01/Jan/2026:00:00:00 +0000",
      timeEpoch: 1_767_225_600_000,
    },
    body: body?.toString(Buffer.isBuffer(body) ? "base64" : "utf8"),
    isBase64Encoded: Buffer.isBuffer(body),
  };
}

/**
 * @typedef {{ statusCode: number, headers: Record<string, string>, cookies?: string[], body?: string,
 *   isBase64Encoded?: boolean }} Answer
 * @typedef {{ event: unknown, resolve: (answer: any) => void, reject: (error: Error) => void }} Waiting
 */

/** One sandbox with one function in it, that handles one event after the other. */
export class Sandbox {
  /** @type {Map<string, Waiting>} handed out and not answered yet */
  #handled = new Map();
  /** @type {Waiting[]} */
  #queue = [];
  /** @type {((waiting: Waiting) => void) | undefined} the function, asking for the next event */
  #idle;

  /** @param {import("node:http").Server} server @param {Running} running */
  constructor(server, running) {
    this.server = server;
    this.running = running;
  }

  /**
   * @param {string} name of the function
   * @param {NodeJS.ProcessEnv} settings
   * @param {string[]} [command] what runs it; else the binary that `cargo build` made
   */
  static async start(name, settings, [command, ...args] = [join(target, "debug", name)]) {
    /** @type {Sandbox} */
    let sandbox;
    const server = createServer((request, response) => sandbox.#serve(request, response));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const running = new Running(command ?? name, args, {
      env: environment({
        ...CREDENTIALS,
        AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256",
        ...settings,
      }),
    });
    sandbox = new Sandbox(server, running);
    running.ended.then(() => sandbox.#abandon());
    return sandbox;
  }

  /** Everything it has logged, one object for each line. @returns {any[]} */
  get lines() {
    const whole = this.running.log.split("\n").filter(Boolean);
    return whole.map((line) => JSON.parse(line));
  }

  /** Whether init is over and it asks for work. */
  get isReady() {
    return this.#idle !== undefined;
  }

  /** @param {unknown} event @returns {Promise<Answer>} */
  invoke(event) {
    if (!this.running.isRunning) throw new Error(`the function has ended:\n${this.running.log}`);
    return new Promise((resolve, reject) => {
      this.#queue.push({ event, resolve, reject });
      this.#handOut();
    });
  }

  async stop() {
    await this.running.stop({ signal: "SIGTERM" });
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const [, , , what, id = "", outcome] = request.url?.split("/") ?? [];
    if (what === "invocation" && id === "next") {
      this.#idle = ({ event, ...waiting }) => {
        const id = crypto.randomUUID();
        this.#handled.set(id, { event, ...waiting });
        response.writeHead(200, {
          "content-type": "application/json",
          "lambda-runtime-aws-request-id": id,
          "lambda-runtime-deadline-ms": String(Date.now() + 29_000),
          "lambda-runtime-invoked-function-arn":
            "arn:aws:lambda:eu-central-1:123456789012:function:test",
        });
        response.end(JSON.stringify(event));
      };
      response.once("close", () => {
        if (!response.writableFinished) this.#idle = undefined;
      });
      this.#handOut();
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(202).end();
    const text = Buffer.concat(chunks).toString("utf8");
    const waiting = this.#handled.get(id);
    this.#handled.delete(id);
    if (outcome === "response") waiting?.resolve(JSON.parse(text));
    else waiting?.reject(new Error(`the function reported ${request.url}: ${text}`));
  }

  #handOut() {
    if (!this.#idle) return;
    const waiting = this.#queue.shift();
    if (!waiting) return;
    const handOut = this.#idle;
    this.#idle = undefined;
    handOut(waiting);
  }

  /** The function has ended: nothing that waits will be answered. */
  #abandon() {
    for (const { reject } of [...this.#queue, ...this.#handled.values()]) {
      reject(new Error(`the function ended:\n${this.running.log}`));
    }
    this.#queue = [];
    this.#handled.clear();
  }
}
