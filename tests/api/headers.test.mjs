import { serveOnSqlite } from "../harness/targets.mjs";
import { headers } from "./headers.mjs";

for (const isHttps of [false, true]) headers("lastseen serve", serveOnSqlite, { isHttps });
