/**
 * lastseen: knows how long a page is really looked at, tells the server, and locks the page when
 * the visitor walks away.
 *
 *   <script src="/lastseen.js" defer></script>
 *
 *   data-interval="180000"                  between heartbeats, 1000 to 86400000
 *   data-idle-timeout="900000"              until the page locks, from 60000; the server's is the ceiling
 *   data-warn-before="60000"                how long before that it asks, 20000 to 3600000
 *   data-activity-window="60000"            the longest pause that counts as reading, 5000 to 3600000
 *   data-endpoint="/api/session-heartbeat"  where heartbeats go
 *   data-logout-url="/api/logout"           where a logout goes; forms that post there are taken over
 *   data-gate="/access/"                    where a visitor goes whose session has ended
 *   data-worker="/lastseen-worker.js"       a timer that browsers slow down less in hidden tabs
 *   data-lang="en"                          of the warning: en, de, fr or es
 *   data-text="Title|In {}.|Stay|Log out|Locked"  the warning in your own words
 *   data-debug                              say in the console what happens
 *
 * All times are milliseconds. `import "/lastseen.js"` works too and starts nothing until
 * `lastseen.start({ interval: 60000 })`. Until there is a cookie `session_record_id` nothing is
 * sent, stored or listened to. docs/script.md says how it all works, and why.
 */
(() => {
  /**
   * @typedef {readonly [wall: number, monotonic: number]} Moment one instant by both clocks, in milliseconds
   * @typedef {Record<string, [ms: number, scroll: number]>} Figures by page
   * @typedef {{ n: number, a: number, c: number, s: number, d: number, x?: string, p: Figures }} TabRecord
   *   sequence number; newest activity, credited until, last heartbeat answered, server's deadline
   *   (wall clock); the reason this tab is logging out with; the tab's own figures
   * @typedef {{ interval?: number, idleTimeout?: number, warnBefore?: number, activityWindow?: number,
   *   endpoint?: string, logoutUrl?: string, gate?: string, worker?: string, lang?: string,
   *   text?: string, debug?: boolean }} Options
   * @typedef {{ session: string | null, tracking: boolean, activeSeconds: number,
   *   inactiveSeconds: number, seenSecondsAgo: number, idleInSeconds: number | null,
   *   nextHeartbeatInSeconds: number | null, paused: boolean, covered: boolean }} Status
   * @typedef {{ start: (options?: Options) => void, logout: () => Promise<void>, stay: () => void,
   *   pause: () => void, resume: () => void, status: () => Status }} Lastseen
   */

  // A page rendered on a server has nobody looking at it; and one copy per page is enough.
  if (typeof window === "undefined") return;
  const root =
    /** @type {Window & { lastseen?: Lastseen, navigation?: EventTarget, trustedTypes?: any }} */ (
      window
    );
  if (root.lastseen?.status) return;

  /** Timers are hints: what runs between two looks at the clock while the page can be seen. */
  const TICK_MS = 1_000;
  /** Looked at the clock longer ago than this: the machine slept, or the page was stopped. */
  const ASLEEP_MS = 5_000;
  /** What counts of a pause that no sign of life ends in time. */
  const TAIL_MS = 5_000;
  /** An open pause is credited late, so that what another window credited is known first. */
  const LAG_MS = 1_500;
  /** The pause after the first heartbeat; and what "a moment ago" means of a sibling's. */
  const SOON_MS = 5_000;
  /** How much longer than what was seen so far the next heartbeat waits. */
  const HEAD_START_MS = 12_000;
  /** An answer slower than this is none. */
  const PATIENCE_MS = 30_000;
  /** The first pause after a failed send; it doubles from there, up to the interval. */
  const FIRST_RETRY_MS = 5_000;
  const DISK_EVERY_MS = 5_000;
  /** However long a server asks us to wait, ask again after an hour. */
  const LONGEST_RETRY_AFTER_MS = 3_600_000;
  /** Timers that are set for longer fire at once. */
  const LONGEST_TIMER_MS = 2 ** 31 - 1;
  const FOREVER = 1 / 0;
  /** @type {Moment} */
  const NEVER = [-FOREVER, -FOREVER];

  /** Title, sentence, stay, log out, locked; escaped, for pages in another encoding. @type {Record<string, string>} */
  const WORDS = {
    en: "Are you still there?|You will be logged out in {}.|Stay|Log out now|Page locked",
    de: "Sind Sie noch da?|Sie werden in {} abgemeldet.|Bleiben|Jetzt abmelden|Seite gesperrt",
    fr: "\u00cates-vous toujours l\u00e0 ?|D\u00e9connexion dans {}.|Rester|Se d\u00e9connecter|Page verrouill\u00e9e",
    es: "\u00bfSigue ah\u00ed?|La sesi\u00f3n se cerrar\u00e1 en {}.|Seguir|Cerrar sesi\u00f3n|P\u00e1gina bloqueada",
  };

  // --- Settings -----------------------------------------------------------------------------

  const settings = {
    interval: 180_000,
    idleTimeout: FOREVER,
    warnBefore: 60_000,
    activityWindow: 60_000,
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

  /**
   * Takes what is given, as attributes or as options; a bad value is one warning, and nothing
   * changes.
   * @param {Record<string, any>} given
   */
  function configure(given) {
    const target = /** @type {Record<string, any>} */ (settings);
    for (const name of Object.keys(target)) {
      const value = given[name];
      if (value === undefined) continue;
      const read = readSetting(name, value);
      if (read === undefined) {
        const wanted = RANGES[name]?.join(" to ") ?? "valid";
        console.warn(`[lastseen] ${name} "${value}" is not ${wanted}; ignored`);
      } else target[name] = read;
    }
    if (settings.warnBefore >= settings.idleTimeout) {
      console.warn("[lastseen] warnBefore is not below idleTimeout");
    }
  }

  /** @param {string} path */
  function absolute(path) {
    return new URL(path, document.baseURI);
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

  /** @param {unknown[]} words */
  function log(...words) {
    if (settings.debug) console.log("[lastseen]", ...words);
  }

  /**
   * Storage that is full, denied or cleared, a browser that forbids cookies, our own mistakes: none
   * of it reaches the page.
   * @template T @param {() => T} step @returns {T | undefined}
   */
  function attempt(step) {
    try {
      return step();
    } catch (error) {
      log(error);
      return undefined;
    }
  }

  /** @template {unknown[]} A @param {(...args: A) => unknown} step @returns {(...args: A) => void} */
  function guarded(step) {
    return (...args) => void attempt(() => step(...args));
  }

  /** @param {string} name @param {unknown} [detail] @returns {boolean} false where a listener prevents the default */
  function emit(name, detail) {
    log(name, detail);
    return window.dispatchEvent(new CustomEvent(`lastseen:${name}`, { detail, cancelable: true }));
  }

  // --- Clock --------------------------------------------------------------------------------

  /** @returns {Moment} */
  function now() {
    return [Date.now(), performance.now()];
  }

  /**
   * Milliseconds since a moment; negative before it. The wall clock goes on while a laptop sleeps
   * (the monotonic one stops there, except on Windows), the monotonic one survives a clock that is
   * set back: so the larger of the two.
   * @param {Moment} moment
   */
  function elapsed([wall, mono]) {
    return Math.max(Date.now() - wall, performance.now() - mono);
  }

  /** A moment that another page stamped with the wall clock. @param {number} wall @returns {Moment} */
  function stamped(wall) {
    return [wall, performance.now() + wall - Date.now()];
  }

  /** The later of a moment and a stamp; one from the future is a clock that was set. @param {Moment} known @param {number} wall */
  function later(known, wall) {
    const other = stamped(wall);
    return wall <= Date.now() && elapsed(other) < elapsed(known) ? other : known;
  }

  /** @param {Moment} moment @param {number} by in milliseconds @returns {Moment} */
  function shifted([wall, mono], by) {
    return [wall + by, mono + by];
  }

  /** @param {number} ms */
  function seconds(ms) {
    return Math.round(ms / 1000);
  }

  // --- The session and its tabs -------------------------------------------------------------

  /** The session this page belongs to. */
  let session = "";
  /** The session that has ended, we were told, or is refused. The dead stay dead. */
  let over = "";
  /** The page came out of a history that is older than a logout; it asks before it shows itself. */
  let suspect = false;
  /** This tab, over all its pages. */
  let tab = "";
  /** This tab's own figures. @type {Figures} */
  let pages = {};
  /** What the other tabs say. @type {Record<string, TabRecord>} */
  let peers = {};
  let sequence = 0;
  /** The newest activity in any tab. */
  let activity = NEVER;
  /** The newest activity of, or arrival at, this very page. */
  let own = NEVER;
  /** Up to here viewing time is counted, in any tab: nothing counts twice. */
  let credited = NEVER;
  /** When there was last something new to tell. */
  let changed = NEVER;
  /** When the last heartbeat was sent that was answered, in any tab. */
  let answered = NEVER;
  /** The viewing time that was told then, in milliseconds. */
  let told = 0;
  /** When the server will end the session, in the future. @type {Moment | null} */
  let deadline = null;
  /** The server's idle timeout, as far as its answers tell. */
  let serverTimeoutMs = FOREVER;

  function sessionCookie() {
    return /(?:^|;\s*)session_record_id=([^;\s]+)/.exec(document.cookie)?.[1] ?? "";
  }

  function tracking() {
    return suspect || (session !== "" && session !== over);
  }

  /** Begins every name in the browser's storage: two sites on one origin do not meet. */
  let site = "";
  /** Begins those of this session. */
  let prefix = "";

  /** Follows the cookie: a new session starts with nothing. */
  function follow() {
    const id = sessionCookie();
    if (!id || id === session || id === over) return;
    dropFlight();
    session = id;
    prefix = `${site + id}:`;
    over = said = "";
    suspect = locked = false;
    held = paused = deadline = null;
    pages = {};
    peers = {};
    sequence = told = failures = quiet = 0;
    activity = credited = answered = asked = NEVER;
    serverTimeoutMs = FOREVER;
    soon = 2;
    show("");
    open();
  }

  // --- What the tabs share ------------------------------------------------------------------
  //
  // Each tab has one record, which only that tab writes; what is shared is the sum or the newest
  // over all records. So there is nothing to lock, to elect or to lose, and a frozen tab holds
  // nobody up. localStorage tells the others at once and lives on when a page goes; IndexedDB keeps
  // a copy that is safe on the disk, where localStorage comes up to a minute late (Chromium 156).

  /** @type {BroadcastChannel | undefined} */
  let channel;
  /** @type {IDBDatabase | undefined} */
  let disk;
  let onDisk = NEVER;
  let saved = NEVER;

  /** @param {string} [leavingWith] the reason of a logout that is about to be sent */
  function save(leavingWith) {
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

  function onTheDisk() {
    // Strict: written before it is said to be, so that a crash a moment later loses nothing.
    return disk?.transaction("tabs", "readwrite", { durability: "strict" }).objectStore("tabs");
  }

  /** @param {string} key @param {string} text @param {boolean} [live] it was said just now */
  function learn(key, text, live) {
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
      told = total().ms;
    }
    const end = stamped(record.d);
    if (elapsed(end) < 0 && !(deadline && elapsed(deadline) <= elapsed(end))) deadline = end;
    if (live && record.x) hold(record.x);
  }

  /** @param {(key: string) => void} step */
  function eachKey(step) {
    attempt(() => {
      for (const key of Object.keys(localStorage))
        if (key.startsWith(site)) attempt(() => step(key));
    });
  }

  /** Reads what is stored: tabs that froze, slept or were away have missed what was said. */
  function reread() {
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
      const all = /** @type {IDBRequest<[string, string][]>} */ (onTheDisk()?.getAll());
      all.onsuccess = guarded(() => {
        for (const [key, text] of all.result) {
          // What a crash cut off comes back with the next heartbeat.
          if (key.startsWith(prefix)) attempt(() => learn(key, text));
          else onTheDisk()?.delete(key);
        }
        changed = now();
      });
    });
  }

  // --- Viewing time -------------------------------------------------------------------------
  //
  // A pause opens with a sign of life, or when the page comes to the front; the next sign, or
  // leaving, closes it. See docs/script.md.

  /** Where the open pause began; null while nobody can be looking. @type {Moment | null} */
  let from = null;
  /** The page of the figures; see `route`. */
  let here = "";
  /** It is in front, and has the keyboard. */
  let attentive = false;
  /** The keyboard is in a frame that we cannot look into. */
  let framed = false;
  /** What counts of the open pause if no sign of life ends it in time. */
  let tailMs = TAIL_MS;
  /** When we last looked at the clock. */
  let glanced = NEVER;

  function figures() {
    pages[here] ??= [0, 0];
    return pages[here];
  }

  /** Counts the open pause: as far as is sure, or, with a sign of life, for good. @param {boolean} [sign] */
  function credit(sign) {
    if (!from) return;
    const t = now();
    const [begin] = from;
    const wall = t[0] - begin;
    const mono = t[1] - from[1];
    // The smaller clock: what one of them slept through was not looked at.
    let ms = Math.min(wall, mono);
    if (!sign || Math.max(wall, mono) > settings.activityWindow) {
      ms = Math.min(sign ? ms : ms - LAG_MS, tailMs);
    }
    if (credited[0] > t[0]) credited = t;
    const gain = begin + ms - Math.max(begin, credited[0]);
    if (gain > 0) {
      figures()[0] += gain;
      credited = shifted(from, ms);
      changed = t;
    }
    if (sign) from = t;
  }

  function measureScroll() {
    const { scrollTop, scrollHeight } = document.scrollingElement ?? document.documentElement;
    const percent = Math.min(100, Math.round((100 * (scrollTop + innerHeight)) / scrollHeight));
    if (percent > figures()[1]) {
      figures()[1] = percent;
      changed = now();
    }
  }

  /** The page of a site: its path, and the route where the fragment is one. */
  function pageName() {
    return location.pathname + (/^#!?\//.test(location.hash) ? location.hash : "");
  }

  /** Follows the address. @returns {string | void} the route that was left */
  function route() {
    const left = here;
    if (left === pageName()) return;
    credit(true);
    here = pageName();
    own = changed = now();
    soon ||= 1;
    return left;
  }

  function attend() {
    const before = attentive;
    attentive = shown && document.hasFocus();
    if (attentive && !before) from = paused ? null : now();
    if (before && !attentive) {
      credit(true);
      from = null;
      save();
    }
    const { tagName = "", contentDocument = null } = /** @type {Partial<HTMLIFrameElement>} */ (
      document.activeElement ?? {}
    );
    const inside = /^(IFRAME|OBJECT|EMBED)$/.test(tagName) && !contentDocument;
    const entered = inside && !framed && attentive;
    framed = inside;
    if (entered) alive();
    // Reading a PDF gives no sign of life that could be seen from here.
    tailMs = inside ? settings.activityWindow : TAIL_MS;
  }

  /** A machine that slept, a page that was stopped: nobody looked meanwhile. */
  function glance() {
    if (from && elapsed(glanced) > ASLEEP_MS) from = now();
    glanced = now();
  }

  // --- Activity -----------------------------------------------------------------------------

  let lastX = Number.NaN;
  let lastY = Number.NaN;
  /** Ends the listening: what listens, ticks or talks is gone with the session. @type {AbortController | null} */
  let listening = null;
  /** @type {WeakSet<Document>} */
  let instrumented = new WeakSet();

  /** @param {Event} event */
  function input(event) {
    if (!event.isTrusted) return;
    if (event.type === "pointermove") {
      const { screenX, screenY } = /** @type {PointerEvent} */ (event);
      // Browsers make moves that do not move, when what is under the pointer changes.
      const moved = Math.abs(screenX - lastX) + Math.abs(screenY - lastY) > 0;
      lastX = screenX;
      lastY = screenY;
      if (!moved) return;
    }
    if (event.type !== "scroll") alive();
    // Of the page itself: things inside it scroll by themselves, or with input that is heard too.
    else if (event.target === document && alive()) measureScroll();
  }

  /** A sign of life. Before it counts the deadline is checked: the dead stay dead. */
  function alive() {
    if (!tracking() || paused || presented) return false;
    glance();
    if (remaining() <= 0) {
      tick();
      return false;
    }
    const was = elapsed(activity);
    credit(true);
    activity = own = changed = now();
    if (shown) from ??= activity;
    if (was > settings.activityWindow) emit("active");
    return true;
  }

  /** Listens here and in the frames of this site, those that came since the last time too. @param {Window} frame */
  function listen(frame) {
    const { document: page } = frame;
    if (!instrumented.has(page)) {
      instrumented.add(page);
      const options = { capture: true, passive: true, signal: listening?.signal };
      for (const type of "pointerdown pointermove keydown wheel touchstart touchmove scroll".split(
        " ",
      )) {
        page.addEventListener(type, guarded(input), options);
      }
    }
    for (let i = 0; i < frame.length; i += 1) {
      // Throws for a frame of another site.
      attempt(() => listen(/** @type {Window} */ (frame[i])));
    }
  }

  /** Starts what a session needs; `shut` ends it. */
  function open() {
    shut();
    listening = new AbortController();
    instrumented = new WeakSet();
    if (!tab) tab = Math.random().toString(36).slice(2);
    attempt(() => {
      channel = new BroadcastChannel(site);
      channel.onmessage = guarded(({ data: [key, text] }) => learn(key, text, true));
    });
    reread();
    attempt(openDisk);
    if (settings.worker) {
      attempt(() => {
        const policy = root.trustedTypes?.createPolicy("lastseen", {
          createScriptURL: (/** @type {string} */ url) => url,
        });
        worker = new Worker(policy ? policy.createScriptURL(settings.worker) : settings.worker);
        worker.onmessage = look;
        worker.onerror = (event) => event.preventDefault();
      });
    }
    // The first page of a session: coming in was activity.
    if (activity === NEVER) activity = now();
    if (credited === NEVER) credited = now();
    own = changed = now();
    onDisk = now();
  }

  function shut() {
    listening?.abort();
    listening = null;
    clearTimeout(timer);
    channel?.close();
    disk?.close();
    worker?.terminate();
    channel = disk = worker = undefined;
  }

  // --- Deadline -----------------------------------------------------------------------------

  /** The deadline has passed, or the cookie is gone: covered until the server has its say. */
  let locked = false;
  /** Another tab is logging out since. @type {Moment | null} */
  let held = null;
  /** This tab is. */
  let ending = false;
  /** The reason of a logout on this side, which the server's answer cannot know. */
  let said = "";
  /** @type {Moment | null} */
  let paused = null;
  /** The warning was answered; it comes back when the deadline has moved. */
  let dismissed = false;

  function idleMs() {
    return elapsed(activity) - (paused ? elapsed(paused) : 0);
  }

  /** Milliseconds until the page locks: never later than the server ends the session. */
  function remaining() {
    const ours = settings.idleTimeout - idleMs();
    return deadline ? Math.min(ours, -elapsed(deadline)) : ours;
  }

  /** Whether the page may stay as it is, for all that is known here. */
  function lawful() {
    if (remaining() <= 0) reread();
    return remaining() > 0 && sessionCookie() !== "";
  }

  /** @param {string} reason */
  function hold(reason) {
    if (ending || !tracking()) return;
    held = now();
    said = reason;
    dropFlight();
    show("cover");
    tick();
  }

  function stay() {
    if (!tracking() || presented === "cover" || remaining() <= 0) return;
    dismissed = true;
    activity = own = changed = now();
    hurry();
  }

  function pause() {
    if (paused || !tracking() || presented === "cover") return;
    credit(true);
    from = null;
    changed = now();
    heartbeat();
    paused = now();
  }

  function resume() {
    if (!paused) return;
    activity = shifted(activity, elapsed(paused));
    paused = null;
    from = attentive ? now() : null;
    tick();
  }

  // --- Schedule -----------------------------------------------------------------------------

  /** @type {number | undefined} */
  let timer;
  /** @type {Worker | undefined} */
  let worker;
  /** The page is visible, loaded or back from the back-forward cache. */
  let shown = false;
  /** When this page last sent. */
  let asked = NEVER;
  /** How many heartbeats are to follow at once and soon. */
  let soon = 2;
  /** Heartbeats in a row that had nothing new to say. */
  let quiet = 0;
  let failures = 0;
  let retryMs = 0;
  let retryAfterMs = 0;

  /** Milliseconds until the next heartbeat is due. */
  function wait() {
    if (failures) return retryMs - elapsed(asked);
    if (locked) return TICK_MS - elapsed(asked);
    const { interval } = settings;
    let gap = interval * 2 ** (quiet + 1);
    const news = elapsed(changed) < elapsed(answered);
    // As long as what was seen so far: a crash never costs more than about half of it.
    if (soon || news) gap = Math.min(interval, soon ? SOON_MS : told + HEAD_START_MS);
    // Two heartbeats may be lost before the server's deadline comes.
    const granted = deadline ? elapsed(answered) - elapsed(deadline) : FOREVER;
    if (news) gap = Math.min(gap, Math.max(TICK_MS, granted / 3));
    return gap - Math.min(elapsed(asked), elapsed(answered));
  }

  /** `tick`, for those who call us. */
  const look = guarded(tick);

  /** Does what is due. Timers and workers only bring us here; the clock decides. */
  function tick() {
    follow();
    if (!tracking() || ending) return;
    again();
    if (held) {
      // No heartbeat while another tab logs out: its late answer could revive the session.
      if (sessionCookie() && elapsed(held) < PATIENCE_MS + TICK_MS) return;
      held = null;
      locked = true;
    }
    attempt(() => listen(window));
    const left = route();
    attend();
    glance();
    if (!lawful() && !locked) {
      locked = true;
      failures = 0;
      credit();
      from = null;
      if (sessionCookie()) emit("idle");
    }
    if (locked) show("cover");
    else {
      credit();
      // A new route is told of before the old one's scroll is taken back.
      if (from && !left) measureScroll();
      warn();
    }
    if (elapsed(changed) < elapsed(saved)) save();
    if (!flight && (locked || (shown && !paused)) && wait() <= 0) heartbeat();
  }

  function again() {
    clearTimeout(timer);
    const often = shown || locked || held;
    const ms = often ? TICK_MS : Math.min(remaining(), LONGEST_TIMER_MS);
    timer = setTimeout(look, ms);
    if (!often) worker?.postMessage(ms);
  }

  /** A heartbeat now, unless a tab sent a moment ago, or the server asked us to wait. */
  function hurry() {
    soon = 2;
    quiet = 0;
    retryMs = retryAfterMs;
    tick();
  }

  function arrive() {
    if (shown || document.hidden) return;
    shown = true;
    own = now();
    follow();
    if (tracking()) reread();
    hurry();
  }

  /**
   * The page is not looked at any more. Hiding is the last event a phone is sure to give; going to
   * another page fires `pagehide` first, then hiding (seen in Chromium 156, Firefox 153 and
   * WebKitGTK 2.50). Whichever comes first is the departure.
   */
  function leave() {
    if (!shown) return;
    shown = false;
    attentive = false;
    if (!tracking()) return;
    credit(true);
    from = null;
    save();
    farewell();
    again();
  }

  // --- Sending ------------------------------------------------------------------------------

  /** The heartbeat that waits for its answer. @type {AbortController | null} */
  let flight = null;

  function dropFlight() {
    flight?.abort();
    flight = null;
  }

  /** The figures of all tabs. */
  function total() {
    let ms = 0;
    /** @type {Figures} */
    const sum = {};
    for (const { p } of [{ p: pages }, ...Object.values(peers)]) {
      for (const [path, [more, scroll]] of Object.entries(p)) {
        const [before, furthest] = sum[path] ?? [0, 0];
        sum[path] = [before + more, Math.max(furthest, scroll)];
        ms += more;
      }
    }
    let activeSeconds = 0;
    const byTime = Object.entries(sum).sort(([, [a]], [, [b]]) => b - a);
    const entries = byTime.map(([path, [ms, scroll]]) => {
      activeSeconds += seconds(ms);
      return [path, { seconds: seconds(ms), scroll }];
    });
    // The server keeps fifty; and a beacon holds 64 KiB.
    return { ms, activeSeconds, pages: Object.fromEntries(entries.slice(0, 50)) };
  }

  /** @param {boolean} leaving */
  function snapshot(leaving) {
    const { activeSeconds, pages } = total();
    const body = {
      session: session || undefined,
      activeSeconds,
      inactiveSeconds: seconds(idleMs()),
      seenSecondsAgo: seconds(elapsed(credited)),
      // Where another tab has the newest activity, this page is not the current one.
      page: elapsed(own) <= elapsed(activity) ? here : undefined,
      pages,
      leaving,
    };
    log("heartbeat", body);
    return body;
  }

  /**
   * A string body goes out as text/plain: no preflight, should the endpoint be on another port.
   * @param {string} url @param {string} body @param {RequestInit} options
   */
  function post(url, body, options) {
    return fetch(url, { method: "POST", body, credentials: "include", ...options });
  }

  /** Seconds or a date (RFC 9110, 10.2.3), in milliseconds from now. @param {Response} response */
  function readRetryAfter(response) {
    const text = response.headers.get("Retry-After") ?? "";
    const ms = +text * 1000 || Date.parse(text) - Date.now();
    return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : 0;
  }

  async function heartbeat() {
    const mine = new AbortController();
    flight = mine;
    asked = now();
    quiet = soon || elapsed(changed) < elapsed(answered) ? 0 : quiet + 1;
    soon = Math.max(0, soon - 1);
    const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
    let idle = 0;
    /** @type {Response | undefined} */
    let response;
    /** @type {any} */
    let answer;
    try {
      const body = snapshot(false);
      told = total().ms;
      idle = body.inactiveSeconds * 1000;
      response = await post(settings.endpoint, JSON.stringify(body), { signal: mine.signal });
      // A proxy's HTML, nothing at all, half an answer: none of it is ours.
      answer = await response.json().catch(() => null);
    } catch (error) {
      log(error);
    }
    clearTimeout(patience);
    if (flight !== mine) return;
    flight = null;
    attempt(() => act(response, answer, idle));
    look();
  }

  /**
   * What an answer means. None, or one that is not ours, is a failed send.
   * @param {Response | undefined} response
   * @param {any} answer
   * @param {number} idle how long there had been no activity when it was asked for, in ms
   */
  function act(response, answer, idle) {
    const status = response?.status ?? 0;
    log("answer", status, answer);
    if (status === 401 && answer?.reason) return ended(answer.reason, answer.protected);
    if (/^4(?!01|08|29)/.test(`${status}`)) {
      over = session;
      if (!locked) show("");
      return shut();
    }
    const grantedMs = answer?.idleExpiresInSeconds * 1000;
    if (grantedMs > 0) {
      // Also while the store does not answer (503): the server renews the session all the same.
      deadline = shifted(asked, grantedMs);
      // More than that where another tab was active, less where the session's lifetime ends.
      if (!(answer.idleExpiresInSeconds >= answer.sessionExpiresInSeconds)) {
        serverTimeoutMs = Math.min(serverTimeoutMs, grantedMs + idle);
      }
      // Where we think that nobody was there, the server may know of activity: a clock was set.
      const known = shifted(asked, grantedMs - serverTimeoutMs);
      if (locked && elapsed(known) + TICK_MS < elapsed(activity)) activity = known;
    }
    if (!response?.ok || !answer?.success) {
      failures += 1;
      const backoff = Math.min(settings.interval, FIRST_RETRY_MS * 2 ** (failures - 1));
      // Half to all of it, so that pages that failed together do not return together.
      const spread = 0.5 + Math.random() / 2;
      retryAfterMs = response ? readRetryAfter(response) : 0;
      retryMs = Math.max(backoff * spread, retryAfterMs * (2 - spread));
      return;
    }
    failures = retryAfterMs = 0;
    answered = asked;
    save();
    emit("heartbeat", answer);
    if (!locked) return;
    if (lawful()) {
      locked = false;
      said = "";
      show("");
    } else if (sessionCookie()) logout("idle");
  }

  /**
   * The heartbeat of a page that goes away, for which nobody waits. `true` from sendBeacon is not
   * delivery (offline it says true and delivers nothing), so nothing is taken as sent here.
   */
  function farewell() {
    // Without the cookie the session ended elsewhere, and there is nothing to say for it.
    if (!tracking() || !sessionCookie() || presented === "cover" || paused) return;
    const body = JSON.stringify(snapshot(true));
    // Missing, or replaced by something that throws: as if it had refused.
    if (attempt(() => navigator.sendBeacon(settings.endpoint, body))) return;
    post(settings.endpoint, body, { keepalive: true }).catch(log);
  }

  // --- Ending -------------------------------------------------------------------------------

  /** @param {string} reason @param {boolean} isProtected */
  function ended(reason, isProtected) {
    const why = said || reason;
    over = session;
    suspect = locked = false;
    eachKey((key) => key.startsWith(prefix) && localStorage.removeItem(key));
    attempt(() => onTheDisk()?.delete(IDBKeyRange.bound(prefix, `${prefix}~`)));
    shut();
    // Somebody may have come in again in another tab meanwhile: then the page goes on for them.
    follow();
    if (session !== over) return;
    emit("logout", { reason: why });
    if (isProtected) {
      show("cover");
      const url = absolute(settings.gate);
      url.searchParams.set("redirect", location.pathname + location.search);
      url.searchParams.set("reason", why);
      url.hash = why;
      location.replace(url.href);
    } else {
      show("");
      tab = "";
    }
  }

  /** @param {string} reason */
  async function logout(reason) {
    if (ending) return;
    credit(true);
    const body = JSON.stringify({ reason, ...snapshot(false) });
    // From here on no tab sends anything, so that no late answer revives the session.
    ending = true;
    said = reason;
    dropFlight();
    save(reason);
    show("cover");
    let done = false;
    try {
      const response = await post(settings.logoutUrl, body, {
        headers: { "Content-Type": "application/json" },
        // A visitor who logs out and closes the tab is logged out.
        keepalive: true,
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      done = response.ok;
    } catch (error) {
      log(error);
    }
    ending = false;
    if (reason === "idle") {
      // The next answer says whether this page needs a session.
      failures = done ? 0 : 1;
      retryMs = FIRST_RETRY_MS;
      tick();
    } else if (done) ended(reason, true);
    else {
      // Never show the gate to somebody who is still logged in: let the browser try as for a form,
      // and show what comes of it.
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action: settings.logoutUrl });
      document.documentElement.append(form);
      form.submit();
    }
  }

  /** @returns {Status} */
  function status() {
    const on = tracking();
    const left = remaining();
    return {
      session: session || null,
      tracking: on,
      activeSeconds: total().activeSeconds,
      inactiveSeconds: seconds(idleMs()),
      seenSecondsAgo: seconds(elapsed(credited)),
      idleInSeconds: on && left < FOREVER ? Math.max(0, seconds(left)) : null,
      nextHeartbeatInSeconds: on && shown ? seconds(wait()) : null,
      paused: paused !== null,
      covered: presented === "cover",
    };
  }

  // --- The dialog ---------------------------------------------------------------------------
  //
  // One modal dialog, in the browser's top layer, for the warning and for the cover. Styles are set
  // through the CSSOM, which a policy without 'unsafe-inline' allows.

  /** @type {"" | "warn" | "cover"} */
  let presented = "";
  /** @type {HTMLDialogElement | undefined} */
  let dialog;
  /** @type {HTMLElement} */
  let countdown;
  /** @type {HTMLElement} */
  let spoken;

  /** Of the dialog: its language, and title, sentence, stay, log out, locked. */
  let lang = "en";
  /** @type {string[]} */
  let texts = [];

  /** Somebody pressed Stay: a sign of life. */
  function answer() {
    show("");
    alive();
    stay();
  }

  /** @param {"" | "warn" | "cover"} mode */
  function show(mode) {
    if (mode === presented && (!mode || dialog?.matches(":modal[open]"))) return;
    presented = mode;
    // Gives the focus back. What comes next is a new one, above whatever the page has opened since.
    dialog?.close();
    dialog?.remove();
    if (!mode) return;
    const covering = mode === "cover";
    const box = document.createElement("dialog");
    dialog = box;
    // Pages say "de_DE", "GERMAN" and worse, at which Intl would throw.
    [lang = ""] = /^[a-z]{2,3}/.exec(settings.lang || document.documentElement.lang) ?? [];
    if (!(lang && settings.text) && !WORDS[lang]) lang = "en";
    texts = (settings.text || WORDS[lang] || "").split("|");
    /** @param {string} name @param {string} css @param {string} [text] */
    const part = (name, css, text = "") => {
      const element = document.createElement(name);
      element.style.cssText = `all:revert;${css}`;
      element.textContent = text;
      box.append(element);
      return element;
    };
    const radius = "border-radius:var(--lastseen-radius,.4em);";
    const colors =
      "background:var(--lastseen-background,Canvas);color:var(--lastseen-color,CanvasText);";
    box.lang = lang;
    box.style.cssText = `all:revert;font:1rem/1.5 system-ui;${colors}${
      covering
        ? "border:0;inset:0;width:auto;height:auto;max-width:none;max-height:none;padding:20vh 10vw"
        : `${radius}border:1px solid;padding:1.5em;max-width:min(28em,100% - 5em)`
    }`;
    box.ariaLabel = texts[covering ? 4 : 0] ?? "";
    part("h2", "font-size:1.25em;margin:0 0 .5em", box.ariaLabel);
    const button = `${colors + radius}font:inherit;padding:.6em 1em;margin:.4em;outline-offset:3px;border:2px solid;`;
    if (!covering) {
      countdown = part("p", "");
      // The countdown is for the eyes; it is read out every twenty seconds only.
      countdown.ariaHidden = "true";
      spoken = part("p", "position:absolute;clip-path:inset(50%)");
      spoken.role = "status";
      spoken.id = "lastseen-text";
      box.setAttribute("aria-describedby", spoken.id);
      part(
        "button",
        `${button}background:var(--lastseen-accent,CanvasText);color:var(--lastseen-background,Canvas);forced-color-adjust:none`,
        texts[2],
      ).onclick = guarded(answer);
    }
    part("button", button, texts[3]).onclick = guarded(() => logout("logout"));
    // What returns false is prevented.
    box.oncancel = () => !covering;
    // What Esc does, with or without a cancel event (Chromium leaves it out at times).
    box.onclose = guarded(() => {
      if (box !== dialog || !presented || box.open) return;
      if (covering) show("cover");
      else answer();
    });
    // Beside the body, which view transitions replace, and which may not be there yet.
    document.documentElement.append(box);
    box.showModal();
  }

  /** Opens, counts down or closes the warning. */
  function warn() {
    const left = remaining();
    const ahead = Math.min(settings.warnBefore, settings.idleTimeout / 2, serverTimeoutMs / 2);
    if (left > ahead || !shown || paused) {
      dismissed = false;
      return show("");
    }
    if (!presented && !dismissed) dismissed = !emit("warn", { seconds: seconds(left) });
    if (dismissed) return show("");
    // Closed by Esc, of which Chromium tells only with the next frame.
    if (dialog?.isConnected && !dialog.open) return answer();
    show("warn");
    /** @param {number} count */
    const inWords = (count) => {
      const [unit, number] = count > 60 ? ["minute", Math.ceil(count / 60)] : ["second", count];
      const style = /** @type {const} */ ({ style: "unit", unit, unitDisplay: "long" });
      return (texts[1] ?? "").replace("{}", new Intl.NumberFormat(lang, style).format(number));
    };
    const count = Math.ceil(left / 1000) || 0;
    countdown.textContent = inWords(count);
    const text = inWords(Math.ceil(count / 20) * 20);
    if (spoken.textContent !== text) spoken.textContent = text;
  }

  // --- Start --------------------------------------------------------------------------------

  let started = false;

  /** @param {Options} [options] */
  function start(options = {}) {
    configure(/** @type {any} */ (options));
    if (started) return tick();
    started = true;
    site = `lastseen:${absolute(settings.endpoint).pathname}:`;
    // No unload, no beforeunload: either costs the page its place in the back-forward cache, and
    // Chrome is removing the first.
    const steps = /** @type {Record<string, (event: any) => void>} */ ({
      pagehide() {
        leave();
        dropFlight();
        // Only while the page is away: a tab that is duplicated while it lives gets a name of its own.
        if (session && tab) attempt(() => sessionStorage.setItem(site, tab));
        shut();
      },
      /** @param {PageTransitionEvent} event */
      pageshow({ persisted }) {
        if (persisted) {
          attempt(() => sessionStorage.removeItem(site));
          // What was covered when it left asks again.
          if (presented) over = "";
          if (tracking()) open();
          // At once, before anything is painted.
          if (tracking() && !sessionCookie()) show("cover");
        }
        arrive();
        tick();
      },
      focus: tick,
      // The frame that takes the focus has it only after this event.
      blur: () => setTimeout(look),
      online: () => (shown ? hurry() : farewell()),
      storage: ({ key, newValue }) => key && newValue && learn(key, newValue, true),
      /** @param {SubmitEvent} event */
      submit(event) {
        const { action } = /** @type {HTMLFormElement} */ (event.target);
        if (event.defaultPrevented || action !== absolute(settings.logoutUrl).href) return;
        event.preventDefault();
        logout("logout");
      },
    });
    for (const type in steps) {
      const step = steps[type];
      if (step) window.addEventListener(type, guarded(step));
    }
    document.addEventListener(
      "visibilitychange",
      guarded(() => (document.hidden ? leave() : arrive())),
    );
    root.navigation?.addEventListener("currententrychange", look);
    attempt(() => {
      tab = sessionStorage.getItem(site) ?? "";
      sessionStorage.removeItem(site);
    });
    // Back, reload, a duplicated tab: pages that may come from a cache, and be older than a logout.
    const [entry] = /** @type {PerformanceNavigationTiming[]} */ (
      performance.getEntriesByType("navigation")
    );
    suspect = tab !== "" && entry?.type !== "navigate" && !sessionCookie();
    arrive();
    tick();
  }

  root.lastseen = {
    start: guarded(start),
    logout: () => logout("logout"),
    stay: guarded(stay),
    pause: guarded(pause),
    resume: guarded(resume),
    status,
  };
  // In a module there is no current script, and `start` is the page's to call.
  const script = /** @type {HTMLElement | null} */ (document.currentScript);
  if (script) guarded(start)(/** @type {any} */ (script.dataset));
})();
