//! `scan --write`: one survey written down as the daemon would, without a daemon.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::unbounded;

use super::emission::Extent;
use super::feature::Feature;
use super::feed::Feed;
use super::identities::project_loader;
use super::job::{Job, JobEnvironment, JobOrder, JobResult, Whereabouts};
use super::journal::Journal;
use super::order::{Order, Report};
use super::publish;
use super::seats::Seats;
use super::sequence::EventIds;
use super::start::Setup;
use crate::index::{Limits, RootFault, ScanRequest};
use crate::project::root::{Registration, RootError, classify_registration, feature_dirs};
use crate::store::{Home, HomeError, InstanceLock, LamportClock, LockError, StoreError};
use crate::survey::Assignment;
use crate::watch::Unwatched;

/// What a scan says of the mission.
#[derive(Debug, Clone, Default)]
pub struct OnceOptions {
    /// The mission type where meta.json names none.
    pub mission_type: Option<String>,
    /// A step that takes the place of meta.json's or the inferred one.
    pub step: Option<String>,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// The path is no directory that can be read.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A feature cannot be scanned.
    #[error("{slug} cannot be scanned")]
    Feature {
        /// The feature.
        slug: String,
        /// Why.
        source: RootFault,
    },
    /// Our directories cannot be used.
    #[error("the daemon's directories cannot be used")]
    Home(#[from] HomeError),
    /// A daemon runs, and it alone writes.
    #[error("a daemon is running, and it alone writes")]
    Locked(#[source] LockError),
    /// Our files cannot be used.
    #[error("the daemon's files cannot be used")]
    Store(#[from] StoreError),
    /// The system gives no thread.
    #[error("a thread cannot be started")]
    Thread(#[from] std::io::Error),
    /// The log or the snapshot cannot be written.
    #[error("not everything could be written: {0}")]
    Write(String),
}

/// Surveys the feature or project at `path` and writes log and snapshot of each feature.
pub fn write_once(home: &Home, path: &Path, options: OnceOptions) -> Result<(), OnceError> {
    let found = classify_registration(path)?;
    home.prepare()?;
    let _runtime_lock = InstanceLock::try_acquire(&home.lock_file()).map_err(OnceError::Locked)?;
    let _state_lock =
        InstanceLock::try_acquire(&home.state_lock_file()).map_err(OnceError::Locked)?;
    let (clock, _) = LamportClock::open(&home.clock_file())?;
    let (reports, failures) = unbounded();
    let (orders, inbox) = unbounded();
    let report = move |report| {
        if let Report::Failing { message, .. } = report {
            let _ = reports.send(message);
        }
    };
    let journal =
        Journal::start(clock, EventIds::default(), Arc::new(Feed::default()), inbox, report)?;
    let environment = JobEnvironment {
        home: home.clone(),
        watcher: Arc::new(Unwatched),
        project: project_loader(home),
        beat: Arc::default(),
        segment_bytes: Setup::default().segment_bytes,
        limits: Limits::default(),
    };
    let seats = Seats::read(home)?;
    let mut barred = Vec::new();
    let result = places(&found)?.into_iter().try_for_each(|mut at| {
        at.dossier_of = seats.taken(&at.dir, &at.project_root);
        match write_feature(at, &options, &environment)? {
            Outcome::Orders(found) => found.into_iter().for_each(|order| {
                let _ = orders.send(order);
            }),
            Outcome::Barred(why) => barred.push(why),
        }
        Ok(())
    });
    let _ = orders.send(Order::Stop);
    // The journal has told what it could not do; a panic in it is one of those things.
    let panicked = journal.join().is_err();
    result.and_then(|()| match failures.try_recv() {
        Ok(message) => Err(OnceError::Write(message)),
        Err(_) if panicked => Err(OnceError::Write("the journal panicked".into())),
        Err(_) if !barred.is_empty() => Err(OnceError::Write(barred.join("; "))),
        Err(_) => Ok(()),
    })
}

/// Where the features are.
fn places(found: &Registration) -> Result<Vec<Whereabouts>, RootError> {
    let places = match found {
        Registration::Feature { dir, project_root } => {
            vec![Whereabouts::new(dir, project_root)]
        }
        Registration::Project { root, .. } => {
            feature_dirs(root)?.iter().map(|(_, dir)| Whereabouts::new(dir, root)).collect()
        }
    };
    Ok(places.into_iter().flatten().collect())
}

/// What came of a survey.
enum Outcome {
    /// What the journal is to do.
    Orders(Vec<Order>),
    /// Nothing may be written of the feature, and why.
    Barred(String),
}

/// Surveys one feature.
fn write_feature(
    at: Whereabouts,
    options: &OnceOptions,
    environment: &JobEnvironment,
) -> Result<Outcome, OnceError> {
    let assignment = Assignment {
        request: Some(ScanRequest::Full),
        tasks: Vec::new(),
        registered_mission: options.mission_type.clone(),
        explicit_step: options.step.clone(),
        last_known: None,
        threads: 2,
        gate: true,
    };
    let order = JobOrder::Survey { assignment, extent: Extent::Changes };
    let job = Job { whereabouts: at.clone(), work: None, order, cancelled: Arc::default() };
    let JobResult { id, work, loaded, survey } = job.run(environment);
    let slug = at.slug.clone();
    let survey = match survey {
        Some(Ok(survey)) => survey,
        Some(Err(source)) => return Err(OnceError::Feature { slug, source }),
        None => return Ok(Outcome::Orders(Vec::new())),
    };
    if let Some(obstacle) = work.survey.obstacle() {
        return Ok(Outcome::Barred(format!("{slug}: {obstacle}")));
    }
    let mut orders = Vec::new();
    if let Some(loaded) = loaded {
        orders.push(loaded.order(&id));
    }
    if let Some(emitted) = survey.emitted {
        orders.push(Order::Append { feature: id, emitted: Box::new(emitted), ticket: 0 });
    }
    let place = work.survey.place.clone();
    let mut feature = Feature::new(at, String::new(), Instant::now());
    feature.work = Some(work);
    let view = publish::feature_view(&feature, survey.cost, survey.ended_at);
    if let (Some(view), Some(place)) = (view, place) {
        orders.push(Order::Snapshot { view: Arc::new(view), place });
    }
    Ok(Outcome::Orders(orders))
}
