// axe on every view, wide and narrow, light and dark, and a screenshot of each.

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { write } from "./fixtures.mjs";
import { assert, until } from "./stage.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const LOOKS = [
  ["light", "wide", [1440, 900]],
  ["dark", "wide", [1440, 900]],
  ["light", "narrow", [400, 800]],
  ["dark", "narrow", [400, 800]],
];

// The violations of what is on the screen, each with its first element.
async function violations(page) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(AXE);
  const run = (tags) => globalThis.axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  const { violations: found } = await page.evaluate(run, TAGS);
  return found.map(({ id, nodes }) => `${id} (${nodes.length}): ${nodes[0].target.join(" ")} ${nodes[0].failureSummary?.split("\n")[1]?.trim() ?? ""}`);
}

async function examine(stage, page, name) {
  const found = await violations(page);
  assert(found.length === 0, `${name}: ${found.join("; ")}`);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert(over <= 0, `${name} is ${over} pixels too wide`);
  await stage.shot(page, name);
}

// Views, the address of each, and what is there when it is drawn.
async function places(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const { id: lacking } = await stage.daemon.feature("002-lacking");
  const { id: unknown } = await stage.daemon.feature("003-unknown");
  const open = (path) => `feature=${id}&tab=artifacts&path=${path}`;
  return [
    ["features", "", "#groups a"],
    ["features-none", "q=nothing-like-this", ".empty"],
    ["overview", `feature=${id}`, ".steps"],
    ["overview-missing", `feature=${lacking}`, "table[aria-label='Missing artifacts']"],
    ["overview-unknown", `feature=${unknown}`, ".empty"],
    ["artifacts", `feature=${id}&tab=artifacts`, ".grid-body .grid-row"],
    ["detail-markdown", open("plan.md"), ".document"],
    ["detail-json", open("data/report.json"), ".t-key"],
    ["detail-yaml", open("data/settings.yaml"), ".t-comment"],
    ["detail-invalid", open("data/broken.csv"), ".detail .notice"],
    ["detail-large", open("data/huge.md"), ".detail .notice"],
    ["difference", `${open("spec.md")}&mode=diff`, ".d-one .d-insert"],
    ["difference-side", `${open("spec.md")}&mode=diff&diff=side`, ".d-two .d-insert"],
    ["drift-none", `feature=${lacking}&tab=drift`, ".tab-drift .empty"],
    ["drift", `feature=${id}&tab=drift`, ".differences li"],
    ["history", `feature=${id}&tab=history`, ".events li"],
    ["health", "view=health", "main table"],
    ["problem", "feature=nothing", ".empty"],
  ];
}

// A feature that differs from its baseline in every way, and has a past.
async function history(stage, { feature }) {
  write(feature, "old-name.md", "# Moves\n\nThe same text.\n");
  await stage.daemon.cli("baseline", "capture", feature, "--note", "as reviewed");
  writeFileSync(join(feature, "spec.md"), "# Spec\n\nFirst line.\nA quite other line.\nAnd one more.\n");
  write(feature, "data/added.md", "# Added\n");
  renameSync(join(feature, "old-name.md"), join(feature, "new-name.md"));
  rmSync(join(feature, "tasks/WP02-second.md"));
}

export async function access(stage, given) {
  await history(stage, given);
  for (const look of LOOKS) {
    const [theme, width, size] = look;
    const opened = await stage.open({ theme, size });
    for (const [name, hash, sign] of await places(stage)) {
      await stage.check(`axe: ${name}, ${theme}, ${width}`, async (page) => {
        await stage.visit(page, hash);
        await page.locator(sign).first().waitFor();
        await examine(stage, page, `${name}-${theme}-${width}`);
      }, { opened });
    }
    await opened.context.close();
    await dialogs(stage, look);
  }
}

async function dialogs(stage, [theme, width, size]) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check(`axe: login, dialogs, ${theme}, ${width}`, async (page) => {
    await page.goto(stage.daemon.url);
    await page.getByRole("heading", { name: "Not logged in" }).waitFor();
    await examine(stage, page, `login-${theme}-${width}`);
    await stage.login(page, `feature=${id}`);
    for (const [button, dialog] of [["Capture again…", "Capture baseline"], ["Clear…", "Clear baseline"]]) {
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("dialog", { name: dialog }).waitFor();
      await examine(stage, page, `${dialog.toLowerCase().replace(" ", "-")}-${theme}-${width}`);
      await page.keyboard.press("Escape");
      await until(async () => (await page.evaluate(() => document.activeElement.textContent)) === button, "the focus is where it was before the dialog");
    }
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await examine(stage, page, `keys-${theme}-${width}`);
  }, { theme, size, login: false });
}
