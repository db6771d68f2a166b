//! Roots that come, go, are replaced, overlap, or cannot be read or written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use dossierd::daemon::Setup;
use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::{SelectError, WatchState};
use dossierd::dossier::capture::CaptureRequest;
use dossierd::dossier::completeness::CompletenessStatus;
use dossierd::dossier::drift::ParityStatus;

use crate::kit::compare::{differences, of_view, survey};
use crate::kit::{Bench, wait_until, write};

fn slugs(bench: &Bench) -> Vec<String> {
    let mut slugs: Vec<String> =
        bench.handle().view().features.values().map(|view| view.slug.clone()).collect();
    slugs.sort();
    slugs
}

/// Is everything of this project published as a fresh survey finds it?
fn check(bench: &Bench, project: &Path) {
    bench.fresh_all();
    let theirs = survey(&bench.home(), project);
    let view = bench.handle().view();
    let own = view.features.values().filter(|view| view.dir.starts_with(project));
    let mut found = 0;
    for view in own {
        let theirs = theirs.get(&view.slug).unwrap_or_else(|| panic!("{} is gone", view.slug));
        let differences = differences(&of_view(view), theirs);
        assert!(differences.is_empty(), "{}: {}", view.slug, differences.join("\n"));
        found += 1;
    }
    assert_eq!(found, theirs.len());
}

fn register(bench: &Bench, path: &Path) -> dossierd::daemon::command::Registered {
    let registered = bench.handle().register(path.to_path_buf(), None, None);
    bench.runtime.block_on(registered).expect("registers")
}

fn unregister(bench: &Bench, id: &str) -> Result<(), CommandError> {
    bench.runtime.block_on(bench.handle().unregister(id.to_owned())).map(|_| ())
}

#[test]
fn a_root_that_is_gone_is_shown_as_gone_and_may_return() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    let away = bench.path().join("away");
    fs::rename(bench.project(), &away).expect("moved");
    bench.fresh_all();
    let view = bench.view("001-a");
    assert!(matches!(view.watch, WatchState::Detached { .. }), "{:?}", view.watch);
    assert_eq!(view.dossier.completeness_status, CompletenessStatus::Unknown);
    assert_eq!(view.drift.parity_status, ParityStatus::Error);
    assert!(matches!(bench.handle().view().roots[0].watch, WatchState::Detached { .. }));
    // What changes meanwhile is seen when it returns.
    write(&away.join("kitty-specs/001-a/notes.md"), "# Away\n");
    write(&away.join("kitty-specs/002-b/spec.md"), "# Away\n");
    fs::rename(&away, bench.project()).expect("moved back");
    check(&bench, &bench.project());
    assert_eq!(slugs(&bench), ["001-a", "002-b"]);
    assert_eq!(bench.view("001-a").watch, WatchState::Live);
    assert_eq!(bench.view("001-a").dossier.completeness_status, CompletenessStatus::Complete);
    bench.write("002-b/spec.md", "# Still watched\n");
    check(&bench, &bench.project());
}

#[test]
fn a_root_that_is_replaced_has_the_content_of_the_new_one() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.planned_feature("002-b");
    bench.register(&bench.project());
    for round in 0..3 {
        let other = bench.path().join("other");
        write(&other.join("kitty-specs/001-a/spec.md"), format!("# Another one, {round}\n"));
        write(&other.join("kitty-specs/003-c/deep/spec.md"), "# New\n");
        fs::create_dir_all(other.join(".kittify")).expect("made");
        if round == 0 {
            // The daemon may just be writing its files there.
            wait_until("it is removed", || {
                let _ = fs::remove_dir_all(bench.project());
                !bench.project().exists()
            });
        } else {
            fs::rename(bench.project(), bench.path().join(format!("old{round}"))).expect("moved");
        }
        fs::rename(&other, bench.project()).expect("moved");
        check(&bench, &bench.project());
        assert_eq!(slugs(&bench), ["001-a", "003-c"]);
        bench.write("003-c/deep/spec.md", "# Watched\n");
        check(&bench, &bench.project());
    }
}

#[test]
fn a_directory_far_above_that_is_renamed_is_noticed_by_a_fresh_read() {
    let bench = Bench::new();
    let project = bench.path().join("a/b/project");
    write(&project.join("kitty-specs/001-a/spec.md"), "# Spec\n");
    register(&bench, &project);
    fs::rename(bench.path().join("a"), bench.path().join("z")).expect("renamed");
    bench.fresh_all();
    assert!(matches!(bench.view("001-a").watch, WatchState::Detached { .. }));
}

#[test]
fn what_stays_away_loses_its_rows() {
    let mut bench = Bench::stopped();
    bench.start_with(Setup { grace: Duration::from_millis(10), ..Setup::default() });
    bench.planned_feature("001-a");
    let feature = bench.project().join("kitty-specs/001-a");
    register(&bench, &feature);
    bench.events("001-a");
    fs::remove_dir_all(&feature).expect("removed");
    // Its files go one by one before it does, so its rows alone say nothing.
    wait_until("its rows are gone, and it is seen to be", || {
        let view = bench.view("001-a");
        let detached = matches!(view.watch, WatchState::Detached { .. });
        detached && view.dossier.present_count() == 0
    });
    let view = bench.view("001-a");
    assert_ne!(view.dossier.completeness_status, CompletenessStatus::Complete);
    let place = view.place.clone().expect("has a place");
    wait_until("its log says so", || {
        crate::kit::compare::logged_hash(&place) == Ok(Some(view.dossier.parity_hash))
    });
    let captured = bench.handle().capture(view.id.clone(), CaptureRequest::default());
    assert!(bench.runtime.block_on(captured).is_err(), "nothing is there to be accepted");
    bench.planned_feature("001-a");
    wait_until("it is back", || bench.view("001-a").dossier.present_count() == 4);
    bench.fresh_all();
    assert_eq!(bench.view("001-a").watch, WatchState::Live);
}

#[test]
fn an_empty_directory_in_the_place_of_one_that_went_has_nothing_of_its_mission() {
    let mut bench = Bench::stopped();
    bench.start_with(Setup { grace: Duration::from_millis(10), ..Setup::default() });
    bench.planned_feature("001-a");
    let feature = bench.project().join("kitty-specs/001-a");
    register(&bench, &feature);
    // In one step: a removal that is seen half-way, without meta.json, is another mission's.
    fs::rename(&feature, bench.project().join("aside")).expect("moved away");
    wait_until("its rows are gone", || {
        let view = bench.view("001-a");
        let detached = matches!(view.watch, WatchState::Detached { .. });
        detached && view.dossier.present_count() == 0
    });
    // The last view of one that is gone tells of the mission that it belonged to.
    assert_eq!(bench.view("001-a").dossier.missing.len(), 3);
    fs::create_dir(&feature).expect("made");
    check(&bench, &feature);
}

#[test]
fn kitty_specs_may_come_later_go_and_come_again() {
    let bench = Bench::new();
    fs::create_dir_all(bench.project().join(".kittify")).expect("made");
    assert!(bench.register(&bench.project()).is_empty());
    for round in 0..3 {
        bench.planned_feature("001-a");
        bench.write("002-b/deep/er/spec.md", format!("# Round {round}\n"));
        check(&bench, &bench.project());
        assert_eq!(slugs(&bench), ["001-a", "002-b"]);
        fs::remove_dir_all(bench.project().join("kitty-specs")).expect("removed");
        bench.fresh_all();
        assert!(slugs(&bench).is_empty(), "round {round}");
    }
    // Moved away and back, and changed meanwhile.
    bench.planned_feature("001-a");
    bench.fresh_all();
    let (specs, aside) = (bench.project().join("kitty-specs"), bench.project().join("aside"));
    fs::rename(&specs, &aside).expect("moved");
    bench.fresh_all();
    assert!(slugs(&bench).is_empty());
    write(&aside.join("001-a/late.md"), "# Late\n");
    fs::rename(&aside, &specs).expect("moved back");
    check(&bench, &bench.project());
    bench.write("001-a/late.md", "# Later\n");
    check(&bench, &bench.project());
}

#[test]
fn a_feature_may_be_removed_made_and_renamed_without_pause() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    let specs = bench.project().join("kitty-specs");
    for round in 0..10 {
        fs::rename(specs.join("001-a"), specs.join("002-b")).expect("renamed");
        if round % 2 == 0 {
            bench.fresh_all();
        }
        fs::rename(specs.join("002-b"), specs.join("001-a")).expect("renamed back");
        if round % 3 == 0 {
            fs::remove_dir_all(specs.join("001-a")).expect("removed");
            bench.fresh_all();
            bench.planned_feature("001-a");
        }
        check(&bench, &bench.project());
        bench.events("001-a");
        assert_eq!(bench.view("001-a").store.failing, None, "round {round}");
    }
}

#[test]
fn a_feature_alone_is_a_root() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.planned_feature("002-b");
    let feature = bench.project().join("kitty-specs/001-a");
    let registered = register(&bench, &feature);
    assert_eq!((registered.root.kind, slugs(&bench)), ("feature", vec!["001-a".into()]));
    bench.write("001-a/notes.md", "# Watched\n");
    bench.fresh_all();
    assert_eq!(bench.view("001-a").dossier.present_count(), 5);
    // By the id of the root or of its only feature.
    unregister(&bench, &bench.view("001-a").id.clone()).expect("unregistered");
    assert!(slugs(&bench).is_empty());
}

#[test]
fn a_project_takes_over_features_that_were_registered_alone() {
    for marker in [".kittify", "none"] {
        let mut bench = Bench::new();
        bench.write("001-a/spec.md", "# Spec\n");
        bench.write("001-a/meta.json", r#"{"mission_type": "software-dev"}"#);
        bench.write("002-b/spec.md", "# Spec\n");
        fs::create_dir_all(bench.project().join(marker)).expect("made");
        let feature = bench.project().join("kitty-specs/001-a");
        let added = bench.handle().register(feature.clone(), None, Some("plan".into()));
        let added = bench.runtime.block_on(added).expect("registers");
        let id = added.features[0].id.clone();
        let registered = register(&bench, &bench.project());
        assert!(!registered.already);
        assert_eq!(slugs(&bench), ["001-a", "002-b"]);
        assert_eq!(bench.handle().view().roots.len(), 1, "the feature's root is part of it");
        let view = bench.view("001-a");
        assert_eq!(view.id, id);
        assert_eq!(view.project.root, bench.project(), "{marker}");
        assert_eq!(view.dossier.current_step.as_deref(), Some("plan"), "its step goes with it");
        let events = bench.events("001-a");
        let mut paths = events.iter().filter_map(|e| e["payload"]["artifact_id"]["path"].as_str());
        let last = paths.next_back().expect("an artifact");
        assert!(last.starts_with("kitty-specs/001-a/"), "{marker}: {last}");
        assert!(register(&bench, &feature).already, "it is served already");
        assert!(matches!(unregister(&bench, &id), Err(CommandError::Conflict(_))));
        bench.stop();
        bench.start();
        assert_eq!(slugs(&bench), ["001-a", "002-b"]);
        assert_eq!(bench.view("001-a").dossier.current_step.as_deref(), Some("plan"));
    }
}

#[test]
fn one_of_two_roots_is_removed_and_the_other_stays_watched() {
    let bench = Bench::new();
    let other = bench.path().join("other");
    bench.planned_feature("001-a");
    write(&other.join("kitty-specs/009-z/spec.md"), "# Z\n");
    let first = register(&bench, &bench.project());
    register(&bench, &other);
    assert!(register(&bench, &other).already);
    assert_eq!(bench.handle().view().roots.len(), 2);
    unregister(&bench, &first.root.id).expect("unregistered");
    assert_eq!(slugs(&bench), ["009-z"]);
    assert!(matches!(unregister(&bench, &first.root.id), Err(CommandError::NotFound(_))));
    write(&other.join("kitty-specs/009-z/spec.md"), "# Changed\n");
    check(&bench, &other);
    // Again, at once: its log has to be free by then.
    for _ in 0..5 {
        let again = register(&bench, &bench.project());
        assert_eq!(again.features.len(), 1);
        assert_eq!(again.features[0].store.failing, None);
        bench.write("001-a/spec.md", "# Again\n");
        unregister(&bench, &again.root.id).expect("unregistered");
    }
}

#[test]
fn a_project_inside_another_survives_the_removal_of_the_outer() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    let inner = bench.project().join("kitty-specs/001-a/sub");
    write(&inner.join("kitty-specs/005-i/spec.md"), "# Inner\n");
    let outer = register(&bench, &bench.project());
    register(&bench, &inner);
    assert_eq!(slugs(&bench), ["001-a", "005-i"]);
    write(&inner.join("kitty-specs/005-i/spec.md"), "# Both see this\n");
    check(&bench, &inner);
    unregister(&bench, &outer.root.id).expect("unregistered");
    assert_eq!(slugs(&bench), ["005-i"]);
    write(&inner.join("kitty-specs/005-i/spec.md"), "# Still seen\n");
    write(&inner.join("kitty-specs/006-j/spec.md"), "# New\n");
    check(&bench, &inner);
    assert_eq!(slugs(&bench), ["005-i", "006-j"]);
}

#[test]
fn a_project_without_kittify_gets_nothing_written() {
    let bench = Bench::new();
    bench.write("001-a/spec.md", "# Spec\n");
    let views = bench.register(&bench.project());
    assert_eq!(views[0].store.location, "state");
    assert!(views[0].store.fallback_reason.is_some());
    bench
        .runtime
        .block_on(bench.handle().capture(views[0].id.clone(), CaptureRequest::default()))
        .expect("ok");
    bench.events("001-a");
    let listed = fs::read_dir(bench.project()).expect("listed").flatten();
    let names: Vec<_> = listed.map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["kitty-specs"]);
    let files = fs::read_dir(bench.project().join("kitty-specs/001-a")).expect("listed").count();
    assert_eq!(files, 1);
}

#[test]
fn a_project_that_cannot_be_written_is_served_from_the_state_directory() {
    if rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: root may write everything");
        return;
    }
    let bench = Bench::new();
    bench.planned_feature("001-a");
    let mode = |mode| {
        let kittify = bench.project().join(".kittify");
        fs::set_permissions(kittify, fs::Permissions::from_mode(mode)).expect("set");
    };
    mode(0o555);
    let views = bench.register(&bench.project());
    assert_eq!(views[0].store.location, "state");
    bench.events("001-a");
    mode(0o755);
}

#[test]
fn what_cannot_be_read_is_shown_as_such() {
    if rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: root may read everything");
        return;
    }
    let bench = Bench::new();
    bench.planned_feature("001-a");
    bench.planned_feature("002-b");
    let feature = bench.project().join("kitty-specs/001-a");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    mode(&feature, 0o000);
    bench.register(&bench.project());
    let view = bench.view("001-a");
    assert!(matches!(view.watch, WatchState::Detached { .. }), "{:?}", view.watch);
    assert_eq!(view.dossier.completeness_status, CompletenessStatus::Unknown);
    assert_eq!(view.drift.parity_status, ParityStatus::Error);
    mode(&feature, 0o755);
    check(&bench, &bench.project());
    assert_eq!(bench.view("001-a").watch, WatchState::Live);
    let refused = bench.path().join("refused");
    fs::create_dir(&refused).expect("made");
    mode(&refused, 0o000);
    let registered = bench.handle().register(refused.clone(), None, None);
    assert!(matches!(bench.runtime.block_on(registered), Err(CommandError::Invalid(_))));
    mode(&refused, 0o755);
}

#[test]
fn what_is_no_root_is_refused() {
    let bench = Bench::new();
    write(&bench.path().join("file"), "");
    let bad = [bench.path().join("nowhere"), bench.path().join("file"), "relative/path".into()];
    for path in bad {
        let registered = bench.handle().register(path.clone(), None, None);
        let answer = bench.runtime.block_on(registered);
        assert!(matches!(answer, Err(CommandError::Invalid(_))), "{}: {answer:?}", path.display());
    }
    assert!(bench.handle().view().roots.is_empty());
}

#[test]
fn a_slug_that_two_projects_have_is_ambiguous() {
    let bench = Bench::new();
    let other = bench.path().join("other");
    bench.planned_feature("001-a");
    write(&other.join("kitty-specs/001-a/spec.md"), "# Other\n");
    let first = bench.register(&bench.project())[0].clone();
    let second = register(&bench, &other).features[0].clone();
    let view = bench.handle().view();
    let Err(SelectError::Ambiguous(candidates)) = view.select(Some("001-a")) else {
        panic!("is ambiguous");
    };
    assert_eq!(candidates.len(), 2);
    assert_eq!(view.select(Some(&first.id)).expect("by id").dir, first.dir);
    assert_eq!(view.select(Some(&second.id)).expect("by id").dir, second.dir);
}
