/** What was tried, and what got through. */
import assert from "node:assert/strict";
import { test } from "node:test";

export class Tally {
  tried = 0;
  /** @type {string[]} */
  through = [];

  /**
   * A test that tries every case. Each case is one attack; the sentence says what holds against all
   * of them.
   *
   * @template Case
   * @param {string} sentence
   * @param {Iterable<Case> | (() => Iterable<Case> | Promise<Iterable<Case>>)} cases
   * @param {(one: Case) => unknown} attempt throws where the attack gets through
   */
  holds(sentence, cases, attempt) {
    test(sentence, async () => {
      const before = this.through.length;
      for (const one of typeof cases === "function" ? await cases() : cases) {
        await this.#try(one, attempt);
      }
      assert.deepEqual(this.through.slice(before), []);
    });
  }

  /**
   * The same for attacks that take their time and do not disturb each other.
   *
   * @template Case
   * @param {string} sentence
   * @param {Case[]} cases
   * @param {(one: Case) => unknown} attempt
   */
  holdsAtOnce(sentence, cases, attempt) {
    test(sentence, async () => {
      const before = this.through.length;
      await Promise.all(cases.map((one) => this.#try(one, attempt)));
      assert.deepEqual(this.through.slice(before), []);
    });
  }

  /** @template Case @param {Case} one @param {(one: Case) => unknown} attempt */
  async #try(one, attempt) {
    this.tried += 1;
    try {
      await attempt(one);
    } catch (error) {
      const name = JSON.stringify(one).slice(0, 160);
      this.through.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }

  toString() {
    return `${this.tried} attacks tried, ${this.through.length} got through`;
  }
}
