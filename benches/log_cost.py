#!/usr/bin/env python3
"""What a first scan costs more because its events are logged.

Two daemons register the same project of 10,000 files, in turns: the first one when there is no
log yet, answered when its events are durable; the second one while the first holds the log, so
that it scans and serves the same and writes nothing. Prints both medians and their ratio.

    python3 benches/log_cost.py target/release/dossierd [--dir DIR] [--rounds N]
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

FILES = 10_000


class Daemon:
    def __init__(self, binary, home):
        self.binary = binary
        self.environment = dict(os.environ, DOSSIERD_HOME=str(home))
        self.process = subprocess.Popen(
            [binary, "run", "--json", "--listen", "127.0.0.1:0"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.process.stdout.readline()

    def add(self, project):
        """Seconds until the project is registered."""
        began = time.perf_counter()
        command = [self.binary, "add", str(project)]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)
        return time.perf_counter() - began

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--dir", help="where the files are made; it decides what a sync costs")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as scratch:
        scratch = pathlib.Path(scratch)
        project = scratch / "project"
        (project / ".kittify").mkdir(parents=True)
        for number in range(FILES):
            path = project / f"kitty-specs/001-a/d{number // 100}/{number}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"# {number}\n" * 50)
        logged, unlogged = [], []
        for number in range(options.rounds):
            shutil.rmtree(project / ".kittify/dossiers", ignore_errors=True)
            with Daemon(options.binary, scratch / f"a{number}") as first:
                logged.append(first.add(project))
                with Daemon(options.binary, scratch / f"b{number}") as second:
                    unlogged.append(second.add(project))
        for name, times in [("with the log", logged), ("without", unlogged)]:
            shown = " ".join(f"{1000 * seconds:.0f}" for seconds in sorted(times))
            print(f"{name}: median {1000 * statistics.median(times):.1f} ms of {shown}")
        print(f"ratio {statistics.median(logged) / statistics.median(unlogged):.2f}")


if __name__ == "__main__":
    main()
