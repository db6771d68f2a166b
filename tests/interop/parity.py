"""`dossierd scan` against the parity hashes of `spec-kitty-cli==2.1.0`.

Runs in the virtual environment that has that package, and asks it for the same features in
the same run; where the corpus is there, its recorded hashes are a third witness.
"""

import importlib.metadata
import json
import logging
import os
import pathlib
import subprocess
import tempfile
from collections import Counter

import disk
import subject
from report import Report

JUDGE = ("spec-kitty-cli", "2.1.0")
# Names that no rule knows may be this share of all artifacts.
MAX_UNRECOGNISED = 0.02


def scan(binary, project, home):
    """Snapshots by slug. Nothing may be written to the project."""
    command = [binary, "scan", project, "--json"]
    environment = {**os.environ, "DOSSIERD_HOME": str(home)}
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return {snapshot["feature_slug"]: snapshot for snapshot in json.loads(result.stdout)["features"]}


def judged(project):
    """Parity hash and present count by slug, as the package computes them."""
    from specify_cli.dossier.indexer import Indexer
    from specify_cli.dossier.manifest import ManifestRegistry
    from specify_cli.dossier.snapshot import compute_snapshot

    logging.disable(logging.CRITICAL)
    found = {}
    for slug, directory in subject.features(project).items():
        meta = json.loads((directory / "meta.json").read_text())
        mission_type = meta.get("mission_type") or meta.get("mission") or "software-dev"
        dossier = Indexer(ManifestRegistry()).index_feature(directory, mission_type)
        snapshot = compute_snapshot(dossier)
        present = sum(1 for a in dossier.artifacts if a.is_present and a.content_hash_sha256)
        found[slug] = (snapshot.parity_hash_sha256, present)
    return found


def rows(snapshot, present):
    return [a for a in snapshot["artifact_summaries"] if a["is_present"] == present]


def unreadable(snapshot):
    """Paths that are there and cannot be taken in; what is missing has other reasons."""
    reasons = ("unreadable", "invalid_format", "deleted_after_scan")
    return sorted(a["relative_path"] for a in rows(snapshot, False) if a["error_reason"] in reasons)


def compare_with_record(report, snapshots, expected):
    report.equal("scan: the features of the record", sorted(snapshots), sorted(expected))
    members = {
        "parity_hash_sha256": lambda s: s["parity_hash_sha256"],
        "tree_hash": lambda s: s["tree_hash"],
        "present": lambda s: len(rows(s, True)),
        "unreadable": unreadable,
        "mission_type": lambda s: s["mission_type"],
    }
    for member, of in members.items():
        wrong = [
            f"{slug}: {of(snapshots[slug])!r} instead of {record[member]!r}"
            for slug, record in expected.items()
            if slug in snapshots and of(snapshots[slug]) != record[member]
        ]
        report.check(f"scan: {member} of {len(expected)} recorded features", wrong)


def main():
    options = subject.arguments(__doc__)
    report = Report()
    package, version = JUDGE
    report.equal(f"the judge is {package}", importlib.metadata.version(package), version)
    project, has_corpus = subject.project(options.corpus, report)
    with tempfile.TemporaryDirectory(prefix="dossierd-parity-") as scratch:
        scratch = pathlib.Path(scratch)
        copy = subject.copy(project, scratch / "project")
        snapshots = scan(options.binary, copy, scratch / "home")
        verdicts = judged(copy)
        on_disk = {slug: disk.present(path) for slug, path in subject.features(copy).items()}
        wrote = (copy / ".kittify" / "dossiers").exists()

    if has_corpus:
        compare_with_record(report, snapshots, json.loads((options.corpus / "expected-parity.json").read_text()))
    wrong = [
        f"{slug}: {snapshots.get(slug, {}).get('parity_hash_sha256')} instead of {parity}"
        for slug, (parity, present) in verdicts.items()
        if slug not in snapshots
        or snapshots[slug]["parity_hash_sha256"] != parity
        or len(rows(snapshots[slug], True)) != present
    ]
    report.check(f"scan: parity and count of {len(verdicts)} features equal {package}=={version}", wrong)
    wrong = [slug for slug, found in on_disk.items() if snapshots[slug]["tree_hash"] != disk.tree(found)]
    report.check(f"scan: tree_hash of {len(on_disk)} features by its definition", wrong)
    artifacts = [a for snapshot in snapshots.values() for a in snapshot["artifact_summaries"]]
    doubled = [
        f"{slug}: {key}"
        for slug, snapshot in snapshots.items()
        for key, count in Counter(a["artifact_key"] for a in snapshot["artifact_summaries"]).items()
        if count > 1
    ]
    report.check(f"scan: no key twice among {len(artifacts)} artifacts", doubled)
    unknown = [
        f"{slug}/{a['relative_path']}"
        for slug, snapshot in snapshots.items()
        for a in snapshot["artifact_summaries"]
        if a["classified_by"] == "rule:default"
    ]
    share = len(unknown) / max(1, len(artifacts))
    for name in unknown:
        print(f"  rule:default {name}")
    problem = f"{share:.2%}" if share >= MAX_UNRECOGNISED else ""
    report.check(f"scan: rule:default for {len(unknown)} of {len(artifacts)} artifacts ({share:.2%})", problem)
    report.check("scan: writes nothing unless told to", "it made .kittify/dossiers" if wrote else "")
    report.end()


if __name__ == "__main__":
    main()
