// A daemon in a directory of its own, driven by its command line as a person would.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);
const LONGEST_STOP_MS = 10000;

export class Daemon {
  constructor(binary, home) {
    this.binary = binary;
    this.home = home;
    this.env = { ...process.env, DOSSIERD_HOME: home, NO_COLOR: "1" };
    this.listen = "127.0.0.1:0";
  }

  // Takes effect at the next start.
  configure(yaml) {
    mkdirSync(join(this.home, "config"), { recursive: true });
    writeFileSync(join(this.home, "config/config.yaml"), yaml);
  }

  // Ready once its first line says so; a daemon that ends before that is an error.
  async start() {
    const args = ["run", "--json", "--listen", this.listen];
    this.child = spawn(this.binary, args, { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    this.child.stderr.on("data", (data) => {
      said += data;
    });
    const lines = createInterface({ input: this.child.stdout });
    const ended = once(this.child, "exit").then(([code]) => {
      throw new Error(`the daemon ended with ${code}: ${said}`);
    });
    ended.catch(() => {});
    const [line] = await Promise.race([once(lines, "line"), ended]);
    this.url = JSON.parse(line).http;
    // Started again it takes the same port, as the page expects.
    this.listen = this.url.replace("http://", "");
  }

  // Where it keeps who is logged in.
  sessions() {
    return join(this.home, "state/sessions.json");
  }

  async stop(signal = "SIGTERM") {
    if (this.child === undefined || this.child.exitCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill("SIGKILL"), LONGEST_STOP_MS);
    const [, by] = await ended;
    clearTimeout(late);
    if (by === "SIGKILL" && signal !== "SIGKILL") throw new Error("the daemon did not stop when it was asked to");
    this.child = undefined;
  }

  async cli(...args) {
    const { stdout } = await run(this.binary, args, { env: this.env, maxBuffer: 64 << 20 });
    return stdout;
  }

  // The address that logs a page in, once.
  async address() {
    return (await this.cli("open", "--print-url")).trim().split("\n").at(-1);
  }

  async features() {
    return JSON.parse(await this.cli("list", "--json")).features;
  }

  async feature(slug) {
    const found = (await this.features()).find((row) => row.slug === slug);
    if (found === undefined) throw new Error(`no feature ${slug} is registered`);
    return found;
  }

  // Asks the API as the command line does.
  async get(path) {
    const token = (await this.cli("token")).trim();
    const response = await fetch(this.url + path, { headers: { Authorization: `Bearer ${token}` } });
    return { status: response.status, body: await response.json() };
  }
}
