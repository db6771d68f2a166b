//! Surveys without a daemon: what `scan`, `check` and `explain` stand on. Nothing is
//! watched and nothing is written.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::faults::of_ignore_files;
use super::feature::{Assignment, FeatureSurvey, Surroundings};
use super::history::History;
use crate::dossier::ledger::Ledger;
use crate::dossier::path::shown;
use crate::index::{FeatureIndex, IgnoreRules, RootFault, ScanProgress, ScanRequest};
use crate::platform::threads::spawn_scoped;
use crate::project::ProjectContext;
use crate::project::root::{Registration, RootError, classify_registration, feature_dirs};
use crate::store::{DossierDir, Home, LogReader, Pace, project_id};
use crate::watch::Unwatched;

/// What is to be surveyed, and how.
pub struct OneShot<'a> {
    /// Where baselines and logs of projects without `.kittify` would be; `None` looks at
    /// the project alone.
    pub home: Option<&'a Home>,
    /// Loads what the project says of itself.
    pub project: &'a (dyn Fn(&Path) -> ProjectContext + Sync),
    /// Says of a feature directory and its project root why the feature's durable files must not
    /// be looked at, if so: they are another one's.
    pub barred: &'a (dyn Fn(&Path, &Path) -> Option<String> + Sync),
    /// The mission type where meta.json names none.
    pub mission_type: Option<String>,
    /// A step that takes the place of meta.json's or the inferred one.
    pub step: Option<String>,
    /// Threads that may read and hash.
    pub threads: usize,
    /// Told how far it is.
    pub progress: Option<&'a (dyn Fn(ScanProgress) + Sync)>,
}

/// Why a path could not be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It is no directory that can be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A feature directory cannot be read.
    #[error("{slug} cannot be scanned")]
    Feature {
        /// The feature.
        slug: String,
        /// Why.
        source: RootFault,
    },
}

/// What was made of the features at a path: of one, or of those of a project by slug.
pub enum Found<T> {
    /// The path is a feature directory.
    Feature(T),
    /// The path is a project root.
    Project(Vec<T>),
}

impl<T> Found<T> {
    /// All of it, by slug.
    pub fn items(&self) -> &[T] {
        match self {
            Self::Feature(item) => std::slice::from_ref(item),
            Self::Project(items) => items,
        }
    }
}

impl OneShot<'_> {
    /// Surveys the feature or project at this path, and makes of each survey, in the thread
    /// that made it, what is wanted.
    pub fn survey<T: Send>(
        &self,
        path: &Path,
        make: &(dyn Fn(FeatureSurvey) -> T + Sync),
    ) -> Result<Found<T>, SurveyError> {
        match classify_registration(path)? {
            Registration::Feature { dir, project_root } => {
                let feature = self.feature(&dir, &project_root, self.threads)?;
                Ok(Found::Feature(make(feature)))
            }
            Registration::Project { root, .. } => self.all(&root, make).map(Found::Project),
        }
    }

    /// Surveys all features of a project, several at a time, by slug.
    fn all<T: Send>(
        &self,
        root: &Path,
        make: &(dyn Fn(FeatureSurvey) -> T + Sync),
    ) -> Result<Vec<T>, SurveyError> {
        let dirs: Vec<PathBuf> = feature_dirs(root)?.into_iter().map(|(_, dir)| dir).collect();
        if dirs.len() == 1 {
            return Ok(vec![make(self.feature(&dirs[0], root, self.threads)?)]);
        }
        let next = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            let mut own = Vec::new();
            loop {
                let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(dir) = dirs.get(index) else { return own };
                own.push((index, self.feature(dir, root, 1).map(make)));
            }
        };
        let mut results = std::thread::scope(|scope| {
            let others = self.threads.clamp(1, dirs.len().max(1)) - 1;
            let threads: Vec<_> = (0..others).map_while(|_| spawn_scoped(scope, work)).collect();
            let own = work();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(other) => other,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(own).chain(joined).flatten().collect::<Vec<_>>()
        });
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Surveys one feature.
    fn feature(
        &self,
        dir: &Path,
        project_root: &Path,
        threads: usize,
    ) -> Result<FeatureSurvey, SurveyError> {
        let name = dir.file_name().map(OsString::from).unwrap_or_default();
        let slug = shown(name.as_bytes()).into_owned();
        let prefix = dir
            .strip_prefix(project_root)
            .map(|relative| shown(relative.as_os_str().as_bytes()).into_owned())
            .unwrap_or_default();
        let barred = (self.barred)(dir, project_root);
        let place = self.home.filter(|_| barred.is_none()).and_then(|home| {
            DossierDir::existing(project_root, &name, &project_id(project_root), home)
        });
        let (rules, ignore_faults) = IgnoreRules::load(dir, Some(project_root));
        let index = FeatureIndex::new(dir.to_path_buf(), rules, None);
        let faults = of_ignore_files(&ignore_faults);
        let mut survey = FeatureSurvey::new(slug.clone(), prefix, index, faults, place);
        survey.barred = barred;
        let assignment = Assignment {
            request: Some(ScanRequest::Full),
            tasks: Vec::new(),
            registered_mission: self.mission_type.clone(),
            explicit_step: self.step.clone(),
            last_known: None,
            threads,
            gate: false,
        };
        let around = Surroundings {
            watcher: &Unwatched,
            project: &|| (self.project)(project_root),
            cancelled: &AtomicBool::new(false),
            progress: self.progress,
            beat: None,
        };
        survey
            .run(&assignment, &around, &Ledger::default())
            .map_err(|source| SurveyError::Feature { slug, source })?;
        // The log is asked only for what was there before, of what is not there now.
        let is_lacking = survey.judged.as_ref().is_some_and(|j| !j.dossier.missing.is_empty());
        if let Some(place) = survey.place.clone().filter(|_| is_lacking) {
            survey.remember(&assignment, &written(&place));
        }
        Ok(survey)
    }
}

/// What the feature's log says, as far as it can be read.
fn written(place: &DossierDir) -> Ledger {
    let history = History::read(LogReader::new(place.clone()), &Pace::default());
    history.map(|history| Ledger::of_log(history.state, history.last)).unwrap_or_default()
}
