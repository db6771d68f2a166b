//! Jobs: what a worker does to one feature, away from the loop.
//!
//! The first job of a feature loads what is on disk of it: the index cache and what its
//! log says. Every job surveys the feature and finds what the log still lacks. The
//! [`FeatureWork`] goes to the worker with the job and comes back with its result, so a
//! feature never has two jobs at a time.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::emission::{self, Emitted, Extent};
use super::identities::ProjectLoader;
use super::order::Order;
use super::root::path_id;
use super::view::{ScanCost, StoreState};
use crate::dossier::log_state::LogState;
use crate::dossier::path::shown;
use crate::dossier::{RelPath, Timestamp};
use crate::index::{FeatureIndex, IgnoreRules, IndexCache, RootFault};
use crate::project::ProjectContext;
use crate::store::{DossierDir, EventLog, Home, atomic, document, project_id};
use crate::survey::{
    Assignment, FeatureSurvey, History, LastKnown, Surroundings, Surveyed, TaskError,
    ignore_anomalies, now,
};
use crate::watch::{DirWatcher, WatchError};

/// An index cache larger than this is not read.
const CACHE_LIMIT: u64 = 1024 * 1024 * 1024;

/// Where a feature is.
#[derive(Debug, Clone)]
pub(super) struct Whereabouts {
    /// Opaque, stable for the directory.
    pub id: String,
    /// The directory's name.
    pub name: OsString,
    /// The directory's name, as shown.
    pub slug: String,
    /// The directory.
    pub dir: PathBuf,
    /// Its project.
    pub project_root: PathBuf,
    /// Path relative to the project root, as shown; empty if it is the root itself.
    pub prefix: String,
}

impl Whereabouts {
    /// A feature directory in a project; `None` for a path without a name.
    pub(super) fn new(dir: &Path, project_root: &Path) -> Option<Self> {
        let name = dir.file_name()?.to_os_string();
        let prefix = dir.strip_prefix(project_root).map(|path| shown(path.as_os_str().as_bytes()));
        Some(Self {
            id: path_id("f", dir),
            slug: shown(name.as_bytes()).into_owned(),
            name,
            dir: dir.to_path_buf(),
            project_root: project_root.to_path_buf(),
            prefix: prefix.unwrap_or_default().into_owned(),
        })
    }
}

/// Everything of one feature that is slow to touch.
pub(super) struct FeatureWork {
    pub survey: FeatureSurvey,
    /// What the log says, with what is on its way there.
    pub log: LogState,
    pub store: StoreState,
    /// Has the index changed since the cache was written?
    pub cache_dirty: bool,
}

/// What a worker is to do.
pub(super) struct Job {
    pub whereabouts: Whereabouts,
    /// `None` for the first job, which loads the feature.
    pub work: Option<Box<FeatureWork>>,
    pub order: JobOrder,
}

/// The kinds of jobs.
pub(super) enum JobOrder {
    /// Survey, and find what to write.
    Survey { assignment: Assignment, extent: Extent },
    /// Write the index cache.
    SaveCache,
}

/// What the loading of a feature gave, for the loop and the journal.
pub(super) struct Loaded {
    /// The log, ready to be appended to; or why there is none.
    pub log: Result<Box<EventLog>, String>,
    /// The newest event id of the log.
    pub last_event_id: Option<String>,
    /// The largest clock of the log.
    pub last_clock: u64,
    /// Bytes of the full scan that its active segment begins with.
    pub opening: u64,
}

impl Loaded {
    /// What the journal is told.
    pub(super) fn order(self, feature: &str) -> Order {
        let feature = feature.to_owned();
        match self.log {
            Ok(log) => Order::Open {
                feature,
                log,
                last_event_id: self.last_event_id,
                last_clock: self.last_clock,
                opening: self.opening,
            },
            Err(message) => {
                tracing::error!(feature, %message, "the event log cannot be opened");
                Order::NoLog { feature, message }
            }
        }
    }
}

/// What a job gave.
pub(super) struct JobResult {
    pub id: String,
    pub work: Box<FeatureWork>,
    pub loaded: Option<Loaded>,
    /// `None` for jobs that survey nothing.
    pub survey: Option<Result<SurveyResult, RootFault>>,
}

/// What a survey gave.
pub(super) struct SurveyResult {
    pub changed: bool,
    pub full: bool,
    pub cancelled: bool,
    /// Rows that are new, other or gone.
    pub rows_changed: usize,
    pub answers: Vec<Result<bool, TaskError>>,
    pub emitted: Option<Emitted>,
    pub unsettled: Vec<RelPath>,
    pub unwatched: Vec<(PathBuf, WatchError)>,
    pub cost: ScanCost,
    pub ended_at: Timestamp,
}

/// What all jobs share.
pub(super) struct JobEnvironment {
    pub home: Home,
    pub watcher: Arc<dyn DirWatcher>,
    /// Loads a project's context.
    pub project: ProjectLoader,
    pub cancelled: AtomicBool,
    /// A segment of an event log is closed at this size.
    pub segment_bytes: u64,
}

impl Job {
    /// Does the job.
    pub(super) fn run(self, environment: &JobEnvironment) -> JobResult {
        let Self { whereabouts, work, order } = self;
        let (mut work, loaded) = match work {
            Some(work) => (work, None),
            None => {
                let (work, loaded) = load(&whereabouts, environment);
                (Box::new(work), Some(loaded))
            }
        };
        let survey = match order {
            JobOrder::Survey { assignment, extent } => {
                Some(survey(&mut work, &whereabouts, &assignment, extent, environment))
            }
            JobOrder::SaveCache => {
                save_cache(&mut work, &whereabouts, environment);
                None
            }
        };
        JobResult { id: whereabouts.id, work, loaded, survey }
    }
}

/// Loads what is on disk of a feature.
fn load(whereabouts: &Whereabouts, environment: &JobEnvironment) -> (FeatureWork, Loaded) {
    let project_id = project_id(&whereabouts.project_root);
    let (place, fallback) = DossierDir::choose(
        &whereabouts.project_root,
        &whereabouts.name,
        &project_id,
        &environment.home,
    );
    let mut history = History::default();
    let mut repaired_bytes = 0;
    let opened = EventLog::open(place.clone(), environment.segment_bytes);
    let opened = opened.and_then(|(opened, recovery)| {
        repaired_bytes = recovery.cut_bytes;
        history = History::read(opened.lines())?;
        if opened.end().is_some_and(|end| end.offset == 0) {
            // A crash came between two segments: the new one has to begin with everything.
            let former = std::mem::take(&mut history.state);
            history.state.namespace = former.namespace;
            history.state.ever = former.ever;
        }
        Ok(Box::new(opened))
    });
    if repaired_bytes > 0 {
        tracing::warn!(feature = %whereabouts.id, repaired_bytes, "cut off a torn line of the event log");
    }
    let (rules, ignore_faults) =
        IgnoreRules::load(&whereabouts.dir, Some(&whereabouts.project_root));
    let cache = read_cache(whereabouts, environment);
    let index = FeatureIndex::new(whereabouts.dir.clone(), rules, cache);
    let survey = FeatureSurvey::new(
        whereabouts.slug.clone(),
        whereabouts.prefix.clone(),
        index,
        ignore_anomalies(&ignore_faults),
        Some(place.clone()),
    );
    let opened = opened.map_err(|error| error.to_string());
    let store = StoreState {
        location: if place.is_in_project() { "project" } else { "state" },
        fallback_reason: fallback.map(|reason| reason.to_string()),
        failing: opened.as_ref().err().cloned(),
        repaired_bytes,
    };
    let loaded = Loaded {
        log: opened,
        last_event_id: history.last_event_id,
        last_clock: history.last_clock,
        opening: history.opening,
    };
    (FeatureWork { survey, log: history.state, store, cache_dirty: true }, loaded)
}

/// Surveys the feature and finds what to write.
fn survey(
    work: &mut FeatureWork,
    whereabouts: &Whereabouts,
    assignment: &Assignment,
    extent: Extent,
    environment: &JobEnvironment,
) -> Result<SurveyResult, RootFault> {
    let began = Instant::now();
    let project = |previous: Option<&ProjectContext>| {
        (environment.project)(&whereabouts.project_root, previous)
    };
    let around = Surroundings {
        watcher: environment.watcher.as_ref(),
        project: &project,
        cancelled: &environment.cancelled,
        progress: None,
    };
    let assignment = &Assignment { last_known: last_known(&work.log), ..assignment.clone() };
    let remembered = work.log.ever.clone();
    let surveyed = work.survey.run(assignment, &around, &remembered);
    if surveyed.is_err() && work.survey.judged.is_none() {
        // It is to be seen from the beginning, if only as one that cannot be read.
        let nothing = Assignment { request: None, tasks: Vec::new(), ..assignment.clone() };
        work.survey.run(&nothing, &around, &remembered)?;
    }
    let Surveyed { scan, changed, answers } = surveyed?;
    let other_stream = emission::is_other_stream(&work.survey, &work.log);
    if other_stream {
        // What was there in another context says nothing of what is missing in this one.
        work.log = LogState::default();
        work.survey.forget_remembered(assignment);
    }
    let cancelled = scan.as_ref().is_some_and(|scan| scan.cancelled);
    // Half a scan says nothing of what is gone: it is never written down.
    let emitted = if cancelled {
        None
    } else {
        emission::emitted(&work.survey, &mut work.log, extent, other_stream, now())
    };
    let mut result = SurveyResult {
        changed,
        full: false,
        cancelled,
        rows_changed: 0,
        answers,
        emitted,
        unsettled: Vec::new(),
        unwatched: Vec::new(),
        cost: ScanCost::default(),
        ended_at: now(),
    };
    if let Some(scan) = scan {
        result.full = scan.full;
        result.rows_changed = scan.changed.len() + scan.removed.len();
        result.cost = ScanCost {
            listed: scan.stats.listed,
            trusted: scan.stats.trusted_stats,
            read: scan.stats.read,
            bytes_read: scan.stats.bytes_read,
            hashed: scan.stats.sha256_computed,
            micros: 0,
        };
        result.unsettled = scan.unsettled;
        result.unwatched = scan.unwatched;
    }
    work.cache_dirty |= result.rows_changed > 0 || result.cost.read > 0;
    result.cost.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(result)
}

/// What the log says of the mission.
fn last_known(log: &LogState) -> Option<LastKnown> {
    let namespace = log.namespace.as_ref()?;
    Some(LastKnown {
        mission_type: Some(namespace.mission_type.clone()).filter(|name| name != "unknown"),
        step: namespace.step_id.clone(),
        target_branch: namespace.target_branch.clone(),
    })
}

fn cache_name(whereabouts: &Whereabouts) -> OsString {
    format!("{}.idx", whereabouts.id).into()
}

/// The index cache, if there is a sound one. Anything else costs a full read, no more.
fn read_cache(whereabouts: &Whereabouts, environment: &JobEnvironment) -> Option<IndexCache> {
    let path = environment.home.index_cache_dir().join(cache_name(whereabouts));
    let bytes = document::read(&path, CACHE_LIMIT).ok().flatten()?;
    IndexCache::from_bytes(&bytes)
}

/// Writes the index cache, if it changed. A failure costs a full read at the next start.
pub(super) fn save_cache(
    work: &mut FeatureWork,
    whereabouts: &Whereabouts,
    environment: &JobEnvironment,
) {
    if !std::mem::take(&mut work.cache_dirty) {
        return;
    }
    let path = environment.home.index_cache_dir().join(cache_name(whereabouts));
    match work.survey.index.to_cache().to_bytes() {
        Ok(bytes) => {
            if let Err(error) = atomic::replace(&path, &bytes, 0o600) {
                tracing::warn!(feature = %whereabouts.id, %error, "the index cache cannot be written");
            }
        }
        Err(error) => tracing::warn!(feature = %whereabouts.id, %error, "no index cache"),
    }
}
