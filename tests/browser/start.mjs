// What every command here begins with: the daemon's binary, the browser, a directory for
// everything that is written, and their end.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { Daemon } from "./daemon.mjs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const TARGET = resolve(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"));

// Where the daemon, the browser and the screenshots are, from the environment.
function places() {
  const binary = resolve(process.env.DOSSIERD_BINARY ?? join(TARGET, "debug/dossierd"));
  if (!existsSync(binary)) throw new Error(`there is no daemon at ${binary}; build it, or name one in DOSSIERD_BINARY`);
  const named = process.env.DOSSIERD_BROWSER;
  const executablePath = named ?? PLACES.find((place) => existsSync(place));
  if (executablePath === undefined || !existsSync(executablePath)) {
    throw new Error(`there is no browser at ${named ?? PLACES.join(", ")}; install chromium, or name one in DOSSIERD_BROWSER`);
  }
  const out = resolve(process.env.DOSSIERD_SCREENSHOTS ?? join(TARGET, "browser"));
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(out)) if (name.startsWith("failed-")) rmSync(join(out, name));
  return { binary, executablePath, out };
}

// Runs `body` with a browser and `daemon(name, roots)`, which starts one in a directory of
// its own; whatever happens, nothing of it is left.
export async function withBrowser(body) {
  const { binary, executablePath, out } = places();
  const scratch = mkdtempSync(join(tmpdir(), "dossierd-browser-"));
  const daemons = [];
  let browser = null;
  const daemon = async (name, roots) => {
    const started = new Daemon(binary, join(scratch, `home-${name}`));
    daemons.push(started);
    await started.start();
    for (const root of roots) await started.cli("add", root);
    return started;
  };
  try {
    // Chromium's own sandbox needs rights that containers and root do not have. The name is
    // one that somebody made lead here.
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--host-resolver-rules=MAP evil.test 127.0.0.1"] });
    return await body({ browser, daemon, scratch, out });
  } finally {
    await browser?.close();
    for (const started of daemons) await started.stop("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
  }
}
