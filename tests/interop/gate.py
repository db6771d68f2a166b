"""The gate for a project's own CI: reports, the example workflow, the hooks for git.

The workflow's commands are run here as GitHub would run them, with a release archive on the disk
in place of one on the network; annotations and JUnit are read by others' readers.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import junitparser
import yaml

import subject
from report import Report

CI = subject.REPOSITORY / "packaging" / "ci"
HOOKS = subject.REPOSITORY / ".pre-commit-hooks.yaml"
# Everything that could end a name, a line, an attribute or a command.
HOSTILE = 'x,file=y::error::z%0A"<&>]]>\n::error::no\x1b[31m\ufffe.md'


def main():
    options = subject.arguments(__doc__.splitlines()[0])
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch).resolve()
        binaries = scratch / "bin"
        binaries.mkdir()
        (binaries / "dossierd").symlink_to(options.binary)
        gate = Gate(scratch, binaries)
        check_annotations(report, gate)
        check_junit(report, gate)
        check_unreadable(report, gate)
        check_workflow(report, gate, options.binary)
        check_hook(report, gate)
        check_where_hooks_run(report, gate)
        check_pre_commit(report, gate)
    report.end()


class Gate:
    """Repositories in a directory of their own, and commands in them."""

    def __init__(self, scratch, binaries):
        self.scratch = scratch
        self.number = 0
        self.environment = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "HOME": str(scratch),
            "DOSSIERD_HOME": str(scratch / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }
        self.binaries = binaries

    def repository(self, project="."):
        """A git repository whose project has one whole feature, and one that lacks its plan."""
        self.number += 1
        root = self.scratch / f"repository-{self.number}"
        for slug in ("whole", "lacking"):
            feature = root / project / "kitty-specs" / slug
            feature.mkdir(parents=True)
            meta = {"mission_type": "software-dev", "current_step": "plan"}
            (feature / "meta.json").write_text(json.dumps(meta))
            for name in ("spec.md", "plan.md", "tasks.md"):
                (feature / name).write_text(f"# {name}\n")
        (root / project / "kitty-specs" / "lacking" / "plan.md").unlink()
        self.run(root, "git", "init", "--quiet", "--initial-branch=main")
        for name, value in (("name", "A"), ("email", "a@example.org")):
            self.run(root, "git", "config", f"user.{name}", value)
        return root

    def run(self, where, *command, **more):
        """How a command ended, with what it said."""
        environment = {**self.environment, **more.pop("environment", {})}
        return subprocess.run(
            [*map(str, command)], cwd=where, env=environment, capture_output=True, text=True, timeout=120, **more
        )

    def check(self, where, *arguments):
        return self.run(where, "dossierd", "check", *arguments)


def unescape(text):
    """As the runner does; source: ActionCommand.cs of actions/runner."""
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def annotations(text):
    """The workflow commands of a log, as the runner takes them apart."""
    found = []
    for line in text.splitlines():
        if not line.startswith("::"):
            raise ValueError(f"no command: {line!r}")
        head, _, message = line[2:].partition("::")
        level, _, properties = head.partition(" ")
        pairs = (pair.partition("=") for pair in properties.split(","))
        found.append({"level": level, "message": unescape(message), **{name: unescape(value) for name, _, value in pairs}})
    return found


def check_annotations(report, gate):
    for project in (".", "deep/project"):
        root = gate.repository(project)
        feature = root / project / "kitty-specs" / "lacking"
        (feature / "bad.md").write_bytes(b"ab\xffc")
        for where in (root / project, feature):
            ran = gate.check(where, ".", "--format", "github")
            found = annotations(ran.stdout)
            problems = [f"exit {ran.returncode}"] if ran.returncode != 1 else []
            problems += [f"nothing is at {one}" for one in found if "file" in one and not (root / one["file"]).exists()]
            missing = [one for one in found if one["title"] == "lacking: missing"]
            expected = (feature / "meta.json").relative_to(root)
            if [(one["level"], one["file"]) for one in missing] != [("error", str(expected))]:
                problems.append(f"missing is {missing}")
            if not any(one.get("file", "").endswith("bad.md") and one["level"] == "warning" for one in found):
                problems.append("bad.md is not annotated")
            if "failed" not in found[-1]["message"] or found[-1]["level"] != "error":
                problems.append(f"the summary is {found[-1]}")
            report.check(f"gate: annotations are on files, run in {where.relative_to(gate.scratch)}", problems)
    root = gate.repository()
    feature = root / "kitty-specs" / "lacking"
    (feature / "meta.json").unlink()
    (feature / HOSTILE).write_bytes(b"\xff")
    (root / "kitty-specs" / HOSTILE).mkdir()
    (root / "kitty-specs" / HOSTILE / "spec.md").write_text("x")
    found = annotations(gate.check(root, ".", "--format", "github").stdout)
    problems = [f"{set(one)}" for one in found if not set(one) <= {"level", "message", "title", "file"}]
    problems += [repr(one) for one in found if any(c in value for value in one.values() for c in "\n\r\x1b")]
    if not any(one.get("file") == "kitty-specs/lacking" for one in found):
        problems.append("a feature without meta.json is not annotated at its directory")
    report.check("gate: hostile names stay what they are in annotations", problems)
    empty = gate.scratch / "empty"
    (empty / "kitty-specs").mkdir(parents=True)
    ran = gate.check(empty, ".", "--format", "github")
    found = [(one["level"], "no features" in one["message"]) for one in annotations(ran.stdout)]
    report.equal("gate: no features is a warning", (ran.returncode, found), (0, [("warning", True)]))


def cases(text):
    """Name to outcome of all cases, as junitparser reads them; its sums have to be right."""
    whole = junitparser.JUnitXml.fromstring(text.encode())
    said = (whole.tests, whole.failures, whole.errors)
    found, counted = {}, [0, 0, 0]
    for suite in whole:
        outcomes = []
        for case in suite:
            kinds = [type(result).__name__ for result in case.result]
            found[f"{suite.name}/{case.name}"] = kinds[0] if kinds else "passed"
            outcomes += kinds
        own = [len(list(suite)), outcomes.count("Failure"), outcomes.count("Error")]
        if (suite.tests, suite.failures, suite.errors) != tuple(own):
            raise ValueError(f"{suite.name}: {own} are not what it says")
        if suite.skipped not in (None, outcomes.count("Skipped")):
            raise ValueError(f"{suite.name} says {suite.skipped} skipped")
        counted = [a + b for a, b in zip(counted, own)]
    if said != tuple(counted):
        raise ValueError(f"{counted} are not what the report says: {said}")
    return found


def check_junit(report, gate):
    root = gate.repository()
    keys = ("input.spec.main (specify)", "output.plan.main (plan)", "output.tasks.list (plan)")
    expected = {f"{slug}/{key}": "passed" for slug in ("lacking", "whole") for key in keys}
    expected |= {f"{slug}/drift": "Skipped" for slug in ("lacking", "whole")}
    for fail_on, outcome in (("missing", "Failure"), ("drift", "Skipped")):
        ran = gate.check(root, ".", "--format", "junit", "--fail-on", fail_on)
        expected["lacking/output.plan.main (plan)"] = outcome
        report.equal(f"gate: JUnit cases with --fail-on {fail_on}", cases(ran.stdout), expected)
    (root / "kitty-specs" / HOSTILE).mkdir()
    (root / "kitty-specs" / HOSTILE / "meta.json").write_text(json.dumps({"mission_type": HOSTILE}))
    ran = gate.check(root, ".", "--format", "junit")
    whole = xml.etree.ElementTree.fromstring(ran.stdout.encode())
    suites = [suite.get("name") for suite in whole]
    report.check(
        "gate: hostile names are text in JUnit",
        [] if len(suites) == 3 and any("]]>" in name for name in suites) else [repr(suites)],
    )
    found = {name: outcome for name, outcome in cases(ran.stdout).items() if name.endswith("/completeness")}
    report.equal("gate: an unknown mission is a failure", list(found.values()), ["Failure"])


def check_unreadable(report, gate):
    """A check that cannot be done is 2, and both reports say so."""
    where = gate.scratch / "nowhere"
    ran = gate.check(gate.scratch, where, "--format", "github")
    found = annotations(ran.stdout)
    problems = [] if ran.returncode == 2 and ran.stderr else [f"exit {ran.returncode}, {ran.stderr}"]
    if [one["level"] for one in found] != ["error"] or "could not be checked" not in found[0]["message"]:
        problems.append(f"{found}")
    ran = gate.check(gate.scratch, where, "--format", "junit")
    if ran.returncode != 2 or list(cases(ran.stdout).values()) != ["Error"]:
        problems.append(f"JUnit: exit {ran.returncode}: {ran.stdout}")
    report.check("gate: what cannot be checked is an error everywhere", problems)


def check_workflow(report, gate, binary):
    """Its commands, as the runner gives them to bash, in a repository that lacks something."""
    releases = gate.scratch / "releases"
    script = [sys.executable, subject.REPOSITORY / "packaging" / "reproducible", binary, "--output", releases]
    subprocess.run([*map(str, script)], check=True, stdout=subprocess.DEVNULL)
    job = yaml.safe_load((CI / "github-workflow.yml").read_text())["jobs"]["check"]
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    report.equal("gate: the workflow installs this version", job["env"]["DOSSIERD_VERSION"], said)
    for whole in (False, True):
        root = gate.repository("deep")
        if whole:
            (root / "deep" / "kitty-specs" / "lacking" / "plan.md").write_text("# plan\n")
        temporary = gate.scratch / f"runner-{whole}"
        temporary.mkdir()
        path = temporary / "path"
        given = {
            **job["env"],
            "DOSSIERD_RELEASES": releases.as_uri(),
            "PROJECT": "deep",
            "RUNNER_TEMP": str(temporary),
            "GITHUB_PATH": str(path),
        }
        codes, said = [], []
        for step in job["steps"]:
            if "run" not in step:
                continue
            added = path.read_text().split() if path.exists() else []
            # Without our own directory: the one that is installed has to be found.
            given["PATH"] = ":".join([*added, os.environ["PATH"]])
            file = temporary / "step.sh"
            file.write_text(step["run"])
            ran = gate.run(root, "bash", "--noprofile", "--norc", "-eo", "pipefail", file, environment=given)
            codes.append(ran.returncode)
            said.append(ran.stdout + ran.stderr)
        expected = [0, 0 if whole else 1, 0]
        report.check(
            f"gate: the workflow {'passes' if whole else 'fails'} as it should",
            [] if codes == expected else [f"{codes} instead of {expected}: {said}"],
        )
        outcomes = cases((temporary / "dossier.xml").read_text())
        report.equal(
            f"gate: its report has {'no' if whole else 'the'} failure",
            "Failure" in outcomes.values(),
            not whole,
        )


def check_hook(report, gate):
    root = gate.repository()
    shutil.copy(CI / "pre-commit", root / ".git" / "hooks" / "pre-commit")
    commits(report, gate, root, "git's hook")
    bare = {"PATH": "/usr/bin:/bin"}
    if shutil.which("dossierd", path=bare["PATH"]) is None:
        (root / "kitty-specs" / "whole" / "more.md").write_text("x")
        gate.run(root, "git", "add", "--all")
        ran = gate.run(root, "git", "commit", "--message", "more", environment=bare)
        refused = ran.returncode != 0 and "not in PATH" in ran.stderr
        report.check("gate: git's hook says that dossierd is not there", [] if refused else [ran.stderr])


def check_where_hooks_run(report, gate):
    """Where git gives its hooks other variables, and the project is not at the root."""
    hook = '#!/bin/sh\nexec "$(dirname "$0")/dossierd-hook" deep/project\n'
    for name in ("a linked work tree", "a named work tree"):
        root = gate.repository("deep/project")
        feature = root / "deep" / "project" / "kitty-specs" / "lacking"
        for file, text in (("pre-commit", hook), ("dossierd-hook", (CI / "pre-commit").read_text())):
            (root / ".git" / "hooks" / file).write_text(text)
            (root / ".git" / "hooks" / file).chmod(0o755)
        git = ["git"]
        if name == "a linked work tree":
            linked = gate.scratch / "linked"
            gate.run(root, "git", "commit", "--quiet", "--no-verify", "--allow-empty", "--message", "none")
            ran = gate.run(root, "git", "worktree", "add", "--quiet", linked)
            report.check("gate: git links a work tree", [ran.stderr] if ran.returncode else [])
            shutil.copytree(root / "deep", linked / "deep")
            feature, root = linked / feature.relative_to(root), linked
        else:
            git += ["--git-dir=.git", "--work-tree=."]
        gate.run(root, *git, "add", "--all")
        ran = gate.run(root, *git, "commit", "--message", "first")
        refused = ran.returncode != 0 and "output.plan.main" in ran.stderr
        report.check(f"gate: the hook refuses in {name}", [] if refused else [ran.stdout + ran.stderr])
        (feature / "plan.md").write_text("# plan\n")
        gate.run(root, *git, "add", "--all")
        ran = gate.run(root, *git, "commit", "--message", "first")
        report.check(f"gate: the hook lets pass in {name}", [ran.stderr] if ran.returncode else [])
    for what, given, arguments in (
        ("git's failure", {"GIT_INDEX_FILE": str(root / "deep")}, ["deep/project"]),
        ("a directory that is not there", {}, ["deep/porject"]),
    ):
        ran = gate.run(root, CI / "pre-commit", *arguments, environment=given)
        refused = ran.returncode == 2 and "nothing was checked" in ran.stderr
        report.check(f"gate: the hook refuses for {what}", [] if refused else [f"{ran.returncode}: {ran.stderr}"])


def commits(report, gate, root, name):
    """A commit that lacks something is refused with what; so is one where it was not added."""
    gate.run(root, "git", "add", "--all")
    ran = gate.run(root, "git", "commit", "--message", "first")
    said = ran.stdout + ran.stderr
    problems = [] if ran.returncode != 0 and "plan.md" in said and "output.plan.main" in said else [said]
    report.check(f"gate: {name} refuses a commit that lacks an artifact", problems)
    (root / "kitty-specs" / "lacking" / "plan.md").write_text("# plan\n")
    ran = gate.run(root, "git", "commit", "--message", "first")
    report.check(f"gate: {name} refuses it while the artifact is not added", [] if ran.returncode else [ran.stdout])
    gate.run(root, "git", "add", "--all")
    ran = gate.run(root, "git", "commit", "--message", "first")
    report.check(f"gate: {name} lets a whole one pass", [ran.stdout + ran.stderr] if ran.returncode else [])


def check_pre_commit(report, gate):
    """The same through pre-commit, from a repository that has the hook: nothing is fetched."""
    hooks = gate.scratch / "hooks"
    (hooks / "packaging" / "ci").mkdir(parents=True)
    shutil.copy(HOOKS, hooks / HOOKS.name)
    shutil.copy(CI / "pre-commit", hooks / "packaging" / "ci" / "pre-commit")
    for command in (["init", "--quiet"], ["add", "--all"]):
        gate.run(hooks, "git", *command)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    gate.run(hooks, "git", *author, "commit", "--quiet", "--message", "hooks")
    revision = gate.run(hooks, "git", "rev-parse", "HEAD").stdout.strip()
    root = gate.repository()
    used = {"repos": [{"repo": str(hooks), "rev": revision, "hooks": [{"id": "dossierd-check"}]}]}
    (root / ".pre-commit-config.yaml").write_text(yaml.safe_dump(used))
    program = pathlib.Path(sys.executable).parent / "pre-commit"
    ran = gate.run(root, program, "install")
    report.check("gate: pre-commit installs the hook", [ran.stdout + ran.stderr] if ran.returncode else [])
    commits(report, gate, root, "pre-commit")


main()
