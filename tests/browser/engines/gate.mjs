/** The gate page, whose steps are shown by the fragment alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Serve } from "../../harness/serve.mjs";

/** @param {() => Promise<import("../../harness/engines.mjs").Engine>} engine */
export function gate(engine) {
  test("the gate shows the step and the message that the fragment names, with the focus in it", async (t) => {
    const serve = await Serve.start();
    t.after(() => serve.stop());
    const visitor = await (await engine()).visitor();
    t.after(() => visitor.close());
    const tab = await visitor.tab();
    for (const [fragment, shown] of /** @type {const} */ ([
      ["", ["heading", "enter"]],
      ["#code", ["code"]],
      ["#wrong-code", ["code", "wrong-code"]],
      ["#code-expired", ["heading", "code-expired", "enter"]],
      ["#limited", ["heading", "limited", "enter"]],
    ])) {
      // Another query, or it would be the same page scrolled.
      await tab.goto(`${serve.url}/access/?${fragment.slice(1)}${fragment}`);
      const focus = fragment.slice(1) || "email";
      await tab.waitFor(
        `in focus at ${focus}`,
        (/** @type {string} */ id) => document.activeElement?.id === id,
        focus,
      );
      const seen = await tab.evaluate(() =>
        [...document.querySelectorAll(".gate > h1, #enter, .code, .message")]
          .filter((element) => element.getClientRects().length > 0)
          .map(({ id, className }) => id || className || "heading"),
      );
      assert.deepEqual(seen, shown, fragment);
    }
  });
}
