//! What happens to files is in the next fresh read, and in the log.

use std::fs;

use dossierd::dossier::capture::CaptureRequest;
use dossierd::dossier::completeness::CompletenessStatus;
use dossierd::dossier::drift::ParityStatus;

use crate::kit::{Bench, wait_until};

#[test]
fn every_kind_of_change_is_in_the_next_fresh_read() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    let views = bench.register(&bench.project());
    assert_eq!(views.len(), 1);
    assert_eq!(views[0].dossier.completeness_status, CompletenessStatus::Complete);
    let specs = bench.project().join("kitty-specs");
    let feature = specs.join("001-a");

    let count = |slug: &str| bench.fresh(slug).dossier.present_count();
    assert_eq!(count("001-a"), 4);
    // An edit.
    let before = bench.view("001-a").dossier.parity_hash;
    bench.write("001-a/spec.md", "# Spec, edited\n");
    assert_ne!(bench.fresh("001-a").dossier.parity_hash, before);
    // A delete.
    fs::remove_file(feature.join("plan.md")).expect("removed");
    let view = bench.fresh("001-a");
    assert_eq!(view.dossier.completeness_status, CompletenessStatus::Incomplete);
    assert_eq!(view.dossier.missing.len(), 1);
    // A rename.
    fs::rename(feature.join("tasks.md"), feature.join("plan.md")).expect("renamed");
    let view = bench.fresh("001-a");
    assert_eq!(view.dossier.missing[0].artifact_key, "output.tasks.list");
    // An atomic replace.
    bench.write("001-a/.new", "# Plan, replaced\n");
    fs::rename(feature.join(".new"), feature.join("plan.md")).expect("replaced");
    let replaced = bench.fresh("001-a").dossier.parity_hash;
    assert_ne!(replaced, view.dossier.parity_hash);
    // A new feature directory.
    bench.planned_feature("002-b");
    assert_eq!(count("002-b"), 4);
    // A directory moved in.
    crate::kit::write(&bench.path().join("elsewhere/deep/er/note.md"), "x");
    fs::rename(bench.path().join("elsewhere"), feature.join("research")).expect("moved");
    assert_eq!(count("001-a"), 4);
    // A directory moved within, then written to.
    fs::rename(feature.join("research"), feature.join("evidence")).expect("moved");
    bench.write("001-a/evidence/deep/late.md", "y");
    assert_eq!(count("001-a"), 5);
    // A feature that goes.
    fs::remove_dir_all(specs.join("002-b")).expect("removed");
    bench.fresh_all();
    assert!(bench.handle().view().select(Some("002-b")).is_err());
}

#[test]
fn drift_is_named_logged_once_and_survives_a_restart() {
    let mut bench = Bench::new();
    bench.planned_feature("001-a");
    let id = bench.register(&bench.project())[0].id.clone();
    let captured =
        bench.runtime.block_on(bench.handle().capture(id.clone(), CaptureRequest::default()));
    assert_eq!(captured.expect("captures").drift.parity_status, ParityStatus::InSync);

    bench.write("001-a/spec.md", "# Other\n");
    let view = bench.fresh("001-a");
    assert_eq!(view.drift.parity_status, ParityStatus::Drifted);
    assert_eq!(view.drift.differences.changed, ["spec.md"]);
    let drifts = |bench: &Bench| {
        let is_drift =
            |e: &&serde_json::Value| e["event_type"] == "MissionDossierParityDriftDetected";
        bench.log("001-a").iter().filter(is_drift).count()
    };
    wait_until("the drift is in the log", || drifts(&bench) == 1);

    let lines = bench.log("001-a").len();
    bench.stop();
    bench.start();
    bench.fresh_all();
    assert_eq!(bench.view("001-a").drift.parity_status, ParityStatus::Drifted);
    assert_eq!(bench.log("001-a").len(), lines, "an unchanged restart writes nothing");

    bench.stop();
    bench.write("001-a/added.md", "while it was down\n");
    bench.start();
    bench.fresh_all();
    wait_until("what changed meanwhile is in the log", || bench.log("001-a").len() == lines + 3);
    assert_eq!(drifts(&bench), 2);
}

/// Counts the events of a log by type, and gives the last drift's severity.
fn farewell(bench: &Bench) -> (Option<u64>, Vec<String>, String) {
    let log = bench.log("001-a");
    let of_type = |name: &str| log.iter().filter(|e| e["event_type"] == name).collect::<Vec<_>>();
    let missing = of_type("MissionDossierArtifactMissing");
    let last = of_type("MissionDossierSnapshotComputed").pop().cloned().unwrap_or_default();
    let drift = of_type("MissionDossierParityDriftDetected").pop().cloned().unwrap_or_default();
    let keys = missing.iter().map(|e| {
        e["payload"]["context_diagnostics"]["artifact_key"].as_str().unwrap_or_default().to_owned()
    });
    (
        // Between two segments there is none.
        last["payload"]["artifact_count"].as_u64(),
        keys.collect(),
        drift["payload"]["context_diagnostics"]["severity"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn a_feature_that_goes_is_missed_in_its_log_whether_or_not_anybody_watched() {
    for (watched, file_instead) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut bench = Bench::new();
        bench.planned_feature("001-a");
        let id = bench.register(&bench.project())[0].id.clone();
        bench
            .runtime
            .block_on(bench.handle().capture(id, CaptureRequest::default()))
            .expect("captures");
        if !watched {
            bench.stop();
        }
        let dir = bench.project().join("kitty-specs/001-a");
        // At once: of half of it, without its meta.json, another story would be told.
        fs::rename(&dir, bench.path().join("away")).expect("removed");
        if file_instead {
            fs::write(&dir, "# In its place\n").expect("written");
        }
        if !watched {
            bench.start();
        }
        bench.fresh_all();
        wait_until("the feature has left", || bench.handle().view().select(Some("001-a")).is_err());
        wait_until("its log says so", || farewell(&bench).0 == Some(0));
        wait_until("the drift is an error", || farewell(&bench).2 == "error");
        let (_, mut missing, _) = farewell(&bench);
        missing.sort_unstable();
        assert_eq!(
            missing,
            ["input.spec.main", "output.plan.main", "output.tasks.list"],
            "watched: {watched}, a file instead: {file_instead}"
        );
    }
}

#[test]
fn a_settled_drift_can_come_again() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    let id = bench.register(&bench.project())[0].id.clone();
    let capture = || {
        let captured =
            bench.runtime.block_on(bench.handle().capture(id.clone(), CaptureRequest::default()));
        assert_eq!(captured.expect("captures").drift.parity_status, ParityStatus::InSync);
    };
    let file = bench.project().join(".kittify/dossiers/001-a/parity-baseline.json");
    let drifts = || {
        let is_drift =
            |e: &&serde_json::Value| e["event_type"] == "MissionDossierParityDriftDetected";
        bench.log("001-a").iter().filter(is_drift).count()
    };
    capture();
    let first = fs::read(&file).expect("a baseline");
    bench.write("001-a/spec.md", "# Other\n");
    bench.fresh_all();
    capture();
    fs::write(&file, first).expect("put back");
    assert_eq!(bench.fresh("001-a").drift.parity_status, ParityStatus::Drifted);
    wait_until("both drifts are in the log", || drifts() == 2);
}
