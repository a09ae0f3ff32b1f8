/** What a person does at the gate page, and sees there. */

/** @typedef {import("puppeteer-core").Page} Page */

export const someone = () => `visitor-${crypto.randomUUID().slice(0, 8)}@example.com`;
/** @param {Page} page */
export const pathOf = (page) => page.evaluate(() => location.pathname);

/** Fills in the gate's form and sends it. @param {Page} page @param {string} email */
export async function leaveEmail(page, email) {
  await page.type("#email", email);
  await Promise.all([page.waitForNavigation(), page.click("main form button")]);
}

/**
 * Waits until a page is at the gate, whose session has ended elsewhere: it hears of that with its next
 * heartbeat, which may be due only five seconds after the last one, and goes out with the tick after that.
 *
 * @param {Page} page
 */
export async function sentOut(page) {
  await page.waitForFunction(() => location.pathname === "/access/", { timeout: 15_000 });
}

/** The message of the gate that can be seen, once it is styled. @param {Page} page */
export async function message(page) {
  await page.waitForFunction(() => document.readyState === "complete");
  return page.evaluate(() =>
    [...document.querySelectorAll(".message")]
      .filter((one) => getComputedStyle(one).display !== "none")
      .map((one) => one.id)
      .join(),
  );
}
