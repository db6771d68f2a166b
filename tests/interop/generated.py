"""Requests that schemathesis makes from `/api/openapi.json`, over TCP with the token.

Everything that it checks is checked: no server error, status, type, headers and body as
described, malformed requests refused, well-formed ones accepted, no answer without the token.
One feature is registered, since a request may leave it out only then.

Runs with `--schemathesis`, the command of the package in `generated.txt`.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

import subject
from instance import Instance
from report import Report

# What a description cannot say: an id, a name or a cursor that is well-formed and of nothing
# here is a 400 of its parameter, and bytes that are no code are refused as a wrong one is.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "413", "422"]
"""
# A stream does not end, so that nobody could wait for it; followers have tests of their own.
ENDLESS = "follow"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--schemathesis", type=pathlib.Path, required=True)
    parser.add_argument("--examples", type=int, default=60, help="cases per operation")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dossierd-generated-") as scratch:
        scratch = pathlib.Path(scratch)
        project = subject.copy(subject.SAMPLE, scratch / "project")
        with Instance(options.binary.resolve(), scratch / "home") as instance:
            instance.start()
            instance.run("add", next(iter(subject.features(project).values())))
            check(report, options, instance, scratch)
            report.equal("generated requests: the daemon ends well", instance.stop(), 0)
    report.end()


def check(report, options, instance, scratch):
    settings = scratch / "schemathesis.toml"
    settings.write_text(SETTINGS)
    token = instance.run("token").strip()
    description = instance.get("/api/openapi.json")
    for item in description["paths"].values():
        for operation in item.values():
            known = operation.get("parameters", [])
            operation["parameters"] = [p for p in known if p.get("name") != ENDLESS]
    described = scratch / "openapi.json"
    described.write_text(json.dumps(description))
    ran = subprocess.run(
        [
            options.schemathesis.resolve(),
            f"--config-file={settings}",
            "run",
            described,
            f"--url={instance.http.rstrip('/')}",
            f"--header=Authorization: Bearer {token}",
            f"--max-examples={options.examples}",
            "--phases=examples,coverage,fuzzing",
            "--request-timeout=20",
            "--warnings=off",
            "--continue-on-failure",
        ],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=240,
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout + ran.stderr)
    cases = re.search(r"([\d,]+) generated", text)
    what = f"generated requests: {cases.group(1) if cases else 'no'} cases are answered as described"
    failures = text[text.find("= FAILURES") :] if "= FAILURES" in text else text
    report.check(what, "" if ran.returncode == 0 and cases else failures[-6000:])


if __name__ == "__main__":
    main()
