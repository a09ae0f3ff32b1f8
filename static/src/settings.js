/** What the page sets, by attributes or options; all times are milliseconds. */
import { FOREVER } from "./clock.js";
import { attempt, setVerbose, warnInConsole } from "./safely.js";
import { WORDS } from "./words.js";

/**
 * @typedef {{ interval?: number, idleTimeout?: number, warnBefore?: number, activityWindow?: number,
 *   endpoint?: string, logoutUrl?: string, gate?: string, worker?: string, lang?: string,
 *   text?: string, debug?: boolean }} Options
 */

/** Longer timers fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const settings = {
  interval: 180_000,
  idleTimeout: FOREVER,
  warnBefore: 60_000,
  activityWindow: 180_000,
  endpoint: "/api/session-heartbeat",
  logoutUrl: "/api/logout",
  gate: "/access/",
  worker: "",
  text: "",
  lang: "",
  debug: false,
};

/** @type {Record<string, [least: number, most: number]>} */
const RANGES = {
  interval: [1_000, 86_400_000],
  idleTimeout: [60_000, LONGEST_TIMER_MS],
  warnBefore: [20_000, 3_600_000],
  activityWindow: [5_000, 3_600_000],
};

/** @param {string} path */
export function absolute(path) {
  return new URL(path, document.baseURI);
}

/**
 * Takes what is given. A bad value, or a name that looks like a setting's and is none, is one warning;
 * nothing changes. Other attributes are those of whatever else handles the tag.
 * @param {Record<string, any>} given
 */
export function configure(given) {
  const target = /** @type {Record<string, any>} */ (settings);
  const names = Object.keys(settings);
  // `text` decides what `lang` may be, whichever is written first.
  for (const name of new Set([...names, ...Object.keys(given)])) {
    const value = given[name];
    if (value === undefined) continue;
    const isKnown = names.includes(name);
    const read = isKnown ? readSetting(name, value) : undefined;
    if (read !== undefined) target[name] = read;
    else if (names.some((known) => known.slice(0, 3) === name.slice(0, 3))) {
      const wanted = isKnown ? (RANGES[name]?.join(" to ") ?? "valid") : "a setting";
      warnInConsole(`${name} "${value}" is not ${wanted}; ignored`);
    }
  }
  setVerbose(settings.debug);
  if (settings.warnBefore >= settings.idleTimeout) {
    warnInConsole("warnBefore is not below idleTimeout");
  }
}

/** @param {string} name @param {any} value @returns {any} undefined where it is refused */
function readSetting(name, value) {
  const range = RANGES[name];
  if (range) {
    return /^\d+$/.test(value) && value >= range[0] && value <= range[1] ? +value : undefined;
  }
  if (name === "debug") return value !== false && value !== "false";
  if (name === "text") return value.split("|").length === 5 ? value : undefined;
  if (name === "lang") {
    const [code] = value.split("-");
    return (settings.text ? /^[a-z]{2,3}$/.test(code) : WORDS[code]) ? code : undefined;
  }
  const url = attempt(() => absolute(value));
  return value && url?.protocol.startsWith("http") ? url.href : undefined;
}
