"""The Debian package in a bare Debian: installed, run, and purged without a trace.

The Debian is a directory with what every system has and no more, made anew; programs run in it by
chroot, so this needs root.
"""

import gzip
import os
import pathlib
import shutil
import subprocess
import tempfile

import units

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "examples" / "sample-project"
# What dpkg writes about itself.
OWN = ("var/lib/dpkg/", "var/log/dpkg.log", "var/cache/debconf/")
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/dossierd",
    "zsh": "usr/share/zsh/vendor-completions/_dossierd",
    "fish": "usr/share/fish/vendor_completions.d/dossierd.fish",
}


def check(report, deb):
    if os.geteuid() != 0:
        report.check("installed: this is root, as chroot needs", ["it is not"])
        return
    with tempfile.TemporaryDirectory(prefix="dossierd-debian-") as scratch:
        root = pathlib.Path(scratch) / "root"
        made = subprocess.run(
            ["mmdebstrap", "--variant=essential", "--mode=root", "--quiet", "bookworm", root],
            capture_output=True, text=True, timeout=600,
        )
        problems = [made.stderr[-600:]] if made.returncode else []
        if report.check("installed: there is a bare Debian", problems):
            check_in(report, root, deb)


def check_in(report, root, deb):
    before = listing(root)
    shutil.copyfile(deb, root / "package.deb")
    said = run(root, "dpkg", "--install", "/package.deb")
    (root / "package.deb").unlink()
    if not report.check("installed: dpkg installs it", failure(said)):
        return
    check_program(report, root)
    check_files(report, root)
    said = run(root, "dpkg", "--purge", "dossierd")
    report.check("installed: dpkg purges it", failure(said))
    after = listing(root)
    left = [f"{path} is left" for path in sorted(after.keys() - before.keys())]
    left += [f"{path} is gone" for path in sorted(before.keys() - after.keys())]
    left += [
        f"{path} was {before[path]}, is {after[path]}"
        for path in sorted(before.keys() & after.keys())
        if before[path] != after[path]
    ]
    report.check("installed: after the purge all is as before", left)
    known = run(root, "dpkg-query", "--list", "dossierd")
    report.check("installed: dpkg knows nothing of it", [] if known.returncode else [known.stdout])


def check_program(report, root):
    version = run(root, "dossierd", "--version")
    right = version.returncode == 0 and version.stdout.startswith("dossierd ")
    report.check("installed: it says its version", [] if right else [f"{version}"])
    sample = root / "root" / "sample"
    shutil.copytree(SAMPLE, sample, ignore=shutil.ignore_patterns(".kittify"))
    for command in (["scan", "/root/sample"], ["check", "/root/sample"]):
        ran = run(root, "dossierd", *command)
        # The sample has a feature that is incomplete, which `check` tells.
        right = ran.returncode == (0 if command[0] == "scan" else 1) and "001-" in ran.stdout
        problems = [] if right else [f"exit {ran.returncode}: {ran.stdout[-300:]} {ran.stderr[-300:]}"]
        report.check(f"installed: `dossierd {command[0]}` reads a project", problems)
    shutil.rmtree(sample)


def check_files(report, root):
    pages = sorted((root / "usr/share/man/man1").glob("dossierd*.1.gz"))
    wrong = [] if pages else ["there are none"]
    for page in pages:
        text = gzip.decompress(page.read_bytes()).decode()
        ran = subprocess.run(
            ["man", "--warnings", "--local-file", page],
            capture_output=True, text=True, timeout=60,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "HOME": "/"},
        )
        if ".TH dossierd" not in text or ran.returncode or ran.stderr.strip():
            wrong.append(f"{page.name}: {ran.stderr.strip()[:200]}")
    report.check("installed: man shows every page without a warning", wrong)
    found = subprocess.run(
        ["man", "--where", "--manpath", root / "usr/share/man", "dossierd"],
        capture_output=True, text=True, timeout=60,
    )
    report.check("installed: man finds dossierd(1)", [] if found.stdout.strip() else [found.stderr])
    for shell, path in COMPLETIONS.items():
        text = (root / path).read_text() if (root / path).is_file() else ""
        report.check(
            f"installed: {shell} has its completions", [] if "dossierd" in text else [f"no {path}"]
        )
    syntax = run(root, "bash", "-n", f"/{COMPLETIONS['bash']}")
    report.check("installed: bash can read them", failure(syntax))
    check_units(report, root)


def check_units(report, root):
    for manager in ("system", "user"):
        folder = root / "usr/lib/systemd" / manager
        with tempfile.TemporaryDirectory(prefix="dossierd-units-") as scratch:
            scratch = pathlib.Path(scratch)
            looked_at, wrong = [], []
            for unit in sorted(folder.glob("dossierd*")):
                if unit.read_bytes() != (units.UNITS / manager / unit.name).read_bytes():
                    wrong.append(f"{unit.name} is not the one below packaging/")
                text = unit.read_text().replace(units.PROGRAM, str(root / "usr/bin/dossierd"))
                path = scratch / unit.name.replace("@.", "@alice.")
                (scratch / unit.name).write_text(text)
                path.write_text(text)
                looked_at.append(path)
            wrong += units.complaints(scratch, manager, looked_at) if looked_at else ["no units"]
            report.check(f"installed: verify is silent on the {manager} units", wrong)


def run(root, *command):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["chroot", root, *command],
        capture_output=True, text=True, timeout=120, env=environment, stdin=subprocess.DEVNULL,
    )


def failure(ran):
    return [] if ran.returncode == 0 else [f"exit {ran.returncode}: {ran.stdout} {ran.stderr}"]


def listing(root):
    """Every path to its mode, owner and size; directories have no size."""
    found = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = pathlib.Path(folder) / name
            relative = str(path.relative_to(root))
            if relative.startswith(OWN):
                continue
            facts = path.lstat()
            size = 0 if path.is_dir() else facts.st_size
            found[relative] = (oct(facts.st_mode), facts.st_uid, facts.st_gid, size)
    return found
