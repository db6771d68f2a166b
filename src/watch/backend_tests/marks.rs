//! Which marks the operations of a file system become.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::bench::{ATTRIBUTES, Bench, DEEP, READY, UNSETTLED, await_batch};
use crate::watch::{BackendChoice, WatchError};

with_each_backend! {
    operations_become_the_right_marks,
    directories_become_deep_marks,
    files_in_new_directories_are_found_by_watching_then_listing,
    a_renamed_directory_reports_under_its_new_name_once_visited,
    a_directory_made_anew_or_swapped_is_watched_by_its_next_visit,
    reading_makes_no_mark,
    a_root_that_is_moved_or_removed_is_hinted_at,
    what_is_no_plain_directory_is_gone,
    a_directory_that_may_not_be_read_is_an_error_of_its_own,
    nothing_is_reported_of_a_tree_that_is_unwatched,
    cookies_go_on_after_their_directory_was_removed,
    a_root_that_was_removed_and_made_again_is_watched_after_its_deep_visit,
}

fn operations_become_the_right_marks(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn directories_become_deep_marks(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn files_in_new_directories_are_found_by_watching_then_listing(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn a_renamed_directory_reports_under_its_new_name_once_visited(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn a_directory_made_anew_or_swapped_is_watched_by_its_next_visit(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn reading_makes_no_mark(choice: BackendChoice) {
    let bench = Bench::new(choice);
    (0..200).for_each(|i| bench.write(&format!("f{i}")));
    bench.marks();
    for i in 0..200 {
        fs::read(bench.path(&format!("f{i}"))).expect("read");
    }
    fs::read_dir(&bench.root).expect("listed").for_each(drop);
    bench.expect("reads", &[]);
}

fn a_root_that_is_moved_or_removed_is_hinted_at(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn what_is_no_plain_directory_is_gone(choice: BackendChoice) {
    let bench = Bench::new(choice);
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

fn a_directory_that_may_not_be_read_is_an_error_of_its_own(choice: BackendChoice) {
    let bench = Bench::new(choice);
    bench.mkdir("secret");
    fs::set_permissions(bench.path("secret"), fs::Permissions::from_mode(0o000)).expect("set");
    if fs::read_dir(bench.path("secret")).is_ok() {
        eprintln!("SKIP: permissions do not bind this process");
        return;
    }
    let outcome = bench.backend.watch_dir(&bench.path("secret"));
    assert!(matches!(outcome, Err(WatchError::Io { .. })), "{outcome:?}");
}

fn nothing_is_reported_of_a_tree_that_is_unwatched(choice: BackendChoice) {
    let bench = Bench::new(choice);
    bench.mkdir("a");
    bench.watch("a");
    bench.marks();
    bench.backend.unwatch_tree(&bench.root);
    assert_eq!(bench.backend.watched_below(&bench.root), 0);
    bench.write("f");
    bench.write("a/f");
    bench.expect("unwatched", &[]);
}

fn cookies_go_on_after_their_directory_was_removed(choice: BackendChoice) {
    let bench = Bench::new(choice);
    for round in 0..20 {
        fs::remove_dir_all(bench.cookies.dir()).expect("removed");
        assert!(bench.cookies.issue().is_err());
        // Too early perhaps: the watch may still be taken for that of the old directory.
        bench.cookies.rearm(bench.backend.as_ref()).expect("armed");
        await_batch(&bench.dirty, |batch| batch.cookies_lost);
        bench.cookies.rearm(bench.backend.as_ref()).expect("armed");
        bench.write("f");
        assert!(bench.marks().contains_key("f"), "round {round}");
    }
}

fn a_root_that_was_removed_and_made_again_is_watched_after_its_deep_visit(choice: BackendChoice) {
    let bench = Bench::new(choice);
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
