// What the page does when something is not well: a project that goes, a daemon that ends
// and comes back.

import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";

import { assert, equal } from "./stage.mjs";
import { write } from "./fixtures.mjs";

export async function away(stage, given) {
  await degraded(stage, given);
  await restarts(stage, given);
  await changesMeanwhile(stage, given);
  await hangs(stage);
  await ends(stage, given);
  await withoutLogin(stage, given);
}

async function degraded(stage, { root }) {
  await stage.check("what cannot be watched is told everywhere, with the reason", async (page) => {
    renameSync(root, `${root}-gone`);
    await page.getByText("4 of 4 features are not watched live.").waitFor();
    const row = page.getByRole("table", { name: "Registered", exact: true }).locator("tbody tr");
    await row.filter({ hasText: /detached since/ }).waitFor();
    await page.getByRole("link", { name: /Health.*degraded/ }).waitFor();
    await stage.shot(page, "health-degraded");
    await page.getByRole("link", { name: /^Features/ }).click();
    await page.getByText(/A registered project cannot be reached/).waitFor();
    equal(await page.locator("#groups tbody tr", { hasText: "detached" }).count(), 4, "the rows that say so");
    await stage.shot(page, "features-degraded");
  }, { hash: "view=health" });
  // It would be found again by itself, but not within the time of a test.
  await stage.daemon.stop();
  renameSync(`${root}-gone`, root);
  await stage.daemon.start();
}

// The banner comes, what is shown stays, and the daemon comes back.
async function goAndReturn(stage, page, name, between = () => {}) {
  await page.locator(".grid-row.open").waitFor();
  const shown = await page.locator(".grid-body .c-path").allTextContents();
  await stage.daemon.stop();
  await page.getByRole("alert").getByText("The daemon does not answer.").waitFor();
  await stage.shot(page, name);
  equal(await page.locator(".grid-body .c-path").allTextContents(), shown, "what is shown while it is away");
  await between();
  await stage.daemon.start();
}

// Everything is as before, and live.
async function isBack(page, feature) {
  await page.locator("#banner").waitFor({ state: "hidden" });
  await page.locator(".connection .good").waitFor();
  assert(page.url().includes("path=spec.md"), "the place was lost");
  assert(await page.evaluate(() => window.sameAsBefore), "the page was loaded again");
  write(feature, "after.md", "# After\n");
  await page.locator(".grid-body .c-path", { hasText: "after.md" }).waitFor();
  rmSync(join(feature, "after.md"));
  await page.locator(".grid-body .c-path", { hasText: "after.md" }).waitFor({ state: "detached" });
}

const mark = (page) => page.evaluate(() => {
  window.sameAsBefore = true;
});

async function restarts(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const hash = `feature=${id}&tab=artifacts&path=spec.md`;
  await stage.check("a daemon that was restarted is back quietly, with the login", async (page) => {
    await mark(page);
    await goAndReturn(stage, page, "away");
    await isBack(page, feature);
  }, { hash });
}

// Each daemon counts from one, so the number alone does not tell that it is another one.
async function changesMeanwhile(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const generation = async () => (await stage.daemon.get(`/api/dossier/overview?feature=${id}&fresh=true`)).body.generation;
  const hash = `feature=${id}&tab=artifacts&path=spec.md`;
  await stage.daemon.stop();
  await stage.daemon.start();
  await stage.check("what changed while the daemon was away is on the screen", async (page) => {
    const before = await generation();
    await goAndReturn(stage, page, "away-changed", () => write(feature, "meanwhile.md", "# Meanwhile\n"));
    await page.locator(".grid-body .c-path", { hasText: "meanwhile.md" }).waitFor();
    const after = await generation();
    await stage.daemon.stop();
    rmSync(join(feature, "meanwhile.md"));
    await stage.daemon.start();
    await page.locator(".grid-body .c-path", { hasText: "meanwhile.md" }).waitFor({ state: "detached" });
    return `generations ${before} and ${after}`;
  }, { hash });
}

async function hangs(stage) {
  const { id } = await stage.daemon.feature("001-whole");
  await stage.check("a daemon that hangs is away", async (page) => {
    await page.locator(".steps").waitFor();
    stage.daemon.child.kill("SIGSTOP");
    try {
      await page.getByRole("alert").getByText("The daemon does not answer.").waitFor({ timeout: 40_000 });
    } finally {
      stage.daemon.child.kill("SIGCONT");
    }
    await page.getByRole("button", { name: "Try now" }).click();
    await page.locator("#banner").waitFor({ state: "hidden" });
  }, { hash: `feature=${id}` });
}

async function ends(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const hash = `feature=${id}&tab=artifacts&path=spec.md`;
  await stage.check("where the login has ended, a new one is asked for in place", async (page) => {
    await mark(page);
    const forget = () => rmSync(stage.daemon.sessions());
    await goAndReturn(stage, page, "away-login-ended", forget);
    await page.getByText("This login has ended").waitFor();
    await stage.shot(page, "login-ended");
    await page.getByLabel(/Address or code/).fill(await stage.daemon.address());
    await page.getByRole("button", { name: "Log in" }).click();
    await isBack(page, feature);
  }, { hash });
}

async function withoutLogin(stage, { feature }) {
  const { id } = await stage.daemon.feature("001-whole");
  const hash = `feature=${id}&tab=artifacts&path=spec.md`;
  await stage.check("where no login is asked for, the return is quiet", async (page) => {
    await stage.daemon.stop();
    stage.daemon.configure("tcp_auth: none\n");
    await stage.daemon.start();
    await page.goto(`${stage.daemon.url}/#${hash}`);
    await mark(page);
    await goAndReturn(stage, page, "away-without-login");
    await isBack(page, feature);
  }, { login: false });
}
