/** Making elements. Whatever a visitor wrote only ever becomes text. */
import { printable } from "./format.js";

/**
 * @typedef {Node | string | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes
 */

/**
 * An element. Attributes that are null or false are left out; functions listen to the event of
 * their name; names that begin with `--` are custom properties, which a strict
 * Content-Security-Policy allows scripts to set.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  furnish(element, attributes, children);
  return element;
}

/** The same for a picture. @param {string} tag @param {Attributes} attributes @param {...Child} children */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  furnish(element, attributes, children);
  return element;
}

/** @param {HTMLElement | SVGElement} element @param {Attributes} attributes @param {Child[]} children */
function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name.startsWith("--")) element.style.setProperty(name, String(value));
    else element.setAttribute(name, value === true ? "" : attribute(name, String(value)));
  }
  element.append(...present(children));
}

/** Names that are read out are text as well; addresses and keys stay what they are. @param {string} name @param {string} value */
function attribute(name, value) {
  return name === "aria-label" ? printable(value) : value;
}

/** What is there, and of text what is safe to show. @param {Child[]} children @returns {(Node | string)[]} */
function present(children) {
  return children.flatMap((child) => {
    if (child === null || child === undefined || child === false) return [];
    return [typeof child === "string" ? printable(child) : child];
  });
}

/**
 * Puts new content in the place of the old, and leaves the keyboard where it was: on the element
 * with the same `data-key`, if there still is one.
 *
 * @param {HTMLElement} parent
 * @param {...Child} children
 */
export function replace(parent, ...children) {
  const held = document.activeElement;
  const key = held && parent.contains(held) ? held.getAttribute("data-key") : null;
  parent.replaceChildren(...present(children));
  if (!key) return;
  const again = [...parent.querySelectorAll("[data-key]")];
  const same = again.find((element) => element.getAttribute("data-key") === key);
  if (same instanceof HTMLElement) same.focus({ preventScroll: true });
}

/** The element of this id, which the page has. @template {HTMLElement} T @param {string} id @param {new () => T} kind @returns {T} */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${id}`);
  return element;
}
