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
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::emission::{self, Emitted, Extent};
use super::identities::ProjectLoader;
use super::load::{Loaded, is_to_be_loaded_anew, load, save_cache};
use super::root::path_id;
use super::view::{ScanCost, StoreState};
use crate::dossier::ledger::Ledger;
use crate::dossier::path::shown;
use crate::dossier::snapshot::Snapshot;
use crate::dossier::{Digest, RelPath, Timestamp};
use crate::index::{Limits, RootFault, ScanRequest};
use crate::store::Home;
use crate::survey::{
    Assignment, FeatureSurvey, Judged, LastKnown, Surroundings, Surveyed, TaskError, now,
};
use crate::watch::{DirWatcher, WatchError};

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
    /// Why its dossier directory is another feature's, if so.
    pub dossier_of: Option<String>,
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
            dossier_of: None,
        })
    }

    /// Would both have the same dossier directory?
    pub(super) fn shares_dossier_with(&self, other: &Self) -> bool {
        self.name == other.name && self.project_root == other.project_root
    }
}

/// Everything of one feature that is slow to touch.
pub(super) struct FeatureWork {
    pub survey: FeatureSurvey,
    /// What the log says, with what is on its way there.
    pub ledger: Ledger,
    pub store: StoreState,
    /// Why its log could not be opened, if so.
    pub no_log: Option<String>,
    /// Is the next job to see whether it can be opened now?
    pub reopens: bool,
    /// Bytes of the full scan that the active segment of the log begins with, as far as
    /// the journal has said.
    pub opening: u64,
    /// What the last run published last, if its rows came back and the snapshot file is of
    /// it; taken by the first survey.
    pub published: Option<Published>,
    /// Does the snapshot file say what the first survey found?
    pub has_snapshot_file: bool,
    /// Has the index changed since the cache was written?
    pub cache_dirty: bool,
}

/// A published snapshot, without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Published {
    /// UUID.
    pub id: String,
    computed_at: Timestamp,
    frame: Digest,
}

impl Published {
    /// What is published of this judgement.
    pub(super) fn of(judged: &Judged) -> Self {
        let (id, frame) = (judged.snapshot_id.clone(), Snapshot::frame(&judged.dossier));
        Self { id, computed_at: judged.computed_at, frame }
    }
}

impl FeatureWork {
    /// If the first survey finds exactly what the last run published last, it is the same
    /// snapshot: it keeps its id and time, and its file.
    fn go_on(&mut self, survey: &SurveyResult) {
        let Some(published) = self.published.take() else { return };
        let nothing_new = survey.emitted.is_none() && !survey.cancelled && survey.rows_changed == 0;
        if let Some(judged) = self.survey.judged.as_mut().filter(|_| nothing_new)
            && Snapshot::frame(&judged.dossier) == published.frame
        {
            judged.snapshot_id = published.id;
            judged.computed_at = published.computed_at;
            self.has_snapshot_file = true;
        }
    }
}

/// What a worker is to do.
pub(super) struct Job {
    pub whereabouts: Whereabouts,
    /// `None` for the first job, which loads the feature.
    pub work: Option<Box<FeatureWork>>,
    pub order: JobOrder,
    /// Is true once nobody needs the result any more.
    pub cancelled: Arc<AtomicBool>,
}

/// The kinds of jobs.
pub(super) enum JobOrder {
    /// Survey, and find what to write.
    Survey { assignment: Assignment, extent: Extent },
    /// Write the index cache.
    SaveCache,
}

/// What a job gave.
pub(super) struct JobResult {
    pub id: String,
    pub work: Box<FeatureWork>,
    pub loaded: Option<Loaded>,
    /// `None` for jobs that survey nothing.
    pub survey: Option<Result<SurveyResult, RootFault>>,
}

impl JobResult {
    /// How many rows were made anew or stored by it.
    pub(super) fn turned_over(&self) -> usize {
        match &self.survey {
            Some(Ok(survey)) if self.loaded.is_none() => survey.rows_changed,
            Some(_) | None => self.work.survey.index.table().len(),
        }
    }
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
    /// Grows as long as any first scan goes on.
    pub beat: Arc<AtomicU64>,
    /// A segment of an event log is closed at this size.
    pub segment_bytes: u64,
    /// What the index of a feature may take in.
    pub limits: Limits,
}

impl Job {
    /// Does the job.
    pub(super) fn run(self, environment: &JobEnvironment) -> JobResult {
        let Self { whereabouts, work, order, cancelled } = self;
        let project = || (environment.project)(&whereabouts.project_root);
        let around = Surroundings {
            watcher: environment.watcher.as_ref(),
            project: &project,
            cancelled: &cancelled,
            progress: None,
            // A start waits for first scans, whatever goes on elsewhere.
            beat: work.is_none().then_some(&*environment.beat),
        };
        match (order, work) {
            (JobOrder::Survey { mut assignment, extent }, work) => {
                let (work, known) = match work {
                    Some(mut work)
                        if work.reopens
                            && is_to_be_loaded_anew(&work, &whereabouts, &around, environment) =>
                    {
                        save_cache(&mut work, &whereabouts, environment);
                        (None, work.no_log)
                    }
                    work => (work, None),
                };
                if work.is_none() {
                    assignment.request = assignment.request.and(Some(ScanRequest::Full));
                }
                let (mut work, loaded) = match work {
                    Some(work) => (work, None),
                    None => {
                        let (work, loaded) = load(&whereabouts, &assignment, &around, environment);
                        (Box::new(work), Some(loaded))
                    }
                };
                if loaded.as_ref().is_some_and(|loaded| loaded.cancelled) {
                    // What the log says is not known, so nothing can be told from it.
                    return JobResult { id: whereabouts.id, work, loaded: None, survey: None };
                }
                if let Some(message) = work.no_log.as_ref().filter(|_| loaded.is_some())
                    && known.as_ref() != Some(message)
                {
                    tracing::error!(feature = %whereabouts.id, %message, "the event log cannot be opened");
                }
                let survey = survey(&mut work, assignment, extent, &around);
                if let (Ok(survey), true) = (&survey, loaded.is_some()) {
                    work.go_on(survey);
                }
                let survey = Some(survey);
                JobResult { id: whereabouts.id, work, loaded, survey }
            }
            (JobOrder::SaveCache, work) => {
                let mut work = work.expect("only a feature that was loaded has a cache");
                save_cache(&mut work, &whereabouts, environment);
                JobResult { id: whereabouts.id, work, loaded: None, survey: None }
            }
        }
    }
}

/// Surveys the feature and finds what to write.
fn survey(
    work: &mut FeatureWork,
    assignment: Assignment,
    extent: Extent,
    around: &Surroundings<'_>,
) -> Result<SurveyResult, RootFault> {
    let began = Instant::now();
    let assignment = &Assignment { last_known: last_known(&work.ledger), ..assignment };
    let surveyed = work.survey.run(assignment, around, &work.ledger);
    if surveyed.is_err() && work.survey.judged.is_none() {
        // It is to be seen from the beginning, if only as one that cannot be read.
        let nothing = Assignment { request: None, tasks: Vec::new(), ..assignment.clone() };
        work.survey.run(&nothing, around, &work.ledger)?;
    }
    let Surveyed { scan, changed, answers } = surveyed?;
    let barred = work.survey.obstacle().is_some();
    let other_stream = !barred && emission::is_other_stream(&work.survey, &work.ledger);
    if other_stream {
        // What was there in another context says nothing of what is missing in this one.
        work.ledger = Ledger::default();
        work.survey.forget_remembered(assignment);
    }
    let cancelled = scan.as_ref().is_some_and(|scan| scan.cancelled);
    // Half a scan says nothing of what is gone: it is never written down.
    let emitted = if cancelled || barred {
        None
    } else {
        emission::emitted(&work.survey, &mut work.ledger, extent, other_stream, now())
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
    work.cache_dirty |= result.rows_changed > 0 || result.cost.read > 0 || result.emitted.is_some();
    result.cost.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Ok(result)
}

/// What the log says of the mission.
fn last_known(ledger: &Ledger) -> Option<LastKnown> {
    let namespace = ledger.namespace.as_ref()?;
    Some(LastKnown {
        mission_type: Some(namespace.mission_type.clone()).filter(|name| name != "unknown"),
        step: namespace.step_id.clone(),
        target_branch: namespace.target_branch.clone(),
    })
}
