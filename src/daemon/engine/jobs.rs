//! Jobs out, results in; what is durable is answered.

use std::sync::Arc;
use std::time::Instant;

use super::{Draining, Engine};
use crate::daemon::command::CommandError;
use crate::daemon::emission::{Emitted, Extent};
use crate::daemon::feature::Feature;
use crate::daemon::job::{Job, JobResult, SurveyResult};
use crate::daemon::order::{Order, Report};
use crate::daemon::publish;
use crate::daemon::view::{ScanCost, WatchState};
use crate::daemon::waiting::{Waiting, answer, refuse};
use crate::index::RootFault;
use crate::survey::{TaskError, now as timestamp};
use crate::watch::{InotifyLimits, WatchError};

/// Jobs that may wait for each worker, the one it does among them: with the next one at
/// hand it need not wait for the loop.
const QUEUED: usize = 2;

/// Workers, when all that there are have been at one job each for long.
const MOST_WORKERS: usize = 16;

impl Engine {
    /// Gives workers the jobs that are due.
    pub(super) fn dispatch(&mut self, now: Instant) {
        let ids: Vec<String> = self.features.keys().cloned().collect();
        for id in ids {
            if self.in_flight >= QUEUED * self.parts.workers {
                // What is due stays due; a result will bring the loop back here.
                return;
            }
            // A job that is alone may use every core.
            let threads =
                if self.in_flight == 0 && self.features.len() == 1 { self.parts.cores } else { 1 };
            let next_safety = self.next_safety(&id, now);
            let Some(feature) = self.features.get(&id) else { continue };
            if self.draining.contains_key(&id) || self.waits_for_seat(feature) {
                continue;
            }
            let Some(feature) = self.features.get_mut(&id) else { continue };
            if feature.next_safety <= now {
                feature.next_safety = next_safety;
                feature.safety_scan();
            }
            if let Some(order) = feature.next_job(now, threads) {
                let job = Job {
                    whereabouts: feature.at.clone(),
                    work: feature.work.take(),
                    order,
                    cancelled: Arc::clone(&feature.cancelled),
                };
                self.in_flight += 1;
                if self.parts.jobs.send(job).is_err() {
                    self.ending = Some(super::Ending::Failed("the workers are gone".into()));
                }
            }
        }
    }

    /// Takes in what a job gave.
    pub(super) fn job_done(&mut self, result: JobResult) {
        let now = Instant::now();
        self.in_flight -= 1;
        let JobResult { id, work, loaded, survey } = result;
        if let Some(draining) = self.draining.get_mut(&id) {
            // The feature was dropped meanwhile. What the job found is found again.
            draining.runs_since = None;
            drop((work, loaded));
            let _ = self.parts.journal.send(Order::Close { feature: id });
            return;
        }
        let Some(feature) = self.features.get_mut(&id) else { return };
        let waiting = feature.end(work, loaded.is_some(), now);
        match &loaded {
            None => feature.reopening.goes_on(now),
            Some(loaded) if loaded.log.is_err() && feature.at.dossier_of.is_none() => {
                feature.reopening.failed(now);
            }
            Some(_) => feature.reopening.is_over(),
        }
        if let Some(loaded) = loaded {
            let _ = self.parts.journal.send(loaded.order(&id));
        }
        match survey {
            // Nobody waits for a cache; a first job that was ended early comes with the end.
            None => refuse(waiting, &CommandError::Stopping),
            Some(Ok(survey)) => self.surveyed(&id, survey, waiting, now),
            Some(Err(fault)) => self.unopened(&id, &fault, waiting, now),
        }
    }

    /// A survey was made: publish, write, answer.
    fn surveyed(
        &mut self,
        id: &str,
        mut survey: SurveyResult,
        waiting: Vec<Waiting>,
        now: Instant,
    ) {
        self.health.scans += 1;
        let returned =
            self.features.get_mut(id).is_some_and(|f| !f.emptied && f.detached.take().is_some());
        self.update_watch(id, &survey);
        let Some(feature) = self.features.get_mut(id) else { return };
        feature.retry_later(std::mem::take(&mut survey.unsettled), now);
        if survey.cancelled {
            feature.touch_all();
        }
        let was_safety = feature.end_safety_scan(survey.full);
        if was_safety && survey.rows_changed > 0 && feature.watch == WatchState::Live {
            self.health.missed_events += survey.rows_changed as u64;
            tracing::warn!(
                feature = id,
                rows = survey.rows_changed,
                "a periodic scan found changes that no event told of"
            );
        }
        let snapshot = self.show(id, &survey, returned);
        // Before the journal can announce an event, what it tells of is in the view.
        self.publish();
        let waiting = answer_failed_tasks(waiting, &survey.answers);
        self.record(id, survey.emitted, waiting);
        // The log comes first: the snapshot file only repeats what it says.
        if let Some(order) = snapshot {
            let _ = self.parts.journal.send(order);
        }
        self.let_go(id);
    }

    /// Puts what was found into the view; the order to write it down as the latest snapshot, if
    /// that file does not say it yet.
    fn show(&mut self, id: &str, survey: &SurveyResult, returned: bool) -> Option<Order> {
        let feature = self.features.get_mut(id)?;
        let is_first = feature.view.is_none();
        if !(survey.changed || survey.full || returned || is_first) {
            return None;
        }
        let view = Arc::new(publish::feature_view(feature, survey.cost, survey.ended_at)?);
        let former = feature.view.replace(Arc::clone(&view));
        self.publish = true;
        if former.is_none_or(|former| former.project.uuid != view.project.uuid) {
            self.tell_siblings(&view);
        }
        let work = self.features.get(id)?.work.as_ref()?;
        // A start at which the log lacks nothing leaves the file as it was.
        let is_said = is_first && survey.emitted.is_none() && work.has_snapshot_file;
        if !survey.changed || is_said || work.survey.obstacle().is_some() {
            return None;
        }
        let place = work.survey.place.clone()?;
        Some(Order::Snapshot { view, place })
    }

    /// Has the events written, and answers those who waited once what they asked for is durable.
    fn record(&mut self, id: &str, emitted: Option<Emitted>, waiting: Vec<Waiting>) {
        match emitted {
            Some(emitted) => {
                let ticket = self.number();
                self.tickets.insert(ticket, (id.to_owned(), waiting));
                let emitted = Box::new(emitted);
                let order = Order::Append { feature: id.to_owned(), emitted, ticket };
                let _ = self.parts.journal.send(order);
            }
            None => match self.tickets.values_mut().rev().find(|(feature, _)| feature == id) {
                // What an earlier job found is part of the effect, and not durable yet.
                Some((_, last)) => last.extend(waiting),
                None => self.complete(id, waiting),
            },
        }
    }

    /// Tells those who waited that it has happened.
    fn complete(&mut self, id: &str, waiting: Vec<Waiting>) {
        let feature = self.features.get(id).filter(|feature| !feature.has_left());
        let view = feature.and_then(|feature| feature.view.clone());
        for one in waiting {
            match one {
                Waiting::View { reply, .. } => {
                    let gone = || CommandError::NotFound(id.to_owned());
                    answer(reply, view.clone().ok_or_else(gone));
                }
                Waiting::Done { reply, result, .. } => {
                    answer(reply, Ok(result.unwrap_or_default()))
                }
                Waiting::Registration(number) => self.registered(number),
            }
        }
    }

    /// The directory could not be opened.
    fn unopened(&mut self, id: &str, fault: &RootFault, waiting: Vec<Waiting>, now: Instant) {
        let message = format!("the feature directory cannot be scanned: {fault}");
        let (registrations, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|w| matches!(w, Waiting::Registration(_)));
        refuse(others, &CommandError::Failed(message));
        if let Some(feature) = self.features.get_mut(id)
            && feature.view.is_none()
            && let Some(view) = publish::feature_view(feature, ScanCost::default(), timestamp())
        {
            feature.view = Some(Arc::new(view));
        }
        self.detach(id, now);
        self.complete(id, registrations);
    }

    /// What of the feature is watched after a survey.
    fn update_watch(&mut self, id: &str, survey: &SurveyResult) {
        let poll = self.poll_reason(id);
        let Some(feature) = self.features.get_mut(id) else { return };
        if feature.emptied {
            // There is nothing to watch; it stays detached, if it is still listed at all.
            return;
        }
        for (dir, error) in &survey.unwatched {
            match error {
                // Gone directories are no longer there to be watched.
                WatchError::Gone(_) => feature.unwatched.remove(dir),
                _ => feature.unwatched.insert(dir.clone(), describe(error)),
            };
        }
        let owes = feature.owes_rescan(survey.full);
        let watch = match (poll, feature.unwatched.values().next()) {
            (Some(reason), _) => WatchState::Polling { reason },
            (None, Some(reason)) => {
                WatchState::Partial { unwatched: feature.unwatched.len(), reason: reason.clone() }
            }
            (None, None) if owes => return,
            (None, None) => WatchState::Live,
        };
        self.set_watch(id, watch);
    }

    /// What is served of a feature that waits long for its turn, or whose files take long to
    /// read, is not said to be live.
    pub(super) fn tell_behind(&mut self, now: Instant) {
        let patience = self.parts.patience;
        let is_late = |feature: &Feature| {
            feature.watch == WatchState::Live
                && feature.behind_since().is_some_and(|since| now >= since + patience)
        };
        let late = self.features.iter().filter(|(_, feature)| is_late(feature));
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            let reason = "changes are waiting to be read: a large file or a slow disk is ahead";
            self.set_watch(&id, WatchState::Rescanning { reason: reason.to_owned() });
        }
    }

    /// Where every worker has been at one job for long, others need not wait for them.
    pub(super) fn relieve_workers(&mut self, now: Instant) {
        let patience = self.parts.patience;
        let is_long = |since: Instant| now >= since + patience;
        let running = self.features.values().filter_map(Feature::runs_since);
        // Those that were cancelled may hang on their disk all the same.
        let running = running.chain(self.draining.values().filter_map(|it| it.runs_since));
        if running.filter(|since| is_long(*since)).count() < self.parts.workers
            || self.parts.workers >= MOST_WORKERS
        {
            return;
        }
        match (self.parts.add_worker)() {
            Ok(()) => {
                self.parts.workers += 1;
                let workers = self.parts.workers;
                tracing::warn!(workers, "all others have been at one job each for long");
            }
            Err(error) => tracing::warn!(%error, "no further worker can be started"),
        }
    }

    /// The journal reports.
    pub(super) fn journal_says(&mut self, report: Report) {
        match report {
            Report::Recovered { feature } => {
                self.set_failing(&feature, None);
                self.let_go(&feature);
            }
            Report::Durable { feature: id, tickets, opening } => {
                if let Some(feature) = self.features.get_mut(&id) {
                    feature.opens_with(opening, Instant::now());
                }
                for ticket in tickets {
                    if let Some((id, waiting)) = self.tickets.remove(&ticket) {
                        self.complete(&id, waiting);
                    }
                }
                self.let_go(&id);
            }
            Report::Failing { feature, tickets, message } => {
                self.set_failing(&feature, Some(message.clone()));
                self.publish();
                let text = format!(
                    "done and published, but not yet in the event log, which is tried again: {message}"
                );
                for ticket in tickets {
                    let Some((id, waiting)) = self.tickets.remove(&ticket) else { continue };
                    let (registrations, others): (Vec<_>, Vec<_>) =
                        waiting.into_iter().partition(|w| matches!(w, Waiting::Registration(_)));
                    refuse(others, &CommandError::Failed(text.clone()));
                    self.complete(&id, registrations);
                }
                self.let_go(&feature);
            }
            Report::Closed { feature } => {
                self.draining.remove(&feature);
            }
            Report::LogLost { feature, what } => {
                tracing::warn!(feature, what, "the event log is written anew");
                if let Some(feature) = self.features.get_mut(&feature) {
                    feature.emit(Extent::Everything);
                }
            }
            Report::RotationWanted { feature } => {
                if let Some(feature) = self.features.get_mut(&feature) {
                    feature.emit(Extent::NewSegment);
                }
            }
        }
    }

    /// Shows whether a feature's log can be written.
    fn set_failing(&mut self, id: &str, failing: Option<String>) {
        let Some(feature) = self.features.get_mut(id) else { return };
        feature.fails_with(failing.clone());
        let Some(view) = &feature.view else { return };
        if view.store.failing != failing {
            let mut other = publish::with_watch(view, view.watch.clone());
            other.store.failing = failing;
            other.store.failing_code = None;
            feature.view = Some(Arc::new(other));
            self.publish = true;
        }
    }

    /// Forgets a feature. Should it come again, it begins only when the worker has given
    /// its work back and the journal has let go of its log: a log has one writer, and what
    /// it says has to be read after the last line was written.
    pub(super) fn drop_feature(&mut self, id: &str) {
        let Some(mut feature) = self.features.remove(id) else { return };
        self.by_dir.remove(&feature.at.dir);
        self.publish = true;
        // One that is still draining from the last time has begun nothing.
        if !self.draining.contains_key(id) {
            feature.cancel();
            let runs_since = feature.runs_since();
            let draining = Draining { at: feature.at.clone(), runs_since };
            self.draining.insert(id.to_owned(), draining);
            if runs_since.is_none() {
                let _ = self.parts.journal.send(Order::Close { feature: id.to_owned() });
            }
        }
        for one in feature.abandon() {
            match one {
                Waiting::Registration(number) => self.registered(number),
                other => refuse(vec![other], &CommandError::NotFound(id.to_owned())),
            }
        }
    }
}

/// Answers those whose task failed; gives the others, with the results of theirs.
fn answer_failed_tasks(waiting: Vec<Waiting>, answers: &[Result<bool, TaskError>]) -> Vec<Waiting> {
    let failure = |error: &TaskError| match error {
        TaskError::Conflict(text) => CommandError::Conflict(text.clone()),
        TaskError::Failed(text) => CommandError::Failed(text.clone()),
    };
    let mut others = Vec::new();
    for one in waiting {
        let task = one.task().and_then(|task| answers.get(task));
        match (one, task) {
            (Waiting::View { reply, .. }, Some(Err(error))) => answer(reply, Err(failure(error))),
            (Waiting::Done { reply, .. }, Some(Err(error))) => answer(reply, Err(failure(error))),
            (Waiting::Done { reply, task, .. }, Some(Ok(result))) => {
                others.push(Waiting::Done { reply, task, result: Some(*result) });
            }
            (one, _) => others.push(one),
        }
    }
    others
}

/// Why a directory is not watched, and what to do.
pub(super) fn describe(error: &WatchError) -> String {
    match error {
        WatchError::Limit(_) => format!(
            "the system's limit on watches is reached; {}",
            InotifyLimits::read().watches_advice(0)
        ),
        WatchError::Io { source, .. } => format!("not watched: {source}"),
        other => other.to_string(),
    }
}
