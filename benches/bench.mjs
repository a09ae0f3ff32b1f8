// Measures lastseen beside its rivals and prints one table: `make bench`.
//
// The sides of a row take turns, so that whatever else the machine does hits them alike. It talks to
// 127.0.0.1 only and ends within ten minutes, come what may.
//
//     tests/nocodb/with-server node benches/bench.mjs                (writes docs/performance.md)
//     tests/nocodb/with-server node benches/bench.mjs debug          (debug builds; writes nothing)
//     tests/nocodb/with-server node benches/bench.mjs debug sizes    (those parts alone)

import { NocoTable } from "../tests/harness/nocodb.mjs";
import { batched } from "./batched.mjs";
import { heartbeatsOnNocodb, heartbeatsOnSqlite } from "./heartbeats.mjs";
import { load } from "./load.mjs";
import { table, write } from "./report.mjs";
import { reports } from "./reports.mjs";
import { requests } from "./requests.mjs";
import { home, profile, startRival, startServe } from "./servers.mjs";
import { sizes } from "./sizes.mjs";
import { starts } from "./starts.mjs";

setTimeout(() => {
  console.error("error: not done within ten minutes");
  process.exit(1);
}, 600_000).unref();

const nocoTable = await NocoTable.create();
/** @type {Record<string, () => unknown>} */
const parts = {
  starts: async () => starts((await NocoTable.create()).settings),
  nocodb: () => heartbeatsOnNocodb(nocoTable),
  requests: () => requests(nocoTable),
  batched,
  sqlite: heartbeatsOnSqlite,
  load: () => load(home, startServe, startRival),
  reports: () => reports(home, startServe),
  sizes,
};
const wanted = process.argv.slice(3);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const begun = performance.now();
  await part();
  console.error(`    ${name}: ${Math.round((performance.now() - begun) / 1000)} s`);
}
console.log(`\n${table()}\n`);
if (profile === "release" && wanted.length === 0) write();
process.exit(0);
