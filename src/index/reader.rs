//! One file from disk to facts: open, read, hash, validate, and make sure that it held
//! still meanwhile.
//!
//! Small files pass through one buffer that is used again and again; larger ones are
//! streamed in constant memory. A file that changes while it is read is read again, and
//! if it never settles that is what is reported: no hash is ever guessed.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::beneath::{FeatureDir, Links, OpenFault, OpenedFile, io_fault, open_entry};
use super::contents::{Contents, Known};
use super::scan::{Ground, ScanSettings, ScanStats};
use super::stat::{FileRecord, Moment, StatRecord, is_transient};
use super::tree::Tree;
use super::utf8_check::{Utf8Check, first_bad_byte, head};
use crate::dossier::extract::Extract;
use crate::dossier::{Digest, ErrorReason, FileFacts, FileState, RelPath};

/// Up to this many bytes a file is read into one buffer.
pub(super) const SMALL: usize = 1024 * 1024;
/// Larger files are read in pieces of this many bytes.
pub(super) const CHUNK: usize = 256 * 1024;
/// What extraction gets of a large file: front matter is all that matters there.
const HEAD: usize = 64 * 1024;
/// How often a file that changes meanwhile is read.
pub(super) const ATTEMPTS: usize = 5;

/// A file to read.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) path: RelPath,
    /// The entry is a symbolic link; its target is read.
    pub(super) through_link: bool,
    /// The size that was listed, in bytes.
    pub(super) size_bytes: u64,
    /// What was known of this path, with its BLAKE3.
    pub(super) former: Option<(Digest, Arc<FileFacts>)>,
}

impl Job {
    /// A file that was listed, and of which nothing is known.
    pub(super) fn new(path: RelPath, size_bytes: u64) -> Self {
        Self { path, through_link: false, size_bytes, former: None }
    }
}

/// What reading a file gave.
#[derive(Debug)]
pub(super) enum ReadResult {
    /// A state; with a record if the same stat will mean the same state.
    Settled { state: FileState, size_bytes: u64, record: Option<FileRecord>, look_again: bool },
    /// It was gone when it was to be opened.
    Vanished,
    /// It became something else: look at the entry again.
    Different,
    /// It changed during every attempt.
    Unsettled { size_bytes: u64 },
    /// The scan was cancelled.
    Cancelled,
}

/// Where bytes may have been seen before.
pub(super) struct Seen<'a> {
    pub(super) contents: &'a Contents,
    pub(super) tree: &'a Tree,
}

/// Reads files one after the other; each thread has its own.
pub(super) struct Reader<'a> {
    dir: &'a FeatureDir,
    settings: &'a ScanSettings<'a>,
    file_clock: fn() -> Moment,
    /// `None` if nothing was ever seen.
    seen: Option<&'a Seen<'a>>,
    pub(super) stats: ScanStats,
    buffer: Vec<u8>,
}

/// What the bytes of one attempt amount to.
struct Judged {
    state: FileState,
    blake3: Option<Digest>,
    counted: u64,
}

/// Why an attempt gave no state.
enum Halt {
    Fault(OpenFault),
    Cancelled,
}

impl From<OpenFault> for Halt {
    fn from(fault: OpenFault) -> Self {
        Self::Fault(fault)
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(ground: &Ground<'a>, seen: Option<&'a Seen<'a>>) -> Self {
        let Ground { dir, settings, file_clock, .. } = *ground;
        let stats = ScanStats::default();
        Self { dir, settings, file_clock, seen, stats, buffer: Vec::new() }
    }

    /// Reads one file.
    pub(super) fn read(&mut self, job: &Job) -> ReadResult {
        self.attempts(job, ATTEMPTS, job.size_bytes)
    }

    /// Reads one file that was just listed in the directory of this descriptor. If it turns
    /// out to be anything but a readable file, it is to be looked at again.
    pub(super) fn read_beside(&mut self, dir: &OwnedFd, job: &Job) -> ReadResult {
        let recorded_at = (self.file_clock)();
        let opened = match open_entry(dir, job.path.file_name()) {
            Ok(opened) => opened,
            Err(OpenFault::Gone) => return ReadResult::Vanished,
            Err(_) => return ReadResult::Different,
        };
        match self.attempt(&opened, job, recorded_at) {
            Ok(Some(result)) => result,
            Ok(None) => self.attempts(job, ATTEMPTS - 1, opened.key.size),
            Err(Halt::Fault(_)) => ReadResult::Different,
            Err(Halt::Cancelled) => ReadResult::Cancelled,
        }
    }

    fn attempts(&mut self, job: &Job, most: usize, mut size_bytes: u64) -> ReadResult {
        let links = if job.through_link { Links::Follow } else { Links::Refuse };
        for _ in 0..most {
            // The clock first: a change after this moment must not look older than it.
            let recorded_at = (self.file_clock)();
            let opened = match self.dir.open_with(&job.path, links) {
                Ok(opened) => opened,
                Err(fault) => return failed(fault, size_bytes),
            };
            size_bytes = opened.key.size;
            match self.attempt(&opened, job, recorded_at) {
                Ok(Some(result)) => return result,
                Ok(None) => {}
                Err(Halt::Fault(fault)) => return failed(fault, size_bytes),
                Err(Halt::Cancelled) => return ReadResult::Cancelled,
            }
        }
        ReadResult::Unsettled { size_bytes }
    }

    /// Reads what was opened; `None` if it changed meanwhile.
    fn attempt(
        &mut self,
        opened: &OpenedFile,
        job: &Job,
        recorded_at: Moment,
    ) -> Result<Option<ReadResult>, Halt> {
        if self.settings.is_cancelled() {
            return Err(Halt::Cancelled);
        }
        self.stats.read += 1;
        let Judged { state, blake3, counted } = self.judge(opened, job)?;
        let size_bytes = opened.key.size;
        let held_still = opened.key_now().is_ok_and(|after| after == opened.key);
        Ok((held_still && counted == size_bytes).then(|| {
            let stat = StatRecord::new(opened.key, recorded_at);
            let record = Some(FileRecord { stat, blake3 });
            ReadResult::Settled { state, size_bytes, record, look_again: false }
        }))
    }

    fn judge(&mut self, opened: &OpenedFile, job: &Job) -> Result<Judged, Halt> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let judged = self.judge_with(&mut buffer, opened, job);
        self.buffer = buffer;
        judged
    }

    fn judge_with(
        &mut self,
        buffer: &mut Vec<u8>,
        opened: &OpenedFile,
        job: &Job,
    ) -> Result<Judged, Halt> {
        // The stated size is a hint for the buffer; where the file ends decides. A file that
        // gives just as much at once has ended there, or has not held still, which is found
        // out afterwards.
        let stated = usize::try_from(opened.key.size).unwrap_or(SMALL).min(SMALL);
        buffer.resize(stated + 1, 0);
        let length = read_some(&opened.file, buffer)?;
        buffer.truncate(length);
        if length != stated || opened.key.size > SMALL as u64 {
            let limit = (SMALL + 1 - length) as u64;
            (&opened.file).take(limit).read_to_end(buffer).map_err(io_fault)?;
        }
        self.stats.bytes_read += buffer.len() as u64;
        if buffer.len() > SMALL {
            return self.stream(buffer, opened, job);
        }
        Ok(self.judge_small(buffer, job))
    }

    fn judge_small(&mut self, bytes: &[u8], job: &Job) -> Judged {
        let counted = bytes.len() as u64;
        let blake3 = self.settings.gate.then(|| Digest(*blake3::hash(bytes).as_bytes()));
        let state = match blake3.and_then(|blake3| self.known(&blake3, job, counted)) {
            Some(known) => {
                self.stats.gate_hits += 1;
                match &known.facts.state {
                    FileState::Text { sha256, .. } if !known.extracts_like(&job.path) => {
                        self.text(*sha256, &job.path, bytes)
                    }
                    state => state.clone(),
                }
            }
            None => {
                self.stats.sha256_computed += 1;
                let sha256 = Digest::sha256(bytes);
                match first_bad_byte(bytes) {
                    None => self.text(sha256, &job.path, bytes),
                    Some(offset) => invalid(offset, sha256),
                }
            }
        };
        Judged { state, blake3, counted }
    }

    /// Hashes and validates a large file in pieces, beginning with what was read of it.
    fn stream(
        &mut self,
        buffer: &mut Vec<u8>,
        opened: &OpenedFile,
        job: &Job,
    ) -> Result<Judged, Halt> {
        let mut sha256 = Sha256::new();
        let mut blake3 = self.settings.gate.then(blake3::Hasher::new);
        let mut utf8 = Utf8Check::default();
        let mut counted = 0;
        let mut take = |piece: &[u8]| {
            sha256.update(piece);
            blake3.as_mut().map(|hasher| hasher.update(piece));
            utf8.push(piece);
            counted += piece.len() as u64;
        };
        take(buffer);
        let beginning = head(buffer, HEAD).to_vec();
        buffer.resize(CHUNK, 0);
        loop {
            if self.settings.is_cancelled() {
                return Err(Halt::Cancelled);
            }
            match (&opened.file).read(buffer.as_mut_slice()) {
                Ok(0) => break,
                Ok(length) => {
                    self.stats.bytes_read += length as u64;
                    take(&buffer[..length]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io_fault(error).into()),
            }
        }
        self.stats.sha256_computed += 1;
        let sha256 = Digest(sha256.finalize().into());
        let state = match utf8.finish() {
            None => FileState::Text {
                sha256,
                extract: (self.settings.extract_head)(&job.path, &beginning).into_shared(),
            },
            Some(offset) => invalid(offset, sha256),
        };
        let blake3 = blake3.map(|hasher| Digest(*hasher.finalize().as_bytes()));
        Ok(Judged { state, blake3, counted })
    }

    /// A file with these bytes: this one as it was, else any other.
    fn known(&self, blake3: &Digest, job: &Job, size_bytes: u64) -> Option<Known> {
        let former = job.former.as_ref().filter(|(former, _)| former == blake3);
        let known = match former {
            Some((_, facts)) => Known { path: job.path.clone(), facts: Arc::clone(facts) },
            None => self.seen.and_then(|seen| seen.contents.get(blake3, seen.tree))?,
        };
        // The state must be one of the bytes, not of permissions or of timing.
        let of_bytes = match &known.facts.state {
            FileState::Text { .. } => true,
            FileState::Faulty { reason, .. } => *reason == ErrorReason::InvalidFormat,
        };
        (of_bytes && known.facts.size_bytes == size_bytes).then_some(known)
    }

    fn text(&self, sha256: Digest, path: &RelPath, bytes: &[u8]) -> FileState {
        let extract: Extract = (self.settings.extract)(path, bytes);
        FileState::Text { sha256, extract: extract.into_shared() }
    }
}

fn invalid(offset: u64, sha256: Digest) -> FileState {
    FileState::Faulty {
        reason: ErrorReason::InvalidFormat,
        detail: format!("invalid UTF-8 at byte {offset}").into(),
        raw_sha256: Some(Box::new(sha256)),
    }
}

/// One read that is not interrupted.
fn read_some(mut file: &File, buffer: &mut [u8]) -> Result<usize, OpenFault> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map_err(io_fault),
        }
    }
}

/// A row for what cannot be read.
pub(super) fn unreadable(detail: impl Into<Box<str>>) -> FileState {
    FileState::Faulty { reason: ErrorReason::Unreadable, detail: detail.into(), raw_sha256: None }
}

fn failed(fault: OpenFault, size_bytes: u64) -> ReadResult {
    match fault {
        OpenFault::Gone => ReadResult::Vanished,
        // It was a regular file when it was listed.
        OpenFault::Loop | OpenFault::Escapes | OpenFault::Special(_) => ReadResult::Different,
        OpenFault::Denied => ReadResult::Settled {
            state: unreadable(fault.to_string()),
            size_bytes,
            record: None,
            look_again: false,
        },
        OpenFault::Io(errno) => ReadResult::Settled {
            state: unreadable(fault.to_string()),
            size_bytes,
            record: None,
            look_again: is_transient(errno),
        },
    }
}
