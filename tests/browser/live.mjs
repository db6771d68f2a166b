// What changes while the page is open: edits, baseline, drift, history.

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { assert, equal, until } from "./stage.mjs";
import { write } from "./fixtures.mjs";

const EDITS = 5;

export async function live(stage, given) {
  await edits(stage, given);
  await stillness(stage, given);
  await baselines(stage, given);
  await histories(stage, given);
}

async function edits(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const spec = join(feature, "spec.md");
  await stage.check("edits are on the screen without a reload", async (page) => {
    await page.evaluate(() => {
      window.sameAsBefore = true;
    });
    for (let i = 0; i < EDITS; i += 1) {
      const before = await page.locator(".hash code").first().textContent();
      writeFileSync(spec, `# Spec\n\nEdit ${i}.\n`);
      await until(async () => (await page.locator(".hash code").first().textContent()) !== before, "the parity hash changes");
    }
    assert(await page.evaluate(() => window.sameAsBefore), "the page was loaded again");
  }, { hash: `feature=${id}` });
  await stage.check("an open text follows its file", async (page) => {
    await page.locator(".text", { hasText: "Edit" }).waitFor();
    const scroll = (to) => page.locator("#detail").evaluate((aside, top) => {
      if (top !== null) aside.scrollTop = top;
      return aside.scrollTop;
    }, to);
    const before = await scroll(60);
    assert(before > 0, "there is nothing to scroll");
    writeFileSync(spec, "# Spec\n\nFirst line.\nA quite new line.\n");
    await page.locator(".text", { hasText: "A quite new line." }).waitFor();
    equal(await scroll(null), before, "the place in the text");
  }, { hash: `feature=${id}&tab=artifacts&path=spec.md`, size: [1280, 600] });
}

// From now on the page adds up how far its layout moves.
function measureShift(page) {
  return page.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    window.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.shift += entry.value;
    }).observe({ type: "layout-shift" });
  });
}

async function shiftOf(page) {
  // What the observer has not been told yet is told before the frame after the next.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  return page.evaluate(() => window.shift);
}

const tops = (page, selector) => page.locator(selector).evaluateAll((rows) => rows.map((row) => [row.textContent.slice(0, 12), Math.round(row.getBoundingClientRect().top)]));

async function stillness(stage, { root, feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("live updates move nothing and keep the focus", async (page) => {
    const field = page.getByRole("searchbox", { name: "Filter by path or key" });
    await field.fill("a");
    await field.evaluate((element) => element.setSelectionRange(0, 1));
    await measureShift(page);
    const before = await tops(page, ".grid-body .grid-row");
    const counted = await page.locator(".result").textContent();
    write(feature, "zz-notes/added.md", "# Added\n");
    await until(async () => (await page.locator(".result").textContent()) !== counted, "the new artifact is counted");
    assert(await field.evaluate((element) => element === document.activeElement && element.selectionEnd === 1), "the focus or the selection is gone");
    equal((await tops(page, ".grid-body .grid-row")).slice(0, before.length), before, "the places of the rows");
    equal(await shiftOf(page), 0, "the shift of the layout");
    rmSync(join(feature, "zz-notes"), { recursive: true });
  }, { hash: `feature=${id}&tab=artifacts` });
  await stage.check("the list of features keeps its order under the pointer", async (page) => {
    await page.getByRole("link", { name: "002-lacking" }).hover();
    const before = await tops(page, "#groups tbody tr");
    equal(before[0][0].slice(0, 3), "002", "what comes first");
    await measureShift(page);
    const lacking = join(root, "kitty-specs/002-lacking");
    const row = page.locator("#groups tbody tr", { hasText: "002-lacking" });
    write(lacking, "plan.md", "# Plan\n");
    write(lacking, "tasks.md", "# Tasks\n");
    await row.getByText("complete", { exact: true }).waitFor();
    equal(await tops(page, "#groups tbody tr"), before, "the places of the rows");
    equal(await shiftOf(page), 0, "the shift of the layout");
    rmSync(join(lacking, "plan.md"));
    rmSync(join(lacking, "tasks.md"));
    await row.getByText("incomplete").waitFor();
  });
}

const state = (page, text) => page.locator(".head .mark", { hasText: text }).waitFor();

async function baselines(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("a baseline is captured after it was shown what", async (page) => {
    await page.getByRole("button", { name: "Capture baseline…" }).click();
    const dialog = page.getByRole("dialog", { name: "Capture baseline" });
    await dialog.getByText("All artifacts as they are now become the baseline.").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    equal((await stage.daemon.get(`/api/dossier/baseline?feature=${id}`)).body.baseline, null, "the baseline after Cancel");
    await page.getByRole("button", { name: "Capture baseline…" }).click();
    await dialog.getByLabel(/Note/).fill("as reviewed <b>");
    await stage.shot(page, "baseline-capture");
    await dialog.getByRole("button", { name: "Capture baseline" }).click();
    await state(page, "in sync");
    await page.getByText("as reviewed <b>").waitFor();
  }, { hash: `feature=${id}` });
  await stage.check("drift is shown by name, and accepted one by one", async (page) => {
    await page.getByText("Everything is as it was accepted.").waitFor();
    writeFileSync(join(feature, "spec.md"), "# Spec\n\nFirst line.\nA drifted line.\n");
    write(feature, "added.md", "# Added\n");
    rmSync(join(feature, "plan.md"));
    const row = (kind, path) => page.locator(".differences li", { hasText: kind }).filter({ hasText: path });
    await row("changed", "spec.md").waitFor();
    await row("added", "added.md").waitFor();
    await row("removed", "plan.md").filter({ hasText: "error" }).waitFor();
    await state(page, "drifted, error");
    await stage.shot(page, "drift");
    await page.getByRole("button", { name: "Accept spec.md" }).click();
    const dialog = page.getByRole("dialog", { name: "Accept 1 path" });
    await dialog.getByText("Changed (1)").waitFor();
    assert(!(await dialog.innerText()).includes("added.md"), "the dialog names what is not accepted");
    await stage.shot(page, "drift-accept");
    await dialog.getByRole("button", { name: "Accept" }).click();
    await row("changed", "spec.md").waitFor({ state: "detached" });
    equal(await page.locator(".differences li").count(), 2, "the differences that are left");
    await page.getByLabel("Choose all").check();
    await page.getByRole("button", { name: "Accept chosen (2)…" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Capture baseline" }).click();
    await state(page, "in sync");
  }, { hash: `feature=${id}&tab=drift` });
  await stage.check("the difference to the committed version", async (page) => {
    writeFileSync(join(feature, "spec.md"), "# Spec\n\nFirst line.\nOnce more another line.\n");
    await page.getByRole("link", { name: "Difference of spec.md" }).click();
    await page.locator(".d-delete", { hasText: "Second line." }).waitFor();
    await page.locator(".d-insert", { hasText: "Once more another line." }).waitFor();
    await stage.shot(page, "difference");
    await page.getByRole("button", { name: "Side by side" }).click();
    await page.locator(".d-two .d-delete", { hasText: "Second line." }).waitFor();
    await stage.shot(page, "difference-side");
  }, { hash: `feature=${id}&tab=drift` });
  await stage.check("a baseline is cleared behind a question", async (page) => {
    await page.getByRole("button", { name: "Clear…" }).click();
    await page.getByRole("dialog", { name: "Clear baseline" }).getByRole("button", { name: "Clear baseline" }).click();
    await state(page, "no baseline");
  }, { hash: `feature=${id}` });
}

async function histories(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("history: the timeline", async (page) => {
    const chart = page.getByRole("slider");
    await chart.focus();
    const newest = await page.locator("#readout").textContent();
    await page.keyboard.press("Home");
    await until(async () => (await page.locator("#readout").textContent()) !== newest, "the first snapshot is read");
    equal(await chart.getAttribute("aria-valuenow"), "1", "the value");
    const box = await chart.boundingBox();
    await page.mouse.move(box.x + box.width - 14, box.y + 40);
    await until(async () => (await page.locator("#readout").textContent()) === newest, "the newest snapshot is read by hover");
    await stage.shot(page, "history");
  }, { hash: `feature=${id}&tab=history` });
  await stage.check("history: the events, filtered, and those that come in", async (page) => {
    const events = page.locator(".events > li");
    await events.first().waitFor();
    await page.getByRole("button", { name: /^Drift/ }).click();
    await until(async () => (await page.locator(".event-type").allTextContents()).every((text) => text === "Drift"), "only drift is shown");
    await page.getByRole("button", { name: /^Indexed/ }).click();
    await page.getByRole("searchbox", { name: "Filter events" }).fill("later.md");
    await page.getByText("No event meets the filters.").waitFor();
    await stage.daemon.get(`/api/dossier/overview?feature=${id}&fresh=true`);
    write(feature, "later.md", "# Later\n");
    await events.filter({ hasText: "later.md" }).waitFor();
    await events.first().locator("summary").click();
    await page.locator(".events pre", { hasText: "MissionDossierArtifactIndexed" }).waitFor();
    await stage.shot(page, "events");
  }, { hash: `feature=${id}&tab=history` });
}
