/** What a tab can do in every engine, built on the little that differs. */
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 15;
const PATIENCE_MS = 15_000;

/** The keys that tests press, by their names of `KeyboardEvent.key`. @typedef {"Tab" | "Enter" | "Escape" | "a"} Key */

export class Tab {
  #moves = 0;

  // --- The engine's -------------------------------------------------------------------------

  /**
   * Calls a function in the page. It sees nothing of ours but its arguments, which are JSON, as its
   * result is.
   *
   * @template {any[]} A
   * @template R
   * @param {(...args: A) => R} _body
   * @param {A} _args
   * @returns {Promise<Awaited<R>>}
   */
  evaluate(_body, ..._args) {
    throw new Error("the engine's");
  }

  /** Moves the mouse. @param {number} _x @param {number} _y @returns {Promise<void>} */
  move(_x, _y) {
    throw new Error("the engine's");
  }

  /** Presses the mouse where it is, and lets go. @returns {Promise<void>} */
  click() {
    throw new Error("the engine's");
  }

  /** @param {Key} _key @returns {Promise<void>} */
  press(_key) {
    throw new Error("the engine's");
  }

  /** Turns the wheel where the mouse is. @param {number} _pixels downwards @returns {Promise<void>} */
  wheel(_pixels) {
    throw new Error("the engine's");
  }

  /** Draws with a finger. @param {number} _x @param {number} _y from here, a little way @returns {Promise<void>} */
  touch(_x, _y) {
    throw new Error("the engine's");
  }

  /** Hides it as a visitor does. @returns {Promise<void>} */
  async hide() {
    await this.waitFor("hidden", () => document.visibilityState === "hidden");
  }

  /** Brings it to the front. @returns {Promise<void>} */
  async show() {
    await this.waitFor("visible", () => document.visibilityState === "visible");
  }

  /** Closes it as a visitor does: the page is told. @returns {Promise<void>} */
  close() {
    throw new Error("the engine's");
  }

  // --- The same everywhere ------------------------------------------------------------------

  /**
   * Waits until something is so. A page that is on its way to another one answers nothing, or not
   * at all, and is asked again.
   *
   * @template {any[]} A
   * @param {string} what for the message
   * @param {(...args: A) => unknown} condition
   * @param {A} args
   */
  async waitFor(what, condition, ...args) {
    const deadline = Date.now() + PATIENCE_MS;
    /** @type {unknown} */
    let last;
    for (;;) {
      const asked = this.evaluate(condition, ...args).catch((error) => {
        last = error;
        return false;
      });
      if (await within(1000, asked)) return;
      if (Date.now() > deadline) throw new Error(`the page is not ${what}`, { cause: last });
      await sleep(POLL_MS);
    }
  }

  /**
   * Goes to another page the way a link does, and waits until it is loaded, or what it leads to.
   * (Puppeteer waits for ever for Firefox after a return from the back-forward cache.)
   *
   * @param {string} url
   */
  async goto(url) {
    await this.#leave((to) => location.assign(to), url);
  }

  async back() {
    await this.#leave(() => history.back());
  }

  async forward() {
    await this.#leave(() => history.forward());
  }

  /**
   * @template {any[]} A
   * @param {(...args: A) => void} step what leads away from this page
   * @param {A} args
   */
  async #leave(step, ...args) {
    this.#moves += 1;
    // A page that comes back has an older number on it.
    await this.evaluate((number) => void Object.assign(window, { number }), this.#moves);
    await within(
      1000,
      this.evaluate(step, ...args).catch(() => {}),
    );
    await this.waitFor(
      "another one, and loaded",
      (number) =>
        /** @type {any} */ (window).number !== number &&
        document.readyState === "complete" &&
        // Firefox puts an empty page in between.
        location.href !== "about:blank",
      this.#moves,
    );
  }
}

/**
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @returns {Promise<T | undefined>} undefined when the time is up
 */
async function within(ms, promise) {
  const patience = new AbortController();
  const givenUp = sleep(ms, undefined, { signal: patience.signal }).catch(() => undefined);
  try {
    return await Promise.race([promise, givenUp]);
  } finally {
    patience.abort();
  }
}
