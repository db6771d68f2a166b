"""What the Debian and the RPM package would install, by the lists in Cargo.toml: these paths with
these modes, from sources that exist.

The packages themselves are made by packages.py.
"""

import pathlib
import re
import tomllib

from expected_units import EXPECTED as UNITS

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = "target/packaging/tree/"
# The settings of both tools that make a package run something.
SCRIPTS = re.compile(r"[-_]scripts?$|^systemd-units$|^triggers-file$")

EXAMPLES = "usr/share/doc/dossierd/examples"
# Drop-ins below /usr/lib would be in force, so packages have them as examples.
UNIT_PATHS = {
    f"{EXAMPLES}/{pathlib.PurePath(name).name}" if ".d/" in name else f"usr/lib/systemd/{name}"
    for name in UNITS
}
BOTH = UNIT_PATHS | {
    "usr/bin/dossierd",
    "usr/share/bash-completion/completions/dossierd",
    "usr/share/doc/dossierd/README.md",
    "usr/share/doc/dossierd/SECURITY.md",
    "usr/share/fish/vendor_completions.d/dossierd.fish",
    "usr/share/man/man1/dossierd.1",
}
DEB = BOTH | {
    "usr/share/doc/dossierd/copyright",
    "usr/share/lintian/overrides/dossierd",
    "usr/share/zsh/vendor-completions/_dossierd",
}
RPM = BOTH | {
    "usr/share/licenses/dossierd/LICENSE",
    "usr/share/licenses/dossierd/LICENSE-APACHE",
    "usr/share/licenses/dossierd/LICENSE-MIT",
    "usr/share/zsh/site-functions/_dossierd",
}


def check(report, tree):
    """`tree` is what packaging/reproducible has made."""
    metadata = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]
    deb, rpm = metadata["deb"], metadata["generate-rpm"]
    rows = [(asset["source"], asset["dest"], asset["mode"]) for asset in rpm["assets"]]
    check_package(report, "deb", deb, [tuple(row) for row in deb["assets"]], DEB, tree)
    check_package(report, "rpm", rpm, rows, RPM, tree)


def check_package(report, name, metadata, rows, expected, tree):
    installed, unmatched = {}, []
    for source, destination, mode in rows:
        files = found(source, tree)
        if not files:
            unmatched.append(source)
        for file in files:
            path = destination + file if destination.endswith("/") else destination
            installed[path.removeprefix("/")] = mode
    report.check(f"{name}: every source exists", unmatched)
    # One page for each command; the archive's check counts them.
    page = "usr/share/man/man1/dossierd-"
    report.equal(
        f"{name}: it installs these files beside pages of commands",
        sorted(path for path in installed if not path.startswith(page)),
        sorted(expected),
    )
    wrong = [
        f"{path}: {mode}"
        for path, mode in installed.items()
        if mode != ("755" if path == "usr/bin/dossierd" else "644")
    ]
    report.check(f"{name}: no mode but 644, and 755 for the program", wrong)
    scripts = [key for key in metadata if SCRIPTS.search(key)]
    report.check(f"{name}: nothing runs when it is installed", scripts)


def found(source, tree):
    """The names of the files that a source stands for."""
    base = ROOT
    if source.startswith(TREE):
        base, source = tree, source.removeprefix(TREE)
    return [path.name for path in base.glob(source) if path.is_file()]
