/** Bytes on a connection, for what no well-behaved client sends. */
import { connect } from "node:net";

/**
 * What came back. The status is 0 where the connection was closed without an answer.
 *
 * @typedef {{ status: number, head: string, body: string, all: string, inTime: boolean }} Reply
 */

/** @param {string} site `http://host:port` @returns {import("node:net").Socket} */
export function open(site) {
  const { hostname, port } = new URL(site);
  const socket = connect(Number(port), hostname);
  // A server may well hang up on what is sent here.
  socket.on("error", () => {});
  return socket;
}

/**
 * Sends bytes and reads until the other side closes.
 *
 * @param {string} site
 * @param {string | Buffer} bytes a string's characters are bytes
 * @param {number} [withinMs]
 * @returns {Promise<Reply>}
 */
export function exchange(site, bytes, withinMs = 15_000) {
  return new Promise((resolve) => {
    const socket = open(site);
    /** @type {Buffer[]} */
    const chunks = [];
    /** @param {boolean} inTime */
    const done = (inTime) => {
      clearTimeout(timer);
      socket.destroy();
      const all = Buffer.concat(chunks).toString("latin1");
      const end = all.indexOf("\r\n\r\n");
      resolve({
        status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(all)?.[1] ?? 0),
        head: end < 0 ? all : all.slice(0, end),
        body: end < 0 ? "" : all.slice(end + 4),
        all,
        inTime,
      });
    };
    const timer = setTimeout(() => done(false), withinMs);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => done(true));
    socket.on("close", () => done(true));
    socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  });
}

/**
 * A request whose target goes out to the byte, spaces and all.
 *
 * @param {string} site
 * @param {string} target
 * @param {{ method?: string, headers?: Record<string, string>, body?: string }} [call]
 */
export function ask(site, target, { method = "GET", headers = {}, body = "" } = {}) {
  const lines = Object.entries({ host: new URL(site).host, connection: "close", ...headers });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return exchange(site, `${method} ${target} HTTP/1.1\r\n${head}\r\n${body}`);
}
