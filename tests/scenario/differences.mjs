/**
 * In what answers differ by where the API is served: the whole table, with reasons. Everything else is the
 * same to the byte, which `scenario.test.mjs` holds every place to.
 *
 * @typedef {"serve" | "watch" | "lambda"} Place `lastseen serve`; `cargo lambda watch`; AWS
 */

export const DIFFERENCES = Object.freeze({
  /** Headers that one place has and another has not, or with another value. */
  connection: {
    why: "They belong to the connection and the moment, and each server writes its own.",
    headers: ["connection", "content-length", "date", "keep-alive", "transfer-encoding"],
  },
  requestId: {
    why: "API Gateway names each request in its log.",
    headers: ["apigw-requestid"],
    place: "lambda",
  },

  /** Paths that are no route: what is in front of the functions answers, and none of them runs. */
  noRoute: {
    why: "A function that only says 404 would cost money for every scanner that comes by.",
    /** @type {Record<Place, RegExp>} bodies, with `404` */
    answers: {
      serve:
        /^\{"code":"not-found","detail":"there is no such endpoint","status":404,"title":"Not Found"\}$/,
      watch: /^\{"detail":"the default function route is disabled/,
      lambda: /^\{"message":"Not Found"\}$/,
    },
  },

  /** Hosts that are not the site's. */
  foreignHost: {
    why: "serve answers to its own names alone, or a name that is led to it would open it (DNS rebinding).",
    /** @type {Partial<Record<Place, number>>} */
    statuses: { serve: 421 },
  },

  /** Headers with bytes that are not ASCII. */
  otherLetters: {
    why: "cargo lambda watch cannot make an event of them (seen in cargo-lambda 1.9.2).",
    /** @type {Partial<Record<Place, number>>} */
    statuses: { watch: 500 },
  },
});
