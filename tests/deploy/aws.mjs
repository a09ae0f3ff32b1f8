/** An AWS account on this machine, and the tools that deploy to it. */
import { execFile, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { environment, Running, root } from "../harness/process.mjs";
import { binary } from "../harness/serve.mjs";
import { Moto } from "../lambda/moto.mjs";
import { ARN, KeyValueStore } from "./key-value-store.mjs";
import { forMoto } from "./template.mjs";

export const STACK = "lastseen";
/** What CloudFront would have called the distribution. */
export const NAME = "d111111abcdef8.cloudfront.net";

/** Where the tools are installed. */
export const VENV = execFileSync(join(root, "tools/lambda"), ["sh", "-c", "echo $VIRTUAL_ENV"], {
  encoding: "utf8",
  env: environment({}),
}).trim();

/** @typedef {{ code: number | null, out: string, err: string }} Ran */

export class Aws {
  /** @param {Moto} moto @param {KeyValueStore} store @param {Running} loaded @param {string} folder */
  constructor(moto, store, loaded, folder) {
    this.loaded = loaded;
    this.moto = moto;
    this.store = store;
    this.folder = folder;
    this.samconfig = join(folder, "samconfig.toml");
    this.template = join(folder, "template.json");
  }

  static async start() {
    const folder = mkdtempSync(join(tmpdir(), "lastseen-deploy-"));
    mkdirSync(join(folder, "bin"));
    mkdirSync(join(folder, "tmp"));
    const cli = join(import.meta.dirname, "aws-cli.py");
    const loaded = new Running(join(VENV, "bin/python"), [cli, "serve", join(folder, "aws")]);
    const aws = new Aws(await Moto.start(), await KeyValueStore.start(), loaded, folder);
    symlinkSync(join(import.meta.dirname, "sam.mjs"), join(folder, "bin/sam"));
    symlinkSync(cli, join(folder, "bin/aws"));
    await loaded.prints(/^ready$/m, 60_000);
    // Where SAM would have put the functions.
    await aws.cli("s3api", "create-bucket", "--bucket", "bucket");
    await aws.cli("s3api", "put-object", "--bucket", "bucket", "--key", "key");
    return aws;
  }

  /** A samconfig.toml as it ships, with these parameters. @param {Record<string, string>} [parameters] */
  configure(parameters = {}) {
    cpSync(join(root, "samconfig.toml"), this.samconfig);
    const lines = Object.entries(parameters).map(([name, value]) => `${name} = "${value}"`);
    if (lines.length === 0) return;
    const table = ["", "[default.deploy.parameters.parameter_overrides]", ...lines, ""].join("\n");
    writeFileSync(this.samconfig, this.#read() + table);
  }

  #read() {
    return readFileSync(this.samconfig, "utf8");
  }

  /** What samconfig.toml says now. */
  get configured() {
    return this.#read();
  }

  /**
   * The template, as moto takes it.
   *
   * @param {Record<string, string>} [told]
   * @param {Record<string, string>} [given]
   */
  render(told = {}, given = {}) {
    const known = {
      "Distribution.DomainName": NAME,
      "EdgeStore.Arn": ARN,
      "Api.ApiEndpoint": "http://127.0.0.1:9",
      ...told,
    };
    writeFileSync(this.template, JSON.stringify(forMoto(known, given)));
  }

  /** @param {NodeJS.ProcessEnv} [more] */
  env(more = {}) {
    return environment({
      ...this.store.settings,
      AWS_CLI_SOCKET: join(this.folder, "aws"),
      PATH: `${this.folder}/bin:${VENV}/bin:${process.env.PATH}`,
      // The tools are on the path already, with another sam before them.
      LASTSEEN_TOOLS: "1",
      LASTSEEN_BINARY: binary,
      SAMCONFIG: this.samconfig,
      TEMPLATE: this.template,
      HOME: this.folder,
      TMPDIR: join(this.folder, "tmp"),
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
      // Nothing has to spread here.
      EDGE_SECONDS: "0",
      // moto reads the bucket's name where it stands only for a host of this name.
      AWS_ENDPOINT_URL: this.moto.url.replace("127.0.0.1", "localhost"),
      ...more,
    });
  }

  /** The AWS CLI. @param {string[]} args @returns {Promise<any>} */
  async cli(...args) {
    const { stdout } = await promisify(execFile)("aws", [...args, "--output", "json"], {
      env: this.env(),
    });
    return stdout.trim() ? JSON.parse(stdout) : undefined;
  }

  /** @param {Record<string, string>} secrets */
  async keep(secrets) {
    for (const [name, value] of Object.entries(secrets)) {
      const [type, overwrite] = ["SecureString", "--overwrite"];
      await this.cli(
        ...["ssm", "put-parameter", "--name", `/${STACK}/${name}`, "--type", type, overwrite],
        ...["--value", value],
      );
    }
  }

  /** Every SecureString of the stack, by its name. @returns {Promise<Record<string, string>>} */
  async secrets() {
    const { Parameters } = await this.cli(
      ...["ssm", "get-parameters-by-path", "--path", `/${STACK}`, "--with-decryption"],
    );
    const secure = Parameters.filter((/** @type {any} */ { Type }) => Type === "SecureString");
    return Object.fromEntries(
      secure.map((/** @type {any} */ { Name, Value }) => [Name.replace(`/${STACK}/`, ""), Value]),
    );
  }

  async forgetSecrets() {
    const { Parameters } = await this.cli("ssm", "describe-parameters");
    const names = Parameters.map((/** @type {any} */ { Name }) => Name);
    if (names.length > 0) await this.cli("ssm", "delete-parameters", "--names", ...names);
  }

  /**
   * Runs a script to its end.
   *
   * @param {string[]} command
   * @param {{ env?: NodeJS.ProcessEnv, answers?: [question: RegExp, answer: string][] }} [options] answers
   *   to type, in order
   * @returns {Promise<Ran>}
   */
  run(command, { env, answers = [] } = {}) {
    const [name = "", ...args] = command;
    const child = spawn(name, args, { cwd: root, env: env ?? this.env(), timeout: 300_000 });
    const ran = { code: /** @type {number | null} */ (null), out: "", err: "" };
    const waiting = [...answers];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      ran.out += text;
      if (!waiting[0]?.[0].test(ran.out)) return;
      child.stdin.write(`${waiting.shift()?.[1]}\n`);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      ran.err += text;
    });
    if (answers.length === 0) child.stdin.end();
    return new Promise((resolve) => child.once("close", (code) => resolve({ ...ran, code })));
  }

  /** @param {string[]} steps */
  deploy(...steps) {
    return this.run([join(root, "tools/deploy"), ...steps]);
  }

  async stop() {
    this.store.stop();
    await this.loaded.stop();
    await this.moto.stop();
    rmSync(this.folder, { recursive: true });
  }
}
