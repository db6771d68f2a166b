"""Contents of every kind against `hashlib`, and the same content in another place.

A 200 MB file has to be hashed right and in constant memory; the same files written in
another order, with other times, modes, umask, locale and time zone have to give the same
snapshot, byte for byte, but for the fields that are allowed to differ.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import resource
import subprocess
import tempfile
import unicodedata

from report import Report

LARGE = 200 * 1024 * 1024
# Peak resident memory that a scan of the large file may take, in bytes.
MEMORY = 64 * 1024 * 1024
READ = 256 * 1024
VOLATILE = ("snapshot_id", "computed_at", "indexed_at")


def contents():
    """Texts by path, and files that are no UTF-8 with the offset of the first bad byte."""
    texts = {
        "bom.md": b"\xef\xbb\xbf# BOM\n",
        "cjk.md": "仕様書と計画\n".encode(),
        "combining-nfd.md": unicodedata.normalize("NFD", "žluťoučký kůň\n").encode(),
        "combining-nfc.md": unicodedata.normalize("NFC", "žluťoučký kůň\n").encode(),
        "crlf.md": b"---\r\nwork_package_id: WP07\r\n---\r\n# CRLF\r\n",
        "empty.md": b"",
        "no-end.md": b"no newline at the end",
        "four-byte.md": "🐎".encode() * 70_000,
        "across.md": b"a" * (READ - 1) + "é".encode() + b"b" * READ * 4,
    }
    invalid = {
        "start.md": (b"\xff# start\n", 0),
        "middle.md": (b"abc\xc3(def\n", 3),
        "end.md": (b"cut short \xe2\x82", 10),
        "boundary.md": (b"a" * (READ - 1) + b"\xc3\x28" + b"b" * READ * 4, READ - 1),
        "late.md": (b"a" * (5 * READ + 17) + b"\xff" + b"b" * READ, 5 * READ + 17),
    }
    return texts, invalid


def write(project, order, mode):
    """Writes the files in an order of its own; gives the feature's directory."""
    feature = project / "kitty-specs" / "001-contents"
    (project / ".kittify").mkdir(parents=True)
    identity = "project:\n  uuid: 8f14e45f-ceea-467f-9d5b-1c3f6a1d7b21\n  slug: contents\n"
    (project / ".kittify" / "config.yaml").write_text(identity)
    texts, invalid = contents()
    files = {**texts, **{name: data for name, (data, _) in invalid.items()}}
    files["meta.json"] = b'{"mission_type": "software-dev"}'
    names = sorted(files)
    random.Random(order).shuffle(names)
    for name in names:
        path = feature / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[name])
        path.chmod(mode)
        os.utime(path, (order * 1_000_000, order * 1_000_000))
    return feature


def scan(binary, feature, home, **environment):
    command = [binary, "scan", feature, "--json"]
    environment = {**os.environ, "DOSSIERD_HOME": str(home), **environment}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout


def steady(text):
    """A snapshot's text without what may differ."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in VOLATILE}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return json.dumps(strip(json.loads(text)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    binary = parser.parse_args().binary.resolve()
    report = Report()
    texts, invalid = contents()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        home = scratch / "home"
        first = write(scratch / "one" / "project", 1, 0o644)
        former = os.umask(0o077)
        second = write(scratch / "elsewhere" / "deep" / "project", 2, 0o600)
        os.umask(former)
        here = scan(binary, first, home, TZ="UTC", LANG="C")
        there = scan(binary, second, home, TZ="Asia/Tokyo", LANG="tr_TR.UTF-8", LC_ALL="tr_TR.UTF-8")
        same = steady(there) == steady(here)
        report.check("contents: the same in another place", [] if same else ["the snapshots differ"])
        rows = {row["relative_path"]: row for row in json.loads(here)["artifact_summaries"]}
        for name, data in texts.items():
            report.equal(f"contents: {name}", rows[name]["content_hash_sha256"], hashlib.sha256(data).hexdigest())
        report.equal("contents: front matter behind CRLF", rows["crlf.md"]["wp_id"], "WP07")
        for name, (data, offset) in invalid.items():
            row = rows[name]
            found = (row["is_present"], row["error_reason"], row["error_detail"], row["raw_hash_sha256"])
            expected = (False, "invalid_format", f"invalid UTF-8 at byte {offset}", hashlib.sha256(data).hexdigest())
            report.equal(f"contents: invalid UTF-8, {name}", found, expected)

        large = second / "large.md"
        block, digest = "línea ".encode() * 149_797, hashlib.sha256()
        with large.open("wb") as file:
            while file.tell() < LARGE:
                file.write(block)
                digest.update(block)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        rows = {row["relative_path"]: row for row in json.loads(scan(binary, second, home))["artifact_summaries"]}
        peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024
        report.equal("contents: 200 MB", rows["large.md"]["content_hash_sha256"], digest.hexdigest())
        report.check("contents: 200 MB in constant memory", [] if peak < MEMORY else [f"{peak} bytes"])
    report.end()


if __name__ == "__main__":
    main()
