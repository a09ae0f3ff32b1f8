/** Visits written straight into the store, whenever they began and however they ended. */
import { spawnSync } from "node:child_process";

/**
 * A visit as a test knows it; times in whole seconds since 1970.
 *
 * @typedef {{ id: string, email: string, start: number, seen: number, reason: string | null,
 *   endedAt: number | null, active: number | null, page: string | null,
 *   pages: Record<string, { seconds: number, scroll: number }> }} Visit
 */

/** @param {number} seconds */
export const rfc3339 = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

/** @param {Visit} visit @returns {Record<string, unknown>} what stands in the table's columns */
export const toFields = (visit) => ({
  emailOfAccessor: visit.email,
  sessionStartTime: rfc3339(visit.start),
  sessionEndTime: rfc3339(visit.seen),
  endReason: visit.reason,
  endedAt: visit.endedAt === null ? null : rfc3339(visit.endedAt),
  activeSeconds: visit.active,
  currentPage: visit.page,
  pages: JSON.stringify(visit.pages),
});

const INSERT = `
import json, sqlite3, sys
path = sys.argv[1]
db = sqlite3.connect(path, timeout=30)
rows = json.load(sys.stdin)
first = db.execute("SELECT coalesce(max(id), 0) + 1 FROM emailAccess").fetchone()[0]
names = list(rows[0]) if rows else []
places = ", ".join("?" for _ in range(len(names) + 1))
db.executemany(
    f"INSERT INTO emailAccess (id, {', '.join(names)}) VALUES ({places})",
    [[first + index, *row.values()] for index, row in enumerate(rows)],
)
db.commit()
print(first)
`;

/**
 * Into the file of a SQLite store, which has its table already. Node has had its own SQLite since 22 only.
 *
 * @param {string} path
 * @param {Visit[]} visits are given their ids
 */
export function insertIntoSqlite(path, visits) {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", INSERT, path], {
    input: JSON.stringify(visits.map(toFields)),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`python3: ${stderr}`);
  for (const [index, visit] of visits.entries()) visit.id = String(Number(stdout) + index);
}

/**
 * Into a table of NocoDB.
 *
 * @param {import("./nocodb.mjs").NocoTable} table
 * @param {Visit[]} visits are given their ids
 */
export async function insertIntoNocodb(table, visits) {
  const ids = await table.addMany(visits.map(toFields));
  for (const [index, visit] of visits.entries()) visit.id = ids[index] ?? "";
}

/** Numbers from 0 to below 1 that are the same every time. @param {number} seed */
export function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PAGES = ["/", "/portfolio/confidential/", '/portfolio/confidential/terms,-"2025"/', "/über/"];
const REASONS = ["logout", "idle", "expired", "revoked", null];
const PEOPLE = ["ann@example.com", "bob@example.com", "cyd@mail.example.com", "dan@b.example"];

/**
 * Visits that began between two moments, some of them without an end or without a figure.
 *
 * @param {{ count: number, from: number, to: number, seed: number }} wish
 * @returns {Visit[]}
 */
export function journeys({ count, from, to, seed }) {
  const next = random(seed);
  /** @param {number} most */
  const below = (most) => Math.floor(next() * most);
  /** @template T @param {T[]} all */
  const one = (all) => /** @type {T} */ (all[below(all.length)]);
  return Array.from({ length: count }, () => {
    const start = from + below(to - from);
    const seen = start + (next() < 0.2 ? 0 : below(5_000));
    const reason = one(REASONS);
    const read = PAGES.filter(() => next() < 0.5);
    const pages = read.map((path) => [path, { seconds: below(900), scroll: below(101) }]);
    return {
      id: "",
      email: one(PEOPLE),
      start,
      seen,
      reason,
      endedAt: reason === null ? null : seen + below(60),
      active: next() < 0.1 ? null : below(seen - start + 1),
      page: read.at(-1) ?? null,
      pages: Object.fromEntries(pages),
    };
  });
}
