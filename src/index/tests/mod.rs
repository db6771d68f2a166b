//! Tests of the index against a real file system in a temporary directory.

mod cache;
mod content;
mod hostile;
mod incremental;
mod model;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use super::stat::Moment;
use super::{
    FeatureIndex, IgnoreRules, IgnoredBy, IndexCache, ScanOutcome, ScanRequest, ScanSettings,
    Touched,
};
use crate::dossier::extract::Extract;
use crate::dossier::{FileState, RelPath, Timestamp};
use crate::watch::{DirWatcher, WatchError};

pub(super) fn path(bytes: impl AsRef<[u8]>) -> RelPath {
    RelPath::new(bytes).expect("a relative path")
}

pub(super) fn nothing(_: &RelPath, _: &[u8]) -> Extract {
    Extract::None
}

pub(super) fn later() -> Timestamp {
    static MICROS: AtomicI64 = AtomicI64::new(1);
    Timestamp::from_micros(MICROS.fetch_add(1, Ordering::Relaxed))
}

pub(super) static RUNS: AtomicBool = AtomicBool::new(false);

pub(super) fn settings() -> ScanSettings<'static> {
    ScanSettings {
        threads: 2,
        gate: true,
        extract: nothing,
        extract_head: nothing,
        now: &later,
        cancelled: &RUNS,
        progress: None,
        beat: None,
    }
}

/// A clock so far ahead that every recording counts as old enough.
pub(super) fn ahead() -> Moment {
    Moment::now().later(100)
}

/// Do two quick rewrites get different stamps here? Otherwise trusting young stats, as
/// tests with [`ahead`] do, is not sound.
pub(super) fn stamps_are_fine() -> bool {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("f");
    let mut last = None;
    let fine = (0..50).all(|_| {
        fs::write(&file, "x").expect("written");
        let stat = rustix::fs::stat(&file).expect("stat");
        let now = (stat.st_ctime, stat.st_ctime_nsec);
        last.replace(now) != Some(now)
    });
    if !fine {
        eprintln!("SKIPPED: this file system's stamps are too coarse for trusted young stats");
    }
    fine
}

/// Remembers what it was asked to watch, and fails where it is told to.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) asked: Mutex<Vec<PathBuf>>,
    pub(super) gone: Mutex<Vec<PathBuf>>,
    pub(super) full: AtomicBool,
    /// How many of them were open, so that what is watched is what is listed.
    pub(super) open: AtomicUsize,
}

impl DirWatcher for Recorder {
    fn watch_open_dir(&self, dir: &Path, _: BorrowedFd<'_>) -> Result<(), WatchError> {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.watch_dir(dir)
    }

    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        self.asked.lock().expect("not poisoned").push(dir.to_owned());
        if self.gone.lock().expect("not poisoned").iter().any(|gone| gone == dir) {
            return Err(WatchError::Gone(dir.to_owned()));
        }
        match self.full.load(Ordering::Relaxed) {
            true => Err(WatchError::Limit(dir.to_owned())),
            false => Ok(()),
        }
    }
}

/// A feature directory (`root`) in a directory of its own, and its index.
pub(super) struct Kit {
    pub(super) outside: tempfile::TempDir,
    pub(super) root: PathBuf,
    pub(super) index: FeatureIndex,
    pub(super) watcher: Recorder,
}

impl Kit {
    pub(super) fn new() -> Self {
        let outside = tempfile::tempdir().expect("temporary directory");
        let root = fs::canonicalize(outside.path()).expect("exists").join("001-feature");
        fs::create_dir(&root).expect("created");
        let index = fresh_index(&root, None);
        Self { outside, root, index, watcher: Recorder::default() }
    }

    /// Writes a file, with its directories; forgets nothing, scans nothing.
    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let file = self.at(name);
        fs::create_dir_all(file.parent().expect("has a parent")).expect("created");
        fs::write(file, bytes).expect("written");
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn link(&self, target: impl AsRef<Path>, name: &str) {
        let link = self.at(name);
        fs::create_dir_all(link.parent().expect("has a parent")).expect("created");
        std::os::unix::fs::symlink(target, link).expect("linked");
    }

    pub(super) fn full(&mut self) -> ScanOutcome {
        self.index.scan(&ScanRequest::Full, &self.watcher, &settings())
    }

    /// Scans paths as a watcher would name them; `/` at the end asks for all below.
    pub(super) fn touch(&mut self, names: &[&str]) -> ScanOutcome {
        let touched = names.iter().map(|name| {
            let bare = name.trim_end_matches('/');
            let path = (!bare.is_empty()).then(|| path(bare));
            Touched { path, deep: name.ends_with('/') }
        });
        let request = ScanRequest::Touched(touched.collect());
        self.index.scan(&request, &self.watcher, &settings())
    }

    /// The rows as text: the first bytes of the hash, or reason and detail.
    pub(super) fn rows(&self) -> BTreeMap<String, String> {
        rows(&self.index)
    }

    pub(super) fn row(&self, name: &str) -> String {
        self.rows().remove(name).unwrap_or_else(|| "no row".to_owned())
    }

    pub(super) fn ignored(&self) -> BTreeMap<String, IgnoredBy> {
        let ignored = self.index.ignored().iter();
        ignored.map(|(path, ignored)| (path.to_string(), ignored.by.clone())).collect()
    }

    /// Everything known must be what a fresh index finds.
    pub(super) fn check_against_fresh(&self, what: &str) {
        let mut fresh = fresh_index(&self.root, None);
        fresh.scan(&ScanRequest::Full, &Recorder::default(), &settings());
        assert_eq!(rows(&self.index), rows(&fresh), "rows, {what}");
        assert_eq!(self.index.ignored(), fresh.ignored(), "ignored, {what}");
        assert_eq!(
            self.index.directories().collect::<Vec<_>>(),
            fresh.directories().collect::<Vec<_>>(),
            "directories, {what}"
        );
        assert_eq!(
            self.index.unreadable_directories(),
            fresh.unreadable_directories(),
            "unreadable directories, {what}"
        );
        assert_eq!(self.index.limits_exceeded(), fresh.limits_exceeded(), "limits, {what}");
    }
}

pub(super) fn fresh_index(root: &Path, cache: Option<IndexCache>) -> FeatureIndex {
    let (rules, _) = IgnoreRules::load(root, root.parent());
    FeatureIndex::new(root.to_owned(), rules, cache)
}

pub(super) fn rows(index: &FeatureIndex) -> BTreeMap<String, String> {
    let row = |(path, facts): (&RelPath, &std::sync::Arc<crate::dossier::FileFacts>)| {
        let text = match &facts.state {
            FileState::Text { sha256, .. } => format!("{} {}", facts.size_bytes, sha256.short(8)),
            FileState::Faulty { reason, detail, raw_sha256 } => {
                let raw = raw_sha256.as_ref().map(|raw| raw.short(8)).unwrap_or_default();
                format!("{} {} {detail} {raw}", facts.size_bytes, reason.as_str())
            }
        };
        (path.to_string(), text)
    };
    index.table().iter().map(row).collect()
}

/// The row of a text.
pub(super) fn text(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    format!("{} {}", bytes.len(), crate::dossier::Digest::sha256(bytes).short(8))
}

pub(super) fn names<'a>(paths: impl IntoIterator<Item = &'a RelPath>) -> String {
    paths.into_iter().map(|path| path.to_string()).collect::<Vec<_>>().join(" ")
}

pub(super) fn mkfifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
}

pub(super) fn is_root(what: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if root {
        eprintln!("SKIPPED as root, whom permissions do not stop: {what}");
    }
    root
}

pub(super) fn chmod(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode set");
}

pub(super) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
