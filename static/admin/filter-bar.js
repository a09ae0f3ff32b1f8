/** The controls of what is asked for. They show what the address says, and change nothing but it. */
import { byId, h } from "./dom.js";
import { isFiltered, who } from "./filters.js";
import { count } from "./format.js";
import { browserZone, isZone, offset } from "./zone.js";

/** @typedef {import("./filters.js").Filters} Filters */

/** @type {[import("./filters.js").Range, string][]} */
const PRESETS = [
  ["today", "Today"],
  ["7", "7 days"],
  ["30", "30 days"],
  ["all", "All"],
];

/** Typing a date gives others on the way to it. */
const TYPING_MS = 700;

/** Which control a parameter of the API belongs to. @type {Record<string, string>} */
const FIELD_OF = {
  email: "who",
  domain: "who",
  from: "from",
  to: "to",
  state: "ending",
  reason: "ending",
  tz: "tz",
};

export class FilterBar {
  #form = byId("filters", HTMLFormElement);
  #fields = byId("fields", HTMLElement);
  #more = byId("more-filters", HTMLButtonElement);
  #from = byId("from", HTMLInputElement);
  #to = byId("to", HTMLInputElement);
  #who = byId("who", HTMLInputElement);
  #ending = byId("ending", HTMLSelectElement);
  #tz = byId("tz", HTMLSelectElement);
  #clear = byId("clear", HTMLAnchorElement);
  /** @type {Map<string, HTMLButtonElement>} */
  #presets = new Map();
  #change;
  /** @type {number | undefined} */
  #timer;

  /** @param {(change: Partial<Filters>) => void} change */
  constructor(change) {
    this.#change = change;
    for (const [range, label] of PRESETS) {
      const click = () => this.#change({ range, from: "", to: "" });
      const button = h("button", { type: "button", click }, label);
      this.#presets.set(range, button);
      byId("presets", HTMLElement).append(button);
    }
    this.#more.addEventListener("click", () => {
      const isOpen = this.#fields.classList.toggle("open");
      this.#more.setAttribute("aria-expanded", String(isOpen));
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    });
    this.#form.addEventListener("change", ({ target }) => {
      clearTimeout(this.#timer);
      const isDate = target === this.#from || target === this.#to;
      this.#timer = setTimeout(() => this.#take(), isDate ? TYPING_MS : 0);
    });
  }

  #take() {
    clearTimeout(this.#timer);
    const [from, to] = [this.#from.value, this.#to.value];
    // A year that is still being typed.
    if ([from, to].some((date) => date !== "" && date < "1900")) return;
    const ending = this.#ending.value;
    const isState = ending === "open" || ending === "ended";
    /** @type {Partial<Filters>} */
    const change = {
      ...who(this.#who.value),
      state: isState ? ending : "",
      reason: isState ? "" : ending,
      tz: this.#tz.value,
    };
    if (from !== this.#from.dataset.was || to !== this.#to.dataset.was) {
      Object.assign(
        change,
        from || to ? { range: "custom", from, to } : { range: "all", from, to },
      );
    }
    this.#change(change);
  }

  /** @param {Filters} filters @param {string} clear the address without them @param {number} now */
  show(filters, clear, now) {
    const { range, from, to, email, domain, state, reason, tz } = filters;
    this.complain(undefined, "");
    for (const [name, button] of this.#presets) {
      button.setAttribute("aria-pressed", String(name === range));
    }
    for (const [field, value] of /** @type {const} */ ([
      [this.#from, from],
      [this.#to, to],
    ])) {
      // A half-typed date is left alone.
      if (field.value !== value) field.value = value;
      field.dataset.was = field.value;
    }
    this.#who.value = email || domain;
    this.#ending.value = reason || state;
    const zones = new Set([browserZone(), "UTC", tz]);
    this.#tz.replaceChildren(
      ...[...zones].map((zone) => {
        const label =
          isZone(zone) && zone !== "UTC"
            ? `${zone.replaceAll("_", " ")} (${offset(now, zone)})`
            : zone;
        return h("option", { value: zone, selected: zone === tz }, label);
      }),
    );
    this.#clear.hidden = !isFiltered(filters) && range !== "custom";
    this.#clear.href = clear;
    const active = [email || domain, state || reason, range === "custom"].filter(Boolean).length;
    this.#more.textContent = active > 0 ? `More filters (${active})` : "More filters";
  }

  /**
   * Shows at its control what is wrong with a parameter.
   *
   * @param {string | undefined} parameter by its name in the API; none takes complaints away
   * @param {string} detail
   * @returns {boolean} whether there is a control for it
   */
  complain(parameter, detail) {
    for (const old of this.#form.querySelectorAll("[aria-invalid]")) {
      old.removeAttribute("aria-invalid");
      old.removeAttribute("aria-describedby");
    }
    for (const old of this.#form.querySelectorAll(".complaint")) old.remove();
    const field = document.getElementById(FIELD_OF[parameter ?? ""] ?? "");
    if (!field) return false;
    const id = `${field.id}-complaint`;
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", id);
    field.after(h("p", { id, class: "complaint", role: "alert" }, detail));
    this.#fields.classList.add("open");
    this.#more.setAttribute("aria-expanded", "true");
    return true;
  }

  /** What the filters let through, in words. @param {Filters} filters */
  static words({ range, from, to }) {
    if (range === "all") return "all time";
    if (range === "today") return "today";
    if (range !== "custom") return `the last ${count(Number(range), "day")}`;
    if (from && from === to) return `on ${from}`;
    return from && to ? `${from} to ${to}` : from ? `since ${from}` : `until ${to}`;
  }
}
