// The table of cases that both gates have to agree on, with the tokens it describes.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

/** @type {any} */
export const table = JSON.parse(readFileSync(new URL("./cases.json", import.meta.url), "utf8"));

/** @param {string} text */
const base64url = (text) => Buffer.from(text).toString("base64url");

/**
 * The token of a case, or the table's own.
 * @param {any} [given]
 */
export function token(given = {}) {
  const header = { ...table.header, ...given.header };
  const claims = { ...table.claims, ...given.claims };
  for (const name of given.bare ?? []) {
    delete header[name];
  }
  for (const name of given.without ?? []) {
    delete claims[name];
  }
  const message = [
    given.rawHeader ?? JSON.stringify(header),
    given.rawClaims ?? JSON.stringify(claims),
  ]
    .map(base64url)
    .join(".");
  const key = Buffer.from(table.secrets[given.key ?? "a"], "base64");
  return `${message}.${createHmac("sha256", key).update(message).digest("base64url")}`;
}

/**
 * A case's verdict, as an answer of the function shows it.
 * @param {import('./cloudfront.mjs').Answer} answer
 * @param {string} slash what a path without its trailing slash is redirected to
 */
export function verdict(answer, slash) {
  const location = answer.headers.location?.value ?? "";
  if (answer.statusCode === undefined || (location !== "" && location === slash)) {
    return "in";
  }
  if (location.startsWith("/api/session-refresh")) {
    return "refresh";
  }
  if (location.startsWith("/access/")) {
    return location.endsWith("reason=invalid#invalid") ? "invalid" : "gate";
  }
  return `${answer.statusCode} ${location}`;
}

/** What the function can show of the table's verdicts. */
export const SHOWN = Object.freeze({
  open: "in",
  pass: "in",
  refresh: "refresh",
  ended: "refresh",
  ahead: "503 ",
  gate: "gate",
  invalid: "invalid",
});
