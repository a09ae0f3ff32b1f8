/** Figures by page: how they are named, merged and told. Pure. */
import { seconds } from "./clock.js";
import { attempt } from "./safely.js";

/** @typedef {Record<string, [ms: number, scroll: number]>} Figures by page; scroll in percent */

/** As many pages as the server keeps. */
const MOST_PAGES = 50;

/**
 * The one name of a page: its path, decoded, with single slashes and without `index.html`, composed
 * (NFC); and the route where the fragment is one. The server spells pages the same way.
 * @param {string} path @param {string} hash
 */
export function pageName(path, hash) {
  const route = isRoute(hash) ? hash : "";
  const name = path.replace(/\/+/g, "/").replace(/\/index\.html?$/, "/") + route;
  return (attempt(() => decodeURIComponent(name)) ?? name).normalize();
}

/** Whether a fragment is a route, and not a place on the page. @param {string} hash */
export function isRoute(hash) {
  return /^#!?\//.test(hash);
}

/** How far down a reader came, in percent of what there is. @param {number} bottom @param {number} height both in pixels */
export function depth(bottom, height) {
  return Math.min(100, Math.round((100 * bottom) / height)) || 0;
}

/** The figures of all tabs, the pages with the most time first. @param {Figures[]} tabs */
export function sum(tabs) {
  let ms = 0;
  /** @type {Figures} */
  const all = {};
  for (const tab of tabs) {
    for (const [page, [more, scroll]] of Object.entries(tab)) {
      const [before, furthest] = all[page] ?? [0, 0];
      all[page] = [before + more, Math.max(furthest, scroll)];
      ms += more;
    }
  }
  let activeSeconds = 0;
  const byTime = Object.entries(all).sort(([, [a]], [, [b]]) => b - a);
  const entries = byTime.map(([page, [pageMs, scroll]]) => {
    activeSeconds += seconds(pageMs);
    return [page, { seconds: seconds(pageMs), scroll }];
  });
  // A beacon holds 64 KiB.
  return { ms, activeSeconds, pages: Object.fromEntries(entries.slice(0, MOST_PAGES)) };
}
