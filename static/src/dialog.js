/**
 * One modal dialog, in the browser's top layer, for the warning and for the cover. Styles are set
 * through the CSSOM, which a policy without 'unsafe-inline' allows.
 */

import { elapsed, seconds } from "./clock.js";
import { warnMs } from "./deadline.js";
import { hooks } from "./hooks.js";
import { paused, remaining } from "./lock.js";
import { attempt, eachPage, emit, guarded } from "./safely.js";
import { settings } from "./settings.js";
import { lifetimeEnd, serverTimeoutMs } from "./tabs.js";
import { WORDS } from "./words.js";

/** How often the time that is left is read out. */
const SPEAK_EVERY_S = 20;
/** The end is the lifetime's where both come within so many ms of each other. */
const SAME_END_MS = 2_000;

/** @type {"" | "warn" | "cover"} */
export let presented = "";
/** The warning was answered; it comes back when the deadline has moved. */
let dismissed = false;
/** It was told of, and nobody has stayed since. */
let warned = false;
/** @type {HTMLDialogElement | undefined} */
let dialog;
/** @type {HTMLElement} */
let countdown;
/** @type {HTMLElement} */
let spoken;
/** Which of the twenty seconds were read out last. */
let spokenStep = 0;
/** The warning is of the session's lifetime, which nothing moves. */
let final = false;

/** Its language, and title, sentence, stay, log out, locked. */
let lang = "en";
/** @type {string[]} */
let texts = [];

/** @type {CSSStyleSheet | undefined} */
let veil;

export function dismiss() {
  dismissed = true;
}

/** Somebody pressed Stay, or Esc. */
function answer() {
  show("");
  dismissed = true;
  if (!final) hooks.stay();
}

/** Hides what is covered from print, search, copy and screen readers too. @param {boolean} on */
function hide(on) {
  attempt(() => {
    if (!veil) {
      veil = new CSSStyleSheet();
      veil.replaceSync("body,body *{visibility:hidden!important}");
    }
    const others = document.adoptedStyleSheets.filter((sheet) => sheet !== veil);
    document.adoptedStyleSheets = on ? [...others, veil] : others;
  });
}

/** Stops what plays. @param {Document} page */
function silence(page) {
  for (const media of page.querySelectorAll("video,audio")) {
    const player = /** @type {HTMLMediaElement & { webkitExitFullscreen?: () => void }} */ (media);
    player.pause();
    // An iPhone's full-screen video lies above the top layer.
    attempt(() => player.webkitExitFullscreen?.());
  }
}

/** @param {"" | "warn" | "cover"} mode */
export function show(mode) {
  if (mode === presented && (!mode || attempt(() => dialog?.matches(":modal[open]")))) return;
  const covering = mode === "cover";
  if (covering !== (presented === "cover")) hide(covering);
  if (covering && presented !== mode) eachPage(window, silence);
  presented = mode;
  // Gives the focus back. What comes next is a new one, above whatever the page has opened since.
  dialog?.close();
  dialog?.remove();
  if (!mode) return;
  const box = document.createElement("dialog");
  dialog = box;
  // Pages say "de_DE", "GERMAN" and worse, at which Intl would throw.
  [lang = ""] = /^[a-z]{2,3}/.exec(settings.lang || document.documentElement.lang) ?? [];
  if (!(lang && settings.text) && !WORDS[lang]) lang = "en";
  texts = (settings.text || WORDS[lang] || "").split("|");
  /** @param {string} name @param {string} css @param {string} [text] */
  const part = (name, css, text = "") => {
    const element = document.createElement(name);
    element.style.cssText = `all:revert;${css}`;
    element.textContent = text;
    box.append(element);
    return element;
  };
  const radius = "border-radius:var(--lastseen-radius,.4em);";
  const colors =
    "background:var(--lastseen-background,Canvas);color:var(--lastseen-color,CanvasText);";
  box.lang = lang;
  box.dir = "auto";
  box.style.cssText = `all:revert;outline:0;font:1rem/1.5 system-ui;${colors}${
    covering
      ? "border:0;inset:0;width:auto;height:auto;max-width:none;max-height:none;padding:20vh 10vw"
      : `${radius}border:1px solid;padding:1.5em;max-width:min(28em,100% - 5em)`
  }`;
  box.ariaLabel = texts[covering ? 4 : 0] ?? "";
  const mayAnswer = !covering && !final;
  if (covering || mayAnswer) part("h2", "font-size:1.25em;margin:0 0 .5em", box.ariaLabel);
  const button = `${colors + radius}font:inherit;padding:.6em 1em;margin:.4em;outline-offset:3px;border:2px solid;`;
  if (!covering) {
    countdown = part("p", "");
    // The countdown is for the eyes; it is read out every twenty seconds only.
    countdown.ariaHidden = "true";
    spoken = part("p", "position:absolute;clip-path:inset(50%)");
    spoken.role = "status";
    spoken.id = "lastseen-text";
    spokenStep = 0;
    box.setAttribute("aria-describedby", spoken.id);
    if (mayAnswer) {
      part(
        "button",
        `${button}background:var(--lastseen-accent,CanvasText);color:var(--lastseen-background,Canvas);forced-color-adjust:none`,
        texts[2],
      ).onclick = guarded(answer);
    }
  }
  part("button", button, texts[3]).onclick = guarded(hooks.logout);
  // What returns false is prevented.
  box.oncancel = () => !covering;
  // What Esc does, with or without a cancel event (Chromium leaves it out at times).
  box.onclose = guarded(() => {
    if (box !== dialog || !presented || box.open) return;
    if (covering) show("cover");
    else answer();
  });
  // Beside the body, which view transitions replace, and which may not be there yet.
  document.documentElement.append(box);
  // Safari before 15.4 has none: the page is hidden all the same.
  box.showModal?.();
  // One press of Space must not log anybody out.
  if (!mayAnswer) {
    box.tabIndex = -1;
    box.focus();
  }
}

/** Opens, counts down or closes the warning. @param {boolean} shown */
export function warn(shown) {
  const left = remaining();
  const over = left > warnMs(settings.warnBefore, settings.idleTimeout, serverTimeoutMs);
  if (over && warned) emit("stay");
  if (over || !shown || paused) {
    dismissed = warned = false;
    return show("");
  }
  if (!presented && !dismissed) {
    final = -elapsed(lifetimeEnd) - left < SAME_END_MS;
    warned = true;
    dismissed = !emit("warn", { seconds: seconds(left), final });
  }
  if (dismissed) return show("");
  // Closed by Esc, of which Chromium tells only with the next frame.
  if (dialog?.isConnected && dialog.open === false) return answer();
  show("warn");
  const count = Math.ceil(left / 1000) || 0;
  countdown.textContent = inWords(count);
  const step = Math.ceil(count / SPEAK_EVERY_S);
  if (step === spokenStep) return;
  spokenStep = step;
  spoken.textContent = countdown.textContent;
}

/** @param {number} count in seconds */
function inWords(count) {
  const [unit, number] = count > 60 ? ["minute", Math.ceil(count / 60)] : ["second", count];
  const style = /** @type {const} */ ({ style: "unit", unit, unitDisplay: "long" });
  return (texts[1] ?? "").replace("{}", new Intl.NumberFormat(lang, style).format(number));
}
