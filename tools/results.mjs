/** What the logs of tests say: how many passed, which failed, and how to run these alone. */

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/** @typedef {"node" | "cargo" | "none"} Kind */

/** Lines of a failure that are shown; the rest is in the log. */
const MOST_LINES = 80;

/** @param {Kind} kind @param {string} text @returns {Counts} */
export function countsOf(kind, text) {
  if (kind === "node") {
    const count = (/** @type {string} */ word) =>
      [...text.matchAll(new RegExp(`^ℹ ${word} (\\d+)$`, "gm"))].reduce(
        (all, [, n]) => all + Number(n),
        0,
      );
    return {
      passed: count("pass"),
      failed: count("fail") + count("cancelled"),
      skipped: count("skipped") + count("todo"),
    };
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  if (kind === "none") return total;
  const results = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm;
  for (const [, passed, failed, skipped] of text.matchAll(results)) {
    total.passed += Number(passed);
    total.failed += Number(failed);
    total.skipped += Number(skipped);
  }
  return total;
}

/**
 * @param {Kind} kind
 * @param {string} text
 * @param {string[]} command
 * @param {string} [file]
 * @returns {{ excerpt: string, alone: string[] }}
 */
export function failuresOf(kind, text, command, file) {
  if (kind === "node" && file) {
    const [, failing = ""] = text.split(/^✖ failing tests:$/m);
    const names = [...failing.matchAll(/^✖ (.*) \([\d.]+ms\)$/gm)].map(([, name = ""]) => name);
    return {
      excerpt: firstLines(failing || lastLines(text)),
      alone: alone(
        names,
        (name) =>
          `tests/nocodb/with-server node --test --test-name-pattern=${quoted(`${escaped(name)}$`)} ${file}`,
      ),
    };
  }
  if (kind === "cargo") {
    const failing = [...text.matchAll(/^failures:\n\n---- [\s\S]*?(?=^test result)/gm)].map(
      ([all]) => all,
    );
    const names = [...text.matchAll(/^test (\S+)(?: - should panic)? \.\.\. FAILED$/gm)].map(
      ([, name = ""]) => name,
    );
    return {
      excerpt: failing.length > 0 ? firstLines(failing.join("\n")) : lastLines(text),
      alone: alone(
        names,
        (name) =>
          `tests/nocodb/with-server cargo test --workspace --all-features ${name} -- --exact`,
      ),
    };
  }
  return {
    excerpt: lastLines(text),
    alone: [command.map((word) => (/^[\w./=-]+$/.test(word) ? word : quoted(word))).join(" ")],
  };
}

/** @param {string[]} names @param {(name: string) => string} command */
const alone = (names, command) => [...new Set(names)].slice(0, 10).map(command);

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** @param {string} text */
const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** @param {string} text */
const firstLines = (text) => text.split("\n").slice(0, MOST_LINES).join("\n");
/** @param {string} text */
const lastLines = (text) => text.trimEnd().split("\n").slice(-MOST_LINES).join("\n");
