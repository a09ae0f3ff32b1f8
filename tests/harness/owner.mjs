/** The owner, who ends sessions by the API. */
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
