#!/usr/bin/env python3
"""Breaks the rules that watching rests on, one at a time, and expects the equivalence suite
to notice.

Each mutant is a change of the source: replacements of texts that have to be there exactly
once, or the script fails, since a mutant that changes nothing would prove nothing. They are
made in a copy of the source tree, never in the tree itself. The copy is built into the same
target directory as the rest, but has no program, so it cannot replace the real one. A
mutant that does not compile has not been caught.

Prints one line for each mutant and back-end, `ok: …` or `FAILED: …`.

    tests/mutants/run.py [--rounds N] [--only NAME] [--keep]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
TREE = TARGET / "mutants"

# What the copy needs; everything else stays away from it.
NEEDED = ["Cargo.toml", "Cargo.lock", "build.rs", "clippy.toml", "README.md", "src", "static", "missions", "packaging", "docs", "benches",
          "tests/equivalence", "tests/kit"]

WALK = "src/index/walk.rs"
MARKS = "src/daemon/engine/marks.rs"

WATCH = """        let watched = self.watcher.watch_open_dir(&self.dir.absolute(path), opened.as_fd());
        if !self.is_there(path, watched) {
            return;
        }
"""


@dataclass
class Edit:
    """In a file, one text for another."""

    file: str
    old: str
    new: str


@dataclass
class Mutant:
    """A rule, and its violation."""

    name: str
    rule: str
    edits: list


MUTANTS = [
    Mutant(
        "no-rewatch",
        "a directory is watched at every visit, known or not",
        [
            Edit(
                WALK,
                "        let watched = self.watcher.watch_open_dir(&self.dir.absolute(path), opened.as_fd());\n",
                "        let node = path.and_then(|path| self.tree.node(path));\n"
                "        let is_known = matches!(node, Some(Node::Directory(Some(_))));\n"
                "        let watched = match is_known {\n"
                "            true => Ok(()),\n"
                "            false => self.watcher.watch_open_dir(&self.dir.absolute(path), opened.as_fd()),\n"
                "        };\n",
            )
        ],
    ),
    Mutant(
        "scan-before-watch",
        "a directory is watched first and listed afterwards",
        [
            Edit(WALK, WATCH, ""),
            Edit(
                WALK,
                "        match self.list(&opened, path) {\n",
                "        let listed = self.list(&opened, path);\n" + WATCH +
                "        match listed {\n",
            ),
        ],
    ),
    Mutant(
        "barrier-before-commit",
        "a fresh read is answered after the jobs that look at what it fences",
        [
            Edit(
                MARKS,
                "            let jobs = self.freshen(&waiter.target);\n",
                "            self.freshen(&waiter.target);\n"
                "            let jobs = std::collections::BTreeMap::new();\n",
            )
        ],
    ),
]


class Broken(Exception):
    """The script cannot do what it is for."""


def copy_tree(needed=NEEDED):
    """Puts what is needed of the source into the copy."""
    for name in needed:
        source, copy = ROOT / name, TREE / name
        if source.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            # Every file is new, so that nothing of an older copy counts as built.
            shutil.copytree(source, copy, copy_function=shutil.copyfile)
        elif source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
        else:
            raise Broken(f"{source} is missing")
    # Without a program in the copy, none can take the place of the real one.
    (TREE / "src/main.rs").unlink()


def write(name, text):
    """Writes a file of the copy, so that it is newer than what was built from it."""
    path = TREE / name
    path.unlink()
    path.write_text(text)


def apply(mutant):
    """Changes the copy; gives what has to be written to undo it."""
    before = {edit.file: (TREE / edit.file).read_text() for edit in mutant.edits}
    texts = dict(before)
    for edit in mutant.edits:
        found = texts[edit.file].count(edit.old)
        if found != 1:
            raise Broken(
                f"{mutant.name}: this is {found} times in {edit.file}, not once; "
                f"the mutant has to follow the source:\n{edit.old}"
            )
        texts[edit.file] = texts[edit.file].replace(edit.old, edit.new)
    for name, text in texts.items():
        write(name, text)
    return before


def build():
    """Builds the suite of the copy; gives the test binary."""
    command = ["cargo", "test", "--locked", "--test", "equivalence", "--no-run"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(TARGET), CARGO_TERM_COLOR="never")
    built = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True)
    binary = re.search(r"Executable .*\((.+)\)", built.stderr)
    if built.returncode != 0 or binary is None:
        raise Broken(f"the copy does not build:\n{built.stderr[-4000:]}")
    path = Path(binary.group(1))
    return path if path.is_absolute() else TREE / path


def run(binary, backend, rounds):
    """Runs the suite; gives its exit code and what it printed."""
    environment = dict(os.environ, DOSSIERD_BACKENDS=backend, DOSSIERD_ROUNDS=str(rounds),
                       RUST_BACKTRACE="0")
    command = [str(binary), "rounds::", "worst_moments::"]
    try:
        ran = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True,
                             timeout=600)
    except subprocess.TimeoutExpired:
        raise Broken(f"the suite did not end in 10 minutes with {backend}") from None
    return ran.returncode, ran.stdout + ran.stderr


def backends(text):
    """The back-ends that the suite knows."""
    listed = re.search(r"const ALL: \[Self; \d+\] = \[(.*?)\];", text, re.DOTALL)
    if listed is None:
        raise Broken("tests/equivalence/backend.rs lists no back-ends")
    return [name.lower() for name in re.findall(r"Self::(\w+)", listed.group(1))]


def how(printed):
    """Which tests failed, and what the random rounds found first."""
    failed = sorted(set(re.findall(r"^test (\S+) \.\.\. FAILED", printed, re.MULTILINE)))
    seeds = re.findall(r"^(\w+, \w+, queue \w+), seed (\d+):", printed, re.MULTILINE)
    told = [f"{field}: round {int(seed) % 1_000_000}" for field, seed in seeds]
    return f"{len(failed)} tests failed ({', '.join(failed)})" + (
        f"; first wrong: {'; '.join(told)}" if told else "")


def main():
    """Runs all mutants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="random rounds at most")
    parser.add_argument("--only", help="the name of one mutant")
    parser.add_argument("--keep", action="store_true", help="leave the copy")
    chosen = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if chosen.only in (None, mutant.name)]
    if not mutants:
        parser.error(f"no mutant is called {chosen.only}")
    try:
        return try_all(mutants, chosen.rounds)
    finally:
        # Cargo takes what was built from the copy for what was built from the tree itself,
        # unless the copy is gone.
        if not chosen.keep:
            shutil.rmtree(TREE, ignore_errors=True)


def try_all(mutants, rounds):
    """Runs these; gives the exit code."""
    copy_tree()
    known = backends((TREE / "tests/equivalence/backend.rs").read_text())
    failures = 0
    binary = build()
    for backend in known:
        code, printed = run(binary, backend, 10)
        if code != 0:
            raise Broken(f"without any mutant the suite fails with {backend}: {how(printed)}")
    for mutant in mutants:
        before = apply(mutant)
        binary = build()
        for backend in known:
            code, printed = run(binary, backend, rounds)
            if code == 101 and "FAILED" in printed:
                print(f"ok: mutant {mutant.name} dies with {backend}: {how(printed)}", flush=True)
            else:
                failures += 1
                print(f"FAILED: mutant {mutant.name} survives with {backend} (exit {code}), "
                      f"so nothing tests that {mutant.rule}", flush=True)
        for name, text in before.items():
            write(name, text)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        print(f"FAILED: mutants: {broken}")
        sys.exit(1)
