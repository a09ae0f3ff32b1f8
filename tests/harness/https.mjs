/**
 * The proxy that ends TLS in front of `lastseen serve`, as a site that has it would run one, with a
 * certificate that nobody ever sees again.
 */
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as open } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class HttpsFront {
  /** Every address that was asked for, and every one that was named as the page before. @type {string[]} */
  addresses = [];
  /** Every cookie that was set. @type {string[]} */
  cookies = [];
  #server;
  #upstream;

  /** @param {string} host @param {string} upstream `http://host:port` */
  constructor(host, upstream) {
    const { key, cert } = certificate(host);
    this.host = host;
    this.cert = cert;
    this.#upstream = new URL(upstream);
    this.#server = createServer({ key, cert }, (request, response) =>
      this.#pass(request, response),
    );
  }

  /** @param {string} host @param {string} upstream */
  static async open(host, upstream) {
    const front = new HttpsFront(host, upstream);
    await new Promise((resolve) => front.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
    return front;
  }

  get port() {
    return /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
  }

  get url() {
    return `https://${this.host}:${this.port}`;
  }

  /** What makes Chromium find this host and those below it, and take its certificate for a good one. */
  get chromiumArgs() {
    return [
      `--host-resolver-rules=MAP ${this.host} 127.0.0.1, MAP *.${this.host} 127.0.0.1`,
      `--ignore-certificate-errors-spki-list=${this.keyHash}`,
    ];
  }

  /** What Chromium knows the certificate's key by. */
  get keyHash() {
    const spki = new X509Certificate(this.cert).publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(spki).digest("base64");
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  #pass(request, response) {
    const { method, url = "/", headers } = request;
    this.addresses.push(url, headers.referer ?? "");
    const { hostname, port } = this.#upstream;
    const forwarded = { ...headers, "x-forwarded-proto": "https" };
    const passed = open(
      { hostname, port, method, path: url, headers: forwarded, agent: false },
      (answer) => {
        this.addresses.push(answer.headers.location ?? "");
        this.cookies.push(...(answer.headers["set-cookie"] ?? []));
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on("error", () => response.destroy());
    request.pipe(passed);
  }
}

/**
 * What makes Chromium find several hosts at the port that https has, as visitors do.
 *
 * @param {HttpsFront[]} fronts
 */
export const chromiumArgsFor = (...fronts) => [
  `--host-resolver-rules=${fronts.map(({ host, port }) => `MAP ${host} 127.0.0.1:${port}`).join()}`,
  `--ignore-certificate-errors-spki-list=${fronts.map(({ keyHash }) => keyHash).join()}`,
];

/** @param {string} host */
function certificate(host) {
  const folder = mkdtempSync(join(tmpdir(), "lastseen-https-"));
  try {
    const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    const names = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
    // A site's certificate vouches for no others; rustls would refuse it otherwise.
    names.push("-addext", "basicConstraints=critical,CA:FALSE");
    const files = ["-noenc", "-days", "2", "-keyout", keyFile, "-out", certFile];
    execFileSync("openssl", [...request, ...names, ...files], { stdio: "pipe" });
    return { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
