import { assertLines } from "../attacks/log.mjs";
import { serveOnNocodb, serveOnSqlite } from "../harness/targets.mjs";
import { logs } from "./log.mjs";

logs("lastseen serve on SQLite", serveOnSqlite, assertLines);
logs("lastseen serve on NocoDB", serveOnNocodb, assertLines);
