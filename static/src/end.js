/** How a session ends, here, in another tab, or at the server. */
import { elapsed, NEVER, now } from "./clock.js";
import { show } from "./dialog.js";
import { isRoute } from "./figures.js";
import { hooks } from "./hooks.js";
import { setLocked } from "./lock.js";
import { closePause } from "./looking.js";
import { log } from "./safely.js";
import { askNow, dropFlight, failed, PATIENCE_MS, post, snapshot } from "./send.js";
import { absolute, settings } from "./settings.js";
import { save, sessionCookie, tracking } from "./tabs.js";

/** Another tab is logging out since then. */
let held = NEVER;
/** This tab is. */
export let ending = false;
/** The reason of a logout on this side, which the server's answer cannot know. */
let localReason = "";

export function resetEnding() {
  held = NEVER;
  localReason = "";
}

/** The session went on after all. */
export function forgetReason() {
  localReason = "";
}

/** The reason as far as it is known here, else the server's. @param {string} reason */
export function reasonKnown(reason) {
  localReason ||= reason;
  return localReason;
}

/** Another tab may still be logging out: it has a heartbeat's patience, and the cookie is there. */
export function waitsForOther() {
  return elapsed(held) < PATIENCE_MS + 1_000 && sessionCookie() !== "";
}

/** Another tab logs out: covered, and silent, so that no late answer revives the session. @param {string} reason */
export function hold(reason) {
  if (ending || !tracking()) return;
  held = now();
  localReason = reason;
  setLocked(true);
  dropFlight();
  hooks.look();
}

/** The session is over, and this page needs one. @param {string} reason */
export function goToGate(reason) {
  show("cover");
  const url = absolute(settings.gate);
  url.searchParams.set("redirect", location.pathname + location.search);
  url.searchParams.set("reason", reason);
  // A route of the visitor's comes back with them; any other fragment shows the message by `:target`.
  url.hash = isRoute(location.hash) ? location.hash : reason;
  location.replace(url.href);
}

/** @param {string} reason @param {(reason: string) => void} ended */
export async function logout(reason, ended) {
  if (ending) return;
  closePause();
  const body = JSON.stringify({ reason, ...snapshot(false) });
  // From here on no tab sends anything, so that no late answer revives the session.
  ending = true;
  localReason = reason;
  dropFlight();
  save(reason);
  show("cover");
  let done = false;
  try {
    const response = await post(settings.logoutUrl, body, {
      headers: { "Content-Type": "application/json" },
      // A visitor who logs out and closes the tab is logged out.
      keepalive: true,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    done = response.ok;
  } catch (error) {
    log(error);
  }
  ending = false;
  if (reason === "idle") {
    // The next answer says whether this page needs a session.
    if (done) askNow();
    else failed();
    hooks.look();
  } else if (done) ended(reason);
  else {
    // Never show the gate to somebody who is still logged in: let the browser try as for a form,
    // and show what comes of it.
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: settings.logoutUrl });
    document.documentElement.append(form);
    form.submit();
  }
}
