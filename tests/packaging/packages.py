"""The Debian and the RPM package, made from a release build: what is in them, what lintian says, and
that the first can be installed into a bare Debian, run, and purged without a trace.

Installs Debian's tools if they are missing and this is root. cargo-deb and cargo-generate-rpm are
compiled once, unoptimised, into `--tools`; what each step took is said.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

import installed
from assets import DEB, RPM
from check import install
from report import Report

ROOT = HERE.parents[1]
SCRIPT = ROOT / "packaging" / "packages"
MADE = ROOT / "target" / "packaging"
# Nobody in particular: the packages of this check go nowhere.
MAINTAINER = "dossierd developers <dossierd@localhost.invalid>"
# What is shipped, stripped.
LARGEST = 12_000_000
PAGE = re.compile(r"usr/share/man/man1/dossierd-[a-z-]+\.1(\.gz)?")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "target" / "ci" / "tools")
    options = parser.parse_args()
    report = Report()
    if not step("tools", prepare, report, options.tools):
        report.end()
    os.environ["PATH"] = f"{options.tools / 'bin'}:{os.environ['PATH']}"
    shutil.rmtree(MADE, ignore_errors=True)
    if step("packages", make, report, options.binary.resolve()):
        deb, rpm = found(report, "deb"), found(report, "rpm")
        if deb and rpm:
            check_size(report)
            check_deb(report, deb)
            step("lintian", check_lintian, report, deb)
            check_rpm(report, rpm)
            step("a bare Debian", installed.check, report, deb)
    report.end()


def step(name, function, *arguments):
    began = time.monotonic()
    result = function(*arguments)
    print(f"-- packages: {name}: {time.monotonic() - began:.0f} s", flush=True)
    return result


def prepare(report, tools):
    """All that is needed; whether it is there."""
    missing = []
    for command, package in [
        ("lintian", "lintian"),
        ("rpm", "rpm"),
        ("cpio", "cpio"),
        ("mmdebstrap", "mmdebstrap"),
        ("systemd-analyze", "systemd"),
        ("man", "man-db"),
    ]:
        missing += install(command, package)
    asked = subprocess.run([SCRIPT, "--tools"], capture_output=True, text=True, check=True)
    for line in asked.stdout.splitlines():
        missing += compiled(tools, *line.split())
    return report.check("packages: the tools are there", missing)


def compiled(tools, name, version):
    """A tool of cargo's in this version; what went wrong, if anything."""
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(tools / "target"),
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_DEBUG": "0",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "256",
    }
    command = ["cargo", "install", "--quiet", "--locked", "--root", tools, name]
    try:
        # It does nothing if this version is there.
        subprocess.run(
            [*command, "--version", version], check=True, capture_output=True, env=environment
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or b""
        return [f"{name} {version}: {error}: {said.decode(errors='replace')[-600:]}"]
    shutil.rmtree(tools / "target", ignore_errors=True)
    return []


def make(report, binary):
    command = [SCRIPT, binary, "--maintainer", MAINTAINER]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600)
    problems = [] if ran.returncode == 0 else [f"exit {ran.returncode}: {ran.stderr[-800:]}"]
    for wrong in ["nobody", "A B <>", "A <a@b>\nX: y"]:
        refused = subprocess.run(
            [SCRIPT, binary, "--maintainer", wrong], capture_output=True, text=True, timeout=60
        )
        if refused.returncode == 0 or "NAME <ADDRESS>" not in refused.stderr:
            problems.append(f"a maintainer {wrong!r} was taken")
    return report.check("packages: both are made", problems)


def found(report, kind):
    files = sorted((MADE / kind).glob(f"*.{kind}"))
    report.check(f"{kind}: there is one", [] if len(files) == 1 else [f"{files}"])
    return files[0] if len(files) == 1 else None


def check_size(report):
    size = (MADE / "tree" / "dossierd").stat().st_size
    report.check(
        f"the program has {size:,} bytes, less than {LARGEST:,}",
        [] if size < LARGEST else [f"{size - LARGEST:,} too many"],
    )


def said(*command):
    return subprocess.run(
        [*map(str, command)], check=True, capture_output=True, text=True, timeout=120
    ).stdout


def check_deb(report, deb):
    files, wrong = set(), []
    for line in said("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -tv --numeric-owner', "sh", deb).splitlines():
        mode, owner, _, _, _, path = line.split(None, 5)
        path = path.removeprefix("./").rstrip("/")
        expected = "-rwxr-xr-x" if path == "usr/bin/dossierd" else "-rw-r--r--"
        if mode != ("drwxr-xr-x" if mode.startswith("d") else expected) or owner != "0/0":
            wrong.append(line)
        if not mode.startswith("d"):
            files.add(path)
    report.check("deb: root's files, 0644, 0755 for the program and directories", wrong)
    expected = {packed(path) for path in DEB} | {"usr/share/doc/dossierd/changelog.Debian.gz"}
    check_list(report, "deb", files, expected)
    control = said("sh", "-c", 'dpkg-deb --ctrl-tarfile "$1" | tar -t', "sh", deb).split()
    scripts = {name.removeprefix("./") for name in control} & {
        "preinst", "postinst", "prerm", "postrm", "config", "triggers",
    }
    report.check("deb: nothing runs when it is installed", sorted(scripts))
    depends = said("dpkg-deb", "--field", deb, "Depends")
    report.check("deb: it needs libc6 alone", [] if re.fullmatch(r"libc6 \(>= [\d.]+\)\n", depends) else [depends])


def packed(path):
    return f"{path}.gz" if path.startswith("usr/share/man/") else path


def check_list(report, kind, files, expected):
    pages = {path for path in files if PAGE.fullmatch(path)}
    problems = [f"{path} is missing" for path in sorted(expected - files)]
    problems += [f"{path} is too much" for path in sorted(files - pages - expected)]
    problems += [] if len(pages) > 20 else [f"only {len(pages)} pages of commands"]
    report.check(f"{kind}: these files and pages of commands", problems)


def check_lintian(report, deb):
    ran = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", deb],
        capture_output=True, text=True, timeout=300,
    )
    lines = [line for line in ran.stdout.splitlines() if line.strip()]
    report.check("deb: lintian has nothing to say", lines + ([ran.stderr] if ran.returncode else []))


def check_rpm(report, rpm):
    query = ["rpm", "--dbpath", os.environ["TMPDIR"], "--query", "--package", rpm]
    rows = said(*query, "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]")
    files, wrong = set(), []
    for line in rows.splitlines():
        mode, owner, path = line.split(None, 2)
        expected = "-rwxr-xr-x" if path == "/usr/bin/dossierd" else "-rw-r--r--"
        if not mode.startswith("d"):
            files.add(path.removeprefix("/"))
            wrong += [line] if (mode, owner) != (expected, "root") else []
    report.check("rpm: root's files, 0644, and 0755 for the program", wrong)
    check_list(report, "rpm", files, set(RPM))
    report.check("rpm: nothing runs when it is installed", said(*query, "--scripts").split())
    listed = said("sh", "-c", 'rpm2cpio "$1" | cpio -t --quiet', "sh", rpm).split()
    unpacked = {path.removeprefix("./").removeprefix("/") for path in listed}
    report.check("rpm: it can be unpacked", sorted(files - unpacked))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dossierd-packages-") as scratch:
        os.environ["TMPDIR"] = scratch
        main()
