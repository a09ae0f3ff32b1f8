/**
 * The page as a whole: which view is shown, with which filters, how fresh it is, and what to do when
 * something is wrong.
 */
import { ApiError, revokeSession, revokeVisitor, serverNow, signOut, Unreachable } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, h } from "./dom.js";
import { exported, save } from "./export.js";
import { FilterBar } from "./filter-bar.js";
import { cleared, link, read, toQuery, write } from "./filters.js";
import { count, printable, size } from "./format.js";
import { age, Freshness } from "./freshness.js";
import { empty } from "./parts.js";
import { Poll } from "./poll.js";
import { SignIn, takeError, takeLink } from "./sign-in.js";
import { Overview } from "./views/overview.js";
import { PagesView } from "./views/pages.js";
import { VisitorView } from "./views/visitor.js";
import { VisitorsView } from "./views/visitors.js";
import { VisitsView } from "./views/visits.js";
import { ending } from "./words.js";
import { date, isZone, moment } from "./zone.js";

/** @typedef {import("./filters.js").Filters} Filters */
/** @typedef {import("./api.js").Session} Session */
/**
 * @typedef {object} View
 * @property {string} title
 * @property {boolean} isLive whether it is brought up to date by itself
 * @property {HTMLElement} [heading] in the place of the title, which is read out alone
 * @property {HTMLElement} element
 * @property {(query: import("./api.js").Query, signal: AbortSignal) => Promise<import("./api.js").Data>} load
 *   asks the API and shows what it answers
 */

/** @type {[import("./filters.js").ViewName, string][]} */
const NAVIGATION = [
  ["overview", "Overview"],
  ["visitors", "Visitors"],
  ["pages", "Pages"],
  ["visits", "Visits"],
];

const LIVE_MS = 10_000;
/** While the server reads older visits, and says how far it is. */
const READING_MS = 2000;
const LONGEST_PAUSE_MS = 120_000;
const SAID_MS = 8000;
/** A quick answer needs no shapes to stand in for it. */
const PATIENCE_MS = 150;

export class App {
  /** @type {Filters} */
  filters = read(location.search);
  #frame = byId("app", HTMLElement);
  #main = byId("main", HTMLElement);
  #place = byId("view", HTMLElement);
  #trouble = byId("trouble", HTMLElement);
  #said = byId("announce", HTMLElement);
  #freshness = new Freshness();
  #bar = new FilterBar((change) => this.navigate(change));
  #poll = new Poll(() => this.refresh());
  #signIn = new SignIn(() => this.#enter());
  /** @type {View | undefined} */
  #view;
  /** Which view that is, of whom. */
  #name = "";
  /** What the figures in sight are an answer to. */
  #shown = "";
  #failures = 0;
  #isIn = false;
  /** @type {AbortController | undefined} */
  #running;
  /** What else is under way for what is shown: more of a list. @type {Set<AbortController>} */
  #errands = new Set();
  /** What only a sign-out ends: a revoking, an export. @type {Set<AbortController>} */
  #lasting = new Set();
  /** @type {number | undefined} */
  #saying;

  async start() {
    addEventListener("popstate", () => this.#isIn && this.#route(true));
    addEventListener("hashchange", () => this.#takeLink());
    addEventListener("online", () => this.#isIn && this.refresh());
    addEventListener("offline", () => this.#isIn && this.#explain(new Unreachable()));
    document.addEventListener("click", (event) => this.#follow(event));
    byId("refresh", HTMLButtonElement).addEventListener("click", () => this.refresh());
    byId("sign-out", HTMLButtonElement).addEventListener("click", () => this.#signOut());
    if (this.#takeLink()) return;
    const error = takeError();
    if (error !== null) this.#leave(error);
    else this.#enter();
  }

  // --- In and out -----------------------------------------------------------------------------

  /** @returns {boolean} whether the address had something to sign in with */
  #takeLink() {
    const link = takeLink();
    if (link === null) return false;
    if ("once" in link) this.#signIn.tryLink(link.once);
    else if (!this.#isIn) this.#leave(link.why);
    return true;
  }

  #enter() {
    this.#isIn = true;
    this.#failures = 0;
    setTimeout(() => {
      if (this.#isIn) this.#frame.hidden = false;
    }, PATIENCE_MS);
    this.#route(false);
  }

  /** Nothing stays in sight of who is not the owner any more. @param {string} why */
  #leave(why) {
    this.#isIn = false;
    this.#running?.abort();
    for (const errand of [...this.#errands, ...this.#lasting]) errand.abort();
    this.#poll.stop();
    this.#frame.hidden = true;
    byId("confirm", HTMLDialogElement).close();
    this.#place.replaceChildren();
    this.#freshness.clear();
    this.#settle();
    this.#view = undefined;
    this.#name = "";
    this.#shown = "";
    this.#signIn.show(why);
  }

  async #signOut() {
    try {
      await signOut();
      this.#leave("signed-out");
    } catch (error) {
      this.say(`You are still signed in: ${wordsOf(error)}`);
    }
  }

  // --- Where we are ---------------------------------------------------------------------------

  /** Goes to another view, or asks for something else. @param {Partial<Filters>} change */
  navigate(change) {
    const address = write({ ...this.filters, ...change });
    if (address === write(this.filters)) return;
    history.pushState(null, "", address);
    this.#route(false);
  }

  /** Links within the page are followed without loading it anew. @param {MouseEvent} event */
  #follow(event) {
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    const isPlain =
      event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    const isOurs = anchor?.getAttribute("href")?.startsWith("?");
    if (!anchor || !isOurs || !isPlain || event.defaultPrevented) return;
    event.preventDefault();
    history.pushState(null, "", anchor.href);
    this.#route(true);
  }

  /** Shows what the address says. @param {boolean} isMove whether somebody went there */
  #route(isMove) {
    this.filters = read(location.search);
    const { view, email } = this.filters;
    const name = view === "visitor" ? `visitor ${email}` : view;
    this.#bar.show(this.filters, this.clearedLink(), serverNow());
    this.#navigation();
    if (name !== this.#name) {
      this.#name = name;
      this.#view = this.#make();
      this.#shown = "";
      const { heading, title, element } = this.#view;
      this.#place.replaceChildren(heading ?? h("h1", { class: "unseen" }, title), element);
      if (isMove) scrollTo(0, 0);
    }
    if (isMove) this.#main.focus({ preventScroll: true });
    document.title = `${printable(this.#view?.title ?? "")} · lastseen`;
    this.refresh();
  }

  /** @returns {View} */
  #make() {
    switch (this.filters.view) {
      case "visitors":
        return new VisitorsView(this);
      case "pages":
        return new PagesView(this);
      case "visits":
        return new VisitsView(this);
      case "visitor":
        return new VisitorView(this);
      default:
        return new Overview(this);
    }
  }

  #navigation() {
    const { view } = this.filters;
    const here = view === "visitor" ? "visitors" : view;
    // A visitor's own view is left together with the visitor.
    const change = view === "visitor" ? { email: "" } : {};
    byId("views", HTMLElement).replaceChildren(
      ...NAVIGATION.map(([name, label]) =>
        h(
          "li",
          {},
          h(
            "a",
            { href: this.link({ ...change, view: name }), "aria-current": name === here && "page" },
            label,
          ),
        ),
      ),
    );
  }

  // --- Figures --------------------------------------------------------------------------------

  /** Asks again for what is shown. */
  async refresh() {
    const view = this.#view;
    if (!view || !this.#isIn) return;
    this.#running?.abort();
    for (const errand of this.#errands) errand.abort();
    this.#poll.stop();
    const running = new AbortController();
    this.#running = running;
    const query = isZone(this.filters.tz)
      ? toQuery(this.filters, serverNow())
      : { tz: this.filters.tz };
    const asked = JSON.stringify([query, this.filters.sort]);
    const isOther = asked !== this.#shown;
    this.#place.setAttribute("aria-busy", "true");
    if (isOther && this.#shown) this.#place.classList.add("stale");
    try {
      const data = await view.load(query, running.signal);
      if (running.signal.aborted) return;
      this.#shown = asked;
      this.#failures = 0;
      this.#settle();
      this.#bar.complain(undefined, "");
      const { tz } = this.filters;
      this.#freshness.show(data, {
        isLive: view.isLive,
        tz,
        period: FilterBar.words(this.filters),
      });
      this.#frame.hidden = false;
      if (data.leftOut) this.#poll.in(READING_MS);
      else if (view.isLive) this.#poll.in(LIVE_MS);
    } catch (error) {
      if (running.signal.aborted) return;
      this.#failed(error);
    } finally {
      if (this.#running === running) this.#place.removeAttribute("aria-busy");
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof ApiError && error.needsSignIn) {
      this.#leave(error.reason === "missing" && !this.#shown ? "" : (error.reason ?? "invalid"));
      return;
    }
    this.#frame.hidden = false;
    if (error instanceof ApiError && error.status === 400) {
      if (this.#bar.complain(error.parameter, error.message)) {
        if (this.#shown) this.#place.classList.add("stale");
        else this.#view?.element.replaceChildren(this.#nothing());
        return;
      }
    }
    this.#explain(error);
    this.#failures += 1;
    const wait = Math.min(LIVE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    const asked = error instanceof ApiError ? 1000 * error.retryAfter : 0;
    // What the server calls wrong stays wrong.
    const isPassing = !(error instanceof ApiError) || error.status >= 500 || error.status === 429;
    if (isPassing) this.#poll.in(Math.max(wait, asked));
  }

  /** What stands where a bookmark asks for what there cannot be. */
  #nothing() {
    return empty(
      "Nothing to show",
      h("p", {}, "One of the filters above is not right: it says what is wrong."),
      h("p", {}, h("a", { class: "button", href: this.clearedLink() }, "Clear the filters")),
    );
  }

  /** Says what is wrong, and leaves the old figures, greyed. @param {unknown} error */
  #explain(error) {
    const text = h("p", {}, h("strong", {}, wordsOf(error)));
    if (this.#shown) text.append(" The figures below are the last that came.");
    const retry = h(
      "button",
      { type: "button", class: "button", click: () => this.refresh() },
      "Try again",
    );
    this.#trouble.hidden = false;
    this.#place.classList.add("stale");
    this.#freshness.stop();
    if (this.#trouble.querySelector("p")?.textContent === text.textContent) return;
    this.#trouble.replaceChildren(text, retry);
  }

  /** All is well again. */
  #settle() {
    const hadFocus = this.#trouble.contains(document.activeElement);
    this.#trouble.hidden = true;
    this.#trouble.replaceChildren();
    this.#place.classList.remove("stale");
    if (hadFocus) this.#main.focus({ preventScroll: true });
  }

  // --- What views use -------------------------------------------------------------------------

  /** The address of another view or other filters. @param {Partial<Filters>} change */
  link(change) {
    return link(this.filters, change);
  }

  /** The address of this view without filters. @param {Partial<Filters>} [change] */
  clearedLink(change) {
    return write({ ...cleared(this.filters), ...change });
  }

  /** @param {string} email */
  visitorLink(email) {
    return this.link({ view: "visitor", email, domain: "", state: "", reason: "" });
  }

  /** @param {string} time RFC 3339 */
  moment(time) {
    return moment(Date.parse(time), this.filters.tz);
  }

  /** @param {string} time RFC 3339 */
  date(time) {
    return date(Date.parse(time), this.filters.tz);
  }

  /** @param {string} time RFC 3339 */
  age(time) {
    return age(time);
  }

  /**
   * Does something that a refresh or a sign-out ends, and says where it fails.
   *
   * @param {(signal: AbortSignal) => Promise<void>} errand
   * @param {Set<AbortController>} [among] `#lasting` for what a refresh does not end
   */
  async attempt(errand, among = this.#errands) {
    const control = new AbortController();
    among.add(control);
    try {
      await errand(control.signal);
    } catch (error) {
      if (control.signal.aborted) return;
      if (error instanceof ApiError && error.needsSignIn) this.#failed(error);
      else this.say(wordsOf(error));
    } finally {
      among.delete(control);
    }
  }

  /** After what was pressed is gone, the keyboard goes on from the figures. */
  #keepFocus() {
    if (document.activeElement === document.body) this.#main.focus({ preventScroll: true });
  }

  /** Says something once, to eyes and to screen readers. @param {string} text */
  say(text) {
    clearTimeout(this.#saying);
    this.#said.textContent = printable(text);
    this.#saying = setTimeout(() => {
      this.#said.textContent = "";
    }, SAID_MS);
  }

  /** @param {Session} session @param {string} place tells two of one visit apart */
  revokeButton({ id, email, state }, place) {
    if (state !== "open") return null;
    const click = async () => {
      const sure = await confirmed({
        title: "Revoke this visit?",
        text: `${email} is logged out with the next heartbeat or page, within minutes at most, and has to come in by the gate again.`,
        yes: "Revoke visit",
      });
      if (!sure) return;
      await this.attempt(async () => {
        const { ended, endReason } = await revokeSession(id);
        const before = endReason ? ` (${ending({ state: "ended", endReason })})` : "";
        this.say(
          ended > 0
            ? `The visit of ${email} is revoked.`
            : `The visit of ${email} had ended before${before}.`,
        );
      }, this.#lasting);
      await this.refresh();
      this.#keepFocus();
    };
    const name = `Revoke the visit of ${email}`;
    return h(
      "button",
      {
        type: "button",
        class: "button small",
        "aria-label": name,
        "data-key": `${place}-revoke-${id}`,
        click,
      },
      "Revoke",
    );
  }

  /** @param {string} email @param {number} open how many visits */
  revokeAllButton(email, open) {
    const click = async () => {
      const sure = await confirmed({
        title: open === 1 ? "Revoke the open visit?" : `Revoke ${count(open, "open visit")}?`,
        text: `${email} is logged out in every browser, with the next heartbeat or page, within minutes at most.`,
        yes: "Revoke visitor",
      });
      if (!sure) return;
      await this.attempt(async () => {
        const { ended } = await revokeVisitor(email);
        this.say(`${count(ended, "visit")} of ${email} revoked.`);
      }, this.#lasting);
      await this.refresh();
      this.#keepFocus();
    };
    return h(
      "button",
      { type: "button", class: "button danger", "data-key": "revoke-all", click },
      "Revoke visitor",
    );
  }

  /**
   * The way to a CSV file of everything that the filters let through.
   *
   * @param {string} path
   * @param {import("./api.js").Query} _query
   */
  exportButtons(path, _query) {
    const label = "Export CSV";
    const button = h("button", { type: "button", class: "button" }, label);
    const progress = h("span", { class: "quiet export-progress", "aria-live": "polite" });
    const cancel = h("button", { type: "button", class: "button plain", hidden: true }, "Cancel");
    /** @type {AbortController | undefined} */
    let control;
    cancel.addEventListener("click", () => control?.abort());
    button.addEventListener("click", () =>
      this.attempt(async (outer) => {
        const stop = new AbortController();
        control = stop;
        outer.addEventListener("abort", () => stop.abort());
        button.disabled = true;
        cancel.hidden = false;
        progress.textContent = "Reading…";
        try {
          const query = toQuery(this.filters, serverNow());
          const { name, file } = await exported(path, query, {
            signal: stop.signal,
            progress: (bytes) => {
              progress.textContent = `${size(bytes)} read`;
            },
          });
          save(name, file);
          this.say(`${name} is complete: ${size(file.size)}.`);
        } catch (error) {
          if (outer.aborted) throw error;
          if (stop.signal.aborted) this.say("The export was cancelled. Nothing was saved.");
          else if (error instanceof ApiError && error.needsSignIn) throw error;
          else this.say(`The export failed, and nothing was saved: ${wordsOf(error)}`);
        } finally {
          button.disabled = false;
          cancel.hidden = true;
          progress.textContent = "";
        }
      }, this.#lasting),
    );
    return [progress, cancel, button];
  }
}

/** @param {unknown} error */
function wordsOf(error) {
  if (error instanceof Unreachable) {
    return navigator.onLine ? "The server cannot be reached." : "You are offline.";
  }
  if (error instanceof ApiError && error.status === 503)
    return "The store does not answer right now.";
  if (error instanceof ApiError) return `The server says: ${error.message}.`.replace(/\.\.$/, ".");
  return `Something went wrong: ${error instanceof Error ? error.message : error}`;
}
