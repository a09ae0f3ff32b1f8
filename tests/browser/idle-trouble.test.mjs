/**
 * The lock where something is wrong: settings, storage, workers, servers. What a server alone can
 * do (closing the row, the cap on active time) is tested with the server.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runInNewContext } from "node:vm";
import { hide, launch, quit } from "../harness/browser.mjs";
import { script } from "./mock-server.mjs";
import { POLICY } from "./mock-site.mjs";
import { near, Visit } from "./visit.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

const HOUR = 3600;
const A_QUARTER = 'data-idle-timeout="900000"';

/**
 * @param {import("node:test").TestContext} t
 * @param {Parameters<typeof Visit.open>[2]} [options]
 * @param {string | (() => void)} [before] what runs in the page before anything else
 */
async function visitor(t, options, before) {
  const visit = await Visit.open(browser, t, { idleTimeout: 900, ...options });
  return { visit, tab: await visit.tab("/page", { before }) };
}

/** @param {Visit} visit */
const warnings = ({ site }) => site.console.filter((line) => line.startsWith("warn: [lastseen]"));

// --- Settings -------------------------------------------------------------------------------

test("each bad attribute is one warning, and its default holds", async (t) => {
  const bad = {
    interval: "-5",
    "idle-timeout": "2147483648",
    "warn-before": "19999",
    "activity-window": "5000.5",
    endpoint: "javascript:alert(1)",
    "logout-url": "",
    gate: "http://",
    worker: "data:text/javascript,",
    lang: "tlh",
    text: "a|b|c|d",
  };
  const attributes = Object.entries(bad).map(([name, value]) => `data-${name}="${value}"`);
  const { visit, tab } = await visitor(t, { attributes: attributes.join(" ") });
  assert.equal(warnings(visit).length, attributes.length, visit.site.console.join("\n"));
  await visit.run(838);
  assert.equal(await tab.warning(), null);
  await visit.run(4);
  near((await tab.warning()) ?? 0, 58);
  await visit.run(70);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900);
});

test("a bad timeout changes nothing, whatever is wrong with it", async (t) => {
  const { visit, tab } = await visitor(t);
  const bad = ["2147483648", "59999", "0", "-1", "900000.5", "9e5", "soon", "", " ", "NaN", "∞"];
  for (const value of bad) {
    await tab.evaluate(`lastseen.start({ idleTimeout: ${JSON.stringify(value)} })`);
    near((await tab.status()).idleInSeconds, 900, 0);
  }
  for (const value of ["2 ** 31", "-900000", "1e400", "null", "{}", "[900000, 1]", "() => 1"]) {
    await tab.evaluate(`lastseen.start({ idleTimeout: ${value} })`);
    near((await tab.status()).idleInSeconds, 900, 0);
  }
  assert.equal(warnings(visit).length, bad.length + 7);
  await tab.evaluate("lastseen.start({ idleTimeout: 2 ** 31 - 1 })");
  assert.equal(warnings(visit).length, bad.length + 7, "the longest one is good");
});

test("a warning that is longer than the timeout is told of, and takes half of it", async (t) => {
  const attributes = `${A_QUARTER} data-warn-before="900000"`;
  const { visit, tab } = await visitor(t, { idleTimeout: 2 * HOUR, attributes });
  assert.equal(warnings(visit).length, 1);
  await visit.run(447);
  assert.equal(await tab.warning(), null);
  await visit.run(5);
  assert.notEqual(await tab.warning(), null);
});

// --- Nothing left, and nothing there --------------------------------------------------------

/** Counts in `window.alive` what listens, ticks, works, talks and stores. */
function census() {
  const alive = {
    /** @type {{ target: EventTarget, type: string, signal?: AbortSignal }[]} */
    all: [],
    timers: new Set(),
    workers: 0,
    channels: 0,
    disks: 0,
    get listeners() {
      return this.all.filter(({ signal }) => !signal?.aborted);
    },
    count() {
      const input = /^(pointer|key|wheel|touch|scroll)/;
      const { timers, workers, channels, disks, listeners } = this;
      const inputs = listeners.filter(({ type }) => input.test(type)).length;
      return { timers: timers.size, workers, channels, disks, inputs };
    },
  };
  Object.assign(window, { alive });
  const listen = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    const { signal } = typeof options === "object" ? options : {};
    alive.all.push({ target: this, type, signal });
    return listen.call(this, type, listener, options);
  };
  const { setTimeout: start, clearTimeout: stop } = window;
  // @ts-expect-error: the parts of it that are used
  window.setTimeout = (/** @type {() => void} */ step, /** @type {number} */ ms) => {
    const id = start(() => {
      alive.timers.delete(id);
      step();
    }, ms);
    alive.timers.add(id);
    return id;
  };
  window.clearTimeout = (id) => {
    alive.timers.delete(id);
    stop(id);
  };
  const { Worker: RealWorker, BroadcastChannel: RealChannel } = window;
  window.Worker = class extends RealWorker {
    /** @param {ConstructorParameters<typeof RealWorker>} given */
    constructor(...given) {
      super(...given);
      alive.workers += 1;
    }
    terminate() {
      alive.workers -= 1;
      super.terminate();
    }
  };
  window.BroadcastChannel = class extends RealChannel {
    /** @param {string} name */
    constructor(name) {
      super(name);
      alive.channels += 1;
    }
    close() {
      alive.channels -= 1;
      super.close();
    }
  };
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (name, version) {
    alive.disks += 1;
    return open.call(this, name, version);
  };
  const close = IDBDatabase.prototype.close;
  IDBDatabase.prototype.close = function () {
    alive.disks -= 1;
    close.call(this);
  };
}

const NOTHING = { timers: 0, workers: 0, channels: 0, disks: 0, inputs: 0 };

for (const [how, act] of /** @type {const} */ ([
  ["ended on a public page", "lastseen.stay()"],
  ["was left by lastseen.stop()", "lastseen.stop()"],
])) {
  test(`after a session ${how}, no timer, worker, channel, database or input listener is left`, async (t) => {
    const attributes = 'data-worker="/lastseen-worker.js"';
    const { visit, tab } = await visitor(t, { attributes, isProtected: false }, census);
    await tab.reads(3);
    assert.deepEqual(await tab.evaluate("alive.count()"), {
      timers: 1,
      workers: 1,
      channels: 1,
      disks: 1,
      inputs: 8,
    });
    await tab.evaluate(act);
    await visit.run(910);
    assert.equal((await tab.status()).tracking, false);
    assert.deepEqual(await tab.evaluate("alive.count()"), NOTHING);
    await tab.reads(2);
    const front = await hide(tab.page);
    await tab.page.bringToFront();
    await front.close();
    await visit.run(2);
    assert.deepEqual(await tab.evaluate("alive.count()"), NOTHING);
  });
}

test("two script tags and a start() more are one", async (t) => {
  const visit = await Visit.open(browser, t, { idleTimeout: 900 });
  visit.site.tag += visit.site.tag;
  const tab = await visit.tab("/page", { before: census });
  await tab.evaluate("lastseen.start(), lastseen.start({ idleTimeout: 900_000 })");
  await visit.run(4);
  assert.equal(visit.log.length, 1);
  const twice = await tab.evaluate(`alive.listeners
    .filter((one, at, all) =>
      all.findIndex(({ target, type }) => target === one.target && type === one.type) !== at)
    .map(({ type }) => type)`);
  assert.deepEqual(twice, []);
  assert.equal((await tab.evaluate("alive.count()")).timers, 1);
});

test("where there is no window the script does nothing", () => {
  for (const surroundings of [{}, { self: {}, process: {}, global: {} }, { document: {} }]) {
    const before = Object.keys(surroundings);
    runInNewContext(script, surroundings, { timeout: 1000 });
    assert.deepEqual(Object.keys(surroundings), before);
  }
});

// --- Storage --------------------------------------------------------------------------------

const DENIED = `for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, {
    get() { throw new DOMException("denied", "SecurityError"); },
  });`;
const BROKEN = `for (const method of ["getItem", "setItem", "removeItem", "key"])
    Storage.prototype[method] = () => { throw new DOMException("broken", "InvalidStateError"); };
  IDBFactory.prototype.open = () => { throw new DOMException("broken", "InvalidStateError"); };
  delete window.BroadcastChannel;`;
const FULL = `IDBObjectStore.prototype.put = () => { throw new DOMException("", "QuotaExceededError"); };
  for (let size = 2 ** 22; size >= 1; size /= 2)
    try { for (let n = 0; n < 9; n += 1) localStorage.setItem("x" + size + n, "x".repeat(size)); }
    catch {}`;

for (const [what, before] of [
  ["denied", DENIED],
  ["broken, and no BroadcastChannel either,", BROKEN],
  ["full", FULL],
]) {
  test(`where storage is ${what} a tab counts, warns and locks by itself`, async (t) => {
    const { visit, tab } = await visitor(t, {}, before);
    await tab.reads(10);
    near((await tab.status()).activeSeconds, 10, 1);
    await visit.run(870);
    near((await tab.warning()) ?? 0, 29);
    await tab.press("Stay");
    await visit.run(1);
    near((await tab.status()).idleInSeconds, 899, 1);
    await visit.sleep(HOUR);
    await visit.run(2);
    assert.equal(await tab.gate(), "idle");
    assert.equal(visit.log.at(-1)?.covered, true);
  });
}

test("storage that is cleared half-way takes nothing back, and the page locks on time", async (t) => {
  const { visit, tab } = await visitor(t);
  await tab.reads(20);
  await tab.evaluate(`localStorage.clear(), sessionStorage.clear(),
    indexedDB.databases().then((all) => all.map(({ name }) => indexedDB.deleteDatabase(name)))`);
  await tab.reads(20);
  near((await tab.status()).activeSeconds, 40, 1);
  assert.equal(await tab.evaluate("localStorage.length"), 1, "what is known is written again");
  await visit.run(910);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 939);
});

test("what others left under our names is ignored", async (t) => {
  const before = `for (const text of ["", "x", "{}", "null", "[]", '{"n":9}', '{"n":9,"p":null}',
    '{"n":1e9,"a":9e15,"c":9e15,"s":9e15,"d":9e15,"p":{"/page":[9,9]}}',
    '{"n":"9","a":"x","d":{},"p":{"/page":["x"]}}'])
    localStorage.setItem("lastseen:/api/session-heartbeat:42:" + text.length + text, text);`;
  const { visit, tab } = await visitor(t, {}, before);
  await tab.reads(10);
  assert.equal(visit.log[0]?.covered, false);
  near((await tab.status()).activeSeconds, 9, 1);
  await visit.run(910);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 909);
});

// --- Workers --------------------------------------------------------------------------------

test("where the policy forbids workers the page locks on time and after sleep", async (t) => {
  for (const sleeps of [false, true]) {
    const attributes = 'data-worker="/lastseen-worker.js"';
    const visit = await Visit.open(browser, t, { idleTimeout: 900, attributes });
    visit.site.policy = `${POLICY}; worker-src 'none'`;
    const tab = await visit.tab();
    if (sleeps) await visit.sleep(8 * HOUR);
    else await visit.run(895);
    await visit.run(sleeps ? 2 : 10);
    assert.equal(await tab.gate(), "idle");
    near(visit.locked, sleeps ? 8 * HOUR : 900);
    // The browser tells the owner; it is no exception of ours.
    assert.ok(visit.site.errors.length > 0);
    for (const error of visit.site.errors.splice(0)) assert.match(error, /worker-src 'none'/);
  }
});

for (const [what, worker] of [
  ["throws at once", "throw new Error('broken');"],
  ["throws when it is asked", "onmessage = () => { throw new Error('broken'); };"],
  ["is a page of HTML", "<!doctype html>"],
  ["talks without end", "setInterval(() => postMessage({ idle: true, data: [[]] }), 1);"],
  ["stops itself", "close();"],
]) {
  test(`a worker that ${what} is ignored`, async (t) => {
    const visit = await Visit.open(browser, t, {
      idleTimeout: 900,
      attributes: 'data-worker="/w.js"',
    });
    visit.site.scripts["/w.js"] = worker ?? "";
    const tab = await visit.tab();
    await tab.reads(5);
    await visit.run(890);
    assert.equal((await tab.status()).covered, false);
    assert.ok(visit.log.length <= 6, `${visit.log.length} heartbeats`);
    await visit.run(20);
    assert.equal(await tab.gate(), "idle");
    near(visit.locked, 904);
  });
}

test("the worker wakes a hidden page whose own timers do not come", async (t) => {
  const attributes = 'data-worker="/lastseen-worker.js"';
  const { visit, tab } = await visitor(t, { attributes });
  await visit.run(899.5);
  // From here on only the worker's time goes on, which is ours.
  await hide(tab.page);
  await visit.sleep(1);
  assert.equal(await tab.gate(), "idle");
  near(visit.locked, 900.5, 0);
});
