"""What is below `packaging/`: the units of systemd, launchd's agent, the archives, the formula
and what packages install.

systemd's own tools look at the units; they are installed if they are missing and this is root.
The archives are made from `--binary`, twice; it is run as services run it.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import agent
import archive
import assets
import printed
import supervised
import units
from report import Report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    options = parser.parse_args()
    report = Report()
    if report.check("systemd-analyze is there", install("systemd-analyze", "systemd")):
        units.check(report)
        printed.check(report, options.binary.resolve())
    activate = "systemd-socket-activate"
    if report.check(f"{activate} is there", install(activate, "systemd")):
        with tempfile.TemporaryDirectory(prefix="dsr-") as scratch:
            supervised.check(report, options.binary.resolve(), pathlib.Path(scratch))
    agent.check(report)
    with tempfile.TemporaryDirectory(prefix="dossierd-packaging-") as scratch:
        scratch = pathlib.Path(scratch)
        archive.check(report, options.binary.resolve(), scratch)
        assets.check(report, scratch / "first" / "tree")
    report.end()


def install(command, package):
    """Debian's `package` if there is no `command`; what went wrong, if anything."""
    if shutil.which(command):
        return []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", package]):
        try:
            asked = ["apt-get", "-qq", *arguments]
            subprocess.run(asked, check=True, capture_output=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            return [f"{error}; install {package}"]
    return [] if shutil.which(command) else [f"{package} brings no {command}"]


if __name__ == "__main__":
    main()
