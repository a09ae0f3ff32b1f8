// The rival: what the original heartbeat pattern does, as a plain Node server. It reads the row's id
// from the cookie, writes the end time into the row and answers. No signature, no deadlines, no log.
//
//     NOCODB_URL=… NOCODB_BASE_ID=… NOCODB_TABLE_ID=… NOCODB_API_TOKEN=… PORT=8081 node benches/rival.mjs
//
// With DATABASE_PATH it writes to SQLite, by the npm package sqlite3 in NODE_MODULES_IN. With neither
// it stores nothing.

import { createServer } from "node:http";
import { createRequire } from "node:module";

/** As many rows as there are visitors in a measurement. */
const VISITORS = 64;
const { env } = process;
const database = env.DATABASE_PATH ? open(env.DATABASE_PATH) : undefined;

/** @param {string} path */
function open(path) {
  const { Database } = createRequire(`${env.NODE_MODULES_IN}/package.json`)("sqlite3");
  const database = new Database(path);
  database.exec(`PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
    CREATE TABLE emailAccess (id INTEGER PRIMARY KEY, sessionEndTime TEXT);
    WITH RECURSIVE numbers (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < ${VISITORS})
    INSERT INTO emailAccess (id) SELECT id FROM numbers;`);
  return database.prepare("UPDATE emailAccess SET sessionEndTime = ? WHERE id = ?");
}

/** @param {string} id @param {string} time @returns {Promise<boolean>} */
async function write(id, time) {
  if (database) {
    return new Promise((resolve) => {
      database.run(time, Number(id), (/** @type {Error | null} */ error) => resolve(!error));
    });
  }
  if (!env.NOCODB_URL) return true;
  const records = `/api/v3/data/${env.NOCODB_BASE_ID}/${env.NOCODB_TABLE_ID}/records`;
  const answer = await fetch(env.NOCODB_URL + records, {
    method: "PATCH",
    headers: { "xc-token": env.NOCODB_API_TOKEN ?? "", "content-type": "application/json" },
    body: JSON.stringify({ id: Number(id), fields: { sessionEndTime: time } }),
  });
  // Read to its end, or the connection could not be used again.
  await answer.text();
  return answer.ok;
}

createServer(async (request, response) => {
  const [, id] = /(?:^|; )session_record_id=([^;]+)/.exec(request.headers.cookie ?? "") ?? [];
  const timestamp = new Date().toISOString();
  const success = id ? await write(id, timestamp).catch(() => false) : false;
  response.statusCode = success ? 200 : id ? 502 : 401;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ success, timestamp }));
}).listen(Number(env.PORT), "127.0.0.1");
