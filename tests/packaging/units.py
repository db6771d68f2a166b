"""The systemd units: what they say, that systemd has nothing to say about them, and how much of the
system they leave open.

Each variant is checked as it is installed: templates under the name of an instance, drop-ins only
where they are meant to be, and with a program that exists, since `verify` looks for it.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from expected_units import EXPECTED

UNITS = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "systemd"
PROGRAM = "/usr/bin/dossierd"

# Name, manager, files of that folder, and the highest exposure allowed, in tenths.
VARIANTS = [
    (
        "system template",
        "system",
        ["dossierd@.service"],
        12,
    ),
    (
        "system template with sockets",
        "system",
        [
            "dossierd@.service",
            "dossierd@.service.d/socket-activated.conf",
            "dossierd@.socket",
            "dossierd-http@.socket",
        ],
        5,
    ),
    (
        "user unit",
        "user",
        ["dossierd.service", "dossierd.socket", "dossierd-http.socket"],
        65,
    ),
    (
        "user unit with hardening.conf",
        "user",
        ["dossierd.service", "dossierd.service.d/hardening.conf", "dossierd.socket"],
        20,
    ),
]


def check(report):
    found = sorted(str(p.relative_to(UNITS)) for p in UNITS.rglob("*") if p.is_file())
    report.equal("systemd: there are these files and no others", found, sorted(EXPECTED))
    for name, expected in EXPECTED.items():
        report.check(f"systemd: {name} says what it has to", differences(UNITS / name, expected))
    for variant in VARIANTS:
        with tempfile.TemporaryDirectory(prefix="dossierd-units-") as scratch:
            check_variant(report, pathlib.Path(scratch), *variant)
    check_the_checks(report)


def differences(path, expected):
    found = settings(path)
    return [
        f"{key}: {found.get(key)} instead of {expected.get(key)}"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]


def settings(path):
    """`Section.Key` to its values, in order."""
    found, section = {}, None
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
        else:
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def check_variant(report, scratch, name, manager, files, threshold):
    units = install(scratch, manager, files)
    report.check(f"systemd: verify is silent on the {name}", complaints(scratch, manager, units))
    service = next(unit for unit in units if unit.suffix == ".service")
    ran = analyze(
        scratch, manager, "security", "--offline=true", f"--threshold={threshold}", service
    )
    level = re.search(r"Overall exposure level for \S+: (\S+)", ran.stdout)
    problems = [] if ran.returncode == 0 else [f"exit {ran.returncode}"]
    problems += [ran.stderr.strip()] if ran.stderr.strip() else []
    problems += [] if level else ["systemd-analyze named no level"]
    shown = level.group(1) if level else "unknown"
    report.check(f"systemd: exposure of the {name} is {shown}, at most {threshold / 10}", problems)


def check_the_checks(report):
    """`verify` exits with 0 for a misspelt setting, and a threshold could be ignored."""
    with tempfile.TemporaryDirectory(prefix="dossierd-units-") as scratch:
        scratch = pathlib.Path(scratch)
        units = install(scratch, "user", ["dossierd.service"])
        text = units[0].read_text()
        units[0].write_text(text.replace("LockPersonality=", "LockPersonalty="))
        told = complaints(scratch, "user", units)
        report.check(
            "systemd: verify tells a misspelt setting",
            [] if any("LockPersonalty" in text for text in told) else [f"it said {told}"],
        )
        units[0].write_text(re.sub(r"(?m)^System.*\n", "", text))
        ran = analyze(scratch, "user", "security", "--offline=true", "--threshold=65", units[0])
        report.check(
            "systemd: an exposure above the threshold is told",
            [] if ran.returncode else ["exit 0 without the filter of system calls"],
        )


def install(scratch, manager, files):
    """The units of a variant below `scratch`, ready to be looked at, without drop-ins."""
    program = shutil.which("true")
    units = []
    for file in files:
        installed = scratch / file
        installed.parent.mkdir(parents=True, exist_ok=True)
        installed.write_text((UNITS / manager / file).read_text().replace(PROGRAM, program))
        if installed.parent == scratch:
            instance = scratch / file.replace("@.", "@alice.")
            if instance != installed:
                shutil.copy(installed, instance)
            units.append(instance)
    return units


def complaints(scratch, manager, units):
    ran = analyze(scratch, manager, "verify", "--man=no", *units)
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    return said or ([f"exit {ran.returncode}"] if ran.returncode else [])


def analyze(scratch, manager, verb, *arguments):
    command = ["systemd-analyze", f"--{manager}", verb, "--no-pager", *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "XDG_RUNTIME_DIR": str(scratch),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
