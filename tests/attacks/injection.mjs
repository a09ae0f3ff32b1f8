/** Text that is meant to be read as something else: a query, a line of the log, a formula. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { send, Visitor } from "../harness/http.mjs";
import { ENTER, HEARTBEAT, LOGOUT, someone } from "./target.mjs";
import { ask } from "./wire.mjs";

/** @typedef {import("./target.mjs").Target} Target */
/** @typedef {import("./target.mjs").Place} Place */
/** @typedef {import("./tally.mjs").Tally} Tally */

const EMAILS = [
  "' OR '1'='1",
  "'OR'1'='1'--@example.com",
  "x'or'1'='1@example.com",
  "x'or/**/1=1--@example.com",
  "x';DROP/**/TABLE/**/sessions;--@example.com",
  "x'||(select/**/email)||'@example.com",
  "x'/*@example.com",
  'x"or"1"="1@example.com',
  '"x\' or 1=1 --"@example.com',
  "`x`@example.com",
  "%@example.com",
  "_@example.com",
  "%25@example.com",
  "*@example.com",
  "?@example.com",
  "x%@example.com",
  "{x}@example.com",
  "${x}@example.com",
  "{{7*7}}@example.com",
  "x)~or(emailOfAccessor,like,%@example.com",
  "x),(emailOfAccessor,neq,x@example.com",
  "x~or~x@example.com",
  "x,eq,y@example.com",
  "@isWithin@example.com",
  "x\\@example.com",
  "x\0@example.com",
  "x\n@example.com",
  "x\r\nBcc: y@example.com",
  "x@example.com\nBcc: y@example.com",
  "x@example.com,y@example.com",
  "x@example.com;y@example.com",
  "x@example.com y@example.com",
  "<x@example.com>",
  "X <x@example.com>",
  "<script>alert(1)</script>@example.com",
  "x@example.com'--",
  "x@exa'mple.com",
  "x@example.com)",
  "x@[127.0.0.1]",
  "x@example.com%00",
  "x@e\u0131xample.com\u2028",
  "\u202egro.elpmaxe@example.com",
  "=1+1@example.com",
  "=cmd|'/c'!a1@example.com",
  "+1@example.com",
  "-1@example.com",
];

const PAGES = [
  "/\u001b[2J\u001b]0;owned\u0007",
  "/\u009b31m",
  "/x\nforged line",
  "/x\r\n=1+1",
  "/\u202etxt.exe",
  "/<script>alert(1)</script>",
  '/","=1+1',
  "/'\"`=1+1",
  "=1+1",
  "//evil.example",
  `/${"x".repeat(60_000)}`,
];

/** What a forged line would say. */
const FORGED = "2026-01-01T00:00:00.000000Z  INFO session started record=forged";

/** @type {{ name: string, shoot: (target: Target) => Promise<unknown> }[]} */
const SHOTS_AT_PATHS = [
  ...[
    `/x%0a${encodeURIComponent(FORGED)}`,
    `/x%0d%0a${encodeURIComponent(FORGED)}`,
    `/x\n${FORGED}`,
    `/x\r${FORGED}`,
    "/x\u001b[2J",
    "/x%1b[2J",
    "/x\x9b31m",
    "/x\xc2\x85forged",
    "/x\xe2\x80\xa8forged",
    "/x\xe2\x80\xaeforged",
    "/x\x7fforged",
    "/x\0forged",
    `/x"${FORGED.replaceAll(" ", "\xc2\xa0")}`,
    `/api/session-heartbeat/x%0a${FORGED.replaceAll(" ", "%20")}`,
    `/${"x".repeat(30_000)}`,
  ].map((path) => ({
    name: `in the path: ${JSON.stringify(path.slice(0, 60))}`,
    shoot: (/** @type {Target} */ { url }) => ask(url, path),
  })),
];

/** @type {{ name: string, shoot: (target: Target) => Promise<unknown> }[]} */
const SHOTS = [
  ...["user-agent", "referer", "origin", "x-forwarded-for", "cookie", "accept", "host"].flatMap(
    (header) =>
      [`x\t${FORGED}`, "x\u001b[2J", `x\r ${FORGED}`, `x\r\n ${FORGED}`, "x\xc2\x85y"].map(
        (value) => ({
          name: `in ${header}: ${JSON.stringify(value.slice(0, 20))}`,
          shoot: (/** @type {Target} */ { url }) =>
            ask(url, LOGOUT, {
              method: "POST",
              headers: { "sec-fetch-site": "cross-site", "content-length": "0", [header]: value },
            }),
        }),
      ),
  ),
  ...[`x\n${FORGED}@example.com`, `x@example.com\n${FORGED}`, `\u001b[2J@example.com`].map(
    (email) => ({
      name: `in the email: ${JSON.stringify(email.slice(0, 20))}`,
      shoot: (/** @type {Target} */ { url }) => send(url, ENTER, { form: { email } }),
    }),
  ),
  ...["reason", "page", "session", `x\n${FORGED}`].map((member) => ({
    name: `in the member ${JSON.stringify(member.slice(0, 10))}`,
    shoot: async (/** @type {Target} */ target) => {
      const { visitor } = await target.visitor();
      for (const path of [HEARTBEAT, LOGOUT]) {
        await visitor.send(path, { json: { [member]: `x\n${FORGED}` } });
      }
    },
  })),
  ...["INFO-session-started", "X".repeat(30_000), "X\x1b[2J"].map((method) => ({
    name: `in the method: ${JSON.stringify(method.slice(0, 20))}`,
    shoot: (/** @type {Target} */ { url }) => ask(url, "/x", { method }),
  })),
];

/** @param {Tally} tally @param {() => Target} target @param {Place} place */
export function injection(tally, target, { hasSite }) {
  tally.holds("no email changes what a query means", EMAILS, async (email) => {
    const bystander = await target().visitor();
    const before = await target().rows();
    const attacker = new Visitor(target().url);
    const answer = await attacker.send(ENTER, { form: { email } });
    target().assertAnswered(answer);
    const isIn = attacker.cookies.has("lastseen");
    if (isIn) await attacker.send(LOGOUT, { json: { everywhere: true } });

    const after = await target().rows();
    const own = after.filter(({ id }) => !before.some((row) => row.id === id));
    assert.equal(own.length, isIn ? 1 : 0, `${own.length} new rows`);
    if (isIn) assert.equal(own[0]?.emailOfAccessor, email.trim().toLowerCase());
    assert.deepEqual(
      after.filter(({ id }) => before.some((row) => row.id === id)),
      before.map((row) =>
        // Whoever came in with the same address was logged out too.
        row.emailOfAccessor === own[0]?.emailOfAccessor
          ? (after.find(({ id }) => id === row.id) ?? row)
          : row,
      ),
    );
    await target().assertOpen(bystander.token);
  });

  tally.holds("no email makes the owner's list show others", EMAILS, async (email) => {
    await target().visitor();
    if (email.includes("\0")) return; // No command line can hold it.
    const listed = await target()
      .command("sessions", "--json", `--email=${email}`)
      .then(JSON.parse, () => []);
    const addresses = new Set(
      listed.map((/** @type {{ emailOfAccessor: string }} */ row) => row.emailOfAccessor),
    );
    addresses.delete(email.trim().toLowerCase());
    assert.deepEqual([...addresses], []);
  });

  tally.holds("no page name acts on the owner's screen or spreadsheet", PAGES, async (page) => {
    const email = `=${someone()}`;
    const { visitor, row } = await target().visitor(email);
    const pages = { [page]: { seconds: 1 } };
    const answer = await visitor.send(HEARTBEAT, { json: { page, pages } });
    target().assertAnswered(answer);
    const { currentPage } = await target().row(row);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
    const acts = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;
    assert.doesNotMatch(currentPage ?? "", acts);
    assert.doesNotMatch(currentPage ?? "", /\n/);
    assert.ok((currentPage ?? "").length <= 1000, "a row is filled with it");
    const table = await target().command("sessions", `--email=${email}`);
    assert.doesNotMatch(table, acts);
    assert.doesNotMatch(table, /[\u202a-\u202e\u2066-\u2069]/, "the table's text is turned round");
    const csv = await target().command("sessions", "--csv", `--email=${email}`);
    assert.doesNotMatch(csv, /(^|,)"?[=+\-@\t]/m);
  });

  tally.holds(
    "no visitor fills a row without end",
    [
      { heartbeats: 1, pages: 1000, length: 10 },
      { heartbeats: 1, pages: 100, length: 500 },
      { heartbeats: 10, pages: 50, length: 250 },
      { heartbeats: 10, pages: 50, length: 250, seenSecondsAgo: 30 },
    ],
    async ({ heartbeats, pages: count, length, ...snapshot }) => {
      const { visitor, row } = await target().visitor();
      for (let beat = 0; beat < heartbeats; beat += 1) {
        const pages = Object.fromEntries(
          Array.from({ length: count }, (_, at) => [
            `/${beat}-${at}-`.padEnd(length, "x"),
            { seconds: 0 },
          ]),
        );
        await visitor.send(HEARTBEAT, { json: { ...snapshot, pages } });
      }
      const { pages } = await target().row(row);
      const kept = Object.keys(pages ?? {}).length;
      assert.ok(kept <= 50, `${kept} pages, ${JSON.stringify(pages).length} characters`);
    },
  );

  const shots = hasSite ? [...SHOTS, ...SHOTS_AT_PATHS] : SHOTS;
  tally.holds("nothing that is sent starts a line of the log", shots, async ({ shoot }) => {
    const { length } = target().log;
    await shoot(target());
    await sleep(15);
    target().assertReadable(target().log.slice(length));
  });
}

/**
 * The owner's list finds a visitor by email; otherwise it would prove nothing that it finds no others.
 *
 * @param {Target} target
 */
export async function checkThatTheOwnerSees(target) {
  const { email, row } = await target.visitor();
  const listed = JSON.parse(await target.command("sessions", "--json", `--email=${email}`));
  assert.deepEqual(
    listed.map((/** @type {{ id: string }} */ { id }) => String(id)),
    [row],
  );
}
