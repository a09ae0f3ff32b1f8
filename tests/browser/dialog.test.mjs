/** The warning: when it comes, what it says, and what a visitor can do about it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, quit } from "../harness/browser.mjs";
import { DialogPage, DOWN, IDLE_SECONDS, WARN_SECONDS } from "./dialog-page.mjs";

/** @type {import("puppeteer-core").Browser} */
let browser;
before(async () => {
  browser = await launch();
});
after(() => quit(browser));

/** @param {import("node:test").TestContext} t @param {import("./dialog-page.mjs").Options} [options] */
const open = (t, options) => DialogPage.open(browser, t, options);

// --- When it comes, and what it says ----------------------------------------------------------

test("the warning opens as long before the deadline as data-warn-before says, and no earlier", async (t) => {
  const visit = await open(t, { attributes: 'data-warn-before="30000"' });
  await visit.run(IDLE_SECONDS - 31);
  assert.equal(await visit.look(), null);
  await visit.run(2);
  assert.equal((await visit.look())?.text, "You will be logged out in 29 seconds.");
});

test("without data-idle-timeout it counts down to the server's deadline", async (t) => {
  const visit = await open(t, { idle: null, serverIdle: 120 });
  await visit.run(59);
  assert.equal(await visit.look(), null);
  await visit.run(2);
  assert.match((await visit.look())?.text ?? "", /in 59 seconds/);
});

test("it shows minutes first, then each second; it is read out every 20 s; neither is ever negative", async (t) => {
  const visit = await open(t, { idle: 300, attributes: 'data-warn-before="150000"' });
  await visit.run(150);
  /** @type {string[]} */
  const shown = [];
  /** @type {string[]} */
  const spoken = [];
  for (;;) {
    const dialog = await visit.look();
    if (!dialog || dialog.covers) break;
    const { text } = dialog;
    shown.push(text.replace(/^You will be logged out in (.*)\.$/, "$1"));
    if (spoken.at(-1) !== dialog.spoken) spoken.push(dialog.spoken);
    await visit.run(1);
  }
  const seconds = Array.from({ length: 60 }, (_, i) => `${60 - i} second${i === 59 ? "" : "s"}`);
  assert.deepEqual(shown, [
    ...Array(30).fill("3 minutes"),
    ...Array(60).fill("2 minutes"),
    ...seconds,
  ]);
  assert.deepEqual(
    spoken.map((text) => text.replace(/^You will be logged out in (.*)\.$/, "$1")),
    ["3 minutes", "2 minutes", "60 seconds", "40 seconds", "20 seconds"],
  );
});

test("what is read out changes no more often than what it says", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.page.evaluate(() => {
    const status = document.querySelector("dialog [role=status]");
    const watched = { changes: 0 };
    Object.assign(window, { watched });
    const watcher = new MutationObserver((changes) => {
      watched.changes += changes.length;
    });
    watcher.observe(status ?? document, { childList: true, characterData: true, subtree: true });
  });
  await visit.run(WARN_SECONDS - 5);
  assert.equal(await visit.page.evaluate(() => /** @type {any} */ (window).watched.changes), 2);
});

test("it is a modal dialog with a name and a description, and hides the countdown from readers", async (t) => {
  const visit = await open(t, { body: '<main><p id="lastseen-x">Other</p></main>' });
  await visit.warned();
  await visit.run(1);
  const tree = await visit.page.accessibility.snapshot({ interestingOnly: false });
  /** @param {any} node @returns {any[]} */
  const flat = (node) => [node, ...(node.children ?? []).flatMap(flat)];
  const nodes = flat(tree);
  const dialog = nodes.find(({ role }) => role === "dialog");
  assert.equal(dialog?.name, "Are you still there?");
  assert.equal(dialog?.description, "You will be logged out in 60 seconds.");
  assert.equal(dialog?.modal, true);
  const inside = flat(dialog);
  assert.ok(inside.some(({ role }) => role === "status"));
  assert.ok(
    inside.every(({ name = "" }) => !name.includes("59 seconds")),
    "the countdown is for the eyes",
  );
  const buttons = inside.filter(({ role }) => role === "button").map(({ name }) => name);
  assert.deepEqual(buttons, ["Stay", "Log out now"]);
});

// --- Stay, or log out -------------------------------------------------------------------------

/** @type {[string, (visit: DialogPage) => Promise<void>][]} */
const WAYS_TO_STAY = [
  ["a click", async (visit) => (await visit.button("Stay")).click()],
  ["Enter, for the focus is there", (visit) => visit.press("Enter")],
  ["Esc", (visit) => visit.press("Escape")],
];

for (const [way, step] of WAYS_TO_STAY) {
  test(`Stay by ${way}: the whole idle time again, told to the server, and the focus is where it was`, async (t) => {
    const visit = await open(t);
    await visit.page.focus("#second");
    // It is told at once, however long the next attempt would have waited.
    visit.instead = DOWN;
    await visit.warned();
    await visit.run(10);
    visit.instead = undefined;
    const told = visit.site.heartbeats.length;
    await step(visit);
    // What Esc does is told by an event, in real time.
    await visit.page.waitForFunction(() => !document.querySelector("dialog"), { timeout: 5000 });
    await visit.run(0);
    assert.equal(await visit.focused(), "second");
    assert.equal((await visit.status()).idleInSeconds, IDLE_SECONDS);
    await visit.run(5);
    assert.ok(visit.site.heartbeats.length > told, "a heartbeat");
    assert.ok(visit.site.heartbeats.at(-1)?.body.inactiveSeconds <= 5);
    await visit.run(IDLE_SECONDS - WARN_SECONDS - 7);
    assert.equal(await visit.look(), null);
    await visit.run(3);
    assert.equal((await visit.look())?.covers, false, "it asks again");
  });
}

test("Esc stays each time, also twice in a row without anything in between", async (t) => {
  const visit = await open(t);
  for (let round = 1; round <= 4; round += 1) {
    await visit.warned();
    await visit.press("Escape");
    assert.equal(await visit.look(), null, `round ${round}`);
    assert.equal((await visit.status()).idleInSeconds, IDLE_SECONDS);
  }
  await visit.warned();
  await visit.page.keyboard.press("Escape");
  await visit.page.keyboard.press("Escape");
  await visit.drawn();
  assert.equal(await visit.look(), null);
  assert.equal((await visit.status()).idleInSeconds, IDLE_SECONDS);
});

test("Esc stays, also where the page looks at the clock before it is told", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.page.evaluate(() => {
    document.querySelector("dialog")?.close();
    // Looks at the clock at once, as the page does every second.
    /** @type {any} */ (window).lastseen.start();
  });
  assert.equal(await visit.look(), null);
  assert.equal((await visit.status()).idleInSeconds, IDLE_SECONDS);
  await visit.drawn();
  assert.equal(await visit.look(), null);
});

test("Stay that comes after the deadline is too late: the page is covered and the session ended", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.clock.sleep(WARN_SECONDS * 1000);
  await visit.page.keyboard.press("Enter");
  assert.equal((await visit.look())?.covers, true);
  await visit.run(1);
  const [logout] = visit.site.calls.filter(({ path }) => path === "/api/logout");
  assert.equal(logout?.body.reason, "idle");
});

test("Log out now by a click", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await (await visit.button("Log out now")).click();
  await visit.loggedOut();
});

test("Log out now by keyboard", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.press("Tab");
  assert.equal(await visit.focused(), "Log out now");
  await visit.page.keyboard.press("Space");
  await visit.loggedOut();
});

test("the focus goes in and stays among its buttons, forwards and backwards", async (t) => {
  const visit = await open(t);
  await visit.page.focus("#first");
  await visit.warned();
  const seen = [await visit.focused()];
  for (let tabs = 0; tabs < 6; tabs += 1) {
    await visit.press("Tab");
    seen.push(await visit.focused());
  }
  await visit.page.keyboard.down("Shift");
  for (let tabs = 0; tabs < 6; tabs += 1) {
    await visit.press("Tab");
    seen.push(await visit.focused());
  }
  await visit.page.keyboard.up("Shift");
  assert.equal(seen[0], "Stay");
  // BODY: a modal dialog lets the keyboard out to the browser's own controls, and nowhere else.
  assert.deepEqual([...new Set(seen)].sort(), ["BODY", "Log out now", "Stay"]);
  assert.ok(seen.indexOf("Stay", 1) > 0, "round to the first one");
});

test("where nothing had the focus, nothing has it afterwards", async (t) => {
  const visit = await open(t);
  await visit.warned();
  await visit.press("Enter");
  assert.equal(await visit.focused(), "BODY");
});

// --- What does not answer it ------------------------------------------------------------------

test("moves, clicks and keys that answer nothing do not count while it asks", async (t) => {
  const visit = await open(t);
  await visit.warned();
  for (let second = 1; second <= 40; second += 1) {
    await visit.run(1);
    await visit.page.mouse.move(10 + second, 10 + second);
    await visit.page.mouse.click(5, 5 + second);
    await visit.page.mouse.wheel({ deltaY: 10 });
    await visit.page.keyboard.press("a");
  }
  assert.equal((await visit.status()).idleInSeconds, WARN_SECONDS - 40);
  assert.match((await visit.look())?.text ?? "", /in 20 seconds/);
  visit.instead = DOWN;
  await visit.run(20);
  assert.equal((await visit.look())?.covers, true);
});

test("once answered it does not come back until the deadline has moved", async (t) => {
  const attributes = 'data-interval="5000"';
  const visit = await open(t, { attributes, idle: null, serverIdle: 120 });
  await visit.run(70);
  visit.instead = DOWN;
  await visit.press("Enter");
  await visit.run(20);
  assert.equal(
    await visit.look(),
    null,
    "the server has not heard of it, but the visitor was asked",
  );
  visit.instead = undefined;
  // 120 s from the answer, and 60 s before that.
  await visit.run(38);
  assert.equal(await visit.look(), null);
  await visit.run(4);
  assert.equal((await visit.look())?.covers, false, "the next deadline, the next warning");
});

test("a listener of lastseen:warn that prevents the default shows something of its own", async (t) => {
  const visit = await open(t);
  await visit.page.evaluate(() => {
    /** @type {unknown[]} */
    const warnings = [];
    Object.assign(window, { warnings });
    window.addEventListener("lastseen:warn", (event) => {
      warnings.push(/** @type {CustomEvent} */ (event).detail.seconds);
      event.preventDefault();
    });
  });
  const warnings = () => visit.page.evaluate(() => /** @type {any} */ (window).warnings);
  await visit.run(IDLE_SECONDS - 5);
  assert.equal(await visit.look(), null);
  assert.deepEqual(await warnings(), [WARN_SECONDS]);
  await visit.page.evaluate(() => /** @type {any} */ (window).lastseen.stay());
  await visit.run(IDLE_SECONDS - 5);
  assert.deepEqual(await warnings(), [WARN_SECONDS, WARN_SECONDS]);
  visit.instead = DOWN;
  await visit.run(5);
  assert.equal((await visit.look())?.covers, true, "the deadline cannot be prevented");
});
