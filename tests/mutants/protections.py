#!/usr/bin/env python3
"""Takes the protections out, one at a time, and expects the tests that are named to fail;
then lets parts of the daemon panic, and expects it to end, to say why, and to come back.

As in run.py the source is changed in a copy of the tree, never in the tree itself. Here all
changes are made at once, and each waits for its name in an environment variable that only
the copy knows, so that one build is enough for all of them.

Prints one line for each, `ok: …` or `FAILED: …`.

    tests/mutants/protections.py [--only NAME] [--keep]
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import run as tree
from run import Broken, Edit

tree.TREE = tree.TARGET / "protections"
NEEDED = tree.NEEDED + ["tests/server", "tests/api", "fuzz/Cargo.toml", "fuzz/checks", "fuzz/corpus", "fuzz/fixtures",
                        "fuzz/regressions"]

# What the copy gets besides: is this the protection that is out, this the fault that is due?
SWITCH = """
/// Is this mutant the one?
pub fn is_out(name: &str) -> bool {
    std::env::var("DOSSIERD_OUT").is_ok_and(|out| out == name)
}

/// Panics where this fault is due: when its file is there, once.
pub fn fault(name: &str) {
    let Ok(dir) = std::env::var("DOSSIERD_FAULTS") else { return };
    if std::fs::remove_file(std::path::Path::new(&dir).join(name)).is_ok() {
        panic!("{name} was broken on purpose");
    }
}
"""


@dataclass
class Out:
    """A protection: where it is taken out, and the tests that have to notice."""

    name: str
    edit: Edit
    tests: list
    suite: str = "server"
    root_only: bool = False


def guard(old, new):
    """A change of the guards."""
    return Edit("src/server/guard.rs", old, new)


OUT = [
    Out(
        "host",
        guard("    if allowed { Ok(()) }", '    if allowed || crate::is_out("host") { Ok(()) }'),
        ["hosts::only_our_names_are_answered_on_every_path"],
    ),
    Out(
        "one-host",
        guard(
            "        Single::Many => return Err(refusal::host_malformed(",
            '        Single::Many if crate::is_out("one-host") => return Ok(()),\n'
            "        Single::Many => return Err(refusal::host_malformed(",
        ),
        ["hosts::exactly_one_host_that_the_target_agrees_with"],
    ),
    Out(
        "origin",
        guard(
            "    match origin.split_at_checked(",
            '    if crate::is_out("origin") {\n        return Ok(());\n    }\n'
            "    match origin.split_at_checked(",
        ),
        ["pages::every_method_with_every_origin_and_site"],
    ),
    Out(
        "sec-fetch-site",
        guard("    if foreign { Err", '    if foreign && !crate::is_out("sec-fetch-site") { Err'),
        [
            "pages::every_method_with_every_origin_and_site",
            "pages::the_page_may_be_opened_from_anywhere_but_not_embedded",
        ],
    ),
    Out(
        "browser-at-the-socket",
        guard(
            "        Transport::Unix if is_from_browser(&parts.headers) =>",
            "        Transport::Unix\n"
            '            if is_from_browser(&parts.headers) && !crate::is_out("browser-at-the-socket") =>',
        ),
        ["pages::no_browser_gets_through_the_unix_socket"],
    ),
    Out(
        "token-asked",
        guard(
            "    if public { Ok(Peer::Anonymous) }",
            '    if public || crate::is_out("token-asked") { Ok(Peer::Anonymous) }',
        ),
        ["tokens::token_forms"],
    ),
    Out(
        "json-writes",
        guard(
            "    if is_served && is_write && !is_json(&parts.headers) {",
            '    if is_served && is_write && !is_json(&parts.headers) && !crate::is_out("json-writes") {',
        ),
        ["pages::writes_must_be_json"],
    ),
    Out(
        "no-compressed-requests",
        guard(
            "    if parts.headers.contains_key(header::CONTENT_ENCODING) {",
            "    if parts.headers.contains_key(header::CONTENT_ENCODING)\n"
            '        && !crate::is_out("no-compressed-requests") {',
        ),
        ["requests::compressed_requests_are_refused"],
    ),
    Out(
        "plain-paths",
        Edit(
            "src/server/target.rs",
            "    if rest.is_empty() {\n",
            '    if rest.is_empty() || crate::is_out("plain-paths") {\n',
        ),
        ["requests::paths_that_could_climb_never_reach_the_service"],
    ),
    Out(
        "peer-uid",
        Edit(
            "src/server/unix_acceptor.rs",
            "peer.uid() == self.own_uid || peer.uid() == 0)",
            'peer.uid() == self.own_uid || peer.uid() == 0 || crate::is_out("peer-uid"))',
        ),
        ["peers::the_uid_keeps_others_out_even_through_open_modes"],
        root_only=True,
    ),
    Out(
        "one-length",
        Edit(
            "src/server/exchange.rs",
            "        if facts.ambiguous_length.load(Ordering::Relaxed)\n",
            '        if !crate::is_out("one-length")\n'
            "            && facts.ambiguous_length.load(Ordering::Relaxed)\n",
        ),
        ["requests::two_lengths_are_refused_and_nothing_is_smuggled"],
    ),
    Out(
        "body-limit",
        Edit(
            "src/server/exchange.rs",
            "        let Limits { body_bytes: most, body_time, .. } = self.rules.load().limits;\n",
            "        let Limits { body_bytes: most, body_time, .. } = self.rules.load().limits;\n"
            '        let most = if crate::is_out("body-limit") { usize::MAX } else { most };\n',
        ),
        ["requests::bodies_up_to_the_limit", "requests::chunked_bodies_count_as_well"],
    ),
    Out(
        "caught-panics",
        Edit(
            "src/server/exchange.rs",
            "            Err(panic) => Poll::Ready(Err(panic)),\n",
            '            Err(panic) if crate::is_out("caught-panics") => std::panic::resume_unwind(panic),\n'
            "            Err(panic) => Poll::Ready(Err(panic)),\n",
        ),
        ["answers::a_panic_is_a_500_with_an_id_and_the_server_lives"],
    ),
    Out(
        "connection-limit",
        Edit(
            "src/server/exchange.rs",
            "            connections: Gate::new(connections),\n",
            '            connections: Gate::new(if crate::is_out("connection-limit") { 10_000 } else { connections }),\n',
        ),
        ["flood::a_request_that_is_turned_away_gets_its_503"],
    ),
    Out(
        "response-headers",
        Edit(
            "src/server/headers.rs",
            '    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");\n',
            '    if !crate::is_out("response-headers") {\n'
            '        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");\n    }\n',
        ),
        ["answers::every_answer_carries_the_headers"],
    ),
    Out(
        "socket-directory",
        Edit(
            "src/server/unix_socket.rs",
            "    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {\n",
            '    if crate::is_out("socket-directory") {\n        return Ok(());\n    }\n'
            "    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {\n",
        ),
        ["socket::the_directory_must_be_ours_alone"],
    ),
    Out(
        "beneath",
        Edit(
            "src/index/beneath.rs",
            "        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;\n",
            '        let mut resolve = match crate::is_out("beneath") {\n'
            "            true => ResolveFlags::empty(),\n"
            "            false => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,\n"
            "        };\n",
        ),
        [
            "index::tests::hostile::every_kind_of_link",
            "index::tests::hostile::a_file_swapped_with_a_link_to_the_outside_never_leaks",
        ],
        suite="lib",
    ),
    Out(
        "regular-files",
        Edit(
            "src/index/beneath.rs",
            "        FileKind::Regular => Ok(OpenedFile {",
            '        kind if kind == FileKind::Regular || crate::is_out("regular-files") => Ok(OpenedFile {',
        ),
        ["index::tests::hostile::special_files_are_rows_and_are_never_opened"],
        suite="lib",
    ),
    Out(
        "bounded-text",
        Edit(
            "src/index/beneath.rs",
            "        (&opened.file).take(limit.saturating_add(1))",
            '        let most = if crate::is_out("bounded-text") { 1 << 28 } else { limit.saturating_add(1) };\n'
            "        (&opened.file).take(most)",
        ),
        ["index::tests::hostile::of_a_file_far_too_large_only_the_beginning_is_read"],
        suite="lib",
    ),
    Out(
        "token-compare",
        Edit(
            "src/api/token.rs",
            "        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()\n",
            '        let near = crate::is_out("token-compare") && candidate.starts_with(PREFIX);\n'
            "        near || bool::from(self.0.as_bytes().ct_eq(candidate.as_bytes()))\n",
        ),
        ["api::token::tests::only_the_whole_token_matches"],
        suite="lib",
    ),
    Out(
        "code-once",
        Edit(
            "src/api/session.rs",
            "        held.codes.retain(|known| !bool::from(known.text.as_bytes().ct_eq(code.as_bytes())));\n"
            "        if held.codes.len() == before {\n",
            "        let known = held.codes.iter().any(|known| known.text == code);\n"
            '        if !crate::is_out("code-once") {\n'
            "            held.codes.retain(|known| known.text != code);\n"
            "        }\n"
            "        if !known || held.codes.len() > before {\n",
        ),
        ["api::session::tests::a_code_works_once"],
        suite="lib",
    ),
    Out(
        "loopback",
        Edit(
            "src/server/listen.rs",
            "    if !address.ip().is_loopback() {\n",
            '    if !address.ip().is_loopback() && !crate::is_out("loopback") {\n',
        ),
        ["server::listen::tests::only_loopback"],
        suite="lib",
    ),
    Out(
        "escaped-output",
        Edit(
            "src/cli/render/escape.rs",
            "    if !text.chars().any(bad) {\n",
            '    if !text.chars().any(bad) || crate::is_out("escaped-output") {\n',
        ),
        ["cli::render::escape::tests::what_could_act_on_a_terminal_is_escaped"],
        suite="lib",
    ),
    Out(
        "json-depth",
        Edit(
            "src/api/json_body.rs",
            "        if depth(bytes) > MAX_DEPTH {\n",
            '        if depth(bytes) > MAX_DEPTH && !crate::is_out("json-depth") {\n',
        ),
        ["api::json_body::tests::bodies"],
        suite="lib",
    ),
]

FAULTS = {
    "request": Edit(
        "src/api/resource/health.rs",
        "    let ready = api.handle.view().health.ready;\n    Ok(if ready {",
        '    crate::fault("request");\n'
        "    let ready = api.handle.view().health.ready;\n    Ok(if ready {",
    ),
    "worker": Edit(
        "src/daemon/job.rs",
        "        let Self { whereabouts, work, order, cancelled } = self;\n",
        '        crate::fault("worker");\n        let Self { whereabouts, work, order, cancelled } = self;\n',
    ),
    "loop": Edit(
        "src/daemon/engine/marks.rs",
        "        let batch = self.parts.dirty.take();\n",
        '        crate::fault("loop");\n        let batch = self.parts.dirty.take();\n',
    ),
    "watcher": Edit(
        "src/watch/inotify_backend/reader.rs",
        "        let owner = self.shared.watches().owner(wd);\n",
        '        crate::fault("watcher");\n        let owner = self.shared.watches().owner(wd);\n',
    ),
    "journal": Edit(
        "src/daemon/journal/mod.rs",
        "    fn take(&mut self, order: Order) -> bool {\n",
        '    fn take(&mut self, order: Order) -> bool {\n        crate::fault("journal");\n',
    ),
}


def make_copy():
    """The copy with all changes in it, and with a program of another name."""
    program = (tree.ROOT / "src/main.rs").read_text()
    tree.copy_tree(NEEDED)
    for name, edit in [(out.name, out.edit) for out in OUT] + list(FAULTS.items()):
        tree.apply(tree.Mutant(name, name, [edit]))
    library = tree.TREE / "src/lib.rs"
    library.write_text(library.read_text() + SWITCH)
    broken = tree.TREE / "src/bin/dossierd-broken.rs"
    broken.parent.mkdir()
    broken.write_text(program)


def build():
    """Builds everything; gives the test binaries by suite, and the program."""
    command = ["cargo", "test", "--locked", "--no-run", "--message-format=json", "--lib",
               "--test", "server", "--bin", "dossierd-broken"]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(tree.TARGET), CARGO_TERM_COLOR="never")
    built = subprocess.run(command, cwd=tree.TREE, env=environment, capture_output=True, text=True)
    found = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable"):
            kind = message["target"]["kind"][0]
            is_test = message["profile"]["test"]
            name = {"lib": "lib", "rlib": "lib", "test": "server"}.get(kind) if is_test else kind
            found[name] = Path(message["executable"])
    if built.returncode != 0 or not {"lib", "server", "bin"} <= set(found):
        raise Broken(f"the copy does not build: {sorted(map(str, found))}\n{built.stderr[-4000:]}")
    return found


def red(binary, tests, out):
    """Runs these tests with one protection out; gives those that failed, and what was said."""
    environment = dict(os.environ, DOSSIERD_OUT=out, RUST_BACKTRACE="0")
    command = [str(binary), "--exact", *tests]
    try:
        ran = subprocess.run(command, cwd=tree.TREE, env=environment, capture_output=True, text=True,
                             timeout=120)
    except subprocess.TimeoutExpired:
        raise Broken(f"with {out or 'nothing'} out these do not end: {tests}") from None
    printed = ran.stdout + ran.stderr
    counted = sum(int(n) for n in re.findall(r"(\d+) (?:passed|failed);", printed))
    if counted != len(tests):
        raise Broken(f"these are not {len(tests)} tests: {tests}\n{printed[-2000:]}")
    return set(re.findall(r"^test (\S+) \.\.\. FAILED", printed, re.MULTILINE)), printed


def take_out(outs, binaries):
    """All protections, one at a time; gives the number of those that nothing misses."""
    def one(out):
        failed, printed = red(binaries[out.suite], out.tests, out.name)
        missing = sorted(set(out.tests) - failed)
        if missing:
            return False, f"FAILED: without {out.name} these still pass: {', '.join(missing)}"
        return True, f"ok: without {out.name} these fail: {', '.join(out.tests)}"

    for suite in sorted({out.suite for out in outs}):
        tests = sorted({test for out in outs if out.suite == suite for test in out.tests})
        failed, printed = red(binaries[suite], tests, "")
        if failed:
            raise Broken(f"with every protection in place these fail: {failed}\n{printed[-2000:]}")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(one, outs))
    for _, line in results:
        print(line, flush=True)
    return sum(not fine for fine, _ in results)


class Daemon:
    """The program with the faults in it, in a place of its own."""

    def __init__(self, program, place):
        self.program, self.place = program, Path(place)
        self.faults = self.place / "faults"
        self.feature = self.place / "project/kitty-specs/one"
        self.environment = dict(os.environ, DOSSIERD_HOME=str(self.place / "home"),
                                DOSSIERD_FAULTS=str(self.faults), RUST_BACKTRACE="0")

    def prepare(self):
        """A project with one feature."""
        for directory in [self.faults, self.feature, self.place / "project/.kittify"]:
            directory.mkdir(parents=True)
        (self.feature / "spec.md").write_text("# Spec\n")

    def start(self):
        """Starts it, and waits until it is ready."""
        self.stderr = (self.place / "stderr").open("w+")
        self.process = subprocess.Popen(
            [self.program, "run", "--json", "--listen", "127.0.0.1:0"], text=True,
            env=self.environment, stdout=subprocess.PIPE, stderr=self.stderr)
        line = self.process.stdout.readline()
        if '"ready":true' not in line:
            raise Broken(f"it does not start: {self.said()}")
        self.http = json.loads(line)["http"]

    def said(self):
        """What it has said on stderr."""
        return (self.place / "stderr").read_text()

    def command(self, *arguments):
        """Runs a command; gives its exit code and what it printed."""
        ran = subprocess.run([self.program, *arguments], env=self.environment, cwd=self.place,
                             capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    def break_by(self, name):
        """Makes a fault due, and gives it a reason to come: a change of the feature."""
        (self.faults / name).touch()
        (self.feature / "plan.md").write_text(f"# {time.monotonic()}\n")

    def stop(self):
        """Ends it, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def ends(daemon, name):
    """A fault that has to end it: gives what is wrong, if anything is."""
    daemon.break_by(name)
    try:
        code = daemon.process.wait(20)
    except subprocess.TimeoutExpired:
        return f"it goes on: {daemon.said()}"
    said = daemon.said()
    if code != 2 or "the daemon has failed" not in said or "panicked" not in said:
        return f"it ended with {code} and said: {said}"
    daemon.start()
    (daemon.feature / "after.md").write_text("# After\n")
    code, printed = daemon.command("artifacts", "one", "--json")
    if code != 0 or "after.md" not in printed or "plan.md" not in printed:
        return f"it did not come back whole: {printed}"
    code, printed = daemon.command("verify", "project")
    return None if code == 0 else f"its log does not verify: {printed}"


def answers(daemon):
    """A fault in a request: a 500 with an id, and everything else goes on."""
    (daemon.faults / "request").touch()
    try:
        with urllib.request.urlopen(daemon.http + "/readyz", timeout=20) as answer:
            return f"the answer is {answer.status}"
    except urllib.error.HTTPError as answer:
        status, problem = answer.code, json.load(answer)
    if status != 500 or len(problem.get("id", "")) != 26:
        return f"the answer is {status}, {problem}"
    if problem["id"] not in daemon.said():
        return f"the id is not in the log: {daemon.said()}"
    code, printed = daemon.command("list")
    return None if code == 0 else printed


def break_parts(program):
    """All faults; gives the number of those that were not dealt with."""
    failures = 0
    for name in FAULTS:
        with tempfile.TemporaryDirectory() as place:
            daemon = Daemon(program, place)
            daemon.prepare()
            daemon.start()
            try:
                daemon.command("add", "project")
                wrong = answers(daemon) if name == "request" else ends(daemon, name)
            finally:
                daemon.stop()
        failures += wrong is not None
        deed = "is answered with an id" if name == "request" else "ends the daemon, which comes back whole"
        print(f"ok: a panic in the {name} {deed}" if wrong is None
              else f"FAILED: a panic in the {name}: {wrong}", flush=True)
    return failures


def main():
    """Takes out all protections, and breaks all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="the name of one protection")
    parser.add_argument("--keep", action="store_true", help="leave the copy")
    chosen = parser.parse_args()
    outs = [out for out in OUT if chosen.only in (None, out.name)]
    if not outs:
        parser.error(f"no protection is called {chosen.only}")
    is_root = os.geteuid() == 0
    for out in outs:
        if out.root_only and not is_root:
            print(f"SKIP {out.name}: only root can be another user")
    try:
        make_copy()
        binaries = build()
        failures = take_out([out for out in outs if is_root or not out.root_only], binaries)
        if chosen.only is None:
            failures += break_parts(binaries["bin"])
    finally:
        # Cargo takes what was built from the copy for what was built from the tree itself,
        # unless the copy is gone.
        if not chosen.keep:
            shutil.rmtree(tree.TREE, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        print(f"FAILED: protections: {broken}")
        sys.exit(1)
