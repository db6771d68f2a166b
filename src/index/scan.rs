//! What a scan is asked, what it is given, and what it answers.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::beneath::{FeatureDir, RootFault};
use super::ignore_rules::IgnoreFault;
use super::stat::Moment;
use crate::dossier::extract::Extract;
use crate::dossier::{RelPath, Timestamp};
use crate::watch::{DirWatcher, WatchError};

/// A path that may have changed. A hint: what is on disk decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Touched {
    /// The path; `None` is the feature directory itself.
    pub path: Option<RelPath>,
    /// If it is a directory: look at everything below it, not only at its listing.
    pub deep: bool,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanRequest {
    /// Everything.
    Full,
    /// These paths.
    Touched(Vec<Touched>),
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanProgress {
    /// Entries listed so far.
    pub listed: u64,
    /// Files that must be read, as far as is known; 0 while nothing is.
    pub to_read: u64,
    /// Files read so far.
    pub read: u64,
}

/// How to scan.
#[derive(Clone, Copy)]
pub struct ScanSettings<'a> {
    /// Threads that read and hash; 0 counts as 1.
    pub threads: usize,
    /// Keep BLAKE3 of what is read, so that bytes seen before need no SHA-256 and no
    /// parsing. Off for one-shot scans, which would only pay for it.
    pub gate: bool,
    /// Takes from a text what the core needs. Must depend on nothing but the bytes, the
    /// file name, and whether the file lies directly in the feature directory: a moved or
    /// copied file with the same ones is not parsed again.
    pub extract: fn(&RelPath, &[u8]) -> Extract,
    /// The same of a file over 1 MiB, of which it gets the first 64 KiB.
    pub extract_head: fn(&RelPath, &[u8]) -> Extract,
    /// The clock, for `indexed_at`.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// Set by others to end the scan early.
    pub cancelled: &'a AtomicBool,
    /// Told now and then how far it is, from any thread.
    pub progress: Option<&'a (dyn Fn(ScanProgress) + Sync)>,
    /// Grows with every directory, file, and piece of a large file that is come to: for who
    /// wants to know whether a scan goes on at all.
    pub beat: Option<&'a AtomicU64>,
}

impl ScanSettings<'_> {
    /// Has somebody ended the scan? Asked at every step of it, so each one is counted here.
    pub(super) fn is_cancelled(&self) -> bool {
        if let Some(beat) = self.beat {
            beat.fetch_add(1, Ordering::Relaxed);
        }
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What every part of one scan stands on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) dir: &'a FeatureDir,
    pub(super) watcher: &'a dyn DirWatcher,
    pub(super) settings: &'a ScanSettings<'a>,
    /// The clock that stamps of files are compared with.
    pub(super) file_clock: fn() -> Moment,
}

/// What a scan did, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScanStats {
    /// Entries listed, or asked about by name.
    pub listed: u64,
    /// Files that were not read because their stat vouched for them.
    pub trusted_stats: u64,
    /// Files read, each attempt counted.
    pub read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Files whose bytes were known by their BLAKE3.
    pub gate_hits: u64,
    /// SHA-256 sums computed.
    pub sha256_computed: u64,
}

/// What a scan found.
#[derive(Debug)]
pub struct ScanOutcome {
    /// Could the feature directory be opened? If not, nothing else was looked at and
    /// nothing was removed: how long a vanished feature keeps its rows is not decided here.
    pub root: Result<(), RootFault>,
    /// Rows that are new or have another outcome than before.
    pub changed: BTreeSet<RelPath>,
    /// Rows that were there and are gone.
    pub removed: BTreeSet<RelPath>,
    /// Is something else ignored, unlistable or over a limit than before?
    pub notes_changed: bool,
    /// What did not hold still, or failed for want of resources: look again soon.
    pub unsettled: Vec<RelPath>,
    /// Directories (absolute) that could not be watched; they were still listed.
    pub unwatched: Vec<(PathBuf, WatchError)>,
    /// Numbers.
    pub stats: ScanStats,
    /// Was everything looked at? An incremental request becomes a full scan after a
    /// cancelled scan, a root fault, changed rules or a replaced feature directory.
    pub full: bool,
    /// `Some` if the `.dossierignore` files changed since the last scan: what is wrong
    /// with the new ones.
    pub rules_changed: Option<Vec<IgnoreFault>>,
    /// Was it ended early? What was found up to then holds; the next scan will be full.
    pub cancelled: bool,
}

impl ScanOutcome {
    pub(super) fn new(root: Result<(), RootFault>) -> Self {
        Self {
            root,
            changed: BTreeSet::new(),
            removed: BTreeSet::new(),
            notes_changed: false,
            unsettled: Vec::new(),
            unwatched: Vec::new(),
            stats: ScanStats::default(),
            full: false,
            rules_changed: None,
            cancelled: false,
        }
    }
}

/// How much of a feature is indexed; what exceeds it is reported, never silently left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows in the table; the first ones in path order stay.
    pub artifacts: usize,
    /// Segments of a path.
    pub depth: usize,
    /// Bytes of one name.
    pub name_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { artifacts: 1_000_000, depth: 64, name_bytes: 255 }
    }
}

impl ScanStats {
    pub(super) fn add(&mut self, other: &ScanStats) {
        self.listed += other.listed;
        self.trusted_stats += other.trusted_stats;
        self.read += other.read;
        self.bytes_read += other.bytes_read;
        self.gate_hits += other.gate_hits;
        self.sha256_computed += other.sha256_computed;
    }
}
