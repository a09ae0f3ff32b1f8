/**
 * One story, and the same answers to the byte from everything that serves the API: `lastseen serve`, the
 * functions under `cargo lambda watch`, and the functions as `sam build` makes them, behind API Gateway.
 */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../harness/http.mjs";
import { builtOnNocodb, serveOnNocodb, serveOnSqlite, watchOnNocodb } from "../harness/targets.mjs";
import { BUILDS } from "../lambda/bootstraps.mjs";
import { plain } from "./answer.mjs";
import { DIFFERENCES } from "./differences.mjs";
import { SETTINGS, STEPS } from "./steps.mjs";

/** @typedef {import("../api/journey.mjs").Target} Target */
/** @typedef {import("./answer.mjs").Plain} Plain */

/** @type {{ what: string, place: import("./differences.mjs").Place, start: (settings: NodeJS.ProcessEnv) => Promise<Target> }[]} */
const PLACES = [
  { what: "lastseen serve on SQLite", place: "serve", start: serveOnSqlite },
  { what: "lastseen serve on NocoDB", place: "serve", start: serveOnNocodb },
  { what: "cargo lambda watch on NocoDB", place: "watch", start: watchOnNocodb },
  ...BUILDS.map((build) => ({
    what: `the functions as built for ${build}, on NocoDB`,
    place: /** @type {const} */ ("lambda"),
    start: (/** @type {NodeJS.ProcessEnv} */ settings) => builtOnNocodb(build, settings),
  })),
];

/** What the first place answered, by step. @type {Plain[]} */
const wanted = [];

/** The people of the story, each with a cookie jar. */
class People {
  /** @type {Map<string, Visitor>} */
  #all = new Map();

  /** @param {string} site */
  constructor(site) {
    this.site = site;
  }

  /** @param {string} [name] @param {string} [copy] whose cookies they start with */
  visitor(name = "", copy = "") {
    const known = this.#all.get(name);
    if (known) return known;
    const visitor = new Visitor(this.site);
    if (copy) visitor.cookies = new Map(this.visitor(copy).cookies);
    if (name) this.#all.set(name, visitor);
    return visitor;
  }

  /** `{anna}` as the row id of anna's session. @param {string} text */
  fillIn(text) {
    return text.replace(/\{(\w+)\}/g, (whole, name) => this.#all.get(name)?.rowId ?? whole);
  }

  /** @param {import("./steps.mjs").Step} step */
  async play({ as, copy, path, method, headers, body, json, form }) {
    const fill = (/** @type {any} */ value) =>
      value === undefined ? undefined : JSON.parse(this.fillIn(JSON.stringify(value)));
    return this.visitor(as, copy).send(this.fillIn(path), {
      method,
      headers: {
        host: SETTINGS.SITE_AUDIENCE,
        "x-lastseen-edge": SETTINGS.EDGE_SECRET,
        ...headers,
      },
      body: body === undefined ? undefined : this.fillIn(body),
      json: fill(json),
      form: fill(form),
    });
  }
}

for (const { what, place, start } of PLACES) {
  suite(what, () => {
    /** @type {Target} */
    let target;
    /** @type {People} */
    let people;
    before(async () => {
      target = await start(SETTINGS);
      people = new People(target.url);
    });
    after(async () => {
      await target?.stop();
    });

    for (const [index, step] of STEPS.entries()) {
      test(step.what, async () => {
        await sleep(step.afterMs ?? 0);
        const answer = await people.play(step);
        const refused =
          (step.hasOtherLetters && DIFFERENCES.otherLetters.statuses[place]) ||
          (step.isForeignHost && DIFFERENCES.foreignHost.statuses[place]) ||
          undefined;
        assert.equal(answer.status, refused ?? step.status, answer.text);
        if (refused) return;
        if (step.isNoRoute) {
          assert.match(answer.text, DIFFERENCES.noRoute.answers[place]);
          return;
        }
        const told = plain(answer, place);
        wanted[index] ??= told;
        assert.deepEqual(told, wanted[index]);
      });
    }
  });
}
