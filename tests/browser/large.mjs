// Twenty thousand artifacts.

import { join } from "node:path";

import { assert, equal, until } from "./stage.mjs";
import { write } from "./fixtures.mjs";

const COUNT = 20_000;
const MOST_ROWS = 150;
const A_PAGE = 200; // of events
// So much more than it takes that only a page that blocks is slower.
const SLOW_MS = 3000;

// How long the page is busy with an act, until the frame after it.
function timed(page, act, argument) {
  return page.evaluate(
    async ([source, value]) => {
      const elements = { grid: document.getElementById("grid"), field: document.querySelector("main [type=search]") };
      const began = performance.now();
      if (source === "scroll") elements.grid.scrollTop = value;
      else {
        elements.field.value = value;
        elements.field.dispatchEvent(new Event("input", { bubbles: true }));
      }
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      return Math.round(performance.now() - began);
    },
    [act, argument],
  );
}

export async function large(stage, directory) {
  const [{ id }] = await stage.daemon.features();
  const result = (page, text) => page.locator(".result", { hasText: text }).waitFor();
  await stage.check("20,000 artifacts can be worked with", async (page) => {
    const began = Date.now();
    await stage.visit(page, `feature=${id}&tab=artifacts`);
    await result(page, "20,000 artifacts");
    const shown = Date.now() - began;
    const rows = await page.locator(".grid-body .grid-row").count();
    assert(rows > 5 && rows < MOST_ROWS, `${rows} rows are elements`);
    const scrolls = [];
    for (let i = 1; i <= 10; i += 1) scrolls.push(await timed(page, "scroll", i * 60_000));
    await page.locator("#grid").focus();
    await page.keyboard.press("End");
    await page.locator(".grid-row.active", { hasText: "tasks.md" }).waitFor();
    const filter = await timed(page, "filter", "part-07 item-1");
    await result(page, "100 of 20,000");
    const clear = await timed(page, "filter", "");
    await result(page, "20,000 artifacts");
    await page.keyboard.press("Home");
    await stage.shot(page, "twenty-thousand");
    const worst = Math.max(...scrolls);
    assert(worst < SLOW_MS && filter < SLOW_MS, `scrolling takes ${worst} ms, filtering ${filter} ms`);
    return `list after ${shown} ms, ${rows} rows as elements, scroll at most ${worst} ms, filter ${filter} ms, clear ${clear} ms`;
  });
  await stage.check("an edit among 20,000 is on the screen", async (page) => {
    await result(page, "20,000 artifacts");
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    const began = Date.now();
    write(directory, "aaa.md", "# New\n");
    await result(page, "20,001 artifacts");
    const took = Date.now() - began;
    await page.locator(".grid-body .c-path", { hasText: "aaa.md" }).waitFor();
    const pages = requests.filter((url) => url.includes("cursor=")).length;
    equal(pages, 0, "the pages of the list that were fetched for one edit");
    await until(async () => (await stage.daemon.get(`/api/dossier/overview?feature=${id}`)).body.artifact_counts.total === COUNT + 1, "the daemon counts it");
    return `after ${took} ms`;
  }, { hash: `feature=${id}&tab=artifacts` });
  await stage.check("a long log is read from its end, and what comes in is on top", async (page) => {
    const events = page.locator(".events > li");
    const newest = async (type) => (await stage.daemon.get(`/api/dossier/events?feature=${id}&order=newest&limit=1${type}`)).body.events[0].event_id;
    const first = () => events.first().locator("p code").textContent();
    await events.nth(A_PAGE - 1).waitFor();
    equal(await first(), await newest(""), "the first event");
    write(directory, "spec.md", "# Changed\n");
    await page.locator(".events > li:nth-child(-n + 3)", { hasText: "spec.md" }).waitFor();
    equal(await first(), await newest(""), "the first event after an edit");
    const before = await events.count();
    await page.getByRole("button", { name: "Show older events" }).click();
    await events.nth(before + A_PAGE - 1).waitFor();
    const ids = await events.locator("p code").allTextContents();
    equal(ids.length, new Set(ids).size, "the events that are different ones");
    equal(ids, [...ids].sort().reverse(), "their order");
    await page.getByRole("button", { name: "Snapshot" }).click();
    await until(async () => (await events.count()) < A_PAGE, "snapshots alone are listed");
    equal(await first(), await newest("&type=snapshot"), "the newest snapshot");
  }, { hash: `feature=${id}&tab=history` });
}
