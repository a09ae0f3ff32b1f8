/**
 * Which of the loops of `tools/steps.mjs` this is part of. `make test` shows each behaviour once, in the
 * cheapest way; what is shown again in a dearer one is for `make test-all`, and for whoever runs a file
 * by hand.
 */
export const isThorough = process.env.LASTSEEN_LOOP !== "test";
