/**
 * A NocoDB gives as many rows at once as its own settings say: 25 here, and 100 on its cloud. What did not
 * come is not what is not there.
 */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

/** Of the stores' contract what reads more rows than such a server gives. */
const READS = [
  "a_long_list_comes_in_pages_in_order",
  "rows_that_come_and_go",
  "those_seen_longest_ago_make_room",
  "many_come_page_by_page",
  "rows_are_read_by_their_ids",
];

/** @param {string[]} tests of a crate @param {string[]} names */
function onClampedServer(tests, names) {
  const cargo = ["cargo", "test", "--workspace", "--all-features", "--quiet", ...tests, "--"];
  const { status, stdout, stderr } = spawnSync("tests/nocodb/with-server", [...cargo, ...names], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, DB_QUERY_LIMIT_MAX: "25" },
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  return stdout;
}

test("a server that gives 25 rows at once loses no log-out, no row of a list and no session", () => {
  const printed = onClampedServer(
    ["--test", "clamped", "--test", "store"],
    ["what_a_page_did_not_show", ...READS],
  );
  assert.match(printed, /\b1 passed/);
  // Each of the contract's, on both stores.
  assert.match(printed, /\b10 passed/);
});
