//! Entries that must never be opened, followed or believed.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::beneath::Links;
use super::super::{FeatureDir, Limits, OpenFault, RootFault, Touched};
use super::*;

/// The kernel's answer and the walking one, which must be the same.
fn opened(dir: &FeatureDir, name: &str) -> Result<Vec<u8>, OpenFault> {
    let read = |opened: Result<super::super::OpenedFile, OpenFault>| {
        opened.map(|opened| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut &opened.file, &mut bytes).expect("read");
            bytes
        })
    };
    let by_kernel = read(dir.open_file(&path(name)));
    let by_walking = read(dir.open_by_walking(&path(name), Links::Follow));
    assert_eq!(by_kernel, by_walking, "{name}");
    by_kernel
}

#[test]
fn every_kind_of_link() {
    let mut kit = Kit::new();
    fs::write(kit.outside.path().join("secret"), "secret").expect("written");
    fs::create_dir(kit.outside.path().join("001-feature-2")).expect("created");
    fs::write(kit.outside.path().join("001-feature-2/f"), "secret").expect("written");
    kit.write("d/real.md", "real");
    kit.write(".hidden/h.md", "hidden");
    let absolute = kit.at("d/real.md");
    let sibling = kit.outside.path().join("001-feature-2/f");
    for (target, name) in [
        ("d/real.md", "inside"),
        ("d/../d/./real.md", "d2/../inside-dotted"),
        ("../d/real.md", "e/up-and-down"),
        ("inside", "chain"),
        (".hidden/h.md", "to-hidden"),
        ("../secret", "outside"),
        ("/etc/passwd", "absolute"),
        ("/proc/self/exe", "magic"),
        ("d/../../001-feature/d/real.md", "out-and-back"),
        ("../../001-feature/d/real.md", "e/up-out-and-back"),
        ("../001-feature/../001-feature/inside", "twice-out-and-back"),
        ("up/001-feature/d/real.md", "out-through-a-link-and-back"),
        ("..", "up"),
        ("../001-feature", "out-and-back-to-root"),
        ("../001-feature/nothing", "out-and-back-to-nothing"),
        ("../001-feature/d/real.md/", "out-and-back-to-file-as-directory"),
        ("../001-feature/out-loop", "out-loop"),
        ("../001-feature/pipe", "out-and-back-to-fifo"),
        ("../001-feature/../secret", "back-and-out"),
        ("../001-feature-2/f", "up-to-sibling-with-same-prefix"),
        ("../alias/d/real.md", "through-another-name"),
        ("../001-feature-2/../001-feature/d/real.md", "through-a-sibling"),
        ("nothing", "dangling"),
        ("d/real.md/x", "below-a-file"),
        ("d/real.md/", "file-as-directory"),
        ("self", "self"),
        ("loop-b", "loop-a"),
        ("loop-a", "loop-b"),
        ("d", "to-directory"),
        (".", "to-root"),
        ("to-directory/real.md", "through-directory-link"),
        ("pipe", "to-fifo"),
    ] {
        fs::create_dir_all(kit.at("d2")).expect("created");
        kit.link(target, name);
    }
    kit.link("../001-feature", "../alias");
    kit.link(&absolute, "absolute-inside");
    kit.link(kit.root.join("../001-feature/d/real.md"), "absolute-out-and-back");
    // A link that climbs to `/` and beyond comes back as an absolute one does.
    let from_above =
        Path::new("../".repeat(60).as_str()).join(absolute.strip_prefix("/").expect("absolute"));
    kit.link(from_above, "up-to-the-top-and-back");
    kit.link(&sibling, "to-sibling-with-same-prefix");
    mkfifo(&kit.at("pipe"));
    kit.full();
    let real = text("real");
    let unreadable = |target: &str, detail: &str| format!("{} unreadable {detail} ", target.len());
    let leaves = "symbolic link leaves the feature";
    let dangling = "dangling symbolic link";
    let dir = FeatureDir::open(&kit.root).expect("opens");
    for (name, row, fault) in [
        ("inside", real.clone(), None),
        ("inside-dotted", real.clone(), None),
        ("e/up-and-down", real.clone(), None),
        ("chain", real.clone(), None),
        ("through-directory-link", real.clone(), None),
        ("absolute-inside", real.clone(), None),
        ("absolute-out-and-back", real.clone(), None),
        ("out-and-back", real.clone(), None),
        ("e/up-out-and-back", real.clone(), None),
        ("twice-out-and-back", real.clone(), None),
        ("out-through-a-link-and-back", real.clone(), None),
        ("up-to-the-top-and-back", real, None),
        ("to-hidden", text("hidden"), None),
        ("outside", unreadable("../secret", leaves), Some(OpenFault::Escapes)),
        ("absolute", unreadable("/etc/passwd", leaves), Some(OpenFault::Escapes)),
        ("magic", unreadable("/proc/self/exe", leaves), Some(OpenFault::Escapes)),
        ("up", unreadable("..", leaves), Some(OpenFault::Escapes)),
        (
            "out-and-back-to-nothing",
            unreadable("../001-feature/nothing", dangling),
            Some(OpenFault::Gone),
        ),
        (
            "out-and-back-to-file-as-directory",
            unreadable("../001-feature/d/real.md/", dangling),
            Some(OpenFault::Gone),
        ),
        (
            "out-loop",
            unreadable("../001-feature/out-loop", "symbolic links form a loop"),
            Some(OpenFault::Loop),
        ),
        (
            "out-and-back-to-fifo",
            unreadable("../001-feature/pipe", "special file: fifo"),
            Some(OpenFault::Special(super::super::FileKind::Fifo)),
        ),
        ("back-and-out", unreadable("../001-feature/../secret", leaves), Some(OpenFault::Escapes)),
        (
            "up-to-sibling-with-same-prefix",
            unreadable("../001-feature-2/f", leaves),
            Some(OpenFault::Escapes),
        ),
        (
            "through-another-name",
            unreadable("../alias/d/real.md", leaves),
            Some(OpenFault::Escapes),
        ),
        (
            "through-a-sibling",
            unreadable("../001-feature-2/../001-feature/d/real.md", leaves),
            Some(OpenFault::Escapes),
        ),
        (
            "to-sibling-with-same-prefix",
            unreadable(sibling.to_str().expect("UTF-8"), leaves),
            Some(OpenFault::Escapes),
        ),
        ("dangling", unreadable("nothing", dangling), Some(OpenFault::Gone)),
        ("below-a-file", unreadable("d/real.md/x", dangling), Some(OpenFault::Gone)),
        ("file-as-directory", unreadable("d/real.md/", dangling), Some(OpenFault::Gone)),
        ("self", unreadable("self", "symbolic links form a loop"), Some(OpenFault::Loop)),
        ("loop-a", unreadable("loop-b", "symbolic links form a loop"), Some(OpenFault::Loop)),
        (
            "to-fifo",
            unreadable("pipe", "special file: fifo"),
            Some(OpenFault::Special(super::super::FileKind::Fifo)),
        ),
    ] {
        assert_eq!(kit.row(name), row, "{name}");
        assert_eq!(opened(&dir, name).err(), fault, "{name}");
        // What was listed as a regular file is not read through a link.
        for refused in [
            dir.open_with(&path(name), Links::Refuse),
            dir.open_by_walking(&path(name), Links::Refuse),
        ] {
            assert_eq!(refused.err(), Some(OpenFault::Loop), "{name}");
        }
    }
    for name in ["to-directory", "to-root", "out-and-back-to-root"] {
        assert_eq!(kit.ignored().get(name), Some(&IgnoredBy::SymlinkedDirectory), "{name}");
        assert_eq!(kit.row(name), "no row");
    }
    // What lies in a directory that is not indexed is watched for the link's sake.
    let hidden = kit.at(".hidden");
    assert!(kit.watcher.asked.lock().expect("not poisoned").contains(&hidden));
    kit.write(".hidden/h.md", "hidden, changed");
    kit.touch(&[".hidden/h.md"]);
    assert_eq!(kit.row("to-hidden"), text("hidden, changed"));
}

#[test]
fn a_link_out_and_back_is_brought_up_to_date_like_any_other() {
    let mut kit = Kit::new();
    kit.write("spec.md", "one");
    kit.link("../001-feature/spec.md", "x.md");
    kit.link("../001-feature/.hidden/h.md", "y.md");
    kit.full();
    assert_eq!(kit.row("x.md"), text("one"));
    kit.write("spec.md", "another");
    kit.write(".hidden/h.md", "hidden");
    kit.touch(&["spec.md", ".hidden"]);
    assert_eq!((kit.row("x.md"), kit.row("y.md")), (text("another"), text("hidden")));
    kit.check_against_fresh("target written");
    fs::remove_file(kit.at("spec.md")).expect("removed");
    kit.touch(&["spec.md"]);
    assert!(kit.row("x.md").contains("dangling"), "{}", kit.row("x.md"));
    kit.check_against_fresh("target removed");
}

#[test]
fn a_feature_opened_by_another_name_has_two_ways_back() {
    let kit = Kit::new();
    kit.write("real.md", "real");
    kit.link(&kit.root, "../alias");
    let alias = kit.root.with_file_name("alias");
    kit.link(alias.join("real.md"), "absolute-by-alias");
    kit.link("../alias/real.md", "by-alias");
    kit.link("../001-feature/real.md", "by-name");
    let dir = FeatureDir::open(&alias).expect("opens");
    for name in ["absolute-by-alias", "by-alias", "by-name"] {
        assert_eq!(opened(&dir, name), Ok(b"real".to_vec()), "{name}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let kit = Kit::new();
    kit.write("0", "end");
    for n in 1..=41 {
        kit.link((n - 1).to_string(), &n.to_string());
    }
    let dir = FeatureDir::open(&kit.root).expect("opens");
    assert_eq!(opened(&dir, "40"), Ok(b"end".to_vec()));
    assert_eq!(opened(&dir, "41"), Err(OpenFault::Loop));
}

#[test]
fn special_files_are_rows_and_are_never_opened() {
    let mut kit = Kit::new();
    mkfifo(&kit.at("pipe"));
    let _listener = UnixListener::bind(kit.at("socket")).expect("bound");
    let began = Instant::now();
    kit.full();
    assert_eq!(kit.row("pipe"), "0 unreadable special file: fifo ");
    assert_eq!(kit.row("socket"), "0 unreadable special file: socket ");
    let dir = FeatureDir::open(&kit.root).expect("opens");
    for (name, kind) in [("pipe", "fifo"), ("socket", "socket")] {
        let fault = opened(&dir, name).expect_err("special");
        assert_eq!(fault.to_string(), format!("special file: {kind}"));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "something waited on the fifo");
}

#[test]
fn reading_for_others_is_bounded() {
    let kit = Kit::new();
    kit.write("f", "12345");
    let dir = FeatureDir::open(&kit.root).expect("opens");
    let read = |limit| {
        let text = dir.read_bounded(&path("f"), limit).expect("read");
        (text.bytes.len(), text.size, text.truncated)
    };
    assert_eq!(read(4), (4, 5, true));
    assert_eq!(read(5), (5, 5, false));
    assert_eq!(read(u64::MAX), (5, 5, false));
    assert_eq!(read(0), (0, 5, true));
}

/// What `/proc` has says that it is empty, and is not.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_says_it_is_empty_is_read_within_the_limit() {
    let dir = FeatureDir::open(Path::new("/proc/self")).expect("opens");
    assert_eq!(dir.open_file(&path("status")).expect("opens").key.size, 0);
    let some = dir.read_bounded(&path("status"), 10).expect("read");
    assert_eq!((some.bytes.len(), some.truncated), (10, true));
    let all = dir.read_bounded(&path("status"), 1024 * 1024).expect("read");
    assert_eq!((all.size, all.truncated), (all.bytes.len() as u64, false));
    assert!(all.bytes.starts_with(&some.bytes));
}

#[test]
fn of_a_file_far_too_large_only_the_beginning_is_read() {
    let kit = Kit::new();
    let file = fs::File::create(kit.at("huge.md")).expect("made");
    const SIZE: u64 = 1 << 40;
    if let Err(error) = file.set_len(SIZE) {
        eprintln!("SKIPPED: no file of {SIZE} bytes here: {error}");
        return;
    }
    let dir = FeatureDir::open(&kit.root).expect("opens");
    let limit = 5 * 1024 * 1024;
    let text = dir.read_bounded(&path("huge.md"), limit).expect("read");
    assert_eq!((text.bytes.len() as u64, text.size, text.truncated), (limit, SIZE, true));
    assert!(text.bytes.capacity() as u64 <= 4 * limit, "{}", text.bytes.capacity());
}

#[test]
fn a_file_that_grows_while_it_is_read_gives_no_more_than_asked_for() {
    let kit = Kit::new();
    kit.write("log.md", vec![b'x'; 4096]);
    let dir = FeatureDir::open(&kit.root).expect("opens");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopper = Stopper(&stop);
        scope.spawn(|| {
            let mut file =
                fs::OpenOptions::new().append(true).open(kit.at("log.md")).expect("opens");
            let mut left = 64;
            while !stop.load(Ordering::Relaxed) && left > 0 {
                std::io::Write::write_all(&mut file, &vec![b'x'; 64 * 1024]).expect("appended");
                left -= 1;
            }
        });
        for _ in 0..50 {
            let text = dir.read_bounded(&path("log.md"), 10_000).expect("read");
            assert!(text.bytes.len() <= 10_000);
            assert_eq!(text.truncated, text.size > 10_000, "{}", text.size);
        }
        drop(stopper);
    });
}

#[test]
fn an_unreadable_file_is_a_row_and_heals() {
    if is_root("an unreadable file") {
        return;
    }
    let mut kit = Kit::new();
    kit.write("closed.md", "12345");
    kit.write("open.md", "x");
    chmod(&kit.at("closed.md"), 0);
    kit.full();
    assert_eq!(kit.row("closed.md"), "5 unreadable permission denied ");
    assert_eq!(kit.row("open.md"), text("x"));
    chmod(&kit.at("closed.md"), 0o600);
    kit.touch(&["closed.md"]);
    assert_eq!(kit.row("closed.md"), text("12345"));
}

#[test]
fn an_unreadable_directory_is_remembered_and_heals() {
    if is_root("an unreadable directory") {
        return;
    }
    for mode in [0o000, 0o300, 0o400] {
        let mut kit = Kit::new();
        kit.write("d/e/f.md", "f");
        kit.write("beside.md", "b");
        kit.full();
        chmod(&kit.at("d"), mode);
        kit.touch(&["d/"]);
        assert!(kit.row("d/e/f.md").contains("unreadable"), "{mode:o} {:?}", kit.rows());
        assert!(!kit.index.unreadable_directories().is_empty(), "{mode:o}");
        assert_eq!(kit.row("beside.md"), text("b"));
        kit.write("beside.md", "b2");
        kit.touch(&["beside.md", "d/e/f.md"]);
        assert_eq!(kit.row("beside.md"), text("b2"));
        chmod(&kit.at("d"), 0o755);
        kit.write("d/e/new.md", "n");
        kit.touch(&[""]);
        kit.check_against_fresh("healed");
        assert_eq!(kit.row("d/e/f.md"), text("f"));
    }
}

/// Ends the other thread even if an assertion fails, so that the test does not hang.
struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_swapped_with_a_link_to_the_outside_never_leaks() {
    let mut kit = Kit::new();
    let canary = "CANARY that nobody may read";
    let secret = kit.outside.path().join("secret");
    fs::write(&secret, canary).expect("written");
    fs::create_dir(kit.outside.path().join("secrets")).expect("created");
    fs::write(kit.outside.path().join("secrets/f.md"), canary).expect("written");
    kit.write("f.md", "file");
    kit.write("d/f.md", "file");
    kit.link("../001-feature/d/f.md", "out-and-back");
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (root, outside) = (kit.root.clone(), kit.outside.path().to_owned());
    std::thread::scope(|scope| {
        let stopper = Stopper(&stop);
        let swapper = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                swaps.fetch_add(1, Ordering::Relaxed);
                let spare = outside.join("spare");
                std::os::unix::fs::symlink(&secret, &spare).expect("linked");
                fs::rename(&spare, root.join("f.md")).expect("renamed");
                fs::rename(root.join("d"), outside.join("d")).expect("renamed");
                std::os::unix::fs::symlink(outside.join("secrets"), root.join("d"))
                    .expect("linked");
                fs::write(&spare, "file").expect("written");
                fs::rename(&spare, root.join("f.md")).expect("renamed");
                fs::remove_file(root.join("d")).expect("removed");
                fs::rename(outside.join("d"), root.join("d")).expect("renamed");
            }
        });
        let dir = FeatureDir::open(&root).expect("opens");
        let leaked = text(canary);
        let began = Instant::now();
        let deadline = began + Duration::from_secs(20);
        let mut round = 0;
        let long_enough = || began.elapsed() >= Duration::from_secs(2);
        while round < 400 || swaps.load(Ordering::Relaxed) < 50 || !long_enough() {
            assert!(Instant::now() < deadline, "the race never ran");
            round += 1;
            match round % 3 {
                0 => kit.full(),
                1 => kit.touch(&["f.md", "d/f.md"]),
                _ => kit.touch(&["d/"]),
            };
            let rows = kit.rows();
            assert!(rows.values().all(|row| *row != leaked), "{rows:?}");
            for name in ["f.md", "d/f.md", "out-and-back"] {
                let answers =
                    [dir.open_file(&path(name)), dir.open_by_walking(&path(name), Links::Follow)];
                for opened in answers.into_iter().flatten() {
                    assert_eq!(opened.key.size, 4, "only the file inside has 4 bytes");
                }
            }
        }
        drop(stopper);
        swapper.join().expect("swapped");
    });
    kit.full();
    kit.check_against_fresh("after the race");
    assert_eq!(kit.row("d/f.md"), text("file"));
}

#[test]
fn names_that_are_not_utf8_are_rows() {
    let mut kit = Kit::new();
    let name = std::path::Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.md"));
    if fs::write(kit.root.join(name), "x").is_err() {
        eprintln!("SKIPPED: this file system wants names in UTF-8");
        return;
    }
    kit.full();
    assert_eq!(kit.row("caf%E9.md"), text("x"));
}

#[test]
fn limits_are_reported_and_heal() {
    let mut kit = Kit::new();
    for name in ["a", "b/c", "b/d/e", "b/d/f/g", "long-name", "z"] {
        kit.write(name, name);
    }
    kit.index.set_limits(Limits { artifacts: 3, depth: 3, name_bytes: 5 });
    kit.full();
    assert_eq!(names(kit.index.table().keys()), "a b/c b/d/e");
    assert_eq!(names(kit.index.limits_exceeded().keys()), "b/d/f/g long-name");
    assert!(kit.index.artifacts_exceeded());
    kit.write("aa", "first");
    kit.touch(&["aa"]);
    assert_eq!(names(kit.index.table().keys()), "a aa b/c");
    fs::remove_dir_all(kit.at("b")).expect("removed");
    let outcome = kit.touch(&["b"]);
    assert!(outcome.full, "room for what was left out");
    assert_eq!(names(kit.index.table().keys()), "a aa z");
    assert_eq!(names(kit.index.limits_exceeded().keys()), "long-name");
    assert!(!kit.index.artifacts_exceeded());
}

#[test]
fn a_root_that_is_away_keeps_its_rows_until_told_otherwise() {
    let mut kit = Kit::new();
    kit.write("spec.md", "s");
    kit.full();
    let elsewhere = kit.outside.path().join("elsewhere");
    fs::rename(&kit.root, &elsewhere).expect("renamed");
    let outcome = kit.touch(&["spec.md"]);
    assert_eq!(outcome.root, Err(RootFault::Gone(kit.root.clone())));
    assert!(outcome.removed.is_empty());
    assert_eq!(kit.row("spec.md"), text("s"));
    fs::write(&kit.root, "a file").expect("written");
    assert_eq!(kit.full().root, Err(RootFault::NotADirectory(kit.root.clone())));
    fs::remove_file(&kit.root).expect("removed");
    fs::create_dir(&kit.root).expect("created");
    kit.write("plan.md", "p");
    let outcome = kit.touch(&["unrelated"]);
    assert!(outcome.full, "another directory at the same path");
    assert_eq!(names(&outcome.changed), "plan.md");
    assert_eq!(names(&outcome.removed), "spec.md");
    kit.index.clear();
    assert!(kit.index.table().is_empty());
    kit.full();
    kit.check_against_fresh("after clear");
}

#[test]
fn what_the_watcher_says_is_heeded() {
    let mut kit = Kit::new();
    kit.write("d/f", "f");
    kit.write("g", "g");
    kit.watcher.gone.lock().expect("not poisoned").push(kit.at("d"));
    let outcome = kit.full();
    assert_eq!(kit.row("d/f"), "no row");
    assert_eq!(names(&outcome.unsettled), "d");
    kit.watcher.gone.lock().expect("not poisoned").clear();
    kit.watcher.full.store(true, Ordering::Relaxed);
    let outcome = kit.touch(&["d"]);
    assert_eq!(kit.row("d/f"), text("f"));
    assert_eq!(outcome.unwatched.len(), 1, "still listed, and said");
    assert!(matches!(outcome.unwatched[0].1, WatchError::Limit(_)));
}

#[test]
fn a_deep_path_longer_than_one_call_allows_is_read() {
    let mut kit = Kit::new();
    let name = "n".repeat(200);
    let deep = vec![name.as_str(); 30].join("/");
    let mut held = rustix::fs::openat(
        rustix::fs::CWD,
        &kit.root,
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    )
    .expect("opens");
    for _ in 0..30 {
        rustix::fs::mkdirat(&held, name.as_str(), rustix::fs::Mode::RWXU).expect("made");
        held = rustix::fs::openat(
            &held,
            name.as_str(),
            rustix::fs::OFlags::RDONLY,
            rustix::fs::Mode::empty(),
        )
        .expect("opens");
    }
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE;
    let file = rustix::fs::openat(&held, "f.md", flags, rustix::fs::Mode::RWXU).expect("opens");
    rustix::io::write(&file, b"deep").expect("written");
    kit.full();
    assert_eq!(kit.row(&format!("{deep}/f.md")), text("deep"));
    let touched = Touched { path: Some(path(format!("{deep}/f.md"))), deep: false };
    let request = ScanRequest::Touched(vec![touched]);
    rustix::io::write(&file, b"er").expect("written");
    kit.index.scan(&request, &kit.watcher, &settings());
    assert_eq!(kit.row(&format!("{deep}/f.md")), text("deeper"));
}
