/** What the lower modules call above themselves; `index` fills it in. */
export const hooks = {
  /** Looks at the clock and does what is due. */
  look() {},
  /** Another tab is logging out. @param {string} _reason */
  hold(_reason) {},
  /** The visitor asked to log out. */
  logout() {},
  /** The visitor asked to stay: a sign of life, in every tab. */
  stay() {},
};
