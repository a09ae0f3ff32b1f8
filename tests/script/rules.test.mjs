/** The script's rules, which are pure: what counts, when a page locks, when it sends. Milliseconds throughout. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { elapsed, later, NEVER, shifted, stamped } from "../../static/src/clock.js";
import { remainingMs, warnMs } from "../../static/src/deadline.js";
import { depth, pageName, sum } from "../../static/src/figures.js";
import { gap, lockedGap, retry, retryAfterMs } from "../../static/src/schedule.js";
import { counted, frameKind, OPAQUE, PDF } from "../../static/src/viewing.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe("a moment by two clocks", () => {
  test("is as long ago as the clock says that went on", () => {
    assert.equal(elapsed([0, 0], [HOUR, 5]), HOUR, "the monotonic clock stood still in sleep");
    assert.equal(elapsed([0, 0], [-HOUR, 5]), 5, "the wall clock was set back");
    assert.equal(elapsed(NEVER, [0, 0]), Number.POSITIVE_INFINITY);
  });

  test("a stamp of another page counts where it is later, unless it is from the future", () => {
    const t = /** @type {const} */ ([100 * HOUR, 7 * HOUR]);
    const known = shifted(t, -HOUR);
    assert.deepEqual(later(known, t[0] - MINUTE, t), stamped(t[0] - MINUTE, t));
    assert.equal(later(known, t[0] - 2 * HOUR, t), known);
    assert.equal(later(known, t[0] + 1, t), known, "a clock that was set");
  });
});

describe("of a pause counts", () => {
  const WINDOW = 3 * MINUTE;
  const TAIL = 5_000;
  for (const [what, wall, mono, sign, expected] of /** @type {const} */ ([
    ["all that a sign of life ends within the window", 95_000, 95_000, true, 95_000],
    ["all of the very window", WINDOW, WINDOW, true, WINDOW],
    ["the tail of a longer one", WINDOW + 1, WINDOW + 1, true, TAIL],
    ["the tail of one that is open", MINUTE, MINUTE, false, TAIL],
    ["a little less than its length while it is young", 4_000, 4_000, false, 2_500],
    ["what the smaller clock says, where both stay within the window", MINUTE, 9_000, true, 9_000],
    ["the tail of one that was slept through", HOUR, 20_000, true, TAIL],
    ["nothing where the wall clock was set back", -HOUR, MINUTE, true, -HOUR],
  ])) {
    test(what, () => assert.equal(counted(wall, mono, sign, WINDOW, TAIL), expected));
  }

  test("nothing of an open one after a sleep, whose tail is none", () => {
    assert.equal(counted(MINUTE, MINUTE, false, WINDOW, 0), 0);
  });
});

describe("a frame", () => {
  const of = (/** @type {object} */ element) => frameKind(/** @type {any} */ (element));
  for (const [what, element, kind] of /** @type {const} */ ([
    ["is none: a paragraph", { tagName: "P" }, 0],
    ["is none: nothing", null, 0],
    [
      "that can be looked into is none",
      { tagName: "IFRAME", src: "/a", contentDocument: { contentType: "text/html" } },
      0,
    ],
    [
      "of another site is opaque",
      { tagName: "IFRAME", src: "https://x.example/", contentDocument: null },
      OPAQUE,
    ],
    [
      "shows a PDF by its address",
      { tagName: "IFRAME", src: "/r/Report.PDF#page=2", contentDocument: null },
      PDF,
    ],
    [
      "shows a PDF by its type",
      { tagName: "OBJECT", data: "/download?id=7", type: "application/pdf" },
      PDF,
    ],
    [
      "shows a PDF in Chromium's viewer",
      { tagName: "IFRAME", src: "/r", contentDocument: { contentType: "application/pdf" } },
      PDF,
    ],
    [
      "shows no PDF because its folder is called so",
      { tagName: "IFRAME", src: "/my.pdf.files/x", contentDocument: null },
      OPAQUE,
    ],
  ])) {
    test(what, () => assert.equal(of(element ?? {}), kind));
  }
});

describe("a page's name", () => {
  for (const [path, hash, name] of /** @type {const} */ ([
    ["/x/", "", "/x/"],
    ["/x/index.html", "", "/x/"],
    ["/x//", "", "/x/"],
    ["//x///y.html", "", "/x/y.html"],
    ["/%E8%B3%87%E6%96%99/", "", "/資料/"],
    ["/donne%CC%81es/", "", "/données/"],
    ["/100%", "", "/100%"],
    ["/deck/", "#/slide/7", "/deck/#/slide/7"],
    ["/deck/", "#!/caf%C3%A9", "/deck/#!/café"],
    ["/deck/", "#notes", "/deck/"],
  ])) {
    test(`${path}${hash} is ${name}`, () => assert.equal(pageName(path, hash), name));
  }
});

test("the figures of all tabs are added, depth is the furthest, and the longest pages come first", () => {
  const { ms, activeSeconds, pages } = sum([
    { "/a": [1_400, 20], "/b": [9_000, 5] },
    { "/a": [1_400, 80] },
  ]);
  assert.deepEqual([ms, activeSeconds], [11_800, 12]);
  assert.deepEqual(Object.entries(pages), [
    ["/b", { seconds: 9, scroll: 5 }],
    ["/a", { seconds: 3, scroll: 80 }],
  ]);
  const many = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [`/${i}`, /** @type {[number, number]} */ ([i, 0])]),
  );
  assert.equal(Object.keys(sum([many]).pages).length, 50);
});

test("depth is in percent of the height, and never more than all or less than nothing", () => {
  assert.deepEqual([depth(500, 1_000), depth(2_000, 1_000), depth(0, 0)], [50, 100, 0]);
});

describe("a page locks", () => {
  test("when its own timeout has passed, or the server's deadline, whichever is first", () => {
    assert.equal(remainingMs(HOUR, MINUTE, 2 * HOUR), HOUR - MINUTE);
    assert.equal(remainingMs(HOUR, MINUTE, 5), 5);
    assert.equal(remainingMs(Number.POSITIVE_INFINITY, 0, 5), 5);
  });

  test("half an hour after the last activity where no server ever answered", () => {
    assert.equal(remainingMs(Number.POSITIVE_INFINITY, MINUTE, null), 29 * MINUTE);
    assert.equal(remainingMs(MINUTE, MINUTE, null), 0);
  });

  test("after a warning that takes at most half of the timeout", () => {
    assert.equal(warnMs(MINUTE, HOUR, 30 * MINUTE), MINUTE);
    assert.equal(warnMs(MINUTE, Number.POSITIVE_INFINITY, 90_000), 45_000);
  });
});

describe("the next heartbeat waits", () => {
  const INTERVAL = 3 * MINUTE;
  test("five seconds after the first, then as long as what was seen, up to the interval", () => {
    assert.equal(gap(INTERVAL, true, true, 0, 0, HOUR), 5_000);
    assert.equal(gap(INTERVAL, false, true, 0, 20_000, HOUR), 32_000);
    assert.equal(gap(INTERVAL, false, true, 0, HOUR, HOUR), INTERVAL);
  });

  test("never more than a third of what the server granted, while there is news", () => {
    assert.equal(gap(INTERVAL, false, true, 0, HOUR, 2 * MINUTE), 40_000);
    assert.equal(gap(INTERVAL, false, true, 0, HOUR, 0), 1_000);
  });

  test("two, four, eight intervals without anything new", () => {
    assert.deepEqual(
      [0, 1, 2].map((quiet) => gap(INTERVAL, false, false, quiet, 0, HOUR) / INTERVAL),
      [2, 4, 8],
    );
  });

  test("longer each time a locked page has asked, up to the interval", () => {
    assert.deepEqual(
      [0, 1, 2, 20].map((asked) => lockedGap(INTERVAL, asked)),
      [1_000, 2_000, 4_000, INTERVAL],
    );
  });

  test("after a failure half to all of 5, 10, 20 s, and never less than the server asks", () => {
    assert.deepEqual([retry(INTERVAL, 1, 0, 0), retry(INTERVAL, 1, 0, 1)], [2_500, 5_000]);
    assert.equal(retry(INTERVAL, 3, 0, 1), 20_000);
    assert.equal(retry(INTERVAL, 30, 0, 1), INTERVAL);
    assert.equal(retry(INTERVAL, 1, MINUTE, 1), MINUTE);
    assert.equal(retry(INTERVAL, 1, MINUTE, 0), 1.5 * MINUTE);
  });

  test("Retry-After is seconds or a date, an hour at the most, and anything else is nothing", () => {
    const wall = Date.parse("2026-01-02T03:04:05Z");
    assert.equal(retryAfterMs("2", wall), 2_000);
    assert.equal(retryAfterMs("Fri, 02 Jan 2026 03:04:35 GMT", wall), 30_000);
    assert.equal(retryAfterMs("86400", wall), HOUR);
    for (const text of ["-1", "soon", "", null, undefined])
      assert.equal(retryAfterMs(text, wall), 0);
  });
});
