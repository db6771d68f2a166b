//! Whose a dossier directory is: one feature's at a time, under one identity, and never a file
//! that is somebody else's as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dossierd::daemon::command::{CommandError, Registered};
use dossierd::daemon::view::FeatureView;
use dossierd::daemon::{Daemon, Ending, Setup};
use dossierd::dossier::capture::CaptureRequest;
use dossierd::dossier::drift::ParityStatus;
use serde_json::Value;

use crate::kit::{Bench, MISSING, wait_until, write};

const NAME: &str = "xyz";

fn register(bench: &Bench, path: &Path) -> Result<Registered, CommandError> {
    bench.runtime.block_on(bench.handle().register(path.to_path_buf(), None, None))
}

fn capture(bench: &Bench, view: &FeatureView) -> Result<Arc<FeatureView>, CommandError> {
    let request = CaptureRequest { note: None, paths: None, expected: None };
    bench.runtime.block_on(bench.handle().capture(view.id.clone(), request))
}

fn dossier(bench: &Bench) -> PathBuf {
    bench.project().join(".kittify/dossiers").join(NAME)
}

/// A feature of the project that is not in `kitty-specs`.
fn draft(bench: &Bench) -> PathBuf {
    let dir = bench.project().join("drafts").join(NAME);
    fs::create_dir_all(bench.project().join(".kittify")).expect("made");
    write(&dir.join("meta.json"), r#"{"mission_type": "software-dev"}"#);
    write(&dir.join("spec.md"), "# Draft\n");
    dir
}

/// The features of the name, with and without a log.
fn views(bench: &Bench) -> Vec<Arc<FeatureView>> {
    let view = bench.handle().view();
    view.features.values().filter(|view| view.slug == NAME).cloned().collect()
}

fn at(bench: &Bench, dir: &Path) -> Option<Arc<FeatureView>> {
    views(bench).into_iter().find(|view| view.dir == dir)
}

#[test]
fn a_feature_elsewhere_in_the_project_is_not_taken_for_one_that_is_gone() {
    let mut bench = Bench::new();
    bench.planned_feature("001-a");
    let dir = draft(&bench);
    register(&bench, &dir).expect("registers");
    register(&bench, &bench.project()).expect("registers");
    for round in 0..4 {
        let before = bench.events(NAME).len();
        bench.stop();
        bench.start();
        let found = views(&bench);
        assert_eq!(found.len(), 1, "round {round}: there is one of the name");
        assert_eq!((&found[0].dir, &found[0].store.failing), (&dir, &None), "round {round}");
        assert_eq!(bench.events(NAME).len(), before, "round {round}: nothing happened");
        write(&dir.join("notes.md"), format!("# {round}\n"));
        let events = bench.events(NAME);
        assert!(events.len() > before, "round {round}: what happens is written");
        let is_lost = |event: &&Value| {
            event["event_type"] == MISSING && event.to_string().contains("kitty-specs/xyz")
        };
        assert_eq!(events.iter().find(is_lost), None, "round {round}");
    }
    bench.stop();
    let snapshot = fs::read(dossier(&bench).join("snapshot-latest.json")).expect("is there");
    let snapshot: Value = serde_json::from_slice(&snapshot).expect("is JSON");
    assert!(snapshot["total_artifacts"].as_u64() > Some(0), "{snapshot}");
}

#[test]
fn a_feature_that_was_moved_and_registered_anew_goes_on_with_its_log() {
    let mut bench = Bench::new();
    bench.planned_feature(NAME);
    register(&bench, &bench.project()).expect("registers");
    let archived = bench.project().join("archive").join(NAME);
    fs::create_dir_all(bench.project().join("archive")).expect("made");
    fs::rename(bench.project().join("kitty-specs").join(NAME), &archived).expect("moved");
    // While the daemon runs, even before it was told that the directory went.
    register(&bench, &archived).expect("registers");
    for _ in 0..2 {
        wait_until("only the one that is there is left", || views(&bench).len() == 1);
        let view = at(&bench, &archived).expect("is listed");
        assert_eq!(view.store.failing, None);
        let before = bench.events(NAME).len();
        write(&archived.join("spec.md"), format!("# {before}\n"));
        assert!(bench.events(NAME).len() > before);
        bench.stop();
        bench.start();
    }
}

#[test]
fn a_feature_elsewhere_that_is_not_registered_any_more_is_not_taken_for_one_that_is_gone() {
    for restarts in [true, false] {
        let mut bench = Bench::new();
        bench.planned_feature("001-a");
        let dir = draft(&bench);
        if restarts {
            register(&bench, &bench.project()).expect("registers");
            bench.events("001-a");
        }
        let root = register(&bench, &dir).expect("registers").root.id.clone();
        capture(&bench, &bench.view(NAME)).expect("captures");
        bench.events(NAME);
        bench.runtime.block_on(bench.handle().unregister(root)).expect("is removed");
        let log = dossier(&bench).join("events.jsonl");
        let known = fs::read_to_string(&log).expect("reads");
        if restarts {
            // One that is gone indeed, among files that say nothing of it.
            bench.stop();
            fs::remove_dir_all(bench.project().join("kitty-specs/001-a")).expect("removed");
            fs::create_dir(bench.project().join(".kittify/dossiers/empty")).expect("made");
            bench.start();
            let is_told = |event: &Value| event["payload"]["artifact_count"] == 0;
            wait_until("it is told", || bench.log("001-a").last().is_some_and(is_told));
        } else {
            register(&bench, &bench.project()).expect("registers");
        }
        bench.fresh_all();
        assert!(at(&bench, &dir).is_none());
        bench.stop();
        let found = fs::read_to_string(&log).expect("reads");
        assert!(found == known, "restarts: {restarts}: something is written");
    }
}

#[test]
fn two_features_of_one_name_in_a_project_never_have_one_log() {
    let bench = Bench::new();
    let dir = draft(&bench);
    bench.planned_feature(NAME);
    let listed = bench.project().join("kitty-specs").join(NAME);
    let project = register(&bench, &bench.project()).expect("registers").root.id.clone();
    let Err(CommandError::Conflict(said)) = register(&bench, &dir) else { panic!("is refused") };
    for word in ["kitty-specs/xyz", "the same name", "rename"] {
        assert!(said.contains(word), "{said}");
    }
    bench.runtime.block_on(bench.handle().unregister(project)).expect("is removed");
    // The other way round the one that was registered by its name keeps what is its own.
    let root = register(&bench, &dir).expect("registers").root.id.clone();
    register(&bench, &bench.project()).expect("registers");
    let second = at(&bench, &listed).expect("is listed");
    let failing = second.store.failing.clone().unwrap_or_default();
    assert!(failing.contains("drafts/xyz") && failing.contains("rename"), "{failing}");
    assert_eq!(second.store.failing_code, Some("same-name"));
    assert_eq!(second.drift.parity_status, ParityStatus::Error);
    assert!(second.place.is_none(), "the files are the other one's");
    assert!(matches!(capture(&bench, &second), Err(CommandError::Conflict(_))));
    let first = at(&bench, &dir).expect("is listed");
    assert_eq!(first.store.failing, None);
    // When the first one is forgotten, the place is free.
    bench.runtime.block_on(bench.handle().unregister(root)).expect("is removed");
    wait_until("the other one has a log", || {
        at(&bench, &listed).is_some_and(|view| view.store.failing.is_none())
    });
    bench.events(NAME);
}

#[test]
fn a_log_that_is_a_users_file_as_well_is_left_alone() {
    for name in ["events.jsonl", "writer.lock"] {
        let mut bench = Bench::stopped();
        bench.planned_feature(NAME);
        let own = bench.path().join("novel.txt");
        let text = "a first line\nand the last, without an end";
        fs::write(&own, text).expect("written");
        fs::create_dir_all(dossier(&bench)).expect("made");
        fs::hard_link(&own, dossier(&bench).join(name)).expect("linked");
        bench.start();
        bench.register(&bench.project());
        let store = bench.view(NAME).store.clone();
        let failing = store.failing.unwrap_or_default();
        for word in [name, "hard link", "copy"] {
            assert!(failing.contains(word), "{name}: {failing}");
        }
        assert_eq!(store.failing_code, Some("hard-link"));
        bench.write("xyz/spec.md", "# Later\n");
        bench.fresh_all();
        bench.stop();
        assert_eq!(fs::read_to_string(&own).expect("is there"), text, "{name}");
    }
}

#[test]
fn a_log_that_gets_a_second_name_meanwhile_is_not_written_to_until_it_has_one() {
    let bench = Bench::new();
    bench.planned_feature(NAME);
    bench.register(&bench.project());
    let known = bench.events(NAME).len();
    let log = dossier(&bench).join("events.jsonl");
    let other = bench.path().join("kept.jsonl");
    fs::hard_link(&log, &other).expect("linked");
    let text = fs::read(&other).expect("is there");
    bench.write("xyz/spec.md", "# Later\n");
    wait_until("it is told", || {
        bench.view(NAME).store.failing.as_ref().is_some_and(|said| said.contains("hard link"))
    });
    assert_eq!(fs::read(&other).expect("is there"), text);
    fs::remove_file(&other).expect("removed");
    wait_until("it is written", || bench.view(NAME).store.failing.is_none());
    assert!(bench.events(NAME).len() > known);
}

#[test]
fn a_planted_log_does_not_hold_up_a_stop() {
    let mut bench = Bench::new();
    bench.planned_feature(NAME);
    bench.register(&bench.project());
    bench.stop();
    let log = dossier(&bench).join("events.jsonl");
    fs::write(&log, "{}\n".repeat(32 << 20)).expect("written");
    let home = bench.home();
    let daemon = Daemon::start_with(&home, &home.config_file(), Setup::default()).expect("starts");
    let began = Instant::now();
    assert_eq!(daemon.stop(), Ending::Stopped);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
