//! Single steps of incremental scans.

use std::fs;

use super::super::{IGNORE_FILE, RootFault};
use super::*;

#[test]
fn the_watch_is_asked_for_before_listing_at_every_visit() {
    let mut kit = Kit::new();
    kit.write("a/b/c.md", "c");
    kit.full();
    let expected = vec![kit.root.clone(), kit.at("a"), kit.at("a/b")];
    assert_eq!(*kit.watcher.asked.lock().expect("not poisoned"), expected);
    assert_eq!(kit.watcher.open.load(Ordering::Relaxed), expected.len(), "each was open");
    kit.watcher.asked.lock().expect("not poisoned").clear();
    kit.touch(&["a/"]);
    assert_eq!(*kit.watcher.asked.lock().expect("not poisoned"), expected[1..]);
    kit.watcher.asked.lock().expect("not poisoned").clear();
    kit.touch(&["a/b/c.md"]);
    assert!(kit.watcher.asked.lock().expect("not poisoned").is_empty());
}

type Step<'a> = &'a dyn Fn(&Kit);

#[test]
fn types_change_under_one_name() {
    let mut kit = Kit::new();
    kit.write("x/f.md", "f");
    kit.full();
    let steps: [(&str, Step); 6] = [
        ("file", &|kit| kit.write("x", "file")),
        ("directory", &|kit| kit.write("x/g/h.md", "h")),
        ("link", &|kit| kit.link("target", "x")),
        ("fifo", &|kit| mkfifo(&kit.at("x"))),
        ("link to directory", &|kit| kit.link("d", "x")),
        ("file again", &|kit| kit.write("x", "file")),
    ];
    kit.write("target", "t");
    kit.write("d/e.md", "e");
    kit.full();
    for (what, step) in steps {
        let old = kit.at("x");
        if old.is_dir() && !old.is_symlink() {
            fs::remove_dir_all(&old).expect("removed");
        } else {
            fs::remove_file(&old).expect("removed");
        }
        step(&kit);
        kit.touch(&["x"]);
        kit.check_against_fresh(what);
    }
}

#[test]
fn a_path_under_an_unknown_way_brings_in_what_is_there() {
    let mut kit = Kit::new();
    kit.full();
    kit.write("a/b/c.md", "c");
    kit.write("a/d.md", "d");
    kit.touch(&["a/b/c.md"]);
    kit.check_against_fresh("an unknown directory");
    // The event has the old name, the change is below the new one.
    fs::rename(kit.at("a"), kit.at("z")).expect("renamed");
    kit.write("z/new.md", "n");
    kit.touch(&["a/new.md"]);
    kit.check_against_fresh("a renamed directory");
    kit.write("z/b/c.md", "changed");
    kit.touch(&["a/b/c.md"]);
    kit.check_against_fresh("a change under the old name of a renamed directory");
    kit.write("other.md", "o");
    kit.touch(&["#10158086"]);
    kit.check_against_fresh("a name that is neither here nor there");
}

#[test]
fn directories_exchanged_are_found_by_their_listing_alone() {
    let mut kit = Kit::new();
    kit.write("p/a/1.md", "1");
    kit.write("q/a/2.md", "2");
    kit.full();
    for (from, to) in [("p/a", "t"), ("q/a", "p/a"), ("t", "q/a")] {
        fs::rename(kit.at(from), kit.at(to)).expect("renamed");
    }
    kit.touch(&["p", "q"]);
    kit.check_against_fresh("exchanged");
}

#[test]
fn a_link_follows_its_target_without_being_named() {
    let mut kit = Kit::new();
    kit.write("a.md", "a");
    kit.link("a.md", "link.md");
    kit.link("later.md", "early.md");
    kit.full();
    kit.write("a.md", "aa");
    let outcome = kit.touch(&["a.md"]);
    assert_eq!(names(&outcome.changed), "a.md link.md");
    kit.write("later.md", "l");
    kit.touch(&["later.md"]);
    fs::remove_file(kit.at("a.md")).expect("removed");
    kit.touch(&["a.md"]);
    fs::create_dir(kit.at("a.md")).expect("created");
    kit.check_against_fresh_after(&["a.md"]);
}

impl Kit {
    fn check_against_fresh_after(&mut self, touched: &[&str]) {
        self.touch(touched);
        self.check_against_fresh(&format!("{touched:?}"));
    }
}

#[test]
fn changed_rules_apply_by_themselves() {
    let mut kit = Kit::new();
    kit.write("keep.md", "k");
    kit.write("draft/a.md", "a");
    kit.write("x.swp", "s");
    kit.full();
    assert_eq!(names(kit.index.table().keys()), "draft/a.md keep.md");
    kit.write(IGNORE_FILE, "draft/\n!x.swp\n");
    let outcome = kit.touch(&[IGNORE_FILE]);
    assert_eq!(outcome.rules_changed, Some(Vec::new()));
    assert_eq!(names(&outcome.removed), "draft/a.md");
    assert_eq!(names(&outcome.changed), "x.swp");
    let draft = kit.index.ignored().get(&path("draft")).expect("listed");
    assert!(draft.is_dir);
    kit.check_against_fresh("rules");
    kit.write("draft/b.md", "b");
    kit.check_against_fresh_after(&["draft/b.md"]);
    // The project's file is not in the feature, so nobody names it here.
    fs::write(kit.outside.path().join(IGNORE_FILE), "keep.md\n").expect("written");
    let outcome = kit.touch(&[]);
    assert!(outcome.full);
    assert_eq!(names(&outcome.removed), "keep.md");
    fs::remove_file(kit.at(IGNORE_FILE)).expect("removed");
    kit.check_against_fresh_after(&[IGNORE_FILE]);
}

#[test]
fn hidden_names_are_ignored_whole_and_listed_once() {
    let mut kit = Kit::new();
    kit.write(".git/objects/aa/bb", "x");
    kit.write("a/.keep", "");
    kit.write("a/b~", "");
    kit.full();
    assert!(kit.index.table().is_empty());
    assert_eq!(kit.ignored().into_keys().collect::<Vec<_>>(), [".git", "a/.keep", "a/b~"]);
    fs::remove_dir_all(kit.at(".git")).expect("removed");
    kit.check_against_fresh_after(&[".git/objects/aa/bb"]);
}

#[test]
fn progress_ends_with_everything_read() {
    static LAST: Mutex<Option<super::super::ScanProgress>> = Mutex::new(None);
    let mut kit = Kit::new();
    for n in 0..40 {
        kit.write(&format!("{n}"), "x");
    }
    let report = |progress| *LAST.lock().expect("not poisoned") = Some(progress);
    let settings = ScanSettings { progress: Some(&report), threads: 1, ..settings() };
    kit.index.scan(&ScanRequest::Full, &kit.watcher, &settings);
    let last = LAST.lock().expect("not poisoned").expect("reported");
    assert_eq!((last.listed, last.to_read, last.read), (40, 40, 40));
}

/// Removes a directory once it is watched, which is just before it is listed.
struct Remover(PathBuf);

impl DirWatcher for Remover {
    fn watch_open_dir(&self, dir: &Path, _: BorrowedFd<'_>) -> Result<(), WatchError> {
        self.watch_dir(dir)
    }

    fn watch_dir(&self, dir: &Path) -> Result<(), WatchError> {
        if dir == self.0 {
            fs::remove_dir_all(dir).expect("removed");
        }
        Ok(())
    }
}

#[test]
fn a_directory_that_is_removed_while_it_is_listed_is_gone_and_not_at_fault() {
    for is_known in [false, true] {
        for removed in ["", "sub"] {
            let mut kit = Kit::new();
            kit.write("a.md", "a");
            kit.write("sub/b.md", "b");
            if is_known {
                kit.full();
            }
            let remover =
                Remover(if removed.is_empty() { kit.root.clone() } else { kit.at(removed) });
            let outcome = kit.index.scan(&ScanRequest::Full, &remover, &settings());
            assert!(kit.index.unreadable_directories().is_empty(), "{is_known} {removed:?}");
            if removed.is_empty() {
                assert!(matches!(outcome.root, Err(RootFault::Gone(_))), "{outcome:?}");
            } else {
                assert_eq!(names(kit.index.table().keys()), "a.md", "{is_known}");
            }
        }
    }
}

#[test]
fn a_large_flat_directory_is_read_with_few_descriptors_and_whole() {
    let mut kit = Kit::new();
    for number in 0..500 {
        kit.write(&format!("d{}/{number}.md", number % 25), number.to_string());
    }
    for number in 0..500 {
        kit.write(&format!("flat/{number}.md"), number.to_string());
    }
    let outcome = kit.full();
    assert_eq!((outcome.stats.read, outcome.changed.len()), (1000, 1000));
    kit.check_against_fresh("many batches");
}
