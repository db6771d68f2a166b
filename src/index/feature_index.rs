//! The index of one feature directory: asked to scan, it brings its table up to date with
//! the disk and says what changed.
//!
//! It writes nothing, watches nothing by itself and knows no clock but the one it is
//! given. Invariants: after a scan that was not cancelled the table is what a fresh scan
//! of everything would give, as far as the request named what changed; whatever leaves a
//! doubt (a cancelled scan, a root that was away or replaced, changed rules, rows from a
//! cache) makes the next scan a full one; nothing is cleared before it was looked at.

mod pass;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beneath::FeatureDir;
use super::contents::Contents;
use super::ignore_rules::{IgnoreFault, IgnoreRules, Ignored};
use super::index_cache::{CachedRow, IndexCache};
use super::scan::{Limits, ScanOutcome, ScanRequest, ScanSettings};
use super::stat::Moment;
use super::tree::{LimitExceeded, Node, Tree};
use crate::dossier::{FileTable, RelPath};
use crate::watch::DirWatcher;

/// Facts of every file of one feature, kept up to date scan by scan.
#[derive(Debug)]
pub struct FeatureIndex {
    root: PathBuf,
    rules: IgnoreRules,
    tree: Tree,
    contents: Contents,
    limits: Limits,
    /// The file system's clock; another one in tests alone.
    pub(super) file_clock: fn() -> Moment,
    /// Device and inode of the directory that was last scanned.
    identity: Option<(u64, u64)>,
    /// The device that cached records speak of, until the first scan has checked it.
    cached_device: Option<u64>,
    /// Something may have been missed: the next scan looks at everything.
    in_doubt: bool,
    /// Rows were left out for their number.
    artifacts_exceeded: bool,
}

impl FeatureIndex {
    /// An index of the directory at `root` (absolute). With a cache its table begins with
    /// the rows of the last run, as something to compare with: the first scan looks at
    /// everything. A cache of another directory is not used.
    pub fn new(root: PathBuf, rules: IgnoreRules, cache: Option<IndexCache>) -> Self {
        let mut index = Self {
            root,
            rules,
            tree: Tree::default(),
            contents: Contents::default(),
            limits: Limits::default(),
            file_clock: Moment::now,
            identity: None,
            cached_device: None,
            in_doubt: true,
            artifacts_exceeded: false,
        };
        if let Some(cache) = cache.filter(|cache| cache.is_of(&index.root)) {
            index.restore(cache);
        }
        index
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All rows by path.
    pub fn table(&self) -> &FileTable {
        self.tree.table()
    }

    /// What rules leave out. A directory stands for everything below it.
    pub fn ignored(&self) -> &BTreeMap<RelPath, Ignored> {
        self.tree.ignored()
    }

    /// The indexed directories, without the feature directory itself.
    pub fn directories(&self) -> impl Iterator<Item = &RelPath> {
        self.tree.directories()
    }

    /// All symbolic links that no rule leaves out.
    pub fn symlinks(&self) -> impl Iterator<Item = &RelPath> {
        self.tree.links().iter()
    }

    /// Directories that cannot be listed, and why; `None` is the feature directory.
    pub fn unreadable_directories(&self) -> &BTreeMap<Option<RelPath>, String> {
        self.tree.directory_faults()
    }

    /// Entries that are not indexed because they exceed a limit.
    pub fn limits_exceeded(&self) -> &BTreeMap<RelPath, LimitExceeded> {
        self.tree.limits()
    }

    /// Are there more artifacts than the limit? Then the first ones in path order are
    /// rows, and the others are not.
    pub fn artifacts_exceeded(&self) -> bool {
        self.artifacts_exceeded
    }

    /// The rules in force.
    pub fn rules(&self) -> &IgnoreRules {
        &self.rules
    }

    /// Puts other rules in force; the next scan looks at everything if they differ.
    pub fn set_ignore(&mut self, rules: IgnoreRules) {
        self.in_doubt |= rules != self.rules;
        self.rules = rules;
    }

    /// Sets other limits than the usual ones; the next scan looks at everything.
    pub fn set_limits(&mut self, limits: Limits) {
        self.in_doubt |= limits != self.limits;
        self.limits = limits;
    }

    /// Forgets everything, such as when the directory was away for too long.
    pub fn clear(&mut self) {
        self.tree = Tree::default();
        self.contents = Contents::default();
        self.identity = None;
        self.cached_device = None;
        self.in_doubt = true;
        self.artifacts_exceeded = false;
    }

    /// What the next run needs in order not to read everything again. `attached` is kept
    /// with it, and means nothing here.
    pub fn to_cache(&self, attached: Vec<u8>) -> IndexCache {
        let device = self.identity.map(|(device, _)| device).or(self.cached_device);
        let rows = self.tree.table().iter().map(|(path, facts)| {
            let through_link = self.tree.links().contains(path);
            CachedRow::new(path, through_link, self.tree.record(path), facts)
        });
        IndexCache::new(&self.root, device, attached, rows.collect())
    }

    fn restore(&mut self, cache: IndexCache) {
        self.cached_device = cache.device();
        let rows = cache.into_rows().into_iter().filter_map(|row| {
            let (path, through_link, record, facts) = row.into_parts()?;
            let node = match through_link {
                true => Node::Link { size: facts.size_bytes, record },
                false => Node::File(record),
            };
            Some((path, node, facts))
        });
        self.tree.restore(rows.collect());
        let records = self.tree.table().keys().map(|path| (path, self.tree.record(path)));
        let sums = records.map(|(path, record)| (path, record.and_then(|record| record.blake3)));
        self.contents.note_all(sums);
    }

    /// Brings the index up to date. A request for some paths becomes a full scan where
    /// anything is in doubt.
    pub fn scan(
        &mut self,
        request: &ScanRequest,
        watcher: &dyn DirWatcher,
        settings: &ScanSettings<'_>,
    ) -> ScanOutcome {
        let dir = match FeatureDir::open(&self.root) {
            Ok(dir) => dir,
            Err(fault) => {
                self.in_doubt = true;
                return ScanOutcome::new(Err(fault));
            }
        };
        let mut outcome = ScanOutcome::new(Ok(()));
        outcome.rules_changed = self.reload_rules();
        self.recognise(&dir);
        let touched = match request {
            ScanRequest::Touched(touched) if !self.in_doubt => Some(touched.as_slice()),
            _ => None,
        };
        // Whatever happens on the way, this scan is not done before it is done.
        self.in_doubt = true;
        self.tree.take_journal();
        let before = (self.tree.directory_faults().clone(), self.tree.limits().clone());
        self.pass(&dir, touched, watcher, settings, &mut outcome);
        let room = self.artifacts_exceeded && self.tree.table().len() < self.limits.artifacts;
        if room && touched.is_some() && !outcome.cancelled && outcome.root.is_ok() {
            self.pass(&dir, None, watcher, settings, &mut outcome);
        }
        self.in_doubt = outcome.cancelled || outcome.root.is_err();
        self.report(&mut outcome);
        outcome.notes_changed = self.tree.take_ignored_changed()
            || before.0 != *self.tree.directory_faults()
            || before.1 != *self.tree.limits();
        self.contents.take(self.tree.take_departed());
        self.contents.tidy(&self.tree);
        if outcome.changed.len() > self.tree.table().len() / 4 {
            self.tree.pack();
        }
        outcome
    }

    fn reload_rules(&mut self) -> Option<Vec<IgnoreFault>> {
        let (rules, faults) = self.rules.reload_if_changed()?;
        self.rules = rules;
        self.in_doubt = true;
        Some(faults)
    }

    /// Is it the directory that was scanned before?
    fn recognise(&mut self, dir: &FeatureDir) {
        let identity = dir.identity();
        if self.identity.is_some_and(|before| before != identity) {
            self.in_doubt = true;
        }
        self.identity = Some(identity);
        // Inode numbers mean nothing on another device.
        if self.cached_device.take().is_some_and(|device| device != identity.0) {
            self.tree.forget_records();
        }
    }

    /// Turns the journal into what changed.
    fn report(&mut self, outcome: &mut ScanOutcome) {
        for (path, before) in self.tree.take_journal() {
            match (before, self.tree.table().get(&path)) {
                (Some(before), Some(now)) if Arc::ptr_eq(&before, now) => {}
                (Some(before), Some(now)) if before.same_outcome(now) => {}
                (_, Some(_)) => {
                    outcome.changed.insert(path);
                }
                (Some(_), None) => {
                    outcome.removed.insert(path);
                }
                (None, None) => {}
            }
        }
        outcome.unsettled.sort();
        outcome.unsettled.dedup();
    }
}
