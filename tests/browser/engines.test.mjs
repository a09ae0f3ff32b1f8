/** The same behaviours in Chromium, Firefox and WebKit, through each browser's own means. */
import { after, describe } from "node:test";
import { engines, openEngine } from "../harness/engines.mjs";
import { gate } from "./engines/gate.mjs";
import { idle } from "./engines/idle.mjs";
import { sending } from "./engines/sending.mjs";
import { tabs } from "./engines/tabs.mjs";

// Most of the time is waiting, so the engines wait side by side.
describe("engines", { concurrency: true }, () => {
  for (const name of engines) {
    describe(name, { concurrency: false }, () => {
      /** @type {Promise<import("../harness/engines.mjs").Engine> | undefined} */
      let opened;
      // Where it is missing each of its tests says so.
      const engine = () => {
        opened ??= openEngine(name);
        return opened;
      };
      after(async () => (await opened?.catch(() => null))?.quit());
      sending(engine, name);
      idle(engine, name);
      tabs(engine);
      gate(engine);
    });
  }
});
