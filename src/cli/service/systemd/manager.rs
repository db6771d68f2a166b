//! The systemd of this user: whether it can be reached, where it looks for units, what it says of
//! ours. Asks only; what changes something goes through `Deeds`.

use std::path::{Path, PathBuf};

use super::super::disk;
use super::super::program::{ASKING, Program, ProgramError};
use super::super::unit::UNITS;

/// Where units of users are that a package or an administrator has brought, where systemd cannot be
/// asked (systemd.unit(5), "User Unit Search Path").
const USUAL_DIRS: [&str; 5] = [
    "/etc/systemd/user",
    "/usr/local/share/systemd/user",
    "/usr/share/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
];

/// What is asked of each unit.
const PROPERTIES: &str = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,\
FragmentPath,DropInPaths,MainPID,ActiveEnterTimestamp,Result,NeedDaemonReload";

/// The manager, or why there is none.
#[derive(Debug)]
pub(in crate::cli) struct Manager {
    /// `systemctl`.
    pub(in crate::cli::service) program: Result<Program, ProgramError>,
    /// Why it cannot be asked.
    pub(in crate::cli) unreachable: Option<ProgramError>,
    /// Where units of this user's own belong.
    pub(in crate::cli) unit_dir: PathBuf,
    /// Where others look, too.
    other_dirs: Vec<PathBuf>,
}

impl Manager {
    /// Looks for it, and asks where its units are. Without it the place is that of the environment.
    pub(in crate::cli) fn find(home: &Path) -> Self {
        let program = Program::find("systemctl");
        let asked = program
            .as_ref()
            .map_err(|_| ProgramError::Missing("systemctl"))
            .and_then(|program| program.run(&["--user", "show", "--property=UnitPath"], ASKING));
        let (dirs, unreachable) = match asked {
            Ok(answer) => (unit_dirs(&answer), None),
            Err(error) => (None, Some(error)),
        };
        let (unit_dir, other_dirs) = dirs.unwrap_or_else(|| {
            (own_unit_dir(home), USUAL_DIRS.iter().map(PathBuf::from).collect())
        });
        Self { program, unreachable, unit_dir, other_dirs }
    }

    /// Can it be asked?
    pub(in crate::cli::service) fn reachable(&self) -> Option<&Program> {
        self.program.as_ref().ok().filter(|_| self.unreachable.is_none())
    }

    /// The unit of this name that a package has brought.
    pub(in crate::cli) fn packaged(&self, name: &str) -> Option<PathBuf> {
        self.other_dirs.iter().map(|dir| dir.join(name)).find(|path| disk::is_file(path))
    }

    /// What systemd says of our units, those that it knows.
    pub(in crate::cli) fn units(&self) -> Result<Vec<UnitFacts>, ProgramError> {
        let Some(program) = self.reachable() else { return Ok(Vec::new()) };
        let mut args = vec!["--user", "show", PROPERTIES];
        args.extend(UNITS);
        let answer = program.run(&args, ASKING)?;
        Ok(answer.split("\n\n").map(UnitFacts::of).filter(|unit| !unit.id.is_empty()).collect())
    }
}

/// The user's own directory and the others, from the answer `UnitPath=…`: the first is that of
/// `systemctl --user set-property`, which lies beside the user's own.
fn unit_dirs(answer: &str) -> Option<(PathBuf, Vec<PathBuf>)> {
    let list = answer.lines().find_map(|line| line.strip_prefix("UnitPath="))?;
    if list.contains(['"', '\'', '\\']) {
        return None;
    }
    let mut dirs = list.split(' ');
    let own = PathBuf::from(dirs.next()?.strip_suffix(".control")?);
    let others = dirs.map(PathBuf::from).filter(|dir| *dir != own && dir.is_absolute());
    own.is_absolute().then(|| (own.clone(), others.collect()))
}

/// `$XDG_CONFIG_HOME/systemd/user`.
fn own_unit_dir(home: &Path) -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    config
        .filter(|dir| dir.is_absolute())
        .unwrap_or_else(|| home.join(".config"))
        .join("systemd/user")
}

/// One unit, as systemd knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct UnitFacts {
    /// Its name.
    pub(in crate::cli) id: String,
    /// `loaded`, `not-found`, `masked`, …
    pub(in crate::cli) load: String,
    /// `active`, `inactive`, `failed`, `activating`, …
    pub(in crate::cli) active: String,
    /// The same in detail.
    pub(in crate::cli) sub: String,
    /// `enabled`, `disabled`, `static`, …; empty if there is no file.
    pub(in crate::cli) file_state: String,
    /// The file that it was loaded from.
    pub(in crate::cli) fragment: String,
    /// Its drop-ins.
    pub(in crate::cli) drop_ins: Vec<String>,
    /// Its process.
    pub(in crate::cli) main_pid: Option<u32>,
    /// Since when it has been active.
    pub(in crate::cli) since: Option<String>,
    /// `success`, or how it failed.
    pub(in crate::cli) result: String,
    /// Has its file changed since it was loaded?
    pub(in crate::cli) needs_reload: bool,
}

impl UnitFacts {
    fn of(block: &str) -> Self {
        let value = |name: &str| -> String {
            let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_default().trim().to_owned()
        };
        Self {
            id: value("Id"),
            load: value("LoadState"),
            active: value("ActiveState"),
            sub: value("SubState"),
            file_state: value("UnitFileState"),
            fragment: value("FragmentPath"),
            drop_ins: value("DropInPaths").split_whitespace().map(str::to_owned).collect(),
            main_pid: value("MainPID").parse().ok().filter(|pid| *pid > 0),
            since: Some(value("ActiveEnterTimestamp")).filter(|text| !text.is_empty()),
            result: value("Result"),
            needs_reload: value("NeedDaemonReload") == "yes",
        }
    }

    /// Is it started when its target is?
    pub(in crate::cli) fn is_enabled(&self) -> bool {
        matches!(self.file_state.as_str(), "enabled" | "enabled-runtime" | "linked-runtime")
    }

    /// Does it run, listen, or is it about to?
    pub(in crate::cli) fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "refreshing")
    }
}

/// Does this user's systemd go on after logout? `None` if that cannot be told.
pub(in crate::cli) fn lingers() -> Option<bool> {
    let uid = crate::platform::user::uid()?.to_string();
    let program = Program::find("loginctl").ok()?;
    match program.run(&["show-user", &uid, "--property=Linger"], ASKING) {
        Ok(answer) => match answer.trim() {
            "Linger=yes" => Some(true),
            "Linger=no" => Some(false),
            _ => None,
        },
        // logind knows only users who are logged in or linger.
        Err(ProgramError::Failed { text, .. }) if text.contains("not logged in or lingering") => {
            Some(false)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_directory_is_the_one_beside_control() {
        let answer = "UnitPath=/h/.config/systemd/user.control /run/user/1/systemd/transient \
                      /h/.config/systemd/user /etc/systemd/user /usr/lib/systemd/user\n";
        let (own, others) = unit_dirs(answer).unwrap();
        assert_eq!(own, Path::new("/h/.config/systemd/user"));
        assert!(others.contains(&PathBuf::from("/usr/lib/systemd/user")));
        assert!(!others.contains(&own));
        for odd in
            ["", "UnitPath=", "UnitPath=/a /b", "UnitPath=a.control", "UnitPath=\"/a b.control\""]
        {
            assert_eq!(unit_dirs(odd), None, "{odd}");
        }
    }

    #[test]
    fn facts_are_read_and_missing_ones_are_empty() {
        let unit = UnitFacts::of(
            "Id=dossierd.service\nActiveState=active\nSubState=running\nMainPID=17\n\
             UnitFileState=enabled\nDropInPaths=/a /b\nActiveEnterTimestamp=Mon x\n",
        );
        assert!(unit.is_enabled() && unit.is_active());
        assert_eq!((unit.main_pid, unit.drop_ins.len()), (Some(17), 2));
        assert_eq!(unit.since.as_deref(), Some("Mon x"));
        let unit = UnitFacts::of("Id=x\nMainPID=0\nActiveState=failed\n");
        assert!(!unit.is_enabled() && !unit.is_active() && unit.main_pid.is_none());
    }
}
