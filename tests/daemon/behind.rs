//! Work that does not end, such as reading a disk that does not answer: what waits for it is
//! said to wait, and everything else goes on.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use dossierd::daemon::Setup;
use dossierd::daemon::view::WatchState;
use dossierd::watch::{Coverage, DirWatcher, DirtySet, MarkKind, WatchBackend, WatchError};

use crate::kit::{Bench, wait_until};

/// Watches nothing; who comes to a directory `held` has to wait.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
    /// How many wait there now.
    held: AtomicUsize,
    dirty: Mutex<Option<Arc<DirtySet>>>,
}

impl Gate {
    fn setup(self: &Arc<Self>) -> Setup {
        let gate = Arc::clone(self);
        let backend = move |dirty: &Arc<DirtySet>, _: Option<&_>| {
            *gate.dirty.lock().expect("whole") = Some(Arc::clone(dirty));
            Ok(gate as Arc<dyn WatchBackend>)
        };
        let patience = Duration::from_millis(1);
        Setup { backend: Box::new(backend), patience, ..Setup::default() }
    }

    fn set_closed(&self, is_closed: bool) {
        *self.is_closed.lock().expect("whole") = is_closed;
        self.opened.notify_all();
    }

    /// As a watcher would tell of it.
    fn tell(&self, path: &Path) {
        let dirty = self.dirty.lock().expect("whole").clone().expect("was started");
        dirty.push(path.to_path_buf(), MarkKind::DEEP);
    }
}

impl DirWatcher for Gate {
    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        if dir.ends_with("held") {
            let mut is_closed = self.is_closed.lock().expect("whole");
            self.held.fetch_add(1, Ordering::SeqCst);
            while *is_closed {
                is_closed = self.opened.wait(is_closed).expect("whole");
            }
            self.held.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl WatchBackend for Gate {
    fn watch_root(&self, _: &Path) -> Result<(), WatchError> {
        Ok(())
    }

    fn unwatch_tree(&self, _: &Path) {}

    fn watched_below(&self, _: &Path) -> usize {
        0
    }

    fn coverage(&self) -> Coverage {
        Coverage::None
    }
}

#[test]
fn features_that_wait_say_so_and_hold_nobody_up() {
    let mut bench = Bench::stopped();
    // More than the workers of any machine.
    let slugs: Vec<String> = (0..10).map(|number| format!("{number:03}-held")).collect();
    slugs.iter().for_each(|slug| bench.planned_feature(slug));
    bench.planned_feature("020-free");
    let gate = Arc::new(Gate::default());
    bench.start_with(gate.setup());
    bench.register(&bench.project());
    assert!(slugs.iter().all(|slug| bench.view(slug).watch == WatchState::Live));

    gate.set_closed(true);
    let specs = bench.project().join("kitty-specs");
    for slug in &slugs {
        bench.write(&format!("{slug}/held/notes.md"), "# Never read\n");
        gate.tell(&specs.join(slug).join("held"));
    }
    wait_until("they say that they are behind", || {
        slugs.iter().all(|slug| match &bench.view(slug).watch {
            WatchState::Rescanning { reason } => reason.contains("waiting to be read"),
            _ => false,
        })
    });
    let before = bench.view("020-free").generation;
    bench.write("020-free/spec.md", "# Read at once\n");
    gate.tell(&specs.join("020-free/spec.md"));
    wait_until("another feature is read", || bench.view("020-free").generation > before);

    gate.set_closed(false);
    wait_until("all are there", || {
        slugs.iter().all(|slug| bench.view(slug).watch == WatchState::Live)
    });
    bench.stop();
}

#[test]
fn features_that_were_dropped_hold_nobody_up_either() {
    let mut bench = Bench::stopped();
    (0..10).for_each(|number| bench.planned_feature(&format!("{number:03}-held")));
    let other = bench.path().join("other");
    std::fs::create_dir_all(other.join(".kittify")).expect("made");
    let gate = Arc::new(Gate::default());
    bench.start_with(gate.setup());
    let root = bench.register(&bench.project())[0].root_id.clone();
    gate.set_closed(true);
    let specs = bench.project().join("kitty-specs");
    for number in 0..10 {
        let held = specs.join(format!("{number:03}-held/held"));
        std::fs::create_dir_all(&held).expect("made");
        gate.tell(&held);
    }
    wait_until("workers are held", || gate.held.load(Ordering::SeqCst) >= 2);
    bench.runtime.block_on(bench.handle().unregister(root)).expect("is dropped");
    crate::kit::write(&other.join("kitty-specs/100-next/spec.md"), "# Next\n");
    assert_eq!(bench.register(&other).len(), 1, "it is scanned although all workers are held");
    gate.set_closed(false);
    bench.stop();
}

#[test]
fn only_first_scans_are_a_sign_of_a_start_that_goes_on() {
    let mut bench = Bench::stopped();
    bench.planned_feature("020-free");
    let gate = Arc::new(Gate::default());
    bench.start_with(gate.setup());
    bench.register(&bench.project());
    let signs = bench.signs();

    gate.set_closed(true);
    bench.planned_feature("000-held");
    bench.write("000-held/held/notes.md", "# Never read\n");
    let specs = bench.project().join("kitty-specs");
    gate.tell(&specs);
    wait_until("a first scan is held", || gate.held.load(Ordering::SeqCst) == 1);
    let stuck = signs.beat();
    let before = bench.view("020-free").generation;
    bench.write("020-free/spec.md", "# Read again\n");
    gate.tell(&specs.join("020-free/spec.md"));
    wait_until("another feature is read", || bench.view("020-free").generation > before);
    assert_eq!(signs.beat(), stuck, "what is scanned again is no sign");

    gate.set_closed(false);
    wait_until("it goes on", || bench.handle().view().pending.is_empty());
    assert!(signs.beat() > stuck, "a first scan is one");
    bench.stop();
}
