/** What states and end reasons are called, and what each of them means. */
import { h } from "./dom.js";

/** @typedef {import("./api.js").Session} Session */

/** End reasons as the API names them; `none` is a visit that closed without one. */
export const REASONS = /** @type {const} */ ([
  ["logout", "Logout", "the visitor logged out"],
  ["idle", "Idle timeout", "nothing happened for too long"],
  ["expired", "Session lifetime", "the longest a session may last was over"],
  ["revoked", "Revoked", "ended by the owner"],
  ["none", "Vanished", "last seen, and never again: a closed tab, a lid, a dead network"],
]);

/** How a visit ended, in a word. @param {Pick<Session, "state" | "endReason">} session */
export function ending({ state, endReason }) {
  if (state === "open") return "Open";
  if (state === "vanished") return "Vanished";
  return REASONS.find(([reason]) => reason === endReason)?.[1] ?? "Revoked";
}

/** The state of a visit, as a mark with its word in it. @param {Session} session */
export function badge(session) {
  if (session.looking) return lookingBadge();
  const kind = session.state === "open" ? "open" : "closed";
  return h("span", { class: `badge ${kind}` }, ending(session));
}

export function lookingBadge() {
  return h("span", { class: "badge looking" }, h("span", { class: "dot" }), "Looking now");
}

/** What stands behind a figure that still grows. */
export function soFar() {
  return h("span", { class: "so-far" }, " so far");
}
