/** What can be seen: the pixels of a picture, and the contrast of two colours. */
import assert from "node:assert/strict";
import { inflateSync } from "node:zlib";

/** Of a pixel, 0 to 255. @typedef {[red: number, green: number, blue: number]} Colour */

/**
 * Reads a PNG as browsers write it: eight bits, no palette, not interlaced (W3C PNG, sections 7 and 9).
 *
 * @param {Uint8Array} png
 * @returns {Colour[]} row by row
 */
export function pixels(png) {
  const file = Buffer.from(png);
  const width = file.readUInt32BE(16);
  const [depth, type, , , interlaced] = file.subarray(24, 29);
  const channels = type === 6 ? 4 : 3;
  assert.deepEqual([depth, type === 6 || type === 2, interlaced], [8, true, 0]);
  /** @type {Buffer[]} */
  const parts = [];
  for (let at = 8; at < file.length; at += file.readUInt32BE(at) + 12) {
    const data = file.subarray(at + 8, at + 8 + file.readUInt32BE(at));
    if (file.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(data);
  }
  const raw = inflateSync(Buffer.concat(parts));
  const stride = width * channels;
  /** @type {Colour[]} */
  const colours = [];
  let above = new Uint8Array(stride);
  for (let start = 0; start < raw.length; start += stride + 1) {
    const row = new Uint8Array(stride);
    for (let i = 0; i < stride; i += 1) {
      const left = row[i - channels] ?? 0;
      const up = above[i] ?? 0;
      const corner = above[i - channels] ?? 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][raw[start] ?? 0] ?? 0;
      row[i] = (raw[start + 1 + i] ?? 0) + guess;
    }
    for (let i = 0; i < stride; i += channels) {
      colours.push([row[i] ?? 0, row[i + 1] ?? 0, row[i + 2] ?? 0]);
    }
    above = row;
  }
  return colours;
}

/** @param {number} left @param {number} up @param {number} corner */
function paeth(left, up, corner) {
  const estimate = left + up - corner;
  const [l, u, c] = [left, up, corner].map((value) => Math.abs(estimate - value));
  if (l <= u && l <= c) return left;
  return u <= c ? up : corner;
}

/**
 * A computed colour, such as `rgb(1, 2, 3)`; one that lets something through needs what is behind.
 *
 * @param {string} text
 * @param {Colour} [behind]
 * @returns {Colour}
 */
export function colour(text, behind) {
  const [red, green, blue, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
  assert.ok(text.startsWith("rgb") && (alpha === 1 || behind), `${text} is an opaque colour`);
  const [r, g, b] = behind ?? [0, 0, 0];
  const rest = 1 - alpha;
  return [red * alpha + r * rest, green * alpha + g * rest, blue * alpha + b * rest];
}

/** As WCAG 2.2 has it: 1 to 21. @param {Colour} one @param {Colour} other */
export function contrast(one, other) {
  const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (bright + 0.05) / (dark + 0.05);
}

/** @param {Colour} colour */
function luminance(colour) {
  const [red, green, blue] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
