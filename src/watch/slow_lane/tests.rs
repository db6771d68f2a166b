//! Real files. What must not be reported is waited for three times the quiet time.

use std::fs;
use std::time::Instant;

use notify::event::{AccessKind, CreateKind, EventKind, Flag};
use notify_debouncer_full::DebouncedEvent;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    home: tempfile::TempDir,
    lane: SlowLane,
    events: Receiver<SlowEvent>,
}

impl Bench {
    fn new() -> Self {
        let (sender, events) = unbounded();
        let home = tempfile::tempdir().expect("a temporary directory");
        Self { home, lane: SlowLane::new(sender).expect("started"), events }
    }

    fn project(&self, name: &str) -> PathBuf {
        let project = self.home.path().join(name);
        fs::create_dir_all(&project).expect("made");
        project
    }

    /// Sets the targets and waits until those that are new are watched.
    fn set(&self, targets: &[&SlowTarget], new: usize) {
        self.lane.set_targets(targets.iter().map(|target| (*target).clone()).collect());
        for _ in 0..new {
            self.events.recv_timeout(PATIENCE).expect("a new target is reported");
        }
    }

    /// The event comes, and may come once more: a burst can fall into two wake-ups.
    fn expect(&self, event: &SlowEvent) {
        self.expect_of(event, Duration::ZERO);
    }

    /// The same of a burst that took so long, which on a busy machine is more than one.
    fn expect_of(&self, event: &SlowEvent, took: Duration) {
        assert_eq!(self.events.recv_timeout(PATIENCE).as_ref(), Ok(event));
        let more: Vec<_> =
            std::iter::from_fn(|| self.events.recv_timeout(QUIET * 3).ok()).collect();
        let most = 1 + took.as_millis() / QUIET.as_millis();
        let few = more.len() as u128 <= most;
        assert!(few && more.iter().all(|e| e == event), "{more:?} in {took:?}");
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}

#[test]
fn what_appears_later_is_reported_once_per_burst() {
    let bench = Bench::new();
    let project = bench.project("p");
    let config = bench.home.path().join("c/config.yaml");
    let target = SlowTarget::project(&project, None);
    let event = target.event.clone();
    bench.set(&[&target, &SlowTarget::config(config.clone())], 2);
    let missions = project.join(".kittify/missions/m");
    fs::create_dir_all(&missions).expect("made");
    bench.expect(&event);
    write(&missions.join("mission.yaml"), "a: 1");
    bench.expect(&event);
    let began = Instant::now();
    for i in 0..50 {
        write(&project.join(".kittify/config.yaml"), &i.to_string());
        write(&project.join(".dossierignore"), &i.to_string());
    }
    bench.expect_of(&event, began.elapsed());
    fs::create_dir(bench.home.path().join("c")).expect("made");
    bench.expect(&SlowEvent::Config);
    write(&config, "x");
    bench.expect(&SlowEvent::Config);
    assert_eq!(bench.lane.unwatched(), 0);
}

#[test]
fn reading_and_neighbours_are_not_reported() {
    let bench = Bench::new();
    let project = bench.project("p");
    let config = bench.project("p/.kittify").join("config.yaml");
    let target = SlowTarget::project(&project, None);
    bench.set(&[&target], 1);
    write(&config, "x");
    bench.expect(&target.event);
    for _ in 0..10 {
        fs::read(&config).expect("read");
        write(&project.join("README.md"), "x");
        write(&project.join(".kittify/other"), "x");
    }
    assert!(bench.events.recv_timeout(QUIET * 3).is_err());
}

#[test]
fn a_target_that_is_dropped_is_silent_and_the_others_go_on() {
    let bench = Bench::new();
    let [a, b, c] = ["a", "b", "c"].map(|name| bench.project(name));
    let [ta, tb, tc] = [&a, &b, &c].map(|project| SlowTarget::project(project, None));
    bench.set(&[&ta, &tb], 2);
    write(&a.join(".dossierignore"), "x");
    bench.expect(&ta.event);
    bench.set(&[&tb, &tc], 1);
    write(&a.join(".dossierignore"), "y");
    write(&b.join(".dossierignore"), "y");
    bench.expect(&tb.event);
}

#[test]
fn a_directory_that_was_replaced_is_watched_again() {
    let bench = Bench::new();
    let project = bench.project("p");
    let dir = bench.project("p/.kittify");
    let target = SlowTarget::project(&project, None);
    bench.set(&[&target], 1);
    fs::rename(&dir, project.join("old")).expect("moved");
    fs::create_dir(&dir).expect("made");
    bench.expect(&target.event);
    write(&dir.join("config.yaml"), "y");
    bench.expect(&target.event);
}

#[test]
fn what_was_lost_concerns_everything() {
    let debounced = |event| DebouncedEvent::new(event, Instant::now());
    let create = notify::Event::new(EventKind::Create(CreateKind::File));
    let flagged = notify::Event::new(EventKind::Other).set_flag(Flag::Rescan);
    let error = notify::Error::generic("x");
    for lost in
        [Ok(vec![debounced(flagged)]), Ok(vec![debounced(create.clone())]), Err(vec![error])]
    {
        assert_eq!(Burst::from_result(lost), Some(Burst::Everything));
    }
    let path = PathBuf::from("/x");
    let some = Burst::from_result(Ok(vec![debounced(create.add_path(path.clone()))]));
    assert_eq!(some, Some(Burst::Paths(HashSet::from([path]))));
    assert_eq!(Burst::from_result(Ok(vec![])), None);
}

#[test]
fn reads_are_told_from_writes_and_losses() {
    let event = |kind| notify::Event::new(kind).add_path("/x".into());
    let read = event(EventKind::Access(AccessKind::Any));
    assert!(is_read(&Ok(read.clone())));
    assert!(!is_read(&Ok(read.set_flag(Flag::Rescan))));
    assert!(!is_read(&Ok(event(EventKind::Create(CreateKind::File)))));
    assert!(!is_read(&Err(notify::Error::generic("x"))));
}

#[test]
fn the_debouncer_rests_when_nothing_comes_and_comes_back() {
    let (sender, bursts) = unbounded();
    let mut debounce = Debounce::new(move |result: DebounceEventResult| {
        let _ = sender.send(result);
    });
    for path in ["/a", "/b"] {
        assert_eq!(debounce.rests_at(), None, "nothing was fed");
        for _ in 0..3 {
            let create = EventKind::Create(CreateKind::File);
            debounce.feed(Ok(notify::Event::new(create).add_path(path.into())));
        }
        let events = bursts.recv_timeout(PATIENCE).expect("in time").expect("no error");
        assert!(events.iter().all(|event| event.paths == [PathBuf::from(path)]), "{events:?}");
        let at = debounce.rests_at().expect("it is there");
        debounce.rest(at - Duration::from_millis(1));
        assert_eq!(debounce.rests_at(), Some(at), "not yet");
        debounce.rest(at);
    }
}

#[test]
fn ends_when_dropped() {
    let (sender, events) = unbounded();
    drop(SlowLane::new(sender).expect("started"));
    assert!(events.recv().is_err(), "the thread let go of the channel");
}
