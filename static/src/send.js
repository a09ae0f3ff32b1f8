/** Heartbeats: what they say, when they go out, and what becomes of them. */
import { elapsed, FOREVER, NEVER, now, seconds } from "./clock.js";
import { idleMs, locked } from "./lock.js";
import { here, own, seenMs } from "./looking.js";
import { attempt, log } from "./safely.js";
import { gap, lockedGap, retry, retryAfterMs } from "./schedule.js";
import { settings } from "./settings.js";
import { activity, answered, changed, deadline, session, telling, told, total } from "./tabs.js";

/** An answer slower than this is none. */
export const PATIENCE_MS = 30_000;

/** The heartbeat that waits for its answer. @type {AbortController | null} */
let flight = null;
/** When this page last sent. */
export let asked = NEVER;
/** How many heartbeats are to follow at once and soon. */
let soon = 2;
/** Heartbeats in a row that had nothing new to say. */
let quiet = 0;
/** Sends that failed in a row. */
export let failures = 0;
let retryMs = 0;
/** What the server asked us to wait. */
let serverWaitMs = 0;
/** The next heartbeat tells this page, whatever tab is newer. */
let naming = false;

export function inFlight() {
  return flight !== null;
}

export function dropFlight() {
  flight?.abort();
  flight = null;
}

export function resetSending() {
  dropFlight();
  failures = quiet = 0;
  asked = NEVER;
  soon = 2;
}

/** A heartbeat is wanted at once, unless a tab sent a moment ago or the server asked us to wait. */
export function sendSoon() {
  soon = 2;
  quiet = 0;
  retryMs = serverWaitMs;
}

/** Another page of the site is told of soon. */
export function sendOnce() {
  soon ||= 1;
}

/** The page is locked: it asks at once. */
export function askNow() {
  failures = quiet = 0;
}

/** Ask again, and say which page this is. */
export function askNaming() {
  naming = true;
  asked = NEVER;
  failures = 0;
  soon = 2;
}

/** Milliseconds until the next heartbeat is due. */
export function waitMs() {
  const since = elapsed(asked);
  if (failures) return retryMs - since;
  if (locked) return lockedGap(settings.interval, quiet) - since;
  if (naming) return 0;
  const news = elapsed(changed) < elapsed(answered);
  const granted = deadline ? elapsed(answered) - elapsed(deadline) : FOREVER;
  return (
    gap(settings.interval, soon > 0, news, quiet, told, granted) -
    Math.min(since, elapsed(answered))
  );
}

/** @param {boolean} leaving */
export function snapshot(leaving) {
  const { activeSeconds, pages } = total();
  // Where another tab has the newest activity, this page is not the current one.
  const isCurrent = naming || elapsed(own) <= elapsed(activity);
  const body = {
    session: session || undefined,
    activeSeconds,
    inactiveSeconds: seconds(idleMs()),
    seenSecondsAgo: seconds(seenMs()),
    page: isCurrent ? here : undefined,
    pages,
    leaving,
  };
  log("heartbeat", body);
  return body;
}

/**
 * A string body goes out as text/plain: no preflight, should the endpoint be on another port.
 * @param {string} url @param {string} body @param {RequestInit} options
 */
export function post(url, body, options) {
  return fetch(url, { method: "POST", body, credentials: "include", ...options });
}

/**
 * Sends a heartbeat.
 * @param {(response: Response | undefined, answer: any, idle: number, named: boolean) => void} done
 *   takes what came back, how long there had been no activity when it was sent (ms), and whether the
 *   page was told
 */
export async function heartbeat(done) {
  const mine = new AbortController();
  flight = mine;
  asked = now();
  quiet = !locked && (soon || elapsed(changed) < elapsed(answered)) ? 0 : quiet + 1;
  soon = Math.max(0, soon - 1);
  const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
  let idle = 0;
  let named = false;
  /** @type {Response | undefined} */
  let response;
  /** @type {any} */
  let answer;
  try {
    const body = snapshot(false);
    telling();
    idle = body.inactiveSeconds * 1000;
    named = body.page !== undefined;
    naming = false;
    response = await post(settings.endpoint, JSON.stringify(body), { signal: mine.signal });
    // A proxy's HTML, nothing at all, half an answer: none of it is ours.
    answer = await response.json().catch(() => null);
  } catch (error) {
    log(error);
  }
  clearTimeout(patience);
  if (flight !== mine) return;
  flight = null;
  attempt(() => done(response, answer, idle, named));
}

/** A send that failed: none of what it told counts as told. @param {Response} [response] */
export function failed(response) {
  failures += 1;
  serverWaitMs = retryAfterMs(response?.headers.get("Retry-After"), Date.now());
  retryMs = retry(settings.interval, failures, serverWaitMs, Math.random());
}

export function succeeded() {
  failures = serverWaitMs = 0;
}

/**
 * The heartbeat of a page that goes away, for which nobody waits. `true` from sendBeacon is not
 * delivery (offline it says true and delivers nothing), so nothing is taken as sent here.
 */
export function sayGoodbye() {
  const body = JSON.stringify(snapshot(true));
  // Missing, or replaced by something that throws: as if it had refused.
  if (attempt(() => navigator.sendBeacon(settings.endpoint, body))) return;
  post(settings.endpoint, body, { keepalive: true }).catch(log);
}
