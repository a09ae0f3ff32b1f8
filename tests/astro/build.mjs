/** A site that uses SessionHeartbeat.astro as its owners do: copied, and built by Astro itself. */
import { rmSync } from "node:fs";
import { cp, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { environment, Running, root } from "../harness/process.mjs";

/** @param {Running} running @param {number} withinMs */
async function finished(running, withinMs) {
  const timer = setTimeout(() => running.kill("SIGKILL"), withinMs);
  const code = await running.ended;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${running.name} failed (${code}):\n${running.log}`);
  return running.log;
}

/** Builds the site, which is gone again when the tests end. Resolves to what Astro made of it. */
export async function build() {
  const log = await finished(new Running(join(root, "tests/astro/install"), []), 300_000);
  // Between lines that say what it did, if anything.
  const installed = /^\/.+$/m.exec(log)?.[0] ?? "";

  // Beside node_modules, where Astro is found, and away from whoever else builds at this time.
  const site = await mkdtemp(join(installed, "site-"));
  process.once("exit", () => rmSync(site, { recursive: true, force: true }));
  const component = "SessionHeartbeat.astro";
  await cp(join(root, "tests/astro/site"), site, { recursive: true });
  await cp(join(root, "astro", component), join(site, "src/components", component));
  await cp(join(root, "static/lastseen.js"), join(site, "public/lastseen.js"));

  const options = { cwd: site, env: environment({ ASTRO_TELEMETRY_DISABLED: "1" }) };
  const astro = join(installed, "node_modules/.bin/astro");
  await finished(new Running(astro, ["build"], options), 60_000);
  return join(site, "dist");
}
