// Two figures, for a machine with nothing else to do: `node bench.mjs`, with the release
// binary in DOSSIERD_BINARY. How long the list of fifty features takes from the start of
// the navigation until it is painted, and how long an edit takes from the write of the
// file until the changed hash is painted.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { manyFeatures } from "./fixtures.mjs";
import { Stage } from "./stage.mjs";
import { withBrowser } from "./start.mjs";

const FEATURES = 50;
const LOADS = 11;
const EDITS = 20;
const MOST_PAINT_MS = 300;

function told(name, times) {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  console.log(`${name}: median ${middle} ms, least ${sorted[0]} ms, most ${sorted.at(-1)} ms of ${times.length}`);
  return middle;
}

// Begins before the page's own scripts and leaves the time in `window.firstUseful`.
function whenUseful() {
  const look = () => {
    if (document.querySelector("#groups tbody a") === null) requestAnimationFrame(look);
    // In the frame after the one that put the rows there they are painted.
    else requestAnimationFrame(() => (window.firstUseful = performance.now()));
  };
  requestAnimationFrame(look);
}

async function paint(stage) {
  const { context, page } = await stage.open();
  await context.addInitScript(whenUseful);
  const times = { again: [], first: [] };
  for (const kind of Object.keys(times)) {
    const session = await context.newCDPSession(page);
    await session.send("Network.setCacheDisabled", { cacheDisabled: kind === "first" });
    for (let i = 0; i < LOADS; i += 1) {
      await page.reload();
      await page.waitForFunction(() => window.firstUseful !== undefined);
      times[kind].push(Math.round(await page.evaluate(() => window.firstUseful)));
    }
  }
  await context.close();
  const first = told(`first useful paint with ${FEATURES} features, nothing cached`, times.first);
  told(`first useful paint with ${FEATURES} features, loaded before`, times.again);
  return first;
}

// Resolves with the time at which the first hash of the overview has changed and is painted.
function whenChanged(page) {
  return page.evaluate(() => {
    const text = () => document.querySelector(".hash code").textContent;
    const before = text();
    return new Promise((resolve) => {
      const look = () => requestAnimationFrame(() => (text() === before ? look() : resolve(Date.now())));
      look();
    });
  });
}

async function latency(stage, root) {
  const [{ id, slug }] = await stage.daemon.features();
  const { context, page } = await stage.open({ hash: `feature=${id}` });
  await page.locator(".hash code").first().waitFor();
  const times = [];
  for (let i = 0; i < EDITS; i += 1) {
    const changed = whenChanged(page);
    // The page has begun to look when it answers this.
    await page.evaluate(() => new Promise(requestAnimationFrame));
    const wrote = Date.now();
    writeFileSync(join(root, "kitty-specs", slug, "spec.md"), `# Spec\n\nEdit ${i}.\n`);
    times.push((await changed) - wrote);
  }
  await context.close();
  told("from the write of a file to the screen", times);
}

await withBrowser(async ({ browser, daemon, scratch, out }) => {
  const root = manyFeatures(scratch, FEATURES);
  const stage = new Stage(browser, await daemon("bench", [root]), out);
  const first = await paint(stage);
  await latency(stage, root);
  process.exitCode = first < MOST_PAINT_MS ? 0 : 1;
});
