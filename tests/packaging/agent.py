"""The launchd agent: a property list that loads, with the keys it has to have."""

import pathlib
import plistlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "launchd"
PLIST = FOLDER / "dev.dossier.dossierd.plist"

LOGS = "/Users/alice/Library/Logs/dossierd"
EXPECTED = {
    "Label": "dev.dossier.dossierd",
    "ProgramArguments": [
        "/opt/homebrew/bin/dossierd", "run", "--log-file", f"{LOGS}/dossierd.log",
    ],
    "RunAtLoad": True,
    "KeepAlive": {"SuccessfulExit": False},
    "ThrottleInterval": 5,
    "ExitTimeOut": 15,
    "ProcessType": "Background",
    "LowPriorityIO": True,
    "Umask": 0o077,
    "SoftResourceLimits": {"NumberOfFiles": 8192},
    "StandardOutPath": f"{LOGS}/dossierd.out.log",
    "StandardErrorPath": f"{LOGS}/dossierd.err.log",
}


SOCKETS = {
    "api": {
        "SockPathName": "/Users/alice/Library/Application Support/dossierd/run-501/dossierd.sock",
        "SockPathMode": 0o600,
    },
    "http": {
        "SockNodeName": "127.0.0.1",
        "SockServiceName": "7717",
        "SockFamily": "IPv4",
    },
}


def check(report):
    found = installed(PLIST)
    report.equal("launchd: the agent has these settings and no others", found, EXPECTED)
    report.equal("launchd: the label is the name of the file", PLIST.stem, found["Label"])
    found = installed(FOLDER / "socket-activated" / PLIST.name)
    expected = EXPECTED | {"RunAtLoad": False, "Sockets": SOCKETS}
    report.equal("launchd: with sockets it has two more, and starts when asked", found, expected)


def installed(path):
    """The settings of an agent as it is installed for a user."""
    text = path.read_text()
    for name, value in [
        ("@BINARY@", "/opt/homebrew/bin/dossierd"),
        ("@HOME@", "/Users/alice"),
        ("@UID@", "501"),
    ]:
        text = text.replace(name, value)
    return plistlib.loads(text.encode(), fmt=plistlib.FMT_XML)
