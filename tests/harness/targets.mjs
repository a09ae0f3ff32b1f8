/** Everything that serves the API, each beside the owner's view of its store. */
import { command as bootstrapCommand } from "../lambda/bootstraps.mjs";
import { Gateway } from "../lambda/gateway.mjs";
import { NocoTable } from "./nocodb.mjs";
import { ADMIN_TOKEN } from "./owner.mjs";
import { environment } from "./process.mjs";
import { command, Serve } from "./serve.mjs";
import { Watch } from "./watch.mjs";

/** @typedef {import("../api/journey.mjs").Target} Target */
/** @typedef {import("../api/journey.mjs").TargetWithTable} TargetWithTable */

/** `lastseen serve` with its own database. @param {NodeJS.ProcessEnv} [settings] @returns {Promise<Target>} */
export function serveOnSqlite(settings) {
  return Serve.start({ ADMIN_TOKEN, ...settings });
}

/** `lastseen serve` with a table in NocoDB. @param {NodeJS.ProcessEnv} [settings] @returns {Promise<TargetWithTable>} */
export async function serveOnNocodb(settings) {
  const table = await NocoTable.create();
  return onNocodb(await Serve.start({ ADMIN_TOKEN, ...table.settings, ...settings }), table);
}

/** The functions, under `cargo lambda watch`, with a table in NocoDB. @param {NodeJS.ProcessEnv} [settings] */
export async function watchOnNocodb(settings) {
  const table = await NocoTable.create();
  return onNocodb(await Watch.start({ ADMIN_TOKEN, ...table.settings, ...settings }), table);
}

/**
 * The functions by themselves, behind what API Gateway does, with a table in NocoDB.
 *
 * @param {import("../lambda/bootstraps.mjs").Build} build
 * @param {NodeJS.ProcessEnv} [settings]
 */
export async function builtOnNocodb(build, settings) {
  const table = await NocoTable.create();
  const gateway = await Gateway.start({ ADMIN_TOKEN, ...table.settings, ...settings }, (name) =>
    bootstrapCommand(build, name),
  );
  return onNocodb(gateway, table);
}

/**
 * @param {{ url: string, log: string, stop: () => Promise<unknown> }} server
 * @param {NocoTable} table
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
    /** @param {string} id */
    row: (id) => table.row(id),
    /** @param {string} id @param {Record<string, unknown>} fields */
    type: (id, fields) => table.type(id, fields),
    /** @param {string} id */
    remove: (id) => table.delete(id),
    drop: () => table.drop(),
    settings: table.settings,
    /** What `lastseen` prints of this table. @param {string[]} args */
    command: (...args) => command(args, environment(table.settings)),
    stop: () => server.stop(),
  };
}
