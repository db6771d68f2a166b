// The page in a real browser: `npm ci && node run.mjs`.
//
// Prints `ok: …` or `FAILED: …` for each check and a count, keeps screenshots, and ends
// with 1 if any check failed or none could run. DOSSIERD_BINARY names the daemon
// (target/debug/dossierd), DOSSIERD_BROWSER the browser (Debian's chromium) and
// DOSSIERD_SCREENSHOTS the directory of the screenshots (target/browser).

import { access } from "./access.mjs";
import { away } from "./away.mjs";
import { manyArtifacts, project } from "./fixtures.mjs";
import { foreign } from "./foreign.mjs";
import { hostile } from "./hostile.mjs";
import { large } from "./large.mjs";
import { live } from "./live.mjs";
import { size } from "./size.mjs";
import { Stage } from "./stage.mjs";
import { withBrowser } from "./start.mjs";
import { unusual } from "./unusual.mjs";
import { views } from "./views.mjs";

// Two lanes at once, each with a project and daemons of its own.
const lanes = [
  async (play, scratch) => {
    const given = project(scratch, "first");
    await play("first", given.root, [size, views, hostile, live, away], given);
    const wide = manyArtifacts(scratch, 20_000);
    await play("large", wide, [large], wide);
  },
  async (play, scratch) => {
    const given = project(scratch, "second");
    await play("second", given.root, [access], given);
    const strange = project(scratch, "third");
    await play("third", strange.root, [foreign, unusual], strange);
  },
];

async function everything({ browser, daemon, scratch, out }) {
  const stages = [];
  const play = async (name, root, parts, given) => {
    const stage = new Stage(browser, await daemon(name, [root]), out);
    stages.push(stage);
    for (const part of parts) await part(stage, given);
    await stage.daemon.stop();
  };
  const ends = await Promise.allSettled(lanes.map((lane) => lane(play, scratch)));
  const broken = ends.filter(({ status }) => status === "rejected");
  for (const { reason } of broken) console.log(`FAILED: the checks broke off: ${reason.stack}`);
  const sum = (key) => stages.reduce((all, stage) => all + stage[key], 0);
  return { passed: sum("passed"), failed: sum("failed") + broken.length, out };
}

const began = Date.now();
try {
  const { passed, failed, out } = await withBrowser(everything);
  console.log(`${passed} passed, ${failed} failed, ${Math.round((Date.now() - began) / 1000)} s; screenshots are in ${out}`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} catch (error) {
  console.log(`FAILED: the page could not be checked: ${error.message}`);
  process.exitCode = 1;
}
