/**
 * The session, and what its tabs share.
 *
 * Each tab has one record, which only that tab writes; what is shared is the sum or the newest over
 * all records. So there is nothing to lock, to elect or to lose, and a frozen tab holds nobody up.
 * localStorage tells the others at once and lives on when a page goes; IndexedDB keeps a copy that is
 * safe on the disk, where localStorage comes up to a minute late (Chromium 156).
 */
import { elapsed, FOREVER, later, NEVER, now, shifted, stamped } from "./clock.js";
import { sum } from "./figures.js";
import { hooks } from "./hooks.js";
import { attempt, guarded } from "./safely.js";
import { absolute, settings } from "./settings.js";

/**
 * @typedef {import("./clock.js").Moment} Moment
 * @typedef {import("./figures.js").Figures} Figures
 * @typedef {{ n: number, a: number, c: number, s: number, d: number, x?: string, p: Figures }} TabRecord
 *   sequence number; newest activity, credited until, last heartbeat answered, server's deadline
 *   (wall clock); the reason this tab is logging out with; the tab's own figures
 */

const DISK_EVERY_MS = 5_000;

/** The session this page belongs to. */
export let session = "";
/** The session that has ended, we were told, or is refused. The dead stay dead. */
let over = "";
/** The page came out of a history that is older than a logout; it asks before it shows itself. */
export let suspect = false;
/** This tab, over all its pages. */
let tab = "";
/** This tab's own figures. @type {Figures} */
let pages = {};
/** What the other tabs say. @type {Record<string, TabRecord>} */
let peers = {};
let sequence = 0;
/** The newest activity in any tab. */
export let activity = NEVER;
/** Up to here viewing time is counted, in any tab: nothing counts twice. */
export let credited = NEVER;
/** When there was last something new to tell. */
export let changed = NEVER;
/** When the last heartbeat was sent that was answered, in any tab. */
export let answered = NEVER;
/** The viewing time that was told then, in milliseconds. */
export let told = 0;
/** When the server will end the session, in the future. @type {Moment | null} */
export let deadline = null;
/** When the session's lifetime ends, as far as the server told. @type {Moment} */
export let lifetimeEnd = [FOREVER, FOREVER];
/** The server's idle timeout, as far as its answers tell. */
export let serverTimeoutMs = FOREVER;
let saved = NEVER;

/** Begins every name in the browser's storage: two sites on one origin do not meet. */
let site = "";
/** Begins those of this session. */
let prefix = "";

/** @type {BroadcastChannel | undefined} */
let channel;
/** @type {IDBDatabase | undefined} */
let disk;
let onDisk = NEVER;

/** The row id in the cookie that scripts may read; empty without a session. */
export function sessionCookie() {
  return /(?:^|;\s*)session_record_id=([^;\s]+)/.exec(document.cookie)?.[1] ?? "";
}

export function tracking() {
  return suspect || (session !== "" && session !== over);
}

/** Names this site in the storage, and takes up the tab that a page before this one left. */
export function enterTab() {
  site = `lastseen:${absolute(settings.endpoint).pathname}:`;
  attempt(() => {
    tab = sessionStorage.getItem(site) ?? "";
    sessionStorage.removeItem(site);
  });
  // Back, reload, a duplicated tab: pages that may come from a cache, and be older than a logout.
  const [entry] = /** @type {PerformanceNavigationTiming[]} */ (
    performance.getEntriesByType("navigation")
  );
  suspect = tab !== "" && entry?.type !== "navigate" && !sessionCookie();
}

/** Hands the tab on to the next page. Only while the page is away: a tab that is duplicated while it lives gets a name of its own. */
export function leaveTab() {
  if (session && tab) attempt(() => sessionStorage.setItem(site, tab));
}

/** The page is back from the back-forward cache. @param {boolean} again it was covered, and asks again */
export function returnToTab(again) {
  attempt(() => sessionStorage.removeItem(site));
  if (again) over = "";
}

/** Follows the cookie: a new session starts with nothing. @returns {boolean} whether there is one */
export function adopt() {
  const id = sessionCookie();
  if (!id || id === session || id === over) return false;
  session = id;
  prefix = `${site + id}:`;
  over = "";
  suspect = false;
  deadline = null;
  pages = {};
  peers = {};
  sequence = told = 0;
  activity = credited = answered = NEVER;
  serverTimeoutMs = FOREVER;
  lifetimeEnd = [FOREVER, FOREVER];
  return true;
}

/** The session is over for this page. @param {boolean} [erase] in this browser, too */
export function abandon(erase) {
  over = session;
  suspect = false;
  if (!erase) return;
  eachKey((key) => key.startsWith(prefix) && localStorage.removeItem(key));
  attempt(() => onTheDisk()?.clear());
}

/** A page without a session counts as a new tab. */
export function forgetTab() {
  tab = "";
}

export function news() {
  changed = now();
}

/** A sign of life, in this tab. @param {Moment} t */
export function markActivity(t) {
  activity = t;
  news();
}

/** @param {string} page */
export function figuresOf(page) {
  pages[page] ??= [0, 0];
  return pages[page];
}

/** Counts viewing time of a page, as far as no tab has counted it. @param {string} page @param {Moment} from @param {number} ms */
export function count(page, from, ms, t = now()) {
  if (credited[0] > t[0]) credited = t;
  const gain = from[0] + ms - Math.max(from[0], credited[0]);
  if (gain <= 0) return;
  figuresOf(page)[0] += gain;
  credited = shifted(from, ms);
  changed = t;
}

/** @param {string} page @param {number} percent */
export function setDepth(page, percent) {
  const figures = figuresOf(page);
  if (figures[1] === percent) return;
  figures[1] = percent;
  news();
}

/** The figures of all tabs. */
export function total() {
  return sum([pages, ...Object.values(peers).map(({ p }) => p)]);
}

/** A heartbeat goes out, and tells of what is counted by now. */
export function telling() {
  told = total().ms;
}

/**
 * What the server granted to a heartbeat.
 * @param {Moment} asked when it was sent
 * @param {number} idle how long there had been no activity, in ms
 * @param {number} ms until the idle deadline
 * @param {number} lifeMs until the lifetime ends; NaN where the server does not say
 * @returns when the server knows of activity
 */
export function grant(asked, idle, ms, lifeMs) {
  deadline = shifted(asked, ms);
  if (lifeMs) lifetimeEnd = shifted(asked, lifeMs);
  // More than that where another tab was active, less where the lifetime ends.
  if (!(ms >= lifeMs)) serverTimeoutMs = Math.min(serverTimeoutMs, ms + idle);
  return shifted(asked, ms - serverTimeoutMs);
}

/** @param {Moment} asked when the heartbeat was sent that has been answered */
export function markAnswered(asked) {
  answered = asked;
  save();
}

/** @param {string} [leavingWith] the reason of a logout that is about to be sent */
export function save(leavingWith) {
  if (!tracking() || suspect) return;
  const key = prefix + tab;
  sequence += 1;
  saved = now();
  const text = JSON.stringify({
    n: sequence,
    a: activity[0],
    c: credited[0],
    s: answered[0],
    d: deadline?.[0],
    x: leavingWith,
    p: pages,
  });
  attempt(() => localStorage.setItem(key, text));
  attempt(() => channel?.postMessage([key, text]));
  if (elapsed(onDisk) < DISK_EVERY_MS) return;
  onDisk = saved;
  attempt(() => onTheDisk()?.put([key, text], key));
}

export function saveNews() {
  if (elapsed(changed) < elapsed(saved)) save();
}

function onTheDisk() {
  // Strict: written before it is said to be, so that a crash a moment later loses nothing.
  return disk?.transaction("tabs", "readwrite", { durability: "strict" }).objectStore("tabs");
}

/** @param {string} key @param {string} text @param {boolean} [live] it was said just now */
export function learn(key, text, live) {
  if (!key.startsWith(prefix)) return;
  /** @type {TabRecord} */
  const record = JSON.parse(text);
  // Throws for what is none of ours; what is left counts as 0.
  for (const figure of Object.values(record.p)) {
    figure[0] = +figure[0] || 0;
    figure[1] = +figure[1] || 0;
  }
  const isOwn = key === prefix + tab;
  if (!(record.n > (isOwn ? sequence : (peers[key]?.n ?? 0)))) return;
  if (isOwn) {
    // Another page of this tab went on where we left.
    sequence = record.n;
    pages = record.p;
  } else peers[key] = record;
  activity = later(activity, record.a);
  credited = later(credited, record.c);
  const heard = later(answered, record.s);
  if (heard !== answered) {
    answered = heard;
    telling();
  }
  const end = stamped(record.d);
  if (elapsed(end) < 0 && !(deadline && elapsed(deadline) <= elapsed(end))) deadline = end;
  if (live && record.x) hooks.hold(record.x);
}

/** @param {(key: string) => void} step */
function eachKey(step) {
  attempt(() => {
    for (const key of Object.keys(localStorage)) if (key.startsWith(site)) attempt(() => step(key));
  });
}

/** Reads what is stored: tabs that froze, slept or were away have missed what was said. */
export function reread() {
  eachKey((key) => {
    if (key.startsWith(prefix)) learn(key, localStorage[key]);
    else localStorage.removeItem(key);
  });
}

function openDisk() {
  const request = indexedDB.open(site);
  request.onupgradeneeded = () => request.result.createObjectStore("tabs");
  request.onsuccess = guarded(() => {
    disk = request.result;
    // The session ended, or the page was shut, meanwhile.
    if (!tracking()) onTheDisk()?.clear();
    if (!channel) return disconnect();
    const all = /** @type {IDBRequest<[string, string][]>} */ (onTheDisk()?.getAll());
    all.onsuccess = guarded(() => {
      for (const [key, text] of all.result) {
        // What a crash cut off comes back with the next heartbeat.
        if (key.startsWith(prefix)) attempt(() => learn(key, text));
        else onTheDisk()?.delete(key);
      }
      news();
    });
  });
}

/** Opens what the tabs talk by, and takes up what they said. */
export function connect() {
  disconnect();
  if (!tab) tab = Math.random().toString(36).slice(2);
  attempt(() => {
    channel = new BroadcastChannel(site);
    channel.onmessage = guarded(({ data: [key, text] }) => learn(key, text, true));
  });
  reread();
  attempt(openDisk);
  // The first page of a session: coming in was activity.
  if (activity === NEVER) activity = now();
  if (credited === NEVER) credited = now();
  news();
  onDisk = now();
}

export function disconnect() {
  channel?.close();
  disk?.close();
  channel = disk = undefined;
}
