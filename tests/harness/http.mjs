/**
 * HTTP as it is on the wire: paths are sent as they are written, redirects are answers like any
 * other, cookies are looked at with all their attributes.
 */
import assert from "node:assert/strict";
import { request as open } from "node:http";

/**
 * @typedef {{ name: string, value: string, attributes: Record<string, string | true>,
 *   removes: boolean }} SetCookie
 * @typedef {{ status: number, headers: import("node:http").IncomingHttpHeaders, body: Buffer,
 *   text: string, json: any, cookies: SetCookie[] }} Answer
 * @typedef {{ method?: string, headers?: Record<string, string | string[]>,
 *   body?: string | Buffer, json?: unknown, form?: Record<string, string>,
 *   withinMs?: number }} Call
 */

/**
 * Sends one request on a connection of its own.
 *
 * @param {string} site `http://host:port`, without a path
 * @param {string} path sent to the byte, `/../` and `%2e` included
 * @param {Call} [call] at most one of `body`, `json` and `form`
 * @returns {Promise<Answer>}
 */
export function send(site, path, call = {}) {
  const { hostname, port } = new URL(site);
  const headers = { ...call.headers };
  let body = call.body;
  if (call.json !== undefined) {
    body = JSON.stringify(call.json);
    headers["content-type"] ??= "application/json";
  } else if (call.form) {
    body = new URLSearchParams(call.form).toString();
    headers["content-type"] ??= "application/x-www-form-urlencoded";
  }
  const method = call.method ?? (body === undefined ? "GET" : "POST");
  if (!("transfer-encoding" in headers) && (body !== undefined || method !== "GET")) {
    headers["content-length"] ??= String(Buffer.byteLength(body ?? ""));
  }
  const withinMs = call.withinMs ?? 30_000;

  return new Promise((resolve, reject) => {
    const request = open({ hostname, port, path, method, headers, agent: false }, (response) => {
      /** @type {Buffer[]} */
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const content = Buffer.concat(chunks);
        const text = content.toString("utf8");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: content,
          text,
          // An answer to HEAD tells the type of a body that it does not have.
          json:
            text !== "" && /json/.test(response.headers["content-type"] ?? "")
              ? readJson(text)
              : undefined,
          cookies: (response.headers["set-cookie"] ?? []).map(readSetCookie),
        });
      });
    });
    request.setTimeout(withinMs, () =>
      request.destroy(new Error(`${method} ${path}: no answer within ${withinMs / 1000} seconds`)),
    );
    request.on("error", reject);
    request.end(body);
  });
}

/** @param {string} text */
function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`an answer calls itself JSON and is not: ${text.slice(0, 200)}`);
  }
}

/**
 * One `Set-Cookie` header; attribute names in lower case.
 *
 * @param {string} header
 * @returns {SetCookie}
 */
export function readSetCookie(header) {
  const [pair = "", ...rest] = header.split(";").map((part) => part.trim());
  /** @param {string} part @returns {[string, string | true]} */
  const split = (part) => {
    const at = part.indexOf("=");
    return at < 0 ? [part, true] : [part.slice(0, at), part.slice(at + 1)];
  };
  const [name, value] = split(pair);
  const attributes = Object.fromEntries(
    rest.map((part) => {
      const [key, content] = split(part);
      return [key.toLowerCase(), content];
    }),
  );
  const maxAge = attributes["max-age"];
  const expires = attributes.expires;
  // `Max-Age` wins over `Expires` where both are there (RFC 6265, section 4.1.2.2).
  const removes =
    typeof maxAge === "string"
      ? Number(maxAge) <= 0
      : typeof expires === "string" && Date.parse(expires) <= Date.now();
  return { name, value: value === true ? "" : value, attributes, removes };
}

/** Somebody with a cookie jar: a browser's worth of requests to one site. */
export class Visitor {
  /** @type {Map<string, string>} */
  cookies = new Map();

  /** @param {string} site `http://host:port` */
  constructor(site) {
    this.site = site;
  }

  /** @param {string} path @param {Call} [call] @returns {Promise<Answer>} */
  async send(path, call = {}) {
    const headers = { ...call.headers };
    if (this.cookies.size > 0) {
      headers.cookie ??= [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    }
    const answer = await send(this.site, path, { ...call, headers });
    for (const cookie of answer.cookies) {
      if (cookie.removes) this.cookies.delete(cookie.name);
      else this.cookies.set(cookie.name, cookie.value);
    }
    return answer;
  }

  /**
   * Leaves an email at the gate as a form does, and is let in.
   *
   * @param {string} email
   * @param {Record<string, string>} [fields]
   */
  async enter(email, fields = {}) {
    const answer = await this.send("/api/verify-temp-access", { form: { email, ...fields } });
    assert.equal(answer.status, 303, `the gate answered ${answer.status}: ${answer.text}`);
    assert.ok(this.cookies.has("session_record_id"), "the gate let in without a cookie");
    return answer;
  }

  /** The row id of this visitor's session. */
  get rowId() {
    const id = this.cookies.get("session_record_id");
    assert.ok(id, "this visitor has no session");
    return id;
  }
}
