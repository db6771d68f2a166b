//! A watcher that loses, repeats, delays and reorders events, or runs out of watches: the
//! daemon says so, and what it publishes is right all the same.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use dossierd::daemon::Setup;
use dossierd::daemon::view::WatchState;

use crate::backend::Backend;
use crate::kit::compare::{differences, of_view, survey};
use crate::kit::{Bench, wait_until};
use crate::lossy::{Faults, Knob};
use crate::operations::Operator;

/// A bench with two features, whose watcher has the faults that the knob is set to.
fn bench(backend: Backend) -> (Bench, Knob) {
    let mut bench = Bench::stopped();
    let knob = Knob::default();
    bench.start_with(Setup { backend: knob.backend(backend), ..Setup::default() });
    bench.planned_feature("001-a");
    bench.planned_feature("002-b");
    bench.register(&bench.project());
    bench.fresh_all();
    (bench, knob)
}

/// Is everything published as a fresh survey finds it?
fn check(bench: &Bench, what: &str) {
    let view = bench.handle().view();
    let ours: BTreeMap<String, _> =
        view.features.values().map(|view| (view.slug.clone(), of_view(view))).collect();
    let theirs = survey(&bench.home(), &bench.project());
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{what}");
    for (slug, ours) in &ours {
        let found = differences(ours, &theirs[slug]);
        assert!(found.is_empty(), "{what}: {slug}: {}", found.join("\n"));
    }
}

#[test]
fn a_fresh_read_is_right_though_every_event_is_lost() {
    for backend in Backend::chosen() {
        let (bench, knob) = bench(backend);
        knob.set(Faults { drop_all: true, ..Faults::default() });
        bench.write("001-a/spec.md", "# Nobody told of this\n");
        bench.write("003-new/spec.md", "# Nor of this\n");
        fs::remove_dir_all(bench.project().join("kitty-specs/002-b")).expect("removed");
        bench.fresh_all();
        check(&bench, "all lost");
        assert_eq!(bench.handle().view().features.len(), 2);
    }
}

#[test]
fn an_overflow_is_shown_and_answered_by_a_rescan() {
    for backend in Backend::chosen() {
        let (bench, knob) = bench(backend);
        // More than the rescans that are immediate: the others are put off, fresh reads not.
        for round in 0..6 {
            knob.set(Faults { drop_marks: true, ..Faults::default() });
            bench.write("001-a/spec.md", format!("# Lost in round {round}\n"));
            bench.write(&format!("9{round}-new/spec.md"), "# Lost as well\n");
            knob.overflow();
            bench.fresh_all();
            check(&bench, &format!("round {round}"));
        }
        knob.set(Faults::default());
        assert_eq!(bench.handle().view().health.overflows, 6);
        wait_until("all are live again", || {
            bench.handle().view().features.values().all(|view| view.watch == WatchState::Live)
        });
    }
}

#[test]
fn an_overflow_alone_brings_everything_in() {
    for backend in Backend::chosen() {
        let (bench, knob) = bench(backend);
        knob.set(Faults { drop_marks: true, ..Faults::default() });
        bench.write("001-a/spec.md", "# Lost\n");
        bench.write("003-new/spec.md", "# Lost\n");
        knob.overflow();
        // Nobody asks for anything fresh.
        wait_until("the rescan has found both", || {
            let view = bench.handle().view();
            view.select(Some("003-new")).is_ok()
                && view.select(Some("001-a")).is_ok_and(|view| {
                    let theirs = &survey(&bench.home(), &bench.project())["001-a"];
                    differences(&of_view(&view), theirs).is_empty()
                })
        });
    }
}

#[test]
fn a_hundred_overflows_cost_at_most_ten_rescans() {
    for backend in Backend::chosen() {
        let (bench, knob) = bench(backend);
        let before = bench.handle().view().health.scans;
        let mut sent = 0;
        // One every time that the loop has taken the one before.
        while sent < 100 {
            let taken = bench.handle().view().health.overflows;
            knob.overflow();
            sent += 1;
            wait_until("the overflow is taken", || bench.handle().view().health.overflows > taken);
        }
        wait_until("all are live again", || {
            bench.handle().view().features.values().all(|view| view.watch == WatchState::Live)
        });
        let scans = bench.handle().view().health.scans - before;
        assert!((2..=20).contains(&scans), "{scans} scans of 2 features");
        check(&bench, "after the storm");
    }
}

#[test]
fn repeated_delayed_and_reordered_events_change_nothing() {
    for backend in Backend::chosen() {
        let (bench, knob) = bench(backend);
        knob.set(Faults { duplicate: true, shuffle: true, ..Faults::default() });
        let specs = bench.project().join("kitty-specs");
        let mut operator = Operator::new(99, specs, bench.path().join("outside"));
        for round in 0..12 {
            (0..10).for_each(|_| operator.operate());
            bench.fresh_all();
            check(&bench, &format!("round {round}: {:#?}", operator.take_done()));
        }
    }
}

#[test]
fn without_watches_left_it_says_so_and_polls() {
    for backend in Backend::chosen() {
        let mut bench = Bench::stopped();
        let knob = Knob::default();
        bench.start_with(Setup { backend: knob.backend(backend), ..Setup::default() });
        bench.planned_feature("001-a");
        for dir in ["d1", "d2", "d3"] {
            bench.write(&format!("001-a/{dir}/note.md"), "# Note\n");
        }
        // The root, kitty-specs, the feature and one directory in it.
        knob.set(Faults { watch_limit: Some(4), ..Faults::default() });
        bench.register(&bench.project());
        let watch = bench.view("001-a").watch.clone();
        let WatchState::Partial { unwatched: 2, reason } = &watch else { panic!("{watch:?}") };
        assert!(reason.contains("max_user_watches"), "says what to do: {reason}");
        // A fresh read sees what no event tells of, again and again.
        for round in 0..5 {
            for dir in ["d1", "d2", "d3"] {
                bench.write(&format!("001-a/{dir}/note.md"), format!("# In {dir}, {round}\n"));
            }
            bench.fresh_all();
            check(&bench, &format!("fresh, round {round}"));
        }
        // So does the next poll.
        let began = Instant::now();
        bench.write("001-a/d3/note.md", "# Polled\n");
        let wanted = survey(&bench.home(), &bench.project()).remove("001-a").expect("is there");
        wait_until("it is polled", || {
            differences(&of_view(&bench.view("001-a")), &wanted).is_empty()
        });
        assert!(began.elapsed().as_secs() < 5);
        assert!(matches!(bench.view("001-a").watch, WatchState::Partial { unwatched: 2, .. }));
        // With watches to be had again, all are taken.
        knob.set(Faults::default());
        wait_until("it is live", || bench.view("001-a").watch == WatchState::Live);
        bench.write("001-a/d3/note.md", "# Live\n");
        bench.fresh_all();
        check(&bench, "live");
    }
}

#[test]
fn without_a_watcher_everything_is_polled() {
    let mut bench = Bench::stopped();
    let backend = Box::new(|_: &_, _: Option<&_>| {
        let refused = std::io::Error::other("no watcher today");
        Err(dossierd::watch::WatchError::Start(refused))
    });
    bench.start_with(Setup { backend, ..Setup::default() });
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    assert!(matches!(bench.view("001-a").watch, WatchState::Polling { .. }));
    assert!(bench.handle().view().health.watch_fault.is_some());
    bench.write("001-a/spec.md", "# Fresh\n");
    bench.write("002-b/spec.md", "# New\n");
    bench.fresh_all();
    check(&bench, "fresh");
}

#[test]
fn losing_the_directory_of_cookies_is_survived() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    for round in 0..3 {
        fs::remove_dir_all(bench.home().cookie_dir()).expect("removed");
        bench.write("001-a/spec.md", format!("# Round {round}\n"));
        bench.fresh_all();
        check(&bench, &format!("round {round}"));
    }
}
