/**
 * lastseen: says "still here" while a page is being looked at, so that the server
 * knows when the visitor was last seen.
 *
 *   <script src="/lastseen.js" defer></script>
 *
 *   data-interval="180000"                  milliseconds between heartbeats, 1000 to 86400000
 *   data-endpoint="/api/session-heartbeat"  where they go
 *   data-logout-url="/api/logout"           where logout() goes
 *   data-gate="/access/"                    where a visitor goes whose session has ended
 *   data-debug                              say in the console what happens
 *
 * lastseen.logout() ends the session, lastseen.status() says how it stands.
 * Until there is a cookie `session_record_id` nothing is sent.
 */
(() => {
  /**
   * @typedef {{ wall: number, mono: number }} Moment
   * @typedef {{ kind: "open", idleSeconds: number }
   *   | { kind: "ended", reason: string, isProtected: boolean }
   *   | { kind: "refused", status: number }
   *   | { kind: "failed", why: string, retryAfterMs: number }} Answer
   * @typedef {{ session: string | null, tracking: boolean, seenSecondsAgo: number,
   *   nextHeartbeatInSeconds: number | null }} Status
   * @typedef {{ logout: () => Promise<void>, status: () => Status }} Lastseen
   */

  // A page rendered on a server has nobody looking at it; and one copy per page is enough.
  if (typeof window === "undefined") return;
  const root = /** @type {Window & { lastseen?: Lastseen }} */ (window);
  if (typeof root.lastseen?.status === "function") return;

  /** Timers are hints (see `tick`): the longest time between two looks at the clock. */
  const GLANCE_MS = 15_000;
  /** An answer slower than this counts as a failed send. */
  const PATIENCE_MS = 30_000;
  /** The first pause after a failed send; it doubles from there, up to the interval. */
  const FIRST_RETRY_MS = 5_000;
  /** Away for longer, a page says first when it was last looked at, and that it is again second. */
  const AWAY_MS = 5_000;
  /** However long a server asks us to wait, ask again after an hour. */
  const LONGEST_RETRY_AFTER_MS = 3_600_000;
  /** However near a server says the idle deadline is, at most one heartbeat a second. */
  const SHORTEST_PACE_MS = 1_000;

  // --- Settings -----------------------------------------------------------------------------

  // `currentScript` is null in a module, where the defaults hold.
  const attributes = document.currentScript?.dataset ?? {};
  const intervalMs = wholeNumber("interval", 180_000, 1_000, 86_400_000);
  const endpoint = address("endpoint", "/api/session-heartbeat");
  const logoutUrl = address("logoutUrl", "/api/logout");
  const gate = address("gate", "/access/");
  const debug = attributes.debug !== undefined && attributes.debug !== "false";

  /** @param {string} name @param {number} fallback @param {number} min @param {number} max */
  function wholeNumber(name, fallback, min, max) {
    const text = attributes[name];
    if (text === undefined) return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    return rejected(name, `a whole number from ${min} to ${max}`, fallback);
  }

  /** @param {string} name @param {string} fallback */
  function address(name, fallback) {
    const text = attributes[name];
    if (text === undefined) return fallback;
    try {
      const url = new URL(text, document.baseURI);
      if (text && /^https?:$/.test(url.protocol)) return url.href;
    } catch {
      // Not an address: the warning below says so.
    }
    return rejected(name, "an http address or a path", fallback);
  }

  /** @template T @param {string} name @param {string} wanted @param {T} fallback @returns {T} */
  function rejected(name, wanted, fallback) {
    const attribute = `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    console.warn(`[lastseen] ${attribute} is not ${wanted}; using ${fallback}`);
    return fallback;
  }

  /** @param {unknown[]} words */
  function log(...words) {
    if (debug) console.log("[lastseen]", ...words);
  }

  // --- Clock --------------------------------------------------------------------------------

  /** @returns {Moment} */
  function now() {
    return { wall: Date.now(), mono: performance.now() };
  }

  /**
   * Milliseconds since a moment. The wall clock goes on while a laptop sleeps (the monotonic one
   * stops there, except on Windows), the monotonic one survives a clock that is set back: so the
   * larger of the two.
   * @param {Moment} moment
   */
  function elapsedSince(moment) {
    return Math.max(Date.now() - moment.wall, performance.now() - moment.mono);
  }

  // --- Session and snapshot -----------------------------------------------------------------

  /** The newest session seen on this page. */
  let session = "";
  /** The session that has ended, we were told, or is refused. The dead stay dead. */
  let over = "";
  /** Whether the visitor looks: so far that means that the page is visible, and no more. */
  let looking = false;
  /** When they last did. */
  let lastLooked = now();
  /** When we last looked at the clock. */
  let glance = now();
  /** Nobody looked for a while, in which the session may have ended; the next answer says. */
  let unsure = false;

  function sessionCookie() {
    return /(?:^|;\s*)session_record_id=([^;\s]+)/.exec(document.cookie)?.[1] ?? "";
  }

  /**
   * The session to send for, or "". When its cookie disappears (a logout in another tab) it is
   * still asked about once: the answer says what became of it, and whether this page may stay.
   */
  function openSession() {
    session = sessionCookie() || session;
    return session === over ? "" : session;
  }

  /** A laptop that slept past the idle deadline with its page visible: nobody looked meanwhile. */
  function noticeSleep() {
    if (looking && !unsure && elapsedSince(glance) >= Math.max(idleMs, 2 * PATIENCE_MS)) {
      unsure = true;
      lastLooked = glance;
    }
    glance = now();
  }

  function seenSecondsAgo() {
    return looking && !unsure ? 0 : Math.round(elapsedSince(lastLooked) / 1000);
  }

  /** @param {boolean} leaving */
  function snapshot(leaving) {
    return { session, seenSecondsAgo: seenSecondsAgo(), page: location.pathname, leaving };
  }

  // --- Sending ------------------------------------------------------------------------------

  /** The heartbeat that waits for its answer. @type {AbortController | null} */
  let flight = null;

  /** A newer heartbeat, a logout or the end of the page makes a pending answer worthless. */
  function dropFlight() {
    flight?.abort();
    flight = null;
  }

  /**
   * A string body goes out as text/plain: no preflight, should the endpoint be on another port.
   * @param {string} url @param {string} body @param {RequestInit} options
   */
  function post(url, body, options) {
    return fetch(url, { method: "POST", body, credentials: "include", ...options });
  }

  /**
   * One heartbeat, and what its answer means.
   * @param {AbortSignal} signal
   * @returns {Promise<Answer>}
   */
  async function ask(signal) {
    const body = JSON.stringify(snapshot(false));
    log("heartbeat", body);
    const response = await post(endpoint, body, { signal });
    const { status } = response;
    // A proxy's HTML, nothing at all, half an answer: none of it is ours.
    const answer = await response.json().catch(() => null);
    if (response.ok && answer?.success === true) {
      return { kind: "open", idleSeconds: answer.idleExpiresInSeconds };
    }
    if (status === 401 && typeof answer?.reason === "string") {
      return { kind: "ended", reason: answer.reason, isProtected: answer.protected === true };
    }
    if (status >= 400 && status < 500 && ![401, 408, 429].includes(status)) {
      return { kind: "refused", status };
    }
    return { kind: "failed", why: `answer ${status}`, retryAfterMs: retryAfter(response) };
  }

  /** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now. @param {Response} response */
  function retryAfter(response) {
    const text = response.headers.get("Retry-After") ?? "";
    const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
    return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : 0;
  }

  async function heartbeat() {
    const mine = new AbortController();
    const asked = session;
    flight = mine;
    timer = setTimeout(() => mine.abort(), PATIENCE_MS);
    due = { since: now(), wait: pace(), atLeast: 0 };
    /** @type {Answer} */
    let answer;
    try {
      answer = await ask(mine.signal);
    } catch (error) {
      answer = { kind: "failed", why: String(error), retryAfterMs: 0 };
    }
    if (flight !== mine) return;
    flight = null;
    act(answer, asked);
    log("answer", JSON.stringify({ ...answer, ...status() }));
    tick();
  }

  /** @param {Answer} answer @param {string} asked the session it is about */
  function act(answer, asked) {
    if (answer.kind === "failed") {
      failures += 1;
      const backoff = Math.min(pace(), FIRST_RETRY_MS * 2 ** (failures - 1));
      const wait = Math.max(backoff * spread(), answer.retryAfterMs * (2 - spread()));
      due = { since: now(), wait, atLeast: answer.retryAfterMs };
      return;
    }
    failures = 0;
    if (answer.kind === "open") {
      if (answer.idleSeconds > 0) idleMs = answer.idleSeconds * 1000;
      // What was said of the time before is in the row; now for the present.
      due.wait = unsure ? 0 : pace();
      unsure = false;
      return;
    }
    over = asked;
    // Somebody may have come in again in another tab meanwhile: then the page goes on for them.
    if (answer.kind === "ended" && answer.isProtected && !openSession()) {
      location.replace(gateFor(answer.reason));
    }
  }

  /**
   * The heartbeat of a page that goes away, for which nobody waits. `true` from sendBeacon is not
   * delivery (offline it says true and delivers nothing), so nothing is taken as sent here.
   */
  function farewell() {
    const body = JSON.stringify(snapshot(true));
    log("leaving", body);
    try {
      if (navigator.sendBeacon(endpoint, body)) return;
    } catch {
      // Missing, or replaced by something that throws: as if it had refused.
    }
    post(endpoint, body, { keepalive: true }).catch(log);
  }

  // --- Schedule -----------------------------------------------------------------------------

  /** When the next heartbeat is due, in ms after `since`; not before `atLeast`, whatever happens. */
  let due = { since: now(), wait: 0, atLeast: 0 };
  /** @type {number | undefined} */
  let timer;
  let failures = 0;
  /** How long the server will hold the session open without a heartbeat. */
  let idleMs = Number.POSITIVE_INFINITY;

  /** The pause between heartbeats: two may be lost before the idle deadline comes. */
  function pace() {
    return Math.min(intervalMs, Math.max(SHORTEST_PACE_MS, idleMs / 3));
  }

  /** Half to all of a pause, so that pages that failed together do not return together. */
  function spread() {
    return 0.5 + Math.random() / 2;
  }

  /**
   * Sends what is due, else looks again soon. Timers stop in a sleeping laptop and a frozen tab and
   * are late in a throttled one, so they only bring us here; the clock decides.
   */
  function tick() {
    clearTimeout(timer);
    noticeSleep();
    if (!looking || !openSession()) return;
    const remaining = due.wait - elapsedSince(due.since);
    if (remaining <= 0) heartbeat().catch(log);
    else timer = setTimeout(guarded(tick), Math.min(remaining, GLANCE_MS));
  }

  /** A heartbeat now, or as soon as a `Retry-After` allows. */
  function hurry() {
    dropFlight();
    due.wait = due.atLeast;
    tick();
  }

  /** The page is visible: loaded, shown again, or back from the back-forward cache. */
  function arrive() {
    if (looking || document.visibilityState !== "visible") return;
    looking = true;
    unsure = elapsedSince(lastLooked) > AWAY_MS;
    glance = now();
    hurry();
  }

  /**
   * The page is not looked at any more. Hiding is the last event a phone is sure to give; going to
   * another page fires `pagehide` first, then hiding (seen in Chromium 156, Firefox 153 and
   * WebKitGTK 2.50). Whichever comes first is the departure.
   */
  function leave() {
    if (!looking) return;
    looking = false;
    if (!unsure) lastLooked = now();
    clearTimeout(timer);
    // Without the cookie the session ended elsewhere, and there is nothing to say for it.
    if (sessionCookie() && openSession()) farewell();
  }

  // --- Ending -------------------------------------------------------------------------------

  /** @param {string} reason */
  function gateFor(reason) {
    const url = new URL(gate, location.href);
    url.searchParams.set("redirect", location.pathname + location.search);
    url.searchParams.set("reason", reason);
    url.hash = reason;
    return url.href;
  }

  async function logout() {
    const body = JSON.stringify({ reason: "logout", ...snapshot(false) });
    // From here on this page sends nothing else, so that no late answer revives the session.
    over = openSession() || over;
    dropFlight();
    clearTimeout(timer);
    log("logout", body);
    try {
      const headers = { "Content-Type": "application/json" };
      // keepalive: a visitor who logs out and closes the tab is logged out.
      const response = await post(logoutUrl, body, { headers, keepalive: true });
      if (!response.ok) throw new Error(`answer ${response.status}`);
      location.replace(gateFor("logout"));
    } catch (error) {
      // Never show the gate to somebody who is still logged in: let the browser try as for a form,
      // and show what comes of it.
      log("logout failed", error);
      const form = document.createElement("form");
      form.method = "post";
      form.action = logoutUrl;
      document.documentElement.append(form);
      form.submit();
    }
  }

  /** @returns {Status} */
  function status() {
    const tracking = openSession() !== "";
    const next = tracking && looking ? due.wait - elapsedSince(due.since) : Number.NaN;
    return {
      session: session || null,
      tracking,
      seenSecondsAgo: seenSecondsAgo(),
      nextHeartbeatInSeconds: next >= 0 ? Math.round(next / 1000) : null,
    };
  }

  // --- Start --------------------------------------------------------------------------------

  /**
   * Our mistakes, and a browser that forbids cookies, stay out of the page's console.
   * @param {() => void} step
   */
  function guarded(step) {
    return () => {
      try {
        step();
      } catch (error) {
        log("gave up a step:", error);
      }
    };
  }

  root.lastseen = Object.freeze({ logout, status });
  // No unload, no beforeunload: either costs the page its place in the back-forward cache, and
  // Chrome is removing the first.
  document.addEventListener(
    "visibilitychange",
    guarded(() => (document.visibilityState === "hidden" ? leave() : arrive())),
  );
  window.addEventListener(
    "pagehide",
    guarded(() => {
      leave();
      dropFlight();
    }),
  );
  window.addEventListener("pageshow", guarded(arrive));
  window.addEventListener(
    "online",
    guarded(() => failures > 0 && hurry()),
  );
  guarded(arrive)();
})();
