//! An artifact beside its committed version, and a feature over time.

use dossierd::api::ports::{CommittedText, TextFault};
use dossierd::daemon::feed::LoggedEvent;
use dossierd::dossier::Digest;
use dossierd::dossier::event::EventType;
use serde_json::{Value, json};

use crate::kit::{Plan, World};

const DIFF: &str = "/api/dossier/diff?artifact=input.spec.main";
const HISTORY: &str = "/api/dossier/history";

pub(crate) fn committed(bytes: &[u8]) -> CommittedText {
    CommittedText {
        commit: "c".repeat(40),
        branch: Some("main".into()),
        bytes: Some(bytes.to_vec()),
    }
}

/// A line of a log with an event of ours.
fn logged(n: usize, event_type: EventType, own: Value) -> LoggedEvent {
    let event_id = format!("01{n:024}");
    let mut payload = json!({ "namespace": {
        "project_uuid": "8a4a7da6-a97c-4bb4-893a-b31664abfee4", "mission_slug": "001-alpha",
        "target_branch": "main", "mission_type": "software-dev", "manifest_version": "1",
    } });
    payload.as_object_mut().expect("members").extend(own.as_object().expect("members").clone());
    let line = json!({
        "event_id": event_id, "event_type": event_type.as_str(), "aggregate_id": "001-alpha",
        "aggregate_type": "MissionDossier", "payload": payload, "timestamp": "2026-01-02T03:04:05Z", "node_id": "d036a097a835", "build_id": "b1",
        "project_slug": "shop", "data_tier": 1,
        "lamport_clock": n, "causation_id": null, "correlation_id": format!("02{n:024}"),
        "project_uuid": "8a4a7da6-a97c-4bb4-893a-b31664abfee4", "schema_version": "3.0.0",
    });
    LoggedEvent { feature: "f1".into(), event_id, event_type, line: line.to_string().into() }
}

fn snapshot(n: usize, present: usize, parity: &str) -> LoggedEvent {
    let own = json!({
        "snapshot_hash": "0".repeat(64), "artifact_count": present, "anomaly_count": 1,
        "computed_at": "2026-01-02T03:04:05Z", "algorithm": "sha256",
        "context_diagnostics": {
            "parity_status": parity, "required_missing": "2", "current_step": "plan",
            "completeness_status": "incomplete",
        },
    });
    logged(n, EventType::SnapshotComputed, own)
}

/// Three snapshots, the second and third drifted.
pub(crate) fn run_of_a_drift() -> Vec<LoggedEvent> {
    let drift = json!({
        "expected_hash": "0".repeat(64), "actual_hash": "1".repeat(64),
        "drift_kind": "artifact_mutated", "detected_at": "2026-01-02T03:04:05Z",
        "rebuild_hint": "look",
        "context_diagnostics": {
            "severity": "warning", "changed": "[\"a\",\"b\"]", "added": "[\"c\"]",
            "removed": "[]", "moved": "no list",
        },
    });
    vec![
        snapshot(1, 5, "in_sync"),
        snapshot(4, 6, "drifted"),
        logged(5, EventType::ParityDriftDetected, drift),
        snapshot(6, 7, "drifted"),
    ]
}

#[tokio::test]
async fn a_changed_file_is_told_line_by_line() {
    let world = World::simple();
    world.text.put("spec.md", Ok(b"# Spec\nnew\nend".to_vec()));
    world.text.commit("spec.md", Ok(committed(b"# Spec\nold\nend")));
    let diff = world.get(DIFF).await.ok();
    assert_eq!([&diff["status"], &diff["reason"]], [&json!("changed"), &Value::Null]);
    assert_eq!(
        diff["against"],
        json!({ "commit": "c".repeat(40), "branch": "main",
            "content_hash_sha256": Digest::sha256("# Spec\nold\nend").to_string() })
    );
    let line = |op: &str, text: &str| json!({ "op": op, "text": text });
    assert_eq!(
        diff["hunks"],
        json!([{ "old_start": 1, "old_lines": 3, "new_start": 1, "new_lines": 3, "lines": [
            line("context", "# Spec\n"), line("delete", "old\n"), line("insert", "new\n"),
            line("context", "end"),
        ] }])
    );
}

#[tokio::test]
async fn what_cannot_be_compared_is_never_the_same() {
    let world = World::new([Plan::new("f1", "001").file("spec.md", "x").without("plan.md").view()]);
    let standing = |expected: &'static str, reason: &'static str| {
        let asked = world.get(DIFF);
        async move {
            let diff = asked.await.ok();
            assert_eq!(diff["status"], expected, "{diff}");
            let said = diff["reason"].as_str().unwrap_or_default();
            assert!(said.contains(reason) && said.is_empty() == reason.is_empty(), "{said}");
            assert_eq!(diff["hunks"], json!([]));
        }
    };
    world.text.put("spec.md", Ok(b"x".to_vec()));
    world.text.commit("spec.md", Ok(committed(b"x")));
    standing("same", "").await;
    world.text.commit("spec.md", Ok(CommittedText { bytes: None, ..committed(b"") }));
    standing("added", "").await;
    world.text.commit("spec.md", Err("the repository is gone".into()));
    standing("unavailable", "the repository is gone").await;
    world.text.commit("spec.md", Ok(committed(b"\xff")));
    standing("unavailable", "not valid UTF-8").await;
    world.text.commit("spec.md", Ok(committed(b"x")));
    world.text.put("spec.md", Ok(vec![b'x'; 2 * 1024 * 1024 + 1]));
    standing("unavailable", "2097153 bytes").await;
    world.text.put("spec.md", Err(TextFault::Gone));
    standing("unavailable", "gone").await;
    let missing = world.get("/api/dossier/artifacts").await.ok();
    let missing = missing["artifacts"].as_array().expect("rows");
    let missing = missing.iter().find(|row| row["is_present"] == false).expect("a missing one");
    let key = missing["artifact_key"].as_str().expect("a key");
    let diff = world.get(&format!("/api/dossier/diff?artifact={key}")).await.ok();
    assert_eq!(diff["status"], "unavailable");
    world.get("/api/dossier/diff").await.problem("bad-parameter");
    world.get("/api/dossier/diff?artifact=none").await.problem("artifact-unknown");
}

#[tokio::test]
async fn the_history_has_a_point_for_each_snapshot_of_the_log() {
    let world = World::simple();
    assert_eq!(world.get(HISTORY).await.ok()["points"], json!([]));
    let foreign = [
        "MissionDossierSnapshotComputed, torn",
        r#"{"event_type":"MissionDossierSnapshotComputed"}"#,
    ];
    for (n, logged) in run_of_a_drift().into_iter().enumerate() {
        world.logs.append(&logged);
        let event_id = format!("{}{n}", logged.event_id);
        let line = foreign[n % 2].into();
        world.logs.append(&LoggedEvent { event_id, line, ..logged });
    }
    let history = world.get(HISTORY).await.ok();
    assert_eq!(history["total"], 3, "lines that are no events of ours are passed over");
    let points = history["points"].as_array().expect("points");
    let drift =
        json!({ "severity": "warning", "added": 1, "removed": 0, "changed": 2, "moved": 0 });
    let told: Vec<_> = points.iter().map(|p| (&p["present"], &p["missing"], &p["drift"])).collect();
    let two = json!(2);
    assert_eq!(
        told,
        [(&json!(5), &two, &Value::Null), (&json!(6), &two, &drift), (&json!(7), &two, &drift)]
    );
    assert_eq!(points[2]["current_step"], "plan");
    assert_eq!(points[0]["parity_status"], "in_sync");
}

#[tokio::test]
async fn a_long_history_is_thinned_and_both_ends_stay() {
    let world = World::simple();
    for n in 1..=2500 {
        world.logs.append(&snapshot(n, n, "no_baseline"));
    }
    let history = world.get(&format!("{HISTORY}?points=100")).await.ok();
    assert_eq!(history["total"], 2500);
    let points = history["points"].as_array().expect("points");
    assert!((50..=101).contains(&points.len()), "{}", points.len());
    assert_eq!([&points[0]["present"], &points[points.len() - 1]["present"]], [1, 2500]);
    for bad in ["1", "5001", "x"] {
        world.get(&format!("{HISTORY}?points={bad}")).await.problem("bad-parameter");
    }
}

#[tokio::test]
async fn the_newest_events_come_first_page_by_page() {
    let world = World::simple();
    for n in 1..=25 {
        world.logs.append(&snapshot(n, n, "no_baseline"));
    }
    let events = "/api/dossier/events?order=newest&limit=10";
    let mut seen = Vec::new();
    let mut at = String::new();
    loop {
        let page = world.get(&format!("{events}{at}")).await.ok();
        let ids = page["events"].as_array().expect("events").iter();
        seen.extend(
            ids.map(|event| event["payload"]["artifact_count"].as_u64().expect("a number")),
        );
        let Some(next) = page["next_before"].as_str() else { break };
        at = format!("&before={next}");
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<u64>>());
    let none = world.get(&format!("{events}&type=drift")).await.ok();
    assert_eq!((&none["events"], &none["more"]), (&json!([]), &json!(false)));
    for bad in ["order=last", "order=newest&since=01", "order=newest&follow=true", "before=01"] {
        world.get(&format!("/api/dossier/events?{bad}")).await.problem("bad-parameter");
    }
}
