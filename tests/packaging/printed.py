"""What `dossierd service print` prints: systemd has nothing to say about it, wherever the binary and
the daemon's files are, and launchd's agent loads.

`systemd-analyze verify` looks for the program, so a path that systemd reads otherwise than it was
meant is told.
"""

import os
import pathlib
import plistlib
import re
import subprocess
import tempfile

from units import complaints

# Names that have to be quoted or doubled.
DIRECTORIES = ["plain", "a b", "50%h", "$HOME;#", "é漢"]
# Names that systemd takes for no program, so that print refuses them.
REFUSED = ['a"b', "a'b", "a\\b", "a\nb"]


def check(report, binary):
    for name in DIRECTORIES:
        with tempfile.TemporaryDirectory(prefix="dossierd-printed-") as scratch:
            check_directory(report, pathlib.Path(scratch), name, binary)
    for name in REFUSED:
        with tempfile.TemporaryDirectory(prefix="dossierd-printed-") as scratch:
            ran = started(pathlib.Path(scratch), name, binary)
            told = ran.returncode == 2 and "this binary" in ran.stderr and not ran.stdout
            report.check(
                f"service print: a binary in {name!r} is refused",
                [] if told else [f"exit {ran.returncode}, {ran.stdout!r}, {ran.stderr!r}"],
            )
    with tempfile.TemporaryDirectory(prefix="dossierd-printed-") as scratch:
        check_the_check(report, pathlib.Path(scratch), binary)


def check_directory(report, scratch, name, binary):
    units = printed(scratch, name, binary, "--socket-activated")
    report.equal(
        f"service print: these units for a binary in {name!r}",
        sorted(path.name for path in units),
        ["dossierd-http.socket", "dossierd.service", "dossierd.socket"],
    )
    report.check(
        f"service print: verify is silent for a binary in {name!r}",
        complaints(scratch, "user", units),
    )
    agent = plistlib.loads(run(scratch, name, binary, "--manager", "launchd").encode())
    report.equal(
        f"service print: the agent starts the binary in {name!r}",
        (agent["ProgramArguments"][:3], agent["EnvironmentVariables"]),
        ([str(scratch / name / "dossierd"), "run", "--log-file"], {"DOSSIERD_HOME": str(scratch / name / "home")}),
    )


def check_the_check(report, scratch, binary):
    """A program that is not where the unit says is told."""
    units = printed(scratch, "plain", binary)
    (scratch / "plain" / "dossierd").unlink()
    told = complaints(scratch, "user", units)
    report.check(
        "service print: verify tells a program that is not there",
        [] if any("not executable" in text for text in told) else [f"it said {told}"],
    )
    hardened = printed(scratch, "again", binary, "--hardened")
    names = sorted(str(path.relative_to(scratch / "units")) for path in hardened)
    report.equal(
        "service print: --hardened adds its drop-in",
        names,
        ["dossierd.service", "dossierd.service.d/hardening.conf"],
    )
    services = [path for path in hardened if path.suffix == ".service"]
    report.check(
        "service print: verify is silent with it", complaints(scratch, "user", services)
    )


def printed(scratch, name, binary, *arguments):
    """The units as files below `scratch`/units, split where print names each."""
    text = run(scratch, name, binary, *arguments)
    base = scratch / "config" / "systemd" / "user"
    parts = re.split(rf"(?m)^# {re.escape(str(base))}/(\S+)\n", text)[1:]
    units = []
    for unit, body in zip(parts[::2], parts[1::2]):
        path = scratch / "units" / unit
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)
        units.append(path)
    return units


def run(scratch, name, binary, *arguments):
    """What `service print` prints for a binary that PATH has in the directory `name`."""
    ran = started(scratch, name, binary, *arguments)
    if ran.returncode:
        raise RuntimeError(f"service print in {name!r}: {ran.stderr}")
    return ran.stdout


def started(scratch, name, binary, *arguments):
    directory = scratch / name
    if not directory.exists():
        directory.mkdir()
        (directory / "dossierd").symlink_to(binary)
    environment = {
        "PATH": str(directory),
        "HOME": str(scratch),
        "XDG_CONFIG_HOME": str(scratch / "config"),
        "DOSSIERD_HOME": str(directory / "home"),
    }
    command = [directory / "dossierd", "service", "print", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, cwd=os.sep
    )
