//! A home, and service managers that only write down what they are asked: `systemctl`, `loginctl`
//! and `launchctl` as scripts in a directory that is all of PATH.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::kit::{BINARY, Place, Ran};

/// Answers as the files beside it say, and changes them as the real one would.
const SYSTEMCTL: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
fake='@FAKE@'
printf '%s\n' "$*" >> "$fake/asked"
[ -e "$fake/hangs" ] && exec sleep 600
if [ -e "$fake/unreachable" ]; then
    echo 'Failed to connect to bus: No medium found' >&2
    exit 1
fi
[ "$1" = --user ] || { echo "not for a user: $*" >&2; exit 9; }
verb="$2"
shift 2
if [ -e "$fake/fails-$verb" ]; then
    cat "$fake/fails-$verb" >&2
    exit 1
fi
state() { if [ -e "$fake/$1/$2" ]; then cat "$fake/$1/$2"; else echo "$3"; fi; }
case "$verb" in
show)
    if [ "$1" = --property=UnitPath ]; then
        own="$HOME/.config/systemd/user"
        echo "UnitPath=$own.control /run/user/1/systemd/transient $own $fake/packaged"
        exit 0
    fi
    shift
    for unit in "$@"; do
        echo "Id=$unit"
        echo "LoadState=loaded"
        echo "ActiveState=$(state active "$unit" inactive)"
        echo "SubState=$(state sub "$unit" dead)"
        echo "UnitFileState=$(state enabled "$unit" disabled)"
        echo "MainPID=$(state pid "$unit" 0)"
        echo "ActiveEnterTimestamp=$(state since "$unit" '')"
        echo "Result=$(state result "$unit" success)"
        echo "NeedDaemonReload=no"
        echo
    done ;;
enable) for unit in "$@"; do echo enabled > "$fake/enabled/$unit"; done ;;
start|restart) for unit in "$@"; do echo active > "$fake/active/$unit"; done ;;
stop) for unit in "$@"; do rm -f "$fake/active/$unit"; done ;;
disable)
    shift
    for unit in "$@"; do rm -f "$fake/enabled/$unit" "$fake/active/$unit"; done ;;
esac
"#;

const LOGINCTL: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
fake='@FAKE@'
printf 'loginctl %s\n' "$*" >> "$fake/asked-of-logind"
if [ -e "$fake/lingers" ]; then
    cat "$fake/lingers"
else
    echo 'Failed to get user: User ID 7 is not logged in or lingering' >&2
    exit 1
fi
"#;

const LAUNCHCTL: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
fake='@FAKE@'
printf '%s\n' "$*" >> "$fake/asked"
if [ -e "$fake/fails-$1" ]; then
    cat "$fake/fails-$1" >&2
    exit 5
fi
case "$1" in
print)
    [ -e "$fake/loaded" ] || { echo 'Could not find service' >&2; exit 113; }
    cat "$fake/loaded" ;;
bootstrap) printf 'x = {\n\tstate = running\n\tpid = 612\n}\n' > "$fake/loaded" ;;
bootout) rm "$fake/loaded" ;;
esac
"#;

/// A user with service managers of their own.
pub(crate) struct User {
    place: Place,
}

impl User {
    pub(crate) fn new() -> Self {
        let user = Self { place: Place::new() };
        for dir in ["bin", "user", "fake/enabled", "fake/active", "fake/packaged"] {
            fs::create_dir_all(user.place.path().join(dir)).expect("made");
        }
        for dir in ["sub", "pid", "since", "result"] {
            fs::create_dir_all(user.fake().join(dir)).expect("made");
        }
        // Whatever the umask of the tests is: a home that others can change would be refused.
        fs::set_permissions(user.home(), fs::Permissions::from_mode(0o755)).expect("set");
        for (name, text) in
            [("systemctl", SYSTEMCTL), ("loginctl", LOGINCTL), ("launchctl", LAUNCHCTL)]
        {
            let path = user.bin().join(name);
            let text = text.replace("@FAKE@", user.fake().to_str().expect("is text"));
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        }
        user
    }

    pub(crate) fn bin(&self) -> PathBuf {
        self.place.path().join("bin")
    }

    /// What the service managers know, as files.
    pub(crate) fn fake(&self) -> PathBuf {
        self.place.path().join("fake")
    }

    /// Says something to a service manager: `fake("unreachable", "")`.
    pub(crate) fn tell(&self, name: &str, text: &str) {
        fs::write(self.fake().join(name), text).expect("written");
    }

    pub(crate) fn untell(&self, name: &str) {
        fs::remove_file(self.fake().join(name)).expect("removed");
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.place.path().join("user")
    }

    /// A directory of a test's own.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path()
    }

    pub(crate) fn units(&self) -> PathBuf {
        self.home().join(".config/systemd/user")
    }

    pub(crate) fn unit(&self, name: &str) -> String {
        fs::read_to_string(self.units().join(name)).expect("is installed")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env_remove("DOSSIERD_HOME").env("HOME", self.home()).env("PATH", self.bin());
        command
    }

    /// `dossierd service …`.
    pub(crate) fn service(&self, args: &[&str]) -> Ran {
        let all: Vec<&str> = ["service"].into_iter().chain(args.iter().copied()).collect();
        self.run(self.command(&all))
    }

    pub(crate) fn run(&self, mut command: Command) -> Ran {
        Ran::of(command.output().expect("runs"))
    }

    /// What was asked that changes something, since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        let path = self.fake().join("asked");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        let lines = text.lines().filter(|line| !line.contains("show") && !line.contains("print "));
        lines.map(str::to_owned).collect()
    }

    /// Puts the binary under another name on PATH, and gives that name.
    pub(crate) fn named(&self, dir: &Path) -> PathBuf {
        fs::create_dir_all(dir).expect("made");
        let link = dir.join("dossierd");
        symlink(BINARY, &link).expect("made");
        link
    }

    /// PATH with one more directory.
    pub(crate) fn path_with(&self, dir: &Path) -> std::ffi::OsString {
        std::env::join_paths([self.bin().as_path(), dir]).expect("has no colon")
    }
}

/// A file below `packaging/`.
pub(crate) fn packaging(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name);
    fs::read_to_string(path).expect("is there")
}

/// The text of an installed unit without the line that says who wrote it.
pub(crate) fn body(text: &str) -> &str {
    let (first, rest) = text.split_once('\n').expect("has lines");
    assert!(first.starts_with("# Written by `dossierd service install`, version "), "{first}");
    rest
}
