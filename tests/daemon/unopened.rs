//! Logs that could not be opened, and identities that could not be read, and then could.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::FeatureView;
use dossierd::dossier::capture::CaptureRequest;
use dossierd::dossier::drift::ParityStatus;
use serde_json::Value;

use crate::kit::{Bench, INDEXED, wait_until, write};

const NAME: &str = "xyz";

fn dossier(bench: &Bench) -> PathBuf {
    bench.project().join(".kittify/dossiers").join(NAME)
}

fn capture(bench: &Bench, view: &FeatureView) -> Result<Arc<FeatureView>, CommandError> {
    let request = CaptureRequest { note: None, paths: None, expected: None };
    bench.runtime.block_on(bench.handle().capture(view.id.clone(), request))
}

#[test]
fn a_log_that_could_not_be_opened_is_opened_when_it_can_be() {
    for how in ["asked for", "edited", "left alone"] {
        let mut bench = Bench::stopped();
        bench.planned_feature(NAME);
        let own = bench.path().join("novel.txt");
        fs::write(&own, "a line\n").expect("written");
        fs::create_dir_all(dossier(&bench)).expect("made");
        let log = dossier(&bench).join("events.jsonl");
        fs::hard_link(&own, &log).expect("linked");
        bench.start();
        bench.register(&bench.project());
        let view = bench.view(NAME);
        assert_eq!(view.store.failing_code, Some("hard-link"), "{how}");
        let rescan = || bench.runtime.block_on(bench.handle().rescan(view.id.clone(), false));
        bench.write("xyz/spec.md", "# Meanwhile\n");
        bench.fresh_all();
        // What is on its way to the log when it is asked may be told as a failure of the scan.
        match rescan() {
            Ok(view) => assert!(view.store.failing.is_some(), "{how}"),
            Err(CommandError::Failed(said)) => assert!(said.contains("hard link"), "{how}: {said}"),
            Err(other) => panic!("{how}: {other}"),
        }
        // What the message says: a copy takes its place.
        let copy = dossier(&bench).join("copy");
        fs::copy(&log, &copy).expect("copied");
        fs::rename(&copy, &log).expect("in place");
        match how {
            "asked for" => assert_eq!(rescan().expect("is scanned").store.failing, None),
            "edited" => bench.write("xyz/spec.md", "# Later\n"),
            _ => {}
        }
        wait_until("it is opened", || bench.view(NAME).store.failing.is_none());
        let indexed = |path: &str| {
            let lines = fs::read_to_string(&log).expect("reads");
            lines.lines().filter(|line| line.contains(INDEXED) && line.contains(path)).count()
        };
        wait_until("it is written", || indexed("xyz/tasks.md") > 0);
        for path in ["xyz/meta.json", "xyz/plan.md", "xyz/tasks.md"] {
            assert_eq!(indexed(path), 1, "{how}: {path}");
        }
        bench.write("xyz/notes.md", "# Afterwards\n");
        assert!(rescan().is_ok_and(|view| view.store.failing.is_none()), "{how}");
        assert_eq!(indexed("xyz/notes.md"), 1, "{how}");
        assert_eq!(fs::read_to_string(&own).expect("is there"), "a line\n", "{how}");
    }
}

#[test]
fn under_an_identity_that_cannot_be_read_nothing_is_written_or_in_sync() {
    for (expected, from, to, restarts) in [
        ("schema_version 9", "\"schema_version\": 1", "\"schema_version\": 9", true),
        ("not a valid project identity", "{", "", false),
    ] {
        let mut bench = Bench::new();
        bench.planned_feature(NAME);
        bench.register(&bench.project());
        capture(&bench, &bench.view(NAME)).expect("captures");
        let before = bench.events(NAME);
        bench.stop();
        let dir = bench.home().identity_dir();
        let file = fs::read_dir(dir).expect("lists").next().expect("has one").expect("lists");
        let text = fs::read_to_string(file.path()).expect("reads");
        let spoilt = text.replacen(from, to, 1);
        assert_ne!(spoilt, text);
        fs::write(file.path(), &spoilt).expect("written");
        let place = dossier(&bench);
        let files = || {
            let entries = fs::read_dir(&place).expect("lists");
            let mut files: Vec<_> = entries
                .map(|entry| entry.expect("lists").path())
                .filter(|path| path.is_file() && !path.ends_with("writer.lock"))
                .map(|path| (path.clone(), fs::read(path).expect("reads")))
                .collect();
            files.sort();
            files
        };
        let found = files();
        bench.start();
        bench.write("xyz/spec.md", "# Later\n");
        let view = bench.fresh(NAME);
        let failing = view.store.failing.clone().unwrap_or_default();
        assert!(failing.contains(expected) && failing.contains("project.uuid"), "{failing}");
        assert_eq!(view.store.failing_code, Some("identity"));
        assert_eq!(view.drift.parity_status, ParityStatus::Error);
        let said = view.drift.message.clone().unwrap_or_default();
        assert!(said.contains(expected), "{said}");
        assert!(matches!(capture(&bench, &view), Err(CommandError::Conflict(_))));
        if restarts {
            bench.stop();
        }
        assert_eq!(files(), found, "{expected}: nothing of it is touched");
        assert_eq!(fs::read_to_string(file.path()).expect("reads"), spoilt);
        // With the identity back, everything goes on where it was.
        fs::write(file.path(), &text).expect("written");
        if restarts {
            bench.start();
        }
        let view = bench.fresh(NAME);
        assert_eq!(view.drift.parity_status, ParityStatus::Drifted);
        assert_eq!((&view.store.failing, view.store.failing_code), (&None, None));
        let after = bench.events(NAME);
        assert!(after.len() > before.len(), "{expected}");
        let uuid = |events: &[Value]| events.last().map(|event| event["project_uuid"].clone());
        assert!(uuid(&before).is_some_and(|uuid| uuid.is_string()));
        assert_eq!(uuid(&after), uuid(&before));
    }
}

/// The one identity that is kept, and where.
fn identity(bench: &Bench) -> (PathBuf, String) {
    let mut files = fs::read_dir(bench.home().identity_dir()).expect("lists");
    let path = files.next().expect("has one").expect("lists").path();
    assert!(files.next().is_none(), "there is one project");
    let text = fs::read_to_string(&path).expect("reads");
    let kept: Value = serde_json::from_str(&text).expect("is JSON");
    (path, kept["project_uuid"].as_str().expect("text").to_owned())
}

#[test]
fn a_project_has_one_identity_at_a_time_whatever_happens_to_its_file() {
    let bench = Bench::new();
    bench.planned_feature(NAME);
    bench.planned_feature("001-a");
    bench.register(&bench.project());
    let (file, first) = identity(&bench);
    fs::remove_file(&file).expect("removed");
    bench.write("xyz/spec.md", "# Later\n");
    for slug in [NAME, "001-a"] {
        let events = bench.events(slug);
        assert!(events.iter().all(|event| event["project_uuid"] == first), "{slug}");
        assert_eq!(bench.view(slug).project.uuid, first, "{slug}");
    }
    assert_eq!(identity(&bench), (file.clone(), first.clone()), "it is kept again");
    // Another one that somebody puts in its place is that of all features, not of one.
    let other = "11111111-2222-4333-8444-555555555555";
    let text = fs::read_to_string(&file).expect("reads").replace(&first, other);
    write(&file, text);
    bench.write("xyz/spec.md", "# Later still\n");
    for slug in [NAME, "001-a"] {
        wait_until(slug, || bench.view(slug).project.uuid == other);
        bench.events(slug);
    }
}
