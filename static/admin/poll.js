/**
 * Does something again and again while the page is looked at. Hidden, it rests; visible again, it
 * makes up for what is due.
 */
export class Poll {
  #step;
  /** When it is due; never, where nothing is. */
  #due = Number.POSITIVE_INFINITY;
  /** @type {number | undefined} */
  #timer;

  /** @param {() => void} step */
  constructor(step) {
    this.#step = step;
    document.addEventListener("visibilitychange", () => this.#arm());
    // A page that comes back from the back-forward cache, or a laptop that woke up.
    addEventListener("pageshow", (event) => event.persisted && this.in(0));
  }

  /** @param {number} ms from now; replaces what was due before */
  in(ms) {
    this.#due = Date.now() + ms;
    this.#arm();
  }

  stop() {
    this.#due = Number.POSITIVE_INFINITY;
    this.#arm();
  }

  #arm() {
    clearTimeout(this.#timer);
    if (document.visibilityState !== "visible" || this.#due === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.#due = Number.POSITIVE_INFINITY;
        this.#step();
      },
      Math.max(0, this.#due - Date.now()),
    );
  }
}
