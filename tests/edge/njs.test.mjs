// The gate at the edge in njs, an engine of the family that CloudFront's runtime is of: stricter than
// Node about syntax, and with its own strings, regular expressions and crypto.

import assert from "node:assert/strict";
import { test } from "node:test";
import { event, runInNjs, SOURCE, WITHOUT_NJS } from "./cloudfront.mjs";
import { SHOWN, table, token, verdict } from "./table.mjs";

/** Asks the function above it what it makes of `DATA`, one visit after the other. */
const DRIVER = `
Date.now = () => globalThis.clock * 1000;
async function drive() {
  for (let i = 0; i < DATA.length; i++) {
    globalThis.stored = DATA[i].settings;
    globalThis.clock = DATA[i].now;
    const answer = await handler(DATA[i].event);
    const text = JSON.stringify(answer);
    // What is longer than 2,048 characters would be cut off.
    for (let at = 0; at < text.length; at += 1000) {
      console.log('answer ' + i + ':' + text.slice(at, at + 1000));
    }
  }
}
drive();
`;
const STORE = `
async function get(key, options) {
  if (globalThis.stored === null || key !== 'gate' || options.format !== 'json') {
    throw new Error('KeyNotFound');
  }
  return JSON.parse(JSON.stringify(globalThis.stored));
}
export default { kvs: () => ({ get: get }) };
`;

/**
 * What the function answers in njs.
 * @param {{ event: unknown, settings: unknown, now: number }[]} visits
 * @returns {import('./cloudfront.mjs').Answer[]}
 */
function run(visits) {
  const printed = runInNjs(`${SOURCE}\nconst DATA = ${JSON.stringify(visits)};\n${DRIVER}`, STORE);
  const parts = [...printed.matchAll(/^answer (\d+):(.*)$/gm)];
  return visits.map((_, i) => {
    const own = parts.filter(([, number]) => Number(number) === i);
    return JSON.parse(own.map(([, , text]) => text).join(""));
  });
}

test("njs decides every case of the table as it says", { skip: WITHOUT_NJS }, () => {
  const visits = table.cases.map((/** @type {any} */ given) => {
    const request = { ...table.request, ...given };
    const cookie = request.cookie.replaceAll("{token}", token(given));
    return {
      event: event(request.path, { ...request, cookie }),
      settings: { ...table.edge, notBefore: given.notBefore },
      now: given.now ?? table.now,
    };
  });
  const answers = run(visits);
  for (const [i, given] of table.cases.entries()) {
    const shown = verdict(answers[i], `${given.path ?? table.request.path}/`);
    assert.equal(shown, SHOWN[/** @type {'open'} */ (given.verdict)], given.what);
    if (given.location !== undefined) {
      assert.equal(answers[i].headers.location.value, given.location);
    }
  }
});

test("njs reads every spelling of a path as the table says", { skip: WITHOUT_NJS }, () => {
  const cookie = `__Host-lastseen=${token()}`;
  const visits = table.paths.flatMap((/** @type {any} */ given) =>
    ["", cookie].map((cookie) => ({
      event: event(given.path, { ...table.request, cookie }),
      settings: table.edge,
      now: table.now,
    })),
  );
  const answers = run(visits);
  for (const [i, given] of table.paths.entries()) {
    const [without, session] = answers.slice(2 * i);
    if (given.is === "protected") {
      assert.equal(verdict(without, ""), "gate", given.path);
    }
    const shown = session.uri ?? String(session.statusCode);
    assert.equal(shown, given.edge ?? "404", given.path);
  }
});

test("njs lets nobody in where something is broken", { skip: WITHOUT_NJS }, () => {
  const { audience, gate, ...rest } = table.edge;
  const broken = [null, "text", 5, [], {}, rest, { ...rest, gate }, { ...rest, audience }];
  const unusable = { ...table.edge, keys: { a: "" } };
  const visits = [...broken, unusable].map((settings) => ({
    event: event(table.request.path, { cookie: `__Host-lastseen=${token()}` }),
    settings,
    now: table.now,
  }));
  const statuses = run(visits).map((answer) => answer.statusCode);
  assert.deepEqual(statuses, [503, 503, 503, 503, 503, 503, 302, 503, 302]);
});
