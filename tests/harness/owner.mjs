/** The owner, who ends sessions by the API. */
import assert from "node:assert/strict";
import { send } from "./http.mjs";

/** A secret of the tests alone. */
export const ADMIN_TOKEN = "token-of-the-owner-in-tests-0123456789";

/**
 * @param {string} site
 * @param {string} path
 * @param {unknown} [json]
 */
export const asOwner = (site, path, json = {}) =>
  send(site, path, { json, headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });

/** The owner's routes to sign in and out. */
export const LOGIN = "/api/admin/login";
export const SIGN_OUT = "/api/admin/logout";

/** Signs the owner in, and gives the value of the cookie. @param {string} site */
export async function signIn(site) {
  const answer = await send(site, LOGIN, { json: { token: ADMIN_TOKEN } });
  assert.equal(answer.status, 200, answer.text);
  const cookie = answer.cookies.find(({ name }) => name.endsWith("lastseen-admin"));
  assert.ok(cookie, "the owner signed in without a cookie");
  return cookie;
}
