#!/usr/bin/env node
/**
 * Runs the steps of a loop (steps.mjs) side by side, each as soon as what it needs is there.
 *
 *   tools/run.mjs lint | check | test | test-all [ONLY]
 *
 * ONLY: words with commas between them; of the tests only the steps with one of them in their id run, and
 * what these need. A line for each step that is over; its output is in target/logs. What failed is shown,
 * with the command that runs it alone. The last line is the totals.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, join } from "node:path";
import { countsOf, failuresOf } from "./results.mjs";
import { HEAVY, root, stepsOf } from "./steps.mjs";

/** @typedef {import("./steps.mjs").Step} Step */
/** @typedef {import("./results.mjs").Counts} Counts */

const [, , loop = "", only = ""] = process.argv;
if (loop !== "lint" && loop !== "check" && loop !== "test" && loop !== "test-all") {
  console.error("usage: tools/run.mjs lint | check | test | test-all [ONLY]");
  process.exit(2);
}

const logs = join(root, "target/logs");
mkdirSync(logs, { recursive: true });
/** How long each file took the last time, so that the longest begin first. */
const durations = join(logs, "durations.json");
/** @type {Record<string, number>} */
const known = readJson(durations);

/** Tests wait more than they compute, so more of them run at once than there are processors. */
const PLACES = {
  install: 3,
  compute: 1,
  test: Math.max(2, Number(process.env.LANES) || cpus().length + 2),
};

/** One command of a step: its only one, or a file of its tests. */
class Job {
  counts = { passed: 0, failed: 0, skipped: 0 };
  /** @type {"waits" | "runs" | "passed" | "failed"} */
  state = "waits";
  seconds = 0;

  /** @param {Step} step @param {string[]} command @param {string} name of its log @param {string} [file] */
  constructor(step, command, name, file) {
    this.step = step;
    this.command = command;
    this.log = join(logs, `${name}.log`);
    this.file = file;
    this.places = file && HEAVY.includes(file) ? 2 : 1;
  }
}

const NODE_TEST = ["node", "--test", "--test-timeout=1200000", "--test-reporter=spec"];

/** @param {Step} step */
function jobsOf(step) {
  if (step.run) return [new Job(step, step.run, step.id)];
  return (step.files ?? []).map((file) => {
    const command = [...NODE_TEST, ...(step.isWhole ? [] : ["--test-force-exit"]), file];
    return new Job(step, command, `${step.id}-${basename(file, ".test.mjs")}`, file);
  });
}

const steps = selected(stepsOf(loop));
const jobs = steps.flatMap(jobsOf);
/** Environment that services add. @type {Record<string, string>} */
const found = {};
/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
const began = Date.now();

/** @param {Step[]} all */
function selected(all) {
  if (!only) return all;
  const words = only.split(",");
  const wanted = new Set(all.filter(({ id }) => words.some((word) => id.includes(word))));
  for (const step of wanted)
    for (const other of all) if (step.needs.includes(other.id)) wanted.add(other);
  return all.filter((step) => wanted.has(step));
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return {};
  }
}

/** @param {Step} step */
const ofStep = (step) => jobs.filter((job) => job.step === step);
/** @param {Step} step @param {Job["state"]} state */
const isAll = (step, state) => ofStep(step).every((job) => job.state === state);
/** @param {Step} step */
const needed = (step) => steps.filter(({ id }) => step.needs.includes(id));
/** @param {Job["state"]} state @param {string} lane */
const inLane = (state, lane) => jobs.filter((job) => job.state === state && job.step.lane === lane);

/** Whether cargo is still busy with what has to come first. @param {Step} step */
const isLocked = ({ afterRunning }) =>
  jobs.some(
    ({ step, state, log }) =>
      step.id === afterRunning &&
      (state === "waits" || (state === "runs" && !/^ +Running /m.test(readText(log)))),
  );

function schedule() {
  for (const step of steps) {
    const broken = needed(step).find((one) => ofStep(one).some(({ state }) => state === "failed"));
    const waiting = ofStep(step).filter(({ state }) => state === "waits");
    if (!broken || waiting.length === 0) continue;
    for (const job of waiting) {
      job.state = "failed";
      job.counts.failed = 1;
    }
    print("not run", step, `needs "${broken.what}"`);
    schedule();
    return;
  }
  for (const [lane, places] of Object.entries(PLACES)) {
    const ready = inLane("waits", lane).filter(
      ({ step }) => needed(step).every((one) => isAll(one, "passed")) && !isLocked(step),
    );
    // Long ones first, so that none is left over at the end.
    ready.sort((one, other) => (known[other.log] ?? 0) - (known[one.log] ?? 0));
    for (const job of ready) {
      const busy = inLane("runs", lane).reduce((all, { places }) => all + places, 0);
      if (busy + job.places <= places) start(job);
    }
  }
  if (jobs.every(({ state, step }) => state === "passed" || state === "failed" || step.isService))
    end();
}

/** @param {Job} job */
function start(job) {
  job.state = "runs";
  const { step, command } = job;
  const started = Date.now();
  // What computes beside tests leaves them the processors.
  const isNice = step.lane === "compute" && step.id !== "build";
  const [program = "", ...args] = isNice ? ["nice", "-n", "10", ...command] : command;
  const log = openSync(job.log, "w");
  const child = spawn(program, args, {
    cwd: root,
    env: {
      ...process.env,
      ...step.env,
      CARGO_TERM_COLOR: "never",
      NO_COLOR: "1",
      ...found,
    },
    stdio: [step.isService ? "pipe" : "ignore", step.isService ? "pipe" : log, log],
    // Its whole group can be ended, whatever it has started.
    detached: true,
  });
  closeSync(log);
  children.add(child);
  const over = (/** @type {boolean} */ hasPassed) => {
    if (job.state !== "runs") return;
    job.seconds = (Date.now() - started) / 1000;
    finish(job, hasPassed);
  };
  if (step.isService) {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (/** @type {string} */ chunk) => {
      text += chunk;
      if (!/^READY$/m.test(text)) return;
      for (const [, name = "", value = ""] of text.matchAll(/^(\w+)=(.*)$/gm)) found[name] = value;
      over(true);
    });
  }
  child.once("error", (error) => {
    writeFileSync(job.log, `${error}\n`);
    over(false);
  });
  child.once("exit", (code) => {
    children.delete(child);
    if (step.isService && job.state === "passed") print("ended", step, "too early");
    over(code === 0);
  });
}

/** @param {Job} job @param {boolean} hasPassed */
function finish(job, hasPassed) {
  const { step } = job;
  const text = readFileSync(job.log, "utf8");
  const kind = job.file ? "node" : step.id === "cargo-test" ? "cargo" : "none";
  job.counts = countsOf(kind, text);
  if (!hasPassed) job.counts.failed ||= 1;
  job.state = hasPassed ? "passed" : "failed";
  known[job.log] = job.seconds;
  if (!hasPassed) {
    const { excerpt, alone } = failuresOf(kind, text, job.command, job.file);
    console.log(
      `\n--- ${step.what}${job.file ? `: ${job.file}` : ""} failed; all it said: ${job.log}`,
    );
    console.log(excerpt.trimEnd());
    for (const command of alone) console.log(`--- alone: ${command}`);
    console.log("");
  }
  const all = ofStep(step);
  if (all.every(({ state }) => state === "passed" || state === "failed")) {
    const counts = sum(all);
    const tests = counts.passed + counts.failed + counts.skipped > 0 ? told(counts) : "";
    const files = all.length > 1 ? `${all.length} files, ` : "";
    print(counts.failed ? "FAILED" : "ok", step, files + tests);
  }
  schedule();
}

/** @param {Job[]} some @returns {Counts} */
function sum(some) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { counts } of some) {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  return total;
}

/** @param {Counts} counts */
const told = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;

/** @param {string} word @param {Step} step @param {string} more */
function print(word, step, more) {
  const seconds = ofStep(step).reduce((all, job) => all + job.seconds, 0);
  const how = [`${Math.round(seconds)} s`, more].filter(Boolean).join(", ");
  console.log(`${clock()} ${word.padEnd(7)} ${step.what} (${how})`);
}

function clock() {
  const seconds = Math.round((Date.now() - began) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

function end() {
  clearInterval(heartbeat);
  clearInterval(looking);
  stopAll("SIGTERM");
  writeFileSync(durations, JSON.stringify(known, null, 1));
  const total = sum(jobs);
  if (loop === "check" && total.skipped) {
    console.log(
      `left out: ${total.skipped} tests that need a real NocoDB, and all that needs a browser; \`make test\` runs them`,
    );
  }
  const unchecked = loop === "test-all" ? readText(join(logs, "unchecked")) : "";
  if (unchecked) console.log(unchecked.trimEnd());
  console.log(`${told(total)}`);
  process.exit(total.failed ? 1 : 0);
}

/** Empty where there is none. @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** @param {NodeJS.Signals} signal */
function stopAll(signal) {
  for (const { pid } of children) {
    try {
      if (pid) process.kill(-pid, signal);
    } catch {
      // It has ended by itself.
    }
  }
}
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => {
    stopAll("SIGTERM");
    process.exit(130);
  });
}

const looking = setInterval(() => schedule(), 2000);

// Whoever watches, or a CI that ends what is silent, is told that it goes on.
const heartbeat = setInterval(() => {
  const running = jobs.filter(({ state, step }) => state === "runs" && !step.isService);
  const names = running.map(({ step, file }) =>
    file ? `${step.id}/${basename(file, ".test.mjs")}` : step.id,
  );
  console.log(`${clock()} …       ${names.join(", ")}`);
}, 60_000);

schedule();
