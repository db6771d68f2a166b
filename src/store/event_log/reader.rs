//! Reading a log from its first line or any later one, over all segments, with bounded
//! memory, also while another process appends and rotates.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::segment::{self, ACTIVE, Segment, rotated_name};
use super::{MAX_LINE, Position};
use crate::platform::{Dir, Open};
use crate::store::dossier_dir::DossierDir;
use crate::store::error::{At, StoreError};
use crate::store::pace::Pace;

/// What stands in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineBody {
    /// The line without its newline. Whether it is an event is for the caller to say.
    Whole(Vec<u8>),
    /// More than [`MAX_LINE`] bytes: nothing of ours, and not loaded.
    TooLong,
    /// A rotated segment ends without a newline: somebody has cut it.
    Unterminated,
}

/// One line of a log and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it begins.
    pub at: Position,
    /// Where the next one begins: from here a later reader goes on.
    pub end: Position,
    /// What it says.
    pub body: LineBody,
}

/// An iterator over the lines of a log, oldest first. It ends before an unterminated line
/// at the end of the log, which is just being written or torn; asked again later it goes
/// on with what has come since. After an error it has ended for good. A log that is
/// deleted meanwhile is read as far as it was.
#[derive(Debug)]
pub struct LogReader {
    dir: DossierDir,
    next: Position,
    open: Option<OpenSegment>,
    failed: bool,
}

#[derive(Debug)]
struct OpenSegment {
    file: BufReader<File>,
    /// Nothing is appended to it any more.
    complete: bool,
}

impl LogReader {
    /// Reads the log in `dir` from its first line. Makes nothing and takes no lock, so it
    /// also serves commands without a daemon.
    pub fn new(dir: DossierDir) -> Self {
        let next = Position { segment: 0, offset: 0 };
        Self { dir, next, open: None, failed: false }
    }

    /// Reads from a position that a former line's `end`, or an append, gave. An error if
    /// no line begins or will begin there, as after the log was deleted.
    pub fn from(dir: DossierDir, position: Position) -> Result<Self, StoreError> {
        let reader = Self { next: position, ..Self::new(dir) };
        if reader.is_line_start(position)? {
            return Ok(reader);
        }
        Err(StoreError::NoSuchPosition { path: reader.dir.path(), position })
    }

    /// The directory of the log.
    pub fn dir(&self) -> PathBuf {
        self.dir.path()
    }

    fn is_line_start(&self, position: Position) -> Result<bool, StoreError> {
        let Some(dir) = self.dir.open_to_read()? else { return Ok(position.is_first()) };
        let listing = segment::list(&dir)?;
        let mut segments = listing.segments.iter();
        let Some(found) = segments.find(|segment| segment.number == position.segment) else {
            return Ok(position.segment == listing.active_number && position.offset == 0);
        };
        if position.offset == 0 || position.offset > found.len {
            return Ok(position.offset == 0);
        }
        let Some(mut file) = open_segment(&dir, found)? else { return Ok(false) };
        let mut before = [0];
        let read = file
            .seek(SeekFrom::Start(position.offset - 1))
            .and_then(|_| file.read_exact(&mut before));
        Ok(read.is_ok() && before == *b"\n")
    }

    /// Opens the segment in which the next line is; `false` if there is none yet.
    fn open_next(&mut self) -> Result<bool, StoreError> {
        // Between the listing and the opening the writer may rotate; the second listing
        // notices, and the attempt is repeated.
        for _ in 0..16 {
            let Some(dir) = self.dir.open_to_read()? else { return Ok(false) };
            let listing = segment::list(&dir)?;
            let mut segments = listing.segments.iter();
            let Some(found) = segments.find(|segment| segment.number >= self.next.segment) else {
                return Ok(false);
            };
            let Some(mut file) = open_segment(&dir, found)? else { continue };
            if found.active && segment::list(&dir)?.active_number != found.number {
                continue;
            }
            if found.number > self.next.segment {
                self.next = Position { segment: found.number, offset: 0 };
            }
            let path = dir.path().join(ACTIVE);
            file.seek(SeekFrom::Start(self.next.offset)).at("read", &path)?;
            let file = BufReader::with_capacity(64 * 1024, file);
            self.open = Some(OpenSegment { file, complete: !found.active });
            return Ok(true);
        }
        Ok(false)
    }

    /// Has the segment being read been rotated since it was opened?
    fn was_rotated(&self) -> Result<bool, StoreError> {
        let Some(dir) = self.dir.open_to_read()? else { return Ok(false) };
        Ok(segment::list(&dir)?.active_number > self.next.segment)
    }

    /// The next line, as [`Iterator::next`] gives it; [`StoreError::Cancelled`] if `pace` ends
    /// it before it is there.
    pub fn next_within(&mut self, pace: &Pace<'_>) -> Option<Result<LogLine, StoreError>> {
        if self.failed {
            return None;
        }
        let result = self.read(pace);
        self.failed = result.is_err();
        result.transpose()
    }

    fn read(&mut self, pace: &Pace<'_>) -> Result<Option<LogLine>, StoreError> {
        loop {
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let path = self.dir.path();
            let line = read_line(&mut open.file, pace).at("read the log in", &path)?;
            let Some(line) = line else { return Err(StoreError::Cancelled { path }) };
            if line.terminated || (open.complete && line.len > 0) {
                return Ok(Some(self.advance(line)));
            }
            if open.complete {
                self.next = Position { segment: self.next.segment + 1, offset: 0 };
                self.open = None;
                continue;
            }
            // The end for now: later lines begin where this piece of one does.
            let rewind = SeekFrom::Start(self.next.offset);
            open.file.seek(rewind).at("read the log in", &path)?;
            if !self.was_rotated()? {
                return Ok(None);
            }
            if let Some(open) = &mut self.open {
                open.complete = true;
            }
        }
    }

    fn advance(&mut self, line: RawLine) -> LogLine {
        let at = self.next;
        self.next.offset += line.len;
        let body = match line.bytes {
            _ if !line.terminated => LineBody::Unterminated,
            Some(bytes) => LineBody::Whole(bytes),
            None => LineBody::TooLong,
        };
        LogLine { at, end: self.next, body }
    }
}

impl Iterator for LogReader {
    type Item = Result<LogLine, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_within(&Pace::default())
    }
}

/// Opens a listed segment; `None` if it has that name no more.
fn open_segment(dir: &Dir, segment: &Segment) -> Result<Option<File>, StoreError> {
    let name = if segment.active { ACTIVE.to_owned() } else { rotated_name(segment.number) };
    match dir.open_file(OsStr::new(&name), Open::Read) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("open", &dir.path().join(name), error)),
    }
}

struct RawLine {
    /// With the newline.
    len: u64,
    terminated: bool,
    /// Without the newline; `None` if there are too many.
    bytes: Option<Vec<u8>>,
}

/// Reads up to and with the next newline, keeping at most [`MAX_LINE`] bytes; `None` if it was
/// ended early.
fn read_line<R: Read>(file: &mut BufReader<R>, pace: &Pace<'_>) -> io::Result<Option<RawLine>> {
    let mut line = RawLine { len: 0, terminated: false, bytes: Some(Vec::new()) };
    while !line.terminated {
        if file.buffer().is_empty() && !pace.goes_on() {
            return Ok(None);
        }
        let chunk = match file.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if chunk.is_empty() {
            break;
        }
        let newline = chunk.iter().position(|b| *b == b'\n');
        let text = &chunk[..newline.unwrap_or(chunk.len())];
        match &mut line.bytes {
            Some(bytes) if bytes.len() + text.len() <= MAX_LINE => bytes.extend_from_slice(text),
            _ => line.bytes = None,
        }
        let used = text.len() + usize::from(newline.is_some());
        line.terminated = newline.is_some();
        line.len += used as u64;
        file.consume(used);
    }
    Ok(Some(line))
}
