//! A log in a file that stays below a limit, for a daemon whose manager bounds nothing (launchd).
//!
//! At the limit the file becomes the one former file, `NAME.1`, in place of the one before, and a
//! new one is begun, so that between one and two limits of the latest lines are kept. Where there
//! can be no former file, the present one is emptied: the bound and the latest lines matter most.
//! Each line is written by one call. What cannot be written is left out, and the next line is
//! tried again: a log is no reason to end. A file that somebody has moved or removed, or whose
//! directory has been, is made anew.
//!
//! Both files are 0600. A link, something else, or another user's file in its place is refused.
//! Several processes may append to one log; the file's lock is held while it is turned.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::atomic::open_parent;
use super::error::{At, StoreError};
use crate::platform::dir::file_facts;
use crate::platform::{Dir, NodeKind, Open, access, stderr, user};

/// The most that a file of the log has, but for one line that is longer by itself.
pub const LOG_FILE_LIMIT: u64 = 10_000_000;

/// What the former file has behind the name of the present one.
const FORMER: &str = ".1";

/// Why a log cannot be kept in a file.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// A link could lead anywhere.
    #[error("the log file {} is a symbolic link, which could lead anywhere; remove it, or name another file", .0.display())]
    Symlink(PathBuf),
    /// Something else has the name.
    #[error("the log file {} is no regular file; move it away, or name another file", .0.display())]
    NotAFile(PathBuf),
    /// Another user's.
    #[error("the log file {} belongs to uid {owner}, not to us; move it away, or name another file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// A second name, by which others may have made it ours.
    #[error("the log file {} has other names (hard links); remove it, or name another file", .0.display())]
    Linked(PathBuf),
    /// The system refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    limit: u64,
    /// Does stderr lead here, too?
    takes_stderr: bool,
    /// `None` where it has to be opened (again).
    present: Mutex<Option<Present>>,
}

/// The file that is written to.
#[derive(Debug)]
struct Present {
    dir: Dir,
    name: OsString,
    file: File,
    /// Does it end within a line, since there was no room for all of it?
    is_torn: bool,
    /// Does stderr lead here?
    has_stderr: bool,
}

impl LogFile {
    /// Opens or makes the file; its directory has to exist. With `takes_stderr`, stderr leads to it
    /// from here on.
    pub fn open(path: &Path, limit: u64, takes_stderr: bool) -> Result<Self, LogFileError> {
        let log = Self { path: path.to_path_buf(), limit, takes_stderr, present: Mutex::new(None) };
        // What others wrote to it, such as stderr of starts that failed, counts as well.
        let present = log.with_room(log.begin()?, 0)?;
        *log.present.lock().unwrap_or_else(PoisonError::into_inner) = Some(present);
        Ok(log)
    }

    /// Appends one line, with its newline.
    pub fn append(&self, line: &[u8]) -> Result<(), LogFileError> {
        // A panic between two lines has left nothing half done that the next one would not see.
        let mut slot = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let present = match slot.take() {
            Some(present) if is_named(&self.path, &present.file) => present,
            _ => self.begin()?,
        };
        let present = slot.insert(self.with_room(present, line.len())?);
        Ok(present.write(line).at("append to", &self.path)?)
    }

    /// The present file, or a new one if so many more bytes are too many for it. Only then stderr
    /// leads there: what keeps it from being so is said where stderr led before.
    fn with_room(&self, present: Present, more: usize) -> Result<Present, LogFileError> {
        let mut present = present;
        if self.is_full(&present, more).at("look at", &self.path)? {
            self.turn(&present)?;
            present = self.begin()?;
        }
        if self.takes_stderr && !present.has_stderr {
            stderr::lead_to(&present.file).at("lead stderr to", &self.path)?;
            present.has_stderr = true;
        }
        Ok(present)
    }

    fn is_full(&self, present: &Present, more: usize) -> io::Result<bool> {
        let len = file_facts(&present.file)?.len;
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        Ok(len > 0 && len.saturating_add(more) > self.limit)
    }

    /// Makes the present file the former one, or empties it; nothing if somebody else does.
    fn turn(&self, present: &Present) -> Result<(), StoreError> {
        match present.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", &self.path),
        }
        // Whoever had the lock before may have turned it.
        let turned = match is_named(&self.path, &present.file) {
            true => self.make_former(present),
            false => Ok(()),
        };
        let unlocked = present.file.unlock().at("unlock", &self.path);
        turned.and(unlocked)
    }

    fn make_former(&self, present: &Present) -> Result<(), StoreError> {
        let mut former = present.name.clone();
        former.push(FORMER);
        if present.dir.rename(&present.name, &former).is_ok() {
            return Ok(());
        }
        present.file.set_len(0).at("empty", &self.path)
    }

    fn begin(&self) -> Result<Present, LogFileError> {
        let is_dir = self.path.file_name().is_none() || ends_with_slash(&self.path);
        if is_dir {
            return Err(LogFileError::NotAFile(self.path.clone()));
        }
        let (dir, name) = open_parent(&self.path)?;
        self.check_kind(&dir, &name)?;
        let opened = dir.open_file(&name, Open::AppendOrCreate(0o600));
        let file = opened.at("open the log file", &self.path)?;
        let facts = file_facts(&file).at("look at", &self.path)?;
        if let Some(owner) = facts.owner.filter(|_| facts.owner != user::uid()) {
            return Err(LogFileError::NotOurs { path: self.path.clone(), owner });
        }
        if facts.links > 1 {
            return Err(LogFileError::Linked(self.path.clone()));
        }
        if facts.others_have_access() {
            access::set_mode(&file, 0o600).at("set the mode of", &self.path)?;
        }
        Ok(Present { dir, name, file, is_torn: false, has_stderr: false })
    }

    /// Says in words what would else be refused by a number.
    fn check_kind(&self, dir: &Dir, name: &OsStr) -> Result<(), LogFileError> {
        match dir.facts(name).at("look at", &self.path)?.map(|facts| facts.kind) {
            None | Some(NodeKind::File) => Ok(()),
            Some(NodeKind::Symlink) => Err(LogFileError::Symlink(self.path.clone())),
            Some(NodeKind::Dir | NodeKind::Special) => {
                Err(LogFileError::NotAFile(self.path.clone()))
            }
        }
    }
}

impl Present {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Is this file still what is found at the path?
fn is_named(path: &Path, file: &File) -> bool {
    let named = open_parent(path).ok().and_then(|(dir, name)| dir.facts(&name).ok().flatten());
    match (named, file_facts(file)) {
        (Some(named), Ok(open)) => named.id == open.id,
        _ => false,
    }
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last() == Some(&b'/')
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn open(path: &Path, limit: u64) -> LogFile {
        LogFile::open(path, limit, false).unwrap()
    }

    fn former(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(FORMER);
        name.into()
    }

    #[test]
    fn it_stays_below_its_limit_and_keeps_one_former_file() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("d.log");
        let log = open(&path, 100);
        for number in 0..100 {
            log.append(format!("line {number:03}\n").as_bytes()).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= 100);
        }
        let both = fs::read_to_string(former(&path)).unwrap() + &fs::read_to_string(&path).unwrap();
        let expected: String = (88..100).map(|number| format!("line {number:03}\n")).collect();
        assert!(both.ends_with(&expected), "the latest lines are kept, none twice: {both}");
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 2);
        for path in [&path, &former(&path)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        log.append(&[b'x'; 300]).unwrap();
        log.append(b"short\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "short\n");
    }

    #[test]
    fn a_start_goes_on_where_the_last_one_ended() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("d.log");
        open(&path, 20).append(b"first\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        open(&path, 20).append(b"second\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // What stderr of failed starts has added is turned at once.
        fs::write(&path, "x".repeat(21)).unwrap();
        open(&path, 20);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        assert_eq!(fs::metadata(former(&path)).unwrap().len(), 21);
    }

    #[test]
    fn what_is_moved_or_removed_is_made_anew() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("logs");
        fs::create_dir(&dir).unwrap();
        let path = dir.join("d.log");
        let log = open(&path, 1000);
        log.append(b"one\n").unwrap();
        fs::rename(&path, dir.join("away")).unwrap();
        log.append(b"two\n").unwrap();
        fs::remove_dir_all(&dir).unwrap();
        log.append(b"lost\n").unwrap_err();
        fs::create_dir(&dir).unwrap();
        log.append(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        let moved = tmp.path().join("moved");
        fs::rename(&dir, &moved).unwrap();
        fs::create_dir(&dir).unwrap();
        log.append(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn where_there_can_be_no_former_file_the_present_one_is_emptied() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("d.log");
        fs::create_dir(former(&path)).unwrap();
        fs::write(&path, "x".repeat(30)).unwrap();
        let log = open(&path, 20);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
        for number in 0..9 {
            log.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 8\n");
    }

    #[test]
    fn of_two_that_write_to_it_one_turns_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("d.log");
        let (one, other) = (open(&path, 20), open(&path, 20));
        one.append(b"before, and enough\n").unwrap();
        let file = File::open(&path).unwrap();
        file.lock().unwrap();
        other.append(b"while it is turned\n").unwrap();
        assert!(!former(&path).exists(), "somebody else turns it");
        let whole = fs::read(&path).unwrap();
        // Which that one does now; the other, who saw the same, must not do it again.
        fs::rename(&path, former(&path)).unwrap();
        let late = Present { file, ..one.present.lock().unwrap().take().unwrap() };
        late.file.unlock().unwrap();
        open(&path, 20).append(b"new\n").unwrap();
        one.turn(&late).unwrap();
        assert_eq!(fs::read(former(&path)).unwrap(), whole);
        other.append(b"newer\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\nnewer\n");
    }

    #[test]
    fn a_link_or_another_thing_in_its_place_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("d.log");
        let target = tmp.path().join("target");
        fs::write(&target, "kept\n").unwrap();
        let refused = |words: &str| {
            let error = LogFile::open(&path, 100, false).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        symlink(&target, &path).unwrap();
        refused("is a symbolic link");
        fs::remove_file(&path).unwrap();
        fs::hard_link(&target, &path).unwrap();
        refused("has other names");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("is no regular file");
        fs::remove_dir(&path).unwrap();
        for name in ["d.log/", "..", "."] {
            let error = LogFile::open(&tmp.path().join(name), 100, false).unwrap_err();
            assert!(matches!(error, LogFileError::NotAFile(_)), "{name}: {error}");
        }
        // The same for one that is put there later.
        let log = open(&path, 100);
        fs::remove_file(&path).unwrap();
        symlink(&target, &path).unwrap();
        log.append(b"not there\n").unwrap_err();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept\n");
    }
}
