/** docs/security.md against the code: each check has a place, and a test that is really there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../harness/process.mjs";

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), "utf8");
const page = read("docs/security.md");

/** @param {string} text */
const quoted = (text) => [...text.matchAll(/`([^`]+)`/g)].map(([, inner = ""]) => inner);
/** @param {string} text */
const isFile = (text) => /^[\w.-]+(\/[\w.-]+)*\.(rs|mjs|js|yaml|toml|md)$|^tools\//.test(text);

const rows = [...page.matchAll(/^\| (G-\d\d) \|(.*)\|$/gm)].map(([, id = "", cells = ""]) => {
  const [check = "", enforced = "", tested = ""] = cells.split(" | ");
  return { id, check, enforced: quoted(enforced), tested: quoted(tested), bare: tested.trim() };
});

test("all 56 checks are there, in order", () => {
  const wanted = Array.from(
    { length: 56 },
    (_, index) => `G-${String(index + 1).padStart(2, "0")}`,
  );
  assert.deepEqual(
    rows.map(({ id }) => id),
    wanted,
  );
});

for (const { id, check, enforced, tested, bare } of rows) {
  test(`${id} is enforced and tested where the page says`, () => {
    if (bare === "none") {
      assert.match(check, /[Dd]oes not apply/, "a check without a test says why");
      return;
    }
    assert.ok(enforced.length > 0, "no place is named");
    for (const path of enforced) assert.ok(existsSync(join(root, path)), `${path} is not there`);
    let source = "";
    let tests = 0;
    for (const name of tested) {
      if (isFile(name)) {
        assert.ok(existsSync(join(root, name)), `${name} is not there`);
        source = read(name);
      } else {
        assert.ok(source.includes(name), `no test is called: ${name}`);
        tests += 1;
      }
    }
    assert.ok(tests > 0, "no test is named");
  });
}

test("the page names who attacks, what is not defended, and the deviation", () => {
  for (const words of [
    "developer tools",
    "leaked cookie",
    "another site in the same browser",
    "scripted flood",
    "owner of another site",
    "read access to the table",
    "read access to the logs",
    "Deliberately not defended",
    "Screenshots",
    "shared inbox",
    "EVERYWHERE_ON",
    "an email address is no authenticator",
    "A deviation by purpose",
  ]) {
    assert.ok(page.includes(words), words);
  }
});
