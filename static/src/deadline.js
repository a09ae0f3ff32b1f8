/** When a page locks itself. Pure. */

/** The idle timeout until a server has told its own (`IDLE_TIMEOUT_SECONDS`'s default): a page that never got an answer locks too. */
const ASSUMED_MS = 1_800_000;

/**
 * Milliseconds until the page locks: never later than the server ends the session.
 * @param {number} timeoutMs the page's own idle timeout
 * @param {number} idleMs how long there was no activity
 * @param {number | null} serverMs until the server's deadline; null where it never told one
 */
export function remainingMs(timeoutMs, idleMs, serverMs) {
  const own = (serverMs === null ? Math.min(timeoutMs, ASSUMED_MS) : timeoutMs) - idleMs;
  return serverMs === null ? own : Math.min(own, serverMs);
}

/** How long before the end the warning comes, in ms. @param {number} warnMs @param {number} timeoutMs @param {number} serverTimeoutMs */
export function warnMs(warnMs, timeoutMs, serverTimeoutMs) {
  return Math.min(warnMs, timeoutMs / 2, serverTimeoutMs / 2);
}
