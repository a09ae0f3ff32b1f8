/** The sums in docs/operating.md. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../harness/process.mjs";

const manual = readFileSync(join(root, "docs/operating.md"), "utf8");
const tables = [
  ...manual.matchAll(
    /^### (.+)\n[^#]*?\| what \| quantity \| price \| USD \|\n.*\n((?:\|.*\n)+)/gm,
  ),
];

test("every line of the cost tables is its quantity times its price, and every sum is the sum", () => {
  assert.equal(tables.length, 3);
  for (const [, heading, text = ""] of tables) {
    let sum = 0;
    for (const line of text.trim().split("\n")) {
      const [, what = "", quantity, price, usd = ""] = line.split("|").map((cell) => cell.trim());
      if (what === "**together**") {
        assert.equal(usd, `**${sum.toFixed(2)}**`, heading);
      } else {
        const cost = Number(quantity) * Number(price);
        assert.ok(Math.abs(cost - Number(usd)) <= 0.0051, `${heading}: ${what} is ${cost}`);
        sum += cost;
      }
    }
  }
});

test("a heartbeat of a thousand visits costs what it costs in the table above", () => {
  const [million = "", visits = ""] = tables.map(([, , text]) => text);
  const [, together] = /\*\*together\*\* .*\*\*([\d.]+)\*\*/.exec(million) ?? [];
  const [, price] = /^\| API .*?\| [\d.]+ \| ([\d.]+) \|/m.exec(visits) ?? [];
  assert.equal(price, together);
});
