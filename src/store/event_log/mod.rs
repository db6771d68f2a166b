//! The append-only log of one feature: one event a line, nothing ever rewritten.
//!
//! Lines are bytes here; what they say is the core's business. The writer owns three
//! promises: a batch is there whole or not at all (one write; what a full disk took in is
//! cut off again; what a crash tore is cut off at the next start), order survives
//! rotation, and a log that was deleted, cut or extended by somebody else is noticed
//! before the next append. One writer at a time: `writer.lock` beside the log is held as
//! long as it is open, also against a daemon of another home directory.

mod backwards;
mod checks;
mod reader;
pub(super) mod repair;
mod segment;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use self::checks::{acquire, check_lines, check_single};
use self::repair::Tail;
use self::segment::{ACTIVE, rotated_name};
use super::dossier_dir::DossierDir;
use super::error::{At, StoreError};
use super::lock::InstanceLock;
use super::pace::Pace;
use crate::platform::dir::file_facts;
use crate::platform::{Dir, Open};

pub use self::backwards::ask_newest;
pub use self::reader::{LineBody, LogLine, LogReader};
pub use self::segment::Segment;

/// The longest line that is read or written, in bytes without its newline.
pub const MAX_LINE: usize = 1024 * 1024;

/// A place in a log: the first byte of a line, or the end. Stays right across rotation
/// and restarts; not if somebody deletes the log ([`LogEvent::Lost`]), so whoever keeps
/// one for long keeps the last line's event id with it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Position {
    /// The segment's number, from 1.
    pub segment: u64,
    /// Bytes from the segment's start.
    pub offset: u64,
}

impl Position {
    fn is_first(self) -> bool {
        self.segment <= 1 && self.offset == 0
    }
}

/// What was found, and put right, when a log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of a torn end that were cut off.
    pub cut_bytes: u64,
    /// The last line is complete but no JSON: somebody else wrote it. It stays.
    pub foreign_last_line: bool,
}

/// What somebody else did to the log while it was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEvent {
    /// The active segment was deleted or replaced; a fresh one, or the one that was found,
    /// goes on. Its readers miss whatever was in the old one.
    Lost,
    /// It was cut; it goes on at its new end.
    Truncated {
        /// Its length before.
        known: u64,
        /// Its length now, after a torn line was cut off.
        found: u64,
    },
    /// Lines were added; they stay.
    Extended {
        /// How many bytes.
        by: u64,
    },
}

/// An appended batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where its first line begins.
    pub start: Position,
    /// Where the next batch will begin, unless the log is rotated before.
    pub end: Position,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// It is in the log.
    Written(Appended),
    /// Nothing of it is: what it follows was deleted, replaced or cut. The next one goes into
    /// what is there now.
    Refused(LogEvent),
}

/// The writer of one feature's log.
#[derive(Debug)]
pub struct EventLog {
    dir: DossierDir,
    max_segment_bytes: u64,
    /// Held as long as the log is open; `None` only after it could not be taken again.
    lock: Option<InstanceLock>,
    /// `None` only after a failure between two segments; the next call opens it again.
    active: Option<Active>,
    noticed: Option<LogEvent>,
}

/// The segment that is appended to.
#[derive(Debug)]
struct Active {
    file: File,
    id: (u64, u64),
    number: u64,
    /// The end of the last whole batch.
    len: u64,
    /// A piece of a failed batch is behind `len` and could not be cut off yet.
    damaged: bool,
}

impl EventLog {
    /// Opens the log in `dir` to append, makes it if missing, cuts off what a crash tore.
    /// Rotation is wanted from `max_segment_bytes` on. [`StoreError::Busy`] if somebody has
    /// it open; [`StoreError::Cancelled`], and nothing cut, if it was ended by its `pace`.
    pub fn open(
        dir: DossierDir,
        max_segment_bytes: u64,
        pace: &Pace<'_>,
    ) -> Result<(Self, Recovery), StoreError> {
        let handle = dir.open()?;
        let lock = Some(acquire(&handle)?);
        let (active, tail) = Active::open(&handle, pace)?;
        let recovery = Recovery { cut_bytes: tail.cut, foreign_last_line: tail.foreign_last_line };
        let active = Some(active);
        Ok((Self { dir, max_segment_bytes, lock, active, noticed: None }, recovery))
    }

    /// Appends one or more complete lines with one write: all of them are in the log when
    /// this succeeds, none when it fails. Not yet durable: see [`Self::sync`].
    pub fn append(&mut self, lines: &[u8]) -> Result<Append, StoreError> {
        let path = self.path();
        check_lines(lines, &path)?;
        let (active, noticed) = self.in_place()?;
        // What somebody else has added stays, and the batch follows it.
        if let Some(loss @ (LogEvent::Lost | LogEvent::Truncated { .. })) = noticed.take() {
            return Ok(Append::Refused(loss));
        }
        let start = active.end();
        active.write(lines, &path)?;
        Ok(Append::Written(Appended { start, end: active.end() }))
    }

    /// Looks whether the log is still the one that was written, and goes on with what
    /// there is if not. Worth a call before a batch is composed that builds on what the
    /// log already says.
    pub fn check(&mut self) -> Result<Option<LogEvent>, StoreError> {
        let (_, noticed) = self.in_place()?;
        Ok(noticed.take())
    }

    /// The last line that was found or written, without its newline.
    pub fn last_line(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(active) = &self.active else { return Ok(None) };
        repair::last_line(&active.file, active.len).at("read", &self.path())
    }

    /// Makes what was appended survive a power loss.
    pub fn sync(&self) -> Result<(), StoreError> {
        match &self.active {
            Some(active) => active.file.sync_data().at("sync", &self.path()),
            // Rotation synced everything before it let go of the file.
            None => Ok(()),
        }
    }

    /// What syncs the active segment from another thread; `None` if there is none open.
    pub fn syncer(&self) -> Result<Option<Syncer>, StoreError> {
        let Some(active) = &self.active else { return Ok(None) };
        let path = self.path();
        let file = active.file.try_clone().at("open once more", &path)?;
        Ok(Some(Syncer { file, path }))
    }

    /// Is the active segment as large as it should become?
    pub fn wants_rotation(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.len >= self.max_segment_bytes.max(1))
    }

    /// Closes the active segment and begins the next; `false` if the active one is empty.
    /// The closed one is durable before it gets its name, and keeps its number.
    pub fn rotate(&mut self) -> Result<bool, StoreError> {
        let path = self.path();
        let (active, _) = self.in_place()?;
        if active.len == 0 {
            return Ok(false);
        }
        active.file.sync_all().at("sync", &path)?;
        let dir = self.dir.open()?;
        // Counted anew: a name that somebody has put there must not be replaced.
        let name = rotated_name(segment::list(&dir)?.active_number);
        dir.rename(OsStr::new(ACTIVE), OsStr::new(&name)).at("rotate", &path)?;
        // From here on the open file must not be appended to, whatever fails below.
        self.active = None;
        dir.sync().at("sync the directory of", &path)?;
        self.active = Some(Active::open(&dir, &Pace::default())?.0);
        Ok(true)
    }

    /// All segments, oldest first.
    pub fn segments(&self) -> Result<Vec<Segment>, StoreError> {
        segments(&self.dir)
    }

    /// All lines of all segments, oldest first.
    pub fn lines(&self) -> LogReader {
        LogReader::new(self.dir.clone())
    }

    /// The lines from a position on that an append, or a line read before, gave.
    pub fn reader_from(&self, position: Position) -> Result<LogReader, StoreError> {
        LogReader::from(self.dir.clone(), position)
    }

    /// Where the next batch will begin; `None` while a failure has left no segment open.
    pub fn end(&self) -> Option<Position> {
        self.active.as_ref().map(Active::end)
    }

    /// The directory of the log.
    pub fn dir(&self) -> &DossierDir {
        &self.dir
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(ACTIVE)
    }

    /// The active segment, after a look at whether it still is the file of that name with
    /// the length that we gave it; and what was noticed and not told yet.
    fn in_place(&mut self) -> Result<(&mut Active, &mut Option<LogEvent>), StoreError> {
        let dir = self.dir.open()?;
        let path = dir.path().join(ACTIVE);
        if let Some(active) = &mut self.active {
            active.cut_damage().at("cut off a half-written batch from", &path)?;
            let named = dir.facts(OsStr::new(ACTIVE)).at("look at", &path)?;
            if let Some(facts) = named.filter(|facts| facts.id == active.id) {
                check_single(&facts, &path)?;
                if let Some(event) = active.adjust().at("repair", &path)? {
                    // What was lost before matters more than what came after.
                    self.noticed.get_or_insert(event);
                }
            } else {
                self.active = None;
                self.noticed = Some(LogEvent::Lost);
                // The lock file may be lost too; a lock on a file without a name
                // excludes nobody.
                self.lock = None;
            }
        }
        if self.lock.is_none() {
            self.lock = Some(acquire(&dir)?);
        }
        let active = match self.active.take() {
            Some(active) => active,
            None => Active::open(&dir, &Pace::default())?.0,
        };
        Ok((self.active.insert(active), &mut self.noticed))
    }
}

/// See [`EventLog::syncer`].
#[derive(Debug)]
pub struct Syncer {
    file: File,
    path: PathBuf,
}

impl Syncer {
    /// Makes what was appended until now survive a power loss.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().at("sync", &self.path)
    }
}

impl Active {
    fn open(dir: &Dir, pace: &Pace<'_>) -> Result<(Self, Tail), StoreError> {
        let path = dir.path().join(ACTIVE);
        let number = segment::list(dir)?.active_number;
        let file =
            dir.open_file(OsStr::new(ACTIVE), Open::AppendOrCreate(0o600)).at("open", &path)?;
        let facts = file_facts(&file).at("look at", &path)?;
        check_single(&facts, &path)?;
        let tail = repair::repair(&file, pace).at("repair", &path)?;
        let tail = tail.ok_or_else(|| StoreError::Cancelled { path: path.clone() })?;
        if tail.len == 0 {
            // The name must not be lost when the lines in it are durable. With lines in it,
            // whoever wrote them has seen to that.
            dir.sync().at("sync the directory of", &path)?;
        }
        Ok((Self { file, id: facts.id, number, len: tail.len, damaged: false }, tail))
    }

    fn end(&self) -> Position {
        Position { segment: self.number, offset: self.len }
    }

    /// One write for the whole batch, which nobody who reads whole lines can see in half.
    fn write(&mut self, lines: &[u8], path: &Path) -> Result<(), StoreError> {
        // For systems without O_APPEND; elsewhere the write goes to the end anyway.
        self.file.seek(SeekFrom::Start(self.len)).at("append to", path)?;
        let written = loop {
            match self.file.write(lines) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let error = match written {
            Ok(wrote) if wrote == lines.len() => {
                self.len += wrote as u64;
                return Ok(());
            }
            Ok(wrote) => {
                StoreError::ShortWrite { path: path.to_path_buf(), wrote, length: lines.len() }
            }
            Err(source) => StoreError::io("append to", path, source),
        };
        self.damaged = true;
        // If even this fails, `damaged` stays, and nothing is appended before it succeeds.
        let _ = self.cut_damage();
        Err(error)
    }

    fn cut_damage(&mut self) -> io::Result<()> {
        if self.damaged {
            self.file.set_len(self.len)?;
            self.damaged = false;
        }
        Ok(())
    }

    /// Takes over the length that the file has now, its end repaired.
    fn adjust(&mut self) -> io::Result<Option<LogEvent>> {
        let known = self.len;
        let now = file_facts(&self.file)?.len;
        if now == known {
            return Ok(None);
        }
        let repaired = repair::repair(&self.file, &Pace::default())?;
        self.len = repaired.map_or(known, |tail| tail.len);
        Ok(match self.len {
            found if found < known => Some(LogEvent::Truncated { known, found }),
            found if found > known => Some(LogEvent::Extended { by: found - known }),
            _ => None,
        })
    }
}

/// Removes rotated segments of a log with numbers below `number`, and says how many. The
/// newest rotated one always stays: the next number is counted from it. The writer need not
/// be asked, since it never goes back to a segment that it has closed.
pub fn remove_segments_before(dir: &DossierDir, number: u64) -> Result<usize, StoreError> {
    let Some(dir) = dir.open_to_read()? else { return Ok(0) };
    let mut rotated = segment::list(&dir)?.segments;
    rotated.retain(|segment| !segment.active);
    rotated.pop();
    rotated.retain(|segment| segment.number < number);
    for segment in &rotated {
        let name = rotated_name(segment.number);
        dir.remove_file(OsStr::new(&name)).at("remove", &dir.path().join(&name))?;
    }
    if !rotated.is_empty() {
        dir.sync().at("sync", dir.path())?;
    }
    Ok(rotated.len())
}

/// All segments of the log in a directory, oldest first.
pub fn segments(dir: &DossierDir) -> Result<Vec<Segment>, StoreError> {
    let Some(dir) = dir.open_to_read()? else { return Ok(Vec::new()) };
    Ok(segment::list(&dir)?.segments)
}

#[cfg(test)]
mod tests;
