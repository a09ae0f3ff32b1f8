/** How many requests NocoDB gets: for heartbeats, and for a page full of protected pictures. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Visitor } from "../tests/harness/http.mjs";
import { Counted } from "./counted.mjs";
import { add } from "./report.mjs";
import {
  cookies,
  HEARTBEAT,
  home,
  PAGE,
  SESSION_KEYS,
  startRival,
  startServe,
} from "./servers.mjs";

const PICTURES = 30;
const IN_A_ROW = 200;
const LONE = 3;
/** A process asks whether everything was ended when it is to know and was told longer ago than this. */
const ASKED_EVERY_MS = 5000;
/** Longer ago than a token is fresh for pictures: five times `FRESH_SECONDS`. */
const STALE_SECONDS = 400;

const RIVAL = "Node server";
const picture = (/** @type {number} */ number) => `${PAGE}pictures/${number}.svg`;
const navigation = {
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
  "sec-fetch-site": "none",
};
const embedded = {
  "sec-fetch-mode": "no-cors",
  "sec-fetch-dest": "image",
  "sec-fetch-site": "same-origin",
};

/** @param {import("../tests/harness/nocodb.mjs").NocoTable} table */
export async function requests(table) {
  console.error("  requests to NocoDB");
  const counted = await Counted.start(table.settings.NOCODB_URL);
  const settings = { ...table.settings, NOCODB_URL: counted.url };
  const serve = await startServe({ ...settings, SESSION_KEYS, STATIC_DIR: site() });
  const node = await startRival(settings);
  const start = Math.floor(Date.now() / 1000) - 2 * STALE_SECONDS;
  const time = new Date(start * 1000).toISOString();
  const ids = await table.addMany(
    Array.from({ length: 5 }, (_, number) => ({
      emailOfAccessor: `reader-${number}@example.com`,
      sessionStartTime: time,
      sessionEndTime: time,
    })),
  );
  /** @param {string} url @param {number} [issuedAgo] */
  const visitor = (url, issuedAgo = 0) => {
    const visitor = new Visitor(url);
    const issued = Math.floor(Date.now() / 1000) - issuedAgo;
    const all = cookies(ids.shift() ?? "", start, issued);
    visitor.cookies = new Map(Object.entries(all));
    return visitor;
  };
  const quiet = () => sleep(ASKED_EVERY_MS + 200);

  const heartbeats = async (/** @type {Visitor} */ visitor, count = IN_A_ROW) => {
    for (let number = 0; number < count; number += 1) await heartbeat(visitor);
  };
  const [one, other] = [visitor(serve.url), visitor(node.url)];
  await quiet();
  const busy = (await counted.during(() => heartbeats(one))) / IN_A_ROW;
  const rivals = (await counted.during(() => heartbeats(other))) / IN_A_ROW;
  let lone = 0;
  for (let number = 0; number < LONE; number += 1) {
    await quiet();
    lone += await counted.during(() => heartbeats(one, 1));
  }
  const direct = "requests to NocoDB for a heartbeat";
  add(`${direct}, of ${IN_A_ROW} in a row`, "count", [busy], RIVAL, [rivals]);
  add(`${direct}, alone in ${ASKED_EVERY_MS / 1000} s`, "count", [lone / LONE], RIVAL, [rivals]);

  // Lately asked, as on a site with many visitors; and not.
  const page = `requests to NocoDB for a page with ${PICTURES} pictures, the token stale`;
  const reader = other;
  const readers = await counted.during(() => open(reader));
  const latecomers = [visitor(serve.url, STALE_SECONDS), visitor(serve.url, STALE_SECONDS)];
  const [first, second] = latecomers;
  if (!first || !second) return;
  await heartbeats(one, 1);
  const among = await counted.during(() => open(first));
  await quiet();
  const alone = await counted.during(() => open(second));
  add(`${page}, among others`, "count", [among], RIVAL, [readers]);
  add(`${page}, alone in ${ASKED_EVERY_MS / 1000} s`, "count", [alone], RIVAL, [readers]);

  // No page was opened before: a tab that was left open, whose pictures are fetched anew.
  const left = visitor(serve.url, STALE_SECONDS);
  const embeddedOnly = await counted.during(() => pictures(left));
  const [rivalsPictures] = [await counted.during(() => pictures(other))];
  const figure = `requests to NocoDB for those pictures without the page, the token stale`;
  add(figure, "count", [embeddedOnly], RIVAL, [rivalsPictures]);
  await Promise.all([serve.stop(), node.stop()]);
  counted.stop();
}

/** A folder to serve, with protected pictures. */
function site() {
  const folder = join(home, "pictures-site");
  mkdirSync(join(folder, PAGE, "pictures"), { recursive: true });
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>Site</title>");
  const images = Array.from({ length: PICTURES }, (_, number) => `<img src="${picture(number)}">`);
  writeFileSync(join(folder, PAGE, "index.html"), `<!doctype html><title>Page</title>${images}`);
  for (let number = 0; number < PICTURES; number += 1) {
    const image = `<svg xmlns="http://www.w3.org/2000/svg"><text>${number}</text></svg>`;
    writeFileSync(join(folder, picture(number)), image);
  }
  return folder;
}

/** @param {Visitor} visitor */
async function heartbeat(visitor) {
  const answer = await visitor.send(HEARTBEAT, { method: "POST" });
  if (answer.status !== 200) throw new Error(`a heartbeat was answered ${answer.status}`);
}

/** As a browser does: the page, then its pictures, all at once. @param {Visitor} visitor */
async function open(visitor) {
  await get(visitor, PAGE, navigation);
  await pictures(visitor);
}

/** @param {Visitor} visitor */
async function pictures(visitor) {
  const numbers = Array.from({ length: PICTURES }, (_, number) => number);
  await Promise.all(numbers.map((number) => get(visitor, picture(number), embedded)));
}

/**
 * Follows redirects, with whatever cookies came on the way.
 *
 * @param {Visitor} visitor
 * @param {string} path
 * @param {Record<string, string>} headers
 */
async function get(visitor, path, headers) {
  let to = path;
  for (let hop = 0; hop < 4; hop += 1) {
    const answer = await visitor.send(to, { headers });
    if (answer.status === 200) return;
    to = answer.headers.location ?? "";
    if (answer.status !== 302 || to.startsWith("/access/")) break;
  }
  throw new Error(`${path}: sent to ${to}`);
}
