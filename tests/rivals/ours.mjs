/** lastseen.js, as one column of the tables. */
import { readFile } from "node:fs/promises";

/** @typedef {import("./visit.mjs").Column} Column */

/** Notes when the content was covered: before the server was asked, not once it has answered. */
const watch = `
  addEventListener("lastseen:warn", () => simulation.mark("warned"));
  addEventListener("lastseen:idle", () => queueMicrotask(() => {
    if (!lastseen.status().covered) return;
    simulation.mark("covered");
    simulation.mark("locked");
  }));
`;

/** @type {Column} */
export const ours = {
  name: "lastseen.js",
  script: async () =>
    watch + (await readFile(new URL("../../static/lastseen.js", import.meta.url), "utf8")),
  seconds: ({ site }) =>
    site.calls.reduce((most, { body }) => Math.max(most, body?.activeSeconds ?? 0), 0),
  sends: true,
};
