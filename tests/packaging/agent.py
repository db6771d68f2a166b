"""The launchd agent: a property list that loads, with the keys it has to have."""

import pathlib
import plistlib

PLIST = (
    pathlib.Path(__file__).resolve().parents[2]
    / "packaging"
    / "launchd"
    / "dev.dossier.dossierd.plist"
)

LOGS = "/Users/alice/Library/Logs/dossierd"
EXPECTED = {
    "Label": "dev.dossier.dossierd",
    "ProgramArguments": ["/opt/homebrew/bin/dossierd", "run"],
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


def check(report):
    text = PLIST.read_text()
    installed = text.replace("@BINARY@", "/opt/homebrew/bin/dossierd").replace(
        "@HOME@", "/Users/alice"
    )
    found = plistlib.loads(installed.encode(), fmt=plistlib.FMT_XML)
    report.equal("launchd: the agent has these settings and no others", found, EXPECTED)
    report.equal("launchd: the label is the name of the file", PLIST.stem, found["Label"])
