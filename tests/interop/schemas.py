"""The schemas of files and events, as a daemon serves them.

`Schemas` validates documents; `check_files` finds every file of ours below a project and a
daemon's home and validates each; `check_broken` sees to it that a document that is broken on
purpose does not pass.
"""

import copy
import json
import re

import jsonschema
import referencing

MEDIA_TYPE = "application/schema+json"
# A ULID, a hash, a UUID, a time.
EXACT = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}|(sha256:)?[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9-]{10}T[0-9:.]{15}Z")


class Schemas:
    """All schemas of a daemon, by name."""

    def __init__(self, instance):
        self.names = [row["name"] for row in instance.get("/api/schemas")["schemas"]]
        documents = {}
        for name in self.names:
            answer = instance.ask("GET", f"/api/schemas/{name}")
            assert (answer.status, answer.headers["Content-Type"]) == (200, MEDIA_TYPE), name
            documents[name] = answer.json()
            jsonschema.Draft202012Validator.check_schema(documents[name])
        resources = [(d["$id"], referencing.Resource.from_contents(d)) for d in documents.values()]
        registry = referencing.Registry().with_resources(resources)
        self.validators = {
            name: jsonschema.Draft202012Validator(
                document, registry=registry, format_checker=jsonschema.FormatChecker()
            )
            for name, document in documents.items()
        }

    def accepts(self, name, document):
        return self.validators[name].is_valid(document)

    def problems(self, name, where, document):
        """What is wrong with a document, if anything."""
        error = next(self.validators[name].iter_errors(document), None)
        if error is None:
            return []
        place = "/".join(map(str, error.absolute_path))
        return [f"{where}: {name}: {place}: {error.message[:300]}"]


def files(project, home):
    """Every file of ours: `(schema, place, document)`; of a file of lines each line."""
    dossiers = [*project.glob(".kittify/dossiers/*"), *home.glob("state/dossiers/*/*")]
    patterns = {
        "event": ("events.jsonl", "events-*.jsonl"),
        "snapshot": ("snapshot-latest.json",),
        "baseline": ("parity-baseline.json", "baselines/*.json"),
    }
    for directory in dossiers:
        for name, own in patterns.items():
            for pattern in own:
                yield from documents(name, directory.glob(pattern))
    state = home / "state"
    yield from documents("registry", state.glob("registry.json"))
    yield from documents("clock", state.glob("clock"))
    yield from documents("project-identity", state.glob("identities/*.json"))
    yield from documents("mission-overrides", state.glob("missions/*.json"))
    for sink in state.glob("delivery/*"):
        yield from documents("delivery-pause", sink.glob("pause.json"))
        yield from documents("dead-letter", sink.glob("dead-letters.jsonl"))
        yield from documents("delivery-cursor", (p for p in sink.rglob("*.json") if p.name != "pause.json"))


def documents(name, paths):
    for path in sorted(paths):
        lines = path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
        for number, line in enumerate(lines, 1):
            yield name, f"{path.parent.name}/{path.name}:{number}", json.loads(line)


def check_files(report, schemas, project, home, wanted):
    """Validates every file; `wanted` are the kinds that have to be among them. Returns one
    document of each kind."""
    problems, samples, counts = [], {}, {}
    for name, where, document in files(project, home):
        problems += schemas.problems(name, where, document)
        samples.setdefault(name, document)
        counts[name] = counts.get(name, 0) + 1
        if name == "event":
            samples[document["event_type"]] = document
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    report.check(f"schemas: {told}", problems)
    report.equal("schemas: there was a file of each kind", sorted(set(wanted) - set(samples)), [])
    return samples


def changes(document, path=()):
    """Ways to break a document: each member gone, of another type, or misspelt; one more
    member; each hash, id and time spoilt. The names of free mappings are left alone."""
    if isinstance(document, dict):
        yield path, "one member more", lambda d: d.update({"x-unknown": 1})
        for name, value in document.items():
            yield path, f"without {name}", lambda d, name=name: d.pop(name)
            yield path, f"{name} of another type", lambda d, name=name, v=value: d.update({name: other_type(v)})
            if isinstance(value, str) and EXACT.fullmatch(value):
                yield path, f"{name} spoilt", lambda d, name=name, v=value: d.update({name: spoilt(v)})
            yield from changes(value, (*path, name))
    elif isinstance(document, list) and document:
        yield from changes(document[0], (*path, 0))


def other_type(value):
    return {"not": "this"} if isinstance(value, (str, int, type(None))) else 7


def spoilt(text):
    """The same, with a character that no hash, ULID, UUID or time has."""
    return f"{text[:-1]}u" if text[-1] != "u" else f"{text[:-1]}!"


def broken(document):
    """Each change of `changes`, made to a copy: `(what, copy)`."""
    for path, what, change in changes(document):
        damaged = copy.deepcopy(document)
        at = damaged
        for step in path:
            at = at[step]
        change(at)
        yield "/".join(map(str, path)) + ": " + what, damaged


def check_broken(report, schemas, name, document, label=None):
    """None of the ways to break a document may pass, but for those that are harmless."""
    fine = harmless(name)
    count, passed = 0, schemas.problems(name, "as it was", document)
    for what, damaged in broken(document):
        if fine(what):
            continue
        count += 1
        if schemas.accepts(name, damaged):
            passed.append(what)
    passed += ["nothing was broken"] if count < 3 else []
    report.check(f"schemas: {label or name}: {count} ways to break it are all refused", passed)


# Members that need not be there, with what they are members of. Those of a payload are in
# events of one type only, so the list serves each of them, wherever the event stands.
OPTIONAL_IN_EVENTS = (
    "payload: without step_id",
    "payload: without provenance",
    "payload: without supersedes",
    "payload: without last_known_ref",
    "payload: without artifact_ids_changed",
    "artifact_id: without wp_id",
    "supersedes: without wp_id",
    "expected_identity: without wp_id",
    "artifact_ids_changed/0: without wp_id",
    "provenance: without git_sha",
    "provenance: without git_ref",
    "last_known_ref: without git_sha",
    "last_known_ref: without git_ref",
)
HARMLESS = {
    # A file without the list of artifacts is one of another tool.
    "baseline": ("without artifacts", "without checkout_branch", "without git_sha", "without note"),
    "registry": ("without mission_type", "without steps"),
    "config": ("without sync", "without webhook", "without token_file", "without timeout_seconds"),
    "mission-overrides": ("without software-dev",),
    # Another program's: more members are ignored, and an error may be anything.
    "delivery-answer": ("one member more", "without error", "error of another type", "event_id spoilt"),
}


def harmless(kind):
    """Which ways to break a document of this kind leave one that is fine."""
    carries_events = kind in ("event", "dead-letter", "delivery-batch", "cloudevents-batch")

    def fine(what):
        change = what.split(": ", 1)[1]
        return change in HARMLESS.get(kind, ()) or (carries_events and what.endswith(OPTIONAL_IN_EVENTS))

    return fine


MISSION = {
    "schema_version": "1.0",
    "mission": {"name": "Probe", "version": "1", "description": "For the schemas."},
    "initial": "draft",
    "states": [{"name": "draft", "display_name": "Draft", "on_enter": ["x"]}, "review", "done"],
    "transitions": [
        {"trigger": "advance", "source": "draft", "dest": "review", "conditions": ["artifact_exists(\"a.md\")"]},
        {"trigger": "rework", "source": ["review", "done"], "dest": "draft", "unless": "gate_passed('x')"},
        {"trigger": "stop", "source": "*", "dest": "done", "conditions": None},
    ],
    "guards": {"anything": 1},
    "mission_type": "probe",
}
MANIFEST = {
    "schema_version": 1,
    "mission_type": "probe",
    "manifest_version": "1.10",
    "required_always": [{"artifact_key": "input.a", "artifact_class": "input", "path_pattern": "a.md", "blocking": False}],
    "required_by_step": {
        "review": [{"artifact_key": "output.b", "artifact_class": "output", "path_pattern": ["b/**/*.md", "b.md"]}],
        "done": None,
    },
    "optional_always": [{"artifact_key": "policy.c", "artifact_class": "policy", "path_pattern": "c-{1,2}.md", "blocking": False}],
}


def about_steps(name, what):
    """Is a change of a definition about which steps there are? A schema of one file, and of
    one member at a time, cannot know."""
    place, change = what.split(": ", 1)
    in_mission = {"initial of another type", "states/0: name of another type", "dest of another type", "source of another type"}
    if name == "mission":
        return change in in_mission or what in in_mission or place.startswith("states")
    return place == "required_by_step" or what == ": mission_type of another type"


def webhook(url="https://events.example.org", **more):
    return {"sync": {"webhook": {"url": url, **more}}}


# Configurations, and whether they are fine.
CONFIGURATIONS = [
    (True, None),
    (True, {}),
    (True, {"listen": "127.0.0.1:0", "tcp_auth": "none", "allowed_hosts": ["box.test"], "log": "info", "watch": {"backend": "notify"}}),
    (True, {"listen": "[::1]:0", "log": None, "watch": {}, "sync": {}}),
    (True, {"sync": {"keep_segments": 3}}),
    (True, webhook("http://127.0.0.1:9", batch_size=1, timeout_seconds=600, format="cloudevents")),
    (True, webhook("http://[::1]:9/base", token_file=None, batch_size=1000, format="native")),
    (False, []),
    (False, {"lissten": "127.0.0.1:0"}),
    (False, {"listen": "here"}),
    (False, {"tcp_auth": "maybe"}),
    (False, {"allowed_hosts": "box.test"}),
    (False, {"watch": {"backend": "polling"}}),
    (False, {"sync": {"keep_segments": -1}}),
    (False, {"sync": {"webhook": {}}}),
    (False, webhook("http://events.example.org")),
    (False, webhook("http://127.0.0.1.example.org")),
    (False, webhook("https://a:b@events.example.org")),
    (False, webhook("https://events.example.org/?x=1")),
    (False, webhook("events.example.org")),
    (False, webhook("ftp://events.example.org")),
    (False, webhook(batch_size=0)),
    (False, webhook(batch_size=1001)),
    (False, webhook(timeout_seconds=0)),
    (False, webhook(timeout_seconds=601)),
    (False, webhook(format="CloudEvents")),
    (False, webhook(token="not in here")),
]
