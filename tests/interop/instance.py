"""The real binary, running in a home of its own, and clients of it."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.parse

DEADLINE = 60.0


def wait_until(what, condition, deadline=DEADLINE):
    """Asks again and again until the condition gives something true, which is returned."""
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"after {deadline:.0f} s still not: {what}")
        time.sleep(0.005)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("dossierd", timeout=DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """Status, headers and body of one response."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Refused(Exception):
    """An answer that is not what was asked for."""


class Instance:
    """A daemon that can be started, killed and asked. A context manager: it never stays."""

    def __init__(self, binary, home, environment=None):
        self.binary = str(binary)
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.log = self.home.parent / f"{self.home.name}.log"
        self.environment = {**os.environ, **(environment or {}), "DOSSIERD_HOME": str(self.home)}
        self.process = None
        self.http = None
        self.socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self, *options):
        """Starts it, and returns when it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", "--listen", "127.0.0.1:0", "--json", *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )
        line = self.process.stdout.readline()
        if not line:
            raise Refused(f"it did not start: {self.log.read_text(errors='replace')[-2000:]}")
        ready = json.loads(line)
        assert ready["ready"] is True, ready
        self.http, self.socket = ready["http"], ready["socket"]
        return self

    def stop(self):
        """Asks it to end, as a service manager does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def kill(self):
        """Ends it as a power failure would."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def restart(self):
        """A clean end and a new start."""
        code = self.stop()
        if code != 0:
            raise Refused(f"it ended with {code}")
        return self.start()

    def ask(self, method, path, body=None, headers=None, **query):
        """One request over the Unix socket."""
        connection = UnixConnection(self.socket)
        try:
            target = path + ("?" + urllib.parse.urlencode(query) if query else "")
            content = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, target, content, {**kind, **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **query):
        """The document at a path; anything but 200 is an error."""
        answer = self.ask("GET", path, **query)
        if answer.status != 200:
            raise Refused(f"GET {path} {query}: {answer.status} {answer.body[:400]!r}")
        return answer.json()

    def fresh_overview(self, slug):
        """The overview of a feature, with all that happened before."""
        return self.get("/api/dossier/overview", feature=slug, fresh="true")

    def artifacts(self, slug, **query):
        """All rows of a feature, over as many pages as it takes."""
        rows, cursor = [], {}
        while True:
            page = self.get("/api/dossier/artifacts", feature=slug, **query, **cursor)
            rows += page["artifacts"]
            if not page["next_cursor"]:
                return rows
            cursor = {"cursor": page["next_cursor"]}

    def present(self, slug, **query):
        """Hash by path of what is present."""
        rows = self.artifacts(slug, **query)
        return {r["relative_path"]: r["content_hash_sha256"] for r in rows if r["is_present"]}

    def run(self, *command, expect=0):
        """Runs a command of the same binary against this daemon; returns its stdout."""
        result = subprocess.run(
            [self.binary, *map(str, command)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
        )
        if expect is not None and result.returncode != expect:
            error = result.stderr.decode(errors="replace")[-1000:]
            raise Refused(f"dossierd {' '.join(map(str, command))}: exit {result.returncode}: {error}")
        return result.stdout.decode()
