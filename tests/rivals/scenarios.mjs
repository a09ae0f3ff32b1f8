/** What visitors do, what is then true, and what lastseen.js promises of it. */
import { inSeconds } from "./words.mjs";

/**
 * @typedef {import("./visit.mjs").Visit} Visit
 *
 * @typedef {object} Reading a scenario of which the duration is recorded
 * @property {string} id
 * @property {string} what
 * @property {number} truth in seconds
 * @property {[least: number, most: number]} target
 * @property {number} [idleTimeout] of the server, in seconds
 * @property {boolean} [needsTransport] whether a figure in the page alone would say nothing
 * @property {(visit: Visit) => Promise<void>} act
 *
 * @typedef {object} Waiting a scenario in which the page should lock itself, or should not
 * @property {string} id
 * @property {string} what
 * @property {string} target
 * @property {boolean} [needsInput] whether it says nothing of a script that takes no notice of input
 * @property {(visit: Visit) => Promise<Outcome>} act
 *
 * @typedef {object} Outcome
 * @property {number | undefined} seconds until it locked; undefined where it did not
 * @property {string} text
 * @property {boolean} good
 */

const MINUTE = 60;
const HOUR = 3600;
/** As the server ships. */
export const IDLE_TIMEOUT = 1800;
/** Longer than any absence: else there is no second half to measure. */
const NEVER_IDLE = 24 * HOUR;

/** @type {Reading[]} */
export const READINGS = [
  {
    id: "D1",
    what: "60 s read, close",
    truth: 60,
    target: [59, 61],
    async act(visit) {
      await visit.reads(60);
      await visit.leaves();
    },
  },
  {
    id: "D2",
    what: "60 s, lid closed 8 h (no events), 60 s, close",
    truth: 120,
    target: [115, 125],
    idleTimeout: NEVER_IDLE,
    async act(visit) {
      await visit.reads(60);
      await visit.sleeps(8 * HOUR);
      await visit.reads(60);
      await visit.leaves();
    },
  },
  {
    id: "D3",
    what: "60 s active, walks away 2 h with the tab visible",
    truth: 60,
    target: [60, 65],
    async act(visit) {
      await visit.reads(60);
      await visit.passes(2 * HOUR);
      await visit.leaves();
    },
  },
  {
    id: "D4",
    what: "60 s, hidden 1 h, 60 s",
    truth: 120,
    target: [119, 121],
    idleTimeout: NEVER_IDLE,
    async act(visit) {
      await visit.reads(60);
      await visit.hides();
      await visit.passes(HOUR);
      await visit.shows();
      await visit.reads(60);
      await visit.leaves();
    },
  },
  {
    id: "D5",
    what: "170 s, then crash (no events): the same day",
    truth: 170,
    target: [110, 170],
    needsTransport: true,
    async act(visit) {
      await visit.reads(170);
      await visit.crashes();
    },
  },
  {
    id: "D5",
    what: "the same, once the browser returns for a second",
    truth: 171,
    target: [165, 171],
    needsTransport: true,
    async act(visit) {
      await visit.reads(170);
      await visit.crashes();
      await visit.returns(170 + 10 * MINUTE);
      await visit.leaves();
    },
  },
  {
    id: "D6",
    what: "five 2 s looks, 10 s apart",
    truth: 10,
    target: [9, 11],
    async act(visit) {
      for (let look = 1; look <= 5; look += 1) {
        await visit.reads(2);
        await visit.hides();
        if (look === 5) break;
        await visit.passes(10);
        await visit.shows();
      }
      await visit.leaves();
    },
  },
  {
    id: "D8",
    what: "60 s, back-forward cache 1 h, 60 s",
    truth: 120,
    target: [119, 121],
    idleTimeout: NEVER_IDLE,
    async act(visit) {
      await visit.reads(60);
      await visit.goesAndComesBack(HOUR);
      await visit.reads(60);
      await visit.leaves();
    },
  },
  {
    id: "D9",
    what: "network down 30–90 s of 120",
    truth: 120,
    target: [119, 121],
    needsTransport: true,
    async act(visit) {
      await visit.reads(30);
      await visit.network(false);
      await visit.reads(60);
      await visit.network(true);
      await visit.reads(30);
      await visit.leaves();
    },
  },
  {
    id: "D10",
    what: '"leave?" dialog cancelled at 100 s of 200',
    truth: 200,
    target: [199, 201],
    async act(visit) {
      await visit.reads(100);
      await visit.almostLeaves();
      await visit.reads(100);
      await visit.leaves();
    },
  },
];

/** What D3 may cost. */
export const MOST_REQUESTS = 8;

/** The idle timeout of all that follows; scripts that warn do so a minute before. */
export const WAITING_TIMEOUT = 15 * MINUTE;

/** @type {Waiting[]} */
export const WAITINGS = [
  {
    id: "I1",
    what: "untouched: locks at",
    target: "900 ± 2 s",
    async act(visit) {
      await visit.passes(1000);
      const seconds = await visit.marked("locked");
      const good = seconds !== undefined && seconds >= 898 && seconds <= 902;
      return { seconds, good, text: seconds === undefined ? "never" : inSeconds(seconds) };
    },
  },
  {
    id: "I2",
    what: "5 min, sleep 8 h, first event = mouse",
    target: "locked before the event counts",
    needsInput: true,
    async act(visit) {
      await visit.passes(5 * MINUTE);
      await visit.sleeps(8 * HOUR);
      const woke = await visit.now();
      // Twice: nobody's hand moves a mouse once.
      await visit.moves(40, 30);
      await visit.moves(40, 30);
      await visit.passes(1);
      const at = await visit.marked("locked");
      if (at !== undefined) return { seconds: at - woke, good: true, text: "locked at once" };
      await visit.passes(1000);
      const later = await visit.marked("locked");
      if (later === undefined) return { seconds: undefined, good: false, text: "resurrected" };
      const seconds = later - woke;
      return { seconds, good: false, text: `resurrected for ${inSeconds(seconds)}` };
    },
  },
  {
    id: "I3",
    what: "sleep 8 h, nobody touches: exposed after wake",
    target: "≤ 2 s",
    async act(visit) {
      await visit.passes(5 * MINUTE);
      await visit.sleeps(8 * HOUR);
      const woke = await visit.now();
      await visit.passes(1000);
      const at = await visit.marked("locked");
      const asked = await visit.marked("warned");
      if (at === undefined) return { seconds: undefined, good: false, text: "for ever" };
      const seconds = at - woke;
      const warned =
        asked !== undefined && at - asked > 2 ? ` (warned at ${inSeconds(asked - woke)})` : "";
      return { seconds, good: seconds <= 2, text: `${inSeconds(seconds)}${warned}` };
    },
  },
  {
    id: "I5",
    what: "a move that does not move, every 60 s",
    target: "idle 900–960 s",
    needsInput: true,
    async act(visit) {
      for (let minute = 1; minute <= 30; minute += 1) {
        await visit.passes(MINUTE);
        await visit.moves(0, 0);
      }
      await visit.passes(0);
      const seconds = await visit.marked("locked");
      const good = seconds !== undefined && seconds >= 898 && seconds <= 962;
      return {
        seconds,
        good,
        text: seconds === undefined ? "never idle" : `idle ${inSeconds(seconds)}`,
      };
    },
  },
  {
    id: "I6",
    what: "purely horizontal moves",
    target: "not idle",
    needsInput: true,
    async act(visit) {
      for (let step = 1; step <= 60; step += 1) {
        await visit.passes(20);
        await visit.moves(7, 0);
      }
      await visit.passes(0);
      const seconds = await visit.marked("locked");
      const good = seconds === undefined;
      return { seconds, good, text: good ? "ok" : `FALSE idle at ${inSeconds(seconds)}` };
    },
  },
  {
    id: "I9",
    what: "clock set back 1 h: locks after real",
    target: "≤ 905 s",
    async act(visit) {
      await visit.passes(MINUTE);
      await visit.setsClock(-HOUR);
      await visit.passes(5000);
      const seconds = await visit.marked("locked");
      const good = seconds !== undefined && seconds <= 905;
      return {
        seconds,
        good,
        text: seconds === undefined ? "never in 5 000 s" : inSeconds(seconds),
      };
    },
  },
];
