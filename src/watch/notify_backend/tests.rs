//! Real events of a real file system. Nothing waits for a time: a cookie fences what was
//! done before it, so what has not come by then never does.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use super::*;
use crate::watch::{Batch, CookieId, MarkKind};

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    _home: tempfile::TempDir,
    home: PathBuf,
    root: PathBuf,
    dirty: Arc<DirtySet>,
    cookies: Cookies,
    backend: NotifyBackend,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let home = dir.path().canonicalize().expect("there");
        let root = home.join("root");
        fs::create_dir(&root).expect("made");
        let dirty = Arc::new(DirtySet::new());
        let cookies = Cookies::new(home.join("ck"), "test").expect("cookies");
        let backend = NotifyBackend::with_cookies(Arc::clone(&dirty), &cookies).expect("a watcher");
        backend.watch_root(&root).expect("watched");
        Self { _home: dir, home, root, dirty, cookies, backend }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    fn watch(&self, relative: &str) {
        self.backend.watch_dir(&self.path(relative)).expect("watched");
    }

    fn write(&self, relative: &str) {
        fs::write(self.path(relative), "text").expect("written");
    }

    fn mkdir(&self, relative: &str) {
        fs::create_dir_all(self.path(relative)).expect("made");
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// Everything that happened before this call.
    fn fenced(&self) -> Batch {
        let cookie = self.cookies.issue().expect("a cookie");
        let mut all = Batch::default();
        wait_for(&self.dirty, cookie, |batch| {
            for (path, kind) in batch.marks {
                let known = all.marks.entry(path).or_default();
                known.deep |= kind.deep;
                known.ready |= kind.ready;
                known.maybe_dir |= kind.maybe_dir;
            }
            all.root_hints.extend(batch.root_hints);
            all.overflow = all.overflow.take().or(batch.overflow);
        });
        all
    }

    /// The marks of everything that happened before this call, by path below the root.
    fn marks(&self) -> BTreeMap<String, MarkKind> {
        let batch = self.fenced();
        assert_eq!(batch.overflow, None);
        let relative = |path: PathBuf| {
            let path = path.strip_prefix(&self.root).expect("below the root");
            path.to_str().expect("UTF-8").to_owned()
        };
        batch.marks.into_iter().map(|(path, kind)| (relative(path), kind)).collect()
    }

    fn expect(&self, what: &str, expected: &[(&str, MarkKind)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(path, kind)| ((*path).to_owned(), *kind)).collect();
        assert_eq!(self.marks(), expected, "{what}");
    }
}

fn wait_for(dirty: &DirtySet, cookie: CookieId, mut take: impl FnMut(Batch)) {
    await_batch(dirty, |batch| {
        let fenced = batch.barriers.contains(&cookie);
        take(batch);
        fenced
    });
}

/// Takes batches until one is the right one.
fn await_batch(dirty: &DirtySet, mut is_right: impl FnMut(Batch) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let bell = dirty.bell();
    loop {
        bell.recv_deadline(deadline).expect("it comes in time");
        if is_right(dirty.take()) {
            return;
        }
    }
}

const READY: MarkKind = MarkKind::READY;
const UNSETTLED: MarkKind = MarkKind::UNSETTLED;
const DEEP: MarkKind = MarkKind::DEEP;
const ATTRIBUTES: MarkKind = MarkKind::ATTRIBUTES;

#[test]
fn operations_become_the_right_marks() {
    let bench = Bench::new();
    bench.write("t");
    bench.expect("create, write, close", &[("t", READY)]);
    bench.write("t");
    bench.expect("overwrite", &[("t", READY)]);

    let mut open = fs::OpenOptions::new().append(true).open(bench.path("t")).expect("opened");
    std::io::Write::write_all(&mut open, b"more").expect("written");
    bench.expect("write without close", &[("t", UNSETTLED)]);
    drop(open);
    bench.expect("close", &[("t", READY)]);

    bench.write("tmp");
    bench.rename("tmp", "t");
    bench.expect("atomic replace", &[("t", DEEP), ("tmp", DEEP)]);
    bench.rename("t", "u");
    bench.expect("rename", &[("t", DEEP), ("u", DEEP)]);

    fs::hard_link(bench.path("u"), bench.path("link")).expect("linked");
    let linked = bench.marks();
    assert!(linked.contains_key("link"), "{linked:?}");
    fs::remove_file(bench.path("u")).expect("removed");
    assert_eq!(bench.marks().get("u"), Some(&READY));

    let read_only = fs::Permissions::from_mode(0o400);
    fs::set_permissions(bench.path("link"), read_only).expect("set");
    bench.expect("chmod of a file", &[("link", ATTRIBUTES)]);
    fs::rename(bench.path("link"), bench.home.join("out")).expect("moved out");
    bench.expect("moved out", &[("link", DEEP)]);
    fs::rename(bench.home.join("out"), bench.path("in")).expect("moved in");
    bench.expect("moved in", &[("in", DEEP)]);

    symlink("in", bench.path("s")).expect("linked");
    bench.expect("symlink", &[("s", UNSETTLED)]);
    fs::remove_file(bench.path("s")).expect("removed");
    symlink("elsewhere", bench.path("s")).expect("linked");
    bench.expect("symlink retargeted", &[("s", READY)]);
}

#[test]
fn directories_become_deep_marks() {
    let bench = Bench::new();
    bench.mkdir("d");
    bench.expect("mkdir", &[("d", DEEP)]);
    bench.watch("d");
    let marks_of_d = |what: &str| {
        let marks = bench.marks();
        *marks.get("d").unwrap_or_else(|| panic!("{what}: {marks:?}"))
    };
    fs::set_permissions(bench.path("d"), fs::Permissions::from_mode(0o700)).expect("set");
    assert!(marks_of_d("chmod").maybe_dir);
    fs::remove_dir(bench.path("d")).expect("removed");
    assert!(marks_of_d("rmdir").ready);
    bench.write("d");
    assert!(marks_of_d("a file in its place").ready);
}

#[test]
fn files_in_new_directories_are_found_by_watching_then_listing() {
    let bench = Bench::new();
    bench.mkdir("a/b/c");
    bench.write("a/b/c/f");
    let marks = bench.marks();
    assert_eq!(marks.get("a"), Some(&DEEP), "the one thing that is told: {marks:?}");
    for dir in ["a", "a/b", "a/b/c"] {
        bench.watch(dir);
    }
    bench.write("a/b/c/f");
    bench.expect("from now on", &[("a/b/c/f", READY)]);
    assert_eq!(bench.backend.watched_below(&bench.path("a")), 3);
    assert_eq!(bench.backend.watched_below(&bench.root), 4);
}

#[test]
fn a_renamed_directory_reports_under_its_new_name_once_visited() {
    let bench = Bench::new();
    bench.mkdir("p");
    bench.watch("p");
    bench.marks();
    bench.rename("p", "q");
    bench.write("q/f");
    let marks = bench.marks();
    assert_eq!((marks.get("p"), marks.get("q")), (Some(&DEEP), Some(&DEEP)), "{marks:?}");
    bench.watch("q");
    bench.write("q/g");
    bench.expect("after the visit", &[("q/g", READY)]);
    assert_eq!(bench.backend.watched_below(&bench.path("p")), 0);
    assert_eq!(bench.backend.watched_below(&bench.path("q")), 1);
}

#[test]
fn a_directory_made_anew_or_swapped_is_watched_by_its_next_visit() {
    let bench = Bench::new();
    for dir in ["x", "y"] {
        bench.mkdir(dir);
        bench.watch(dir);
    }
    for round in 0..50 {
        fs::remove_dir_all(bench.path("x")).expect("removed");
        bench.mkdir("x");
        bench.rename("x", "z");
        bench.rename("y", "x");
        bench.rename("z", "y");
        // Visits as a scan makes them: of what was marked deep, until there is no more.
        loop {
            let marks = bench.marks();
            let deep = |dir: &&str| marks.get(*dir).is_some_and(|kind| kind.deep);
            let visit: Vec<&str> = ["x", "y"].into_iter().filter(deep).collect();
            if visit.is_empty() {
                break;
            }
            visit.iter().for_each(|dir| bench.watch(dir));
        }
        bench.write("x/f");
        bench.write("y/f");
        bench.expect(&format!("round {round}"), &[("x/f", READY), ("y/f", READY)]);
        for file in ["x/f", "y/f"] {
            fs::remove_file(bench.path(file)).expect("removed");
        }
        bench.marks();
    }
}

#[test]
fn reading_makes_no_mark() {
    let bench = Bench::new();
    (0..200).for_each(|i| bench.write(&format!("f{i}")));
    bench.marks();
    for i in 0..200 {
        fs::read(bench.path(&format!("f{i}"))).expect("read");
    }
    fs::read_dir(&bench.root).expect("listed").for_each(drop);
    bench.expect("reads", &[]);
}

#[test]
fn a_root_that_is_moved_or_removed_is_hinted_at() {
    let bench = Bench::new();
    let moved = bench.home.join("moved");
    fs::rename(&bench.root, &moved).expect("moved");
    assert!(bench.fenced().root_hints.contains(&bench.root));
    fs::create_dir(&bench.root).expect("made again");
    bench.backend.unwatch_tree(&bench.root);
    bench.backend.watch_root(&bench.root).expect("watched");
    bench.fenced();
    bench.write("f");
    bench.expect("the new root", &[("f", READY)]);
    fs::remove_dir_all(&bench.root).expect("removed");
    assert!(bench.fenced().root_hints.contains(&bench.root));
    assert_eq!(bench.backend.watched_below(&bench.root), 0);
}

#[test]
fn what_is_no_plain_directory_is_gone() {
    let bench = Bench::new();
    bench.write("file");
    bench.mkdir("real/sub");
    symlink("real", bench.path("link")).expect("linked");
    for gone in ["missing", "file", "link", "link/sub"] {
        let outcome = bench.backend.watch_dir(&bench.path(gone));
        assert!(matches!(&outcome, Err(WatchError::Gone(path)) if *path == bench.path(gone)));
    }
    bench.watch("real");
    bench.marks();
    // The watch of the target does not depend on any link to it.
    fs::remove_file(bench.path("link")).expect("removed");
    symlink("elsewhere", bench.path("link")).expect("linked");
    bench.write("real/f");
    assert_eq!(bench.marks().get("real/f"), Some(&READY));
}

#[test]
fn a_directory_that_may_not_be_read_is_an_error_of_its_own() {
    let bench = Bench::new();
    bench.mkdir("secret");
    fs::set_permissions(bench.path("secret"), fs::Permissions::from_mode(0o000)).expect("set");
    if fs::read_dir(bench.path("secret")).is_ok() {
        eprintln!("SKIP: permissions do not bind this process");
        return;
    }
    let outcome = bench.backend.watch_dir(&bench.path("secret"));
    assert!(matches!(outcome, Err(WatchError::Io { .. })), "{outcome:?}");
}

#[test]
fn nothing_is_reported_of_a_tree_that_is_unwatched() {
    let bench = Bench::new();
    bench.mkdir("a");
    bench.watch("a");
    bench.marks();
    bench.backend.unwatch_tree(&bench.root);
    assert_eq!(bench.backend.watched_below(&bench.root), 0);
    bench.write("f");
    bench.write("a/f");
    bench.expect("unwatched", &[]);
}

#[test]
fn cookies_go_on_after_their_directory_was_removed() {
    let bench = Bench::new();
    for round in 0..20 {
        fs::remove_dir_all(bench.cookies.dir()).expect("removed");
        assert!(bench.cookies.issue().is_err());
        // Too early perhaps: the watch may still be taken for that of the old directory.
        bench.cookies.rearm(&bench.backend).expect("armed");
        await_batch(&bench.dirty, |batch| batch.cookies_lost);
        bench.cookies.rearm(&bench.backend).expect("armed");
        bench.write("f");
        assert!(bench.marks().contains_key("f"), "round {round}");
    }
}

#[test]
fn a_root_that_was_removed_and_made_again_is_watched_after_its_deep_visit() {
    let bench = Bench::new();
    for round in 0..20 {
        fs::remove_dir_all(&bench.root).expect("removed");
        fs::create_dir(&bench.root).expect("made again");
        // Too early perhaps, as above.
        bench.watch("");
        await_batch(&bench.dirty, |batch| {
            batch.root_hints.contains(&bench.root)
                && batch.marks.get(&bench.root).is_some_and(|kind| kind.deep)
        });
        bench.watch("");
        bench.fenced();
        bench.write("f");
        bench.expect(&format!("round {round}"), &[("f", READY)]);
    }
}

#[test]
fn a_write_before_a_cookie_is_marked_before_its_barrier() {
    let bench = Bench::new();
    let storm = bench.home.join("storm");
    fs::create_dir(&storm).expect("made");
    bench.backend.watch_dir(&storm).expect("watched");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (storm, stop) = (&storm, &stop);
            scope.spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    let file = storm.join(format!("{writer}-{}", i % 50));
                    fs::write(file, i.to_string()).expect("written");
                    i += 1;
                }
            });
        }
        let rounds = || {
            let mut lost = 0;
            for round in 0..500 {
                let name = format!("f{round}");
                bench.write(&name);
                let batch = bench.fenced();
                let marked = batch.marks.contains_key(&bench.path(&name));
                assert!(marked || batch.overflow.is_some(), "round {round}");
                lost += usize::from(batch.overflow.is_some());
            }
            lost
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rounds));
        stop.store(true, Ordering::Relaxed);
        let lost = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(lost < 500, "an overflow in every round proves nothing");
    });
}

#[test]
fn the_end_of_the_thread_is_an_overflow_and_then_an_error() {
    let bench = Bench::new();
    bench.fenced();
    drop(Handler {
        classifier: Classifier::new(Arc::clone(&bench.dirty)),
        dirty: Arc::clone(&bench.dirty),
        shared: Arc::clone(&bench.backend.shared),
    });
    assert!(bench.dirty.take().overflow.is_some());
    assert!(matches!(bench.backend.watch_dir(&bench.root), Err(WatchError::Start(_))));
}

#[test]
fn dropping_it_is_no_loss_of_events() {
    let bench = Bench::new();
    bench.fenced();
    let shared = Arc::downgrade(&bench.backend.shared);
    let dirty = Arc::clone(&bench.dirty);
    drop(bench);
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

/// Runs one test of this binary again, in a user namespace with a limit of its own, which
/// touches no limit of the machine. False if the system does not allow that.
fn again_with_limit(test: &str, key: &str, value: u32) -> bool {
    let binary = std::env::current_exe().expect("this binary");
    let script = format!("echo {value} > /proc/sys/user/{key} || exit 99; exec \"$@\"");
    let output = std::process::Command::new("unshare")
        .args(["-Ur", "sh", "-c", &script, "sh"])
        .arg(binary)
        .args(["--exact", &format!("{}::{test}", module_path!().replacen("dossierd::", "", 1))])
        .arg("--nocapture")
        .env("DOSSIERD_TEST_LIMITED", "1")
        .output();
    match output {
        Ok(output) if output.status.code() == Some(99) => false,
        Ok(output) if output.stdout.starts_with(b"\nrunning") => {
            let shown = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{shown}{errors}");
            assert!(shown.contains("1 passed"), "{shown}");
            true
        }
        _ => false,
    }
}

fn is_limited() -> bool {
    std::env::var_os("DOSSIERD_TEST_LIMITED").is_some()
}

#[test]
fn at_the_limit_of_watches_those_there_are_go_on() {
    if !is_limited() {
        let name = "at_the_limit_of_watches_those_there_are_go_on";
        if !again_with_limit(name, "max_inotify_watches", 5) {
            eprintln!("SKIP: no user namespace, or no limits of its own in it");
        }
        return;
    }
    let bench = Bench::new();
    let dirs: Vec<String> = (0..10).map(|i| format!("d{i}")).collect();
    dirs.iter().for_each(|dir| bench.mkdir(dir));
    bench.fenced();
    let outcomes: Vec<_> =
        dirs.iter().map(|dir| bench.backend.watch_dir(&bench.path(dir))).collect();
    // Two are taken: the root and the directory of cookies.
    for (i, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert!(i < 3, "{i}"),
            Err(WatchError::Limit(path)) => assert!(i >= 3 && *path == bench.path(&dirs[i])),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(bench.backend.watched_below(&bench.root), 4);
    bench.write("d0/f");
    bench.write("d9/f");
    bench.expect("what is watched", &[("d0/f", READY)]);
    fs::remove_dir_all(bench.path("d0")).expect("removed");
    bench.fenced();
    bench.watch("d9");
}

#[test]
fn without_an_instance_the_error_says_what_to_do() {
    if !is_limited() {
        let name = "without_an_instance_the_error_says_what_to_do";
        if !again_with_limit(name, "max_inotify_instances", 0) {
            eprintln!("SKIP: no user namespace, or no limits of its own in it");
        }
        return;
    }
    let dirty = Arc::new(DirtySet::new());
    let outcome = NotifyBackend::new(Arc::clone(&dirty));
    assert!(matches!(outcome, Err(WatchError::InstanceLimit { .. })), "{outcome:?}");
    assert!(dirty.take().is_empty());
    let (sender, _events) = crossbeam_channel::unbounded();
    let slow = crate::watch::SlowLane::new(sender);
    assert!(matches!(slow, Err(WatchError::InstanceLimit { .. })), "{slow:?}");
}
