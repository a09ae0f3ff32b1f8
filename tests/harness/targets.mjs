/** Everything that serves the API, each beside the owner's view of its store. */
import { NocoTable } from "./nocodb.mjs";
import { Serve } from "./serve.mjs";
import { Watch } from "./watch.mjs";

/** @typedef {import("../api/journey.mjs").Target} Target */
/** @typedef {import("../api/journey.mjs").TargetWithTable} TargetWithTable */

/** `lastseen serve` with its own database. @param {NodeJS.ProcessEnv} [settings] @returns {Promise<Target>} */
export function serveOnSqlite(settings) {
  return Serve.start(settings);
}

/** `lastseen serve` with a table in NocoDB. @param {NodeJS.ProcessEnv} [settings] @returns {Promise<TargetWithTable>} */
export async function serveOnNocodb(settings) {
  const table = await NocoTable.create();
  return onNocodb(await Serve.start({ ...table.settings, ...settings }), table);
}

/** The functions, under `cargo lambda watch`, with a table in NocoDB. @returns {Promise<TargetWithTable>} */
export async function watchOnNocodb() {
  const table = await NocoTable.create();
  return onNocodb(await Watch.start(table.settings), table);
}

/**
 * @param {{ url: string, log: string, stop: () => Promise<unknown> }} server
 * @param {NocoTable} table
 * @returns {TargetWithTable}
 */
function onNocodb(server, table) {
  return {
    get url() {
      return server.url;
    },
    get log() {
      return server.log;
    },
    rows: () => table.rows(),
    row: (id) => table.row(id),
    type: (id, fields) => table.type(id, fields),
    remove: (id) => table.delete(id),
    stop: () => server.stop(),
  };
}
