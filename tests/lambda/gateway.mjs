/**
 * API Gateway in front of the functions: takes HTTP on the routes of the template, hands each request to
 * a sandbox as an event of an HTTP API, and makes HTTP of the answer, as its documentation says
 * ("Create AWS Lambda proxy integrations for HTTP APIs", payload format 2.0).
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { root } from "../harness/process.mjs";
import { event, Sandbox } from "./runtime.mjs";

/** Those of template.yaml, which template.test.mjs holds against these. @type {Map<string, string>} */
const ROUTES = new Map(
  [
    ...(/^\[workspace\.metadata\.lambda\.watch\.router\]\n([^[]*)/m
      .exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1]
      ?.matchAll(/^"(\S+)" = "(\S+)"$/gm) ?? []),
  ].map(([, path = "", name = ""]) => [path, name]),
);

/** Bodies of these types arrive as text, all others in base64. */
const TEXT = /^(text\/|application\/(json|javascript|xml)\b)/i;

export class Gateway {
  /** @type {Map<string, Sandbox>} by the function's name */
  #sandboxes = new Map();
  #server = createServer((request, response) => {
    this.#pass(request, response).catch((error) => {
      console.error(error);
      answer(response, 500, '{"message":"Internal Server Error"}');
    });
  });
  url = "";

  /**
   * @param {NodeJS.ProcessEnv} settings
   * @param {(name: string) => string[]} command what runs a function
   */
  static async start(settings, command) {
    const gateway = new Gateway();
    try {
      for (const name of new Set(ROUTES.values())) {
        // All visitors of a test come from one address, and sooner than people do.
        const all = { FLOOD_LIMITS: "off", ...settings };
        gateway.#sandboxes.set(name, await Sandbox.start(name, all, command(name)));
      }
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    await new Promise((resolve) =>
      gateway.#server.listen(0, "127.0.0.1", () => resolve(undefined)),
    );
    const { port } = /** @type {import("node:net").AddressInfo} */ (gateway.#server.address());
    gateway.url = `http://127.0.0.1:${port}`;
    return gateway;
  }

  /** Everything that the functions have logged. */
  get log() {
    return [...this.#sandboxes.values()].map(({ running }) => running.log).join("");
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await Promise.all([...this.#sandboxes.values()].map((sandbox) => sandbox.stop()));
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #pass(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const [path = "", query = ""] = (request.url ?? "").split(/\?(.*)/s);
    const route = [...ROUTES.keys()].find((route) => pattern(route).test(path));
    const sandbox = this.#sandboxes.get(ROUTES.get(route ?? "") ?? "");
    if (!sandbox) {
      answer(response, 404, '{"message":"Not Found"}');
      return;
    }
    const { statusCode, headers, cookies, body, isBase64Encoded } = await sandbox.invoke(
      toEvent(request, { path, query, routeKey: `ANY ${route}`, body: Buffer.concat(chunks) }),
    );
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (cookies?.length) response.setHeader("set-cookie", cookies);
    answer(response, statusCode, Buffer.from(body ?? "", isBase64Encoded ? "base64" : "utf8"));
  }
}

/** @param {string} route */
const pattern = (route) => new RegExp(`^${route.replace(/\{\w+\}/g, "[^/]+")}$`);

/**
 * @param {import("node:http").IncomingMessage} request
 * @param {{ path: string, query: string, routeKey: string, body: Buffer }} parts
 */
function toEvent(request, { path, query, routeKey, body }) {
  const { cookie = [], ...distinct } = request.headersDistinct;
  const headers = Object.fromEntries(
    Object.entries(distinct).map(([name, values]) => [name, values?.join(",") ?? ""]),
  );
  headers["x-forwarded-for"] = [headers["x-forwarded-for"], "127.0.0.1"].filter(Boolean).join(", ");
  const isText = TEXT.test(headers["content-type"] ?? "");
  return event(path, {
    method: request.method ?? "",
    headers,
    query,
    routeKey,
    cookies: cookie.length > 0 ? cookie.flatMap((line) => line.split(/; */)) : undefined,
    body: body.length === 0 ? undefined : isText ? body.toString("utf8") : body,
  });
}

/** @param {import("node:http").ServerResponse} response @param {number} status @param {string | Buffer} body */
function answer(response, status, body) {
  if (typeof body === "string") response.setHeader("content-type", "application/json");
  // As AWS does, besides what the function says.
  response.setHeader("apigw-requestid", crypto.randomUUID());
  if (status !== 204) response.setHeader("content-length", Buffer.byteLength(body));
  response.writeHead(status).end(body);
}
