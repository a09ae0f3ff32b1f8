/** Cold starts: from spawning a function to its first answer. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { environment, Running } from "../tests/harness/process.mjs";
import { Moto } from "../tests/lambda/moto.mjs";
import { event } from "../tests/lambda/runtime.mjs";
import { add } from "./report.mjs";
import { built, HEARTBEAT, JSON_TYPE } from "./servers.mjs";

const COLD_STARTS = 101;
export const BARE = "Rust function that does nothing";
const AT_ONCE = "a store that answers at once";
/** What each function answers first, without asking the store. */
const STARTS = [
  { name: "floor", status: 200, event: event(HEARTBEAT) },
  { name: "heartbeat", status: 200, event: event(HEARTBEAT) },
  { name: "verify-access", status: 400, event: post("/api/verify-temp-access", '{"email":""}') },
  { name: "logout", status: 204, event: post("/api/logout", "{}") },
];
/** One that does ask it: somebody comes in. */
const ENTRY = {
  name: "verify-access",
  status: 200,
  event: post("/api/verify-temp-access", '{"email":"first@start.example"}'),
};
/** Ours among them. */
export const FUNCTIONS = STARTS.slice(1).map(({ name }) => name);

const sessionKeys = `bench:${randomBytes(32).toString("base64")}`;
const ACCOUNT = {
  AWS_ACCESS_KEY_ID: "test",
  AWS_SECRET_ACCESS_KEY: "test",
  AWS_REGION: "eu-central-1",
};
const PARAMETERS = {
  SESSION_KEYS_PARAMETER: "/stack/session-keys",
  NOCODB_API_TOKEN_PARAMETER: "/stack/nocodb-api-token",
};

/** @param {{ NOCODB_URL: string, NOCODB_API_TOKEN: string } & Record<string, string>} nocodb */
export async function starts(nocodb) {
  const { NOCODB_URL, ...table } = nocodb;
  const { NOCODB_API_TOKEN, ...withoutToken } = table;
  const plain = { SESSION_KEYS: sessionKeys, ...table };
  const beside = await timed("NocoDB", { ...plain, NOCODB_URL });
  rows("beside NocoDB", beside);
  // Its peak, which is the same beside any store.
  const [floor, heartbeat] = beside;
  add("memory of heartbeat then", "MB", heartbeat?.mb ?? [], BARE, floor?.mb);

  const [bareThen, entry] = await timed("NocoDB, recording a visit", { ...plain, NOCODB_URL }, [
    ...STARTS.slice(0, 1),
    ENTRY,
  ]);
  if (bareThen && entry)
    rows("the first request recording a visit, beside NocoDB", [bareThen, entry]);

  rows(`beside ${AT_ONCE}`, await timed(AT_ONCE, plain));

  const batched = {
    WRITE_EVERY_SECONDS: "300",
    QUEUE_URL: "http://127.0.0.1:1/000000000000/queue",
  };
  const [bare, queued] = await timed(`${AT_ONCE}, in batched mode`, {
    ...plain,
    ...ACCOUNT,
    ...batched,
  });
  if (bare && queued) rows(`in batched mode, beside ${AT_ONCE}`, [bare, queued]);

  const secrets = {
    "/stack/session-keys": sessionKeys,
    "/stack/nocodb-api-token": NOCODB_API_TOKEN,
  };
  const kept = { ...withoutToken, ...ACCOUNT, ...PARAMETERS };
  const moto = await Moto.start();
  try {
    for (const [Name, Value] of Object.entries(secrets)) {
      const target = "AmazonSSM.PutParameter";
      await moto.call("ssm", { target }, { Name, Value, Type: "SecureString" });
    }
    const settings = { ...kept, AWS_ENDPOINT_URL: moto.url };
    rows("with secrets from SSM as moto plays it", await timed("moto", settings));
  } finally {
    await moto.stop();
  }
  const Parameters = Object.entries(secrets).map(([Name, Value]) => ({ Name, Value }));
  const answers = { ...kept, SSM_ANSWERS: JSON.stringify({ Parameters }) };
  rows(
    "with secrets from an SSM that answers at once",
    await timed("an SSM that does so", answers),
  );
}

/** @typedef {{ name: string, ms: number[], mb: number[] }} Start */

/**
 * Each function beside the bare one, by turns.
 *
 * @param {string} store
 * @param {NodeJS.ProcessEnv} settings
 * @param {typeof STARTS} starts
 * @returns {Promise<Start[]>}
 */
async function timed(store, settings, starts = STARTS) {
  console.error(`  cold starts beside ${store}`);
  const programs = starts.flatMap(({ name, event }) => [join(built, name), JSON.stringify(event)]);
  const running = new Running(join(built, "cold-start"), [String(COLD_STARTS), ...programs], {
    env: environment({ SITE_AUDIENCE: "www.example.com", ...settings }),
  });
  if ((await running.ended) !== 0) throw new Error(running.log);
  const lines = running.log.trimEnd().split("\n");
  return starts.map(({ name, status }, number) => {
    const own = lines.map((line) => line.split("\t")).filter((line) => Number(line[0]) === number);
    const wrong = own.find(([, , , answer]) => JSON.parse(answer ?? "").statusCode !== status);
    if (wrong) throw new Error(`${name} answered ${wrong}`);
    return { name, ms: own.map(([, us]) => Number(us) / 1e3), mb: own.map(megabytes) };
  });
}

/** @param {string} where @param {Start[]} starts the bare function first */
function rows(where, [floor, ...functions]) {
  for (const { name, ms } of functions) {
    add(`cold start of ${name}, ${where}`, "ms", ms, BARE, floor?.ms);
  }
}

/** @param {string} path @param {string} body */
function post(path, body) {
  return event(path, { headers: { ...JSON_TYPE }, body });
}

/** @param {string[]} line of cold-start */
function megabytes(line) {
  return (Number(line[2]) * 1024) / 1e6;
}
