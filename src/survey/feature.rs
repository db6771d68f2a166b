//! The survey of one feature.
//!
//! A [`FeatureSurvey`] owns everything that belongs to one feature and is slow to touch.
//! Whoever runs it has it alone, so there is no lock, and never two surveys of one feature
//! at a time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::baselines::Baselines;
use super::sources::{baseline_key, both_at_once, provenance};
use super::task::{Task, TaskError};
use super::{faults, now};
use crate::dossier::anomaly::Anomaly;
use crate::dossier::assemble::{Assembler, Sources};
use crate::dossier::baseline::{Baseline, BaselineKey};
use crate::dossier::drift::{self, BaselineState, Drift};
use crate::dossier::ledger::{Checkpoint, Ledger};
use crate::dossier::snapshot::Snapshot;
use crate::dossier::{Dossier, RelPath, Timestamp, extract};
use crate::index::{FeatureIndex, RootFault, ScanOutcome, ScanProgress, ScanRequest, ScanSettings};
use crate::project::ProjectContext;
use crate::store::DossierDir;
use crate::watch::DirWatcher;

/// One survey.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// What to look at; `None` says that the directory is gone for good, and the dossier
    /// is one of nothing.
    pub request: Option<ScanRequest>,
    /// What else to do, in order.
    pub tasks: Vec<Task>,
    /// The mission type that the registration names.
    pub registered_mission: Option<String>,
    /// The step that a person set.
    pub explicit_step: Option<String>,
    /// What the log says of the mission: it holds when the directory is gone, so that what
    /// was in it is reported missing from the mission it belonged to.
    pub last_known: Option<LastKnown>,
    /// Threads that may read and hash.
    pub threads: usize,
    /// Keep BLAKE3 of what is read; see [`ScanSettings::gate`].
    pub gate: bool,
}

/// What a mission was when it was last seen.
#[derive(Debug, Clone)]
pub struct LastKnown {
    /// Its type, if it was known.
    pub mission_type: Option<String>,
    /// Its step.
    pub step: Option<String>,
    /// The branch it was meant for.
    pub target_branch: String,
}

/// What a survey needs from outside.
pub struct Surroundings<'a> {
    /// Watches each directory before it is listed.
    pub watcher: &'a dyn DirWatcher,
    /// Loads what the project says of itself; given what it said before.
    pub project: &'a dyn Fn() -> ProjectContext,
    /// Set to end a scan early.
    pub cancelled: &'a AtomicBool,
    /// Told how far a scan is.
    pub progress: Option<&'a (dyn Fn(ScanProgress) + Sync)>,
    /// Grows as long as a scan goes on.
    pub beat: Option<&'a AtomicU64>,
}

/// A dossier with everything that was found out about it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The dossier.
    pub dossier: Arc<Dossier>,
    /// How it stands to the baseline.
    pub drift: Arc<Drift>,
    /// The baseline that was compared with.
    pub baseline: BaselineState,
    /// The current context.
    pub key: BaselineKey,
    /// UUID of the snapshot.
    pub snapshot_id: String,
    /// When it was computed.
    pub computed_at: Timestamp,
}

impl Judged {
    /// The snapshot.
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(&self.dossier, &self.snapshot_id, self.computed_at)
    }

    /// The baseline, if one could be read.
    pub fn baseline(&self) -> Option<&Arc<Baseline>> {
        match &self.baseline {
            BaselineState::Read(baseline) => Some(baseline),
            BaselineState::None | BaselineState::Broken(_) => None,
        }
    }
}

/// What a survey gave.
#[derive(Debug)]
pub struct Surveyed {
    /// The scan, if there was one.
    pub scan: Option<ScanOutcome>,
    /// Is the judgement another one than before?
    pub changed: bool,
    /// Answers to the tasks, in order: for [`Task::ClearBaseline`], was there one?
    pub answers: Vec<Result<bool, TaskError>>,
}

/// One feature, as far as it is known.
pub struct FeatureSurvey {
    /// Directory name, as shown.
    pub slug: String,
    /// Path relative to the project root, as shown; empty if it is the root itself.
    pub prefix: String,
    /// The files.
    pub index: FeatureIndex,
    /// Where durable files are, if anywhere.
    pub place: Option<DossierDir>,
    /// Why its durable files must not be used, whatever the project says.
    pub barred: Option<String>,
    /// What the project said of itself.
    pub context: Option<Arc<ProjectContext>>,
    /// What was judged last.
    pub judged: Option<Judged>,
    /// What is wrong with the ignore files.
    pub ignore_faults: Vec<Anomaly>,
    /// Baseline files.
    pub baselines: Baselines,
    inputs: Option<Inputs>,
    assembler: Assembler,
    /// Paths whose files may differ from those of the last dossier; `None` if any may.
    pending: Option<BTreeSet<RelPath>>,
    /// The context was loaded for the survey that comes next.
    context_is_new: bool,
    /// Project or files turned out to be other than they were judged to be, but the scan
    /// could not be finished.
    unjudged: bool,
}

/// What a judgement was made from, besides files and project.
#[derive(Debug, PartialEq, Eq)]
struct Inputs {
    registered_mission: Option<String>,
    explicit_step: Option<String>,
    /// Of a directory that was gone the mission was a memory.
    was_gone: bool,
}

impl FeatureSurvey {
    /// A feature of which nothing is known but where it is.
    pub fn new(
        slug: String,
        prefix: String,
        index: FeatureIndex,
        ignore_faults: Vec<Anomaly>,
        place: Option<DossierDir>,
    ) -> Self {
        Self {
            slug,
            prefix,
            index,
            place,
            barred: None,
            context: None,
            judged: None,
            ignore_faults,
            baselines: Baselines::default(),
            inputs: None,
            assembler: Assembler::default(),
            pending: None,
            context_is_new: false,
            unjudged: false,
        }
    }

    /// Surveys the feature. What was there before is what the log says in `ledger`.
    ///
    /// If the directory cannot be opened nothing is judged: the error says why, and the
    /// last judgement stays.
    pub fn run(
        &mut self,
        assignment: &Assignment,
        around: &Surroundings<'_>,
        ledger: &Ledger,
    ) -> Result<Surveyed, RootFault> {
        let (context, other_context) = self.load_context(around);
        self.unjudged |= other_context;
        let scan = self.scan(assignment, around)?;
        let unjudged = std::mem::take(&mut self.unjudged) || scan.is_none();
        let inputs = Inputs {
            registered_mission: assignment.registered_mission.clone(),
            explicit_step: assignment.explicit_step.clone(),
            was_gone: assignment.request.is_none(),
        };
        let other_inputs = self.inputs.as_ref() != Some(&inputs);
        self.inputs = Some(inputs);
        let again = unjudged || other_inputs || self.judged.is_none();
        let dossier = match &self.judged {
            Some(judged) if !again => Arc::clone(&judged.dossier),
            _ => Arc::new(self.assemble(assignment, &context, ledger)),
        };
        let (answers, changed) = self.judge(dossier, &context, assignment, again);
        Ok(Surveyed { scan, changed, answers })
    }

    /// Assembles and judges what was found last again, without a memory of what was there
    /// before. For a survey that turned out to be of another context than its memory.
    pub fn forget_remembered(&mut self, assignment: &Assignment) {
        self.remember(assignment, &Ledger::default());
    }

    /// Assembles and judges what was found last again, with what this ledger remembers.
    pub fn remember(&mut self, assignment: &Assignment, ledger: &Ledger) {
        let Some(context) = self.context.clone() else { return };
        let dossier = Arc::new(self.assemble(assignment, &context, ledger));
        let alone = Assignment { tasks: Vec::new(), ..assignment.clone() };
        self.judge(dossier, &context, &alone, true);
    }

    /// The ledger that a checkpoint was made of, if the rows that the index cache brought
    /// back are those that it speaks of. Before the first survey.
    pub fn resume(
        &mut self,
        checkpoint: Checkpoint,
        assignment: &Assignment,
        around: &Surroundings<'_>,
    ) -> Option<Ledger> {
        let context = self.look_at_project(around);
        let dossier = self.assemble(assignment, &context, &Ledger::default());
        Ledger::resume(checkpoint, &self.prefix, &dossier.rows)
    }

    /// What the project says, for the survey that comes next too. Before the first one.
    pub fn look_at_project(&mut self, around: &Surroundings<'_>) -> Arc<ProjectContext> {
        let (context, _) = self.load_context(around);
        self.context_is_new = true;
        context
    }

    /// Why nothing may be written of the feature, accepted, or compared with what was
    /// accepted, if so: its files are another one's, or nobody can say who its project is.
    pub fn obstacle(&self) -> Option<&str> {
        let fault = self.context.as_ref().and_then(|context| context.identity.fault.as_ref());
        self.barred.as_deref().or(fault.map(|fault| fault.message.as_str()))
    }

    /// What the project says now. The former value is kept where nothing changed, so that
    /// whatever was made from it can be kept too.
    fn load_context(&mut self, around: &Surroundings<'_>) -> (Arc<ProjectContext>, bool) {
        if let (true, Some(known)) = (std::mem::take(&mut self.context_is_new), &self.context) {
            return (Arc::clone(known), true);
        }
        let mut loaded = (around.project)();
        if let Some(known) = &self.context {
            loaded.identity.stay(&known.identity);
        }
        match &self.context {
            Some(known) if **known == loaded => (Arc::clone(known), false),
            _ => {
                let context = Arc::new(loaded);
                self.context = Some(Arc::clone(&context));
                (context, true)
            }
        }
    }

    /// Scans what is asked; takes in what it says of the ignore files.
    fn scan(
        &mut self,
        assignment: &Assignment,
        around: &Surroundings<'_>,
    ) -> Result<Option<ScanOutcome>, RootFault> {
        let Some(request) = &assignment.request else {
            self.index.clear();
            self.pending = None;
            return Ok(None);
        };
        let settings = ScanSettings {
            threads: assignment.threads,
            gate: assignment.gate,
            extract: extract::extract,
            extract_head: extract::extract_head,
            now: &now,
            cancelled: around.cancelled,
            progress: around.progress,
            beat: around.beat,
        };
        let outcome = self.index.scan(request, around.watcher, &settings);
        if let Some(pending) = &mut self.pending {
            pending.extend(outcome.changed.iter().chain(&outcome.removed).cloned());
        }
        // What a scan changed it tells once, whatever became of it.
        if let Some(found) = &outcome.rules_changed {
            self.ignore_faults = faults::of_ignore_files(found);
        }
        self.unjudged |= !outcome.changed.is_empty()
            || !outcome.removed.is_empty()
            || outcome.notes_changed
            || outcome.rules_changed.is_some();
        outcome.root.clone()?;
        Ok(Some(outcome))
    }

    /// Assembles the dossier of what the index holds.
    fn assemble(
        &mut self,
        assignment: &Assignment,
        context: &ProjectContext,
        ledger: &Ledger,
    ) -> Dossier {
        let changed = self.pending.replace(BTreeSet::new());
        let before = self.judged.as_ref().map(|judged| judged.dossier.as_ref());
        let remembered =
            ledger.remembered(&self.prefix, self.index.table(), before.zip(changed.as_ref()));
        let found = |mission_type: Option<&str>| {
            let mut found = faults::of_index(&self.index);
            found.extend(self.ignore_faults.iter().cloned());
            found.extend(faults::of_project(context, mission_type));
            found
        };
        let last = assignment.last_known.as_ref().filter(|_| assignment.request.is_none());
        let sources = Sources {
            feature_slug: &self.slug,
            files: self.index.table(),
            ignored: self.index.ignored().len(),
            faults: &found,
            missions: &|name| context.catalog.get(name),
            registered_mission: last.map_or(assignment.registered_mission.as_deref(), |last| {
                last.mission_type.as_deref()
            }),
            explicit_step: last
                .map_or(assignment.explicit_step.as_deref(), |last| last.step.as_deref()),
            remembered: &remembered,
            provenance: provenance(context),
            both_at_once: (assignment.threads > 1).then_some(&both_at_once),
        };
        let mut dossier = self.assembler.assemble(&sources, changed.as_ref());
        if let Some(last) = last {
            dossier.target_branch = Some(last.target_branch.clone());
        }
        dossier
    }

    /// Does the tasks, compares with the baseline, and keeps the judgement.
    fn judge(
        &mut self,
        dossier: Arc<Dossier>,
        context: &ProjectContext,
        assignment: &Assignment,
        other_dossier: bool,
    ) -> (Vec<Result<bool, TaskError>>, bool) {
        let key = baseline_key(&dossier, context);
        let branch = context.git.as_ref().and_then(|git| git.branch.clone());
        let obstacle = self.obstacle().map(str::to_owned);
        let answer = |task: &Task| match (task, &obstacle) {
            (_, Some(obstacle)) => Err(TaskError::Conflict(obstacle.clone())),
            // Nothing is there that anybody could have looked at and accepted.
            (Task::Capture(_), _) if assignment.request.is_none() => Err(TaskError::Conflict(
                "the feature directory is gone; there is nothing to accept".into(),
            )),
            _ => self.perform(task, &dossier, &key, context),
        };
        let answers = assignment.tasks.iter().map(answer).collect();
        let baseline = match (obstacle.clone(), &self.place) {
            (Some(obstacle), _) => BaselineState::Broken(obstacle),
            (None, Some(place)) => self.baselines.load(place, &key, branch.as_deref()),
            (None, None) => BaselineState::None,
        };
        let drift = drift::compare(&dossier, &baseline, &key, branch.as_deref());
        let former = self.judged.take();
        let same_drift = former.as_ref().is_some_and(|judged| *judged.drift == drift);
        let same_baseline = former.as_ref().is_some_and(|judged| judged.baseline == baseline);
        let changed = other_dossier || !same_drift || !same_baseline;
        self.judged = Some(match former {
            Some(judged) if !changed => judged,
            _ => Judged {
                dossier,
                drift: Arc::new(drift),
                baseline,
                key,
                snapshot_id: uuid::Uuid::new_v4().to_string(),
                computed_at: now(),
            },
        });
        (answers, changed)
    }

    /// Where the files would be watched and listed.
    pub fn dir(&self) -> PathBuf {
        self.index.root().to_path_buf()
    }
}
