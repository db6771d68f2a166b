"""Publishing to a NATS broker, and what `dossierd fleet` makes of it.

Needs a binary with `--features nats`, and Debian's `nats-server`. Two nodes publish the same
project to one stream, under failures of the broker; then one of them changes a file.
"""

import argparse
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile

import subject
from instance import Instance, wait_until
from report import Report

TOKEN = "zq-token-8841"
CHANGED = "002-flour-supplier-study"


class Broker:
    """A nats-server with JetStream that can be stopped and started again."""

    def __init__(self, directory):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self.config = directory / "nats.conf"
        store = directory / "jetstream"
        self.config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{store}" }}\n'
            f'authorization {{ token: "{TOKEN}" }}\n'
        )
        self.log = directory / "nats.log"
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["nats-server", "-c", self.config], stderr=log, stdout=log)
        wait_until("the broker answers", self.answers)

    def answers(self):
        try:
            return self.ask("$JS.API.INFO", "")
        except OSError:
            return None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def ask(self, about, payload):
        """One request and its answer, by the text protocol of NATS."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            stream = connection.makefile("rwb")
            stream.readline()
            stream.write(f'CONNECT {{"verbose":false,"auth_token":"{TOKEN}","protocol":1}}\r\n'.encode())
            stream.write(b"SUB _INBOX.1 1\r\n")
            stream.write(f"PUB {about} _INBOX.1 {len(payload)}\r\n{payload}\r\n".encode())
            stream.flush()
            while line := stream.readline():
                if line.startswith(b"MSG"):
                    return json.loads(stream.read(int(line.split()[-1])))
        raise OSError("the broker closed the connection")

    def make_stream(self):
        wanted = {"name": "DOSSIER", "subjects": ["dossier.>"], "duplicate_window": 120_000_000_000}
        return self.ask("$JS.API.STREAM.CREATE.DOSSIER", json.dumps(wanted))

    def messages(self):
        return self.ask("$JS.API.STREAM.INFO.DOSSIER", "")["state"]["messages"]


def node(binary, home, broker, project, name):
    """A daemon that publishes, on a copy of the project that says which node it is."""
    config = home / "config"
    config.mkdir(parents=True, mode=0o700)
    token = config / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    (config / "config.yaml").write_text(f"sync:\n  nats: {{url: '{broker.url}', token_file: token}}\n")
    identity = project / ".kittify" / "config.yaml"
    identity.write_text(identity.read_text().replace("node_id: sample", f"node_id: {name}"))
    instance = Instance(binary, home).start()
    instance.run("add", project)
    return instance


def sink(instance):
    return instance.get("/api/sync/status")["sinks"][0]


def drained(instance):
    instance.run("sync", "flush")
    return sink(instance)["state"] == "idle"


def logged(project):
    lines = [p.read_text().splitlines() for p in (project / ".kittify" / "dossiers").glob("*/events*.jsonl")]
    return sum(map(len, lines))


def fleet(binary, broker, token, expect):
    command = [binary, "fleet", "--nats", broker.url, "--json", "--token-file", token]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == expect, (result.returncode, result.stderr)
    return json.loads(result.stdout) if expect != 2 else result.stderr


def check(report, binary, scratch, broker):
    one, two = (subject.copy(subject.SAMPLE, scratch / name / "project") for name in ("one", "two"))
    broker.start()
    with node(binary, scratch / "home-1", broker, one, "node-one") as first:
        wait_until("the missing stream is told", lambda: "stream" in str(sink(first)["reason"]))
        report.check("without a stream nothing counts as delivered", [] if sink(first)["delivered"] == 0 else ["it does"])
        broker.make_stream()
        wait_until("the first node is drained", lambda: drained(first))
        report.equal("every event of the log is a message", broker.messages(), logged(one))
        broker.stop()
        (one / "kitty-specs" / CHANGED / "spec.md").write_text("# While the broker was away\n")
        first.fresh_overview(CHANGED)
        wait_until("what was logged is pending", lambda: sink(first)["pending"] > 0)
        first.kill()
        broker.start()
        first.start()
        wait_until("it is drained after the outage", lambda: drained(first))
        report.equal("nothing is lost and nothing is there twice", broker.messages(), logged(one))
        counts = sink(first)
        report.equal("the counts are the log's", counts["delivered"] + counts["duplicate"], logged(one))
        with node(binary, scratch / "home-2", broker, two, "node-two") as second:
            wait_until("the second node is drained", lambda: drained(second))
            report.equal("both logs are in the stream", broker.messages(), logged(one) + logged(two))
            token = scratch / "home-1" / "config" / "token"
            seen = fleet(binary, broker, token, 1)
            differing = [f["mission_slug"] for f in seen["features"] if not f["agrees"]]
            report.equal("the feature that differs is named", differing, [CHANGED])
            nodes = {f["mission_slug"]: {n["node_id"]: n["parity_hash_sha256"] for n in f["nodes"]} for f in seen["features"]}
            own = {slug: {"node-one": first.fresh_overview(slug)["parity_hash_sha256"],
                          "node-two": second.fresh_overview(slug)["parity_hash_sha256"]} for slug in nodes}
            report.equal("each node has the hash that its own API shows", nodes, own)
            shutil.copy(two / "kitty-specs" / CHANGED / "spec.md", one / "kitty-specs" / CHANGED / "spec.md")
            first.fresh_overview(CHANGED)
            wait_until("the same is everywhere", lambda: drained(first) and fleet_agrees(binary, broker, token))
            report.check("nodes with the same content agree", [])
            wrong = scratch / "wrong"
            wrong.touch(mode=0o600)
            wrong.write_text("wrong\n")
            error = fleet(binary, broker, wrong, 2)
            report.check("a wrong token is refused, and not shown", [] if "authorization" in error and "wrong" not in error.replace(str(wrong), "") else [error])


def fleet_agrees(binary, broker, token):
    command = [binary, "fleet", "--nats", broker.url, "--token-file", token]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    binary = parser.parse_args().binary.resolve()
    report = Report()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch).resolve()
        with Broker(scratch) as broker:
            check(report, binary, scratch, broker)
    report.end()


if __name__ == "__main__":
    main()
