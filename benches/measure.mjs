/** Requests with as little client around them as possible, and what Linux knows about a process. */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";

/**
 * A request as it goes over the wire.
 *
 * @param {string} line method and path
 * @param {Record<string, string>} headers
 * @param {string} [body]
 */
export function wire(line, headers, body = "") {
  const all = { host: "127.0.0.1", ...headers, "content-length": Buffer.byteLength(body) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** One kept connection, one request at a time. */
export class Connection {
  #received = "";
  /** @type {(answer: string | Error) => void} */
  #done = () => {};

  /** @param {string} url */
  constructor(url) {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    this.socket = socket.setNoDelay().setEncoding("latin1");
    this.socket.on("data", (text) => this.#read(String(text)));
    this.socket.on("error", (error) => this.#done(error));
    this.socket.on("close", () => this.#done(new Error(`${url} closed the connection`)));
  }

  /** Resolves to the milliseconds until the whole answer was there, a `200`. @param {string} request */
  async send(request) {
    const begun = performance.now();
    const answer = await new Promise((resolve) => {
      this.#done = resolve;
      this.socket.write(request);
    });
    const time = performance.now() - begun;
    if (String(answer).startsWith("HTTP/1.1 200 ")) return time;
    throw new Error(`not the answer that is timed: ${answer}`);
  }

  /** @param {string} text */
  #read(text) {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n") + 4;
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(this.#received) ?? [];
    if (head < 4 || this.#received.length < head + Number(length ?? 0)) return;
    const answer = this.#received;
    this.#received = "";
    this.#done(length ? answer : new Error(`an answer without its length: ${answer}`));
  }
}

/** CPU time of all living threads, in milliseconds. @param {number} pid */
export function cpuMs(pid) {
  const read = (/** @type {string} */ thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0];
  return readdirSync(`/proc/${pid}/task`).reduce((sum, id) => sum + Number(read(id)), 0) / 1e6;
}

/** Resident memory in megabytes. @param {number} pid */
export function memoryMb(pid) {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return (Number(kib) * 1024) / 1e6;
}
