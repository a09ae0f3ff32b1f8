/** What to say, and to offer, where there is no visit to show. */
import { h } from "../dom.js";
import { isFiltered } from "../filters.js";
import { empty } from "../parts.js";

/**
 * @param {import("../app.js").App} app
 * @param {import("../api.js").Data} data
 */
export function noVisits(app, data) {
  if (data.complete && data.rows === 0) {
    return empty(
      "No visits yet",
      h(
        "p",
        {},
        "A visit begins when somebody leaves an email at the gate. Open a protected page of this " +
          "site in a private window, leave any address, and look around: the visit shows up here.",
      ),
      h("p", {}, h("a", { class: "button", href: "/" }, "Open the site")),
    );
  }
  const all = app.link({ from: "", to: "", range: "all" });
  return isFiltered(app.filters)
    ? empty(
        "No visits match these filters",
        h("p", {}, "There are other visits, which the filters leave out."),
        h(
          "p",
          {},
          h("a", { class: "button", href: app.clearedLink({ range: "all" }) }, "Clear the filters"),
        ),
      )
    : empty(
        "No visits in this period",
        h("p", {}, "There are visits at other times."),
        h("p", {}, h("a", { class: "button", href: all }, "Show all time")),
      );
}
