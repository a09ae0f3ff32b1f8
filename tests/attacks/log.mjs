/** What a line of the log may be, and what it never tells. */
import assert from "node:assert/strict";

/** `lastseen serve` writes for people. */
const FOR_PEOPLE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z +(INFO|WARN|ERROR) /;

/** What cargo and the emulator write between the lines of the functions. */
const EMULATOR = /^ ?(INFO|WARN|ERROR) |^ {2,}[A-Z][a-z]+ |^(warning|error)[:[]/;

/** Sent as `X-Forwarded-For`, and so what a proxy would pass on. */
export const FORWARDED = ["203.0.113.77", "2001:db8::77"];

/** @param {string} log @returns {string[]} without what is still being written */
const linesOf = (log) => log.split("\n").slice(0, -1).filter(Boolean);

/** Every line is one that `lastseen serve` wrote, and acts on nobody's terminal. @param {string} log */
export function assertLines(log) {
  for (const line of linesOf(log)) {
    assert.match(line, FOR_PEOPLE);
    assertHarmless(line);
  }
}

/** Every line of a function is an object with a level and a message. @param {string} log */
export function assertObjects(log) {
  for (const line of linesOf(log)) {
    if (!line.startsWith("{")) {
      assert.match(line, EMULATOR);
      continue;
    }
    const { level, message } = JSON.parse(line);
    assert.match(level, /^(INFO|WARN|ERROR)$/);
    assert.equal(typeof message, "string", line);
    assertHarmless(line);
  }
}

/** @param {string} line */
function assertHarmless(line) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  assert.doesNotMatch(line, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/);
  assert.ok(line.length < 10_000, `a line of ${line.length} characters`);
}

/**
 * No line tells who a visitor is, where they are, or what would let somebody in as them.
 *
 * @param {string} log
 * @param {string[]} [secrets] such as a passcode
 */
export function assertDiscreet(log, secrets = []) {
  for (const whole of linesOf(log)) {
    // Whoever asks for a path may write anything into it.
    const line = whole
      .replace(/ "(\\.|[^"\\])*" (?=[\d.]+ ms$)/, " ")
      .replace(/(?<= INFO the owner signs in at )http:\/\/[\d.]+:\d+\/admin\/(?= )/, "");
    // Addresses of servers: this one's, and the store's.
    if (/ INFO (listening on|sessions are kept in) /.test(line) || EMULATOR.test(line)) continue;
    assert.doesNotMatch(line, /@[\w-]+\.\w|%40/, "an email");
    assert.doesNotMatch(line, /eyJ[\w-]{20,}/, "a token");
    assert.doesNotMatch(line, /\b\d{1,3}(\.\d{1,3}){3}\b/, "an address");
    assert.doesNotMatch(line, /cookie|panicked/i);
    for (const secret of [...FORWARDED, ...secrets]) assert.ok(!line.includes(secret), line);
  }
}
