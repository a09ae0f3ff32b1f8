/** Calls around the site's own host: the API's address is known, and with it an address of one's choice. */
import assert from "node:assert/strict";
import { send } from "../harness/http.mjs";
import { ADMIN_TOKEN } from "../harness/owner.mjs";
import {
  ENTER,
  HEARTBEAT,
  LOGOUT,
  NAVIGATION,
  PAGE,
  PARTNER,
  REFRESH,
  ServeTarget,
  someone,
} from "./target.mjs";

/** @typedef {import("./tally.mjs").Tally} Tally */

const [NEW, OLD] = [
  "an-edge-secret-of-over-32-characters",
  "the-edge-secret-that-is-on-its-way-out",
];
const EDGE = "x-lastseen-edge";
const SETTINGS = { EDGE_SECRET: `${NEW},${OLD}`, TRUSTED_HOPS: "2" };

/** What they show for the edge's secret, or where they put it. @type {Record<string, string | string[]>[]} */
const CLAIMS = [
  {},
  { [EDGE]: "" },
  { [EDGE]: "undefined" },
  { [EDGE]: NEW.slice(0, -1) },
  { [EDGE]: `${NEW}x` },
  { [EDGE]: NEW.toUpperCase() },
  { [EDGE]: `"${NEW}"` },
  { [EDGE]: `${NEW},${OLD}` },
  { [EDGE]: `${NEW}, ${NEW}` },
  { [EDGE]: [NEW, NEW] },
  { [EDGE]: ["guess", NEW] },
  { [EDGE]: encodeURIComponent(`${NEW} `) },
  { x_lastseen_edge: NEW },
  { "x-lastseen-edges": NEW },
  { "lastseen-edge": NEW },
  { authorization: `Bearer ${NEW}` },
  { cookie: `${EDGE}=${NEW}` },
  { "x-forwarded-host": "127.0.0.1", "x-forwarded-for": "192.0.2.1, 192.0.2.2" },
  { origin: PARTNER },
];

/** @type {{ path: string, call?: import("../harness/http.mjs").Call }[]} */
const CALLS = [
  { path: ENTER, call: { form: { email: someone() } } },
  { path: `${ENTER}?${EDGE}=${NEW}`, call: { json: { email: someone(), [EDGE]: NEW } } },
  { path: ENTER, call: { method: "OPTIONS" } },
  { path: ENTER, call: { body: "x".repeat(100_000) } },
  { path: HEARTBEAT },
  { path: HEARTBEAT, call: { json: {} } },
  { path: `${REFRESH}?redirect=${PAGE}` },
  { path: LOGOUT, call: { json: {} } },
  { path: "/logout" },
  {
    path: "/api/sessions/revoke",
    call: { json: { all: true }, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } },
  },
  { path: "/api/nonsense" },
];

/** @param {Tally} tally */
export function aroundTheEdge(tally) {
  /** @type {ServeTarget | undefined} */
  let target;

  tally.holds(
    "around the site nobody is answered, the owner included",
    async () => {
      target = await ServeTarget.start(SETTINGS);
      const [row] = await target.rows();
      assert.equal(row, undefined);
      return CALLS.flatMap((one) => CLAIMS.map((claim) => ({ ...one, claim })));
    },
    async ({ path, call, claim }) => {
      const url = target?.url ?? "";
      const headers = { ...call?.headers, ...claim };
      const answer = await send(url, path, { ...call, headers });
      assert.equal(answer.json?.code, "not-through-the-site", `status ${answer.status}`);
      assert.equal(answer.status, 403);
      assert.deepEqual(answer.cookies, []);
      const granted = Object.keys(answer.headers).filter((name) => name.startsWith("access-"));
      assert.deepEqual(granted, []);
      assert.ok(!answer.text.includes(NEW) && !answer.text.includes(OLD));
    },
  );

  tally.holds(
    "they did nothing, the log has no secret, and who came through the site is answered",
    [NEW, OLD],
    async (secret) => {
      assert.ok(target);
      const through = { headers: { [EDGE]: secret, "x-forwarded-for": "192.0.2.1, 192.0.2.2" } };
      const entered = await send(target.url, ENTER, { form: { email: someone() }, ...through });
      assert.equal(entered.status, 303, entered.text);
      assert.equal((await target.rows()).length, secret === NEW ? 1 : 2);
      assert.ok(!target.log.includes(secret));
      assert.match(target.log, /not-through-the-site/);
      // A page is the gate's business, whose proxy may show the secret to the API alone.
      const token = entered.cookies[0]?.value ?? "";
      const over = target.resign(token, { exp: 1 });
      const cookie = `lastseen=${over}`;
      const page = await send(target.url, PAGE, { headers: { ...NAVIGATION, cookie } });
      assert.match(page.headers.location ?? "", /^\/api\/session-refresh\?redirect=/);
      if (secret === OLD) await target.stop();
    },
  );
}
