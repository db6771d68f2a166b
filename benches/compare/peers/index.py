"""Times the indexer of `spec-kitty-cli` over the features of a project, in process.

Importing it and loading the manifests are left out; what is timed is indexing and the
snapshot with its parity hash. Prints seconds and the number of artifacts.
"""

import json
import logging
import pathlib
import sys
import time

from specify_cli.dossier.indexer import Indexer
from specify_cli.dossier.manifest import ManifestRegistry
from specify_cli.dossier.snapshot import compute_snapshot


def main():
    logging.disable(logging.CRITICAL)
    specs = pathlib.Path(sys.argv[1]) / "kitty-specs"
    features = []
    for directory in sorted(entry for entry in specs.iterdir() if entry.is_dir()):
        meta = json.loads((directory / "meta.json").read_text())
        features.append((directory, meta.get("mission_type") or "software-dev"))
    registry = ManifestRegistry()
    for mission_type in {mission_type for _, mission_type in features}:
        registry.load_manifest(mission_type)
    count = 0
    began = time.perf_counter()
    for directory, mission_type in features:
        dossier = Indexer(registry).index_feature(directory, mission_type)
        compute_snapshot(dossier)
        count += len(dossier.artifacts)
    print(time.perf_counter() - began, count)


if __name__ == "__main__":
    main()
