import { journeyWithTable } from "../api/journey.mjs";
import { watchOnNocodb } from "../harness/targets.mjs";

journeyWithTable("cargo lambda watch on NocoDB", watchOnNocodb);
