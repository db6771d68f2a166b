// Login, each view, filters, deep links, the way back, keys, colours.

import { assert, equal, until } from "./stage.mjs";

const TOKEN = "dossierd-token";

export async function views(stage) {
  await logins(stage);
  await lists(stage);
  await oneFeature(stage);
  await artifacts(stage);
  await details(stage);
  await places(stage);
  await sights(stage);
  await keys(stage);
  await looks(stage);
}

async function logins(stage) {
  await stage.check("without a login the page says how to log in", async (page) => {
    await page.goto(stage.daemon.url);
    await page.getByRole("heading", { name: "Not logged in" }).waitFor();
  }, { login: false });
  await stage.check("a code logs in once, and leaves the address", async (page, { context }) => {
    const address = await stage.daemon.address();
    await page.goto(address);
    await page.getByRole("link", { name: "001-whole" }).waitFor();
    equal(page.url(), `${stage.daemon.url}/`, "the address after the login");
    equal(await page.evaluate(() => history.length), 2, "the pages in the history, with the empty one at the begin");
    assert((await page.evaluate((key) => sessionStorage.getItem(key), TOKEN)) !== null, "no token is kept");
    equal(await page.evaluate(() => localStorage.length), 0, "what is kept for all tabs");
    const other = await context.newPage();
    await other.goto(address);
    await other.locator("#refusal", { hasText: "code" }).waitFor();
  }, { login: false });
  await stage.check("a pasted address logs in", async (page) => {
    await page.goto(stage.daemon.url);
    await page.getByLabel(/Address or code/).fill("https://example.org/#code=wrong-code");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.locator("#refusal", { hasText: /./ }).waitFor();
    await page.getByLabel(/Address or code/).fill(await stage.daemon.address());
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("link", { name: "001-whole" }).waitFor();
  }, { login: false });
}

const names = (page) => page.locator("#groups tbody a").allTextContents();

async function lists(stage) {
  await stage.check("all features, what needs attention first", async (page) => {
    const shown = await names(page);
    equal(shown.map((slug) => slug.slice(0, 3)), ["002", "004", "001", "003"], "incomplete ones, then those with anomalies, then unknown ones");
    await page.getByText("4 of 4 need attention").waitFor();
    await page.getByRole("heading", { name: /^alpha/ }).waitFor();
  });
  await stage.check("features are searched and narrowed, and the address keeps it", async (page) => {
    await page.getByRole("searchbox", { name: "Search features" }).fill("whole");
    await until(async () => (await names(page)).length === 1, "one feature is shown");
    await page.reload();
    await page.locator("#groups a").first().waitFor();
    equal(await names(page), ["001-whole"], "what the address shows");
    await page.getByRole("searchbox", { name: "Search features" }).fill("zzz");
    await page.getByText("No feature matches.").waitFor();
    await page.getByRole("button", { name: "Show all features" }).click();
    await page.getByRole("button", { name: /^Incomplete/ }).click();
    await until(async () => !(await names(page)).includes("001-whole"), "complete ones are left out");
  });
}

async function oneFeature(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const lacking = await stage.daemon.feature("002-lacking");
  await stage.check("one feature: steps, hashes that can be copied", async (page) => {
    await page.getByRole("heading", { level: 1, name: "001-whole" }).waitFor();
    equal(await page.locator(".steps > li").count(), 6, "the number of steps");
    await page.locator(".steps [aria-current=step]", { hasText: "implement" }).waitFor();
    const { body } = await stage.daemon.get(`/api/dossier/overview?feature=${id}`);
    await page.getByRole("button", { name: "Copy parity hash" }).click();
    await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === body.parity_hash_sha256, "the hash is in the clipboard");
  }, { hash: `feature=${id}` });
  await stage.check("what is missing, why, and what to do", async (page) => {
    const rows = page.getByRole("table", { name: "Missing artifacts" }).locator("tbody tr");
    await rows.first().waitFor();
    equal(await rows.count(), 2, "the number of missing artifacts");
    const text = await rows.first().innerText();
    assert(/plan\.md/.test(text) && /not produced yet/.test(text), `the row says ${text}`);
  }, { hash: `feature=${lacking.id}` });
  await stage.check("an unknown feature has a way out", async (page) => {
    await page.getByRole("link", { name: "All features" }).first().waitFor();
    await page.getByText("dossierd add PATH").waitFor();
  }, { hash: "feature=nothing" });
}

const paths = (page) => page.locator(".grid-body .c-path bdi").allTextContents();

async function artifacts(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const hash = `feature=${id}&tab=artifacts`;
  const counted = (page, text) => page.locator(".result", { hasText: text }).waitFor();
  await stage.check("filters combine, and their counts are right", async (page) => {
    await counted(page, "11 artifacts");
    await page.getByLabel("Class").selectOption("output");
    await counted(page, "4 of 11");
    await page.getByLabel("Work package").selectOption("WP02");
    await counted(page, "1 of 11");
    equal(await paths(page), ["tasks/WP02-second.md"], "what is shown");
    const choices = await page.getByLabel("Work package").locator("option").allTextContents();
    equal(choices, ["any", "WP01 (1)", "WP02 (1)", "none (2)"], "the counts of the choices");
    await page.getByRole("button", { name: "Clear filters" }).click();
    await counted(page, "11 artifacts");
    await page.getByLabel("Step").selectOption("plan");
    await page.getByLabel("Required").selectOption("required");
    await counted(page, "2 of 11");
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.getByLabel("State").selectOption("invalid format");
    equal(await paths(page), ["data/broken.csv"], "what cannot be read");
    await page.getByRole("button", { name: "Clear filters" }).click();
    await page.getByRole("searchbox", { name: "Filter by path or key" }).fill("data json");
    await counted(page, "1 of 11");
    await page.reload();
    await counted(page, "1 of 11");
    await page.getByRole("searchbox", { name: "Filter by path or key" }).fill("nowhere");
    await page.getByText("No artifact meets all filters.").waitFor();
  }, { hash });
  await stage.check("sorting is stable", async (page) => {
    await counted(page, "11 artifacts");
    const plain = await paths(page);
    equal(plain, [...plain].sort(), "the order by path");
    await page.getByRole("columnheader", { name: "Class" }).getByRole("button").click();
    const shown = await paths(page);
    const { body } = await stage.daemon.get(`/api/dossier/artifacts?feature=${id}`);
    const kind = new Map(body.artifacts.map((row) => [row.relative_path, row.artifact_class]));
    const expected = [...plain].sort((a, b) => (kind.get(a) < kind.get(b) ? -1 : kind.get(a) > kind.get(b) ? 1 : 0));
    equal(shown, expected, "the order by class");
  }, { hash });
}

async function details(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const open = (path) => ({ hash: `feature=${id}&tab=artifacts&path=${path}` });
  await stage.check("an artifact: what classed it, and its Markdown", async (page) => {
    const detail = page.getByRole("complementary", { name: "Artifact" });
    await detail.getByText("manifest:output.plan.main").waitFor();
    await detail.locator(".document h3", { hasText: "The plan" }).waitFor();
    await detail.locator(".document td", { hasText: "one" }).waitFor();
    await detail.locator(".front-matter", { hasText: "title: Plan" }).waitFor();
    equal(await detail.locator(".document input[type=checkbox]").evaluateAll((boxes) => boxes.map((box) => box.checked)), [true, false], "the tasks");
    equal(await detail.getByRole("link", { name: "a page" }).getAttribute("href"), "https://example.org/", "the link");
    await detail.locator(".modes").getByRole("button", { name: "Raw" }).click();
    await detail.locator(".line", { hasText: "# The plan" }).waitFor();
    await detail.locator(".modes").getByRole("button", { name: "Rendered" }).click();
    await detail.getByRole("link", { name: "the spec" }).click();
    await detail.getByRole("heading", { name: "spec.md" }).waitFor();
  }, open("plan.md"));
  await stage.check("JSON and YAML are highlighted, and raw", async (page) => {
    await page.locator(".t-key", { hasText: '"count"' }).waitFor();
    equal(await page.locator(".t-number").allTextContents(), ["12"], "the numbers");
    await page.getByRole("button", { name: "Raw" }).click();
    await page.locator(".line", { hasText: '{"name": "report", "count": 12, "fine": true, "none": null}' }).waitFor();
    equal(await page.locator(".t-key").count(), 0, "the coloured keys of a raw text");
    await stage.visit(page, open("data/settings.yaml").hash);
    await page.locator(".t-comment", { hasText: "# a comment" }).waitFor();
    await page.locator(".t-key", { hasText: "name" }).waitFor();
  }, open("data/report.json"));
  await stage.check("above 5 MiB there is the notice", async (page) => {
    await page.getByText("Too large to show.").waitFor();
    equal(await page.locator(".modes, .text").count(), 0, "the ways to show what is not there");
  }, open("data/huge.md"));
  await stage.check("invalid UTF-8 has its reason and what to do", async (page) => {
    await page.getByText("There is no text: invalid format").waitFor();
    await page.getByText(/byte 2/).first().waitFor();
    await page.getByText(/as UTF-8/).first().waitFor();
  }, open("data/broken.csv"));
  await stage.check("what may not be read has its reason and what to do", async (page) => {
    await page.getByText("There is no text: unreadable").waitFor();
    await page.getByText(/regular file within the feature/).first().waitFor();
  }, open("data/outside.txt"));
  // Between a change and its scan it is stale for some milliseconds only, so the daemon's
  // answer is changed to one from then.
  await stage.check("a file that has moved on is called stale, with both hashes", async (page) => {
    const now = "ab".repeat(32);
    await page.route("**/api/dossier/artifacts/*render=tree*", async (route) => {
      // Whole, also where the page has it already.
      const { "if-none-match": _, ...headers } = route.request().headers();
      const response = await route.fetch({ headers });
      await route.fulfill({ response, json: { ...(await response.json()), stale: true, current_hash_sha256: now } });
    });
    await stage.visit(page, open("spec.md").hash);
    await page.locator(".notice", { hasText: "Stale." }).waitFor();
    await page.locator(".detail .facts div", { hasText: "On disk now" }).getByText(now).waitFor();
    await stage.shot(page, "detail-stale");
  });
  const lacking = await stage.daemon.feature("002-lacking");
  await stage.check("a missing artifact has its reason and what to do", async (page) => {
    await page.getByRole("table", { name: "Missing artifacts" }).getByRole("link", { name: "plan.md" }).click();
    await page.getByText("There is no text: not produced yet").waitFor();
  }, { hash: `feature=${lacking.id}` });
}

async function places(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const heading = (page, text) => page.getByRole("heading", { name: text, exact: true }).first().waitFor();
  await stage.check("the way back and forth leads through the views", async (page) => {
    await page.getByRole("link", { name: "001-whole" }).click();
    await heading(page, "Steps");
    await page.getByRole("link", { name: /^Artifacts/ }).click();
    await page.locator(".grid-row", { hasText: "plan.md" }).click();
    await page.locator(".document", { hasText: "The plan" }).waitFor();
    await page.goBack();
    await page.getByRole("complementary", { name: "Artifact" }).waitFor({ state: "detached" });
    await page.goBack();
    await heading(page, "Steps");
    await page.goBack();
    await heading(page, "Features");
    for (let i = 0; i < 3; i += 1) await page.goForward();
    await page.locator(".document", { hasText: "The plan" }).waitFor();
  });
  await stage.check("an address is its view also after a reload", async (page) => {
    const hash = `#feature=${id}&tab=artifacts&class=output&q=wp&sort=-path&path=tasks%2FWP01-first.md&mode=raw`;
    await page.goto(`${stage.daemon.url}/${hash}`);
    await page.reload();
    await page.locator(".line", { hasText: "# First" }).waitFor();
    equal(await paths(page), ["tasks/WP02-second.md", "tasks/WP01-first.md"], "the rows of the address");
    for (const [tab, text] of [["drift", "There is no baseline to differ from."], ["history", "Timeline"]]) {
      await page.goto(`${stage.daemon.url}/#feature=${id}&tab=${tab}`);
      await page.reload();
      await page.getByText(text, { exact: true }).waitFor();
    }
  });
  await stage.check("health: watching, delivery, version", async (page) => {
    await page.getByText("All 4 features are watched live.").waitFor();
    await page.getByText("Nothing is delivered to a back end.").waitFor();
    const { body } = await stage.daemon.get("/api/status");
    await page.locator("dd", { hasText: body.version }).first().waitFor();
    // No daemon is built that delivers; the answer is one that the API's description allows.
    await page.route("**/api/sync/status", (route) => route.fulfill({ json: { configured: true, sinks: [], paused: false, pending: 3, delivered: 1200, duplicate: 1, rejected: 2, oldest_pending_age_seconds: 90 } }));
    await page.reload();
    await page.getByText("3 events wait.").waitFor();
    await page.getByText("waits for 1 min").waitFor();
    await page.route("**/api/sync/status", (route) => route.fulfill({ json: { configured: true, sinks: [], paused: false, pending: null, delivered: null, duplicate: null, rejected: null, oldest_pending_age_seconds: null } }));
    await page.reload();
    await page.getByText("Not known yet: the first scans have not ended.").waitFor();
  }, { hash: "view=health" });
}

async function sights(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("in a low window the parts scroll, and the page does not", async (page) => {
    await page.locator(".grid-row.open", { hasText: "tasks/WP01-first.md" }).waitFor();
    const places = await page.evaluate(() => {
      const row = document.querySelector(".grid-row.open").getBoundingClientRect();
      const grid = document.getElementById("grid").getBoundingClientRect();
      return { over: document.documentElement.scrollHeight - innerHeight, inSight: row.top >= grid.top && row.bottom <= grid.bottom };
    });
    equal(places, { over: 0, inSight: true }, "how much taller the page is, and whether the open row is in sight");
  }, { hash: `feature=${id}&tab=artifacts&path=tasks/WP01-first.md`, size: [1280, 200] });
}

async function keys(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  const active = (page) => page.evaluate(() => document.activeElement?.textContent);
  await stage.check("keys: all of the page without a mouse", async (page) => {
    await page.keyboard.press("j");
    equal(await active(page), "002-lacking", "the focus after j");
    for (let i = 0; i < 5; i += 1) await page.keyboard.press("j");
    equal(await active(page), "003-unknown", "the focus at the end");
    await page.keyboard.press("k");
    equal(await active(page), "001-whole", "the focus after k");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "001-whole" }).waitFor();
    await page.keyboard.press("2");
    await page.locator(".grid-body .grid-row").first().waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("tasks/");
    await page.locator(".result", { hasText: "2 of 11" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.locator(".grid-row.active", { hasText: "WP02" }).waitFor();
    const named = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-activedescendant"))?.textContent);
    assert(named?.includes("WP02"), `the table names ${named}`);
    await page.keyboard.press("Enter");
    await page.getByRole("complementary", { name: "Artifact" }).getByRole("heading", { name: "tasks/WP02-second.md" }).waitFor();
    await page.keyboard.press("k");
    await page.getByRole("complementary", { name: "Artifact" }).getByRole("heading", { name: "tasks/WP01-first.md" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("complementary", { name: "Artifact" }).waitFor({ state: "detached" });
    assert(page.url().includes(id) && !page.url().includes("artifact="), "the address still has the artifact");
  });
  await stage.check("keys: their list, and they can be switched off", async (page) => {
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.getByLabel("Single keys are on").uncheck();
    await page.keyboard.press("Escape");
    await page.keyboard.press("h");
    await page.keyboard.press("Tab");
    equal(await page.getByRole("heading", { level: 1 }).textContent(), "Features", "the view after a key that is off");
  });
}

async function looks(stage) {
  const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await stage.check("dark by the system, light by choice, and the choice stays", async (page) => {
    const dark = await ground(page);
    await page.locator("#theme").click();
    const light = await ground(page);
    assert(dark !== light, "the colours did not change");
    await page.reload();
    equal(await ground(page), light, "the colours after a reload");
    await page.locator("#theme").click();
    equal(await ground(page), dark, "the dark colours");
    await page.locator("#theme").click();
    equal(await page.locator("#theme").textContent(), "◐ System", "the switch");
  }, { theme: "dark" });
  for (const reducedMotion of ["reduce", "no-preference"]) {
    await stage.check(`nothing moves by itself, with motion ${reducedMotion}`, async (page) => {
      await page.getByRole("link", { name: "001-whole" }).click();
      await page.getByRole("button", { name: "Capture baseline…" }).click();
      await page.getByRole("dialog").waitFor();
      equal(await page.evaluate(() => document.getAnimations().length), 0, "the number of animations");
      const moving = await page.evaluate(() => [...document.querySelectorAll("*")].map((element) => getComputedStyle(element)).filter((style) => style.animationName !== "none" || style.transitionDuration !== "0s" || style.scrollBehavior !== "auto").length);
      equal(moving, 0, "the elements that would move");
    }, { reducedMotion });
  }
}
