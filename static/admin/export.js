/**
 * CSV as one file. A function answers in parts of about 2 MB; they are followed to the end and joined,
 * and nothing is handed out unless all of them came.
 */
import { address, send } from "./api.js";

/** How long to wait where the server has nothing more yet, but will have. */
const PAUSE_MS = 1000;

/**
 * @param {string} path `/api/sessions.csv` or `/api/visitors.csv`
 * @param {import("./api.js").Query} query the filters
 * @param {{ signal: AbortSignal, progress: (bytes: number) => void }} options
 * @returns {Promise<{ name: string, file: Blob }>}
 */
export async function exported(path, query, { signal, progress }) {
  /** @type {Blob[]} */
  const parts = [];
  let bytes = 0;
  let name = "";
  /** @type {string | null} */
  let cursor = null;
  do {
    /** @type {import("./api.js").Query} */
    const more = cursor === null ? { part: "first" } : { cursor };
    const { headers, part } = await send(
      address(path, { ...query, ...more }),
      { signal },
      async (response) => ({ headers: response.headers, part: await response.blob() }),
    );
    name ||= fileName(headers.get("Content-Disposition")) ?? "lastseen.csv";
    parts.push(part);
    bytes += part.size;
    progress(bytes);
    const next = headers.get("Lastseen-Next");
    if (next !== null && next === cursor && part.size > 0) {
      throw new Error("the server sent the same part again");
    }
    // An empty part waits for visits that are still being read.
    if (next !== null && part.size === 0) await pause(signal);
    cursor = next;
  } while (cursor !== null);
  return { name, file: new Blob(parts, { type: "text/csv;charset=utf-8" }) };
}

/** Hands a file to the browser's downloads. @param {string} name @param {Blob} file */
export function save(name, file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The download has begun by then; the memory is given back.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {string | null} disposition */
function fileName(disposition) {
  return disposition?.match(/filename="([\w.-]+)"/)?.[1];
}

/** @param {AbortSignal} signal @returns {Promise<void>} */
function pause(signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, PAUSE_MS);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  });
}
