/**
 * The same attacks on the functions as `cargo lambda watch` runs them, with a table in a real NocoDB:
 * all but those on files, and on connections, which are not the functions' to accept.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { send } from "../harness/http.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { answers } from "./answers.mjs";
import { bodies } from "./bodies.mjs";
import { cookies } from "./cookies.mjs";
import { checkThatThePartnerMay, crossSite } from "./cross-site.mjs";
import { checkThatTheOwnerSees, injection } from "./injection.mjs";
import { assertDiscreet } from "./log.mjs";
import { methods } from "./methods.mjs";
import { checkThatTheOwnerMay, owner } from "./owner.mjs";
import { redirects } from "./redirects.mjs";
import { Tally } from "./tally.mjs";
import { ENTER, HEARTBEAT, someone, Target, WATCH } from "./target.mjs";

/** See serve.test.mjs. */
const AT_LEAST = 1850;

suite("the functions under attack", () => {
  const tally = new Tally();
  /** @type {Awaited<ReturnType<typeof Target.watch>>} */
  let running;
  const target = () => running;
  before(async () => {
    running = await Target.watch();
  });
  after(async () => {
    await running?.stop();
  });

  test("visitors get in, the partner may ask, and the owner sees", async () => {
    const { token } = await running.visitor();
    await running.assertOpen(token);
    await checkThatThePartnerMay(running);
    await checkThatTheOwnerSees(running);
    await checkThatTheOwnerMay(running);
  });

  cookies(tally, target, WATCH);
  redirects(tally, target, WATCH);
  crossSite(tally, target, WATCH);
  methods(tally, target);
  owner(tally, target);
  injection(tally, target, WATCH);
  answers(tally, target, WATCH);
  bodies(tally, target);

  test("visitors still come in", async () => {
    const { token } = await running.visitor();
    await running.assertOpen(token);
  });

  test("without its table nobody is let in, and nobody is told why", async () => {
    const { token } = await running.visitor();
    await running.dropTable();
    for (const [path, headers] of /** @type {const} */ ([
      [ENTER, {}],
      [HEARTBEAT, { cookie: `lastseen=${token}` }],
    ])) {
      const json = { email: someone() };
      const { status, text, cookies } = await send(running.url, path, { json, headers });
      assert.equal(status, 503, text);
      assert.doesNotMatch(text, /nocodb|table|127\.0\.0\.1|xc-token/i);
      if (path === ENTER) assert.deepEqual(cookies, []);
    }
  });

  test("every line of a function's log parses, and tells no email, no token and no address", () => {
    running.assertReadable(running.log);
    assertDiscreet(running.log, [ADMIN_TOKEN]);
  });

  test("nothing got through", () => {
    console.log(`functions: ${tally}`);
    assert.deepEqual(tally.through, []);
    assert.ok(tally.tried >= AT_LEAST, `${tally} is fewer than the ${AT_LEAST} expected`);
  });
});
