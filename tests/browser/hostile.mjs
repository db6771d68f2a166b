// Contents and names that attack the page. Every page of every check is watched for
// dialogs, requests to elsewhere and errors; here the worst is put in front of it.

import { HOSTILE_NAMES, LONG_NAME } from "./fixtures.mjs";
import { assert, equal } from "./stage.mjs";

// Elements that nothing of the page makes, and those that it makes by itself alone.
async function inspect(page, where) {
  const found = await page.evaluate(() => ({
    foreign: [...document.querySelectorAll("iframe, object, embed, video, audio, base, form[action], main script, main style, main img, main link, main meta, main b")].map((element) => element.outerHTML.slice(0, 120)),
    handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("on") || name === "style" && element.closest("main") === null)).length,
    links: [...document.querySelectorAll("a[href]")].map((anchor) => anchor.getAttribute("href")).filter((target) => !/^(#|https?:|mailto:|blob:)/.test(target)),
    wide: document.documentElement.scrollWidth - innerWidth,
    controls: /[\u202a-\u202e\u2066-\u2069\u200b\u0007\u001b]/.test(document.body.innerText),
    title: document.title,
  }));
  equal(found.foreign, [], `foreign elements in ${where}`);
  equal(found.handlers, 0, `handlers in ${where}`);
  equal(found.links, [], `links of ${where}`);
  assert(found.wide <= 0, `${where} is ${found.wide} pixels too wide`);
  assert(!found.controls, `${where} shows characters that act on the text around them`);
  assert(found.title !== "run", `a script of ${where} ran`);
}

export async function hostile(stage) {
  const row = (await stage.daemon.features()).find(({ slug }) => slug.startsWith("004-"));
  const tab = (name) => `feature=${row.id}&tab=${name}`;
  await stage.check("hostile names and texts are text and nothing else", async (page) => {
    await inspect(page, "the list");
    await stage.visit(page, `feature=${row.id}`);
    await page.getByRole("heading", { level: 1 }).getByText("<img src=x onerror=alert(1)>").waitFor();
    await inspect(page, "the overview");
    for (const name of ["drift", "history"]) {
      await stage.visit(page, tab(name));
      await page.locator(`.tab-${name} > *`).first().waitFor();
      await inspect(page, name);
    }
    const { body } = await stage.daemon.get(`/api/dossier/artifacts?feature=${row.id}`);
    for (const artifact of body.artifacts.filter(({ is_present: present }) => present)) {
      await stage.visit(page, `${tab("artifacts")}&artifact=${encodeURIComponent(artifact.artifact_key)}`);
      await page.locator(".detail .hash code", { hasText: artifact.content_hash_sha256 }).waitFor();
      await page.locator(".text").first().waitFor();
      await inspect(page, artifact.relative_path);
      for (const mode of await page.locator(".modes .chip").allTextContents()) {
        await page.locator(".modes .chip", { hasText: mode }).first().click();
        await page.locator(".modes .chip[aria-pressed=true]", { hasText: mode }).first().waitFor();
        await inspect(page, `${artifact.relative_path} as ${mode}`);
      }
    }
    await stage.shot(page, "hostile");
    return `${body.artifacts.length} artifacts, ${HOSTILE_NAMES.length} of hostile names`;
  });
  await stage.check("hostile and long names fit into a narrow window", async (page) => {
    for (const name of ["overview", "artifacts", "drift", "history"]) {
      await stage.visit(page, tab(name));
      await page.locator(`.tab-${name} > *`).first().waitFor();
      await inspect(page, name);
    }
    for (const path of [LONG_NAME, HOSTILE_NAMES[2]]) {
      await stage.visit(page, `${tab("artifacts")}&path=${encodeURIComponent(path)}`);
      await page.locator(".detail .document").waitFor();
      await inspect(page, "the artifact");
    }
    await stage.shot(page, "hostile-narrow");
  }, { size: [400, 800] });
  await stage.check("hostile addresses do nothing", async (page) => {
    for (const hash of ["constructor", "view=toString", "feature=<script>alert(1)</script>", `feature=${row.id}&tab=__proto__`, `feature=${row.id}&tab=artifacts&artifact=<img src=x onerror=alert(1)>`, `feature=${row.id}&tab=artifacts&class=<b>&sort=-constructor`, "view=constructor&q=%F0%28", "%%%"]) {
      await stage.visit(page, hash);
      await page.locator("main h1").first().waitFor();
      await inspect(page, hash);
    }
  });
}
