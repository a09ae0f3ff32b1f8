/** A mail server that takes mail for everybody and keeps it. */
import { SMTPServer } from "smtp-server";
import { freePort, until } from "./process.mjs";

/** @typedef {{ from: string, to: string[], user: string | undefined, headers: Map<string, string>, text: string }} Mail */

/** The eight characters of a code, as they stand in a mail. */
const CODE = /^ {4}([0-9A-Z]{4}-[0-9A-Z]{4})$/m;

export class MailServer {
  /** @type {Mail[]} */
  mails = [];
  /** How long every mail takes. */
  delayMs = 0;
  port = 0;
  /** @type {SMTPServer | undefined} */
  server;

  /**
   * @param {import("smtp-server").SMTPServerOptions} [options] of smtp-server; without any, it is plain, and anybody's
   *   password is right
   */
  static async start(options = {}) {
    const mail = new MailServer();
    mail.server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: options.secure === undefined ? ["STARTTLS"] : [],
      disableReverseLookup: true,
      onAuth: ({ username }, _session, done) => done(null, { user: username }),
      onData: (stream, session, done) => {
        mail.#take(stream, session).then(() => done(), done);
      },
      ...options,
    });
    mail.server.on("error", () => {
      // A client that does not trust it hangs up; that is what some tests are about.
    });
    mail.port = await freePort();
    await new Promise((resolve) =>
      mail.server?.listen(mail.port, "127.0.0.1", () => resolve(undefined)),
    );
    return mail;
  }

  /** For `SMTP_URL`. */
  get url() {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** Settings with which codes go through this server. */
  get settings() {
    return {
      VERIFY_EMAIL: "code",
      MAIL_FROM: "gate@example.com",
      SMTP_URL: this.url,
      // Without them no program sends mail to anybody.
      FLOOD_LIMITS: "on",
    };
  }

  /**
   * The code that was mailed to somebody last.
   *
   * @param {string} address
   * @param {number} [count] of mails that are there then
   */
  async code(address, count = 1) {
    const theirs = () => this.mails.filter(({ to }) => to.includes(address));
    await until(`mail to ${address}`, () => theirs().length >= count);
    const [, code] = CODE.exec(theirs().at(-1)?.text ?? "") ?? [];
    if (!code) throw new Error("there is no code in the mail");
    return code;
  }

  /** @param {AsyncIterable<Buffer>} stream @param {import("smtp-server").SMTPServerSession} session */
  async #take(stream, session) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    const raw = Buffer.concat(chunks).toString("utf8").replaceAll("\r\n", "\n");
    const [head = "", ...body] = raw.split("\n\n");
    const lines = head.replaceAll(/\n[ \t]+/g, " ").split("\n");
    this.mails.push({
      from: session.envelope.mailFrom ? session.envelope.mailFrom.address : "",
      to: session.envelope.rcptTo.map(({ address }) => address),
      user: session.user,
      headers: new Map(
        lines.map((line) => {
          const at = line.indexOf(":");
          return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()];
        }),
      ),
      text: body.join("\n\n"),
    });
  }

  async stop() {
    await new Promise((resolve) => this.server?.close(() => resolve(undefined)));
  }
}
