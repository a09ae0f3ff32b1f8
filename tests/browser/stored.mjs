/** What a site leaves in a browser. */

/** @typedef {import("puppeteer-core").Page} Page */

/** Everything that a script, or whoever opens this browser later, finds of a site. @param {Page} page */
export const everythingStored = (page) =>
  page.evaluate(async () => {
    /** @param {IDBRequest} request @returns {Promise<any>} */
    const done = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    /** @type {Record<string, unknown>} */
    const databases = {};
    for (const { name = "" } of await indexedDB.databases()) {
      /** @type {IDBDatabase} */
      const database = await done(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const all = database.transaction(store).objectStore(store);
        databases[`${name} ${store}`] = [await done(all.getAllKeys()), await done(all.getAll())];
      }
      database.close();
    }
    const cached = [];
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      cached.push(name, ...(await cache.keys()).map(({ url }) => url));
    }
    return JSON.stringify({
      local: { ...localStorage },
      session: { ...sessionStorage },
      databases,
      cached,
      cookies: document.cookie,
      name: window.name,
      state: history.state,
      address: location.href,
    });
  });
