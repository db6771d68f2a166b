"""What happens to files is visible at once, and git does not see that anybody looked.

With the project registered: each kind of change is in the `?fresh=true` read right after it;
the drift line is on `dossierd tail` soon after the write; `git status` of a registered
checkout stays as it was.
"""

import hashlib
import json
import pathlib
import queue
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import disk
import subject
from instance import Instance
from report import Report

EDITS = 50
MEDIAN_LIMIT_MS = 200.0
# A line that takes longer than this counts as lost.
PATIENCE_S = 10.0


def agrees(instance, slug, directory):
    """Reads fresh, once, and compares everything with the disk."""
    shown = instance.present(slug, fresh="true")
    expected = disk.present(directory)
    differ = sorted(set(shown.items()) ^ set(expected.items()))
    parity = instance.get("/api/dossier/overview", feature=slug)["parity_hash_sha256"]
    problems = [f"{path} {content[:12]}" for path, content in differ]
    if parity != disk.parity(expected.values()):
        problems.append("the parity hash is another")
    return problems


def check_changes(report, instance, project, scratch):
    """One change, one fresh read, everything compared; for each kind of change."""
    specs = project / "kitty-specs"
    slug = next(slug for slug, path in subject.features(project).items() if len(disk.present(path)) > 8)
    feature = specs / slug

    def visible(what, of=slug):
        report.check(f"live: {what}", agrees(instance, of, specs / of))

    spec = feature / "spec.md"
    spec.write_text(spec.read_text() + "\nedited\n")
    visible("an edit")
    spec.unlink()
    visible("a delete")
    (feature / "plan.md").rename(feature / "renamed-plan.md")
    visible("a rename")
    draft = feature / ".draft"
    draft.write_text("replaced in one step\n")
    draft.replace(feature / "renamed-plan.md")
    visible("an atomic replace")
    (feature / "deep" / "er").mkdir(parents=True)
    (feature / "deep" / "er" / "note.md").write_text("in a new directory\n")
    visible("a file in new directories")
    outside = scratch / "outside"
    (outside / "inner").mkdir(parents=True)
    for name in ("a.md", "inner/b.md", "inner/c.json"):
        (outside / name).write_text(f"{name}\n")
    outside.rename(feature / "moved-in")
    visible("a directory moved in")
    (feature / "moved-in" / "inner").rename(feature / "inner-again")
    visible("a directory moved within")
    (feature / "inner-again" / "b.md").write_text("edited after the move\n")
    visible("an edit in the moved directory")
    (feature / "moved-in").rename(scratch / "moved-out")
    (scratch / "moved-out" / "a.md").write_text("nobody's business any more\n")
    visible("a directory moved out")
    shutil.rmtree(feature / "deep")
    (feature / "deep").write_text("now a file\n")
    visible("a directory that became a file")

    new = specs / "990-new-feature"
    new.mkdir()
    (new / "meta.json").write_text('{"mission_type": "software-dev"}\n')
    (new / "spec.md").write_text("# New\n")
    visible("a new feature directory", new.name)
    prepared = scratch / "991-prepared"
    shutil.copytree(new, prepared)
    prepared.rename(specs / "991-prepared")
    visible("a feature directory moved in", "991-prepared")
    (specs / "991-prepared").rename(specs / "992-renamed")
    visible("a feature directory renamed", "992-renamed")
    shutil.rmtree(specs / "992-renamed")
    listed = {f["slug"] for f in instance.get("/api/features", fresh="true")["features"]}
    report.equal("live: renamed and removed features", sorted(listed), sorted(subject.features(project)))


def check_missing(report, instance, project):
    """What is gone is named with its reason; nothing of the same name stands in for it."""
    feature = project / "kitty-specs" / "993-complete"
    feature.mkdir()
    meta = {"mission_type": "software-dev", "current_step": "plan"}
    (feature / "meta.json").write_text(json.dumps(meta))
    for name in ("spec.md", "plan.md", "tasks.md"):
        (feature / name).write_text(f"# {name}\n")
    slug = feature.name
    report.equal("live: complete", instance.fresh_overview(slug)["completeness_status"], "complete")
    (feature / "archive").mkdir()
    for name in ("spec.md", "plan.md", "tasks.md"):
        (feature / name).rename(feature / "archive" / name)
    overview = instance.fresh_overview(slug)
    reasons = {m["artifact_key"]: m["reason_code"] for m in overview["missing"]}
    wanted = dict.fromkeys(("input.spec.main", "output.plan.main", "output.tasks.list"), "not_found")
    found = (overview["completeness_status"], reasons)
    report.equal("live: spec, plan and tasks moved to archive/ are missing", found, ("incomplete", wanted))
    for of, change in (("mission", {"mission_type": "juggling"}), ("step", {"current_step": "lunch"})):
        (feature / "meta.json").write_text(json.dumps(meta | change))
        status = instance.fresh_overview(slug)["completeness_status"]
        report.equal(f"live: with an unknown {of} completeness is", status, "unknown")


class Tail:
    """`dossierd tail --type drift --json`, with the time at which each line came."""

    def __init__(self, instance):
        command = [instance.binary, "tail", "--all", "--type", "drift", "--json"]
        self.process = subprocess.Popen(
            command, env=instance.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), line))

    def wait_for(self, slug, parity, patience):
        """When the drift of this state came; None if it did not."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            try:
                at, line = self.lines.get(timeout=left)
            except queue.Empty:
                return None
            event = json.loads(line)
            if event["aggregate_id"] == slug and event["payload"]["actual_hash"] == parity:
                return at
        return None

    def close(self):
        self.process.terminate()
        self.process.wait()


class Edited:
    """A feature whose parity hash is known before the daemon says it."""

    def __init__(self, directory):
        self.slug = directory.name
        self.hashes = disk.present(directory)
        self.path = directory / next(name for name in sorted(self.hashes) if name.endswith(".md"))
        self.relative = str(self.path.relative_to(directory))

    def write(self, text):
        """Writes and closes; returns when that was done, and the parity hash of the result."""
        content = text.encode()
        self.hashes[self.relative] = hashlib.sha256(content).hexdigest()
        parity = disk.parity(self.hashes.values())
        with self.path.open("wb") as file:
            file.write(content)
        return time.monotonic(), parity


def check_latency(report, instance, project):
    edited = [Edited(path) for path in list(subject.features(project).values())[-8:] if disk.present(path)]
    for feature in edited:
        instance.run("baseline", "capture", feature.slug)
    tail = Tail(instance)
    try:
        # The first line shows that tail follows; it begins with what happens from then on.
        for attempt in range(50):
            _, parity = edited[0].write(f"is anybody there? {attempt}\n")
            if tail.wait_for(edited[0].slug, parity, 0.5):
                break
        measure(report, tail, edited, f"{len(edited)} files in turn")
        # A file that is saved again and again is looked at less eagerly; not too late, though.
        measure(report, tail, edited[-1:], "one file")
    finally:
        tail.close()


def measure(report, tail, edited, what):
    """Edits one after the other, each as soon as the drift line of the one before has come."""
    took, lost = [], 0
    for number in range(EDITS):
        feature = edited[number % len(edited)]
        wrote, parity = feature.write(f"edit {number} of {what}\n")
        came = tail.wait_for(feature.slug, parity, PATIENCE_S)
        if came is None:
            lost += 1
        else:
            took.append((came - wrote) * 1000)
    came = f"{lost} did not come" if lost else ""
    report.check(f"live: {EDITS} edits of {what} are {EDITS} drift lines on tail", came)
    if len(took) > 1:
        median, top = statistics.median(took), max(took)
        p95 = statistics.quantiles(took, n=20)[-1]
        numbers = f"median {median:.1f} ms, p95 {p95:.1f} ms, max {top:.1f} ms"
        slow = f"more than {MEDIAN_LIMIT_MS:.0f} ms" if median > MEDIAN_LIMIT_MS else ""
        report.check(f"live: from write to drift line, {what}: {numbers}", slow)


def check_git(report, binary, source, scratch):
    """`git status` of a checkout, after everything that writes."""
    project = subject.copy(source, scratch / "checkout")
    subject.git_checkout(project)
    slug = next(iter(subject.features(project)))

    def unchanged(what):
        report.equal(f"git status after {what}", subject.git(project, "status", "--porcelain"), "")

    with Instance(binary, scratch / "git-home") as instance:
        unchanged("nothing")
        instance.run("scan", project)
        instance.run("scan", project, "--write")
        unchanged("scan")
        instance.start()
        instance.run("add", project)
        instance.fresh_overview(slug)
        unchanged("run and add")
        instance.run("baseline", "capture", slug)
        unchanged("baseline capture")
        for form in ("json", "sha256sums", "in-toto"):
            instance.run("export", slug, "--format", form)
        unchanged("export")
        instance.run("reindex", slug)
        instance.restart()
        instance.fresh_overview(slug)
        unchanged("reindex and restart")
        instance.kill()
        instance.start()
        unchanged("kill -9 and start")
        edited = project / "kitty-specs" / slug / "spec.md"
        edited.write_text("edited\n")
        told = subject.git(project, "status", "--porcelain").splitlines()
        report.equal("git status still sees an edit", told, [f" M kitty-specs/{slug}/spec.md"])


def main():
    options = subject.arguments(__doc__)
    report = Report()
    source, _ = subject.project(options.corpus, report)
    with tempfile.TemporaryDirectory(prefix="dossierd-live-") as scratch:
        scratch = pathlib.Path(scratch)
        project = subject.copy(source, scratch / "project")
        with Instance(options.binary, scratch / "home") as instance:
            instance.start()
            instance.run("add", project)
            check_latency(report, instance, project)
            check_changes(report, instance, project, scratch)
            check_missing(report, instance, project)
            report.equal("live: ends well", instance.stop(), 0)
        check_git(report, options.binary, source, scratch)
    report.end()


if __name__ == "__main__":
    main()
