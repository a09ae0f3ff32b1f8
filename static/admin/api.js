/** The owner's routes of the API (docs/api.md), and the shapes of what they answer. */

/**
 * How fresh an answer is, and how much of the store it has seen.
 * @typedef {{ asOf: string, olderAsOf: string, complete: boolean, completeSince: string | null,
 *   leftOut: boolean, rows: number, stored: number | null }} Data
 * @typedef {{ path: string, seconds: number, scroll: number }} SessionPage
 * @typedef {{ id: string, email: string, start: string, lastSeen: string, durationSeconds: number,
 *   activeSeconds: number | null, state: "open" | "ended" | "vanished", looking: boolean,
 *   endReason: string | null, endedAt: string | null, currentPage: string | null,
 *   pages: SessionPage[] }} Session
 * @typedef {{ sessions: Session[], total: number, next: string | null, data: Data }} Sessions
 * @typedef {{ email: string, sessions: number, openSessions: number, looking: boolean,
 *   firstVisit: string, lastVisit: string, lastSeen: string, durationSeconds: number,
 *   activeSeconds: number, activeUnknown: number, medianActiveSeconds: number | null,
 *   pages: (SessionPage & { sessions: number })[], pagesLeftOut: number }} Visitor
 * @typedef {{ visitors: Visitor[], total: number, next: string | null, data: Data }} Visitors
 * @typedef {{ start: string, label: string, sessions: number, visitors: number,
 *   durationSeconds: number, activeSeconds: number }} Period
 * @typedef {{ path: string, sessions: number, visitors: number, seconds: number,
 *   medianSeconds: number | null, scroll: { median: number | null, reached: number[] } }} Page
 * @typedef {"logout" | "idle" | "expired" | "revoked" | "none"} Reason
 * @typedef {{
 *   sessions: { total: number, open: number, looking: number, ended: number, vanished: number },
 *   visitors: number,
 *   durationSeconds: { total: number, median: number | null },
 *   activeSeconds: { total: number, median: number | null, unknown: number },
 *   reasons: Record<Reason, number>,
 *   periods: { unit: "hour" | "day" | "month", timeZone: string, items: Period[] },
 *   pages: Page[], pagesLeftOut: number, looking: Session[], data: Data }} Summary
 * @typedef {Record<string, string>} Query
 */

/** The server drives its reading for about 5 seconds an answer; twice and a cold start is patience enough. */
const PATIENCE_MS = 20_000;
/** For what follows once it has begun to answer: 2 MB of CSV over a line of 20 kB/s. */
const LONGEST_BODY_MS = 120_000;

/** An answer that is none: what the problem is called, and which parameter it is about. */
export class ApiError extends Error {
  /** @param {Response} response @param {Record<string, any>} problem */
  constructor(response, problem) {
    super(
      typeof problem.detail === "string"
        ? problem.detail
        : `the server answered ${response.status}`,
    );
    this.status = response.status;
    /** @type {string | undefined} */
    this.code = problem.code;
    /** Which parameter is wrong. @type {string | undefined} */
    this.parameter = problem.parameter;
    /** Why the owner is not known: `missing`, `invalid` or `expired`. @type {string | undefined} */
    this.reason = problem.reason;
    /** In seconds; 0 where the server did not say. */
    this.retryAfter = Number(response.headers.get("Retry-After")) || 0;
  }

  /** Whether signing in is what helps. */
  get needsSignIn() {
    return this.status === 401;
  }
}

/** No answer at all: no network, no server, or no patience left. */
export class Unreachable extends Error {}

/** By how much the server's clock is ahead of this one. Ages are told by the server's. */
let aheadMs = 0;

/** The server's time now, in milliseconds since 1970. */
export function serverNow() {
  return Date.now() + aheadMs;
}

/**
 * Sends a request to the API of this site, and reads what it answers.
 *
 * @template T
 * @param {string} path
 * @param {RequestInit} options
 * @param {(response: Response) => Promise<T>} read takes a good answer to its end
 * @returns {Promise<T>}
 * @throws {ApiError | Unreachable} or the reason of the signal that ended it, however far it had come
 */
export async function send(path, options, read) {
  const patience = new AbortController();
  const stop = () => patience.abort();
  let timer = setTimeout(stop, PATIENCE_MS);
  const outer = options.signal;
  outer?.addEventListener("abort", stop);
  if (outer?.aborted) stop();
  try {
    const response = await fetch(path, {
      cache: "no-store",
      credentials: "same-origin",
      ...options,
      signal: patience.signal,
    });
    const told = Date.parse(response.headers.get("Date") ?? "");
    // The header tells whole seconds: half of one is as near as it gets.
    if (told) aheadMs = told + 500 - Date.now();
    clearTimeout(timer);
    timer = setTimeout(stop, LONGEST_BODY_MS);
    if (!response.ok) throw new ApiError(response, await response.json().catch(() => ({})));
    const answer = await read(response);
    // What is not asked for any more shows nothing.
    outer?.throwIfAborted();
    return answer;
  } catch (error) {
    if (outer?.aborted) throw outer.reason;
    if (error instanceof ApiError) throw error;
    throw new Unreachable("the server cannot be reached", { cause: error });
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
}

/**
 * @param {string} path
 * @param {Query} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
function get(path, query, signal) {
  return send(address(path, query), { signal }, (response) => response.json());
}

/** @param {string} path @param {Query} query */
export function address(path, query) {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} path @param {unknown} body @returns {Promise<any>} */
function post(path, body) {
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  return send(path, options, async (response) =>
    response.status === 204 ? undefined : response.json(),
  );
}

/** @param {Query} query @param {AbortSignal} [signal] @returns {Promise<Summary>} */
export const summary = (query, signal) => get("/api/summary", query, signal);

/** @param {Query} query @param {AbortSignal} [signal] @returns {Promise<Sessions>} */
export const sessions = (query, signal) => get("/api/sessions", query, signal);

/** @param {Query} query @param {AbortSignal} [signal] @returns {Promise<Visitors>} */
export const visitors = (query, signal) => get("/api/visitors", query, signal);

/**
 * Ends one session.
 *
 * @param {string} id
 * @returns {Promise<{ ended: number, endReason?: string }>} 0 where it had ended before
 */
export function revokeSession(id) {
  return post(`/api/sessions/${encodeURIComponent(id)}/revoke`, {});
}

/** Ends all sessions of a visitor. @param {string} email @returns {Promise<{ ended: number }>} */
export function revokeVisitor(email) {
  return post("/api/sessions/revoke", { email });
}

/** @param {string} token */
export async function signIn(token) {
  await post("/api/admin/login", { token });
}

/** @param {string} once the code of a link that `lastseen admin link` made */
export async function signInByLink(once) {
  await post("/api/admin/login", { once });
}

export async function signOut() {
  await post("/api/admin/logout", {});
}
