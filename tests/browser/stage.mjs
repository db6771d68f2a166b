// One check after the other, each on a page of its own; what is reported, and what every
// page is watched for: dialogs, requests to elsewhere, refused scripts, errors, tokens in
// addresses.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const LIMIT_MS = 15000;
const ASK_AGAIN_MS = 20;
const TOKEN_IN_ADDRESS = /dsr\d_|code=/;

export class Stage {
  constructor(browser, daemon, out) {
    this.browser = browser;
    this.daemon = daemon;
    this.out = out;
    this.passed = 0;
    this.failed = 0;
  }

  // What the check returns is put behind its name. With `opened` it is made on that page,
  // which stays.
  async check(name, body, options = {}) {
    const began = Date.now();
    let opened = options.opened ?? null;
    try {
      opened ??= await this.open(options);
      const more = await body(opened.page, opened);
      if (opened.trouble.length > 0) throw new Error("the page did what it must not");
      this.passed += 1;
      console.log(`ok: ${name}${more === undefined ? "" : `: ${more}`} (${Date.now() - began} ms)`);
    } catch (error) {
      this.failed += 1;
      const why = [String(error.message ?? error), ...(opened?.trouble.splice(0) ?? [])].join("\n").split("\n").slice(0, 8).join(" | ");
      console.log(`FAILED: ${name}: ${why}`);
      if (opened !== null) await this.shot(opened.page, `failed-${name.replace(/[^a-z0-9]+/gi, "-")}`).catch(() => {});
    } finally {
      if (options.opened === undefined) await opened?.context.close();
    }
  }

  // A logged-in page, unless `login: false`.
  async open({ login = true, hash = "", theme = "light", size = [1280, 800], reducedMotion = "no-preference" } = {}) {
    const context = await this.browser.newContext({
      viewport: { width: size[0], height: size[1] },
      colorScheme: theme,
      reducedMotion,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    context.setDefaultTimeout(LIMIT_MS);
    const trouble = [];
    context.on("page", (page) => this.watch(page, trouble));
    context.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.daemon.url}/`) && !/^(blob|data):/.test(url)) trouble.push(`a request to ${url}`);
      if (TOKEN_IN_ADDRESS.test(url.split("#")[0])) trouble.push(`a token or code in a request's address`);
    });
    const page = await context.newPage();
    if (login) await this.login(page, hash);
    return { context, page, trouble };
  }

  watch(page, trouble) {
    page.on("dialog", (dialog) => {
      trouble.push(`a dialog opened: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("pageerror", (error) => trouble.push(`an error of the page: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      // A status that is no success, and an answer that never came, are written there by
      // the browser itself.
      if (message.type() !== "error" || text.startsWith("Failed to load resource")) return;
      trouble.push(`on the console: ${text}`);
    });
  }

  async login(page, hash = "") {
    await page.goto(await this.daemon.address());
    await page.locator(".connection .good").waitFor();
    await page.locator("main h1").first().waitFor();
    if (hash !== "") await this.visit(page, hash);
  }

  async visit(page, hash) {
    await page.evaluate((text) => {
      location.hash = text;
    }, hash);
  }

  // Of the whole page, where it is the page that scrolls.
  async shot(page, name) {
    writeFileSync(join(this.out, `${name}.png`), await page.screenshot({ fullPage: true }));
  }
}

export function assert(condition, text) {
  if (!condition) throw new Error(text);
}

export function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what} is ${a}, expected ${b}`);
}

// Asks until it is so; the page is asked by Playwright's own waiting where that is possible.
export async function until(condition, what) {
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`it never came to be that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}
