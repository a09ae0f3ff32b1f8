/** What views are put together from: panels, headline figures, tables, bars, and what stands in while they load. */
import { h } from "./dom.js";
import { count, number } from "./format.js";

/** @typedef {import("./dom.js").Child} Child */

let ids = 0;
/** An id that the page does not have yet. @param {string} word */
export const newId = (word) => `${word}-${++ids}`;

/**
 * A section under a heading.
 *
 * @param {string} title
 * @param {{ note?: Child, actions?: Child[], class?: string }} options
 * @param {...Child} children
 */
export function panel(title, { note, actions = [], class: name = "" }, ...children) {
  const id = newId("panel");
  return h(
    "section",
    { class: `panel ${name}`, "aria-labelledby": id },
    h(
      "div",
      { class: "panel-head" },
      h("div", {}, h("h2", { id }, title), note && h("p", { class: "quiet" }, note)),
      actions.length > 0 && h("div", { class: "actions" }, ...actions),
    ),
    ...children,
  );
}

/**
 * Headline figures.
 *
 * @param {{ label: string, value: string, notes?: Child[] }[]} figures
 */
export function figures(figures) {
  return h(
    "dl",
    { class: "figures" },
    ...figures.map(({ label, value, notes = [] }) =>
      h(
        "div",
        {},
        h("dt", {}, label),
        h("dd", { class: "value" }, value),
        ...notes.map((note) => note && h("dd", { class: "quiet" }, note)),
      ),
    ),
  );
}

/** A bar beside a figure, which says the same: it is drawn for eyes alone. @param {number} value @param {number} most */
export function bar(value, most) {
  const share = most > 0 ? value / most : 0;
  return h("span", {
    class: share > 0 ? "bar" : "bar none",
    "aria-hidden": "true",
    "--share": share,
  });
}

/**
 * @template R
 * @typedef {object} Column
 * @property {string} label
 * @property {(row: R) => Child | Child[]} cell
 * @property {"number" | "bar" | "action" | ""} [kind]
 * @property {string} [sort] by what the server sorts for this column
 * @property {string} [note] what the label means
 */

/**
 * A table that becomes a list of cards on a phone. The roles say that it still is a table: browsers
 * forget it where `display` is changed.
 *
 * @template R
 * @param {object} options
 * @param {string} options.caption what a screen reader calls it
 * @param {Column<R>[]} options.columns the first names the row
 * @param {R[]} options.rows
 * @param {string} [options.sort] the order in force
 * @param {(sort: string) => void} [options.onSort]
 * @param {string} [options.class]
 */
export function table({ caption, columns, rows, sort, onSort, class: name = "" }) {
  const body = h("tbody", { role: "rowgroup" });
  body.append(...rows.map((row) => tableRow(columns, row)));
  return h(
    "table",
    { role: "table", class: `table ${name}` },
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        ...columns.map((column) => {
          const { label, kind = "" } = column;
          const isSorted = column.sort !== undefined && column.sort === sort;
          const order = column.sort === "email" ? "ascending" : "descending";
          const attributes = { role: "columnheader", scope: "col", class: kind };
          if (!column.sort || !onSort) {
            const text = kind === "action" ? h("span", { class: "unseen" }, label) : label;
            return h("th", attributes, text);
          }
          const by = column.sort;
          const key = `sort-${by}`;
          const click = () => onSort(by);
          return h(
            "th",
            { ...attributes, "aria-sort": isSorted ? order : null },
            h("button", { type: "button", class: "sort", "data-key": key, click }, label),
          );
        }),
      ),
    ),
    body,
  );
}

/** One row of such a table. @template R @param {Column<R>[]} columns @param {R} row */
export function tableRow(columns, row) {
  return h(
    "tr",
    { role: "row" },
    ...columns.map(({ label, cell, kind = "" }, index) => {
      const content = cell(row);
      const children = Array.isArray(content) ? content : [content];
      return index === 0
        ? h("th", { role: "rowheader", scope: "row" }, ...children)
        : h("td", { role: "cell", class: kind, "data-label": label }, ...children);
    }),
  );
}

/** A table behind a chart, for who cannot see it or wants the figures. @param {HTMLElement} inner @param {string} [label] */
export function behind(inner, label = "Show as a table") {
  return h("details", { class: "behind" }, h("summary", {}, label), inner);
}

/**
 * How much of a list is shown, and the way to more.
 *
 * @param {{ shown: number, total: number, noun: string, next: boolean, more: () => Promise<void> }} list
 */
export function pager({ shown, total, noun, next, more }) {
  const told = next ? `${number(shown)} of ${count(total, noun)}` : `${count(total, noun)} in all`;
  const button = h("button", { type: "button", class: "button", "data-key": "more" }, "Show more");
  button.addEventListener("click", async () => {
    // Not `disabled`, which would send the keyboard away.
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    button.textContent = "Loading…";
    await more();
    button.removeAttribute("aria-disabled");
    button.textContent = "Show more";
  });
  return h(
    "div",
    { class: "pager" },
    h("p", { class: "quiet" }, total > 1 ? told : ""),
    next && button,
  );
}

/** Grey shapes of the size of what will come, and one word for who cannot see them. @param {...string} shapes classes */
export function skeleton(...shapes) {
  return h(
    "div",
    { class: "skeleton" },
    h("p", { class: "unseen" }, "Loading the figures…"),
    ...shapes.map((shape) => h("div", { class: `shape ${shape}`, "aria-hidden": "true" })),
  );
}

/** What stands where there is nothing. @param {string} title @param {...Child} children */
export function empty(title, ...children) {
  return h("section", { class: "empty" }, h("h2", {}, title), ...children);
}
