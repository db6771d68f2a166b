// Makes the picture in the README, `docs/dashboard.png`: a mission of the sample project that
// lacks something, after an edit that nobody has accepted yet. `node picture.mjs`

import { appendFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { Stage } from "./stage.mjs";
import { withBrowser } from "./start.mjs";

const SLUG = "002-flour-supplier-study";
const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

await withBrowser(async ({ browser, daemon, scratch, out }) => {
  const project = join(scratch, "bakery");
  cpSync(join(ROOT, "examples/sample-project"), project, { recursive: true });
  mkdirSync(join(project, ".kittify"), { recursive: true });
  const stage = new Stage(browser, await daemon("picture", [project]), out);
  const features = await stage.daemon.features();
  for (const { id } of features) await stage.daemon.cli("baseline", "capture", id);
  appendFileSync(join(project, "kitty-specs", SLUG, "spec.md"), "\nTo be agreed with the mill.\n");
  const lacking = features.find((feature) => feature.slug === SLUG);
  const { context, page } = await stage.open({ hash: `feature=${lacking.id}`, size: [1440, 740] });
  await page.getByText("drifted").first().waitFor();
  mkdirSync(join(ROOT, "docs"), { recursive: true });
  writeFileSync(join(ROOT, "docs/dashboard.png"), await page.screenshot());
  await context.close();
});
