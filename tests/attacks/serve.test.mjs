/**
 * Attacks on a running `lastseen serve`, as an outsider would make them. Only against a process of
 * our own on 127.0.0.1.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { answers } from "./answers.mjs";
import { bodies } from "./bodies.mjs";
import { connections } from "./connections.mjs";
import { cookies } from "./cookies.mjs";
import { checkThatThePartnerMay, crossSite } from "./cross-site.mjs";
import { assertReadable, injection } from "./injection.mjs";
import { checkThatFilesAreThere, paths } from "./paths.mjs";
import { redirects } from "./redirects.mjs";
import { Tally } from "./tally.mjs";
import { Target } from "./target.mjs";

/** How many there are at least: a table that is not read any more would go unnoticed. */
const AT_LEAST = 2160;

suite("lastseen serve under attack", () => {
  const tally = new Tally();
  /** @type {Target} */
  let running;
  const target = () => running;
  before(async () => {
    running = await Target.start();
  });
  after(async () => {
    await running?.stop();
  });

  test("there is something to steal, and visitors and the partner get it", async () => {
    await checkThatFilesAreThere(running);
    await checkThatThePartnerMay(running);
  });

  paths(tally, target);
  cookies(tally, target);
  redirects(tally, target);
  crossSite(tally, target);
  injection(tally, target);
  answers(tally, target);
  bodies(tally, target);
  connections(tally, target);

  test("the log is readable, and tells no email and no token", () => {
    assertReadable(running.log);
    assert.doesNotMatch(running.log, /@example\.com/i);
    assert.doesNotMatch(running.log, /eyJ[\w-]{20,}\./);
    assert.doesNotMatch(running.log, /panicked/);
  });

  test("it is still running, and visitors still come in", async () => {
    assert.ok(running.serve.running?.isRunning);
    await checkThatFilesAreThere(running);
  });

  test("nothing got through", () => {
    console.log(String(tally));
    assert.deepEqual(tally.through, []);
    assert.ok(tally.tried >= AT_LEAST, `${tally} is fewer than the ${AT_LEAST} expected`);
  });
});
