//! What the loop publishes: immutable, complete, shared. Readers never wait.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;

use super::caveat::Caveat;
use crate::dossier::baseline::{Baseline, BaselineKey};
use crate::dossier::drift::Drift;
use crate::dossier::snapshot::Snapshot;
use crate::dossier::{Dossier, Timestamp};
use crate::store::DossierDir;

/// How well a feature or root is watched. Anything that makes coverage incomplete is a
/// state that people see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum WatchState {
    /// The first scan has not ended.
    Starting,
    /// Every directory is watched.
    Live,
    /// Events were lost; a full scan is under way or due.
    Rescanning {
        /// What was lost.
        reason: String,
    },
    /// Some directories are not watched; they are polled.
    Partial {
        /// How many.
        unwatched: usize,
        /// Why, and what to do.
        reason: String,
    },
    /// Nothing is watched; everything is polled.
    Polling {
        /// Why.
        reason: String,
    },
    /// The directory is gone. The last state is kept for a while.
    Detached {
        /// Since when.
        since: Timestamp,
    },
}

impl WatchState {
    /// The name used on the wire.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Rescanning { .. } => "rescanning",
            Self::Partial { .. } => "partial",
            Self::Polling { .. } => "polling",
            Self::Detached { .. } => "detached",
        }
    }
}

/// [`StoreState::failing_code`]: the log has other names, and what is written to it would be
/// written to somebody else's file.
pub const HARD_LINK: &str = "hard-link";
/// The dossier directory is that of another feature of the same name in the project.
pub const SAME_NAME: &str = "same-name";
/// It is not known who the project is.
pub const UNKNOWN_IDENTITY: &str = "identity";

/// Where a feature's durable files are, and how they do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreState {
    /// `project` (below `.kittify/dossiers/`) or `state` (the daemon's state directory).
    pub location: &'static str,
    /// Why not in the project.
    pub fallback_reason: Option<String>,
    /// Why the log cannot be written at the moment; events wait in memory.
    pub failing: Option<String>,
    /// What kind of thing keeps it from being written, where that has to be told apart:
    /// `later-version`, or one of the words above.
    pub failing_code: Option<&'static str>,
    /// Bytes of a torn last line that were cut off at the start.
    pub repaired_bytes: u64,
}

/// What a scan cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ScanCost {
    /// Entries listed.
    pub listed: u64,
    /// Files whose cached stat was trusted.
    pub trusted: u64,
    /// Files read.
    pub read: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// SHA-256 computed.
    pub hashed: u64,
    /// Microseconds from start to assembled dossier.
    pub micros: u64,
}

/// The project a feature belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectView {
    /// Absolute path of its root. Shown to local peers only.
    pub root: PathBuf,
    /// UUID.
    pub uuid: String,
    /// Slug.
    pub slug: String,
    /// Machine and user.
    pub node_id: String,
    /// The checkout.
    pub build_id: String,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The commit that is checked out.
    pub head_sha: Option<String>,
}

/// A file or directory that is not indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IgnoredEntry {
    /// Relative path as shown; directories end in `/`.
    pub path: String,
    /// Which rule ignored it.
    pub reason: String,
}

/// One feature, as published. Never changes; a new one takes its place.
#[derive(Debug)]
pub struct FeatureView {
    /// Opaque, stable for the feature's directory.
    pub id: String,
    /// Directory name, as shown.
    pub slug: String,
    /// The registered root it came with.
    pub root_id: String,
    /// Its project.
    pub project: Arc<ProjectView>,
    /// Absolute path. Shown to local peers only.
    pub dir: PathBuf,
    /// The dossier.
    pub dossier: Arc<Dossier>,
    /// How it stands to the baseline.
    pub drift: Arc<Drift>,
    /// The baseline in the current file, accepted or not.
    pub baseline: Option<Arc<Baseline>>,
    /// The current context.
    pub baseline_key: BaselineKey,
    /// UUID of this snapshot.
    pub snapshot_id: String,
    /// When this snapshot was computed.
    pub computed_at: Timestamp,
    /// When the last scan ended, whether or not it changed anything.
    pub last_scanned_at: Timestamp,
    /// How well it is watched.
    pub watch: WatchState,
    /// Its durable files.
    pub store: StoreState,
    /// Where they are; `None` for a feature that has none.
    pub place: Option<DossierDir>,
    /// What is not indexed.
    pub ignored: Arc<Vec<IgnoredEntry>>,
    /// Cost of the last scan.
    pub cost: ScanCost,
    /// Grows with each published change of this feature.
    pub generation: u64,
    /// Serialised forms, made once when first asked for.
    pub rendered: Rendered,
}

/// Serialised forms of a view, made lazily and once.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The overview.
    pub overview: OnceLock<Document>,
    /// The unfiltered list of artifacts.
    pub artifacts: OnceLock<Document>,
    /// The snapshot.
    pub snapshot: OnceLock<Document>,
}

/// A serialised form, with what answering it again and again would compute anew.
#[derive(Debug, Clone)]
pub struct Document {
    /// The bytes.
    pub bytes: Bytes,
    /// Their entity tag, quoted.
    pub tag: Bytes,
    /// Their compressed form, once someone has asked for it; `None` where it is not smaller.
    pub packed: Arc<OnceLock<Option<Bytes>>>,
}

impl FeatureView {
    /// The snapshot of this view.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.dossier, &self.snapshot_id, self.computed_at)
    }
}

/// One registered root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootView {
    /// Opaque, stable for the path.
    pub id: String,
    /// `project` or `feature`.
    pub kind: &'static str,
    /// Absolute path. Shown to local peers only.
    pub path: PathBuf,
    /// How well it is watched.
    pub watch: WatchState,
    /// When it was registered.
    pub added_at: String,
    /// How many features it has.
    pub features: usize,
}

/// Counters and states of the whole daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Have all first scans ended?
    pub ready: bool,
    /// Who tells of changes: `inotify`, `notify`, or `none` if nothing can be watched.
    pub watch_backend: &'static str,
    /// Why nothing can be watched, if so.
    pub watch_fault: Option<String>,
    /// Times that events were lost.
    pub overflows: u64,
    /// Differences that only a periodic rescan found.
    pub missed_events: u64,
    /// Scans run.
    pub scans: u64,
    /// Fresh reads that ran out of time.
    pub fresh_timeouts: u64,
    /// Problems with the configuration or the registry that the daemon lives with.
    pub warnings: Vec<Caveat>,
}

/// A feature whose first scan has not ended. Nothing can be said of it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFeature {
    /// As it will be in its view.
    pub id: String,
    /// Directory name, as shown.
    pub slug: String,
    /// Id of the root it came with.
    pub root_id: String,
    /// Where it lies.
    pub dir: PathBuf,
}

/// Everything, at one moment.
#[derive(Debug, Default)]
pub struct View {
    /// Registered roots, in order of registration.
    pub roots: Vec<Arc<RootView>>,
    /// Features by id.
    pub features: BTreeMap<String, Arc<FeatureView>>,
    /// Features that are known by name alone: their first scan has not ended.
    pub pending: Vec<PendingFeature>,
    /// The daemon's own state.
    pub health: Health,
    /// Grows with each publication.
    pub generation: u64,
}

/// Why a name does not select one feature.
#[derive(Debug, Clone)]
pub enum SelectError {
    /// The first scans of these, by slug, have not ended, and what the name selects depends
    /// on them; none while nothing is known at all.
    Starting(Vec<String>),
    /// No feature has this slug or id.
    Unknown,
    /// Several have this slug.
    Ambiguous(Vec<Arc<FeatureView>>),
    /// No name was given and there is not exactly one feature.
    NameNeeded(usize),
}

impl View {
    /// The feature of this slug or id; with one feature the name may be left out. Features
    /// that are pending count: what is not known yet is not taken for what is not there.
    pub fn select(&self, name: Option<&str>) -> Result<Arc<FeatureView>, SelectError> {
        let has_id = name.is_some_and(|name| self.features.contains_key(name));
        let may_be = |pending: &PendingFeature| {
            name.is_none_or(|name| pending.slug == name || pending.id == name)
        };
        if !has_id && (self.generation == 0 || self.pending.iter().any(may_be)) {
            let these = self.pending.iter().filter(|pending| may_be(pending));
            return Err(SelectError::Starting(these.map(|p| p.slug.clone()).collect()));
        }
        let Some(name) = name else {
            let mut all = self.features.values();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(Arc::clone(only)),
                _ => Err(SelectError::NameNeeded(self.features.len())),
            };
        };
        if let Some(feature) = self.features.get(name) {
            return Ok(Arc::clone(feature));
        }
        let mut found: Vec<_> =
            self.features.values().filter(|f| f.slug == name).cloned().collect();
        match found.len() {
            0 => Err(SelectError::Unknown),
            1 => Ok(found.remove(0)),
            _ => Err(SelectError::Ambiguous(found)),
        }
    }
}
