/**
 * What the log tells of visits, written once for everything that serves the API: enough to see what
 * happened, and nothing about who it was.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertDiscreet, FORWARDED } from "../attacks/log.mjs";
import { Visitor } from "../harness/http.mjs";
import { until } from "../harness/process.mjs";

/** @typedef {import("./journey.mjs").Target} Target */

const ENTER = "/api/verify-temp-access";
const HEARTBEAT = "/api/session-heartbeat";
const PASSCODE = "correct-horse-battery-4711";
const WRONG_PASSCODE = "wrong-horse-battery-1147";

/** With these settings the server has something to keep to itself. */
const SETTINGS = { ACCESS_PASSCODE: PASSCODE, DENIED_EMAILS: "@denied.example" };

/**
 * @param {string} where
 * @param {(settings: NodeJS.ProcessEnv) => Promise<Target>} start
 * @param {(log: string) => void} assertReadable
 */
export function logs(where, start, assertReadable) {
  suite(`the log of ${where}`, () => {
    /** @type {Target} */
    let target;
    /** Every token that was handed out. @type {string[]} */
    const tokens = [];
    before(async () => {
      target = await start(SETTINGS);
    });
    after(async () => {
      await target?.stop();
    });

    /** As a proxy passes it on. @param {Visitor} visitor @param {string} path @param {import("../harness/http.mjs").Call} [call] */
    async function send(visitor, path, call = {}) {
      const headers = { "x-forwarded-for": FORWARDED.join(", "), ...call.headers };
      const answer = await visitor.send(path, { ...call, headers });
      const token = visitor.cookies.get("lastseen");
      if (token) tokens.push(token);
      return answer;
    }

    test("a visit from its start to its end, and all that goes wrong, tell nobody's email, address, token or passcode", async () => {
      const anna = new Visitor(target.url);
      const passcode = PASSCODE;
      for (const form of [
        { email: "anna@visitors.example", passcode: WRONG_PASSCODE },
        { email: "anna@visitors.example" },
        { email: "not an email at visitors.example", passcode },
        { email: "someone@denied.example", passcode },
        { email: "anna@visitors.example", passcode },
      ]) {
        await send(anna, ENTER, { form: /** @type {Record<string, string>} */ (form) });
        await send(anna, ENTER, { json: form });
      }
      assert.ok(anna.cookies.has("lastseen"), "the last one is let in");
      const pages = { "/portfolio/confidential/": { seconds: 1, scroll: 5 } };
      await send(anna, HEARTBEAT, { method: "POST" });
      await send(anna, HEARTBEAT, { json: { session: anna.rowId, activeSeconds: 1, pages } });
      await send(anna, HEARTBEAT, { json: { activeSeconds: "anna@visitors.example" } });
      await send(anna, HEARTBEAT);
      await send(anna, "/api/session-refresh?redirect=/portfolio/confidential/?for=anna@x.example");
      await send(anna, HEARTBEAT, { method: "POST", headers: { "sec-fetch-site": "cross-site" } });
      await send(anna, ENTER, {
        body: "{anna@visitors.example",
        headers: { "content-type": "application/json" },
      });
      const stale = new Map(anna.cookies);
      await send(anna, "/api/logout", { json: { reason: "logout", everywhere: true } });
      anna.cookies = stale;
      await send(anna, HEARTBEAT, { method: "POST" });
      anna.cookies = new Map([["lastseen", `${tokens[0]?.slice(0, -3)}AAA`]]);
      await send(anna, HEARTBEAT, { method: "POST" });

      await until("end in the log", () => /session ended/.test(target.log));
      await sleep(100);
      assert.match(target.log, /session started/);
      assertReadable(target.log);
      assertDiscreet(target.log, [
        PASSCODE,
        WRONG_PASSCODE,
        "visitors.example",
        "anna",
        ...tokens.flatMap((token) => token.split(".")),
      ]);
    });
  });
}
