/**
 * Runs the examples of docs/api.md, in their order, against a real `lastseen serve`, so that the document cannot
 * say what the server does not do.
 *
 * Three kinds of fenced block take part:
 *
 *   ```sh settings      a new server with these settings and an empty store; nobody loses a cookie over it
 *   ```http request     method and path, headers, a blank line, the body
 *   ```http response    status, headers, a blank line, the body: what the request above it is answered with
 *
 * `…` stands for what varies. In a request it is the cookie's value or the row id of the visitor, in a
 * setting any value, in a response anything but nothing. The headers of {@link COMPLETE} are all there are; of the
 * others an example shows what it likes.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { STATUS_CODES } from "node:http";
import { after, before, suite, test } from "node:test";
import { readSetCookie, send } from "../harness/http.mjs";
import { root } from "../harness/process.mjs";
import { Serve } from "../harness/serve.mjs";

/**
 * @typedef {{ name: string, value: string }} Header
 * @typedef {{ line: number, method: string, path: string, headers: Header[], body: string }} Request
 * @typedef {{ line: number, status: string, headers: Header[], body: string }} Response
 * @typedef {{ settings: Record<string, string>, line: number }} Settings
 * @typedef {{ request: Request, response: Response }} Example
 */

const DOCUMENT = "docs/api.md";

const KINDS = ["sh settings", "http request", "http response"];

/** Headers that an answer has only where its example shows them. */
const COMPLETE = ["set-cookie", "location", "content-type", "retry-after", "allow"];

suite(DOCUMENT, () => {
  const steps = readSteps(readFileSync(`${root}/${DOCUMENT}`, "utf8"));
  const keys = `examples:${randomBytes(32).toString("base64")}`;
  /** @type {Map<string, string>} */
  const cookies = new Map();
  /** @type {Serve | undefined} */
  let serve;

  /** @param {Record<string, string>} settings */
  async function restart(settings) {
    await serve?.stop();
    serve = undefined;
    // As it ships, limits and all.
    serve = await Serve.start({ SESSION_KEYS: keys, FLOOD_LIMITS: "on", ...settings });
  }
  before(() => restart({}));
  after(() => serve?.stop());

  test("every route has an example", () => {
    const routes = readFileSync(`${root}/Cargo.toml`, "utf8").matchAll(
      /^"(\/[^"]+)" = "[\w-]+"$/gm,
    );
    const shown = steps.flatMap((step) =>
      "request" in step ? step.request.path.split("?")[0] : [],
    );
    /** `{id}` stands for any segment. @param {string} route */
    const isShown = (route) => {
      const pattern = new RegExp(`^${route.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
      return shown.some((path) => pattern.test(path ?? ""));
    };
    const missing = [...routes].map(([, route = ""]) => route).filter((route) => !isShown(route));
    assert.deepEqual(missing, []);
  });

  for (const step of steps) {
    if ("settings" in step) {
      const names = Object.keys(step.settings).join(", ");
      test(`line ${step.line}: a server with ${names} starts`, () => restart(step.settings));
      continue;
    }
    const { request, response } = step;
    const what = `${request.method} ${request.path}`;
    test(`line ${request.line}: ${what} is answered with ${response.status}`, async () => {
      const answer = await send(serve?.url ?? "", request.path, {
        method: request.method,
        headers: filledIn(request.headers, cookies),
        body: request.body ? request.body.replaceAll("…", rowId(request, cookies)) : undefined,
      });
      assert.deepEqual(differences(response, answer), [], `${DOCUMENT}:${response.line}`);
      // Who sends no cookie, or one of their own making, is somebody else, and takes none away.
      const isVisitor = request.headers.some(({ value }) => value.includes("=…"));
      for (const { name, value, removes } of answer.cookies) {
        if (!removes) cookies.set(name, value);
        else if (isVisitor) cookies.delete(name);
      }
    });
  }
});

suite("the examples' checker", () => {
  const request = "```http request\nGET /\n```\n";
  const response = "```http response\n200 OK\n```\n";

  test("a document without examples is a mistake", () => {
    assert.throws(() => readSteps("# Nothing\n```json\n{}\n```\n"), /no examples/);
  });

  for (const [what, markdown, message] of /** @type {const} */ ([
    ["a request without a response", request + request, /without a response/],
    ["a request at the end", request + response + request, /without a response/],
    ["a response without a request", response, /without a request/],
    ["a kind that nobody knows", `${request}\`\`\`http answer\n200 OK\n\`\`\`\n`, /http answer/],
    ["a block that is never closed", "```http request\nGET /\n", /never closed/],
    ["no method and path", "```http request\n/\n```\n", /METHOD \/path/],
    ["a status of another name", `${request}\`\`\`http response\n200 Fine\n\`\`\`\n`, /200 OK/],
    ["a header without a colon", "```http request\nGET /\nhost\n```\n", /Name: value/],
    ["a setting without a value", "```sh settings\nPORT\n```\n", /NAME=value/],
  ])) {
    test(`${what} is a mistake`, () => {
      assert.throws(() => readSteps(markdown), message);
    });
  }

  /** @param {string} shown */
  const responseOf = (shown) => {
    const [step] = readSteps(`${request}\`\`\`http response\n${shown}\n\`\`\`\n`);
    assert.ok(step && "response" in step);
    return step.response;
  };
  const TRUE = [
    "200 OK",
    "Content-Type: application/json",
    "Set-Cookie: a=…; Path=/",
    "Set-Cookie: b=1; Path=/",
    "",
    '{"n": …, "when": "2026-…Z", "list": [1, {"x": null}]}',
  ].join("\n");
  const setCookies = ["a=secret; Path=/", "b=1; Path=/"];
  const answer = {
    status: 200,
    headers: { "content-type": "application/json", "set-cookie": setCookies, "x-more": "1" },
    body: Buffer.alloc(0),
    text: '{"when":"2026-01-02T03:04:05Z","n":5,"list":[1,{"x":null}]}',
    json: { when: "2026-01-02T03:04:05Z", n: 5, list: [1, { x: null }] },
    cookies: setCookies.map(readSetCookie),
  };

  test("a true example is found true", () => {
    assert.deepEqual(differences(responseOf(TRUE), answer), []);
  });

  for (const [what, from, to] of [
    ["status", "200 OK", "201 Created"],
    ["header", "application/json", "application/problem+json"],
    ["missing header", "Set-Cookie: b=1; Path=/", "X-Other: 1\nSet-Cookie: b=1; Path=/"],
    ["cookie too few", "Set-Cookie: b=1; Path=/\n", ""],
    [
      "order of cookies",
      "Set-Cookie: a=…; Path=/\nSet-Cookie: b=1",
      "Set-Cookie: b=1; Path=/\nSet-Cookie: a=…",
    ],
    ["empty …", "a=…; Path=/", "a=secret…; Path=/"],
    ["member too many", '"n": …', '"n": …, "m": …'],
    ["member too few", '"n": …, ', ""],
    ["text", "2026-…Z", "2027-…Z"],
    ["type", "[1, ", '["1", '],
    ["list", "[1, ", "[1, 2, "],
    ["null", '{"x": null}', '{"x": 0}'],
  ]) {
    test(`a wrong example is found wrong: ${what}`, () => {
      const wrong = TRUE.replace(from ?? "", to ?? "");
      assert.notEqual(wrong, TRUE);
      assert.notDeepEqual(differences(responseOf(wrong), answer), []);
    });
  }

  test("a body that is not shown is found, and one that is no JSON is compared as text", () => {
    const page = { ...answer, headers: { "x-more": "1" }, text: "<b>\n1\n</b>\n", json: undefined };
    assert.deepEqual(differences(responseOf("200 OK\n\n<b>\n…\n</b>"), page), []);
    assert.notDeepEqual(differences(responseOf("200 OK\n\n<b>\n2\n</b>"), page), []);
    assert.notDeepEqual(differences(responseOf("200 OK"), page), []);
  });
});

/**
 * @param {string} markdown
 * @returns {(Settings | Example)[]} never none
 */
function readSteps(markdown) {
  /** @type {(Settings | Example)[]} */
  const steps = [];
  /** @type {Request | undefined} */
  let request;
  for (const { info, line, lines } of blocks(markdown)) {
    const isOurs = info.startsWith("http") || info.endsWith("settings");
    if (isOurs && !KINDS.includes(info)) {
      throw new Error(`line ${line}: \`${info}\` is no kind of block that is known here`);
    }
    if (request && info !== "http response") {
      throw new Error(`line ${request.line}: a request without a response`);
    }
    if (info === "sh settings") {
      steps.push({ line, settings: readSettings(lines, line) });
    } else if (info === "http request") {
      request = readRequest(lines, line);
    } else if (info === "http response") {
      if (!request) throw new Error(`line ${line}: a response without a request`);
      steps.push({ request, response: readResponse(lines, line) });
      request = undefined;
    }
  }
  if (request) throw new Error(`line ${request.line}: a request without a response`);
  if (!steps.some((step) => "request" in step)) throw new Error("there are no examples");
  return steps;
}

/** The fenced blocks of a document. @param {string} markdown */
function* blocks(markdown) {
  /** @type {{ info: string, line: number, lines: string[] } | undefined} */
  let block;
  for (const [index, text] of markdown.split("\n").entries()) {
    if (!text.startsWith("```")) block?.lines.push(text);
    else if (block) {
      yield block;
      block = undefined;
    } else block = { info: text.slice(3).trim(), line: index + 1, lines: [] };
  }
  if (block) throw new Error(`line ${block.line}: a block that is never closed`);
}

/** @param {string[]} lines @param {number} line */
function readSettings(lines, line) {
  return Object.fromEntries(
    lines.map((text) => {
      const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(text) ?? [];
      if (!name || value === undefined) throw new Error(`line ${line}: ${text} is not NAME=value`);
      return [name, value.replaceAll("…", "any")];
    }),
  );
}

/** @param {string[]} lines @param {number} line @returns {Request} */
function readRequest(lines, line) {
  const { first, headers, body } = readMessage(lines, line);
  const [, method, path] = /^([A-Z]+) (\/\S*)$/.exec(first) ?? [];
  if (!method || !path) throw new Error(`line ${line}: ${first} is not METHOD /path`);
  return { line, method, path, headers, body };
}

/** @param {string[]} lines @param {number} line @returns {Response} */
function readResponse(lines, line) {
  const { first: status, headers, body } = readMessage(lines, line);
  const code = status.slice(0, 3);
  const wanted = `${code} ${STATUS_CODES[code]}`;
  if (status !== wanted) throw new Error(`line ${line}: ${status} is not ${wanted}`);
  return { line, status, headers, body };
}

/** @param {string[]} lines @param {number} line */
function readMessage([first = "", ...rest], line) {
  const end = rest.includes("") ? rest.indexOf("") : rest.length;
  const headers = rest.slice(0, end).map((text) => {
    const [, name, value] = /^([\w-]+): (.+)$/.exec(text) ?? [];
    if (!name || !value) throw new Error(`line ${line}: ${text} is not Name: value`);
    return { name: name.toLowerCase(), value };
  });
  return { first, headers, body: rest.slice(end + 1).join("\n") };
}

/**
 * A request's headers, with `…` in `Cookie` as this visitor has it.
 *
 * @param {Header[]} headers
 * @param {Map<string, string>} cookies
 */
function filledIn(headers, cookies) {
  return Object.fromEntries(
    headers.map(({ name, value }) => {
      const filled = value.replace(/([\w-]+)=…/g, (_, cookie) => {
        assert.ok(cookies.has(cookie), `no example before this one has set a cookie ${cookie}`);
        return `${cookie}=${cookies.get(cookie)}`;
      });
      return [name, filled];
    }),
  );
}

/** @param {Request} request @param {Map<string, string>} cookies */
function rowId(request, cookies) {
  const id = cookies.get("session_record_id") ?? "";
  assert.ok(id || !request.body.includes("…"), "no example before this one has started a session");
  return id;
}

/**
 * What an answer has other than its example says.
 *
 * @param {Response} shown
 * @param {import("../harness/http.mjs").Answer} answer
 * @returns {string[]}
 */
function differences(shown, answer) {
  /** @type {string[]} */
  const found = [];
  if (shown.status !== `${answer.status} ${STATUS_CODES[answer.status]}`) {
    found.push(`status: ${answer.status}, not ${shown.status}`);
  }
  for (const name of new Set([...COMPLETE, ...shown.headers.map((header) => header.name)])) {
    const wanted = shown.headers.filter((header) => header.name === name);
    const values = [answer.headers[name] ?? []].flat();
    const alike =
      wanted.length === values.length &&
      wanted.every(({ value }, index) => pattern(value).test(values[index] ?? ""));
    if (!alike) {
      const expected = wanted.map(({ value }) => value).join(" | ") || "none";
      found.push(`${name}: ${values.join(" | ") || "none"}, not ${expected}`);
    }
  }
  const alike =
    answer.json === undefined
      ? pattern(shown.body.trim()).test(answer.text.trim())
      : isLike(readShownJson(shown), answer.json);
  if (!alike) found.push(`body: ${answer.text}, not ${shown.body}`);
  return found;
}

/** JSON in which a value may be a bare `…`. @param {Response} shown */
function readShownJson({ body, line }) {
  try {
    return JSON.parse(body.replace(/([:[,]\s*)…(?=\s*[,\]}])/g, '$1"…"') || "null");
  } catch (error) {
    throw new Error(`the body of the response in line ${line} is no JSON: ${error}`);
  }
}

/** @param {unknown} shown @param {unknown} value @returns {boolean} */
function isLike(shown, value) {
  if (shown === "…") return value !== undefined;
  if (typeof shown === "string") return typeof value === "string" && pattern(shown).test(value);
  if (typeof shown !== "object" || shown === null) return shown === value;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(shown) !== Array.isArray(value)) return false;
  const [wanted, given] = [Object.entries(shown), Object.keys(value)];
  const read = /** @type {Record<string, unknown>} */ (value);
  return wanted.length === given.length && wanted.every(([key, one]) => isLike(one, read[key]));
}

/** `…` as anything but nothing. @param {string} text */
function pattern(text) {
  const literal = (/** @type {string} */ part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${text.split("…").map(literal).join("[^]+")}$`);
}
