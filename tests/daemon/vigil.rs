//! A host under a service manager, with a part that does not answer: the manager gets no sign
//! of life as long as that is so, and hears which part it is.

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use dossierd::daemon::Ending;
use dossierd::daemon::config::{ConfigSource, Origin, Overrides};
use dossierd::host::{Host, HostConfig, Started};
use dossierd::platform::supervisor::Supervisor;
use dossierd::watch::{Coverage, DirWatcher, DirtySet, WatchBackend, WatchError};

use crate::kit::{Bench, DEADLINE, wait_until};

/// The manager's watchdog; each part has to answer within a quarter of it.
const WATCHDOG: Duration = Duration::from_millis(800);

/// Watches nothing. Can hold the loop, and can say that it is dead.
#[derive(Default)]
struct Trap {
    holds: Mutex<bool>,
    is_inside: AtomicBool,
    released: Condvar,
    is_dead: AtomicBool,
    dirty: Mutex<Option<Arc<DirtySet>>>,
}

impl Trap {
    fn hold(&self, holds: bool) {
        *self.holds.lock().expect("whole") = holds;
        self.released.notify_all();
        if holds {
            let dirty = self.dirty.lock().expect("whole").clone();
            dirty.expect("was started").push_overflow("a test");
            wait_until("the loop is held", || self.is_inside.load(Ordering::SeqCst));
        }
    }
}

impl DirWatcher for Trap {
    fn watch_dir(&self, _: &Path) -> Result<(), WatchError> {
        Ok(())
    }
}

impl WatchBackend for Trap {
    /// Called by the loop, which waits here.
    fn watch_root(&self, _: &Path) -> Result<(), WatchError> {
        let mut holds = self.holds.lock().expect("whole");
        while *holds {
            self.is_inside.store(true, Ordering::SeqCst);
            holds = self.released.wait(holds).expect("whole");
        }
        Ok(())
    }

    fn unwatch_tree(&self, _: &Path) {}

    fn watched_below(&self, _: &Path) -> usize {
        0
    }

    fn coverage(&self) -> Coverage {
        Coverage::None
    }

    fn is_alive(&self) -> bool {
        !self.is_dead.load(Ordering::SeqCst)
    }
}

/// What listens as a service manager does.
struct Manager(UnixDatagram);

impl Manager {
    /// The next message; `None` if nothing comes within `limit`.
    fn next(&self, limit: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(limit)).expect("is set");
        let mut buffer = [0; 1024];
        let length = self.0.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    #[track_caller]
    fn wait_for(&self, wanted: &str) {
        while let Some(message) = self.next(DEADLINE) {
            if message == wanted {
                return;
            }
        }
        panic!("not within {DEADLINE:?}: {wanted}");
    }
}

fn host() -> (Bench, Host, Arc<Trap>, Manager) {
    let mut bench = Bench::new();
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    bench.stop();
    let address = bench.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&address).expect("binds"));
    let trap = Arc::new(Trap::default());
    let supervisor = Supervisor {
        notify_socket: Some(OsString::from(address)),
        watchdog: Some(WATCHDOG),
        ..Supervisor::default()
    };
    let overrides = Overrides {
        listen: Some((([127, 0, 0, 1], 0).into(), Origin::Default)),
        ..Overrides::default()
    };
    let source = ConfigSource { overrides, ..ConfigSource::of_file(&bench.home().config_file()) };
    let config = HostConfig { source, supervisor, ..HostConfig::default() };
    let inside = Arc::clone(&trap);
    let mut host = Host::start_with(&bench.home(), config, |setup| {
        setup.backend = Box::new(move |dirty: &Arc<DirtySet>, _: Option<&_>| {
            *inside.dirty.lock().expect("whole") = Some(Arc::clone(dirty));
            Ok(inside as Arc<dyn WatchBackend>)
        });
    })
    .expect("starts");
    assert_eq!(host.wait_until_ready(std::future::pending()), Started::Ready);
    manager.wait_for("READY=1");
    manager.wait_for("WATCHDOG=1");
    (bench, host, trap, manager)
}

/// Soon there is no sign of life for longer than the manager would wait, and the last word says
/// which part is the reason.
#[track_caller]
fn falls_silent(manager: &Manager, part: &str) {
    let (deadline, mut last) = (Instant::now() + DEADLINE, String::new());
    while let Some(message) = manager.next(WATCHDOG * 2) {
        assert!(Instant::now() < deadline, "a sign of life without life: {message}");
        last = message;
    }
    assert_eq!(last, format!("STATUS={part} does not answer"));
}

#[test]
fn a_loop_that_is_stuck_gives_no_sign_of_life_until_it_goes_on() {
    let (_bench, host, trap, manager) = host();
    trap.hold(true);
    falls_silent(&manager, "the loop");
    trap.hold(false);
    manager.wait_for("WATCHDOG=1");
    assert_eq!(host.stop(), Ending::Stopped);
    manager.wait_for("STOPPING=1\nSTATUS=stopping");
}

#[test]
fn a_watcher_that_is_dead_gives_no_sign_of_life() {
    let (_bench, host, trap, manager) = host();
    trap.is_dead.store(true, Ordering::SeqCst);
    falls_silent(&manager, "the watcher of files");
    assert_eq!(host.stop(), Ending::Stopped);
}

#[test]
fn a_reload_is_told_with_its_time_and_its_end() {
    let (_bench, host, _trap, manager) = host();
    host.manager().reloading();
    host.manager().ready();
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("READY=1") {
        heard.push(manager.next(DEADLINE).expect("a message"));
    }
    let reloading = heard.iter().any(|m| m.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(reloading, "{heard:?}");
    assert_eq!(host.stop(), Ending::Stopped);
}
