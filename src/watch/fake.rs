//! A back-end without a file system, for tests of whoever consumes events.
//!
//! Events are scripted and go through the same classification as real ones. Watches can
//! be made to fail, and delivery to lose, repeat, reorder or hold back events.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{CreateKind, Event, EventKind, Flag};

use super::dirty::below;
use super::{
    Classifier, CookieId, Cookies, Coverage, DirWatcher, DirtySet, WatchBackend, WatchError,
};

/// How a call that watches is to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FakeFailure {
    /// As if the limit on watches were reached.
    Limit,
    /// As if the directory had disappeared.
    Gone,
    /// As if the system had refused.
    Io(io::ErrorKind),
}

/// What happens to events on their way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FakeFaults {
    /// None arrives.
    pub drop_all: bool,
    /// Some arrive twice.
    pub duplicate: bool,
    /// Those delivered together arrive in another order.
    pub shuffle: bool,
    /// The same seed gives the same faults.
    pub seed: u64,
}

#[derive(Debug, Default)]
struct State {
    watched: BTreeSet<PathBuf>,
    calls: usize,
    failures: BTreeMap<usize, FakeFailure>,
    fails_from: Option<(usize, FakeFailure)>,
    faults: FakeFaults,
    paused: bool,
    held: Vec<Event>,
}

/// See the module.
#[derive(Debug)]
pub struct FakeBackend {
    dirty: Arc<DirtySet>,
    classifier: Classifier,
    coverage: Coverage,
    state: Mutex<State>,
}

impl FakeBackend {
    /// One that watches per directory and has no faults.
    pub fn new(dirty: Arc<DirtySet>) -> Self {
        let classifier = Classifier::new(Arc::clone(&dirty));
        Self::start(dirty, classifier)
    }

    /// The same, recognising cookies that [`Self::emit_cookie`] brings.
    pub fn with_cookies(dirty: Arc<DirtySet>, cookies: &Cookies) -> Self {
        let classifier = Classifier::with_cookies(Arc::clone(&dirty), cookies);
        Self::start(dirty, classifier)
    }

    fn start(dirty: Arc<DirtySet>, classifier: Classifier) -> Self {
        Self { dirty, classifier, coverage: Coverage::PerDirectory, state: Mutex::default() }
    }

    /// Claims another coverage.
    #[must_use]
    pub fn with_coverage(mut self, coverage: Coverage) -> Self {
        self.coverage = coverage;
        self
    }

    /// The `call`-th call that watches fails (the first is 1).
    pub fn fail_at(&self, call: usize, failure: FakeFailure) {
        self.lock().failures.insert(call, failure);
    }

    /// Every call from the `call`-th on fails, until [`Self::heal`].
    pub fn fail_from(&self, call: usize, failure: FakeFailure) {
        self.lock().fails_from = Some((call, failure));
    }

    /// No call fails any more.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.failures.clear();
        state.fails_from = None;
    }

    /// Sets the faults of delivery.
    pub fn set_faults(&self, faults: FakeFaults) {
        self.lock().faults = faults;
    }

    /// Delivers an event, or holds it back while paused.
    pub fn emit(&self, kind: EventKind, paths: impl IntoIterator<Item = PathBuf>) {
        let event = paths.into_iter().fold(Event::new(kind), Event::add_path);
        self.deliver(vec![event]);
    }

    /// Delivers what the system says when its queue has overflowed.
    pub fn emit_rescan(&self) {
        self.deliver(vec![Event::new(EventKind::Other).set_flag(Flag::Rescan)]);
    }

    /// Delivers an error of the back-end, faults or not.
    pub fn emit_error(&self, error: notify::Error) {
        self.classifier.handle(Err(error));
    }

    /// Delivers the creation of a cookie.
    pub fn emit_cookie(&self, cookies: &Cookies, cookie: CookieId) {
        self.emit(EventKind::Create(CreateKind::File), [cookies.path_of(cookie)]);
    }

    /// Holds back what is emitted from now on.
    pub fn pause(&self) {
        self.lock().paused = true;
    }

    /// Delivers what was held back, together, and everything after it.
    pub fn resume(&self) {
        let held = {
            let mut state = self.lock();
            state.paused = false;
            mem::take(&mut state.held)
        };
        self.deliver(held);
    }

    /// How many calls that watch there were.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// What is watched now.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.lock().watched.iter().cloned().collect()
    }

    /// Barriers keep their place: what is shuffled or repeated is what lies between them,
    /// since a back-end that breaks that promise could not be used at all.
    fn deliver(&self, events: Vec<Event>) {
        let mut state = self.lock();
        if state.paused {
            return state.held.extend(events);
        }
        let faults = state.faults;
        let mut random = Random(state.faults.seed);
        let mut run = Vec::new();
        let mut ordered = Vec::new();
        for event in events {
            if self.classifier.would_fence(&event) {
                random.mangle(faults, &mut run, &mut ordered);
                ordered.push(event);
            } else {
                run.push(event);
            }
        }
        random.mangle(faults, &mut run, &mut ordered);
        state.faults.seed = random.0;
        drop(state);
        if !faults.drop_all {
            ordered.into_iter().for_each(|event| self.classifier.handle(Ok(event)));
        }
    }

    fn watch(&self, dir: &Path) -> Result<(), WatchError> {
        let mut state = self.lock();
        state.calls += 1;
        let call = state.calls;
        let from = state.fails_from.filter(|(first, _)| call >= *first).map(|(_, failure)| failure);
        let failure = state.failures.get(&call).copied().or(from);
        let path = dir.to_path_buf();
        match failure {
            Some(FakeFailure::Limit) => Err(WatchError::Limit(path)),
            Some(FakeFailure::Gone) => Err(WatchError::Gone(path)),
            Some(FakeFailure::Io(kind)) => Err(WatchError::Io { path, source: kind.into() }),
            None => {
                state.watched.insert(path);
                Ok(())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DirWatcher for FakeBackend {
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        self.watch(dir)
    }
}

impl WatchBackend for FakeBackend {
    fn watch_root(&self, root: &Path) -> Result<(), WatchError> {
        self.watch(root)?;
        self.dirty.add_root(root);
        Ok(())
    }

    fn unwatch_tree(&self, root: &Path) {
        self.dirty.remove_root(root);
        self.lock().watched.retain(|dir| !dir.starts_with(root));
    }

    fn watched_below(&self, dir: &Path) -> usize {
        below(&self.lock().watched, dir).count()
    }

    fn coverage(&self) -> Coverage {
        self.coverage
    }
}

/// The generator `splitmix64` of Steele, Lea and Flood (2014): small, and good enough to
/// choose faults.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let remainder = self.next() % (end as u64);
        usize::try_from(remainder).expect("a remainder is smaller than the usize it is of")
    }

    /// Moves `run` to the end of `out`, with the faults.
    fn mangle(&mut self, faults: FakeFaults, run: &mut Vec<Event>, out: &mut Vec<Event>) {
        if faults.duplicate {
            for index in 0..run.len() {
                if self.next().is_multiple_of(2) {
                    run.push(run[index].clone());
                }
            }
        }
        if faults.shuffle {
            for index in (1..run.len()).rev() {
                run.swap(index, self.below(index + 1));
            }
        }
        out.append(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::MarkKind;

    fn fake() -> (Arc<DirtySet>, FakeBackend) {
        let dirty = Arc::new(DirtySet::new());
        (Arc::clone(&dirty), FakeBackend::new(dirty))
    }

    const CREATED: EventKind = EventKind::Create(CreateKind::Folder);

    #[test]
    fn watches_fail_when_told_to() {
        let (_, fake) = fake();
        fake.fail_at(2, FakeFailure::Io(io::ErrorKind::PermissionDenied));
        fake.fail_from(4, FakeFailure::Limit);
        let outcomes: Vec<_> =
            ["/r", "/r/a", "/r/b", "/r/c", "/r/d"].map(|dir| fake.watch_dir(Path::new(dir))).into();
        assert!(matches!(
            outcomes[..],
            [
                Ok(()),
                Err(WatchError::Io { .. }),
                Ok(()),
                Err(WatchError::Limit(_)),
                Err(WatchError::Limit(_))
            ]
        ));
        assert_eq!(fake.watched(), ["/r", "/r/b"].map(PathBuf::from));
        assert_eq!((fake.watched_below(Path::new("/r")), fake.calls()), (2, 5));
        fake.heal();
        assert!(fake.watch_dir(Path::new("/r/c")).is_ok());
        fake.unwatch_tree(Path::new("/r"));
        assert_eq!(fake.watched_below(Path::new("/")), 0);
    }

    #[test]
    fn holds_back_while_paused_and_loses_when_told_to() {
        let (dirty, fake) = fake();
        fake.pause();
        fake.emit(CREATED, ["/a".into()]);
        assert!(dirty.take().is_empty());
        fake.resume();
        assert_eq!(dirty.take().marks[Path::new("/a")], MarkKind::DEEP);
        fake.set_faults(FakeFaults { drop_all: true, ..Default::default() });
        fake.emit(CREATED, ["/a".into()]);
        fake.emit_rescan();
        assert!(dirty.take().is_empty());
        fake.set_faults(FakeFaults::default());
        fake.emit_rescan();
        assert!(dirty.take().overflow.is_some());
    }

    #[test]
    fn repeats_and_reorders_but_never_across_a_cookie() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let cookies = Cookies::new(home.path().join("ck"), "me").expect("cookies");
        let dirty = Arc::new(DirtySet::new());
        let fake = FakeBackend::with_cookies(Arc::clone(&dirty), &cookies);
        let faults = FakeFaults { duplicate: true, shuffle: true, seed: 7, drop_all: false };
        let path = |i: usize| PathBuf::from(format!("/r/{i}"));
        let order = |seed| {
            let mut random = Random(seed);
            let mut run: Vec<_> = (0..20).map(|i| Event::new(CREATED).add_path(path(i))).collect();
            let mut out = Vec::new();
            random.mangle(faults, &mut run, &mut out);
            out
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        assert!(order(7).len() > 20);

        fake.set_faults(faults);
        fake.pause();
        (0..10).for_each(|i| fake.emit(CREATED, [path(i)]));
        let id = cookies.issue().expect("a cookie");
        fake.emit_cookie(&cookies, id);
        fake.resume();
        let batch = dirty.take();
        assert_eq!((batch.barriers, batch.marks.len()), (vec![id], 10));
    }
}
