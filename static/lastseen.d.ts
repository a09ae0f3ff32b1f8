/** Types of `window.lastseen`, for pages that are written in TypeScript. */

export interface Options {
  /** Milliseconds between heartbeats, 1000 to 86400000. Default 180000. */
  interval?: number;
  /** Milliseconds without activity until the page locks, 60000 to 2147483647; the server's is the ceiling. */
  idleTimeout?: number;
  /** Milliseconds before the end at which the page asks, 20000 to 3600000. Default 60000. */
  warnBefore?: number;
  /** The longest pause, in milliseconds, that counts as looking, 5000 to 3600000. Default 180000. */
  activityWindow?: number;
  /** Where heartbeats go. Default `/api/session-heartbeat`. */
  endpoint?: string;
  /** Where a logout goes. Default `/api/logout`. */
  logoutUrl?: string;
  /** Where a visitor goes whose session has ended. Default `/access/`. */
  gate?: string;
  /** Address of `lastseen-worker.js`, which wakes a hidden page in time. */
  worker?: string;
  /** Language of the warning: `en`, `de`, `fr`, `es`. Default: the page's. */
  lang?: string;
  /** The warning in your own words: `Title|In {}.|Stay|Log out|Locked`. */
  text?: string;
  /** Say in the console what happens. */
  debug?: boolean;
}

export interface Status {
  /** The row's id; null without a session. */
  session: string | null;
  tracking: boolean;
  activeSeconds: number;
  inactiveSeconds: number;
  seenSecondsAgo: number;
  /** Until the page locks; null where nothing is tracked. */
  idleInSeconds: number | null;
  /** Until the session's lifetime ends; null before a server has told. */
  sessionInSeconds: number | null;
  nextHeartbeatInSeconds: number | null;
  /** Heartbeats in a row that were not answered. */
  failures: number;
  paused: boolean;
  covered: boolean;
}

export interface Lastseen {
  /** Starts, or changes options. */
  start(options?: Options): void;
  /** Ends the session in every tab, and goes to the gate. */
  logout(): Promise<void>;
  /** Somebody is looking, by a sign that the script cannot see: a player or viewer of another site. */
  alive(): void;
  /** Moves the idle deadline; counts as no viewing time. */
  stay(): void;
  pause(): void;
  resume(): void;
  /** Ends the counting and the lock on this page. The session goes on. */
  stop(): void;
  status(): Status;
}

declare global {
  interface Window {
    lastseen?: Lastseen;
  }
  interface WindowEventMap {
    "lastseen:active": CustomEvent<undefined>;
    "lastseen:warn": CustomEvent<{ seconds: number; final: boolean }>;
    "lastseen:stay": CustomEvent<undefined>;
    "lastseen:idle": CustomEvent<undefined>;
    "lastseen:logout": CustomEvent<{ reason: string }>;
    "lastseen:heartbeat": CustomEvent<{ success: true; [member: string]: unknown }>;
  }
}
