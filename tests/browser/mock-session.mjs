/** One session as the real server keeps it, in a time that a test moves. */

/** @typedef {import("./mock-server.mjs").Answer} Answer */

const CLEARED = { "Set-Cookie": "session_record_id=; Path=/; Max-Age=0" };

export class MockSession {
  id = "42";
  /** Milliseconds since the session began, for a server whose clock nobody sets. */
  now = 0;
  endReason = "";
  /** Whether the pages that ask need a session. */
  isProtected;
  /** In seconds, as in the token. */
  idleDeadline;
  #idleTimeout;
  #end;

  /** @param {{ idleTimeout?: number, lifetime?: number, isProtected?: boolean }} [options] in seconds */
  constructor({ idleTimeout = 900, lifetime = 86_400, isProtected = true } = {}) {
    this.#idleTimeout = idleTimeout;
    this.#end = lifetime;
    this.isProtected = isProtected;
    this.idleDeadline = Math.min(idleTimeout, lifetime);
  }

  /**
   * @param {string} path
   * @param {any} body
   * @param {string | undefined} cookies
   * @param {number} ms since the session began
   * @returns {Answer}
   */
  answer(path, body, cookies, ms) {
    const now = Math.floor(ms / 1000);
    const asksToLeave = body?.leaving === true;
    const belongs = cookies?.includes(`session_record_id=${this.id}`) ?? false;
    if (belongs && !this.endReason && now >= this.idleDeadline) {
      this.endReason = this.idleDeadline >= this.#end ? "expired" : "idle";
    }
    if (path.endsWith("/logout")) {
      if (belongs) this.endReason ||= body?.reason ?? "logout";
      return { status: 204, headers: CLEARED };
    }
    const reason = belongs ? this.endReason : "missing";
    if (reason) {
      return {
        status: 401,
        json: { success: false, reason, protected: this.isProtected },
        headers: asksToLeave ? {} : CLEARED,
      };
    }
    if (body?.session === this.id) {
      const asked = now - (body.inactiveSeconds ?? 0) + this.#idleTimeout;
      this.idleDeadline = Math.max(this.idleDeadline, Math.min(asked, this.#end));
    }
    const kept = `session_record_id=${this.id}; Path=/; Max-Age=86400`;
    return {
      json: {
        success: true,
        idleExpiresInSeconds: this.idleDeadline - now,
        sessionExpiresInSeconds: this.#end - now,
      },
      headers: asksToLeave ? {} : { "Set-Cookie": kept },
    };
  }
}
