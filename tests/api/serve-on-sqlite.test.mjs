import { serveOnSqlite } from "../harness/targets.mjs";
import { journey } from "./journey.mjs";

journey("lastseen serve on SQLite", serveOnSqlite);
