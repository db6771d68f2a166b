"""Delivery under fire: kill -9 at random moments, and a back end that fails in every way.

Each round starts the daemon on the same home, changes files, and kills it at a random
moment, while the back end times out, cuts connections, answers 5xx, 429, 401, 413, garbage,
nothing or a part, and refuses some events. In the end everything is delivered, and:

- every logged event is with the back end, or is a dead letter with a reason;
- nothing is logged twice, nothing was delivered that is in no log;
- the events of a feature came in the order of its log;
- the clock never went back, and every log verifies;
- the counts say exactly this.

`--rounds 300` is the whole run; it is short in CI. `--drain 100000` measures instead. What reached the back end passes the
contract of `spec-kitty-events==11.0.0`, where that is installed, and reduces to what the API
shows.
"""

import argparse
import json
import pathlib
import random
import re
import socket
import tempfile
import threading
import time

import subject
from backend import Backend
from instance import Instance, wait_until
from report import Report

SEED = 20260
FAULTS = ["cut", "cut_after", "500", "503", "429", "401", "413", "garbage", "nothing", "partial"]
TOKEN = "zq-token-5512"
USER = "zq-operator-5512"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--drain", type=int, metavar="EVENTS", help="measure how fast a full queue is drained, and no more")
    parsed = parser.parse_args()
    parsed.binary = parsed.binary.resolve()
    return parsed


class Trouble:
    """How the back end answers: mostly not."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.calm = False
        self.told = {}

    def __call__(self):
        if self.calm or self.random.random() < 0.3:
            return "ok"
        how = "timeout" if self.random.random() < 0.02 else self.random.choice(FAULTS)
        self.told[how] = self.told.get(how, 0) + 1
        return how

    def reject(self, event):
        """The same events each time, about one in forty."""
        chosen = sum(event["event_id"].encode()) % 40 == 0
        return "this one is not wanted" if chosen else None


def configure(home, url, **more):
    config = home / "config"
    config.mkdir(parents=True, mode=0o700)
    token = config / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    # JSON is YAML, and the schema's validator reads it too.
    webhook = {"url": url, "token_file": "token", "timeout_seconds": 2, **more}
    (config / "config.yaml").write_text(json.dumps({"sync": {"webhook": webhook}}))


def logged(project):
    """Events by feature, over all segments, oldest first."""
    features = {}
    for directory in sorted((project / ".kittify" / "dossiers").iterdir()):
        if directory.is_dir():
            lines = []
            for segment in sorted(directory.glob("events-*.jsonl")) + [directory / "events.jsonl"]:
                lines += segment.read_bytes().splitlines() if segment.exists() else []
            features[directory.name] = [json.loads(line) for line in lines]
    return features


class Writer:
    """Changes files until it is told to stop."""

    def __init__(self, project, seed):
        self.specs = sorted(entry for entry in (project / "kitty-specs").iterdir() if entry.is_dir())
        self.random = random.Random(seed)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            directory = self.random.choice(self.specs)
            name = directory / f"note-{self.random.randrange(12)}.md"
            if self.random.random() < 0.2:
                name.unlink(missing_ok=True)
            else:
                name.write_text(f"# {self.random.random()}\n")
            self.stop.wait(self.random.random() * 0.01)

    def end(self):
        self.stop.set()
        self.thread.join()


def rounds(instance, project, trouble, count):
    chance = random.Random(SEED)
    for number in range(count):
        trouble.random.seed(SEED + number)
        writer = Writer(project, SEED + number)
        instance.start()
        if number == 0:
            instance.run("add", project)
        if chance.random() < 0.3:
            instance.ask("POST", "/api/sync/resume", {})
        time.sleep(chance.random() * 0.4)
        instance.kill()
        writer.end()


def drain(instance):
    """Everything out, dead letters once more."""
    instance.run("sync", "resume")
    for _ in range(2):
        wait_until("everything is delivered", lambda: flushed(instance)["pending"] == 0, 300)
        instance.run("sync", "retry", "--all")
    return wait_until("dead letters were tried again", lambda: settled(instance))


def flushed(instance):
    return json.loads(instance.run("sync", "flush", "--json"))


def settled(instance):
    """The status, once nothing is under way."""
    status = flushed(instance)
    return status if status["sinks"][0]["state"] == "idle" else None


def judge(report, instance, project, backend, status):
    logs = logged(project)
    events = [event for log in logs.values() for event in log]
    ids = [event["event_id"] for event in events]
    letters = dead_letters(instance)
    dead = {letter["event_id"] for letter in letters}
    taken = list(backend.events)
    print(f"{len(events)} events, {len(dead)} dead letters, {backend.seen} requests, "
          f"{backend.duplicates} sent again", flush=True)
    report.check("no event is lost", [i for i in ids if i not in backend.events and i not in dead])
    report.check("no event is logged twice", [i for i in set(ids) if ids.count(i) > 1] if len(ids) != len(set(ids)) else [])
    known = set(ids)
    report.check("nothing was delivered that is in no log", [i for i in taken if i not in known])
    report.check("no event is delivered and refused", sorted(dead & set(taken)))
    report.check("events of a feature came in the order of its log", disorder(logs, taken, dead))
    clocks = {}
    back = []
    for event in sorted(events, key=lambda event: event["event_id"]):
        if event["lamport_clock"] <= clocks.get(event["node_id"], 0):
            back.append(event["event_id"])
        clocks[event["node_id"]] = event["lamport_clock"]
    report.check("the clock never goes back", back)
    report.equal("the counts are the logs'", status["delivered"] + status["duplicate"] + status["rejected"], len(events))
    report.equal("refused events are dead letters", status["rejected"], len(letters))
    report.check("each dead letter has its reason", [l["event_id"] for l in letters if "not wanted" not in l["reason"]])
    report.check("the token was sent and nothing else", sorted(map(str, backend.authorization - {f"Bearer {TOKEN}"})))
    verified = json.loads(instance.run("verify", "--json", project, expect=None))
    report.check("every log verifies", [str(log["broken"]) for log in verified["logs"] if not log["ok"]])
    private = re.compile(rf"{re.escape(socket.gethostname())}|{USER}|\"/|{TOKEN}")
    report.check("no event names host, user or an absolute path",
                 [event["event_id"] for event in events if private.search(json.dumps(event))])


def dead_letters(instance):
    """All of them, page by page."""
    letters, at = [], {}
    while page := instance.get("/api/sync/dead-letters", limit=1000, **at)["dead_letters"]:
        letters += page
        at = {"after": page[-1]["event_id"]}
    return letters


def disorder(logs, taken, dead):
    """Features whose events came in another order than they were logged; dead letters come
    when they come."""
    place = {identity: number for number, identity in enumerate(taken)}
    wrong = []
    for slug, log in logs.items():
        places = [place[e["event_id"]] for e in log if e["event_id"] in place and e["event_id"] not in dead]
        if places != sorted(places):
            wrong.append(slug)
    return wrong


def check_schemas(report, instance, project, backend, home):
    """What is on disk and on the wire is as the schemas have it, which the daemon serves."""
    try:
        import schemas
    except ImportError:
        report.check("jsonschema is there", "it is not installed")
        return
    served = schemas.Schemas(instance)
    samples = schemas.check_files(report, served, project, home, ["event", "dead-letter", "delivery-cursor", "delivery-pause"])
    batch, answer = backend.first
    configuration = json.loads((home / "config" / "config.yaml").read_text())
    others = {"delivery-batch": batch, "delivery-answer": answer, "config": configuration}
    report.check("schemas: a request, its answer, the configuration",
                 [problem for name, document in others.items() for problem in served.problems(name, "sent", document)])
    for name in ("dead-letter", "delivery-cursor", "delivery-pause"):
        schemas.check_broken(report, served, name, samples[name])
    for name, document in others.items():
        schemas.check_broken(report, served, name, document)


def check_cloud_events(report, options, project, scratch):
    """The second format, from a node of its own."""
    try:
        import schemas
    except ImportError:
        return
    backend = Backend()
    home = scratch / "second"
    configure(home, backend.url, format="cloudevents")
    with Instance(options.binary, home) as instance:
        instance.start()
        instance.run("add", project)
        wait_until("all CloudEvents are delivered", lambda: (s := settled(instance)) and s["delivered"] and not s["pending"], 60)
        served = schemas.Schemas(instance)
        # Cut connections and restarts may have some of them sent twice.
        count = len({event["id"] for batch in backend.cloud_events for event in batch})
        problems = [p for batch in backend.cloud_events for p in served.problems("cloudevents-batch", "sent", batch)]
        delivered = flushed(instance)["delivered"]
        report.check(f"schemas: {count} CloudEvents", problems + ([] if count == delivered > 0 else [f"{delivered} delivered"]))
        name = "cloudevents-batch"
        schemas.check_broken(report, served, name, backend.cloud_events[0][:1])
        instance.stop()
    backend.stop()


def contract(report, instance, project, backend):
    """What a consumer makes of what it got."""
    try:
        from spec_kitty_events.conformance import validate_event
        from spec_kitty_events.dossier import reduce_mission_dossier
        from spec_kitty_events.models import Event
    except ImportError:
        report.check("the contract's package is there", "it is not installed")
        return
    events = list(backend.events.values())
    refused = []
    for event in events:
        Event.model_validate(event)
        if not validate_event(event["payload"], event["event_type"], strict=True).valid:
            refused.append(event["event_id"])
    report.check(f"the contract takes all {len(events)} delivered events", refused)
    wrong = []
    for slug in subject.features(project):
        overview = instance.fresh_overview(slug)
        own = [Event.model_validate(e) for e in events if e["aggregate_id"] == slug]
        state = reduce_mission_dossier(own)
        snapshot = state.latest_snapshot
        if snapshot is None or snapshot.snapshot_hash != overview["parity_hash_sha256"]:
            wrong.append(f"{slug}: {snapshot and snapshot.snapshot_hash} is not {overview['parity_hash_sha256']}")
    report.check("what was delivered reduces to what the API shows", wrong)


def drain_full_queue(options):
    """How many events a second reach a back end that only counts them."""
    backend = Backend()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch).resolve()
        feature = scratch / "project" / "kitty-specs" / "001-large"
        (scratch / "project" / ".kittify").mkdir(parents=True)
        for number in range(options.drain):
            path = feature / f"d{number // 1000}" / f"{number}.md"
            if number % 1000 == 0:
                path.parent.mkdir(parents=True)
            path.write_text(f"# {number}\n")
        with Instance(options.binary, scratch / "home") as instance:
            instance.start()
            instance.run("add", scratch / "project")
            instance.stop()
            (scratch / "home" / "config" / "config.yaml").write_text(f"sync: {{webhook: {{url: {backend.url}}}}}\n")
            instance.start()
            began, seen = time.monotonic(), len(backend.events)
            wait_until("the queue is empty", lambda: instance.get("/api/sync/status")["pending"] == 0, 600)
            took = time.monotonic() - began
            events = len(backend.events) - seen
            print(f"{events} events in {took:.2f} s: {events / took:.0f} a second, {backend.seen} requests")
            instance.stop()


def main():
    options = arguments()
    if options.drain:
        return drain_full_queue(options)
    report = Report()
    trouble = Trouble(SEED)
    backend = Backend(plan=trouble, token=TOKEN, reject=trouble.reject)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch).resolve()
        project = subject.copy(subject.SAMPLE, scratch / USER / "project")
        home = scratch / "home"
        configure(home, backend.url)
        with Instance(options.binary, home) as instance:
            rounds(instance, project, trouble, options.rounds)
            trouble.calm = True
            instance.start()
            status = drain(instance)
            print(f"{options.rounds} rounds; answers that failed: {dict(sorted(trouble.told.items()))}", flush=True)
            judge(report, instance, project, backend, status)
            check_schemas(report, instance, project, backend, home)
            backend.reject = lambda event: None
            instance.run("sync", "retry", "--all")
            end = wait_until("dead letters are delivered", lambda: (s := settled(instance)) and not s["rejected"] and s)
            report.equal("after a retry nothing is refused", end["rejected"], 0)
            contract(report, instance, project, backend)
            report.equal("it ends cleanly", instance.stop(), 0)
        check_cloud_events(report, options, project, scratch)
    backend.stop()
    report.end()


if __name__ == "__main__":
    main()
