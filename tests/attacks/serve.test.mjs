/**
 * Attacks on a running `lastseen serve`, as an outsider would make them. Only against a process of
 * our own on 127.0.0.1. `watch.test.mjs` does the same to the functions.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, suite, test } from "node:test";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import { answers } from "./answers.mjs";
import { bodies } from "./bodies.mjs";
import { connections, FILES } from "./connections.mjs";
import { cookies, cookiesOnPages } from "./cookies.mjs";
import { checkThatThePartnerMay, crossSite } from "./cross-site.mjs";
import { aroundTheEdge } from "./edge.mjs";
import { floods } from "./floods.mjs";
import { framings } from "./framings.mjs";
import { checkThatTheOwnerSees, injection } from "./injection.mjs";
import { assertDiscreet } from "./log.mjs";
import { methods } from "./methods.mjs";
import { checkThatTheOwnerMay, owner } from "./owner.mjs";
import { checkThatFilesAreThere, paths } from "./paths.mjs";
import { redirects, redirectsAcrossHosts, redirectsOfPaths } from "./redirects.mjs";
import { Tally } from "./tally.mjs";
import { SERVE, ServeTarget } from "./target.mjs";

/** How many there are at least: a table that is not read any more would go unnoticed. */
const AT_LEAST = 3000;

suite("lastseen serve under attack", () => {
  const tally = new Tally();
  /** @type {ServeTarget} */
  let running;
  const target = () => running;
  before(async () => {
    // Of this process, and so of every server that it starts.
    const limit = spawnSync("prlimit", [`--pid=${process.pid}`, `--nofile=${FILES}:${FILES}`]);
    assert.equal(limit.status, 0, `prlimit: ${limit.stderr}`);
    running = await ServeTarget.start();
  });
  after(async () => {
    await running?.stop();
  });

  test("there is something to steal, and visitors and the partner get it", async () => {
    await checkThatFilesAreThere(running);
    await checkThatThePartnerMay(running);
    await checkThatTheOwnerSees(running);
    await checkThatTheOwnerMay(running);
  });

  paths(tally, target);
  cookies(tally, target, SERVE);
  cookiesOnPages(tally, target);
  redirects(tally, target, SERVE);
  redirectsOfPaths(tally, target);
  redirectsAcrossHosts(tally);
  crossSite(tally, target, SERVE);
  methods(tally, target);
  owner(tally, target);
  injection(tally, target, SERVE);
  answers(tally, target, SERVE);
  bodies(tally, target);
  framings(tally, target);
  connections(tally, target);
  floods(tally);
  aroundTheEdge(tally);

  test("the log is readable, and tells no email, no token and no address", () => {
    running.assertReadable(running.log);
    assertDiscreet(running.log, [ADMIN_TOKEN]);
  });

  test("it is still running, and visitors still come in", async () => {
    assert.ok(running.serve.running?.isRunning);
    await checkThatFilesAreThere(running);
  });

  test("nothing got through", () => {
    console.log(`lastseen serve: ${tally}`);
    assert.deepEqual(tally.through, []);
    assert.ok(tally.tried >= AT_LEAST, `${tally} is fewer than the ${AT_LEAST} expected`);
  });
});
