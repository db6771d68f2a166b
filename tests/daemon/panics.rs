//! What never happens, made to happen by a watcher that panics or never returns: the daemon
//! ends and says why, it comes back whole, and nothing keeps it from stopping.

use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use dossierd::daemon::{Daemon, Ending, Setup};
use dossierd::watch::{Coverage, DirWatcher, DirtySet, WatchBackend, WatchError};

use crate::kit::{Bench, DEADLINE, wait_until};

const FINE: u8 = 0;
const PANICS: u8 = 1;
const STUCK: u8 = 2;
const PANICS_IN_LOOP: u8 = 3;

/// Watches nothing, and does to the worker that asks what it is told to do.
#[derive(Default)]
struct Trap {
    does: AtomicU8,
    held: Mutex<bool>,
    released: Condvar,
    dirty: Mutex<Option<Arc<DirtySet>>>,
}

impl Trap {
    fn setup(self: &Arc<Self>) -> Setup {
        let trap = Arc::clone(self);
        let backend = move |dirty: &Arc<DirtySet>, _: Option<&_>| {
            *trap.dirty.lock().expect("whole") = Some(Arc::clone(dirty));
            Ok(trap as Arc<dyn WatchBackend>)
        };
        Setup { backend: Box::new(backend), ..Setup::default() }
    }

    fn dirty(&self) -> Arc<DirtySet> {
        self.dirty.lock().expect("whole").clone().expect("was started")
    }

    /// From now on whoever scans is trapped; everything is scanned again.
    fn spring(&self, does: u8) {
        self.does.store(does, Ordering::SeqCst);
        self.dirty().push_overflow("a test");
    }

    fn is_held(&self) -> bool {
        *self.held.lock().expect("whole")
    }
}

impl DirWatcher for Trap {
    fn watch_dir(&self, _: &Path) -> Result<(), WatchError> {
        let is_worker =
            std::thread::current().name().is_some_and(|name| name.starts_with("worker"));
        match self.does.load(Ordering::SeqCst) {
            _ if !is_worker => {}
            PANICS => panic!("the trap was sprung"),
            STUCK => {
                let mut held = self.held.lock().expect("whole");
                *held = true;
                while *held {
                    held = self.released.wait(held).expect("whole");
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl WatchBackend for Trap {
    fn watch_root(&self, _: &Path) -> Result<(), WatchError> {
        assert_ne!(self.does.load(Ordering::SeqCst), PANICS_IN_LOOP, "the trap was sprung");
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

/// A daemon with one registered feature, and a trap that is not sprung yet.
fn daemon() -> (Bench, Daemon, Arc<Trap>) {
    let mut bench = Bench::new();
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    bench.stop();
    let trap = Arc::new(Trap { does: AtomicU8::new(FINE), ..Trap::default() });
    let home = bench.home();
    let daemon = Daemon::start_with(&home, &home.config_file(), trap.setup()).expect("starts");
    daemon.ready().recv_timeout(DEADLINE).expect("is ready");
    (bench, daemon, trap)
}

/// The daemon has ended by itself for this reason, soon, and starts again as if nothing
/// had been.
#[track_caller]
fn ends_and_comes_back(mut bench: Bench, daemon: Daemon, why: &str) {
    let began = Instant::now();
    wait_until("it ends by itself", || {
        let ended = daemon.ended().try_recv();
        ended == Err(crossbeam_channel::TryRecvError::Disconnected)
    });
    let Ending::Failed(message) = daemon.stop() else { panic!("it ended without saying why") };
    assert!(message.contains(why), "{message}");
    assert!(began.elapsed() < Duration::from_secs(8), "it waited: {:?}", began.elapsed());
    bench.start();
    bench.write("001-a/spec.md", "# After\n");
    assert_eq!(bench.fresh("001-a").slug, "001-a");
    assert!(!bench.events("001-a").is_empty(), "the log is whole, and grows");
}

#[test]
fn a_panic_in_a_worker_ends_the_daemon() {
    let (bench, daemon, trap) = daemon();
    trap.spring(PANICS);
    ends_and_comes_back(bench, daemon, "a worker panicked: the trap was sprung");
}

#[test]
fn a_panic_in_the_loop_ends_the_daemon() {
    let (bench, daemon, trap) = daemon();
    trap.spring(PANICS_IN_LOOP);
    ends_and_comes_back(bench, daemon, "the loop panicked");
}

#[test]
fn a_panic_of_the_watcher_ends_the_daemon() {
    let (bench, daemon, trap) = daemon();
    trap.dirty().push_panic("the thread that reads file events");
    ends_and_comes_back(bench, daemon, "the thread that reads file events panicked");
}

#[test]
fn a_disk_that_never_answers_does_not_keep_it_from_stopping() {
    let (_bench, daemon, trap) = daemon();
    trap.spring(STUCK);
    wait_until("a worker is stuck", || trap.is_held());
    let began = Instant::now();
    assert_eq!(daemon.stop(), Ending::Stopped);
    assert!(began.elapsed() < Duration::from_secs(14), "it took {:?}", began.elapsed());
    trap.does.store(FINE, Ordering::SeqCst);
    *trap.held.lock().expect("whole") = false;
    trap.released.notify_all();
}
