"""A long run: followers of every kind, files that keep changing, requests all the time.

Eight followers: four that read, two that never do, two that break off and come back with the
last event they saw. At the end each reader has seen the last event of every log, those who come
back have seen each event once and in the order of its log, what is served is what a fresh scan
finds, and memory and descriptors are back to where they were after the first minute's work.

    python3 tests/interop/soak.py --binary target/release/dossierd --minutes 15
"""

import argparse
import collections
import http.client
import json
import pathlib
import random
import socket
import tempfile
import threading
import time

import subject
from instance import Instance, UnixConnection, wait_until
from report import Report

FEATURES = 6
# What the allocator may keep, and a tenth.
SLACK_BYTES = 8 * 1024 * 1024
# Followers, requests and writers pause now and then, so that two cores do more than wait.
WARM_UP_SECONDS = 45


class Follower(threading.Thread):
    """Reads a stream of lines; `patience` is after how many events it breaks off, if ever."""

    def __init__(self, place, patience=None):
        super().__init__(daemon=True)
        self.place, self.patience = place, patience
        self.seen, self.repeated, self.breaks, self.notices = {}, 0, 0, 0
        self.order = collections.defaultdict(list)
        self.last = None
        self.done = threading.Event()
        self.fault = None

    def run(self):
        try:
            while not self.done.is_set():
                self.read_once()
        except Exception as error:  # noqa: BLE001 -- told as a failed check
            self.fault = repr(error)

    def read_once(self):
        target = "/api/dossier/events?follow=true" + (f"&since={self.last}" if self.last else "")
        connection = UnixConnection(self.place.socket)
        connection.request("GET", target, headers={"Accept": "application/x-ndjson"})
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:200]}")
        left = self.patience and random.randrange(1, self.patience)
        while not self.done.is_set():
            line = response.readline()
            if not line:
                break
            if not line.strip():
                continue
            event = json.loads(line)
            if "event_id" not in event:
                self.notices += 1
                continue
            self.take(event)
            if left and (left := left - 1) == 0:
                self.breaks += 1
                break
        connection.close()

    def take(self, event):
        self.repeated += event["event_id"] in self.seen
        self.seen[event["event_id"]] = True
        self.order[event["aggregate_id"]].append(event["event_id"])
        self.last = event["event_id"]


class Load:
    """Threads that do something again and again until they are told to end."""

    def __init__(self):
        self.end = threading.Event()
        self.threads, self.faults, self.count = [], [], collections.Counter()

    def start(self, name, act, pause):
        def repeat():
            while not self.end.is_set():
                try:
                    act()
                    self.count[name] += 1
                except Exception as error:  # noqa: BLE001 -- told as a failed check
                    self.faults.append(f"{name}: {error!r}")
                self.end.wait(pause)

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        self.threads.append(thread)

    def stop(self):
        self.end.set()
        for thread in self.threads:
            thread.join(30)


def churn(root):
    """One change of a file: written, replaced, renamed, removed, or a directory of them."""
    feature = root / f"00{random.randrange(FEATURES) + 1}-f"
    path = feature / random.choice(["a", "b", "c/d", "tasks"]) / f"{random.randrange(40)}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = random.random()
    if kind < 0.5:
        path.write_text(f"# {random.random()}\n" * random.randrange(1, 40))
    elif kind < 0.7:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(f"# {random.random()}\n")
        temporary.rename(path)
    elif kind < 0.85:
        path.unlink(missing_ok=True)
    else:
        other = path.with_name(f"{random.randrange(40)}.md")
        if path.exists():
            path.rename(other)


def ask(instance, token):
    """One request, over one transport or the other, and its whole answer."""
    slug = f"00{random.randrange(FEATURES) + 1}-f"
    path = random.choice(
        [
            f"/api/dossier/overview?feature={slug}",
            f"/api/dossier/artifacts?feature={slug}&limit=50",
            f"/api/dossier/snapshots/export?feature={slug}",
            f"/api/dossier/drift?feature={slug}",
            f"/api/dossier/events?feature={slug}&limit=50&order=newest",
            f"/api/dossier/history?feature={slug}",
            "/api/features",
            "/api/status",
            "/metrics",
        ]
    )
    if random.random() < 0.5:
        connection, headers = UnixConnection(instance.socket), {}
    else:
        host, port = instance.http.removeprefix("http://").rstrip("/").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
        headers = {"Authorization": f"Bearer {token}"}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
    finally:
        connection.close()


def stalled(instance):
    """A follower that asks and never reads."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream.connect(instance.socket)
    stream.sendall(b"GET /api/dossier/events?follow=true HTTP/1.1\r\nHost: dossierd\r\n\r\n")
    return stream


def usage(instance):
    """Resident bytes and open descriptors."""
    base = pathlib.Path(f"/proc/{instance.process.pid}")
    resident = next(line for line in (base / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) * 1024, len(list((base / "fd").iterdir()))


def at_rest(instance):
    """What it uses when nothing has happened for a while: it gives memory back by then."""
    time.sleep(15)
    return usage(instance)


def logs(project):
    """The ids of each feature's log, in its order."""
    found = {}
    for directory in sorted((project / ".kittify/dossiers").iterdir()):
        lines = []
        for path in sorted(directory.glob("events-*.jsonl")) + [directory / "events.jsonl"]:
            lines += [json.loads(line)["event_id"] for line in path.read_text().splitlines()] if path.exists() else []
        if lines:
            found[directory.name] = lines
    return found


def last_edit_is_logged(project, slug):
    """Does the log end with a snapshot behind the last edit?"""
    text = (project / ".kittify/dossiers" / slug / "events.jsonl").read_text()
    return "/last.md" in text[text.rfind("MissionDossierArtifactIndexed") :] and text.endswith("}\n") and (
        "MissionDossierSnapshotComputed" in text.splitlines()[-1]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dossierd-soak-") as scratch:
        project = pathlib.Path(scratch) / "project"
        (project / ".kittify").mkdir(parents=True)
        for number in range(FEATURES):
            (project / f"kitty-specs/00{number + 1}-f").mkdir(parents=True)
        with Instance(options.binary.resolve(), pathlib.Path(scratch) / "home") as instance:
            instance.start()
            instance.run("add", project)
            soak(report, instance, project, options.minutes * 60)
            report.equal("soak: it ends cleanly", instance.stop(), 0)
    report.end()


def soak(report, instance, project, seconds):
    token, root = instance.run("token").strip(), project / "kitty-specs"
    load = work(instance, token, root)
    time.sleep(min(WARM_UP_SECONDS, seconds / 4))
    load.stop()
    before = at_rest(instance)

    readers = [Follower(instance) for _ in range(4)] + [Follower(instance, 2000) for _ in range(2)]
    for follower in readers:
        follower.start()
    sleepers = [stalled(instance) for _ in range(2)]
    again = work(instance, token, root)
    peak, end = before[0], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(2, max(0, end - time.monotonic())))
        peak = max(peak, usage(instance)[0])
    again.stop()
    # An edit of each feature that all have to see: the log ends with its events.
    for slug in [f"00{number + 1}-f" for number in range(FEATURES)]:
        (root / slug / "last.md").write_text(f"# {time.time()}\n")
        instance.get("/api/dossier/overview", feature=slug, fresh="true")
        wait_until(f"the last edit of {slug} is logged", lambda: last_edit_is_logged(project, slug))
    ends = {slug: ids[-1] for slug, ids in logs(project).items()}
    unseen = check_followers(report, readers, ends)
    report.check("soak: each reader has seen the last event of every log", unseen)
    in_order(report, readers, logs(project))
    scanned = json.loads(instance.run("scan", project, "--json"))
    compare(report, instance, scanned)
    report.check("soak: no request and no write failed", load.faults + again.faults)
    for follower in readers:
        follower.done.set()
    for sleeper in sleepers:
        sleeper.close()
    for follower in readers:
        (root / "001-f" / "wake.md").write_text(f"# {time.time()}\n")
        follower.join(20)
    after = at_rest(instance)
    allowed = before[0] + SLACK_BYTES + before[0] // 10
    report.check(
        f"soak: resident memory {before[0] >> 20} MiB before, {peak >> 20} at most, {after[0] >> 20} after",
        [] if after[0] <= allowed else [f"more than {allowed >> 20} MiB"],
    )
    report.check(
        f"soak: {before[1]} descriptors before, {after[1]} after", [] if after[1] <= before[1] else ["there are more"]
    )
    events = sum(map(len, logs(project).values()))
    breaks = sum(follower.breaks for follower in readers)
    counts = ", ".join(f"{count} {name}" for name, count in sorted(again.count.items()))
    print(f"{seconds / 60:.1f} min: {counts}; {events} events; {breaks} times broken off and resumed")


def work(instance, token, root):
    load = Load()
    load.start("changes", lambda: churn(root), 0.01)
    load.start("changes", lambda: churn(root), 0.03)
    for _ in range(3):
        load.start("requests", lambda: ask(instance, token), 0.005)
    return load


def check_followers(report, readers, ends):
    """Which reader lacks which last event, after a while."""
    def missing():
        return [
            f"reader {number} lacks the end of {slug}"
            for number, follower in enumerate(readers)
            for slug, event in ends.items()
            if event not in follower.seen
        ]

    try:
        wait_until("all have seen the end", lambda: not missing(), 30)
    except TimeoutError:
        pass
    report.check("soak: no follower broke", [follower.fault for follower in readers if follower.fault])
    return missing()


def in_order(report, readers, known):
    """Those who came back have each event from their first one on, once and in order."""
    problems = []
    for number, follower in enumerate(readers):
        problems += [f"reader {number} got {follower.repeated} events twice"] if follower.repeated else []
        for slug, ids in follower.order.items():
            wanted = known[slug][known[slug].index(ids[0]) :]
            if ids != wanted[: len(ids)]:
                at = next(i for i, pair in enumerate(zip(ids, wanted)) if pair[0] != pair[1])
                problems.append(f"reader {number}, {slug}: event {at} is another one")
    report.check("soak: every event once, in the order of its log, without a gap", problems)


def compare(report, instance, scanned):
    """Is what is served what a scan from nothing finds?"""
    features = scanned["features"]
    problems = []
    for feature in features:
        slug = feature["feature_slug"]
        served = instance.get("/api/dossier/snapshots/export", feature=slug, fresh="true")
        for name in ("parity_hash_sha256", "tree_hash"):
            if served[name] != feature[name]:
                problems.append(f"{slug}: {name} differs")
    report.equal("soak: all features are served", len(features), FEATURES)
    report.check("soak: what is served is what a scan finds", problems)


if __name__ == "__main__":
    main()
