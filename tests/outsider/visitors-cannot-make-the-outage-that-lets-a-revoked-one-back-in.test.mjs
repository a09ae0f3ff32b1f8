/**
 * A real NocoDB behind a proxy that behaves as its cloud does: the sixth request within a second locks
 * everybody out for half a minute. Twelve sessions ask as fast as they can, and a visitor who was revoked
 * tries to get back in by the outage that this would make.
 */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Visitor } from "../harness/http.mjs";
import { NocoTable } from "../harness/nocodb.mjs";
import { Serve } from "../harness/serve.mjs";
import { Detour } from "../lambda/detour.mjs";

const PAGE = "/portfolio/confidential/";
const HEARTBEAT = "/api/session-heartbeat";
const REFRESH = `/api/session-refresh?redirect=${encodeURIComponent(PAGE)}`;
const NAVIGATION = {
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-site": "same-origin",
  "sec-fetch-user": "?1",
};
const MOST_A_SECOND = 5;
const LOCKED_OUT_MS = 30_000;

/** @type {{ stop: () => unknown }[]} */
const started = [];
afterEach(async () => {
  for (const one of started.splice(0).reverse()) await one.stop();
});

/** Counts as the cloud does. @param {Detour} nocodb */
function cloud(nocodb) {
  const seen = { lockOuts: 0, most: 0 };
  /** @type {number[]} */
  let lately = [];
  let lockedUntil = 0;
  nocodb.before = ({ path }) => {
    if (!path.includes("/data/")) return undefined;
    const now = Date.now();
    lately = [...lately.filter((at) => at > now - 1_000), now];
    seen.most = Math.max(seen.most, lately.length);
    if (now >= lockedUntil && lately.length > MOST_A_SECOND) {
      lockedUntil = now + LOCKED_OUT_MS;
      seen.lockOuts += 1;
    }
    return now < lockedUntil ? { status: 429, json: { msg: "too many requests" } } : undefined;
  };
  return seen;
}

/** From a network of its own, as the proxy in front of `serve` tells it. */
class Guest extends Visitor {
  /** @param {string} site @param {string} network */
  constructor(site, network) {
    super(site);
    this.network = network;
  }

  /** @param {string} path @param {import("../harness/http.mjs").Call} [call] */
  send(path, call = {}) {
    return super.send(path, {
      ...call,
      headers: { "x-forwarded-for": this.network, ...call.headers },
    });
  }

  /** Another browser with a copy of the cookies. */
  copy() {
    const copy = new Guest(this.site, this.network);
    copy.cookies = new Map(this.cookies);
    return copy;
  }

  /** Opens the page as a person does, by way of the gate. Whether it was served. */
  async opens() {
    let path = PAGE;
    for (let hops = 0; hops < 4; hops += 1) {
      const answer = await this.send(path, { headers: NAVIGATION });
      if (answer.status === 200) return path === PAGE;
      if (answer.status !== 302) return false;
      path = answer.headers.location ?? "";
      if (path.startsWith("/access/")) return false;
    }
    return false;
  }
}

test("visitors who ask without pause make no outage, and none lets a revoked one back in", async () => {
  const table = await NocoTable.create();
  const nocodb = await Detour.start(table.settings.NOCODB_URL);
  const seen = cloud(nocodb);
  const settings = { ...table.settings, NOCODB_URL: nocodb.url };
  // Pages are trusted for some seconds, so that all of this happens within some more.
  const serve = await Serve.start({
    ...settings,
    ...{ FLOOD_LIMITS: "on", TRUSTED_HOPS: "2", FRESH_SECONDS: "4" },
  });
  started.push(nocodb, serve);
  const guest = (/** @type {number} */ number) => new Guest(serve.url, `198.51.100.${number}`);

  const [eve, bob] = [guest(1), guest(2)];
  const crowd = Array.from({ length: 12 }, (_, number) => guest(10 + number));
  for (const [number, one] of [eve, bob, ...crowd].entries())
    await one.enter(`guest-${number}@example.com`);
  const stolen = eve.copy();
  // The owner types a word, in NocoDB itself.
  await table.type(eve.rowId, { endReason: "revoked" });
  await wait(4_100);

  const end = Date.now() + 12_000;
  let asked = 0;
  const asking = crowd.map(async (one) => {
    while (Date.now() < end) {
      const answer = await one.send(HEARTBEAT);
      asked += 1;
      assert.ok([200, 429].includes(answer.status), `${answer.status}: ${answer.text}`);
      assert.equal(answer.cookies.length, 0, "a question extends nothing");
    }
  });
  let tries = 0;
  let isKnown = false;
  const breakingIn = (async () => {
    while (Date.now() < end) {
      assert.equal(await stolen.copy().opens(), false, "a revoked visitor was shown the page");
      const refreshed = await stolen.copy().send(REFRESH, { headers: NAVIGATION });
      assert.notEqual(refreshed.headers.location, PAGE, "a revoked visitor was let through");
      isKnown ||= /reason=revoked/.test(refreshed.headers.location ?? "");
      // A heartbeat may be queued before anybody knows, and is answered then.
      const { status } = await stolen.copy().send(HEARTBEAT, { method: "POST" });
      assert.ok(status === 401 || status === 429 || (status === 200 && !isKnown), `${status}`);
      tries += 1;
    }
  })();
  const arriving = (async () => {
    for (let number = 0; Date.now() < end - 2_000; number += 1) {
      const newcomer = new Guest(serve.url, `203.0.113.${number}`);
      await newcomer.enter(`newcomer-${number}@example.com`);
      assert.ok(await newcomer.opens(), "a newcomer gets in and sees the page");
      await wait(1_500);
    }
  })();
  const reading = (async () => {
    let pages = 0;
    while (Date.now() < end) {
      pages += Number(await bob.opens());
      await wait(2_000);
    }
    return pages;
  })();
  await Promise.all([...asking, breakingIn, arriving, reading]);

  assert.equal(seen.lockOuts, 0, `${seen.most} requests within a second`);
  assert.ok(seen.most <= MOST_A_SECOND, `${seen.most} requests within a second`);
  assert.ok(asked > 100 && tries > 3 && isKnown, `${asked} questions, ${tries} tries`);
  assert.ok((await reading) >= 3, "whoever was inside reads on");

  // Then NocoDB is away for real: whoever is inside reads on, and what is known to be over stays over.
  nocodb.before = () => ({ status: 429, json: {} });
  await wait(4_100);
  assert.ok(await bob.opens(), "an outage throws nobody out");
  assert.equal(await stolen.copy().opens(), false, "nor lets anybody back in");
  const beat = await stolen.copy().send(HEARTBEAT, { method: "POST" });
  assert.deepEqual([beat.status, beat.json?.reason], [401, "revoked"]);
  const state = await stolen.copy().send(HEARTBEAT);
  assert.deepEqual([state.json?.hasSession, state.json?.reason], [false, "revoked"]);
});
