/** Another program that has a SQLite file locked, as a backup or an import would. */
import assert from "node:assert/strict";
import { Running } from "./process.mjs";

/** Takes the write lock, says so, and gives it back when it is asked to stop. */
const HOLD = `
import signal, sqlite3, sys, threading
over = threading.Event()
signal.signal(signal.SIGINT, lambda *_: over.set())
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
while not over.wait(0.01):
    pass
db.execute("ROLLBACK")
`;

/** @param {string} database the file @returns {Promise<{ release: () => Promise<void> }>} */
export async function lock(database) {
  const holder = new Running("python3", ["-c", HOLD, database]);
  await holder.prints(/held/, 20_000);
  return {
    async release() {
      assert.equal(await holder.stop(), 0, holder.log);
    },
  };
}
