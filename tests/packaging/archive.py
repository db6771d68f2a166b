"""The archives of a release: made twice under different conditions, they are the same bytes, and
have what they should.
"""

import filecmp
import hashlib
import os
import pathlib
import re
import subprocess
import tarfile

from expected_units import EXPECTED as UNITS

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "reproducible"
REPOSITORY = "https://example.org/dossierd"

# What is in the archive beside manual pages.
FILES = sorted(
    [
        "CHANGELOG.md",
        "LICENSE",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "SECURITY.md",
        "completions/_dossierd",
        "completions/dossierd.bash",
        "completions/dossierd.fish",
        "dossierd",
        "launchd/dev.dossier.dossierd.plist",
        "launchd/socket-activated/dev.dossier.dossierd.plist",
        *(f"systemd/{unit}" for unit in UNITS),
    ]
)


def check(report, binary, scratch):
    """Leaves what the script made in `first` below `scratch`."""
    asked = ["git", "log", "-1", "--format=%ct"]
    epoch = subprocess.run(asked, cwd=SCRIPT.parent, capture_output=True, check=True).stdout
    given = {"SOURCE_DATE_EPOCH": epoch.decode().strip(), "TZ": "UTC", "LC_ALL": "C"}
    found = {"SOURCE_DATE_EPOCH": "", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"}
    first = make(binary, scratch / "first", given, 0o022)
    second = make(binary, scratch / "second", found, 0o077)
    report.equal("archive: two runs make files of the same names", first, second)
    _, differ, missing = filecmp.cmpfiles(
        scratch / "first", scratch / "second", first, shallow=False
    )
    report.check("archive: two runs make the same bytes", differ + missing)
    check_checksums(report, scratch / "first", first)
    check_formula(report, scratch / "first")
    program = next(name for name in first if re.search(r"(?<!source)\.tar\.gz$", name))
    check_program(report, scratch, scratch / "first" / program, binary, int(epoch))
    check_refusal(report, scratch)


def make(binary, output, environment, mask):
    """Runs the script; the names of the files that it leaves."""
    subprocess.run(
        [SCRIPT, binary, "--output", output, "--repository", REPOSITORY],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
        umask=mask,
        env={**os.environ, **environment},
    )
    return sorted(path.name for path in output.iterdir() if path.is_file())


def check_checksums(report, folder, names):
    problems = []
    for archive in (name for name in names if name.endswith(".tar.gz")):
        checksum = hashlib.sha256((folder / archive).read_bytes()).hexdigest()
        if (folder / f"{archive}.sha256").read_text() != f"{checksum}  {archive}\n":
            problems.append(archive)
    report.check("archive: checksums in the form of sha256sum", problems)


def check_formula(report, folder):
    formula = (folder / "dossierd.rb").read_text()
    said = dict(re.findall(r'^  (homepage|url|sha256) "(.*)"$', formula, re.MULTILINE))
    source = pathlib.PurePosixPath(said["url"]).name
    checksum = hashlib.sha256((folder / source).read_bytes()).hexdigest()
    report.equal("formula: the checksum is that of its source archive", said["sha256"], checksum)
    report.equal("formula: the homepage is the repository", said["homepage"], REPOSITORY)
    marks = re.findall(r"@[A-Z0-9]+@", formula)
    report.check("formula: nothing is left to fill in", marks)
    with tarfile.open(folder / source) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    missing = {"Cargo.toml", "Cargo.lock", "src/main.rs", "LICENSE"} - names
    report.check("formula: its source archive can be built", sorted(missing))


def check_program(report, scratch, archive, binary, epoch):
    with tarfile.open(archive) as tar:
        entries = {entry.name.partition("/")[2]: entry for entry in tar.getmembers()}
        (scratch / "dossierd").write_bytes(tar.extractfile(entries["dossierd"]).read())
    # Two runs on one disk would list it in the same order; another disk would not.
    report.equal(
        "archive: the files are in the order of their names",
        list(entries),
        sorted(entries, key=lambda name: name.split("/")),
    )
    times = {entry.mtime for entry in entries.values()}
    report.equal("archive: all files are as old as the commit", times, {epoch})
    pages = {name for name in entries if name.startswith("man/")}
    report.equal("archive: these files and manual pages", sorted(entries.keys() - pages), FILES)
    helped = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  ([a-z-]+)  +[A-Z]", helped.partition("Commands:")[2], re.MULTILINE)
    expected = {f"man/dossierd-{name}.1" for name in commands if name != "help"}
    problems = sorted((expected | {"man/dossierd.1"}) - pages)
    report.check("archive: each command has its page", problems if commands else "no commands")
    wrong = [
        f"{name}: mode {entry.mode:o}, uid {entry.uid}, gid {entry.gid}, {entry.uname!r}"
        for name, entry in entries.items()
        if (entry.mode, entry.uid, entry.gid, entry.uname + entry.gname)
        != (0o755 if name == "dossierd" else 0o644, 0, 0, "")
    ]
    report.check("archive: root's files, 0644, and 0755 for the program", wrong)
    program = scratch / "dossierd"
    program.chmod(0o755)
    said = [
        subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        for path in (program, binary)
    ]
    report.equal("archive: the program without symbols runs", said[0], said[1])
    sections = subprocess.run(
        ["readelf", "--wide", "--sections", program], capture_output=True, text=True, check=True
    ).stdout
    kept = re.findall(r"\.symtab|\.debug\w*", sections)
    report.check("archive: the program has no symbols", kept if ".text" in sections else "no code")


def check_refusal(report, scratch):
    for name, path in [("a missing program", scratch / "no"), ("another program", "/bin/true")]:
        command = [SCRIPT, path, "--output", scratch / "refused"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        told = ran.returncode == 1 and ran.stderr.startswith("reproducible: ")
        left = (scratch / "refused").exists()
        problems = [] if told and not left else [f"exit {ran.returncode}, {ran.stderr!r}, {left=}"]
        report.check(f"archive: {name} is refused with a message", problems)
