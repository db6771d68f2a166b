"""A back end that speaks the batch protocol, and can be told to fail in every way.

It keeps what it took, by event id and in the order in which it came, in memory and in a file.
"""

import gzip
import json
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/api/v1/events/batch/"
CLOUD_EVENTS = "application/cloudevents-batch+json"


class Backend:
    """`plan()` is asked before each request and says how to answer it: "ok", or one of
    "timeout", "cut", "cut_after" (taken, but the answer is lost), "500", "503", "429", "401",
    "413", "garbage", "nothing" (200 without results), "partial" (the second half is not
    answered), or "reject" (every `reject_every`-th event is refused)."""

    def __init__(self, plan=lambda: "ok", token=None, reject=lambda event: None, port=0):
        self.plan = plan
        self.token = token
        self.reject = reject
        self.lock = threading.Lock()
        self.events = {}  # by id, in the order in which they came
        self.seen = 0  # requests
        self.cloud_events = []  # batches of them
        self.duplicates = 0
        self.first = None  # the first request and its answer, as they were
        self.authorization = set()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                backend.answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass  # cut connections are what is wanted

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        how = self.plan()
        with self.lock:
            self.seen += 1
            self.authorization.add(request.headers.get("Authorization"))
        if request.headers.get("Content-Type", "").startswith(CLOUD_EVENTS):
            with self.lock:
                self.cloud_events.append(json.loads(body))
            return self.send(request, 200, b"{}")
        assert request.path == PATH, request.path
        if how == "timeout":
            time.sleep(5)
            how = "cut"
        if how == "cut":
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            how = "401"
        if how.isdigit():
            retry = {"Retry-After": "0"} if how in ("429", "503") else {}
            return self.send(request, int(how), b'{"detail":"as told"}', retry)
        events = json.loads(gzip.decompress(body))["events"]
        if how == "garbage":
            return self.send(request, 200, b"<html>")
        if how == "nothing":
            return self.send(request, 200, b'{"results":[]}')
        taken = events[: len(events) // 2] if how == "partial" else events
        results = [self.take(event) for event in taken]
        if how == "cut_after":
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        random.shuffle(results)
        answer = {"results": results}
        with self.lock:
            self.first = self.first or (json.loads(gzip.decompress(body)), answer)
        self.send(request, 200, json.dumps(answer).encode())

    def take(self, event):
        identity = event["event_id"]
        reason = self.reject(event)
        with self.lock:
            if identity in self.events:
                self.duplicates += 1
                return {"event_id": identity, "status": "duplicate", "error": None}
            if reason is not None:
                return {"event_id": identity, "status": "rejected", "error": reason}
            self.events[identity] = event
        return {"event_id": identity, "status": "success", "error": None}

    @staticmethod
    def send(request, status, body, headers=None):
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
