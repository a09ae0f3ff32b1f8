/**
 * Thousands of browsers, in a process of their own, so that whoever starts them has time for the server's log and
 * for other visitors. Each sends when its turn comes, whether others have been answered or not.
 */
import { fork } from "node:child_process";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/**
 * `startsMs[i]` is when `requests[i]` is sent, after the beginning. With `connections`, so many are kept and each
 * carries one request after another; without, each request has its own, which stays open until the server ends it,
 * as a browser's does. With `atOnce`, no more than so many wait for an answer; the next one's turn comes later.
 *
 * @typedef {{ url: string, requests: string[], startsMs: number[], connections?: number,
 *   atOnce?: number }} Crowd
 */

/**
 * What a browser was answered: status 0 where it was not. Milliseconds count from when it was to send, so that a
 * client that is late hides nothing.
 *
 * @typedef {{ status: number, ms: number, retryAfter: string | undefined, cookie: string | undefined,
 *   text: string }} Reply
 */

/** No answer takes longer. */
const PATIENCE_MS = 30_000;
/** How finely turns are kept. */
const TICK_MS = 1;

/**
 * Sends all and resolves to the answers, in the order of the requests.
 *
 * @param {Crowd} crowd
 * @returns {Promise<Reply[]>}
 */
export function sendAll(crowd) {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { serialization: "advanced" });
    child.once("message", (/** @type {Reply[]} */ replies) => {
      resolve(replies);
      child.disconnect();
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the browsers ended with ${code}`)));
    child.send(crowd);
  });
}

/** Turns spread evenly. @param {number} count @param {number} withinMs @param {number} [fromMs] */
export const evenly = (count, withinMs, fromMs = 0) =>
  Array.from({ length: count }, (_, number) => fromMs + (number / count) * withinMs);

/** @param {number[]} values @param {number} share 0.5 is the median */
export const quantile = (values, share) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;

class Line {
  /** @type {((reply: Omit<Reply, "ms">) => void) | undefined} */
  #done;
  #received = "";
  isOpen = true;

  /** @param {string} url */
  constructor(url) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname).setNoDelay().setEncoding("latin1");
    this.socket.on("data", (text) => this.#read(String(text)));
    this.socket.on("error", (error) => this.#end(error.message));
    this.socket.on("close", () => this.#end("closed"));
    this.socket.on("timeout", () => this.#end("no answer"));
  }

  /** @param {string} request @returns {Promise<Omit<Reply, "ms">>} */
  send(request) {
    return new Promise((resolve) => {
      this.#done = resolve;
      this.socket.setTimeout(PATIENCE_MS);
      this.socket.write(request);
    });
  }

  /** @param {string} text */
  #read(text) {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n") + 4;
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(this.#received) ?? [];
    if (head < 4 || this.#received.length < head + Number(length ?? 0)) return;
    const answer = this.#received;
    this.#received = "";
    if (/\r\nconnection: *close\r/i.test(answer)) this.#close();
    this.#reply({
      status: length === undefined ? 0 : Number(answer.slice(9, 12)),
      retryAfter: /\r\nretry-after: *(.*?)\r/i.exec(answer)?.[1],
      cookie: /\r\nset-cookie: *(lastseen=[^;]+)/i.exec(answer)?.[1],
      text: answer,
    });
  }

  /** @param {string} why */
  #end(why) {
    this.#close();
    this.#reply({ status: 0, retryAfter: undefined, cookie: undefined, text: why });
  }

  #close() {
    this.isOpen = false;
    this.socket.destroy();
  }

  /** @param {Omit<Reply, "ms">} reply */
  #reply(reply) {
    const done = this.#done;
    this.#done = undefined;
    this.socket.setTimeout(0);
    done?.(reply);
  }
}

/** @param {Crowd} crowd @returns {Promise<Reply[]>} */
async function send({ url, requests, startsMs, connections = 0, atOnce = Infinity }) {
  /** @type {Line[]} */
  const all = [];
  /** @type {Line[]} */
  const free = [];
  /** @type {((line: Line) => void)[]} */
  const waiting = [];
  const open = () => {
    const line = new Line(url);
    all.push(line);
    return line;
  };
  /** @returns {Line | Promise<Line>} */
  const take = () => {
    if (connections === 0) return open();
    const line = free.pop();
    if (line?.isOpen) return line;
    if (line || all.length < connections) return open();
    return new Promise((resolve) => waiting.push(resolve));
  };
  /** @param {Line} line */
  const give = (line) => {
    if (connections === 0) return;
    const next = waiting.shift();
    if (next) next(line.isOpen ? line : open());
    else free.push(line);
  };
  let underWay = 0;
  const began = performance.now();
  /** @param {string} request @param {number} start @returns {Promise<Reply>} */
  const one = async (request, start) => {
    underWay += 1;
    const line = await take();
    const reply = await line.send(request);
    give(line);
    underWay -= 1;
    // What was as it should be is not read again.
    const text = reply.status === 200 ? "" : reply.text;
    return { ...reply, text, ms: performance.now() - began - start };
  };
  /** @type {Promise<Reply>[]} */
  const replies = [];
  while (replies.length < requests.length) {
    const now = performance.now() - began;
    for (let next = replies.length; next < requests.length; next += 1) {
      const start = startsMs[next] ?? 0;
      if (start > now || underWay >= atOnce) break;
      replies.push(one(requests[next] ?? "", start));
    }
    await sleep(TICK_MS);
  }
  const answers = await Promise.all(replies);
  for (const { socket } of all) socket.destroy();
  return answers;
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once("message", async (/** @type {Crowd} */ crowd) => {
    process.send?.(await send(crowd));
  });
}
