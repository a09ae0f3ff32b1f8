/** Who is the owner: the form for the token, and the link that signs in by itself, once. */
import { ApiError, signIn, signInByLink, Unreachable } from "./api.js";
import { byId } from "./dom.js";
import { count } from "./format.js";

/** By words of the API and of our own. @type {Record<string, string>} */
const MESSAGES = {
  "wrong-token": "This is not the owner's token.",
  "wrong-link": "This is no sign-in link of this site. `lastseen admin link` makes one.",
  "link-used": "This link has been used: each signs in once. `lastseen admin link` makes another.",
  "link-expired":
    "This link is older than ten minutes. `lastseen admin link` makes another that signs in.",
  "token-link":
    "Links do not take the owner's token: histories keep them. Type it here, or let `lastseen admin link` make a link.",
  limited: "That was tried too often. Wait a moment, then try again.",
  expired: "Your sign-in has run out. Sign in again to go on where you were.",
  // Its cookie is gone by then, and so is what could have told why.
  missing:
    "Your sign-in has run out, or you signed out in another tab. Sign in again to go on where you were.",
  invalid: "You are signed out: the owner's token was changed, or the sign-in is of another site.",
  "signed-out": "You are signed out.",
  unreachable: "The server cannot be reached. Check the connection, then try again.",
};

/**
 * What signs in from the address: taken out of it before anything else, so that no history keeps it.
 *
 * @returns {{ once: string } | { why: string } | null}
 */
export function takeLink() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const once = fragment.get("once");
  const hasToken = fragment.has("token");
  if (once === null && !hasToken) return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  return once === null ? { why: "token-link" } : { once };
}

/** What the server said about the form, where it was posted without this script. @returns {string | null} */
export function takeError() {
  const query = new URLSearchParams(location.search);
  const error = query.get("error");
  if (error === null) return null;
  query.delete("error");
  history.replaceState(history.state, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
  return error;
}

export class SignIn {
  #element = byId("sign-in", HTMLElement);
  #form = byId("sign-in-form", HTMLFormElement);
  #field = byId("token", HTMLInputElement);
  #message = byId("sign-in-message", HTMLElement);
  /** How often it was tried. */
  #tries = 0;
  #done;

  /** @param {() => void} done once the owner is known */
  constructor(done) {
    this.#done = done;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.try(this.#field.value.trim());
    });
  }

  /** Shows the form. @param {string} [why] a word of `MESSAGES`, or nothing to say */
  show(why) {
    document.title = "Sign in · lastseen";
    this.#element.hidden = false;
    this.#field.value = "";
    this.#tell(why ? (MESSAGES[why] ?? "") : "", why === "signed-out");
    (this.#message.hidden ? this.#field : this.#message).focus();
  }

  hide() {
    this.#element.hidden = true;
    // It would lie in the page for as long as it is open.
    this.#field.value = "";
  }

  /** @param {string} token */
  try(token) {
    return this.#ask(() => signIn(token));
  }

  /** @param {string} once the code of a link */
  tryLink(once) {
    return this.#ask(() => signInByLink(once));
  }

  /** @param {() => Promise<void>} signsIn */
  async #ask(signsIn) {
    this.#tries += 1;
    const mine = this.#tries;
    this.#form.setAttribute("aria-busy", "true");
    try {
      await signsIn();
      this.hide();
      this.#done();
    } catch (error) {
      // What was tried since says how it stands.
      if (mine !== this.#tries) return;
      this.#element.hidden = false;
      this.#tell(wordsOf(error), false);
      this.#field.setAttribute(
        "aria-invalid",
        String(error instanceof ApiError && error.code === "wrong-token"),
      );
      this.#message.focus();
    } finally {
      if (mine === this.#tries) this.#form.removeAttribute("aria-busy");
    }
  }

  /** @param {string} text @param {boolean} isGood */
  #tell(text, isGood) {
    this.#message.hidden = text === "";
    this.#message.textContent = text;
    this.#message.classList.toggle("good", isGood);
    this.#field.removeAttribute("aria-invalid");
  }
}

/** @param {unknown} error */
function wordsOf(error) {
  if (error instanceof Unreachable) return MESSAGES.unreachable;
  if (!(error instanceof ApiError)) return String(error);
  if (error.status === 401) return MESSAGES[error.code ?? ""] ?? MESSAGES["wrong-token"];
  if (error.status === 429 && error.retryAfter > 0) {
    return `That was tried too often. Try again in ${count(error.retryAfter, "second")}.`;
  }
  return error.status === 429 ? MESSAGES.limited : error.message;
}
