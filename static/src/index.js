/**
 * lastseen: knows how long a page is really looked at, tells the server, and locks the page when the
 * visitor walks away. `docs/script.md` says how it works, and why.
 */
import { alive, listen, startListening, stopListening } from "./activity.js";
import { elapsed, FOREVER, now, seconds } from "./clock.js";
import { dismiss, presented, show, warn } from "./dialog.js";
import {
  ending,
  forgetReason,
  goToGate,
  hold,
  logout as logoutWith,
  reasonKnown,
  resetEnding,
  waitsForOther,
} from "./end.js";
import { hooks } from "./hooks.js";
import {
  endPause,
  idleMs,
  locked,
  mayStay,
  paused,
  remaining,
  resetLock,
  setLocked,
  startPause,
} from "./lock.js";
import {
  arrived,
  attend,
  closePause,
  concludePage,
  credit,
  followAddress,
  glance,
  inFrame,
  isLooking,
  left,
  markOwn,
  measure,
  resetLooking,
  resumeLooking,
  seenMs,
  shown,
  stopLooking,
} from "./looking.js";
import { attempt, eachPage, emit, guarded, log } from "./safely.js";
import { TICK_MS } from "./schedule.js";
import {
  asked,
  askNaming,
  askNow,
  dropFlight,
  failed,
  failures,
  heartbeat,
  inFlight,
  resetSending,
  sayGoodbye,
  sendOnce,
  sendSoon,
  succeeded,
  waitMs,
} from "./send.js";
import { absolute, configure, settings } from "./settings.js";
import {
  abandon,
  activity,
  adopt,
  connect,
  disconnect,
  enterTab,
  forgetTab,
  grant,
  learn,
  leaveTab,
  lifetimeEnd,
  markActivity,
  markAnswered,
  news,
  reread,
  returnToTab,
  saveNews,
  session,
  sessionCookie,
  suspect,
  total,
  tracking,
} from "./tabs.js";
import { startWorker, stopWaking, wakeAfter } from "./wake.js";

/** @typedef {import("./settings.js").Options} Options */
/** @typedef {import("../lastseen.d.ts").Lastseen} Lastseen */

const root = /** @type {Window & { lastseen?: Lastseen, navigation?: EventTarget }} */ (
  typeof window === "undefined" ? {} : window
);
let started = false;

/** Starts what a session needs; `shut` ends it. */
function open() {
  shut();
  startListening();
  connect();
  startWorker();
  markOwn();
}

function shut() {
  stopListening();
  stopWaking();
  disconnect();
}

/** Follows the cookie: a new session starts with nothing. */
function follow() {
  if (!adopt()) return;
  resetSending();
  resetEnding();
  resetLock();
  resetLooking();
  show("");
  open();
}

/** The page is in a frame of a page that has the script: that one counts for both. */
function isInner() {
  return attempt(() => {
    const { parent } = /** @type {{ parent: any }} */ (root);
    return parent !== root && parent.lastseen?.status;
  });
}

/** Does what is due. Timers and workers only bring us here; the clock decides. */
function tick() {
  follow();
  if (!tracking() || ending) return;
  if (isInner()) return shut();
  wake();
  eachPage(window, listen);
  const isNew = followAddress();
  // A fragment's route is a slide, of which there are many.
  if (isNew && !location.hash) sendOnce();
  attend();
  glance();
  if (inFrame()) alive();
  if (!mayStay() && !locked) {
    setLocked(true);
    askNow();
    credit();
    stopLooking();
    if (sessionCookie()) emit("idle");
  }
  if (locked) show("cover");
  else {
    credit();
    // The old page is still to be seen while a new one is being put in its place.
    if (isLooking() && !isNew) measure();
    warn(shown);
  }
  saveNews();
  // No heartbeat while another tab logs out: its late answer could revive the session.
  const speaks = locked ? !waitsForOther() : !paused && (shown || isLooking());
  if (!inFlight() && speaks && waitMs() <= 0) heartbeat(handleAnswer).then(hooks.look);
}

function wake() {
  const often = shown || locked || isLooking();
  wakeAfter(often ? TICK_MS : remaining(), !often);
}

function hurry() {
  sendSoon();
  tick();
}

function arrive() {
  if (!arrived()) return;
  follow();
  if (tracking()) reread();
  hurry();
}

/**
 * The page is not looked at any more. Hiding is the last event a phone is sure to give; going to
 * another page fires `pagehide` first, then hiding (seen in Chromium 156, Firefox 153 and
 * WebKitGTK 2.50). Whichever comes first is the departure.
 * @param {boolean} person
 */
function leave(person) {
  if (!left(person) || !tracking()) return;
  concludePage();
  saveNews();
  farewell();
  wake();
}

function farewell() {
  // Without the cookie the session ended elsewhere, and there is nothing to say for it.
  if (tracking() && sessionCookie() && presented !== "cover" && !paused) sayGoodbye();
}

/**
 * What an answer means. None, or one that is not ours, is a failed send.
 * @param {Response | undefined} response
 * @param {any} answer
 * @param {number} idle
 * @param {boolean} named
 */
function handleAnswer(response, answer, idle, named) {
  log("answer", response?.status, answer);
  if (response?.status === 401 && answer?.reason) {
    // Only a page that had a session asks. Another tab has cleared the cookie: at the deadline, or by a log-out.
    const elsewhere = suspect || remaining() > 0 ? "logout" : "idle";
    const reason = reasonKnown(answer.reason === "missing" ? elsewhere : answer.reason);
    // Whether this page needs a session, the server says of the page that it is told.
    return named ? ended(reason, answer.protected) : askNaming();
  }
  const grantedMs = answer?.idleExpiresInSeconds * 1000;
  if (grantedMs > 0) {
    // Also while the store does not answer (503): the server renews the session all the same.
    const known = grant(asked, idle, grantedMs, answer.sessionExpiresInSeconds * 1000);
    // Where we think that nobody was there, the server may know of activity: a clock was set.
    if (locked && elapsed(known) + TICK_MS < elapsed(activity)) markActivity(known);
  }
  if (!response?.ok || !answer?.success) return failed(response);
  succeeded();
  markAnswered(asked);
  emit("heartbeat", answer);
  if (!locked) return forgetReason();
  if (mayStay()) {
    setLocked(false);
    forgetReason();
    show("");
  } else if (sessionCookie()) logout("idle");
}

/** @param {string} reason @param {boolean} isProtected */
function ended(reason, isProtected) {
  abandon(true);
  setLocked(false);
  shut();
  // Somebody may have come in again in another tab meanwhile: then the page goes on for them.
  follow();
  if (tracking()) return;
  resetEnding();
  const goes = emit("logout", { reason });
  if (isProtected && goes) goToGate(reason);
  else {
    show("");
    forgetTab();
  }
}

/** @param {string} reason */
function logout(reason) {
  return logoutWith(reason, () => ended(reason, true));
}

function stay() {
  if (!tracking() || presented === "cover" || remaining() <= 0) return;
  dismiss();
  markActivity(now());
  markOwn();
  tick();
}

function pause() {
  if (paused || !tracking() || presented === "cover") return;
  closePause();
  news();
  heartbeat(handleAnswer).then(hooks.look);
  startPause();
}

function resume() {
  if (!paused) return;
  endPause();
  resumeLooking();
  tick();
}

/** Ends the counting on this page, and the lock; the session goes on. */
function stop() {
  dropFlight();
  abandon();
  show("");
  shut();
}

/** @returns {import("../lastseen.d.ts").Status} */
function status() {
  const on = tracking();
  /** @param {number} ms */
  const ahead = (ms) => (on && ms < FOREVER ? Math.max(0, seconds(ms)) : null);
  return {
    session: session || null,
    tracking: on,
    activeSeconds: total().activeSeconds,
    inactiveSeconds: seconds(idleMs()),
    seenSecondsAgo: seconds(seenMs()),
    idleInSeconds: ahead(remaining()),
    sessionInSeconds: ahead(-elapsed(lifetimeEnd)),
    nextHeartbeatInSeconds: shown ? ahead(waitMs()) : null,
    failures,
    paused: paused !== null,
    covered: presented === "cover",
  };
}

/** @param {Options} [options] */
function start(options = {}) {
  configure(/** @type {any} */ (options));
  if (started) return tick();
  started = true;
  // No unload, no beforeunload: either costs the page its place in the back-forward cache, and
  // Chrome is removing the first.
  const steps = /** @type {Record<string, (event: any) => void>} */ ({
    pagehide() {
      leave(true);
      dropFlight();
      leaveTab();
      shut();
    },
    /** @param {PageTransitionEvent} event */
    pageshow({ persisted }) {
      if (persisted) {
        // What was covered when it left asks again.
        returnToTab(presented !== "");
        if (tracking()) open();
        // At once, before anything is painted.
        if (tracking() && !sessionCookie()) show("cover");
      }
      arrive();
      tick();
    },
    focus: tick,
    // The frame that takes the focus has it only after this event.
    blur: () => setTimeout(hooks.look),
    online: () => (shown ? hurry() : farewell()),
    storage: ({ key, newValue }) => key && newValue && learn(key, newValue, true),
    /** @param {SubmitEvent} event */
    submit(event) {
      const { action } = /** @type {HTMLFormElement} */ (event.target);
      if (event.defaultPrevented || action !== absolute(settings.logoutUrl).href) return;
      event.preventDefault();
      logout("logout");
    },
  });
  for (const type in steps) {
    const step = steps[type];
    if (step) window.addEventListener(type, guarded(step));
  }
  document.addEventListener(
    "visibilitychange",
    guarded(() => (document.hidden ? leave(false) : arrive())),
  );
  root.navigation?.addEventListener("currententrychange", hooks.look);
  enterTab();
  arrive();
  tick();
}

/** The tag that loads this: in a module there is none, unless the tag itself is a module. */
function ownTag() {
  return /** @type {HTMLElement | null} */ (
    document.currentScript ?? document.querySelector('script[type=module][src*="lastseen.js"]')
  );
}

// A page rendered on a server has nobody looking at it; and one copy per page is enough.
if (typeof window !== "undefined" && !root.lastseen?.status) {
  hooks.look = guarded(tick);
  hooks.hold = hold;
  hooks.logout = () => logout("logout");
  hooks.stay = () => {
    alive();
    stay();
    // Of the visitor's own pressing: every tab hears of it now.
    hurry();
  };
  root.lastseen = {
    start: guarded(start),
    logout: () => logout("logout"),
    alive: guarded(alive),
    stay: guarded(stay),
    pause: guarded(pause),
    resume: guarded(resume),
    stop: guarded(stop),
    status,
  };
  const tag = ownTag();
  if (tag) guarded(start)(/** @type {any} */ ({ ...tag.dataset }));
}
