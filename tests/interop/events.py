"""A varied run, whose logs then have to pass everything that a consumer relies on.

Runs in the virtual environment that has `spec-kitty-events==11.0.0` and jsonschema. The run:
edits, removals, renames, invalid UTF-8, unreadable files, new and moved features, baselines
and drift, kill -9 at awkward moments, changes while it is down, reindex, mission overrides,
another target branch. Then each line of each log is checked, by the contract's own models
and by `rebuild.py`.
"""

import importlib.metadata
import json
import os
import pathlib
import random
import re
import shutil
import socket
import tempfile

from spec_kitty_events import dossier as contract
from spec_kitty_events.conformance import validate_event
from spec_kitty_events.models import Event

import disk
import rebuild
import schemas
import subject
from instance import Instance, Refused, wait_until
from report import Report

JUDGE = ("spec-kitty-events", "11.0.0")
PAYLOADS = {
    "MissionDossierArtifactIndexed": contract.MissionDossierArtifactIndexedPayload,
    "MissionDossierArtifactMissing": contract.MissionDossierArtifactMissingPayload,
    "MissionDossierSnapshotComputed": contract.MissionDossierSnapshotComputedPayload,
    "MissionDossierParityDriftDetected": contract.MissionDossierParityDriftDetectedPayload,
}
FORBIDDEN = {"feature_slug", "feature_number", "mission_key", "legacy_aggregate_id"}
# Names that no file of a project has, so that one in a log comes from the machine.
USER = "zq-operator-7319"
SEED = 7319


class VariedRun:
    """The project, the daemon on it, and what is done to both."""

    def __init__(self, instance, project):
        self.instance = instance
        self.project = project
        self.specs = project / "kitty-specs"
        self.random = random.Random(SEED)
        self.count = 0

    def slugs(self):
        return sorted(subject.features(self.project))

    def some(self, count):
        """Some features, never twice the same."""
        slugs = self.slugs()
        return self.random.sample(slugs, min(count, len(slugs)))

    def text(self):
        """Content that was never there before."""
        self.count += 1
        return f"# Revision {self.count}\n\ncafé 漢字 e\u0301\r\n"

    def markdown(self, slug):
        """A Markdown file of a feature that is regular and there."""
        found = [p for p in sorted((self.specs / slug).rglob("*.md")) if p.is_file() and not p.is_symlink()]
        return self.random.choice(found)

    def settled(self):
        """Waits until every feature has taken in what happened."""
        for slug in self.slugs():
            self.instance.fresh_overview(slug)

    # What people and tools do to files.

    def edit(self, slug):
        self.markdown(slug).write_text(self.text())

    def append(self, slug):
        with self.markdown(slug).open("a") as file:
            file.write(self.text())

    def replace(self, slug):
        path = self.markdown(slug)
        draft = path.with_name(f".{path.name}.tmp")
        draft.write_text(self.text())
        draft.replace(path)

    def add(self, slug):
        directory = self.specs / slug / "research" / f"round {self.count}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "日記 – notes.md").write_text(self.text())
        (directory / "empty.md").touch()

    def remove(self, slug):
        self.markdown(slug).unlink()
        if not list((self.specs / slug).rglob("*.md")):
            (self.specs / slug / "notes.md").write_text(self.text())

    def rename(self, slug):
        path = self.markdown(slug)
        path.rename(path.with_name(f"renamed-{self.count}-{path.name}"))
        self.count += 1

    def swap(self, slug):
        one, other = self.markdown(slug), self.specs / slug / "swapped.md"
        if not other.exists():
            other.write_text(self.text())
        if one != other:
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            other.write_bytes(first)

    def spoil(self, slug):
        """Bytes that are no UTF-8, at the end of a file that was fine."""
        with self.markdown(slug).open("ab") as file:
            file.write(b"\xe6\xbc")

    def name_in_latin_1(self, slug):
        name = os.path.join(os.fsencode(self.specs / slug), b"r\xe9sum\xe9.md")
        with open(name, "w") as file:
            file.write(self.text())

    def burst(self, rounds, features=8):
        """Everything at once, all over the project."""
        operations = [self.edit, self.append, self.replace, self.add, self.remove, self.rename, self.swap]
        for slug in self.some(features):
            for _ in range(rounds):
                self.random.choice(operations)(slug)

    # The chapters of the run.

    def files(self):
        self.settled()
        for operation in (self.edit, self.append, self.replace, self.add, self.remove, self.rename, self.swap):
            for slug in self.some(3):
                operation(slug)
                self.instance.fresh_overview(slug)
        for slug in self.some(2):
            self.spoil(slug)
        self.name_in_latin_1(self.slugs()[0])
        self.burst(4)
        self.settled()

    def required(self):
        """Required artifacts go, each in another way, and come back."""
        slug = self.new_feature("900-required")
        feature = self.specs / slug
        self.instance.fresh_overview(slug)
        kept = {name: (feature / name).read_bytes() for name in ("spec.md", "plan.md", "tasks.md")}
        (feature / "spec.md").unlink()
        self.instance.fresh_overview(slug)
        (feature / "plan.md").write_bytes(b"\xff\xfe not text")
        (feature / "tasks.md").unlink()
        (feature / "tasks.md").symlink_to("/etc/hostname")
        self.instance.fresh_overview(slug)
        (feature / "spec.md").mkdir()
        (feature / "plan.md").unlink()
        os.mkfifo(feature / "plan.md")
        if os.geteuid() != 0:
            (feature / "research.md").chmod(0)
        overview = self.instance.fresh_overview(slug)
        (feature / "spec.md").rmdir()
        (feature / "research.md").chmod(0o644)
        for name, content in kept.items():
            (feature / name).unlink(missing_ok=True)
            (feature / name).write_bytes(content)
        restored = self.instance.fresh_overview(slug)
        return overview, restored

    def new_feature(self, slug, directory=None):
        feature = (directory or self.specs) / slug
        feature.mkdir()
        (feature / "meta.json").write_text('{"mission_type": "software-dev", "current_step": "plan"}\n')
        for name in ("spec.md", "plan.md", "tasks.md", "research.md"):
            (feature / name).write_text(self.text())
        return slug

    def features(self):
        """Features appear, move in, get another name, and go."""
        self.new_feature("901-written-in-place")
        self.settled()
        self.new_feature("902-moved-in", self.project)
        (self.project / "902-moved-in").rename(self.specs / "902-moved-in")
        self.settled()
        (self.specs / "901-written-in-place").rename(self.specs / "903-renamed")
        self.settled()
        shutil.rmtree(self.specs / "902-moved-in")
        self.settled()

    def baselines(self):
        slugs = self.some(6)
        for slug in slugs:
            self.instance.run("baseline", "capture", slug, "--note", "as agreed")
        for slug, operation in zip(slugs, (self.edit, self.remove, self.rename, self.add, self.swap, self.spoil)):
            operation(slug)
            self.instance.fresh_overview(slug)
        self.burst(2)
        self.settled()
        self.instance.run("baseline", "capture", slugs[0])
        self.instance.run("baseline", "clear", slugs[1])
        return slugs

    def contexts(self, slugs):
        """Another target branch, another step, another manifest: then back again."""
        meta = self.specs / slugs[2] / "meta.json"
        before = meta.read_text()
        document = json.loads(before)
        document["target_branch"] = "release/2"
        meta.write_text(json.dumps(document))
        self.instance.fresh_overview(slugs[2])
        self.edit(slugs[2])
        self.instance.fresh_overview(slugs[2])
        meta.write_text(before)
        self.instance.fresh_overview(slugs[2])
        self.instance.run("step", "set", slugs[3], "done", expect=None)
        self.instance.run("step", "clear", slugs[3])

        source = subject.REPOSITORY / "missions" / "software-dev"
        override = self.project / ".kittify" / "missions" / "software-dev"
        shutil.copytree(source, override)
        manifest = override / "expected-artifacts.yaml"
        text = manifest.read_text()
        changed = re.sub(r'(?m)^manifest_version:.*$', 'manifest_version: "interop-2"', text)
        assert changed != text
        manifest.write_text(changed)
        self.settled()
        self.burst(1)
        manifest.write_text("required_always: [\n")
        self.settled()
        self.burst(1)
        shutil.rmtree(override)
        self.settled()

    def crashes(self):
        for rounds in (1, 3, 6):
            self.burst(rounds)
            self.instance.kill()
            self.burst(1, features=3)
            self.instance.start()
            self.settled()
        # Killed while the events of many features are being written.
        for _ in range(3):
            size = self.log_size()
            self.burst(1, features=24)
            wait_until("a log grows", lambda: self.log_size() > size)
            self.instance.kill()
            self.instance.start()
            self.settled()
        # Killed while it starts and takes in what happened in the meantime.
        self.instance.kill()
        self.burst(2, features=20)
        self.instance.start()
        self.burst(1, features=20)
        self.instance.kill()
        self.tear()
        self.instance.start()
        self.settled()

    def log_size(self):
        return sum(path.stat().st_size for path in self.project.glob(".kittify/dossiers/*/events.jsonl"))

    def tear(self):
        """Leaves what a crash in the middle of a write leaves."""
        log = self.project / ".kittify" / "dossiers" / self.slugs()[1] / "events.jsonl"
        with log.open("ab") as file:
            file.write(b'{"event_id":"01K')

    def while_down(self):
        if self.instance.stop() != 0:
            raise RuntimeError("it did not end well")
        self.burst(2)
        self.new_feature("904-written-while-down")
        shutil.rmtree(self.specs / "903-renamed")
        path = self.markdown("900-required")
        path.rename(path.with_name("renamed-while-down.md"))
        self.instance.start()
        self.settled()

    def reindexed(self):
        for slug in self.some(3):
            self.instance.run("reindex", slug)
        self.settled()


def logs(project):
    """Log directories, by slug."""
    dossiers = project / ".kittify" / "dossiers"
    return {path.name: path for path in sorted(dossiers.iterdir()) if path.is_dir() and rebuild.segments(path)}


def parsed(logs_by_slug):
    """All events with where they stand, by segment: `[(slug, segment, [(where, event)])]`."""
    found = []
    for slug, directory in logs_by_slug.items():
        for segment in rebuild.segments(directory):
            lines = enumerate(rebuild.lines(segment), 1)
            events = [(f"{slug}/{segment.name}:{number}", json.loads(line)) for number, line in lines]
            found.append((slug, segment, events))
    return found


def contract_problems(events):
    """What the contract's envelope, payload models and schemas say against each event."""
    envelope, payload, conformance, keys = [], [], [], []
    for where, event in events:
        try:
            Event(**event)
        except ValueError as error:
            envelope.append(f"{where}: {error}")
        try:
            PAYLOADS[event["event_type"]](**event["payload"])
        except (ValueError, KeyError) as error:
            payload.append(f"{where}: {error!r}")
        result = validate_event(event["payload"], event["event_type"], strict=True)
        if not result.valid:
            conformance.append(f"{where}: {result.model_violations} {result.schema_violations}")
        found = FORBIDDEN & set(all_keys(event))
        if found:
            keys.append(f"{where}: {sorted(found)}")
    return envelope, payload, conformance, keys


def all_keys(value):
    if isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from all_keys(member)
    elif isinstance(value, list):
        for item in value:
            yield from all_keys(item)


def all_texts(value):
    if isinstance(value, str):
        yield value
        if value.startswith(("[", "{")):
            try:
                yield from all_texts(json.loads(value))
            except ValueError:
                pass
    elif isinstance(value, dict):
        for key, member in value.items():
            yield key
            yield from all_texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from all_texts(item)


def private(events, scratch):
    """Texts that give the machine or the user away."""
    host = re.compile(rf"(?<![\w-]){re.escape(socket.gethostname())}(?![\w-])")
    places = {str(scratch), str(scratch.resolve()), os.path.expanduser("~") + "/", str(subject.REPOSITORY), USER}
    found = []
    for where, event in events:
        for text in all_texts(event):
            if text.startswith(("/", "~")) or host.search(text) or any(place in text for place in places):
                found.append(f"{where}: {text!r}")
    return found


def order_problems(segments):
    """Ids unique and ascending, clocks ascending per node: in each log, and over all."""
    problems, seen, everything, before = [], {}, [], None
    for slug, _, events in segments:
        last = before if before and before[0] == slug else None
        for where, event in events:
            place = (event["event_id"], event["lamport_clock"])
            if event["event_id"] in seen:
                problems.append(f"{where}: event_id as at {seen[event['event_id']]}")
            seen[event["event_id"]] = where
            if last and (place[0] <= last[1] or place[1] <= last[2]):
                problems.append(f"{where}: {place} after {last[1:]}")
            last = (slug, *place)
            everything.append((event["node_id"], *place, where))
        before = last or before
    for (node, clock, event_id, _), (next_node, next_clock, next_id, where) in ascending(everything):
        if node == next_node and (next_clock == clock or next_id <= event_id):
            problems.append(f"{where}: clock {next_clock}, id {next_id} after {clock}, {event_id}")
    return problems


def ascending(everything):
    by_clock = sorted((node, clock, event_id, where) for node, event_id, clock, where in everything)
    return zip(by_clock, by_clock[1:])


def reduced(events):
    return contract.reduce_mission_dossier([Event(**event) for _, event in events])


def reducer_problems(segments):
    problems = []
    for slug, segment, events in segments:
        try:
            state = reduced(events)
        except ValueError as error:
            problems.append(f"{slug}/{segment.name}: {error}")
            continue
        if state.event_count != len(events):
            problems.append(f"{slug}/{segment.name}: {state.event_count} of {len(events)} events taken in")
    return problems


def shown_problems(instance, slugs, segments, rebuilt):
    """Where the reduced log, the rebuilt catalogue and the API tell different stories."""
    active = {slug: events for slug, segment, events in segments if segment.name == "events.jsonl"}
    reducer, catalogue = [], []
    for slug in slugs:
        overview, rows = instance.fresh_overview(slug), instance.present(slug)
        snapshot = reduced(active[slug]).latest_snapshot
        told = snapshot and (snapshot.snapshot_hash, snapshot.artifact_count, snapshot.anomaly_count)
        shown = (overview["parity_hash_sha256"], len(rows), len(overview["anomalies"]))
        if told != shown:
            reducer.append(f"{slug}: the log says {told}, the API {shown}")
        from_log = {f"kitty-specs/{slug}/{path}": content for path, content in rows.items()}
        if rebuilt[slug].catalogue != from_log:
            differ = sorted(set(rebuilt[slug].catalogue.items()) ^ set(from_log.items()))
            catalogue.append(f"{slug}: {differ[:4]}")
    return reducer, catalogue


def check_run(report, run):
    """The run itself, with what can only be asked while it goes on."""
    run.files()
    overview, restored = run.required()
    reasons = {m["artifact_key"]: m["reason_code"] for m in overview["missing"]}
    wanted = {"input.spec.main": "not_found", "output.plan.main": "unreadable", "output.tasks.list": "unreadable"}
    report.equal("run: three required artifacts gone in three ways are all named", reasons, wanted)
    report.equal("run: and are back", restored["completeness_status"], "complete")
    run.features()
    slugs = run.baselines()
    run.contexts(slugs)
    run.crashes()
    run.while_down()
    run.reindexed()

    counts = {slug: sum(map(len, map(rebuild.lines, rebuild.segments(d)))) for slug, d in logs(run.project).items()}
    run.instance.restart()
    run.settled()
    after = {slug: sum(map(len, map(rebuild.lines, rebuild.segments(d)))) for slug, d in logs(run.project).items()}
    grown = [f"{slug}: {after[slug] - counts.get(slug, 0)} lines" for slug in after if after[slug] != counts.get(slug)]
    report.check("run: a restart without changes writes no event", grown)


def check_logs(report, run, scratch):
    logs_by_slug = logs(run.project)
    segments = parsed(logs_by_slug)
    events = [event for _, _, of_segment in segments for event in of_segment]
    kinds = {}
    for _, event in events:
        kinds[event["event_type"]] = kinds.get(event["event_type"], 0) + 1
    rebuilt = {slug: rebuild.rebuild(directory) for slug, directory in logs_by_slug.items()}
    moved = sum(log.supersedes for log in rebuilt.values())
    gone = sum(log.removed for log in rebuilt.values())
    amount = f"{len(events)} events in {len(segments)} segments of {len(logs_by_slug)} logs"
    print(f"  {amount}: {kinds}; {moved} renames, {gone} removals")
    thin = [kind for kind in PAYLOADS if kinds.get(kind, 0) < 5] + (["renames"] if moved < 3 else [])
    report.check("log: the run had everything in it", thin + (["removals"] if gone < 3 else []))

    envelope, payload, conformance, keys = contract_problems(events)
    report.check(f"log: envelopes of {amount}", envelope)
    report.check("log: payload models", payload)
    report.check("log: validate_event(strict=True)", conformance)
    report.check("log: no forbidden key", keys)
    report.check("log: reduce_mission_dossier takes in every segment", reducer_problems(segments))
    report.check("log: ids and clocks ascend, in each log and over all", order_problems(segments))
    report.check("log: no host, user, home or absolute path", private(events, scratch))
    snapshots = sum(log.snapshots for log in rebuilt.values())
    problems = [problem for log in rebuilt.values() for problem in log.problems]
    report.check(f"log: {snapshots} snapshot hashes rebuilt from the logs alone", problems)
    report.check("dossierd verify: all logs", verify_problems(run, len(logs_by_slug)))

    slugs = run.slugs()
    reducer, catalogue = shown_problems(run.instance, slugs, segments, rebuilt)
    report.check(f"API: {len(slugs)} features as the reduced logs have them", reducer)
    report.check(f"API: {len(slugs)} features as the rebuilt catalogues have them", catalogue)
    on_disk = [slug for slug in slugs if disk.parity(disk.present(run.specs / slug).values()) != parity_of(run, slug)]
    report.check(f"API: {len(slugs)} parity hashes as the disk has them", on_disk)


def parity_of(run, slug):
    return run.instance.get("/api/dossier/overview", feature=slug)["parity_hash_sha256"]


def verify_problems(run, count):
    verdict = json.loads(run.instance.run("verify", run.project / ".kittify" / "dossiers", "--json", expect=None))
    problems = [f"{log['log']}: {log.get('broken')}" for log in verdict["logs"] if not log["ok"]]
    if not verdict["ok"] or len(verdict["logs"]) != count:
        problems.append(f"ok {verdict['ok']} for {len(verdict['logs'])} of {count} logs")
    return problems


def check_schemas(report, run, scratch):
    """What was written is as the schemas have it, which the daemon serves."""
    served = schemas.Schemas(run.instance)
    # A project that says nothing of itself.
    bare, slug = scratch / "bare", "999-bare"
    shutil.copytree(min(subject.features(subject.SAMPLE).values()), bare / "kitty-specs" / slug)
    run.instance.run("add", bare)
    run.instance.run("baseline", "capture", slug, "--note", "as agreed")
    override = run.project / ".kittify" / "missions" / "software-dev"
    shutil.copytree(subject.REPOSITORY / "missions" / "software-dev", override)
    run.settled()
    run.instance.restart()
    for each in (*run.slugs(), slug):
        run.instance.fresh_overview(each)
    samples = schemas.check_files(report, served, run.project, run.instance.home, [
        *PAYLOADS, "snapshot", "baseline", "registry", "clock", "project-identity", "mission-overrides",
    ])
    one = json.loads(run.instance.run("scan", run.specs / run.slugs()[0], "--json"))
    every = json.loads(run.instance.run("scan", run.project, "--json"))
    exported = run.instance.get("/api/dossier/snapshots/export", feature=slug)
    printed = served.problems("snapshot", "scan", one) + served.problems("project-scan", "scan", every)
    report.check("schemas: what scan prints, and the export", printed + served.problems("snapshot", "export", exported))
    for name, document in samples.items():
        kind = "event" if name in PAYLOADS else name
        schemas.check_broken(report, served, kind, document, name)
    check_definitions(report, run, served, scratch)
    check_configurations(report, run, served, scratch)


def check_definitions(report, run, served, scratch):
    """Mission overrides: the schemas refuse nothing that the program takes, and take nothing
    that it refuses, but for what is about names of steps."""
    project = scratch / "probe"
    feature, override = project / "kitty-specs" / "001-probe", project / ".kittify" / "missions" / "probe"
    feature.mkdir(parents=True)
    override.mkdir(parents=True)
    (feature / "meta.json").write_text('{"mission_type": "probe"}')
    files = {"mission": override / "mission.yaml", "manifest": override / "expected-artifacts.yaml"}

    def taken():
        [snapshot] = json.loads(run.instance.run("scan", project, "--json"))["features"]
        return all(anomaly["code"] != "invalid-mission-override" for anomaly in snapshot["anomalies"])

    # JSON is YAML, so one text serves both.
    good = {"mission": schemas.MISSION, "manifest": schemas.MANIFEST}
    for name, file in files.items():
        file.write_text(json.dumps(good[name]))
    valid = [problem for name, document in good.items() for problem in served.problems(name, "the good one", document)]
    report.check("schemas: mission and manifest that the program takes", valid + ([] if taken() else ["it does not"]))
    for name, file in files.items():
        differ, verdicts = [], []
        for what, document in schemas.broken(good[name]):
            file.write_text(json.dumps(document))
            verdicts.append((served.accepts(name, document), taken()))
            if verdicts[-1][0] != verdicts[-1][1] and not schemas.about_steps(name, what):
                differ.append(f"{what}: (schema, program) {verdicts[-1]}")
        file.write_text(json.dumps(good[name]))
        refused = sum(not any(verdict) for verdict in verdicts)
        differ += [] if 10 <= refused < len(verdicts) else [f"{refused} of {len(verdicts)} refused"]
        report.check(f"schemas: {len(verdicts)} changes of a {name}, {refused} refused by schema and program", differ)


def check_configurations(report, run, served, scratch):
    """The schema takes and refuses the same configurations as the program does."""
    file = scratch / "config.yaml"
    wrong = []
    for fine, configuration in schemas.CONFIGURATIONS:
        file.write_text(json.dumps(configuration))
        with Instance(run.instance.binary, scratch / "configured") as instance:
            try:
                instance.start("--config", file)
                taken = instance.stop() == 0
            except Refused:
                taken = False
        verdict = (served.accepts("config", configuration), taken)
        if verdict != (fine, fine):
            wrong.append(f"{configuration}: (schema, program) {verdict}")
    report.check(f"schemas: {len(schemas.CONFIGURATIONS)} configurations, as the program has them", wrong)


def main():
    options = subject.arguments(__doc__)
    report = Report()
    package, version = JUDGE
    report.equal(f"the judge is {package}", importlib.metadata.version(package), version)
    source, _ = subject.project(options.corpus, report)
    with tempfile.TemporaryDirectory(prefix="dossierd-events-") as scratch:
        scratch = pathlib.Path(scratch)
        project = subject.copy(source, scratch / "project")
        environment = {"USER": USER, "LOGNAME": USER, "USERNAME": USER}
        with Instance(options.binary, scratch / "home", environment) as instance:
            instance.start()
            instance.run("add", project)
            run = VariedRun(instance, project)
            check_run(report, run)
            check_logs(report, run, scratch)
            check_schemas(report, run, scratch)
            report.equal("run: ends well", instance.stop(), 0)
    report.end()


if __name__ == "__main__":
    main()
