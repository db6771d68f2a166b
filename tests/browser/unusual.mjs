// What is unusual: crafted and long texts, answers that fail or come late, checkouts that
// are called the same, what is gone or changes while it is looked at.

import { cpSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { write } from "./fixtures.mjs";
import { assert, equal, until } from "./stage.mjs";

const MOST_ELEMENTS = 15_000;
const LINES = 5000;
const BROKEN = 250;
const MANY = 700;

export async function unusual(stage, given) {
  await texts(stage, given);
  await answers(stage, given);
  await races(stage, given);
  await many(stage, given);
  await sights(stage, given);
  await unread(stage, given);
  await twins(stage, given);
}

// Makes the page ask again now, as it does by itself every few seconds.
async function askAgain(page) {
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === "/api/features");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await answered;
}

// From now on the elements that the page makes are counted.
const countElements = (page) => page.evaluate(() => {
  const create = document.createElement.bind(document);
  window.made = 0;
  document.createElement = (...name) => {
    window.made += 1;
    return create(...name);
  };
});

async function texts(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const open = (path) => `feature=${id}&tab=artifacts&path=${path}`;
  write(feature, "data/long.txt", "a line\n".repeat(LINES));
  await stage.check("an open text is drawn once, and an idle page draws nothing", async (page) => {
    await page.locator(".line").nth(LINES - 1).waitFor({ state: "attached" });
    await page.evaluate(() => {
      window.firstLine = document.querySelector(".line");
    });
    // Each of these has ended when the next one begins.
    for (let i = 0; i < 2; i += 1) await askAgain(page);
    await countElements(page);
    for (let i = 0; i < 2; i += 1) await askAgain(page);
    equal(await page.evaluate(() => window.made), 0, "the elements that were made while nothing changed");
    write(feature, "data/beside.md", "# Beside\n");
    await page.locator(".grid-body .c-path", { hasText: "data/beside.md" }).waitFor();
    const { made, same } = await page.evaluate(() => ({ made: window.made, same: document.querySelector(".line") === window.firstLine }));
    assert(made > 0 && made < LINES && same, `${made} elements were made for one that came`);
    rmSync(join(feature, "data/beside.md"));
  }, { hash: open("data/long.txt") });
  await stage.check("crafted lines stay what they are, and make few elements", async (page) => {
    const most = await page.evaluate(async () => {
      const { highlight } = await import("/static/syntax.js");
      const crafted = [["yaml", `a${" ".repeat(3900)}`], ["yaml", `${"a ".repeat(1900)}#`], ["yaml", `- ${"'\"".repeat(1900)}`], ["json", "\\\"".repeat(1900)], ["json", "1 ".repeat(1900)], ["json", `"${"\\".repeat(3900)}`], ["json", `"a"${" ".repeat(3900)}`]];
      let most = 0;
      for (const [kind, line] of crafted) {
        const box = highlight(`${line}\n`.repeat(30), kind);
        most = Math.max(most, box.querySelectorAll("*").length);
        if (box.querySelectorAll(".line").length !== 30 || !box.textContent.startsWith(line)) throw new Error(`a text is not what it was: ${line.slice(0, 20)}`);
      }
      return most;
    });
    assert(most < MOST_ELEMENTS, `30 lines make ${most} elements`);
  });
  write(feature, "data/one-line.json", JSON.stringify(Array.from({ length: 60_000 }, (_, i) => i)));
  write(feature, "data/one-line.txt", "0123456789".repeat(100_000));
  await stage.check("a text of one line is laid out in pieces", async (page) => {
    for (const path of ["data/one-line.json", "data/one-line.txt"]) {
      await stage.visit(page, open(path));
      await page.locator(".detail h2", { hasText: path }).waitFor();
      await page.locator(".piece").nth(5).waitFor({ state: "attached" });
      const found = await page.evaluate(() => ({
        longest: Math.max(...[...document.querySelectorAll(".piece")].map((piece) => piece.textContent.length)),
        spans: document.querySelectorAll(".text span").length,
        numbers: [...document.querySelectorAll(".line-number")].map((place) => place.dataset.n).filter((n) => n !== ""),
      }));
      assert(found.longest < 25_000 && found.spans < 25_000, `${path}: a piece of ${found.longest} characters, ${found.spans} elements`);
      equal(found.numbers, ["1"], "the numbers of its lines");
    }
  });
  await stage.check("blanks and returns at the end of a line are seen in a difference", async (page) => {
    writeFileSync(join(feature, "spec.md"), "# Spec\r\n\nFirst line.  \nSecond line.\n");
    await page.locator(".d-insert", { hasText: "# Spec␍" }).waitFor();
    await page.locator(".d-insert", { hasText: "First line.··" }).waitFor();
  }, { hash: `${open("spec.md")}&mode=diff` });
  await stage.check("what was open and is gone is said to be gone", async (page) => {
    await page.locator(".text").waitFor();
    rmSync(join(feature, "data/long.txt"));
    await page.getByText("There is no such artifact any more.").waitFor();
    assert(!(await page.locator(".detail").innerText()).includes("slash"), "it was asked for by its path");
  }, { hash: open("data/long.txt") });
}

const busy = (route) => route.fulfill({ status: 503, contentType: "application/problem+json", json: { code: "busy", title: "Busy", detail: "too much at the moment" } });

async function answers(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("a text that fails once comes with the next answer", async (page) => {
    const path = "**/api/dossier/artifacts/*render=tree*";
    await page.route(path, busy);
    await stage.visit(page, `feature=${id}&tab=artifacts&path=plan.md`);
    await page.getByText("too much at the moment").waitFor();
    await page.unroute(path);
    await askAgain(page);
    await page.locator(".document", { hasText: "The plan" }).waitFor();
  });
  await stage.check("a view that fails once stays, with a banner", async (page) => {
    const path = "**/api/dossier/overview*";
    await page.locator(".steps").waitFor();
    await page.route(path, busy);
    await askAgain(page);
    await page.getByRole("alert").getByText("too much at the moment").waitFor();
    assert(await page.locator(".steps").isVisible(), "the view is gone");
    await page.unroute(path);
    await askAgain(page);
    await page.locator("#banner").waitFor({ state: "hidden" });
  }, { hash: `feature=${id}` });
  await stage.check("a daemon that is away at the begin is asked now and then", async (page) => {
    await page.clock.install();
    await page.addInitScript(() => {
      window.asked = 0;
      window.fetch = (path) => {
        if (path === "/api/features") window.asked += 1;
        return Promise.reject(new TypeError("away"));
      };
    });
    await page.goto(stage.daemon.url);
    const now = page.getByRole("button", { name: "Try now" });
    for (let i = 0; i < 30; i += 1) await now.click();
    const before = await page.evaluate(() => window.asked);
    await page.clock.runFor(2500);
    const more = (await page.evaluate(() => window.asked)) - before;
    assert(before >= 30 && more > 0 && more < 15, `${more} requests in 2.5 s after ${before}`);
  }, { login: false });
}

async function races(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("keys are not lost while an artifact is on its way", async (page) => {
    const active = () => page.locator(".grid-row.active").getAttribute("aria-rowindex");
    await page.locator(".grid-body .grid-row").first().waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.locator(".detail .hash code").first().waitFor();
    const held = [];
    let holds = true;
    await page.route(/\/artifacts\/[^?]+\?/, (route) => (holds ? held.push(route) : route.continue()));
    await page.keyboard.press("j");
    await until(() => held.length === 1, "the next artifact is asked for");
    await page.keyboard.press("j");
    await held[0].continue();
    // It is asked for the next one when the one before was drawn.
    await until(() => held.length === 2, "the one after it is asked for");
    equal(await active(), "4", "the row after two keys");
    await page.keyboard.press("j");
    equal(await active(), "5", "the row after three keys");
    holds = false;
    for (const route of held.slice(1)) await route.continue();
    const path = await page.locator(".grid-row.active .c-path").textContent();
    await page.locator(".detail h2", { hasText: path }).waitFor();
  }, { hash: `feature=${id}&tab=artifacts` });
  await stage.check("what the dialog did not show is not accepted", async (page) => {
    const hash = async () => (await stage.daemon.get(`/api/dossier/drift?feature=${id}&fresh=true`)).body.actual_tree_hash;
    await page.getByRole("button", { name: "Capture baseline…" }).click();
    const dialog = page.getByRole("dialog", { name: "Capture baseline" });
    await dialog.getByLabel(/Note/).fill("kept");
    const before = await hash();
    write(feature, "data/meanwhile.md", "# Meanwhile\n");
    await until(async () => (await hash()) !== before, "the feature is another one");
    await dialog.getByRole("button", { name: "Capture baseline" }).click();
    await dialog.getByText("changed meanwhile").waitFor();
    equal((await stage.daemon.get(`/api/dossier/baseline?feature=${id}`)).body.baseline, null, "the baseline");
    await dialog.getByText(await hash()).waitFor();
    equal(await dialog.getByLabel(/Note/).inputValue(), "kept", "the note");
    await dialog.getByRole("button", { name: "Capture baseline" }).click();
    await page.locator(".head .mark", { hasText: "in sync" }).waitFor();
  }, { hash: `feature=${id}` });
}

async function many(stage, { root }) {
  const feature = join(root, "kitty-specs/002-lacking");
  const { id } = await stage.daemon.feature("002-lacking");
  await stage.daemon.cli("baseline", "capture", id);
  for (let i = 0; i < BROKEN; i += 1) write(feature, `broken/${i}.csv`, Buffer.from([0xff, i]));
  for (let i = 0; i < MANY; i += 1) write(feature, `many/${"name-".repeat(20)}${i}.md`, `# ${i}\n`);
  await stage.check("of many anomalies the first are shown, and the way to the others", async (page) => {
    const rest = page.getByRole("link", { name: `and ${BROKEN + 2 - 200} more among the artifacts` });
    await rest.waitFor();
    equal(await page.locator(".plain-list li").count(), 200, "the anomalies that are shown");
    await rest.click();
    await page.locator(".result", { hasText: `${BROKEN + 2} of` }).waitFor();
    equal(await page.getByLabel("State").evaluate((select) => select.selectedOptions[0].textContent), "not present", "the filter");
  }, { hash: `feature=${id}` });
  await stage.check("more paths than can be accepted at once, and all of them", async (page) => {
    await until(async () => (await page.locator(".differences li").count()) === MANY, "all differences are shown");
    await page.getByLabel("Choose all").check();
    await page.locator(".differences input").first().uncheck();
    assert(!(await page.getByLabel("Choose all").isChecked()), "all are said to be chosen");
    await page.getByRole("button", { name: `Accept chosen (${MANY - 1})…` }).click();
    await page.getByRole("dialog", { name: "Too many paths at once" }).getByText("Choose fewer, or all.").waitFor();
    await page.keyboard.press("Escape");
    await page.getByLabel("Choose all").check();
    await page.getByRole("button", { name: `Accept chosen (${MANY})…` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Capture baseline" }).click();
    await page.locator(".head .mark", { hasText: "in sync" }).waitFor();
  }, { hash: `feature=${id}&tab=drift` });
}

async function sights(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("the point that is read is that of the feature", async (page) => {
    const slider = page.getByRole("slider");
    const places = () => Promise.all(["now", "max"].map((part) => slider.getAttribute(`aria-value${part}`)));
    await slider.focus();
    await page.keyboard.press("Home");
    await until(async () => (await places())[0] === "1", "the first snapshot is read");
    await stage.visit(page, `feature=${id}&tab=history`);
    await page.getByRole("heading", { level: 1, name: "001-whole" }).waitFor();
    const [now, most] = await places();
    assert(now === most && most > 1, `of another feature ${now} of ${most} is read`);
  }, { hash: `feature=${(await stage.daemon.feature("002-lacking")).id}&tab=history` });
  await stage.check("forced colours hide no icon and no active row", async (page) => {
    await page.emulateMedia({ forcedColors: "active" });
    await page.locator(".step .icon .alone").first().waitFor({ state: "attached" });
    const seen = await page.evaluate(() => getComputedStyle(document.querySelector(".icon .alone")).stroke !== getComputedStyle(document.body).backgroundColor);
    assert(seen, "an icon has the colour of the ground");
    await stage.visit(page, `feature=${id}&tab=artifacts`);
    await page.locator(".grid-body .grid-row").first().waitFor();
    await page.keyboard.press("j");
    equal(await page.locator(".grid-row.active").evaluate((row) => getComputedStyle(row).outlineStyle), "solid", "the outline of the active row");
  }, { hash: `feature=${id}` });
  writeFileSync(join(feature, "spec.md"), "# Spec\n\nAnother line.\n");
  await stage.check("in the narrowest window a difference has its acts below", async (page) => {
    const row = page.locator(".differences li", { hasText: "changed" }).first();
    await row.waitFor();
    const [what, acts] = [await row.locator(".what").boundingBox(), await row.locator(".acts").boundingBox()];
    assert(acts.y >= what.y + what.height && acts.x + acts.width <= 320, `the acts are at ${acts.x}, ${acts.y}, below ${what.y + what.height}`);
  }, { hash: `feature=${id}&tab=drift`, size: [320, 640] });
  await stage.check("the table is sorted by keys", async (page) => {
    const order = (name, value) => page.locator(`[aria-sort=${value}]`, { hasText: name }).waitFor();
    await page.locator("#grid").focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await order("Path", "descending");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await order("State", "ascending");
    await page.keyboard.press("s");
    await order("Class", "ascending");
    await page.keyboard.press("Shift+S");
    await order("Class", "descending");
  }, { hash: `feature=${id}&tab=artifacts` });
}

// A feature whose first scan takes hours, until its file is cut.
async function unread(stage, { root }) {
  const made = `${root}-late`;
  write(made, "huge.bin", "");
  truncateSync(join(made, "huge.bin"), 2 ** 40);
  const late = join(root, "kitty-specs", "009-late");
  renameSync(made, late);
  await stage.check("a feature that is read for the first time is told by name", async (page) => {
    const note = page.locator(".notice", { hasText: "1 feature to come: 009-late" });
    await until(async () => {
      await askAgain(page);
      return (await note.count()) === 1;
    }, "it is told");
    await stage.visit(page, "view=health");
    await page.getByText("1 to come").waitFor();
    truncateSync(join(late, "huge.bin"), 0);
    rmSync(late, { recursive: true });
    await stage.visit(page, "");
    await until(async () => {
      await askAgain(page);
      return (await note.count()) === 0;
    }, "it is not told any more");
  });
}

async function twins(stage, { root }) {
  const copy = `${root}-copy`;
  cpSync(root, copy, { recursive: true });
  await stage.daemon.cli("add", copy);
  await stage.check("checkouts that are called the same are told apart", async (page) => {
    await until(async () => (await page.locator("#groups h2").count()) === 2, "both are shown");
    const names = await page.locator("#groups h2 bdi").allTextContents();
    assert(names[0] !== names[1] && names.every((name) => name.startsWith("alpha @ main (")), `they are called ${names.join(" and ")}`);
    await stage.visit(page, "feature=001-whole&tab=drift");
    await page.getByText("Which one is meant?").waitFor();
    const links = page.locator(".empty a", { hasText: "001-whole, alpha @ main (" });
    equal(await links.count(), 2, "the ones that it may be");
    await links.first().click();
    await page.getByRole("heading", { level: 1, name: "001-whole" }).waitFor();
    assert(page.url().includes("tab=drift"), "the tab is lost");
  });
}
