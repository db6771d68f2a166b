"""Every GET of `/api/openapi.json` answers as it is described, over TCP and over the socket.

Runs in the virtual environment that has jsonschema: status, content type and the body's
schema are compared with the description; without the token TCP gives nothing but what is
described as public.
"""

import http.client
import json
import pathlib
import tempfile
import urllib.parse

import jsonschema

import subject
from instance import Answer, Instance
from report import Report

# Other forms of an answer, by path: what to ask for, and the content type that is expected.
FORMS = {
    "/api/dossier/artifacts/{artifact_key}": [({"raw": "true"}, "text/plain")],
    "/api/dossier/snapshots/export": [
        ({"format": "sha256sums"}, "text/plain"),
        ({"format": "in-toto"}, "application/vnd.in-toto+json"),
    ],
    "/api/dossier/artifacts": [({"class": "evidence", "limit": "2"}, "application/json")],
}
# Answered for those on the machine only, so not over TCP.
LOCAL_ONLY = {"/api/token"}


class Description:
    """The API description."""

    def __init__(self, document):
        self.document = document
        self.gets = {path: item["get"] for path, item in document["paths"].items() if "get" in item}

    def is_public(self, path):
        return self.gets[path].get("security") == []

    def problems(self, path, answer, wanted_type=None, wanted_status=200):
        """What differs between an answer and its description."""
        if answer.status != wanted_status:
            return [f"{path}: {answer.status} instead of {wanted_status}: {answer.body[:200]!r}"]
        response = self.gets[path]["responses"][str(answer.status)]
        kind = (answer.headers.get("Content-Type") or "").split(";")[0]
        described = response.get("content", {})
        if kind not in described or (wanted_type and kind != wanted_type):
            return [f"{path}: {kind!r}, described are {sorted(described)}"]
        problems = [] if answer.headers.get("ETag") or answer.status != 200 else [f"{path}: no ETag"]
        if kind.endswith("json"):
            try:
                self.validate(json.loads(answer.body), described[kind].get("schema", {}))
            except (ValueError, jsonschema.ValidationError) as error:
                problems.append(f"{path}: {getattr(error, 'message', error)}")
        return problems

    def validate(self, body, schema):
        """Validates a body; references point into the description."""
        root = {"components": self.document["components"], **schema}
        jsonschema.Draft202012Validator(root).validate(body)


def tcp(instance, path, token, query):
    """One GET over TCP."""
    address = urllib.parse.urlsplit(instance.http)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""), headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def filled(path, key):
    """A path with its variables filled in."""
    return path.replace("{artifact_key}", urllib.parse.quote(key)).replace("{file}", "app.js").replace("{name}", "event")


def needed(operation, slug, key):
    """What has to be asked for, so that there is an answer."""
    known = {"feature": slug, "artifact": key}
    return {p["name"]: known[p["name"]] for p in operation.get("parameters", []) if p.get("name") in known}


def main():
    options = subject.arguments(__doc__)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dossierd-openapi-") as scratch:
        scratch = pathlib.Path(scratch)
        project = subject.copy(subject.SAMPLE, scratch / "project")
        with Instance(options.binary, scratch / "home") as instance:
            instance.start()
            instance.run("add", project)
            check(report, instance, next(iter(subject.features(project))))
            report.equal("API: ends well", instance.stop(), 0)
    report.end()


def check(report, instance, slug):
    token = instance.run("token").strip()
    description = Description(instance.get("/api/openapi.json"))
    key = instance.artifacts(slug)[0]["artifact_key"]
    over = {
        "TCP": lambda path, query: tcp(instance, path, token, query),
        "the socket": lambda path, query: instance.ask("GET", path, **query),
    }
    asked = {transport: [] for transport in over}
    unchanged, refused, unknown = [], [], []
    for path, operation in description.gets.items():
        feature = needed(operation, slug, key)
        target = filled(path, key)
        for transport, ask in over.items():
            wanted = 403 if path in LOCAL_ONLY and transport == "TCP" else 200
            asked[transport] += description.problems(path, ask(target, feature), None, wanted)
            for query, kind in FORMS.get(path, []):
                asked[transport] += description.problems(path, ask(target, feature | query), kind)
        wanted = 200 if description.is_public(path) else 401
        refused += description.problems(path, tcp(instance, target, None, feature), None, wanted)
        unchanged += not_modified(instance, path, target, feature)
        if feature:
            answer = instance.ask("GET", target, **feature | {"feature": "no-such-feature"})
            unknown += description.problems(path, answer, "application/problem+json", 404)
    count = len(description.gets)
    for transport, problems in asked.items():
        report.check(f"API: {count} GETs over {transport} as described", problems)
    report.check("API: without the token only what is public", refused)
    report.check("API: an unknown feature is a problem document", unknown)
    report.check("API: If-None-Match gives 304", unchanged)


def not_modified(instance, path, target, feature):
    """Does a second look with the ETag of the first cost nothing?"""
    # These tell the time or count requests, so two answers differ.
    if path in ("/metrics", "/api/status"):
        return []
    tag = instance.ask("GET", target, **feature).headers.get("ETag")
    status = instance.ask("GET", target, headers={"If-None-Match": tag or ""}, **feature).status
    return [] if status == 304 else [f"{path}: {status} for {tag}"]


if __name__ == "__main__":
    main()
