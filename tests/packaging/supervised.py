"""The binary as service managers run it: told where to report, given its listeners by name by
systemd's own tool, without the right to make sockets of TCP, and as another user.
"""

import ctypes
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.request

DEADLINE = 30
NOBODY = 65534


def check(report, binary, scratch):
    scratch.chmod(0o755)
    program = scratch / "dossierd"
    shutil.copy(binary, program)
    program.chmod(0o755)
    for number, (name, test) in enumerate(TESTS):
        place = scratch / str(number)
        place.mkdir(mode=0o755)
        report.check(f"supervised: {name}", attempt(test, program, place))


def attempt(test, program, place):
    try:
        return [problem for problem in test(program, place) if problem]
    except (OSError, ValueError, KeyError, AssertionError, subprocess.SubprocessError) as error:
        return [f"{type(error).__name__}: {error}"]


def reports(program, place):
    """READY, then signs of life, then STOPPING and nothing more."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("\0dossierd-check-%d" % os.getpid())
    manager.settimeout(DEADLINE)
    told = {"NOTIFY_SOCKET": "@dossierd-check-%d" % os.getpid(), "WATCHDOG_USEC": "1000000"}
    daemon = run([program, "run", "--listen", "127.0.0.1:0"], place, told)
    heard = []
    while heard[-2:] != ["WATCHDOG=1", "WATCHDOG=1"]:
        message = manager.recv(4096).decode()
        if not message.startswith("STATUS="):
            heard.append(message)
    ready = heard.index("READY=1")
    yield "" if "WATCHDOG=1" not in heard[:ready] else f"signs of life too early: {heard}"
    yield from ends(daemon)
    manager.setblocking(False)
    try:
        while True:
            heard.append(manager.recv(4096).decode())
    except BlockingIOError:
        pass
    yield "" if heard[-1].startswith("STOPPING=1") else f"the end is not told: {heard}"


def both_listeners(program, place):
    """Both are served at the first question, and stay when the daemon ends."""
    path, port = private(place) / "api.sock", free_port()
    listen = ["-l", path, "-l", f"127.0.0.1:{port}", "--fdname=api:http"]
    daemon = activated(listen, [program, "run"], place)
    wait_for(path)
    # The tool makes it as open as a unit without SocketMode= does.
    path.chmod(0o600)
    before = path.stat().st_ino
    status = asked(program, place, path)
    yield differs("http", status["http"], f"http://127.0.0.1:{port}")
    yield differs("socket", status["socket"], str(path))
    url = f"http://127.0.0.1:{port}/readyz"
    # Asked on the way of nobody's proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=DEADLINE) as answer:
        yield differs("readyz", answer.read(), b"ok\n")
    yield from ends(daemon)
    yield differs("the socket's file", path.stat().st_ino, before)


def wrong_listener(program, place):
    """A listener under another's name is refused, with the code that no restart follows."""
    port = free_port()
    daemon = activated(["-l", f"127.0.0.1:{port}", "--fdname=api"], [program, "run"], place)
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline and daemon.poll() is None:
        # The question that it is started for.
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
    yield differs("exit code", daemon.wait(DEADLINE), 2)
    said = (place / "log").read_text()
    yield "" if "no listener on a Unix" in said else f"it says {said!r}"


def without_tcp(program, place):
    """Where the system allows no TCP, the Unix socket alone is served."""
    daemon = run([program, "run"], place, {}, preexec_fn=forbid_tcp)
    path = place / "home" / "run" / "dossierd.sock"
    wait_for(path)
    status = asked(program, place, path)
    yield differs("http", status["http"], None)
    warned = any("there is no HTTP" in warning for warning in status["warnings"])
    yield "" if warned else f"no warning in {status['warnings']}"
    yield from ends(daemon)


def root_listens_for_a_user(program, place):
    """The credentials of a listener are those of who made it: root is trusted, others not."""
    if os.geteuid() != 0:
        print("SKIPPED, needs root: a listener of root for a user")
        return
    directory = place / "sockets"
    directory.mkdir(mode=0o755)
    os.chown(place, NOBODY, NOBODY)
    path = directory / "api.sock"
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    listen = ["-l", path, "--fdname=api"]
    daemon = activated(listen, [*user, program, "run", "--listen", "127.0.0.1:0"], place)
    wait_for(path)
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o600)
    status = asked(program, place, path, user)
    yield differs("socket", status["socket"], str(path))
    yield from ends(daemon)
    # A third user's listener is not spoken to.
    other = directory / "other.sock"
    listening = ["setpriv", "--reuid=65533", "--clear-groups"]
    directory.chmod(0o777)
    foreign = subprocess.Popen(
        [*listening, "systemd-socket-activate", "-l", other, "sleep", "30"],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(other)
        other.chmod(0o666)
        ran = ask(program, place, other, user)
        yield differs("exit code", ran.returncode, 2)
        yield "" if "belongs to uid 65533" in ran.stderr else f"it says {ran.stderr!r}"
    finally:
        foreign.kill()
        foreign.wait()


TESTS = [
    ("what the manager hears, at an abstract address", reports),
    ("both listeners through systemd-socket-activate", both_listeners),
    ("a listener under the wrong name", wrong_listener),
    ("no sockets of TCP", without_tcp),
    ("who made the listener", root_listens_for_a_user),
]


def activated(listen, command, place):
    home = f"DOSSIERD_HOME={place / 'home'}"
    return run(["systemd-socket-activate", *listen, "-E", home, *command], place, {})


def run(command, place, told, **more):
    """Starts a daemon, whose log goes to `log`."""
    with (place / "log").open("w") as log:
        return subprocess.Popen(
            [str(part) for part in command],
            env=environment(place) | told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            **more,
        )


def environment(place):
    return {"PATH": os.environ["PATH"], "DOSSIERD_HOME": str(place / "home")}


def ask(program, place, path, through=()):
    """How a command of ours gets on that has to be answered there."""
    command = [*through, program, "list", "--socket", path]
    return subprocess.run(
        [str(part) for part in command],
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def asked(program, place, path, through=()):
    """`/api/status` over the Unix socket, after a command of ours has been answered there."""
    ran = ask(program, place, path, through)
    assert ran.returncode == 0, f"{ran.stderr} {(place / 'log').read_text()}"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        head = "GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def ends(daemon):
    daemon.send_signal(signal.SIGTERM)
    yield differs("exit code", daemon.wait(DEADLINE), 0)


def differs(what, found, expected):
    return "" if found == expected else f"{what} is {found!r} instead of {expected!r}"


def wait_for(path):
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.01)


def private(place):
    directory = place / "sockets"
    directory.mkdir(mode=0o700)
    return directory


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def forbid_tcp():
    """What RestrictAddressFamilies=AF_UNIX does: a filter of system calls (seccomp(2))."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    load, equal, give = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
    program = [
        (load, 0, 0, 0),
        (equal, 0, 4, number),
        (load, 0, 0, 16),
        (equal, 1, 0, socket.AF_INET),
        (equal, 0, 1, socket.AF_INET6),
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filter_of = struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    if prctl(no_new_privileges, 1, 0, 0, 0) or prctl(set_seccomp, filter_mode, filter_of, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")
