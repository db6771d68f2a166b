"""The README's first command, run as it stands there, as a new user would.

It has to say that it is ready, show the sample's features to the other commands, let one
drift as the README says, end when asked to, and leave the clone as it was.
"""

import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

import subject
from instance import wait_until
from report import Report

# From the command to the ready line, the build of a minute ago being there.
READY_WITHIN_S = 120
MARKED = r"<!-- {} -->\s*```sh\n([^\n]+)\n```"


def command(marker):
    """The one command in the README behind this marker."""
    found = re.findall(MARKED.format(marker), (subject.REPOSITORY / "README.md").read_text())
    if len(found) != 1:
        raise SystemExit(f"README.md: {len(found)} commands are marked <!-- {marker} -->, not one")
    return found[0]


def status(environment, binary, *arguments):
    """A command against the running daemon; its JSON, or None if it failed."""
    run = subprocess.run([binary, *arguments, "--json"], env=environment, capture_output=True, timeout=30)
    return (run.returncode, json.loads(run.stdout)) if run.stdout else (run.returncode, None)


def check_drift(report, binary, environment):
    """The README's edit, and back."""
    slug, edited = "003-counter-handbook", "docs/allergens.md"
    path = subject.SAMPLE / "kitty-specs" / slug / edited
    before = path.read_bytes()
    codes = [status(environment, binary, "drift", slug)[0]]
    try:
        path.write_bytes(before + b"Nuts: hazelnut spread only.\n")
        code, drift = status(environment, binary, "drift", slug)
        codes.append(code)
    finally:
        path.write_bytes(before)
    codes.append(status(environment, binary, "drift", slug)[0])
    report.equal("README: exit codes of drift before, after and without the edit", codes, [0, 1, 0])
    report.equal("README: the drift names", (drift or {}).get("changed"), [edited])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--print", metavar="MARKER", help="only print the command behind this marker")
    parser.add_argument("--binary", type=pathlib.Path, help="the dossierd that asks the one of the README")
    options = parser.parse_args()
    if options.print:
        print(command(options.print))
        return
    report = Report()
    before = clone_status()
    with tempfile.TemporaryDirectory(prefix="dossierd-readme-") as home:
        check(report, options.binary.resolve(), {**os.environ, "DOSSIERD_HOME": home})
    report.equal("README: the clone is as it was", clone_status(), before)
    report.end()


def clone_status():
    return subject.git(subject.REPOSITORY, "status", "--porcelain").splitlines()


def check(report, binary, environment):
    started = subprocess.Popen(
        ["bash", "-c", f"exec {command('main')}"],
        cwd=subject.REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(started.stderr.readline, "")), daemon=True)
    reader.start()
    try:
        ready = lambda: any("ready: http://" in line for line in list(lines)) or started.poll() is not None
        wait_until("the ready line", ready, READY_WITHIN_S)
        said = next((line.strip() for line in lines if "ready: http://" in line), "")
        report.check(f"README: main command: {said}", "" if said else "".join(lines)[-1000:])
        _, listed = status(environment, binary, "list")
        slugs = [feature["slug"] for feature in (listed or {}).get("features", [])]
        report.equal("README: the sample's features", slugs, sorted(subject.features(subject.SAMPLE)))
        states = [status(environment, binary, "status", slug)[1] for slug in slugs]
        incomplete = [s["feature_slug"] for s in states if s["completeness_status"] == "incomplete"]
        report.check(f"README: incomplete: {incomplete}", "" if incomplete else "none is")
        check_drift(report, binary, environment)
        missions = sorted({s["mission_type"] for s in states})
        report.equal("README: mission types", missions, ["documentation", "research", "software-dev"])
    except TimeoutError as error:
        report.check("README: main command", f"{error}: {''.join(lines)[-1000:]}")
    finally:
        started.send_signal(signal.SIGINT)
        try:
            code = started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            code = started.wait()
    report.equal("README: ends on Ctrl-C", code, 0)


if __name__ == "__main__":
    main()
