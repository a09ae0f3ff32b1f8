// tools/dependencies, with advisory databases of the test's own in place of the one on github.com.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CACHE =
  process.env.LASTSEEN_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "lastseen");
/** It is in every program that speaks JSON. */
const OURS = "serde_json";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "lastseen-advisories-"));
  database("hit", OURS);
  database("clean", "a-crate-that-nobody-has");
});
after(() => rmSync(folder, { recursive: true }));

/**
 * An advisory database that knows one vulnerable crate.
 * @param {string} name
 * @param {string} crate
 */
function database(name, crate) {
  const place = join(folder, name);
  mkdirSync(join(place, "crates", crate), { recursive: true });
  const advisory = `\`\`\`toml
[advisory]
id = "RUSTSEC-2020-9999"
package = "${crate}"
date = "2020-01-01"

[versions]
patched = [">= 9999.0.0"]
\`\`\`

# A hole that is not there
`;
  writeFileSync(join(place, "crates", crate, "RUSTSEC-2020-9999.md"), advisory);
  const git = (/** @type {string[]} */ ...words) => execFileSync("git", words, { cwd: place });
  git("init", "--quiet", "--initial-branch", "main");
  git("add", ".");
  const author = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
  git(...author, "commit", "--quiet", "--message", "An advisory");
}

/**
 * @param {string} name the database, or one that is not there
 * @param {string} cache a folder of the test's own, which keeps what was fetched
 */
function check(name, cache) {
  const place = join(folder, cache);
  mkdirSync(place, { recursive: true });
  // The program itself is taken from the real cache.
  for (const program of readdirSync(CACHE).filter((entry) => /^cargo-deny-[\d.]+$/.test(entry))) {
    if (!existsSync(join(place, program))) {
      symlinkSync(join(CACHE, program), join(place, program));
    }
  }
  const env = {
    ...process.env,
    LASTSEEN_CACHE: place,
    LASTSEEN_LOGS: join(place, "logs"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: `url.file://${join(folder, name)}.insteadOf`,
    GIT_CONFIG_VALUE_0: "https://github.com/RustSec/advisory-db",
  };
  const ran = spawnSync(join(ROOT, "tools/dependencies"), { env, encoding: "utf8" });
  const report = join(place, "logs", "unchecked");
  const unchecked = existsSync(report) ? readFileSync(report, "utf8") : "";
  return { status: ran.status, said: ran.stdout + ran.stderr, unchecked };
}

test("a dependency with an advisory fails the check, and is named", () => {
  const { status, said, unchecked } = check("hit", "hit-cache");
  assert.notEqual(status, 0, said);
  assert.match(said, /RUSTSEC-2020-9999/);
  assert.match(said, new RegExp(OURS));
  assert.equal(unchecked, "");
});

test("without an advisory it passes, and has nothing to report", () => {
  const { status, said, unchecked } = check("clean", "clean-cache");
  assert.equal(status, 0, said);
  assert.match(said, /advisories ok/);
  assert.equal(unchecked, "");
});

test("a database that cannot be reached is reported, in one line that stays", () => {
  const { status, said, unchecked } = check("nowhere", "empty-cache");
  assert.equal(status, 0, said);
  assert.match(unchecked, /^NOT CHECKED: advisories, .*\n$/);
  assert.ok(said.includes(unchecked), said);
  assert.doesNotMatch(said, /advisories ok/);
});

test("the copy of the last time is used, and what it cannot know is reported", () => {
  assert.notEqual(check("hit", "kept-cache").status, 0);
  const { status, said, unchecked } = check("nowhere", "kept-cache");
  assert.notEqual(status, 0, said);
  assert.match(said, /RUSTSEC-2020-9999/);
  assert.match(unchecked, /^NOT CHECKED: advisories newer than \d{4}-\d\d-\d\d, .*\n$/);
  // When it can be reached again, the report is gone.
  assert.equal(check("hit", "kept-cache").unchecked, "");
});
