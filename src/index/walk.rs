//! One pass over the directories: what is there, compared with what was known.
//!
//! lstat decides what an entry is, never the event that named it; where nothing is known
//! yet, the listing and then the opened descriptor do. A directory is opened,
//! watched through that descriptor, and then listed through it, at every visit, so that no
//! change falls between the two and no swap makes them two directories. Lookups
//! go through descriptors of directories that were opened without following links.
//! Reading is left to others: a walk only says which files need it. A directory that
//! cannot be listed is remembered and never ends the walk.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::beneath::FeatureDir;
use super::first_pass::FirstPass;
use super::ignore_rules::{IgnoreRules, Ignored};
use super::listing::{Lister, Look, Name};
use super::reader::{Job, unreadable};
use super::resolve::child;
use super::scan::{Ground, Limits, ScanProgress, ScanSettings, ScanStats};
use super::stat::{FileKind, Moment, StatKey, StatRecord, errno_text};
use super::tree::{LimitExceeded, Node, Tree};
use crate::dossier::{ErrorReason, FileFacts, FileState, RelPath, Timestamp};
use crate::watch::{DirWatcher, WatchError};

/// A walk and what it has found so far.
pub(super) struct Walk<'a> {
    pub(super) dir: &'a FeatureDir,
    pub(super) watcher: &'a dyn DirWatcher,
    settings: &'a ScanSettings<'a>,
    file_clock: fn() -> Moment,
    pub(super) tree: &'a mut Tree,
    pub(super) rules: &'a IgnoreRules,
    limits: Limits,
    /// Is everything looked at? Then listing stops at the limit of artifacts.
    pub(super) full: bool,
    /// For rows made here.
    pub(super) at: Timestamp,
    pub(super) jobs: Vec<Job>,
    /// Reads files as soon as their directory is listed, when nothing is known yet.
    pub(super) first: Option<FirstPass<'a>>,
    /// Files of the directory that is being looked at, for it.
    files: Vec<Job>,
    lister: Lister,
    pub(super) stats: ScanStats,
    pub(super) unwatched: Vec<(PathBuf, WatchError)>,
    /// Entries that became something else while they were looked at.
    pub(super) again: Vec<RelPath>,
    pub(super) unsettled: Vec<RelPath>,
    /// The feature directory itself vanished under the walk.
    pub(super) root_gone: bool,
    pub(super) cancelled: bool,
    /// Entries met by a full walk that become rows for certain.
    pub(super) met: usize,
    queued: HashSet<RelPath>,
    /// Directories visited, and whether with all below them.
    pub(super) visited: BTreeMap<Option<RelPath>, bool>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        ground: &Ground<'a>,
        tree: &'a mut Tree,
        rules: &'a IgnoreRules,
        limits: Limits,
        full: bool,
    ) -> Self {
        let Ground { dir, watcher, settings, file_clock } = *ground;
        Self {
            dir,
            watcher,
            settings,
            file_clock,
            tree,
            rules,
            limits,
            full,
            at: (settings.now)(),
            jobs: Vec::new(),
            first: None,
            files: Vec::new(),
            lister: Lister::default(),
            stats: ScanStats::default(),
            unwatched: Vec::new(),
            again: Vec::new(),
            unsettled: Vec::new(),
            root_gone: false,
            cancelled: false,
            met: 0,
            queued: HashSet::new(),
            visited: BTreeMap::new(),
        }
    }

    /// Looks at the whole feature.
    pub(super) fn everything(&mut self) {
        self.visit(self.dir.fd(), b".", None, true);
    }

    pub(super) fn stopped(&mut self) -> bool {
        self.cancelled |= self.settings.is_cancelled();
        self.cancelled || self.root_gone
    }

    /// Watches and lists a directory, and looks at what is in it: all of it, or only what
    /// is new or may have changed.
    pub(super) fn visit(
        &mut self,
        fd: BorrowedFd<'_>,
        name: &[u8],
        path: Option<&RelPath>,
        deep: bool,
    ) {
        let visited = self.visited.get(&path.cloned()).copied();
        if self.stopped() || visited.is_some_and(|was_deep| was_deep || !deep) {
            return;
        }
        // One that could not be listed before is looked at with all below it.
        let deep = deep || self.tree.has_directory_fault(path);
        self.visited.insert(path.cloned(), deep);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match openat(fd, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => {
                return self.moved_away(path);
            }
            // Files that wait to be read hold directories open; after this round none do.
            Err(Errno::MFILE | Errno::NFILE) if self.first.is_some() && path.is_some() => {
                return self.moved_away(path);
            }
            Err(errno) => {
                // It cannot be listed, but changes of it may still be seen.
                let watched = self.watcher.watch_dir(&self.dir.absolute(path));
                if self.is_there(path, watched) {
                    self.fault(path, errno);
                }
                return;
            }
        };
        let watched = self.watcher.watch_open_dir(&self.dir.absolute(path), opened.as_fd());
        if !self.is_there(path, watched) {
            return;
        }
        match self.list(&opened, path) {
            Ok((record, names)) => {
                self.take_listing(path, record, &names);
                self.entries(opened, path, &names, deep);
            }
            Err(errno) => self.fault(path, errno),
        }
    }

    /// Looks at everything that a directory was found to hold.
    fn entries(&mut self, dir: OwnedFd, path: Option<&RelPath>, names: &[Name], deep: bool) {
        let above = std::mem::take(&mut self.files);
        for name in names {
            if self.stopped() {
                break;
            }
            if let Some(path) = child(path, &name.bytes) {
                self.entry(dir.as_fd(), &path, name, deep);
            }
        }
        let files = std::mem::replace(&mut self.files, above);
        if let Some(first) = &mut self.first {
            first.take(dir, files, self.stats.listed);
        }
    }

    /// The names in a directory in path order, with the stat from before the listing.
    fn list(
        &mut self,
        dir: &OwnedFd,
        path: Option<&RelPath>,
    ) -> Result<(StatRecord, Vec<Name>), Errno> {
        let recorded_at = (self.file_clock)();
        let key = StatKey::of(&fstat(dir)?);
        // Where nothing is known, files and directories are asked when they are opened.
        let asks_later = self.first.is_some();
        let names = self.lister.names(dir, |kind| {
            !(asks_later && matches!(kind, FileKind::Regular | FileKind::Directory))
        })?;
        // A deleted feature directory that is still open has no names: that is no news of
        // its files.
        if path.is_none() && fstat(dir)?.st_nlink == 0 {
            self.root_gone = true;
        }
        self.stats.listed += names.len() as u64;
        if let (Some(progress), None) = (self.settings.progress, &self.first) {
            progress(ScanProgress { listed: self.stats.listed, to_read: 0, read: 0 });
        }
        Ok((StatRecord::new(key, recorded_at), names))
    }

    /// Removes what a listing no longer has.
    fn take_listing(&mut self, path: Option<&RelPath>, record: StatRecord, names: &[Name]) {
        if self.root_gone {
            return;
        }
        self.tree.clear_directory_fault(path);
        if let Some(path) = path {
            self.tree.set_directory(path, Some(record));
        }
        let mut gone = self.tree.children(path);
        for name in names {
            if let Some(path) = child(path, &name.bytes) {
                gone.remove(&path);
            }
        }
        for path in &gone {
            self.tree.remove(path);
        }
    }

    /// Takes one entry for what its stat says it is.
    pub(super) fn entry(&mut self, fd: BorrowedFd<'_>, path: &RelPath, name: &Name, deep: bool) {
        let kind = name.kind();
        let is_dir = kind == FileKind::Directory;
        if let Some(by) = self.rules.decide(path, is_dir) {
            if matches!(name.look, Look::Taken(Err(Errno::NOENT))) {
                return self.tree.remove(path);
            }
            return self.tree.set_ignored(path, Ignored { by, is_dir });
        }
        if let Some(limit) = self.exceeded(path) {
            return self.tree.set_over_limit(path, limit);
        }
        let key = match name.look {
            Look::Taken(Ok(key)) => Some(key),
            Look::Taken(Err(errno)) => return self.no_stat(path, kind, errno),
            Look::Left => None,
        };
        if self.full && !is_dir && kind != FileKind::Symlink {
            self.met += 1;
            if self.met > self.limits.artifacts {
                return self.tree.remove(path);
            }
        }
        match kind {
            FileKind::Directory => self.directory(fd, path, name, key.as_ref(), deep),
            FileKind::Regular => self.file(path, key.as_ref()),
            FileKind::Symlink => self.tree.set_link(path, key.map_or(0, |key| key.size)),
            other => {
                let state = unreadable(format!("special file: {}", other.as_str()));
                self.row(path, state, 0);
            }
        }
    }

    fn directory(
        &mut self,
        fd: BorrowedFd<'_>,
        path: &RelPath,
        name: &Name,
        key: Option<&StatKey>,
        deep: bool,
    ) {
        // A known directory in a listing is entered only if it may have another listing:
        // it is another one by the same name, or its own names changed. What is in it is
        // judged in the same way. A new one is looked at with all below it.
        let from_listing = name.listed_kind != FileKind::Unknown;
        let deep = match self.tree.node(path) {
            Some(Node::Directory(Some(record)))
                if !deep && from_listing && key.is_some_and(|key| record.vouches_for(key)) =>
            {
                return;
            }
            Some(Node::Directory(_)) => deep,
            _ => true,
        };
        self.visit(fd, &name.bytes, Some(path), deep);
    }

    fn file(&mut self, path: &RelPath, key: Option<&StatKey>) {
        if self.first.is_some() {
            self.files.push(Job::new(path.clone(), key.map_or(0, |key| key.size)));
            return;
        }
        let record = match self.tree.node(path) {
            Some(Node::File(record)) => *record,
            None => None,
            Some(_) => {
                self.tree.remove(path);
                None
            }
        };
        let vouches = |key| record.is_some_and(|record| record.stat.vouches_for(key));
        if key.is_some_and(vouches) {
            self.stats.trusted_stats += 1;
            return;
        }
        self.queue(path, key.map_or(0, |key| key.size), false);
    }

    /// Asks for a file to be read.
    pub(super) fn queue(&mut self, path: &RelPath, size_bytes: u64, through_link: bool) {
        if !self.queued.insert(path.clone()) {
            return;
        }
        let blake3 = self.tree.record(path).and_then(|record| record.blake3);
        let former = blake3.zip(self.tree.table().get(path).map(Arc::clone));
        self.jobs.push(Job { path: path.clone(), through_link, size_bytes, former });
    }

    /// Sets a row that needs no reading.
    pub(super) fn row(&mut self, path: &RelPath, state: FileState, size_bytes: u64) {
        let facts = FileFacts { size_bytes, state, indexed_at: self.at };
        self.tree.set_row(path, Node::File(None), facts);
    }

    fn exceeded(&self, path: &RelPath) -> Option<LimitExceeded> {
        if path.segments().count() > self.limits.depth {
            return Some(LimitExceeded::Depth);
        }
        (path.file_name().len() > self.limits.name_bytes).then_some(LimitExceeded::NameLength)
    }

    /// A listed name that lstat could not be asked about.
    fn no_stat(&mut self, path: &RelPath, kind: FileKind, errno: Errno) {
        match errno {
            Errno::NOENT | Errno::NOTDIR if self.full && kind == FileKind::Regular => {
                self.row(path, deleted_after_scan(), 0);
            }
            Errno::NOENT | Errno::NOTDIR => self.tree.remove(path),
            _ if kind == FileKind::Directory => self.fault(Some(path), errno),
            _ => self.row(path, unreadable(errno_text(errno)), 0),
        }
    }

    fn fault(&mut self, path: Option<&RelPath>, errno: Errno) {
        self.tree.set_directory_fault(path, &errno_text(errno), self.at);
        if let (true, Some(path)) = (super::stat::is_transient(errno), path) {
            self.unsettled.push(path.clone());
        }
    }

    /// Takes the watcher's answer: is the directory there at all?
    fn is_there(&mut self, path: Option<&RelPath>, watched: Result<(), WatchError>) -> bool {
        match watched {
            Ok(()) => {}
            Err(WatchError::Gone(_)) => {
                self.vanished(path);
                return false;
            }
            Err(error) => self.unwatched.push((self.dir.absolute(path), error)),
        }
        true
    }

    /// The watcher says that the directory is gone.
    fn vanished(&mut self, path: Option<&RelPath>) {
        match path {
            None => self.root_gone = true,
            Some(path) => {
                self.tree.remove(path);
                self.unsettled.push(path.clone());
            }
        }
    }

    /// Between lstat and opening the directory became something else, or there was no
    /// descriptor left for it: it is looked at again.
    fn moved_away(&mut self, path: Option<&RelPath>) {
        match path {
            None => self.root_gone = true,
            Some(path) => {
                self.visited.remove(&Some(path.clone()));
                self.again.push(path.clone());
            }
        }
    }
}

/// A row for a file that vanished between listing and reading.
pub(super) fn deleted_after_scan() -> FileState {
    FileState::Faulty {
        reason: ErrorReason::DeletedAfterScan,
        detail: "it vanished between listing and reading".into(),
        raw_sha256: None,
    }
}
