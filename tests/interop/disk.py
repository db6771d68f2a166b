"""What a feature's files hash to, read from the disk by rules 2 and 4 of the specification.

Knows regular files, names beginning with a dot, editor left-overs and invalid UTF-8; it is
for directories without links and without `.dossierignore`.
"""

import fnmatch
import hashlib
import os

LEFT_OVERS = ("*~", "#*#", "*.swp", "4913")


def present(feature):
    """Hash by relative path of every file that is an artifact and reads as UTF-8."""
    found = {}
    for directory, folders, files in os.walk(feature):
        folders[:] = [name for name in folders if not _is_ignored(name)]
        for name in files:
            path = os.path.join(directory, name)
            if _is_ignored(name) or not os.path.isfile(path) or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                content = file.read()
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                continue
            found[os.path.relpath(path, feature)] = hashlib.sha256(content).hexdigest()
    return found


def _is_ignored(name):
    return name.startswith(".") or any(fnmatch.fnmatchcase(name, rule) for rule in LEFT_OVERS)


def parity(hashes):
    """The parity hash of these content hashes."""
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def tree(hash_by_path):
    """The tree hash of these files."""
    by_bytes = sorted(hash_by_path.items(), key=lambda item: item[0].encode())
    lines = "\n".join(f"{path}\t{content}" for path, content in by_bytes)
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()
