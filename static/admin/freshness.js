/** How old the figures are, and what is missing of them. Ages grow by themselves. */
import { serverNow } from "./api.js";
import { byId, h } from "./dom.js";
import { ago, number } from "./format.js";
import { offset } from "./zone.js";

/** @typedef {import("./api.js").Data} Data */

/** An age that is worth a sentence of its own. */
const OLD_MS = 90_000;

/** An age that grows. @param {string} moment RFC 3339 */
export function age(moment) {
  return h("span", { "data-age": moment }, ago(serverNow() - Date.parse(moment)));
}

export class Freshness {
  #line = byId("freshness", HTMLElement);
  #partial = byId("partial", HTMLElement);

  constructor() {
    setInterval(() => this.tick(), 1000);
  }

  /** @param {Data} data @param {{ isLive: boolean, tz: string, period: string }} view */
  show(data, { isLive, tz, period }) {
    const { asOf, olderAsOf, leftOut } = data;
    const isOld = Date.parse(asOf) - Date.parse(olderAsOf) > OLD_MS;
    const zone = tz === "UTC" ? "UTC" : `${tz.replaceAll("_", " ")} (${offset(Date.now(), tz)})`;
    this.#line.replaceChildren(
      h("span", { class: isLive ? "pulse live" : "pulse", "aria-hidden": "true" }),
      h(
        "span",
        {},
        "Figures from ",
        age(asOf),
        isOld && ", older visits from ",
        isOld && age(olderAsOf),
      ),
      h(
        "span",
        { class: "more" },
        `${period.charAt(0).toUpperCase()}${period.slice(1)}, times in ${zone}`,
      ),
    );
    this.#partial.hidden = !leftOut;
    if (leftOut) this.#missing(data);
  }

  /** @param {Data} data */
  #missing({ rows, stored }) {
    const told =
      stored === null ? `${number(rows)} so far` : `${number(rows)} of ${number(stored)}`;
    const text = `Older visits are still being read: ${told}.`;
    const bar =
      stored !== null &&
      h("progress", { max: stored, value: Math.min(rows, stored), "aria-label": "Visits read" });
    const was = this.#partial.querySelector("p");
    if (was?.textContent === text) return;
    this.#partial.replaceChildren(h("p", {}, text), ...(bar ? [bar] : []));
  }

  /** Nothing newer comes for now. */
  stop() {
    this.#line.querySelector(".pulse")?.classList.remove("live");
  }

  /** Nothing to be of any age. */
  clear() {
    this.#line.replaceChildren();
    this.#partial.hidden = true;
  }

  tick() {
    const now = serverNow();
    for (const element of document.querySelectorAll("[data-age]")) {
      const text = ago(now - Date.parse(element.getAttribute("data-age") ?? ""));
      if (element.textContent !== text) element.textContent = text;
    }
  }
}
