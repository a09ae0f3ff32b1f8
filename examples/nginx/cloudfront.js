// What the gate imports as "cloudfront": its key-value store, which here is the object that nginx has preloaded.
async function get() {
  // A copy, because lists in what is preloaded have no methods (njs 0.7.9).
  return JSON.parse(JSON.stringify(lastseen_settings));
}

export default { kvs: () => ({ get: get }) };
