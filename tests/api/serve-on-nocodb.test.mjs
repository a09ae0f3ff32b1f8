import { serveOnNocodb } from "../harness/targets.mjs";
import { journeyWithTable } from "./journey.mjs";

journeyWithTable("lastseen serve on NocoDB", serveOnNocodb);
