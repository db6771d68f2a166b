//! Things that happen while the daemon is stopped, so that it sees none of them happen: what
//! is a race otherwise is a certainty here. After it goes on, a fresh read is what a scan
//! finds, and what is written next is seen as well.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::agreement::agree;
use crate::kit::{Place, wait_until, write};

/// What happens, in which directories something is written afterwards.
struct Case {
    what: &'static str,
    act: fn(&Path),
    then_written: &'static [&'static str],
}

fn make(dir: &Path, names: &[&str]) {
    names.iter().for_each(|name| write(&dir.join(name), format!("# New {name}\n")));
}

fn rename(dir: &Path, from: &str, to: &str) {
    fs::rename(dir.join(from), dir.join(to)).expect("renamed");
}

fn exchange(dir: &Path, one: &str, other: &str) {
    let (one, other) = (dir.join(one), dir.join(other));
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("exchanged");
}

/// Each begins with `p/in.md`, `p/sub/in.md`, `q/in.md`, `t.md`, and a link `z` to `t.md`.
const CASES: &[Case] = &[
    Case {
        what: "files in new directories, one below the other",
        act: |dir| make(dir, &["a/b/c/one.md", "a/b/two.md", "a/three.md"]),
        then_written: &["a", "a/b", "a/b/c"],
    },
    Case {
        what: "a full tree moved in, and one moved out",
        act: |dir| {
            let outside = dir.ancestors().nth(3).expect("is deep").join("outside");
            make(&outside, &["t/u/f.md", "t/g.md"]);
            fs::rename(outside.join("t"), dir.join("came")).expect("moved");
            fs::rename(dir.join("p"), outside.join("went")).expect("moved");
            write(&outside.join("went/sub/in.md"), "# Not yours any more\n");
        },
        then_written: &["came", "came/u"],
    },
    Case {
        what: "a directory renamed, then written in",
        act: |dir| {
            rename(dir, "p", "r");
            make(dir, &["r/in.md", "r/late.md", "r/sub/late.md"]);
        },
        then_written: &["r", "r/sub"],
    },
    Case {
        what: "a directory renamed there and back, another in between",
        act: |dir| {
            rename(dir, "p", "r");
            make(dir, &["p/other.md"]);
            rename(dir, "p", "s");
            rename(dir, "r", "p");
        },
        then_written: &["p", "p/sub", "s"],
    },
    Case {
        what: "a new file over one that was there, then removed",
        act: |dir| {
            make(dir, &["tmp"]);
            rename(dir, "tmp", "t.md");
            fs::remove_file(dir.join("t.md")).expect("removed");
        },
        then_written: &["p"],
    },
    Case {
        what: "a file removed and made again, and one made and removed",
        act: |dir| {
            fs::remove_file(dir.join("t.md")).expect("removed");
            make(dir, &["t.md", "u.md"]);
            fs::remove_file(dir.join("u.md")).expect("removed");
        },
        then_written: &["p"],
    },
    Case {
        what: "a link to another file, to a directory, to nothing",
        act: |dir| {
            for target in ["p/in.md", "q", "nowhere"] {
                fs::remove_file(dir.join("z")).expect("removed");
                symlink(target, dir.join("z")).expect("linked");
            }
            fs::remove_file(dir.join("z")).expect("removed");
            symlink("p/in.md", dir.join("z")).expect("linked");
        },
        then_written: &["p", "q"],
    },
    Case {
        what: "a linked directory that leads elsewhere",
        act: |dir| {
            symlink("p", dir.join("l")).expect("linked");
            fs::remove_file(dir.join("l")).expect("removed");
            symlink("q", dir.join("l")).expect("linked");
        },
        then_written: &["p", "q"],
    },
    Case {
        what: "a directory removed and made again, with less in it",
        act: |dir| {
            fs::remove_dir_all(dir.join("p")).expect("removed");
            make(dir, &["p/other.md"]);
        },
        then_written: &["p"],
    },
    Case {
        what: "a directory removed and made again, twice, with the same in it",
        act: |dir| {
            for _ in 0..2 {
                fs::remove_dir_all(dir.join("p")).expect("removed");
                make(dir, &["p/in.md", "p/sub/in.md"]);
            }
        },
        then_written: &["p", "p/sub"],
    },
    Case {
        what: "directories, and then files, change places",
        act: |dir| {
            exchange(dir, "p", "q");
            exchange(dir, "p/in.md", "t.md");
        },
        then_written: &["p", "q", "q/sub"],
    },
    Case {
        what: "a directory and a file change places",
        act: |dir| exchange(dir, "p", "t.md"),
        then_written: &["t.md", "t.md/sub", "q"],
    },
    Case {
        what: "a directory becomes a file, and a file a directory",
        act: |dir| {
            fs::remove_dir_all(dir.join("p")).expect("removed");
            make(dir, &["p"]);
            fs::remove_file(dir.join("t.md")).expect("removed");
            make(dir, &["t.md/inside/in.md"]);
        },
        then_written: &["t.md", "t.md/inside", "q"],
    },
    Case {
        what: "three directories move round",
        act: |dir| {
            rename(dir, "p", "hold");
            rename(dir, "q", "p");
            rename(dir, "hold/sub", "q");
            rename(dir, "hold", "q/sub");
        },
        then_written: &["p", "q", "q/sub"],
    },
    Case {
        what: "the same size at the same time",
        act: |dir| {
            let file = dir.join("t.md");
            let found = fs::metadata(&file).expect("is there");
            let former = fs::read(&file).expect("is read");
            fs::write(&file, vec![b'x'; former.len()]).expect("written");
            let open = fs::OpenOptions::new().append(true).open(&file).expect("opens");
            open.set_modified(found.modified().expect("a time")).expect("set");
        },
        then_written: &["p"],
    },
    Case {
        what: "a feature renamed, and another made in its place",
        act: |dir| {
            fs::rename(dir, dir.with_file_name("renamed")).expect("renamed");
            make(dir, &["spec.md", "p/in.md"]);
        },
        then_written: &["p", "../renamed/p", "../renamed/p/sub"],
    },
    Case {
        what: "kitty-specs renamed and made again",
        act: |dir| {
            let specs = dir.parent().expect("has one");
            fs::rename(specs, specs.with_file_name("former")).expect("renamed");
            make(dir, &["spec.md", "p/in.md"]);
            make(specs, &["another/spec.md"]);
        },
        then_written: &["p", "../another"],
    },
];

fn prepare(place: &Place) {
    make(&place.feature("plan-me"), &["p/in.md", "p/sub/in.md", "q/in.md", "t.md"]);
    symlink("t.md", place.feature("plan-me").join("z")).expect("linked");
}

#[test]
fn whatever_happens_while_it_is_stopped_is_seen_when_it_goes_on() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    for case in CASES {
        let _ = fs::remove_dir_all(place.project().join("kitty-specs"));
        place.planned("plan-me");
        prepare(&place);
        agree(&place, &daemon, &format!("made anew for: {}", case.what));
        let feature = place.feature("plan-me");
        daemon.while_stopped(|| (case.act)(&feature));
        agree(&place, &daemon, case.what);
        for round in 0..2 {
            for dir in case.then_written {
                write(&feature.join(dir).join("later.md"), format!("# Later, {round}\n"));
                agree(&place, &daemon, &format!("{}, then {dir} was written in", case.what));
            }
        }
        let _ = fs::remove_dir_all(place.project().join("former"));
        let _ = fs::remove_dir_all(place.path().join("outside"));
    }
    daemon.stop();
    assert_eq!(place.run(&["verify", "project"]).code, 0);
}

#[test]
fn a_root_that_is_renamed_deleted_or_made_again_while_it_is_stopped() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let (project, away) = (place.project(), place.path().join("away"));
    for round in 0..2 {
        // Renamed, and another one made in its place.
        daemon.while_stopped(|| {
            fs::rename(&project, &away).expect("renamed");
            place.kittify();
            place.planned("plan-me");
            place.write("plan-me/deep/er/new.md", format!("# Another root, {round}\n"));
            write(&away.join("kitty-specs/plan-me/spec.md"), "# In the former\n");
        });
        agree(&place, &daemon, "renamed and made again");
        place.write("plan-me/deep/er/new.md", "# Watched\n");
        agree(&place, &daemon, "renamed and made again, then written in");
        // Deleted and made again.
        daemon.while_stopped(|| {
            fs::remove_dir_all(&project).expect("removed");
            fs::rename(&away, &project).expect("renamed back");
        });
        agree(&place, &daemon, "deleted, and the former one is back");
        place.write("plan-me/spec.md", format!("# Back, {round}\n"));
        agree(&place, &daemon, "back, then written in");
    }
    // Gone, and it says so; back, and it says that.
    fs::rename(&project, &away).expect("renamed");
    wait_until("it is shown as gone", || {
        let listed = daemon.ask("/api/features");
        listed["roots"][0]["watch"]["state"] == "detached"
    });
    fs::rename(&away, &project).expect("renamed back");
    place.write("plan-me/late.md", "# Late\n");
    agree(&place, &daemon, "back after having been gone");
    assert_eq!(daemon.ask("/api/features")["roots"][0]["watch"]["state"], "live");
}

#[test]
fn a_queue_that_overflows_loses_nothing() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("is there");
    let limit: usize = limit.trim().parse().expect("a number");
    if limit > 100_000 {
        eprintln!("SKIP a queue that overflows: it takes {limit} events here");
        return;
    }
    let place = Place::with_feature();
    place.write("plan-me/many/first.md", "# First\n");
    let daemon = place.start_registered();
    let many = place.feature("plan-me").join("many");
    daemon.while_stopped(|| {
        // A new file is two events at least: it is made, and it is closed.
        for number in 0..limit / 2 + 1 {
            fs::write(many.join(format!("{number}.md")), []).expect("written");
        }
        // What is lost for certain.
        place.write("plan-me/spec.md", "# Behind all of them\n");
        place.write("plan-me/new/er/lost.md", "# Lost\n");
        fs::remove_file(many.join("first.md")).expect("removed");
        place.write("another/spec.md", "# Lost\n");
    });
    agree(&place, &daemon, "overflowed");
    let losses = daemon.ask("/api/status")["overflows"].as_u64().expect("a number");
    assert!(losses > 0, "nothing overflowed");
    for dir in ["new", "new/er", "many"] {
        place.write(&format!("plan-me/{dir}/later.md"), "# Later\n");
        agree(&place, &daemon, &format!("overflowed, then {dir} was written in"));
    }
}
