//! Baselines: captured, amended, rejected, broken, and found again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::FeatureView;
use dossierd::dossier::capture::CaptureRequest;
use dossierd::dossier::drift::{ParityStatus, Severity};

use crate::kit::{Bench, DRIFT, write};

const SLUG: &str = "001-a";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.planned_feature(SLUG);
    bench.register(&bench.project());
    bench
}

fn capture(bench: &Bench, paths: Option<&[&str]>) -> Result<Arc<FeatureView>, CommandError> {
    let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
    let id = bench.view(SLUG).id.clone();
    let request = CaptureRequest { note: Some("accepted".into()), paths, expected: None };
    bench.runtime.block_on(bench.handle().capture(id, request))
}

fn clear(bench: &Bench) -> bool {
    let id = bench.view(SLUG).id.clone();
    bench.runtime.block_on(bench.handle().clear_baseline(id)).expect("clears")
}

fn status(bench: &Bench) -> ParityStatus {
    bench.fresh(SLUG).drift.parity_status
}

fn file(bench: &Bench) -> PathBuf {
    bench.project().join(".kittify/dossiers/001-a/parity-baseline.json")
}

fn drifts(bench: &Bench) -> Vec<serde_json::Value> {
    let mut events = bench.events(SLUG);
    events.retain(|event| event["event_type"] == DRIFT);
    events
}

/// What `git checkout` does to what the daemon reads.
fn check_out(bench: &Bench, branch: &str) {
    let git = bench.project().join(".git");
    let sha = format!("{:040x}\n", branch.len());
    write(&git.join("refs/heads").join(branch), sha);
    write(&git.join("HEAD"), format!("ref: refs/heads/{branch}\n"));
}

#[test]
fn captured_as_a_whole_drifted_and_cleared() {
    let bench = bench();
    assert_eq!(status(&bench), ParityStatus::NoBaseline);
    assert!(!clear(&bench), "there was none");
    // No read in between: a capture accepts what is there when it is asked for.
    bench.write("001-a/spec.md", "# Written just before\n");
    let view = capture(&bench, None).expect("captures");
    assert_eq!(view.drift.parity_status, ParityStatus::InSync);
    assert_eq!(view.baseline.as_ref().and_then(|b| b.note.clone()).as_deref(), Some("accepted"));
    assert_eq!(status(&bench), ParityStatus::InSync);
    let feature = bench.project().join("kitty-specs/001-a");
    fs::rename(feature.join("spec.md"), feature.join("moved.md")).expect("renamed");
    let view = bench.fresh(SLUG);
    assert_eq!(view.drift.parity_status, ParityStatus::Moved);
    assert_eq!(view.drift.differences.moved.len(), 1);
    assert_eq!(view.drift.severity, Some(Severity::Error), "spec.md is required and gone");
    fs::rename(feature.join("moved.md"), feature.join("spec.md")).expect("renamed");
    bench.write("001-a/plan.md", "# Other\n");
    bench.write("001-a/new.md", "# New\n");
    fs::remove_file(feature.join("tasks.md")).expect("removed");
    let drift = Arc::clone(&bench.fresh(SLUG).drift);
    assert_eq!(drift.parity_status, ParityStatus::Drifted);
    let told = &drift.differences;
    assert_eq!(
        (&told.added[..], &told.changed[..]),
        (&["new.md".into()][..], &["plan.md".into()][..])
    );
    assert_eq!(told.removed, ["tasks.md"]);
    assert!(clear(&bench));
    assert_eq!(status(&bench), ParityStatus::NoBaseline);
    assert!(!file(&bench).exists());
}

#[test]
fn captured_path_by_path() {
    let bench = bench();
    let early = capture(&bench, Some(&["spec.md"]));
    assert!(matches!(early, Err(CommandError::Conflict(_))), "nothing to amend: {early:?}");
    capture(&bench, None).expect("captures");
    bench.write("001-a/plan.md", "# Other\n");
    bench.write("001-a/new.md", "# New\n");
    fs::remove_file(bench.project().join("kitty-specs/001-a/tasks.md")).expect("removed");
    let differences = |view: &FeatureView| {
        let d = &view.drift.differences;
        (d.added.clone(), d.changed.clone(), d.removed.clone())
    };
    let some = |path: &str| vec![path.to_owned()];
    let view = capture(&bench, Some(&["plan.md"])).expect("amends");
    assert_eq!(differences(&view), (some("new.md"), vec![], some("tasks.md")));
    let view = capture(&bench, Some(&["new.md"])).expect("amends");
    assert_eq!(differences(&view), (vec![], vec![], some("tasks.md")));
    let unknown = capture(&bench, Some(&["nowhere.md"]));
    assert!(matches!(unknown, Err(CommandError::Conflict(_))), "{unknown:?}");
    let view = capture(&bench, Some(&["tasks.md"])).expect("amends");
    assert_eq!(view.drift.parity_status, ParityStatus::InSync);
}

#[test]
fn files_of_other_tools_are_read() {
    let bench = bench();
    for (slug, mission) in [("feature_slug", "mission_key"), ("mission_slug", "mission_type")] {
        let view = bench.fresh(SLUG);
        let key = &view.baseline_key;
        let theirs = |parity: &str| {
            serde_json::json!({
                "baseline_key": {
                    "project_uuid": key.project_uuid, "node_id": key.node_id,
                    slug: key.feature_slug, "target_branch": key.target_branch,
                    mission: key.mission_key, "manifest_version": key.manifest_version,
                },
                "baseline_key_hash": key.hash().to_string(),
                "parity_hash_sha256": parity,
                "captured_at": "2026-01-02T03:04:05+00:00",
                "captured_by": key.node_id,
            })
            .to_string()
        };
        write(&file(&bench), theirs(&view.dossier.parity_hash.to_string()));
        assert_eq!(status(&bench), ParityStatus::InSync, "{slug}");
        write(&file(&bench), theirs(&"0".repeat(64)));
        let view = bench.fresh(SLUG);
        assert_eq!(view.drift.parity_status, ParityStatus::Drifted, "{slug}");
        assert!(!view.drift.names_known);
        fs::remove_file(file(&bench)).expect("removed");
    }
}

#[test]
fn a_broken_file_is_an_error_and_is_kept_aside() {
    let bench = bench();
    let broken = ["", "{", "[]", "{\"baseline_key\": 1}", "\u{fffd}", "null"];
    let aside = |place: usize| match place {
        0 => file(&bench).with_file_name("parity-baseline.broken.json"),
        _ => file(&bench).with_file_name(format!("parity-baseline.broken-{}.json", place + 1)),
    };
    for (place, text) in broken.iter().enumerate() {
        write(&file(&bench), text);
        let view = bench.fresh(SLUG);
        assert_eq!(view.drift.parity_status, ParityStatus::Error, "{text:?}");
        assert_eq!(view.drift.severity, Some(Severity::Error));
        assert!(view.drift.message.as_ref().is_some_and(|m| m.contains("capture")), "{text:?}");
        let amended = capture(&bench, Some(&["spec.md"]));
        assert!(matches!(amended, Err(CommandError::Conflict(_))), "{amended:?}");
        let view = capture(&bench, None).expect("captures");
        assert_eq!(view.drift.parity_status, ParityStatus::InSync, "{text:?}");
        assert_eq!(fs::read_to_string(aside(place)).expect("is kept"), *text);
    }
    for (place, text) in broken.iter().enumerate() {
        assert_eq!(fs::read_to_string(aside(place)).expect("is still kept"), *text);
    }
    // A list that does not give its own hash was edited by hand.
    let mut captured: serde_json::Value =
        serde_json::from_slice(&fs::read(file(&bench)).expect("read")).expect("is JSON");
    captured["artifacts"][0]["content_hash_sha256"] = "1".repeat(64).into();
    write(&file(&bench), captured.to_string());
    assert_eq!(status(&bench), ParityStatus::Error);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_at_all_is_put_aside_as_it_is() {
    use std::os::unix::fs::symlink;

    let bench = bench();
    let elsewhere = bench.project().join("elsewhere.json");
    write(&elsewhere, "not ours");
    let link = |path: &Path| symlink(&elsewhere, path).expect("linked");
    let dangling = |path: &Path| symlink("/nowhere/at/all", path).expect("linked");
    let directory = |path: &Path| {
        fs::create_dir(path).expect("made");
        write(&path.join("inside"), "kept");
    };
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status().expect("runs");
        assert!(made.success());
    };
    let makers: [&dyn Fn(&Path); 4] = [&link, &dangling, &directory, &pipe];
    capture(&bench, None).expect("captures");
    let mut places = 0;
    for make in makers {
        for clears in [false, true] {
            fs::remove_file(file(&bench)).expect("removed");
            make(&file(&bench));
            let kind = |path: &Path| fs::symlink_metadata(path).expect("is there").file_type();
            let before = kind(&file(&bench));
            let view = bench.fresh(SLUG);
            assert_eq!(view.drift.parity_status, ParityStatus::Error);
            let message = view.drift.message.clone().expect("says why");
            assert!(
                message.contains("cannot open") && message.matches(": ").count() > 1,
                "{message}"
            );
            if clears {
                assert!(clear(&bench));
                assert_eq!(status(&bench), ParityStatus::NoBaseline);
            }
            let view = capture(&bench, None).expect("captures");
            assert_eq!(view.drift.parity_status, ParityStatus::InSync);
            places += 1;
            let name = match places {
                1 => "parity-baseline.broken.json".to_owned(),
                n => format!("parity-baseline.broken-{n}.json"),
            };
            let aside = file(&bench).with_file_name(name);
            assert_eq!(kind(&aside), before);
            assert!(!before.is_dir() || aside.join("inside").exists(), "with what is in it");
        }
    }
    assert_eq!(fs::read_to_string(&elsewhere).expect("is there"), "not ours");
}

#[test]
fn another_branch_rejects_it_once_and_coming_back_finds_it() {
    let bench = bench();
    check_out(&bench, "main");
    bench.fresh_all();
    capture(&bench, None).expect("captures");
    assert!(drifts(&bench).is_empty());
    check_out(&bench, "feature-x");
    let view = bench.fresh(SLUG);
    assert_eq!(view.drift.parity_status, ParityStatus::BaselineRejected);
    assert_eq!(view.drift.rejected_components, ["target_branch", "checkout_branch"]);
    assert_eq!(view.drift.severity, Some(Severity::Info));
    let rejected = drifts(&bench);
    assert_eq!(rejected.len(), 1, "one event for the change of context");
    assert_eq!(rejected[0]["payload"]["context_diagnostics"]["severity"], "info");
    bench.write("001-a/spec.md", "# On the other branch\n");
    bench.fresh_all();
    assert_eq!(drifts(&bench).len(), 1, "not one at each look");
    // One for this branch as well; the other is kept.
    let view = capture(&bench, None).expect("captures");
    assert_eq!(view.drift.parity_status, ParityStatus::InSync);
    check_out(&bench, "main");
    let view = bench.fresh(SLUG);
    assert_eq!(view.drift.parity_status, ParityStatus::Drifted, "compared with the old one");
    assert_eq!(view.drift.differences.changed, ["spec.md"]);
    bench.write("001-a/spec.md", "# Spec\n");
    assert_eq!(status(&bench), ParityStatus::InSync);
    check_out(&bench, "feature-x");
    assert_eq!(status(&bench), ParityStatus::Drifted);
}

#[test]
fn a_target_branch_of_its_own_leaves_only_the_checkout_to_differ() {
    let bench = bench();
    check_out(&bench, "main");
    let meta = r#"{"mission_type": "software-dev", "current_step": "plan", "target_branch": "t"}"#;
    bench.write("001-a/meta.json", meta);
    bench.fresh_all();
    capture(&bench, None).expect("captures");
    check_out(&bench, "elsewhere");
    assert_eq!(bench.fresh(SLUG).drift.rejected_components, ["checkout_branch"]);
    check_out(&bench, "main");
    assert_eq!(status(&bench), ParityStatus::InSync);
}

#[test]
fn another_manifest_version_rejects_it() {
    let bench = bench();
    capture(&bench, None).expect("captures");
    let directory = bench.project().join(".kittify/missions/software-dev");
    let builtin = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("missions/software-dev");
    for name in ["mission.yaml", "expected-artifacts.yaml"] {
        let text = fs::read_to_string(builtin.join(name)).expect("read");
        write(
            &directory.join(name),
            text.replace("manifest_version: \"1\"", "manifest_version: \"9\""),
        );
    }
    let view = bench.fresh(SLUG);
    assert_eq!(view.dossier.manifest_version(), "9", "{:?}", view.dossier.anomalies);
    assert_eq!(view.drift.parity_status, ParityStatus::BaselineRejected);
    assert_eq!(view.drift.rejected_components, ["manifest_version"]);
    // A broken override keeps the last good one in force, and says so.
    write(&directory.join("expected-artifacts.yaml"), "schema_version: [\n");
    let view = bench.fresh(SLUG);
    assert_eq!(view.dossier.manifest_version(), "9");
    assert!(view.dossier.anomalies.iter().any(|a| a.code == "invalid-mission-override"));
    fs::remove_dir_all(&directory).expect("removed");
    assert_eq!(status(&bench), ParityStatus::InSync);
}

#[test]
fn the_last_good_override_outlives_a_restart_and_holds_for_new_features() {
    let mut bench = bench();
    let file = bench.project().join(".kittify/missions/software-dev/expected-artifacts.yaml");
    let builtin = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("missions/software-dev");
    let text = fs::read_to_string(builtin.join("expected-artifacts.yaml")).expect("read");
    let claim = |bench: &Bench, slug: &str| {
        let dossier = Arc::clone(&bench.fresh(slug).dossier);
        let mut anomalies = dossier.anomalies.iter();
        let found = anomalies.find(|a| a.code == "invalid-mission-override");
        (dossier.manifest_version().to_owned(), found.map(|a| a.message.clone()))
    };
    write(&file, text.replace("manifest_version: \"1\"", "manifest_version: \"9\""));
    assert_eq!(claim(&bench, SLUG), ("9".to_owned(), None));
    write(&file, "schema_version: [\n");
    bench.planned_feature("002-new");
    for restarted in [false, true] {
        if restarted {
            bench.stop();
            bench.start();
        }
        for slug in [SLUG, "002-new"] {
            let (version, message) = claim(&bench, slug);
            let message = message.expect("an anomaly");
            assert_eq!(version, "9", "{slug} {restarted}");
            assert!(message.ends_with("the last good override of software-dev stays in force"));
        }
    }
    // Without anything that was ever good, the built-in one holds, and the text says so.
    fs::remove_file(&file).expect("removed");
    assert_eq!(claim(&bench, SLUG), ("1".to_owned(), None));
    write(&file, "schema_version: [\n");
    let (version, message) = claim(&bench, SLUG);
    assert_eq!(version, "1");
    assert!(message.expect("an anomaly").contains("the built-in definition of software-dev"));
}

#[test]
fn a_drift_is_written_when_its_state_changes_and_survives_restarts() {
    let mut bench = bench();
    capture(&bench, None).expect("captures");
    bench.write("001-a/notes.md", "# Added\n");
    let first = drifts(&bench);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["payload"]["context_diagnostics"]["severity"], "info");
    bench.write("001-a/spec.md", "# Changed\n");
    let second = drifts(&bench);
    assert_eq!(second.len(), 2);
    assert_eq!(second[1]["payload"]["context_diagnostics"]["severity"], "warning");
    bench.stop();
    bench.start();
    assert_eq!(drifts(&bench).len(), 2);
    assert_eq!(status(&bench), ParityStatus::Drifted);
}

#[test]
fn what_changed_since_somebody_looked_is_not_accepted() {
    let bench = bench();
    let seen = bench.view(SLUG).dossier.tree_hash;
    let ask = |expected| {
        let request = CaptureRequest { expected: Some(expected), ..CaptureRequest::default() };
        let id = bench.view(SLUG).id.clone();
        bench.runtime.block_on(bench.handle().capture(id, request))
    };
    std::fs::write(bench.project().join("kitty-specs").join(SLUG).join("plan.md"), "# other\n")
        .expect("written");
    let refused = ask(seen).expect_err("refused");
    assert!(matches!(&refused, CommandError::Conflict(text) if text.contains("has changed")));
    assert!(bench.view(SLUG).baseline.is_none());
    let now = bench.view(SLUG).dossier.tree_hash;
    assert_ne!(now, seen);
    assert!(ask(now).expect("accepted").baseline.is_some());
}
