//! What is on disk of a feature, brought back at a start and kept for the next one: the
//! index cache, and what the feature's log says.
//!
//! The log is the truth. Reading all of it takes longer than a scan, so the index cache
//! carries a checkpoint of it along. It counts only if the log still ends with the batch
//! that the checkpoint ends with, and if the cached rows give what the log says of them;
//! else the log is read.

use std::ffi::OsString;

use super::job::{FeatureWork, JobEnvironment, Published, Whereabouts};
use super::journal::describe;
use super::order::Order;
use super::snapshot_file::SNAPSHOT_FILE;
use super::view::{HARD_LINK, SAME_NAME, StoreState, UNKNOWN_IDENTITY};
use crate::dossier::event::RawEvent;
use crate::dossier::ledger::{BatchEnd, Checkpoint, Ledger};
use crate::index::{FeatureIndex, IgnoreRules, IndexCache};
use crate::project::identity::{IdentityFault, ProjectIdentity};
use crate::store::{
    DossierDir, EventLog, FallbackReason, Pace, StoreError, atomic, document, project_id,
    with_causes,
};
use crate::survey::{Assignment, FeatureSurvey, History, Surroundings, ignore_anomalies};

/// An index cache larger than this is not read.
const CACHE_LIMIT: u64 = 1024 * 1024 * 1024;

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
    /// It was ended early: nothing is known of the log, and nothing was done to it.
    pub cancelled: bool,
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
            Err(message) => Order::NoLog { feature, message },
        }
    }
}

/// Loads what is on disk of a feature.
pub(super) fn load(
    whereabouts: &Whereabouts,
    assignment: &Assignment,
    around: &Surroundings<'_>,
    environment: &JobEnvironment,
) -> (FeatureWork, Loaded) {
    let (place, fallback) = place_of(whereabouts, environment);
    let (rules, ignore_faults) =
        IgnoreRules::load(&whereabouts.dir, Some(&whereabouts.project_root));
    let (cache, attached) = read_cache(whereabouts, environment);
    let (checkpoint, published) = match attached {
        Some((checkpoint, opening, published)) => (Some((checkpoint, opening)), published),
        None => (None, None),
    };
    let mut index = FeatureIndex::new(whereabouts.dir.clone(), rules, cache);
    index.set_limits(environment.limits);
    let mut survey = FeatureSurvey::new(
        whereabouts.slug.clone(),
        whereabouts.prefix.clone(),
        index,
        ignore_anomalies(&ignore_faults),
        place.clone().filter(|_| whereabouts.dossier_of.is_none()),
    );
    survey.barred.clone_from(&whereabouts.dossier_of);
    let (mut repaired_bytes, mut resumed) = (0, false);
    let read = openable(&mut survey, place.as_ref(), around).and_then(|place| {
        let pace = Pace { cancelled: Some(around.cancelled), beat: around.beat };
        let resume = |checkpoint| {
            let ledger = survey.resume(checkpoint, assignment, around);
            resumed = ledger.is_some();
            ledger
        };
        let (log, recovery) = EventLog::open(place.clone(), environment.segment_bytes, &pace)?;
        repaired_bytes = recovery.cut_bytes;
        let written = Written::read(&log, checkpoint, resume, &pace)?;
        Ok((Box::new(log), written))
    });
    if repaired_bytes > 0 {
        tracing::warn!(feature = %whereabouts.id, repaired_bytes, "cut off a torn line of the event log");
    }
    let (log, written, no_log) = match read {
        Ok((log, written)) => (Ok(log), written, None),
        Err(no_log) => (Err(no_log.message.clone()), Written::default(), Some(no_log)),
    };
    let cancelled = no_log.as_ref().is_some_and(|no_log| no_log.cancelled);
    let reason = no_log.as_ref().map(|no_log| no_log.message.clone());
    let store = store_state(place.as_ref(), fallback, no_log, repaired_bytes);
    let Written { ledger, last_event_id, last_clock, opening } = written;
    let is_published =
        |it: &Published| place.as_ref().is_some_and(|place| is_of_snapshot(place, &it.id));
    let published = published.filter(|it| resumed && is_published(it));
    let loaded = Loaded { log, last_event_id, last_clock, opening, cancelled };
    // An index that nothing was read into is not worth the one that is kept.
    let cache_dirty = !resumed && !cancelled;
    let has_snapshot_file = false;
    let work = FeatureWork {
        survey,
        ledger,
        store,
        no_log: reason,
        reopens: false,
        opening,
        published,
        has_snapshot_file,
        cache_dirty,
    };
    (work, loaded)
}

/// How its durable files do.
fn store_state(
    place: Option<&DossierDir>,
    fallback: Option<FallbackReason>,
    no_log: Option<NoLog>,
    repaired_bytes: u64,
) -> StoreState {
    let is_in_project = place.is_some_and(DossierDir::is_in_project);
    StoreState {
        location: if is_in_project { "project" } else { "state" },
        fallback_reason: fallback.map(|reason| reason.to_string()),
        failing_code: no_log.as_ref().and_then(|no_log| no_log.code),
        failing: no_log.map(|no_log| no_log.message),
        repaired_bytes,
    }
}

/// Where the feature's files are. Where they are another feature's, that one's place is only
/// looked at.
fn place_of(
    whereabouts: &Whereabouts,
    environment: &JobEnvironment,
) -> (Option<DossierDir>, Option<FallbackReason>) {
    let Whereabouts { project_root, name, .. } = whereabouts;
    let (project_id, home) = (project_id(project_root), &environment.home);
    if whereabouts.dossier_of.is_some() {
        return (DossierDir::existing(project_root, name, &project_id, home), None);
    }
    let (place, fallback) = DossierDir::choose(project_root, name, &project_id, home);
    (Some(place), fallback)
}

/// Why a feature has no log.
struct NoLog {
    message: String,
    code: Option<&'static str>,
    cancelled: bool,
}

impl From<StoreError> for NoLog {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Newer { .. } | StoreError::NewerEvents { .. } => Some("later-version"),
            StoreError::Linked { .. } => Some(HARD_LINK),
            _ => None,
        };
        let cancelled = matches!(error, StoreError::Cancelled { .. });
        Self { message: describe(&error), code, cancelled }
    }
}

/// The place, if a log may be opened there at all.
fn openable<'a>(
    survey: &mut FeatureSurvey,
    place: Option<&'a DossierDir>,
    around: &Surroundings<'_>,
) -> Result<&'a DossierDir, NoLog> {
    let no_log = |message: String, code| NoLog { message, code: Some(code), cancelled: false };
    if let Some(barred) = &survey.barred {
        return Err(no_log(barred.clone(), SAME_NAME));
    }
    let context = survey.look_at_project(around);
    if let Some(fault) = lasting_fault(&context.identity) {
        return Err(no_log(fault.message.clone(), UNKNOWN_IDENTITY));
    }
    place.ok_or_else(|| no_log("the feature has no dossier directory".to_owned(), SAME_NAME))
}

/// Why nothing may be written under this identity. While there is only too little room, the log
/// waits for the identity as for anything else.
fn lasting_fault(identity: &ProjectIdentity) -> Option<&IdentityFault> {
    identity.fault.as_ref().filter(|fault| !fault.passes)
}

/// Is a feature whose log could not be opened to be loaded again? It is when the reason is gone,
/// or another has taken its place.
pub(super) fn is_to_be_loaded_anew(
    work: &FeatureWork,
    whereabouts: &Whereabouts,
    around: &Surroundings<'_>,
    environment: &JobEnvironment,
) -> bool {
    let Some(reason) = work.no_log.as_ref().filter(|_| whereabouts.dossier_of.is_none()) else {
        return false;
    };
    if lasting_fault(&(around.project)().identity).is_some() {
        return false;
    }
    let Some(place) = place_of(whereabouts, environment).0 else { return false };
    let pace = Pace { cancelled: Some(around.cancelled), beat: None };
    match EventLog::open(place, environment.segment_bytes, &pace) {
        Ok(_) => true,
        Err(StoreError::Cancelled { .. }) => false,
        Err(error) => describe(&error) != *reason,
    }
}

/// What a log says.
#[derive(Default)]
struct Written {
    ledger: Ledger,
    last_event_id: Option<String>,
    last_clock: u64,
    opening: u64,
}

impl Written {
    /// By the checkpoint if it holds, else by reading the log.
    fn read(
        log: &EventLog,
        checkpoint: Option<(Checkpoint, u64)>,
        resume: impl FnOnce(Checkpoint) -> Option<Ledger>,
        pace: &Pace<'_>,
    ) -> Result<Self, StoreError> {
        let had_checkpoint = checkpoint.is_some();
        if let Some((checkpoint, opening)) = checkpoint
            && let Some(last) = log.last_line()?
            && let Ok(last) = serde_json::from_slice::<RawEvent>(&last)
            && !last.is_newer()
            && *checkpoint.last() == end_of(&last)
            && let Some(ledger) = resume(checkpoint)
        {
            return Ok(Self {
                ledger,
                last_event_id: Some(last.event_id),
                last_clock: last.lamport_clock,
                opening,
            });
        }
        tracing::debug!(log = %log.dir().path().display(), had_checkpoint, "the log is read from its beginning");
        let history = History::read(log.lines(), pace)?;
        let History { state, last, last_event_id, last_clock, opening } = history;
        let mut ledger = Ledger::of_log(state, last);
        if log.end().is_some_and(|end| end.offset == 0) {
            // A crash came between two segments: the new one has to begin with everything.
            ledger = ledger.begin_anew();
        }
        Ok(Self { ledger, last_event_id, last_clock, opening })
    }
}

/// Is the snapshot file that of this snapshot? Its id stands near the beginning, behind the
/// name of the feature.
fn is_of_snapshot(place: &DossierDir, id: &str) -> bool {
    let wanted = format!("\"snapshot_id\":\"{id}\"");
    let beginning = place.beginning(SNAPSHOT_FILE, 4096).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&beginning).contains(&wanted)
}

fn end_of(event: &RawEvent) -> BatchEnd {
    BatchEnd { correlation_id: event.correlation_id.clone(), event_type: event.event_type }
}

fn cache_name(whereabouts: &Whereabouts) -> OsString {
    format!("{}.idx", whereabouts.id).into()
}

/// What the index cache carries along: the checkpoint, how many bytes the log's segment
/// begins with, and what was published last.
type Attached = (Checkpoint, u64, Option<Published>);

/// The index cache, if there is a sound one, and what it carries. Anything else costs a full
/// read, no more.
fn read_cache(
    whereabouts: &Whereabouts,
    environment: &JobEnvironment,
) -> (Option<IndexCache>, Option<Attached>) {
    let path = environment.home.index_cache_dir().join(cache_name(whereabouts));
    let bytes = document::read(&path, CACHE_LIMIT).ok().flatten();
    let Some(cache) = bytes.and_then(|bytes| IndexCache::from_bytes(&bytes)) else {
        return (None, None);
    };
    let attached = postcard::from_bytes(cache.attached()).ok();
    (Some(cache), attached)
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
    let checkpoint = work.ledger.checkpoint();
    let published = work.survey.judged.as_ref().map(Published::of);
    let attached: Option<Attached> =
        checkpoint.map(|checkpoint| (checkpoint, work.opening, published));
    let attached = attached.and_then(|attached| postcard::to_stdvec(&attached).ok());
    let cache = work.survey.index.to_cache(attached.unwrap_or_default());
    let path = environment.home.index_cache_dir().join(cache_name(whereabouts));
    match cache.to_bytes() {
        Ok(bytes) => {
            if let Err(error) = atomic::replace_unsynced(&path, &bytes, 0o600) {
                let error = with_causes(&error);
                tracing::warn!(feature = %whereabouts.id, %error, "the index cache cannot be written");
            }
        }
        Err(error) => {
            let error = with_causes(&error);
            tracing::warn!(feature = %whereabouts.id, %error, "no index cache");
        }
    }
}
