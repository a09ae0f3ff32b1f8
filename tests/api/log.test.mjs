import { assertLines } from "../attacks/log.mjs";
import { isThorough } from "../harness/loop.mjs";
import { serveOnNocodb, serveOnSqlite } from "../harness/targets.mjs";
import { logs } from "./log.mjs";

logs("lastseen serve on SQLite", serveOnSqlite, assertLines);
if (isThorough) logs("lastseen serve on NocoDB", serveOnNocodb, assertLines);
