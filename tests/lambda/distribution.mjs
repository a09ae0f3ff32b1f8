/**
 * The stack's CloudFront distribution as far as a request can tell: the behaviours, functions,
 * origins, headers and error pages of the rendered template. No cache, since all of ours is told to
 * ask each time. The functions at the edge run in Node's `vm`.
 */
import { once } from "node:events";
import { createServer, request as open } from "node:http";
import { event, publish } from "../edge/cloudfront.mjs";
import { stack } from "./stack.mjs";

/** CloudFront's own address, as API Gateway sees it. */
const EDGE = "192.0.2.1";
/** Where the visitor is. */
const VIEWER = "198.51.100.7";

/**
 * @typedef {{ status: number, headers: Record<string, string | string[]>, body: Buffer | string }} Reply
 * @typedef {(path: string) => Promise<Reply>} Bucket
 */

export class Distribution {
  /** What the KeyValueStore holds. @type {Record<string, string>} */
  stored = {};

  /** @param {{ bucket: Bucket, api: string }} origins the API's as `http://host:port` */
  constructor(origins) {
    this.origins = origins;
    this.made = stack();
    this.config = this.made.resources.Distribution.Properties.DistributionConfig;
    this.server = createServer((request, response) => {
      this.#answer(request).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        (error) => response.writeHead(502).end(String(error)),
      );
    });
  }

  /** @param {{ bucket: Bucket, api: string }} origins */
  static async start(origins) {
    const distribution = new Distribution(origins);
    distribution.server.listen(0, "127.0.0.1");
    await once(distribution.server, "listening");
    return distribution;
  }

  get host() {
    const { port } = /** @type {import("node:net").AddressInfo} */ (this.server.address());
    return `127.0.0.1:${port}`;
  }

  get url() {
    return `http://${this.host}`;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }

  /** @param {import("node:http").IncomingMessage} viewer @returns {Promise<Reply>} */
  async #answer(viewer) {
    const [path = "/", query = ""] = (viewer.url ?? "/").split(/\?(.*)/s);
    const behaviour =
      this.config.CacheBehaviors.find((/** @type {any} */ { PathPattern }) =>
        matches(path, PathPattern),
      ) ?? this.config.DefaultCacheBehavior;
    if (!behaviour.AllowedMethods.includes(viewer.method)) {
      return {
        status: 403,
        headers: {},
        body: "this distribution is not configured to allow the method",
      };
    }
    const given = this.#event(viewer, path, query);
    const answer = await this.#run(behaviour, given);
    if (answer.statusCode) {
      const headers = Object.entries(answer.headers).map(([name, field]) => [name, field.value]);
      return { status: answer.statusCode, headers: Object.fromEntries(headers), body: "" };
    }
    const chunks = [];
    for await (const chunk of viewer) chunks.push(chunk);
    const reply =
      behaviour.TargetOriginId === "site"
        ? await this.#file(answer.uri ?? "")
        : await this.#pass(viewer, answer, query, Buffer.concat(chunks));
    const dressed = this.#dressed(behaviour, await this.#excused(reply));
    return this.#seenOff(behaviour, given, dressed);
  }

  /** What a function for viewer responses makes of it; CloudFront runs none for errors. @param {any} behaviour @param {any} given @param {Reply} reply */
  async #seenOff(behaviour, given, reply) {
    const isAfter = (/** @type {any} */ { EventType }) => EventType === "viewer-response";
    const after = behaviour.FunctionAssociations.find(isAfter);
    if (!after || reply.status >= 400) return reply;
    const fields = Object.entries(reply.headers).map(([name, value]) => [name, { value }]);
    const response = { statusCode: reply.status, headers: Object.fromEntries(fields) };
    const made = await this.#runOne(after, { ...given, response });
    const headers = Object.entries(made.headers).map(([name, field]) => [name, field.value]);
    return { ...reply, headers: Object.fromEntries(headers) };
  }

  /** @param {import("node:http").IncomingMessage} viewer @param {string} path @param {string} query */
  #event(viewer, path, query) {
    const { cookie = "", ...headers } = viewer.headers;
    const given = event(path, { query, cookie, headers: /** @type {any} */ (headers) });
    given.request.method = viewer.method ?? "GET";
    return given;
  }

  /** @param {any} behaviour @param {unknown} given @returns {Promise<import("../edge/cloudfront.mjs").Answer>} */
  async #run(behaviour, given) {
    const isBefore = (/** @type {any} */ { EventType }) => EventType === "viewer-request";
    return this.#runOne(behaviour.FunctionAssociations.find(isBefore), given);
  }

  /** @param {any} association @param {unknown} given @returns {Promise<import("../edge/cloudfront.mjs").Answer>} */
  async #runOne({ FunctionARN }, given) {
    const { FunctionCode } = this.made.resources[FunctionARN["Fn::GetAtt"][0]].Properties;
    const kvs = () => ({
      /** @param {string} key @param {{ format?: string }} [options] */
      get: async (key, options) => {
        const value = this.stored[key];
        if (value === undefined) throw new Error("KeyNotFound");
        return options?.format === "json" ? JSON.parse(value) : value;
      },
    });
    return publish({ source: FunctionCode, kvs, now: () => Date.now() / 1000 }).handle(given);
  }

  /** @param {string} path as the gate spelled it */
  #file(path) {
    return this.origins.bucket(path === "/" ? `/${this.config.DefaultRootObject}` : path);
  }

  /**
   * To API Gateway, under its own name, and through it to the functions. Both write down who called.
   *
   * @param {import("node:http").IncomingMessage} viewer
   * @param {import("../edge/cloudfront.mjs").Answer} answer
   * @param {string} query
   * @param {Buffer} body
   * @returns {Promise<Reply>}
   */
  #pass(viewer, answer, query, body) {
    /** @type {Record<string, string>} */
    const headers = {};
    for (const [name, { value }] of Object.entries(answer.headers)) headers[name] = value;
    const known = headers["x-forwarded-for"] ? `${headers["x-forwarded-for"]}, ` : "";
    const { host } = new URL(this.origins.api);
    const sent = {
      ...headers,
      ...(viewer.headers.cookie && { cookie: viewer.headers.cookie }),
      host,
      "x-forwarded-for": `${known}${VIEWER}, ${EDGE}`,
    };
    return new Promise((resolve, reject) => {
      const path = `${answer.uri}${query && `?${query}`}`;
      const options = { method: viewer.method, headers: sent, agent: false };
      const passed = open(`${this.origins.api}${path}`, options, async (response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        const { connection, "transfer-encoding": _, ...received } = response.headers;
        resolve({
          status: response.statusCode ?? 0,
          headers: /** @type {any} */ (received),
          body: Buffer.concat(chunks),
        });
      });
      passed.on("error", reject);
      passed.end(body);
    });
  }

  /** @param {Reply} reply */
  async #excused(reply) {
    const page = this.config.CustomErrorResponses.find(
      (/** @type {any} */ { ErrorCode }) => ErrorCode === reply.status,
    )?.ResponsePagePath;
    if (!page) return reply;
    const excuse = await this.#file(page);
    return excuse.status === 200 ? { ...excuse, status: reply.status } : reply;
  }

  /** @param {any} behaviour @param {Reply} reply */
  #dressed(behaviour, reply) {
    const policy =
      this.made.resources[behaviour.ResponseHeadersPolicyId.Ref].Properties
        .ResponseHeadersPolicyConfig;
    const security = policy.SecurityHeadersConfig;
    const { AccessControlMaxAgeSec } = security.StrictTransportSecurity;
    /** @type {[string, string, boolean][]} */
    const added = [
      [
        "strict-transport-security",
        `max-age=${AccessControlMaxAgeSec}; includeSubDomains`,
        security.StrictTransportSecurity.Override,
      ],
      ["x-content-type-options", "nosniff", security.ContentTypeOptions.Override],
      ["referrer-policy", security.ReferrerPolicy.ReferrerPolicy, security.ReferrerPolicy.Override],
      [
        "content-security-policy",
        security.ContentSecurityPolicy.ContentSecurityPolicy,
        security.ContentSecurityPolicy.Override,
      ],
      ...policy.CustomHeadersConfig.Items.map((/** @type {any} */ { Header, Value, Override }) => [
        Header.toLowerCase(),
        Value,
        Override,
      ]),
    ];
    const headers = { ...reply.headers };
    for (const [name, value, override] of added) {
      if (override || headers[name] === undefined) headers[name] = value;
    }
    return { ...reply, headers };
  }
}

/** @param {string} path @param {string} pattern with `*` for anything */
function matches(path, pattern) {
  const [start = "", ...rest] = pattern.split("*");
  return rest.length === 0 ? path === pattern : path.startsWith(start);
}
