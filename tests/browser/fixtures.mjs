// Projects as they are found in the wild, small, and hostile ones.

import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export function write(directory, path, content) {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const PLAN = `---
title: Plan
---
# The plan

See [the spec](spec.md) and [a page](https://example.org/).

- [x] done
- [ ] open

| Name | Count |
|------|------:|
| one  | 1     |

\`\`\`json
{"a": [1, true]}
\`\`\`
`;

const meta = (step) => `${JSON.stringify({ mission: "software-dev", current_step: step })}\n`;

function whole(project) {
  const feature = join(project, "kitty-specs/001-whole");
  write(feature, "meta.json", meta("implement"));
  write(feature, "spec.md", "# Spec\n\nFirst line.\nSecond line.\n");
  write(feature, "plan.md", PLAN);
  write(feature, "tasks.md", "# Tasks\n");
  write(feature, "tasks/WP01-first.md", "---\nlane: done\n---\n# First\n");
  write(feature, "tasks/WP02-second.md", "---\nlane: doing\n---\n# Second\n");
  write(feature, "data/report.json", '{"name": "report", "count": 12, "fine": true, "none": null}\n');
  write(feature, "data/settings.yaml", "# a comment\nname: settings\nlist:\n  - 1\n  - two\n");
  write(feature, "data/broken.csv", Buffer.from([0x61, 0x2c, 0xff, 0xfe, 0x0a]));
  symlinkSync("/etc/hostname", join(feature, "data/outside.txt"));
  write(feature, "data/huge.md", `# Huge\n${"0123456789abcdef\n".repeat(340_000)}`);
  return feature;
}

// As long as a name may be, with nothing to break it at.
export const LONG_NAME = `${"long".repeat(62)}.md`;

export const HOSTILE_NAMES = [
  "<script>document.title='run'</script>.md",
  "<img src=x onerror=alert(1)>.md",
  "\u202Egnp.exe\u2066.md",
  "a\u200Bb\u0007c.md",
  "javascript:alert(1).md",
  "'\"--><svg onload=alert(1)>.json",
  "new\nline\tand \u001b[31mred.md",
  LONG_NAME,
];

const HOSTILE = `---
title: <script>alert("front")</script>
---
# <script>alert("heading")</script>

<script>alert("block")</script>

<img src="http://attacker.invalid/block.png" onerror="alert(1)">

[a link](javascript:alert(1)) [another](data:text/html,<script>alert(1)</script>)
[third](vbscript:x) [fourth]( JaVaScRiPt:alert(1)) <javascript:alert(1)>

![image](http://attacker.invalid/image.png "<script>")

<iframe src="http://attacker.invalid/frame"></iframe> inline <b onclick="alert(1)">bold</b>

Right to left: \u202Ereversed\u202C and \u2066isolated\u2069.

| <script>alert(1)</script> | [x](javascript:alert(1)) |
|---|---|
| <img src=x onerror=alert(1)> | ![y](http://attacker.invalid/cell.png) |

\`\`\`json
{"</span><script>alert(1)</script>": "</pre><img src=x onerror=alert(1)>"}
\`\`\`
`;

function hostile(project) {
  const feature = join(project, "kitty-specs/004-<img src=x onerror=alert(1)>");
  write(feature, "meta.json", meta("plan"));
  write(feature, "spec.md", HOSTILE);
  write(feature, "evil.json", '{"</span><script>alert(1)</script>": "</pre><img src=http://attacker.invalid/j.png>"}\n');
  write(feature, "evil.yaml", "'</span><script>alert(1)</script>': &a <img src=http://attacker.invalid/y.png>\n");
  for (const name of HOSTILE_NAMES) write(feature, name, HOSTILE);
  return feature;
}

function git(project, ...args) {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  const who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"];
  execFileSync("git", ["-C", project, ...who, ...args], { env, stdio: "pipe" });
}

// A git checkout with a whole feature, one that lacks things, one of an unknown mission,
// and a hostile one. Its directory is called `name`.
export function project(directory, name) {
  const root = join(directory, name);
  write(root, ".kittify/config.yaml", "project:\n  uuid: 6f1c1f6e-94f7-4d0f-9a3c-0d8a3d5a5b11\n  slug: alpha\n  node_id: 0123456789ab\n");
  const feature = whole(root);
  write(root, "kitty-specs/002-lacking/meta.json", meta("plan"));
  write(root, "kitty-specs/002-lacking/spec.md", "# Spec\n");
  write(root, "kitty-specs/003-unknown/notes.md", "# Notes\n");
  const evil = hostile(root);
  git(root, "init", "-q", "-b", "main");
  git(root, "add", "-A");
  git(root, "commit", "-q", "-m", "first");
  return { root, feature, evil };
}

export function manyFeatures(directory, count) {
  const root = join(directory, "many");
  write(root, ".kittify/config.yaml", "project:\n  uuid: 1b0c51a5-3f4e-4a0b-8c7e-2f0b8f2d4c22\n  slug: many\n  node_id: 0123456789ab\n");
  for (let i = 0; i < count; i += 1) {
    const feature = join(root, `kitty-specs/${String(i).padStart(3, "0")}-feature`);
    write(feature, "meta.json", meta("plan"));
    write(feature, "spec.md", `# Spec ${i}\n`);
    if (i % 5 !== 0) write(feature, "plan.md", "# Plan\n");
    write(feature, "tasks.md", "# Tasks\n");
  }
  return root;
}

export function manyArtifacts(directory, count) {
  const feature = join(directory, "large-feature");
  write(feature, "meta.json", meta("plan"));
  for (const name of ["spec.md", "plan.md", "tasks.md"]) write(feature, name, "# Required\n");
  for (let i = 0; i < count - 4; i += 1) {
    const group = ["research", "contracts", "evidence", "notes"][i % 4];
    write(feature, `${group}/part-${String(i % 100).padStart(2, "0")}/item-${String(i).padStart(5, "0")}.md`, `# Item ${i}\n`);
  }
  return feature;
}
