"""What the checks are tried on: the corpus beside the clone, or the sample in it.

The corpus (real missions with the parity hashes that `spec-kitty-cli==2.1.0` computed) is
no part of this repository. Where it is missing the sample stands in, which is said loudly,
and is a failure where `CI=true` promises that the corpus is there.
"""

import argparse
import os
import pathlib
import shutil
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "examples" / "sample-project"


def arguments(description):
    """The options that all scripts share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="the dossierd to check")
    parser.add_argument(
        "--corpus",
        type=pathlib.Path,
        default=REPOSITORY.parent / "shared" / "corpus",
        help="directory with project/ and expected-parity.json",
    )
    parsed = parser.parse_args()
    parsed.binary = parsed.binary.resolve()
    return parsed


def project(corpus, report):
    """The project to check: `(directory, has_corpus)`."""
    if (corpus / "project" / "kitty-specs").is_dir():
        return corpus / "project", True
    print(f"NO CORPUS at {corpus}: only the sample project of this repository is checked", flush=True)
    if os.environ.get("CI") == "true":
        report.check("the corpus is there", "it is not, and CI promises it")
    return SAMPLE, False


def copy(source, target):
    """A writable copy without what a daemon left in the original."""
    def left(directory, _):
        return ["dossiers"] if pathlib.Path(directory).name == ".kittify" else []

    shutil.copytree(source, target, symlinks=True, ignore=left)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def features(project_directory):
    """Its feature directories, by slug."""
    specs = project_directory / "kitty-specs"
    return {entry.name: entry for entry in sorted(specs.iterdir()) if entry.is_dir()}


def git(directory, *command):
    """Runs git there, with an identity of its own and nobody's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment[f"GIT_{role}_NAME"] = "checks"
        environment[f"GIT_{role}_EMAIL"] = "checks@example.invalid"
    result = subprocess.run(
        ["git", "-C", directory, *command], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout


def git_checkout(directory):
    """Makes a committed git checkout of a directory."""
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "--all", "--force")
    git(directory, "commit", "-q", "-m", "as it was")
