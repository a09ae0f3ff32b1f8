/**
 * In what answers differ by where the API is served: the whole list, with reasons. Everything else is the
 * same to the byte, which `scenario.test.mjs` holds every place to.
 *
 * @typedef {"serve" | "watch" | "lambda"} Place `lastseen serve`; `cargo lambda watch`; AWS
 */

/** Headers that belong to the connection and the moment, not to the answer. */
export const OF_THE_CONNECTION = Object.freeze([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

/** @type {Readonly<Record<string, { places: Place[], why: string }>>} */
export const OF_A_PLACE = Object.freeze({
  "apigw-requestid": { places: ["lambda"], why: "API Gateway names each request in its log." },
});

/** Paths that are no route: what is in front of the functions answers, and none of them runs. */
export const NO_ROUTE = Object.freeze({
  why: "A function that only says 404 would cost money for every scanner that comes by.",
  /** @type {Record<Place, RegExp>} bodies, with `404` */
  answers: {
    serve:
      /^\{"code":"not-found","detail":"there is no such endpoint","status":404,"title":"Not Found"\}$/,
    watch: /^\{"detail":"the default function route is disabled/,
    lambda: /^\{"message":"Not Found"\}$/,
  },
});

/** Headers with bytes that are not ASCII, which the emulator refuses by itself (seen in cargo-lambda 1.9.2). */
export const OTHER_LETTERS = Object.freeze({
  why: "cargo lambda watch cannot make an event of them.",
  /** @type {Partial<Record<Place, number>>} */
  statuses: { watch: 500 },
});
