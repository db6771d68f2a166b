//! What random operations hit now and then, at the one moment at which it hurts: each rule
//! of watching has a test here that fails for certain without it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use dossierd::daemon::Setup;
use dossierd::daemon::command::{CommandError, Target};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, open, renameat_with};

use crate::agreement::view_and_survey;
use crate::backend::Backend;
use crate::kit::{Bench, DEADLINE};
use crate::lossy::{Faults, Knob};
use crate::meddling::{Meddler, Moment};

fn agree(bench: &Bench, what: &str) {
    bench.fresh_all();
    view_and_survey(bench).unwrap_or_else(|different| panic!("{what}: {different}"));
}

fn meddled(backend: Backend) -> (Bench, Meddler) {
    let mut bench = Bench::stopped();
    let meddler = Meddler::default();
    bench.start_with(Setup { backend: meddler.backend(backend), ..Setup::default() });
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    (bench, meddler)
}

/// A bench with directories `p` and `q` in a feature, watched by somebody whose events can
/// be held back.
fn held(backend: Backend) -> (Bench, Knob, PathBuf) {
    let mut bench = Bench::stopped();
    let knob = Knob::default();
    bench.start_with(Setup { backend: knob.backend(backend), ..Setup::default() });
    bench.planned_feature("001-a");
    bench.write("001-a/p/in-p.md", "# In p\n");
    bench.write("001-a/p/below/in-p.md", "# Below p\n");
    bench.write("001-a/q/in-q.md", "# In q\n");
    bench.register(&bench.project());
    bench.fresh_all();
    let feature = bench.project().join("kitty-specs/001-a");
    (bench, knob, feature)
}

/// Whatever was done, what is written into these directories from now on is seen.
fn still_watched(bench: &Bench, what: &str, dirs: &[&str]) {
    for round in 0..2 {
        for dir in dirs {
            bench.write(&format!("001-a/{dir}/late.md"), format!("# Late, {round}\n"));
            agree(bench, &format!("{what}: written into {dir}, round {round}"));
        }
    }
}

#[test]
fn a_file_made_just_before_or_after_a_directory_is_watched_is_seen() {
    for backend in Backend::chosen() {
        for moment in [Moment::Before, Moment::After] {
            let (bench, meddler) = meddled(backend);
            let met = Arc::new(Mutex::new(HashSet::new()));
            let seen = Arc::clone(&met);
            meddler.act(move |at, dir| {
                let is_below = dir.to_string_lossy().contains("/kitty-specs/001-a/");
                if at == moment && is_below && seen.lock().expect("no panic").insert(dir.to_owned())
                {
                    fs::write(dir.join("meddled.md"), "# At the worst moment\n").expect("written");
                }
            });
            bench.write("001-a/x/y/z/deep.md", "# Deep\n");
            fs::create_dir_all(bench.project().join("kitty-specs/001-a/e/f")).expect("made");
            agree(&bench, &format!("{moment:?}"));
            assert_eq!(met.lock().expect("no panic").len(), 5, "x, y, z, e, f");
            let view = bench.view("001-a");
            assert_eq!(view.dossier.present_count(), 4 + 1 + 5);
        }
    }
}

#[test]
fn a_fresh_read_is_not_answered_before_its_changes_are_published() {
    for backend in Backend::chosen() {
        let (bench, meddler) = meddled(backend);
        let (entered, has_entered) = channel();
        let (release, is_released) = channel::<()>();
        let is_released = Mutex::new(is_released);
        meddler.act(move |at, dir| {
            if at == Moment::Before && dir.ends_with("slow") {
                let _ = entered.send(());
                // Ends when the other half is dropped.
                let _ = is_released.lock().expect("no panic").recv_timeout(DEADLINE);
            }
        });
        bench.write("001-a/slow/late.md", "# Late\n");
        has_entered.recv_timeout(DEADLINE).expect("the directory is looked at");
        let answer = bench.runtime.block_on(bench.handle().fresh(Target::All));
        assert!(matches!(answer, Err(CommandError::Timeout(_))), "{answer:?}");
        meddler.rest();
        drop(release);
        agree(&bench, "released");
        assert_eq!(bench.view("001-a").dossier.present_count(), 5);
    }
}

#[test]
fn another_directory_by_a_known_name_is_watched() {
    for backend in Backend::chosen() {
        let (bench, knob, feature) = held(backend);
        knob.set(Faults { hold: true, ..Faults::default() });
        fs::rename(feature.join("p"), feature.join("away")).expect("moved");
        bench.write("001-a/p/below/other.md", "# Another p\n");
        knob.set(Faults::default());
        agree(&bench, "moved and made again");
        still_watched(&bench, "moved and made again", &["p", "p/below", "away", "away/below"]);

        knob.set(Faults { hold: true, ..Faults::default() });
        fs::remove_dir_all(feature.join("p")).expect("removed");
        bench.write("001-a/p/below/third.md", "# A third p\n");
        knob.set(Faults::default());
        agree(&bench, "removed and made again");
        still_watched(&bench, "removed and made again", &["p", "p/below"]);
    }
}

#[test]
fn directories_that_change_places_report_under_their_new_names() {
    for backend in Backend::chosen() {
        let (bench, knob, feature) = held(backend);
        for round in 0..3 {
            knob.set(Faults { hold: true, ..Faults::default() });
            let (p, q) = (feature.join("p"), feature.join("q"));
            renameat_with(CWD, p, CWD, q, RenameFlags::EXCHANGE).expect("exchanged");
            let below = if round % 2 == 0 { "q/below" } else { "p/below" };
            bench.write(&format!("001-a/{below}/held.md"), format!("# Held, {round}\n"));
            knob.set(Faults::default());
            agree(&bench, "exchanged");
            still_watched(&bench, "exchanged", &["p", "q", below]);
        }
    }
}

#[test]
fn a_feature_made_again_with_all_that_is_around_it_is_the_new_one() {
    for backend in Backend::chosen() {
        let (bench, knob, feature) = held(backend);
        for round in 0..20 {
            // Seen as it happens, and then all at once.
            knob.set(Faults { hold: round % 2 == 1, ..Faults::default() });
            let gone = if round % 4 < 2 { feature.parent().expect("has one") } else { &feature };
            fs::remove_dir_all(gone).expect("removed");
            bench.planned_feature("001-a");
            bench.write(&format!("001-a/r{round}/note.md"), "# Note\n");
            knob.set(Faults::default());
            agree(&bench, &format!("made again, round {round}"));
            still_watched(&bench, "made again", &[&format!("r{round}")]);
        }
    }
}

#[test]
fn what_is_written_into_a_file_that_got_its_name_later_is_seen() {
    for backend in Backend::chosen() {
        let (bench, _knob, feature) = held(backend);
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let nameless = open(&feature, flags, Mode::from_raw_mode(0o644)).expect("a file");
        let mut file = File::from(nameless);
        file.write_all(b"# Before it had a name\n").expect("written");
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = feature.join("named.md");
        linkat(CWD, link, CWD, &name, AtFlags::SYMLINK_FOLLOW).expect("named");
        agree(&bench, "named");
        for round in 0..2 {
            // The kernel has no name for it that anybody could look up.
            file.write_all(b"And afterwards\n").expect("written");
            agree(&bench, &format!("written once more, round {round}"));
        }
    }
}
