"""Rebuilds catalogues from event logs alone, and recomputes every hash in them.

An independent reading of the log format's rules (standard library only, nothing of
dossierd's): the catalogue of a `full` snapshot is exactly what was indexed under its
correlation id; that of an `incremental` one is the catalogue before it, plus what was
indexed, minus `removed_paths` and what was superseded. Usage: rebuild.py LOG-DIRECTORY…
"""

import json
import pathlib
import re
import sys

import disk

INDEXED = "MissionDossierArtifactIndexed"
MISSING = "MissionDossierArtifactMissing"
SNAPSHOT = "MissionDossierSnapshotComputed"
DRIFT = "MissionDossierParityDriftDetected"
# Within one scan: what is indexed or missing, then the snapshot, then drift.
RANK = {INDEXED: 0, MISSING: 0, SNAPSHOT: 1, DRIFT: 2}
ROTATED = re.compile(r"events-(\d{6,})\.jsonl")


class Rebuilt:
    """What one feature's log says, and what is wrong with it."""

    def __init__(self):
        self.catalogue = {}
        self.relative = {}
        self.problems = []
        self.snapshots = 0
        self.kinds = {}
        self.supersedes = 0
        self.removed = 0
        self.last_snapshot = None
        self._scan = None
        self._named = {}
        self._place = (-1, "")

    def apply(self, event, where):
        """Takes in the next event."""
        kind, payload = event["event_type"], event["payload"]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if event["correlation_id"] != self._scan:
            self._scan, self._named, self._place = event["correlation_id"], {}, (-1, "")
        self._order(kind, payload, where)
        if kind == INDEXED:
            self._indexed(payload)
        elif kind == SNAPSHOT:
            self._snapshot(payload, where)
        elif kind == DRIFT:
            if self.last_snapshot is None or payload["actual_hash"] != self.last_snapshot["snapshot_hash"]:
                self.problems.append(f"{where}: actual_hash is not that of the snapshot before")

    def _order(self, kind, payload, where):
        identity = payload.get("artifact_id") or payload.get("expected_identity") or {}
        place = (RANK[kind], identity.get("path", ""))
        before, now = (self._place[0], self._place[1].encode()), (place[0], place[1].encode())
        if now < before:
            self.problems.append(f"{where}: {place} after {self._place} of the same scan")
        self._place = place

    def _indexed(self, payload):
        if payload.get("supersedes"):
            self.supersedes += 1
            self.catalogue.pop(payload["supersedes"]["path"], None)
        path = payload["artifact_id"]["path"]
        self._named[path] = self.catalogue[path] = payload["content_ref"]["hash"]
        self.relative[path] = payload["context_diagnostics"]["relative_path"]

    def _snapshot(self, payload, where):
        details = payload["context_diagnostics"]
        if details["scan_kind"] == "full":
            self.catalogue = dict(self._named)
        elif details["scan_kind"] != "incremental":
            self.problems.append(f"{where}: scan_kind {details['scan_kind']!r}")
        for path in json.loads(details["removed_paths"]):
            self.removed += 1
            self.catalogue.pop(path, None)
        self.snapshots += 1
        self.last_snapshot = payload
        wanted = {
            "snapshot_hash": disk.parity(self.catalogue.values()),
            "artifact_count": len(self.catalogue),
        }
        for member, value in wanted.items():
            if payload[member] != value:
                self.problems.append(f"{where}: {member} is {payload[member]}, rebuilt {value}")
        # Names that are not UTF-8 are percent-encoded in a log; their bytes are elsewhere.
        if not any("%" in path for path in self.catalogue):
            shown = {self.relative[path]: content for path, content in self.catalogue.items()}
            if details["tree_hash"] != disk.tree(shown):
                self.problems.append(f"{where}: tree_hash {details['tree_hash']}, rebuilt {disk.tree(shown)}")


def segments(directory):
    """The files of a log, oldest first."""
    rotated = []
    for path in directory.iterdir():
        match = ROTATED.fullmatch(path.name)
        if match:
            rotated.append((int(match[1]), path))
    active = directory / "events.jsonl"
    return [path for _, path in sorted(rotated)] + ([active] if active.is_file() else [])


def lines(segment):
    """The lines of one segment; a torn one is the caller's JSON error."""
    return segment.read_bytes().splitlines()


def rebuild(directory):
    """Rebuilds one feature's log."""
    rebuilt = Rebuilt()
    for segment in segments(directory):
        for number, line in enumerate(lines(segment), 1):
            where = f"{directory.name}/{segment.name}:{number}"
            try:
                rebuilt.apply(json.loads(line), where)
            except (ValueError, KeyError) as error:
                rebuilt.problems.append(f"{where}: {type(error).__name__}: {error}")
    return rebuilt


def main():
    failed = False
    for argument in sys.argv[1:]:
        rebuilt = rebuild(pathlib.Path(argument))
        failed |= bool(rebuilt.problems) or not rebuilt.snapshots
        verdict = "; ".join(rebuilt.problems[:5]) or f"{len(rebuilt.catalogue)} artifacts"
        print(f"{argument}: {rebuilt.snapshots} snapshots: {verdict}")
    sys.exit(1 if failed or len(sys.argv) < 2 else 0)


if __name__ == "__main__":
    main()
