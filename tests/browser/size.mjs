// How small the page is.

import { assert, equal } from "./stage.mjs";

const MOST_BYTES = 150_000;

// Everything that the page loads, and nothing that it does not: by path, in bytes.
async function sizes({ url }) {
  const seen = new Map();
  const wanted = ["/"];
  while (wanted.length > 0) {
    const path = wanted.pop();
    if (seen.has(path)) continue;
    const response = await fetch(url + path, { headers: { "Accept-Encoding": "identity" } });
    equal(response.status, 200, `the answer for ${path}`);
    const text = await response.text();
    seen.set(path, Buffer.byteLength(text));
    for (const [, found] of text.matchAll(/"(\/static\/[a-z.]+)"/g)) wanted.push(found);
    for (const [, found] of text.matchAll(/from "\.\/([a-z.]+)"/g)) wanted.push(`/static/${found}`);
  }
  return seen;
}

export async function size(stage) {
  await stage.check("the page is small", async (page) => {
    const seen = await sizes(stage.daemon);
    const sum = [...seen.values()].reduce((a, b) => a + b, 0);
    assert(sum < MOST_BYTES, `it has ${sum} bytes`);
    const loaded = new Set();
    page.on("request", (request) => loaded.add(new URL(request.url()).pathname));
    await stage.login(page);
    const shell = [...loaded].filter((path) => !path.startsWith("/api/")).sort();
    equal(shell, [...seen.keys()].sort(), "what the browser loads");
    return `${sum} bytes in ${seen.size} files, uncompressed`;
  }, { login: false });
}
