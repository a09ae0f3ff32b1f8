/** The owner's view of many visits, once they have been read. */
import { join } from "node:path";
import { send } from "../tests/harness/http.mjs";
import { ADMIN_TOKEN } from "../tests/harness/owner.mjs";
import { insertIntoSqlite, journeys } from "../tests/harness/visits.mjs";
import { Connection, memoryMb, wire } from "./measure.mjs";
import { add } from "./report.mjs";

const VISITS = 100_000;
const VISITORS = 5_000;
const ROUNDS = 60;
const OWNER = { authorization: `Bearer ${ADMIN_TOKEN}` };

/**
 * Beside writing the same answer out alone, which takes as long whatever the answer is made of.
 *
 * @param {string} home
 * @param {(settings: NodeJS.ProcessEnv) => Promise<{ url: string, pid: number, stop: () => Promise<unknown> }>} startServe
 */
export async function reports(home, startServe) {
  console.error(`  reports of ${VISITS} visits`);
  const database = join(home, "reports.db");
  const serve = await startServe({ DATABASE_PATH: database, ADMIN_TOKEN });
  const [from, to] = [Date.parse("2024-01-01") / 1000, Date.parse("2025-12-31") / 1000];
  const visits = journeys({ count: VISITS, from, to, seed: 1 });
  for (const [index, visit] of visits.entries()) {
    visit.email = `visitor-${index % VISITORS}@example.com`;
  }
  insertIntoSqlite(database, visits);
  const before = memoryMb(serve.pid);
  const begun = performance.now();
  for (;;) {
    const answer = await send(serve.url, "/api/summary", { headers: OWNER });
    if (answer.status !== 200) throw new Error(answer.text);
    if (answer.json.data.complete) break;
  }
  const reading = performance.now() - begun;
  const after = memoryMb(serve.pid);
  const connection = new Connection(serve.url);
  for (const path of ["visitors", "visitors?sort=active&from=2025-01-01", "sessions", "summary"]) {
    const { json } = await send(serve.url, `/api/${path}`, { headers: OWNER });
    const request = wire(`GET /api/${path}`, OWNER);
    const ours = [];
    const raw = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      ours.push(await connection.send(request));
      const begun = performance.now();
      JSON.stringify(json);
      raw.push(performance.now() - begun);
    }
    const figure = `/api/${path}, ${VISITS.toLocaleString("en")} visits`;
    add(figure, "ms", ours, "JSON.stringify of the answer", raw);
  }
  add(`reading ${VISITS.toLocaleString("en")} visits of SQLite`, "ms", [reading]);
  add("memory of the server with them", "MB", [after], "before them", [before]);
  connection.socket.destroy();
  await serve.stop();
}
