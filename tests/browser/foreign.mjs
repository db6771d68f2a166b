// Pages of other origins, against a daemon in which somebody is logged in: a page on another
// port of this machine, which to a browser is the same site, and a page whose name was made
// to lead to this machine (DNS rebinding). They try what a page can try, read nothing, and
// change nothing.

import { once } from "node:events";
import { createServer } from "node:http";

import { assert, equal, until } from "./stage.mjs";

// The name that start.mjs has the browser resolve to this machine.
const REBOUND = "evil.test";
const READS = ["/api/features", "/api/dossier/overview", "/api/dossier/events", "/api/openapi.json", "/metrics", "/healthz", "/"];
const WRITES = [["POST", "/api/features"], ["POST", "/api/dossier/baseline"], ["POST", "/api/session/code"], ["POST", "/api/session"], ["POST", "/api/sync/pause"], ["PUT", "/api/features/x/step"], ["DELETE", "/api/dossier/baseline"]];
const KINDS = ["text/plain", "application/x-www-form-urlencoded", "application/json"];

// A page on a port of its own.
async function withForeignPage(body) {
  const server = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>elsewhere</title><body></body>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await body(server.address().port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

// What a page may not do, done in that page: gives what it could read, and how often it tried.
async function fetches(page, target) {
  return page.evaluate(async ({ target, reads, writes, kinds }) => {
    const read = [];
    let tries = 0;
    const attempt = async (path, options) => {
      tries += 1;
      try {
        const response = await fetch(target + path, { credentials: "include", redirect: "follow", ...options });
        const text = await response.text();
        if (response.type !== "opaque" || text !== "" || response.status !== 0) {
          read.push(`${options.method ?? "GET"} ${path}: ${response.type} ${response.status} ${text.slice(0, 80)}`);
        }
      } catch {
        // Refused, which is right.
      }
    };
    for (const path of reads) {
      await attempt(path, {});
      await attempt(path, { mode: "no-cors" });
      await attempt(path, { headers: { Authorization: "Bearer dsr1_guess" } });
      await attempt(path, { mode: "no-cors", referrerPolicy: "no-referrer" });
    }
    for (const [method, path] of writes) {
      for (const kind of kinds) {
        const options = { method, headers: { "Content-Type": kind }, body: "{}" };
        await attempt(path, options);
        if (method === "POST") await attempt(path, { ...options, mode: "no-cors" });
      }
      tries += 1;
      navigator.sendBeacon(target + path, new Blob(["{}"], { type: "text/plain" }));
    }
    return { read, tries };
  }, { target, reads: READS, writes: WRITES, kinds: KINDS });
}

// Elements that load from elsewhere, sockets and streams: gives those that did.
async function loads(page, target) {
  return page.evaluate(async ({ target }) => {
    const loaded = [];
    let tries = 0;
    const settled = (name, begin, limit = 5000) => new Promise((resolve) => {
      tries += 1;
      const late = setTimeout(resolve, limit);
      const end = (won) => {
        if (won) loaded.push(name);
        clearTimeout(late);
        resolve();
      };
      begin(() => end(true), () => end(false));
    });
    const element = (tag, attributes, name) => settled(name, (load, error) => {
      const made = document.createElement(tag);
      made.addEventListener("load", load);
      made.addEventListener("error", error);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      document.body.append(made);
    });
    const assets = ["/static/app.js", "/static/style.css"];
    for (const path of ["/api/features", "/api/dossier/overview", "/metrics", "/healthz", "/", ...assets]) {
      await element("img", { src: target + path }, `img ${path}`);
      await element("script", { src: target + path }, `script ${path}`);
      await element("script", { src: target + path, type: "module" }, `module ${path}`);
      await element("link", { rel: "stylesheet", href: target + path }, `style ${path}`);
      await element("object", { data: target + path }, `object ${path}`);
    }
    const socket = target.replace("http", "ws");
    for (const path of ["/", "/api/dossier/events?follow=true"]) {
      await settled(`websocket ${path}`, (open, error) => {
        const made = new WebSocket(socket + path);
        made.addEventListener("open", open);
        made.addEventListener("error", error);
      });
      await settled(`event source ${path}`, (open, error) => {
        const made = new EventSource(target + path, { withCredentials: true });
        made.addEventListener("open", open);
        made.addEventListener("error", () => {
          made.close();
          error();
        });
      });
    }
    return { loaded, tries };
  }, { target });
}

// Frames and forms: gives what a frame shows of the daemon.
async function frames(page, target) {
  const inFrame = (request) => request.isNavigationRequest() && request.frame() !== page.mainFrame() && request.url().startsWith(target);
  let ended = 0;
  for (const event of ["requestfinished", "requestfailed"]) {
    page.on(event, (request) => {
      if (inFrame(request)) ended += 1;
    });
  }
  await page.evaluate(({ target }) => {
    for (const path of ["/", "/api/features", "/healthz"]) {
      const frame = document.createElement("iframe");
      frame.src = target + path;
      document.body.append(frame);
    }
    for (const [number, kind] of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"].entries()) {
      const frame = document.createElement("iframe");
      frame.name = `answer-${number}`;
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action: `${target}/api/features`, enctype: kind, target: frame.name });
      const field = document.createElement("input");
      Object.assign(field, { name: '{"path": "/tmp", "x": "', value: '"}' });
      form.append(field);
      document.body.append(frame, form);
      form.submit();
    }
  }, { target });
  await until(() => ended >= 6, "all frames have been answered");
  const shown = [];
  for (const frame of page.frames().slice(1)) {
    const text = frame.url().startsWith("chrome-error:") ? "" : await frame.evaluate(() => document.body.innerText).catch(() => "");
    // A problem that says no is no data, but a frame should not show even that. What the
    // browser says of a frame that it keeps empty is its own.
    if (text !== "" && !text.includes("refused to connect")) shown.push(`${frame.url()}: ${text.slice(0, 80)}`);
  }
  return { shown, tries: 6 };
}

async function state(daemon) {
  const features = await daemon.features();
  const { body } = await daemon.get("/api/dossier/baseline?feature=001-whole");
  const list = JSON.parse(await daemon.cli("list", "--json"));
  return JSON.stringify([list.roots.map(({ path }) => path), features.map(({ id, current_step: step }) => [id, step]), body]);
}

export async function foreign(stage) {
  const { daemon } = stage;
  const port = new URL(daemon.url).port;
  const logged = await stage.open();
  const before = await state(daemon);
  // In the browser in which somebody is logged in, so that whatever it would add is added.
  const opened = async (address) => {
    const page = await logged.context.newPage();
    const answers = [];
    const sent = [];
    page.on("request", (request) => {
      if (new URL(request.url()).port === port) sent.push(request.url());
    });
    page.on("response", (response) => {
      if (new URL(response.url()).port === port) answers.push([response.status(), response.request().method(), response.url()]);
    });
    await page.goto(address);
    return { page, answers, sent };
  };
  const check = (name, body) => stage.check(name, async () => {
    const more = await body();
    equal(await state(daemon), before, "what the daemon has");
    // That these pages ask elsewhere is what they are for.
    logged.trouble.length = 0;
    return more;
  }, { opened: logged });

  await withForeignPage(async (foreignPort) => {
    for (const name of ["localhost", "127.0.0.1"]) {
      for (const host of ["127.0.0.1", "localhost"]) {
        const target = `http://${host}:${port}`;
        await check(`a page of ${name} on another port reads and changes nothing of ${host}`, async () => {
          const { page, answers, sent } = await opened(`http://${name}:${foreignPort}/`);
          const fetched = await fetches(page, target);
          const loaded = await loads(page, target);
          const framed = await frames(page, target);
          equal(fetched.read, [], "what it could fetch");
          equal(loaded.loaded, [], "what it could load");
          equal(framed.shown, [], "what its frames show");
          const good = answers.filter(([status]) => status < 400);
          equal(good, [], "what the daemon answered to it");
          await page.close();
          const tries = fetched.tries + loaded.tries + framed.tries;
          assert(sent.length > 60, `only ${sent.length} requests were sent`);
          return `${tries} tries, ${sent.length} requests`;
        });
      }
    }
    await check("a page that opens the dashboard has no hold on it", async () => {
      const { page } = await opened(`http://localhost:${foreignPort}/`);
      const [popup] = await Promise.all([
        page.waitForEvent("popup"),
        page.evaluate((url) => {
          window.held = window.open(url);
        }, `${daemon.url}/`),
      ]);
      await popup.getByRole("heading", { name: "Not logged in" }).waitFor();
      equal(await popup.evaluate(() => window.opener), null, "who opened the dashboard");
      await until(() => page.evaluate(() => window.held.closed), "the page has lost it");
      await popup.close();
      await page.close();
    });
  });
  await check("a name that leads to this machine is not answered", async () => {
    const target = `http://${REBOUND}:${port}`;
    const { page, answers } = await opened(`${target}/`);
    assert((await page.locator("body").innerText()).includes("host-not-allowed"), "it says why");
    const { read } = await page.evaluate(async ({ reads }) => {
      const read = [];
      for (const path of reads) {
        // The policy of the refusal itself keeps it from asking.
        await fetch(path).then((response) => read.push(response.status), () => {});
      }
      return { read };
    }, { reads: READS });
    equal(read, [], "what it could fetch");
    for (const path of READS) {
      const response = await page.goto(target + path);
      equal([response.status(), (await response.json()).code], [403, "host-not-allowed"], path);
    }
    assert(answers.every(([status]) => status === 403), "all are refused");
    await page.close();
    return `${answers.length} refusals`;
  });
  await logged.context.close();
}
