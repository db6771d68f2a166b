//! One feature as the loop knows it: what is due, what runs, who waits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::due::{Due, Running, visits};
use super::emission::Extent;
use super::job::{FeatureWork, JobOrder, Whereabouts};
use super::reopening::Reopening;
use super::view::{FeatureView, WatchState};
use super::waiting::Waiting;
use crate::dossier::{RelPath, Timestamp};
use crate::index::{ScanRequest, Touched};
use crate::survey::{Assignment, Task};
use crate::watch::{SettlePolicy, Settler};

/// How long after a change the index cache is written.
const CACHE_DELAY: Duration = Duration::from_secs(30);
/// How long after the first scan: it is the one that costs most to do again, and when it is
/// done the daemon should soon be at rest.
const FIRST_CACHE_DELAY: Duration = Duration::from_secs(1);

/// One feature.
pub(super) struct Feature {
    pub at: Whereabouts,
    /// The registered root it came with.
    pub root_id: String,
    /// `None` before the first job, and while a job has it.
    pub work: Option<Box<FeatureWork>>,
    /// What is published.
    pub view: Option<Arc<FeatureView>>,
    pub watch: WatchState,
    /// Directories that are not watched, and why; they are polled.
    pub unwatched: BTreeMap<PathBuf, String>,
    /// Since when the directory is gone.
    pub detached: Option<(Instant, Timestamp)>,
    /// It will not be listed any more once the running or next job ends.
    pub leaving: bool,
    /// It stayed away too long and its rows are gone.
    pub emptied: bool,
    /// It was leaving, and since when its removal is found, which may still wait for the log.
    pub left_since: Option<Instant>,
    /// That has taken long, so it is shown again, with the reason.
    pub lingers: bool,
    pub registered_mission: Option<String>,
    pub explicit_step: Option<String>,
    pub next_safety: Instant,
    /// Of its log, if that could not be opened.
    pub reopening: Reopening,
    settler: Settler<Option<RelPath>>,
    due: Due,
    running: Option<Running>,
    started: u64,
    done: u64,
    loaded: bool,
    cache_due: Option<Instant>,
    /// What [`FeatureWork::opening`] has become while a job had it.
    opening: Option<u64>,
    /// What the journal has said meanwhile of the log: why it cannot be written, if so.
    reported: Option<Option<String>>,
    retry: Option<(Instant, Vec<RelPath>)>,
    /// Events were lost while this many jobs had been started: a later one has to look at
    /// everything.
    owed: Option<u64>,
    /// The job that only looks for what no event told of.
    safety_job: Option<u64>,
    /// Since when there is a touched path that no job looks at yet.
    touched_since: Option<Instant>,
    /// Tells its jobs that nobody needs their results any more.
    pub cancelled: Arc<AtomicBool>,
}

impl Feature {
    /// A feature whose first job is due.
    pub(super) fn new(at: Whereabouts, root_id: String, next_safety: Instant) -> Self {
        Self {
            at,
            root_id,
            work: None,
            view: None,
            watch: WatchState::Starting,
            unwatched: BTreeMap::new(),
            detached: None,
            leaving: false,
            emptied: false,
            left_since: None,
            lingers: false,
            registered_mission: None,
            explicit_step: None,
            next_safety,
            reopening: Reopening::default(),
            settler: Settler::new(SettlePolicy::default()),
            due: Due { full: true, ..Due::default() },
            running: None,
            started: 0,
            done: 0,
            loaded: false,
            cache_due: None,
            opening: None,
            reported: None,
            retry: None,
            owed: None,
            safety_job: None,
            touched_since: None,
            cancelled: Arc::default(),
        }
    }

    /// Ends its jobs as soon as they look; for good.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Events were lost; a rescan will come, at the latest when somebody asks.
    pub(super) fn owe_rescan(&mut self) {
        self.owed = Some(self.started);
    }

    /// Is a rescan still owed, now that a job has ended that was full or not?
    pub(super) fn owes_rescan(&mut self, full: bool) -> bool {
        if full && self.owed.is_some_and(|job| self.done > job) {
            self.owed = None;
        }
        self.owed.is_some()
    }

    /// Asks for the scan that looks for what no event told of.
    pub(super) fn safety_scan(&mut self) {
        if !self.is_due() && self.running.is_none() && self.settler.is_empty() {
            self.safety_job = Some(self.started + 1);
        }
        self.due.full = true;
    }

    /// Was the job that has ended that scan?
    pub(super) fn end_safety_scan(&mut self, full: bool) -> bool {
        self.safety_job.take_if(|job| *job <= self.done).is_some_and(|job| job == self.done && full)
    }

    /// Has its first job ended?
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Is something to be done, apart from paths that settle?
    pub(super) fn is_due(&self) -> bool {
        self.due.full || self.due.empty || self.due.context
    }

    /// Does nothing run, and is no full scan due?
    pub(super) fn is_settled(&self) -> bool {
        self.running.is_none() && !self.due.full
    }

    /// A path may have changed.
    pub(super) fn touch(&mut self, path: Option<RelPath>, deep: bool, ready: bool, now: Instant) {
        self.touched_since.get_or_insert(now);
        self.settler.note(path, deep, ready, now);
    }

    /// Everything may have changed.
    pub(super) fn touch_all(&mut self) {
        self.due.full = true;
    }

    /// The project may say something else.
    pub(super) fn touch_context(&mut self) {
        self.due.context = true;
    }

    /// The directory is gone for good.
    pub(super) fn empty(&mut self) {
        self.due.empty = true;
    }

    /// It is there again, or never was gone.
    pub(super) fn revive(&mut self) {
        self.due.empty = false;
        self.leaving = false;
        self.left_since = None;
        self.lingers = false;
        self.due.full = true;
    }

    /// Is nothing written of it at the moment?
    pub(super) fn is_failing(&self) -> bool {
        self.view.as_ref().is_some_and(|view| view.store.failing.is_some())
    }

    /// Was it leaving, and is its removal found?
    pub(super) fn has_left(&self) -> bool {
        self.left_since.is_some()
    }

    /// Is it shown? One that has left only is where its removal cannot be written for long.
    pub(super) fn is_listed(&self) -> bool {
        !self.has_left() || self.lingers
    }

    /// Whatever happened up to now has to be looked at, without waiting for it to settle.
    /// Gives the number of the job after which that is so.
    pub(super) fn freshen(&mut self) -> u64 {
        self.due.at_once = true;
        self.due.context = true;
        self.due.full |= self.owed.is_some();
        self.started + 1
    }

    /// Asks for a full scan and for more to be written.
    pub(super) fn rescan(&mut self, extent: Extent, waiting: Option<Waiting>) {
        self.due.full = true;
        self.due.extent = self.due.extent.max(extent);
        self.due.waiting.extend(waiting);
    }

    /// Asks for more to be written, without a scan.
    pub(super) fn emit(&mut self, extent: Extent) {
        self.due.context = true;
        self.due.extent = self.due.extent.max(extent);
    }

    /// Asks for a task, on top of what is on disk by then: all of it is looked at, since
    /// events of the last moment may still be on their way.
    pub(super) fn perform(&mut self, task: Task, waiting: impl FnOnce(usize) -> Waiting) {
        self.due.full = true;
        self.due.at_once = true;
        self.due.context = true;
        let number = self.due.tasks.len();
        self.due.tasks.push(task);
        self.due.waiting.push(waiting(number));
    }

    /// Waits for the next job, which is due at once.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.freshen();
        self.due.waiting.push(waiting);
    }

    /// Look at these again, a little later.
    pub(super) fn retry_later(&mut self, paths: Vec<RelPath>, now: Instant) {
        if !paths.is_empty() {
            self.retry = Some((now + Duration::from_millis(200), paths));
        }
    }

    /// Has the job of this number, or a later one, ended?
    pub(super) fn has_done(&self, job: u64) -> bool {
        self.done >= job
    }

    /// When something is due that is not due now.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.running.is_some() {
            return None;
        }
        let retry = self.retry.as_ref().map(|(at, _)| *at);
        let times = [self.settler.next_due(), self.cache_due, retry, Some(self.next_safety)];
        times.into_iter().flatten().min()
    }

    /// The next job, if one is due and none runs.
    pub(super) fn next_job(&mut self, now: Instant, threads: usize) -> Option<JobOrder> {
        if self.running.is_some() {
            return None;
        }
        let at_once = self.due.at_once;
        if let Some((_, paths)) = self.retry.take_if(|(at, _)| at_once || *at <= now) {
            for path in paths {
                self.settler.note(Some(path), false, true, now);
            }
        }
        let touched = if self.due.at_once || self.due.full || self.due.empty {
            self.settler.take_all()
        } else {
            self.settler.take_due(now)
        };
        let is_due = self.due.full || self.due.empty || self.due.context || !touched.is_empty();
        if !is_due {
            let saves = self.cache_due.is_some_and(|at| at <= now) && self.work.is_some();
            if saves {
                self.cache_due = None;
                // It finds nothing, so what was found before still holds.
                self.begin(Running { empties: self.emptied, ..Running::new(now) });
                return Some(JobOrder::SaveCache);
            }
            return None;
        }
        let mut due = std::mem::take(&mut self.due);
        let is_asked = !due.waiting.is_empty() && self.reopening.is_owed();
        if let Some(work) = &mut self.work {
            work.reopens = is_asked || self.reopening.may_be_tried(now);
        }
        // Nothing is there to be looked at any more, whatever else is asked.
        due.empty |= self.leaving;
        let (request, visits) = if due.full || !self.loaded {
            (ScanRequest::Full, self.unwatched.keys().cloned().collect())
        } else {
            let touched = touched.into_iter().map(|(path, deep)| Touched { path, deep });
            let touched: Vec<Touched> = touched.collect();
            let visits = visits(&self.at.dir, self.unwatched.keys(), &touched);
            (ScanRequest::Touched(touched), visits)
        };
        let assignment = Assignment {
            request: (!due.empty).then_some(request),
            tasks: due.tasks,
            registered_mission: self.registered_mission.clone(),
            explicit_step: self.explicit_step.clone(),
            last_known: None,
            threads,
            gate: true,
        };
        let touched_since = self.touched_since.take();
        self.touched_since = (!self.settler.is_empty()).then_some(now);
        let (waiting, empties) = (due.waiting, due.empty);
        self.begin(Running { waiting, empties, visits, touched_since, ..Running::new(now) });
        Some(JobOrder::Survey { assignment, extent: due.extent })
    }

    fn begin(&mut self, running: Running) {
        self.started += 1;
        self.running = Some(running);
    }

    /// The journal says how many bytes the log's segment begins with, which the cache keeps.
    pub(super) fn opens_with(&mut self, opening: u64, now: Instant) {
        match &mut self.work {
            None => self.opening = Some(opening),
            Some(work) if work.opening == opening => {}
            Some(work) => {
                work.opening = opening;
                work.cache_dirty = true;
                self.cache_due.get_or_insert(now + FIRST_CACHE_DELAY);
            }
        }
    }

    /// The journal says whether the log can be written, and why not.
    pub(super) fn fails_with(&mut self, failing: Option<String>) {
        match &mut self.work {
            None => self.reported = Some(failing),
            Some(work) if work.store.failing == failing => {}
            Some(work) => {
                work.store.failing = failing;
                work.store.failing_code = None;
            }
        }
    }

    /// Takes out everybody who waits: the feature is dropped.
    pub(super) fn abandon(&mut self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut self.due.waiting);
        if let Some(running) = &mut self.running {
            waiting.append(&mut running.waiting);
        }
        waiting
    }

    /// Since when there is a touched path that is not in the view.
    pub(super) fn behind_since(&self) -> Option<Instant> {
        let running = self.running.as_ref().and_then(|running| running.touched_since);
        running.into_iter().chain(self.touched_since).min()
    }

    /// Since when its job has been with the workers.
    pub(super) fn runs_since(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.began)
    }

    /// Takes the work back, which this job has `loaded` or had; gives who waited for this job. A
    /// feature that was leaving, and whose removal this job has found, has left.
    pub(super) fn end(
        &mut self,
        work: Box<FeatureWork>,
        loaded: bool,
        now: Instant,
    ) -> Vec<Waiting> {
        let is_first = !std::mem::replace(&mut self.loaded, true);
        self.done = self.started;
        if work.cache_dirty && self.cache_due.is_none() {
            let delay = if is_first { FIRST_CACHE_DELAY } else { CACHE_DELAY };
            self.cache_due = Some(now + delay);
        }
        self.work = Some(work);
        if let Some(opening) = self.opening.take() {
            self.opens_with(opening, now);
        }
        if let Some(failing) = self.reported.take().filter(|_| !loaded) {
            self.fails_with(failing);
        }
        let Some(running) = self.running.take() else { return Vec::new() };
        if !(running.empties && self.leaving) {
            self.left_since = None;
            self.lingers = false;
        } else {
            self.left_since.get_or_insert(now);
        }
        self.emptied = running.empties;
        for dir in &running.visits {
            // Should it still have no watch, the result of the job says so.
            self.unwatched.remove(dir);
        }
        running.waiting
    }
}
