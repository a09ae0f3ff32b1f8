import { journeyWithTable } from "../api/journey.mjs";
import { logs } from "../api/log.mjs";
import { assertObjects } from "../attacks/log.mjs";
import { watchOnNocodb } from "../harness/targets.mjs";

journeyWithTable("cargo lambda watch on NocoDB", watchOnNocodb);
logs("cargo lambda watch on NocoDB", watchOnNocodb, assertObjects);
