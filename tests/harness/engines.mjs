/**
 * Three real engines behind one small interface, so that a test is written once and runs in all of
 * them. `LASTSEEN_ENGINES=chromium,webkit` leaves one out.
 *
 * What differs: WebKit has no touch (its desktop build knows no touch events), and its tabs are
 * windows; Chromium without a screen takes every window that can be seen for focused.
 */
import { openChromium, openFirefox } from "./puppet.mjs";
import { openWebkit } from "./webkit.mjs";

/**
 * @typedef {import("./tab.mjs").Tab} Tab
 *
 * @typedef {object} Visitor somebody with cookies and storage of their own, empty at first
 * @property {() => Promise<Tab>} tab an empty tab in front of the others
 * @property {() => Promise<Tab>} window an empty tab in a window of its own, beside the others
 * @property {() => Promise<Record<string, string>>} cookies
 * @property {(url: string, name: string, value: string) => Promise<void>} setCookie for the site of
 *   a page that does nothing: WebKit opens it
 * @property {(name: string) => Promise<void>} deleteCookie
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Engine
 * @property {() => Promise<Visitor>} visitor
 * @property {() => Promise<void>} quit
 *
 * @typedef {"chromium" | "firefox" | "webkit"} EngineName
 */

/** @type {Record<EngineName, () => Promise<Engine>>} */
const OPENERS = { chromium: openChromium, firefox: openFirefox, webkit: openWebkit };

const every = /** @type {EngineName[]} */ (Object.keys(OPENERS));

/** Those that the tests run in. @type {EngineName[]} */
export const engines = process.env.LASTSEEN_ENGINES
  ? process.env.LASTSEEN_ENGINES.split(",").map(named)
  : every;

/** @param {string} name */
function named(name) {
  const engine = every.find((one) => one === name);
  if (!engine) throw new Error(`LASTSEEN_ENGINES: "${name}" is none of ${every.join(", ")}`);
  return engine;
}

/** @param {EngineName} name @returns {Promise<Engine>} */
export const openEngine = (name) => OPENERS[name]();
