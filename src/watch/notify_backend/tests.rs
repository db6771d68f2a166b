//! What concerns the crate's thread and its errors; `backend_tests` has the rest.

use std::time::{Duration, Instant};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

fn watching(dir: &Path) -> (Arc<DirtySet>, NotifyBackend) {
    let dirty = Arc::new(DirtySet::new());
    let backend = NotifyBackend::new(Arc::clone(&dirty)).expect("a watcher");
    backend.watch_root(dir).expect("watched");
    (dirty, backend)
}

#[test]
fn the_end_of_the_thread_is_an_overflow_and_then_an_error() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = dir.path().canonicalize().expect("there");
    let (dirty, backend) = watching(&root);
    drop(Handler {
        classifier: Classifier::new(Arc::clone(&dirty)),
        dirty: Arc::clone(&dirty),
        shared: Arc::clone(&backend.shared),
    });
    assert!(dirty.take().overflow.is_some());
    assert!(matches!(backend.watch_dir(&root), Err(WatchError::Start(_))));
}

#[test]
fn dropping_it_is_no_loss_of_events() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (dirty, backend) = watching(&dir.path().canonicalize().expect("there"));
    let shared = Arc::downgrade(&backend.shared);
    drop(backend);
    let deadline = Instant::now() + PATIENCE;
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "the thread ends");
        std::thread::yield_now();
    }
    assert_eq!(dirty.take().overflow, None);
}

#[test]
fn errors_are_sorted_by_what_to_do_about_them() {
    use notify::Error;
    let dir = Path::new("/d");
    let io = |code| Error::io(io::Error::from_raw_os_error(code));
    let kinds = [
        (Error::new(ErrorKind::MaxFilesWatch), "limit"),
        (io(28), "limit"), // ENOSPC
        (Error::new(ErrorKind::PathNotFound), "gone"),
        (io(2), "gone"),  // ENOENT
        (io(20), "gone"), // ENOTDIR
        (io(13), "io"),   // EACCES
        (Error::generic("x"), "io"),
    ];
    for (error, expected) in kinds {
        let shown = format!("{error:?}");
        let found = match watch_error(dir, error) {
            WatchError::Limit(path) if path == dir => "limit",
            WatchError::Gone(path) if path == dir => "gone",
            WatchError::Io { path, .. } if path == dir => "io",
            _ => "another",
        };
        assert_eq!(found, expected, "{shown}");
    }
    let too_many = start_error(io(24)); // EMFILE, while files can be opened
    let WatchError::InstanceLimit { advice } = too_many else { panic!("{too_many:?}") };
    assert!(advice.contains("fs.inotify.max_user_instances="), "{advice}");
    assert!(matches!(start_error(io(23)), WatchError::Start(_))); // ENFILE
}
