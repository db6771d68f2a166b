//! The files of a service on the disk. Written whole or not at all; a link is never written
//! through and never taken for a file of ours.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::service_file::{FileState, ServiceFile, judge};
use crate::cli::error::{CliError, ErrorKind};
use crate::platform::{Dir, access, user};
use crate::store::atomic;

/// Units are small; what is larger is none of ours.
const MOST: u64 = 1024 * 1024;

/// What is where this file belongs.
pub(super) fn state(file: &ServiceFile) -> Result<FileState, CliError> {
    Ok(match found(&file.path)? {
        Found::Nothing => FileState::Absent,
        Found::Text(text) => judge(&text, &file.text),
        Found::Mask if file.path.extension().is_some_and(|ending| ending == "plist") => {
            FileState::Foreign("a link to /dev/null".to_owned())
        }
        Found::Mask => FileState::Masked,
        Found::Other(what) => FileState::Foreign(what),
    })
}

/// The text of a unit, wherever a package or a person has put it; `None` if there is none.
pub(super) fn text(path: &Path) -> Result<Option<String>, CliError> {
    // Packages may link to a unit, so this one is followed.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    Ok(match found(&target)? {
        Found::Text(text) => Some(text),
        Found::Nothing | Found::Mask | Found::Other(_) => None,
    })
}

enum Found {
    Nothing,
    Text(String),
    /// systemd's form of a unit that must not be started.
    Mask,
    Other(String),
}

fn found(path: &Path) -> Result<Found, CliError> {
    let failed = |error| CliError::io(format!("cannot read {}", path.display()), error);
    let meta = match fs::symlink_metadata(path) {
        Err(error) if is_absence(&error) => return Ok(Found::Nothing),
        other => other.map_err(failed)?,
    };
    if meta.is_symlink() {
        let target = fs::read_link(path).map_err(failed)?;
        return Ok(match target == Path::new("/dev/null") {
            true => Found::Mask,
            false => Found::Other(format!("a link to {}", target.display())),
        });
    }
    if !meta.is_file() || meta.len() > MOST {
        return Ok(Found::Other("no file that could be a unit".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Found::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Refuses a directory in which others could put a unit of theirs in the place of ours: what a unit
/// names is run as this user. Where the directory is missing, the one in which it will be made counts.
pub(super) fn check_dir_of(file: &ServiceFile) -> Result<(), CliError> {
    const STICKY: u32 = 0o1000;
    let failed =
        |path: &Path, error| CliError::io(format!("cannot look at {}", path.display()), error);
    for dir in file.path.ancestors().skip(1) {
        // A link to a directory is as good as that directory.
        let target = match fs::canonicalize(dir) {
            Err(error) if is_absence(&error) => continue,
            other => other.map_err(|error| failed(dir, error))?,
        };
        let facts = Dir::open(&target).and_then(|dir| dir.own_facts());
        let facts = facts.map_err(|error| failed(&target, error))?;
        let shown = target.display();
        if let Some(owner) = facts.owner
            && !user::is_trusted_peer(Some(owner))
        {
            let message =
                format!("{shown} belongs to uid {owner}, who could change what the service starts");
            return Err(CliError::new(ErrorKind::Input, message)
                .hint("install it as that user, or make the directory yours (chown)"));
        }
        let is_sticky = facts.mode.is_some_and(|mode| mode & STICKY != 0);
        let will_hold_it = file.path.parent() == Some(dir);
        if facts.others_can_write() && (will_hold_it || !is_sticky) {
            let message = format!(
                "others may write in {shown} (mode {:03o}), and so change what the service starts",
                facts.mode.unwrap_or_default() & 0o7777
            );
            return Err(CliError::new(ErrorKind::Input, message)
                .hint(format!("look what is in it, then: chmod go-w {shown}")));
        }
        return Ok(());
    }
    Ok(())
}

/// Writes a file of ours, 0644, with the directories above it.
pub(super) fn write(file: &ServiceFile) -> Result<(), CliError> {
    if let Some(parent) = file.path.parent() {
        fs::create_dir_all(parent)
            .map_err(|error| CliError::io(format!("cannot make {}", parent.display()), error))?;
    }
    atomic::replace(&file.path, file.text.as_bytes(), 0o644).map_err(|error| {
        CliError::new(ErrorKind::Io, "the service was not installed").because(error)
    })
}

/// Makes a directory that only its owner can look into, with those above it.
pub(super) fn make_private_dir(path: &Path) -> Result<(), CliError> {
    access::create_private_dirs(path)
        .map_err(|error| CliError::io(format!("cannot make {}", path.display()), error))
}

/// Is there a directory?
pub(super) fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Is there a program that could be started?
pub(in crate::cli) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Are both the same file, whatever links lead to it?
pub(in crate::cli) fn is_same_file(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Removes a file or link.
pub(super) fn remove(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if !is_absence(&error) => {
            Err(CliError::io(format!("cannot remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Removes a directory if nothing is in it any more.
pub(super) fn remove_empty_dir(path: &Path) {
    // A drop-in of the user's own keeps it, and that is all that can be wrong with it.
    let _ = fs::remove_dir(path);
}

/// The links below `unit_dir` by which this unit was enabled: those of its name in directories of
/// targets.
pub(super) fn enabling_links(unit_dir: &Path, unit: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(unit_dir).into_iter().flatten().flatten();
    let dirs = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "wants" || kind == "requires"));
    let links = dirs.map(|dir| dir.join(unit));
    links.filter(|path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink())).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::service_file::unit;
    use super::*;

    fn file(path: PathBuf) -> ServiceFile {
        ServiceFile { path, text: unit("[Service]\nExecStart=/a run\n") }
    }

    #[test]
    fn a_file_is_written_whole_and_known_again() {
        let tmp = tempfile::tempdir().unwrap();
        let file = file(tmp.path().join("systemd/user/dossierd.service"));
        assert_eq!(state(&file).unwrap(), FileState::Absent);
        write(&file).unwrap();
        assert_eq!(state(&file).unwrap(), FileState::Current);
        assert_eq!(fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(text(&file.path).unwrap().as_deref(), Some(file.text.as_str()));
        remove(&file.path).unwrap();
        remove(&file.path).unwrap();
        assert_eq!(text(&file.path).unwrap(), None);
    }

    #[test]
    fn what_is_no_file_is_foreign_and_never_followed() {
        let tmp = tempfile::tempdir().unwrap();
        let file = file(tmp.path().join("dossierd.service"));
        fs::create_dir(&file.path).unwrap();
        assert!(matches!(state(&file).unwrap(), FileState::Foreign(_)));
        fs::remove_dir(&file.path).unwrap();
        symlink("/dev/null", &file.path).unwrap();
        assert_eq!(state(&file).unwrap(), FileState::Masked);
        remove(&file.path).unwrap();
        let victim = tmp.path().join("victim");
        fs::write(&victim, "keep").unwrap();
        symlink(&victim, &file.path).unwrap();
        assert!(matches!(state(&file).unwrap(), FileState::Foreign(_)));
        write(&file).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"keep");
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().canonicalize().unwrap().join("systemd/user");
        fs::create_dir_all(&dir).unwrap();
        let set = |dir: &Path, mode| {
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        };
        let (in_it, below) = (file(dir.join("a.service")), file(dir.join("a.service.d/b.conf")));
        for (mode, is_fine, is_fine_below) in [
            (0o755, true, true),
            (0o775, false, false),
            (0o702, false, false),
            (0o1777, false, true),
        ] {
            set(&dir, mode);
            assert_eq!(check_dir_of(&in_it).is_ok(), is_fine, "{mode:o}");
            assert_eq!(check_dir_of(&below).is_ok(), is_fine_below, "{mode:o}");
        }
        let error = format!("{:?}", check_dir_of(&in_it).unwrap_err());
        assert!(error.contains(&format!("chmod go-w {}", dir.display())), "{error}");
        let link = tmp.path().join("link");
        symlink(&dir, &link).unwrap();
        assert!(check_dir_of(&file(link.join("a.service"))).is_err(), "through a link");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        if user::uid() != Some(0) {
            eprintln!("SKIP a directory of another user: only root can make one");
            return;
        }
        std::os::unix::fs::chown(&dir, Some(7), None).unwrap();
        let error = format!("{:?}", check_dir_of(&in_it).unwrap_err());
        assert!(error.contains("belongs to uid 7"), "{error}");
    }

    #[test]
    fn links_that_enable_a_unit_are_found() {
        let tmp = tempfile::tempdir().unwrap();
        let wants = tmp.path().join("default.target.wants");
        fs::create_dir(&wants).unwrap();
        symlink("../dossierd.service", wants.join("dossierd.service")).unwrap();
        symlink("../other.service", wants.join("other.service")).unwrap();
        let links = enabling_links(tmp.path(), "dossierd.service");
        assert_eq!(links, [wants.join("dossierd.service")]);
    }
}
