/** What states and end reasons are called. */
import { h } from "./dom.js";

/**
 * An address or a path, which may break where one would break it by hand: after `@`, `/`, `.` and
 * the like.
 *
 * @param {string} text
 * @returns {(string | Node)[]}
 */
export function breakable(text) {
  const parts = text.match(/[^@/._-]+[@/._-]*|[@/._-]+/g) ?? [];
  return parts.flatMap((part, index) => (index === 0 ? [part] : [h("wbr"), part]));
}

/** A path, as stored. @param {string} path */
export function pathName(path) {
  return h("span", { class: "path" }, ...breakable(path));
}

/** @typedef {import("./api.js").Session} Session */

/** End reasons as the API names them; `none` is a visit that closed without one. */
export const REASONS = /** @type {const} */ ([
  ["logout", "Logout"],
  ["idle", "Idle timeout"],
  ["expired", "Session lifetime"],
  ["revoked", "Revoked"],
  ["none", "Vanished"],
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
  return h("span", { class: "badge looking" }, dot(), "Looking now");
}

/** The light that burns while somebody looks; words beside it say so. */
export function dot() {
  return h("span", { class: "dot", "aria-hidden": "true" });
}

/** What stands behind a figure that still grows. */
export function soFar() {
  return h("span", { class: "so-far" }, " so far");
}
