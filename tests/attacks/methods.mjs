/** Requests by another method than the one that the route has. */
import assert from "node:assert/strict";
import { ENTER, HEARTBEAT, LOGOUT, PAGE, REFRESH } from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./tally.mjs").Tally} Tally */

/** Which methods each route has; of those, GET and HEAD change nothing but at `/logout`, for a navigation. */
const ROUTES = [
  { path: ENTER, allow: "POST" },
  { path: HEARTBEAT, allow: "GET, POST" },
  { path: `${REFRESH}?redirect=${PAGE}`, allow: "GET" },
  { path: LOGOUT, allow: "POST" },
  { path: "/logout", allow: "GET" },
  ...["sessions", "sessions.csv", "sessions/1", "visitors", "visitors.csv", "summary"].map(
    (report) => ({ path: `/api/${report}`, allow: "GET" }),
  ),
  { path: "/api/sessions/revoke", allow: "POST" },
  { path: "/api/sessions/1/revoke", allow: "POST" },
  { path: "/api/admin/login", allow: "POST" },
  { path: "/api/admin/logout", allow: "POST" },
];
const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "PURGE",
  "QUERY",
  "get",
  "post",
  "GETPOST",
  "X".repeat(40),
];

/** @type {Record<string, string>[]} */
const OVERRIDES = [
  { "x-http-method-override": "POST" },
  { "x-http-method": "POST" },
  { "x-method-override": "POST" },
];

/** @param {Tally} tally @param {() => Target} target */
export function methods(tally, target) {
  /** @type {Awaited<ReturnType<Target["visitor"]>> | undefined} */
  let known;
  tally.holds(
    "every other method is refused, and changes nothing",
    ROUTES.flatMap((route) =>
      METHODS.filter((method) => !route.allow.split(", ").includes(method)).map((method) => ({
        method,
        ...route,
      })),
    ),
    async ({ method, path, allow }) => {
      // One visitor for all: a method that did anything is what the next would stumble over as well.
      known ??= await target().visitor();
      const { row, token } = known;
      const before = await target().row(row);
      const { status, head } = await ask(target().url, path, {
        method,
        headers: { "content-length": "0", cookie: `lastseen=${token}` },
      });
      assert.equal(status, 405, `status ${status}`);
      assert.match(head, new RegExp(`^allow: ${allow}\\r?$`, "im"));
      assert.doesNotMatch(head, /^set-cookie:/im);
      assert.deepEqual(await target().row(row), before);
      await target().assertOpen(token);
    },
  );

  tally.holds(
    "no header and no parameter makes one method another",
    OVERRIDES.flatMap((headers) => [
      { method: "GET", path: LOGOUT, headers },
      { method: "GET", path: `${LOGOUT}?_method=POST`, headers },
      { method: "HEAD", path: LOGOUT, headers },
      { method: "PUT", path: LOGOUT, headers },
      { method: "PATCH", path: HEARTBEAT, headers },
      { method: "GET", path: ENTER, headers },
      { method: "GET", path: `${ENTER}?email=attacker@example.com`, headers },
    ]),
    async ({ method, path, headers }) => {
      const { token } = await target().visitor();
      const { status, head } = await ask(target().url, path, {
        method,
        headers: { ...headers, "content-length": "0", cookie: `lastseen=${token}` },
      });
      assert.equal(status, 405, `status ${status}`);
      assert.doesNotMatch(head, /^set-cookie:/im);
      await target().assertOpen(token);
    },
  );
}
