/** A real nginx with the files of examples/nginx, of which only the marked lines are changed. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { send } from "../harness/http.mjs";
import { environment, freePort, Running, root, until } from "../harness/process.mjs";

const EXAMPLES = join(root, "examples/nginx");

const unpacked = spawnSync(join(root, "tools/nginx"), {
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
});
const isDebian = /^ID=debian$/m.test(await readFile("/etc/os-release", "utf8").catch(() => ""));

/** Why there is no nginx to test with, or false. Only Debian is sure to have it with njs. */
export const skip = unpacked.status !== 0 && !isDebian && "there is no package of nginx with njs";

export class Nginx {
  /**
   * @param {string} home
   * @param {Running} running
   * @param {string} url without TLS
   * @param {string[]} chromiumArgs what makes Chromium find the site at the port that https has, and trust it
   */
  constructor(home, running, url, chromiumArgs) {
    this.home = home;
    this.running = running;
    this.url = url;
    this.chromiumArgs = chromiumArgs;
  }

  /**
   * @param {object} owners what an owner has
   * @param {string} owners.host the site's host
   * @param {string} owners.folder the site's files
   * @param {{ host: string, port: number, cert: string }} owners.api an HTTPS endpoint
   * @param {string} owners.secret the edge secret
   * @param {string} owners.settings what `lastseen keys edge` prints
   */
  static async start({ host, folder, api, secret, settings }) {
    const home = await mkdtemp(join(tmpdir(), "lastseen-nginx-"));
    const installed = unpacked.stdout.trim();
    const [port, tlsPort] = await Promise.all([freePort(), freePort()]);
    const keyHash = await certify(home, host);
    await lay(home, { settings, secret, cert: api.cert });
    const example = await readFile(join(EXAMPLES, "lastseen.conf"), "utf8");
    const site = changed(example, [
      // Without TLS as well, for what is looked at to the byte.
      [/listen 443(?= ssl http2;)/g, `listen 127.0.0.1:${port}; listen 127.0.0.1:${tlsPort}`],
      [/(?<= server_name )\S+(?=;)/g, host],
      [/(?<= ssl_certificate )\S+(?=;)/g, `${home}/cert.pem`],
      [/(?<= ssl_certificate_key )\S+(?=;)/g, `${home}/key.pem`],
      [/(?<= root )\S+(?=;)/g, folder],
      [/(?<=set \$lastseen_api )\S+(?=;)/g, api.host],
      [/resolver .*/g, ""],
      // Where the operating system has them.
      [/\/etc\/nginx\/lastseen\//g, `${home}/lastseen/`],
      [/\/etc\/ssl\/certs\/ca-certificates.crt/g, `${home}/ca.pem`],
    ]);
    await writeFile(
      join(home, "nginx.conf"),
      `load_module ${installed}/usr/lib/nginx/modules/ngx_http_js_module.so;
      daemon off; worker_processes 1; pid ${home}/pid; error_log stderr notice;
      ${process.getuid?.() === 0 ? "user root;" : ""}
      events {}
      http {
        include ${installed}/etc/nginx/mime.types; default_type application/octet-stream;
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${home}/${name};`).join("\n")}
        # Stands for the name in the DNS.
        upstream ${api.host} { server 127.0.0.1:${api.port}; }
        ${site}
      }`,
    );
    const running = new Running(
      `${installed}/usr/sbin/nginx`,
      ["-p", home, "-e", "stderr", "-c", join(home, "nginx.conf")],
      { env: environment({}) },
    );
    const nginx = new Nginx(home, running, `http://127.0.0.1:${port}`, [
      `--host-resolver-rules=MAP ${host} 127.0.0.1:${tlsPort}`,
      `--ignore-certificate-errors-spki-list=${keyHash}`,
    ]);
    try {
      await until("answer of nginx", () => nginx.#isUp());
    } catch (error) {
      await nginx.stop();
      throw new Error(`${error}\n${running.log}`);
    }
    return nginx;
  }

  get log() {
    return this.running.log;
  }

  async stop() {
    await this.running.stop({ signal: "SIGTERM" });
    await rm(this.home, { recursive: true, force: true });
  }

  async #isUp() {
    if (!this.running.isRunning) throw new Error("nginx has ended");
    return send(this.url, "/").then(
      () => true,
      () => false,
    );
  }
}

/** As the recipe says. @param {string} home @param {{ settings: string, secret: string, cert: string }} parts */
async function lay(home, { settings, secret, cert }) {
  const folder = join(home, "lastseen");
  await mkdir(folder);
  const parts = [join(root, "functions/edge-gate/gate.js"), join(EXAMPLES, "adapter.js")];
  const [gate, adapter] = await Promise.all(parts.map((file) => readFile(file, "utf8")));
  await writeFile(join(folder, "gate.js"), `${gate}${adapter}`);
  await cp(join(EXAMPLES, "cloudfront.js"), join(folder, "cloudfront"));
  await writeFile(join(folder, "settings.json"), settings, { mode: 0o600 });
  const line = `proxy_set_header X-Lastseen-Edge "${secret}";\n`;
  await writeFile(join(folder, "edge-secret.conf"), line, { mode: 0o600 });
  await writeFile(join(home, "ca.pem"), cert);
}

/**
 * Makes the site's certificate, which nobody ever sees again.
 *
 * @param {string} home @param {string} host
 * @returns {Promise<string>} what Chromium knows its key by
 */
async function certify(home, host) {
  const file = join(home, "cert.pem");
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const names = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  const files = ["-noenc", "-days", "2", "-keyout", join(home, "key.pem"), "-out", file];
  execFileSync("openssl", [...request, ...names, ...files], { stdio: "pipe" });
  const { publicKey } = new X509Certificate(await readFile(file));
  const spki = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("base64");
}

/** @param {string} text @param {[RegExp, string][]} changes each of which must find its place */
function changed(text, changes) {
  let result = text;
  for (const [from, to] of changes) {
    if (result.search(from) < 0) throw new Error(`lastseen.conf has no ${from} any more`);
    result = result.replaceAll(from, () => to);
  }
  return result;
}
