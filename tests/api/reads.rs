//! Lists, filters, pages, exports, standings.

use std::collections::BTreeSet;
use std::process::Command;

use dossierd::daemon::view::WatchState;
use dossierd::dossier::{Digest, ErrorReason};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::kit::plan::path;
use crate::kit::{Plan, World, local, request, time, with_header};

fn keys(page: &Value) -> Vec<String> {
    let rows = page["artifacts"].as_array().expect("a list");
    rows.iter().map(|row| row["artifact_key"].as_str().expect("text").to_owned()).collect()
}

async fn filtered(world: &World, query: &str, expected: &[&str]) {
    let page = world.get(&format!("/api/dossier/artifacts?{query}")).await.ok();
    assert_eq!(keys(&page), expected, "{query}");
    assert_eq!(page["filtered_count"], expected.len(), "{query}");
    assert_eq!(page["total_count"], 7, "{query}");
}

#[tokio::test]
async fn filters_combine() {
    let plan = Plan::new("f1", "001-alpha").faulty("x.md", ErrorReason::Unreadable, "denied");
    let world = World::new([plan.view()]);
    let all = [
        "artifact.meta_json",
        "artifact.notes_xyz",
        "artifact.x_md",
        "input.spec.main",
        "output.plan.main",
        "output.tasks.list",
        "output.tasks.per_wp.tasks.WP01-first_md",
    ];
    filtered(&world, "", &all).await;
    filtered(&world, "class=output", &all[4..]).await;
    filtered(&world, "class=output&present=true", &[all[4], all[6]]).await;
    filtered(&world, "present=false", &[all[2], all[5]]).await;
    filtered(&world, "required_only=true&present=false", &[all[5]]).await;
    filtered(&world, "required_only=false", &all).await;
    filtered(&world, "wp_id=wp01", &[all[6]]).await;
    filtered(&world, "step_id=plan", &all[4..6]).await;
    filtered(&world, "q=TASKS%2Fwp", &[all[6]]).await;
    filtered(&world, "q=SPEC&class=input", &[all[3]]).await;
    filtered(&world, "q=nothing", &[]).await;
    filtered(&world, "wp_id=WP99", &[]).await;
    let page = world.get("/api/dossier/artifacts?class=input&required_only=true").await.ok();
    assert_eq!(page["filters_applied"], json!({"class": "input", "required_only": true}));
    assert_eq!(page["next_cursor"], Value::Null);
    for bad in
        ["class=other", "present=yes", "limit=0", "limit=1001", "cursor=%21", "ignored=true&q=x"]
    {
        let answer = world.get(&format!("/api/dossier/artifacts?{bad}")).await;
        answer.problem("bad-parameter");
    }
    let ignored = world.get("/api/dossier/artifacts?ignored=true").await.ok();
    assert_eq!(ignored, json!({"ignored": [{"path": "a~", "reason": "*~"}]}));
}

#[tokio::test]
async fn walking_the_pages_gives_each_artifact_once() {
    let mut plan = Plan::new("f1", "001-alpha");
    for n in 0..57 {
        plan = plan.file(format!("evidence/{n}.md"), "x");
    }
    let world = World::new([plan.view()]);
    let all = keys(&world.get("/api/dossier/artifacts").await.ok());
    assert_eq!(all.len(), 63);
    for limit in [1, 2, 10, 62, 63, 64] {
        let mut walked = Vec::new();
        let mut cursor = String::new();
        loop {
            let target = format!("/api/dossier/artifacts?limit={limit}{cursor}");
            let page = world.get(&target).await.ok();
            assert_eq!(page["filtered_count"], 63);
            walked.extend(keys(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            assert!(walked.len() < 64, "limit {limit} does not end");
        }
        assert_eq!(walked, all, "limit {limit}");
    }
}

#[tokio::test]
async fn a_page_begins_after_its_cursor_even_if_that_row_has_gone() {
    let plan = Plan::new("f1", "001-alpha");
    let world = World::new([plan.view()]);
    let first = world.get("/api/dossier/artifacts?limit=2").await.ok();
    let cursor = first["next_cursor"].as_str().expect("a cursor").to_owned();
    world.views.store(crate::kit::view([plan.without("notes.xyz").view()]).into());
    let second = world.get(&format!("/api/dossier/artifacts?limit=2&cursor={cursor}")).await.ok();
    assert_eq!(keys(&second), ["input.spec.main", "output.plan.main"]);
}

#[tokio::test]
async fn an_etag_lives_as_long_as_its_bytes() {
    let plan = Plan::new("f1", "001-alpha");
    let world = World::new([plan.view()]);
    let target = "/api/dossier/artifacts?class=input";
    let first = world.get(target).await;
    let asked = || {
        with_header(
            request(Method::GET, target, ""),
            "if-none-match",
            &format!("\"x\", W/{}", first.header("etag")),
        )
    };
    assert_eq!(world.ask(asked()).await.status, StatusCode::NOT_MODIFIED);
    // A new view with the same content still has the same bytes, other content has not.
    world.views.store(crate::kit::view([plan.view()]).into());
    assert_eq!(world.ask(asked()).await.status, StatusCode::NOT_MODIFIED);
    let changed = plan.without("spec.md").file("spec.md", "changed");
    world.views.store(crate::kit::view([changed.view()]).into());
    assert_eq!(world.ask(asked()).await.status, StatusCode::OK);
    let elsewhere = world.get("/api/dossier/artifacts?class=output").await;
    assert_ne!(first.header("etag"), elsewhere.header("etag"));
}

#[tokio::test]
async fn the_overview_says_what_is_missing() {
    let world = World::simple();
    let overview = world.get("/api/dossier/overview").await.ok();
    assert_eq!(overview["completeness_status"], "incomplete");
    assert_eq!(overview["parity_status"], "no_baseline");
    assert_eq!(overview["baseline"], Value::Null);
    assert_eq!(overview["current_step"], "implement");
    assert_eq!(overview["step_source"], "meta");
    assert_eq!(overview["missing_required_count"], 1);
    assert_eq!(overview["missing"][0]["artifact_key"], "output.tasks.list");
    assert_eq!(overview["artifact_counts"]["total"], 6);
    assert_eq!(overview["unrecognised"], 1);
    assert_eq!(overview["ignored"], 1);
    assert_eq!(overview["steps"].as_array().expect("a list").len(), 6);
    assert_eq!(overview["watch"], json!({"state": "live"}));
    assert_eq!(overview["schema_version"], 1);
}

#[tokio::test]
async fn drift_is_counted_and_named() {
    let plan = Plan::new("f1", "001-alpha").accepted("main");
    let moved =
        plan.without("spec.md").without("plan.md").file("plan.md", "new").file("more.md", "m");
    let world = World::new([moved.view()]);
    let overview = world.get("/api/dossier/overview").await.ok();
    assert_eq!(overview["parity_status"], "drifted");
    let drift = &overview["drift"];
    assert_eq!(drift["severity"], "error");
    assert_eq!(
        [&drift["added"], &drift["removed"], &drift["changed"], &drift["moved"]],
        [1, 1, 1, 0]
    );
    assert_eq!(overview["baseline"]["accepted"], true);
    assert_eq!(overview["baseline"]["note"], "as agreed");
    let named = world.get("/api/dossier/drift").await.ok();
    assert_eq!(named["added"], json!(["more.md"]));
    assert_eq!(named["removed"], json!(["spec.md"]));
    assert_eq!(named["changed"], json!(["plan.md"]));
    assert_eq!(named["baseline_captured_at"], time(50).to_string());
    let baseline = world.get("/api/dossier/baseline").await.ok();
    assert_eq!(baseline["baseline"]["baseline_key"], baseline["baseline_key"]);
    assert_eq!(baseline["baseline"]["baseline_key_hash"], baseline["baseline_key_hash"]);
}

#[tokio::test]
async fn a_baseline_of_another_branch_is_shown_as_rejected() {
    let world = World::new([Plan::new("f1", "001-alpha").accepted("other").view()]);
    let overview = world.get("/api/dossier/overview").await.ok();
    assert_eq!(overview["parity_status"], "baseline_rejected");
    assert_eq!(overview["baseline"]["accepted"], false);
    let baseline = world.get("/api/dossier/baseline").await.ok();
    assert_eq!(baseline["rejected_components"], json!(["checkout_branch"]));
}

#[tokio::test]
async fn a_detached_feature_is_never_complete_or_in_sync() {
    let plan = Plan::new("f1", "001-alpha").file("tasks.md", "t").accepted("main");
    let world = World::new([plan.view()]);
    let well = world.get("/api/dossier/overview").await.ok();
    assert_eq!([&well["completeness_status"], &well["parity_status"]], ["complete", "in_sync"]);
    let gone = plan.watched(WatchState::Detached { since: time(400) });
    world.views.store(crate::kit::view([gone.view()]).into());
    let overview = world.get("/api/dossier/overview").await.ok();
    let row = world.get("/api/features").await.ok()["features"][0].clone();
    let drift = world.get("/api/dossier/drift").await.ok();
    for shown in [&overview, &row] {
        assert_eq!([&shown["completeness_status"], &shown["parity_status"]], ["unknown", "error"]);
    }
    assert_eq!([&drift["parity_status"], &drift["severity"]], ["error", "error"]);
    assert!(drift["message"].as_str().expect("text").contains("gone since"), "{drift}");
}

#[tokio::test]
async fn features_come_by_slug_then_id() {
    let world = World::new([
        Plan::new("b", "002").view(),
        Plan::new("c", "001").view(),
        Plan::new("a", "002").view(),
    ]);
    let listing = world.get("/api/features").await.ok();
    let ids: Vec<_> =
        listing["features"].as_array().expect("a list").iter().map(|f| &f["id"]).collect();
    assert_eq!(ids, ["c", "a", "b"]);
    assert_eq!(listing["roots"][0]["kind"], "project");
    assert_eq!(listing["health"]["ready"], true);
}

#[tokio::test]
async fn readiness_follows_the_first_scans() {
    let world = World::simple();
    let mut view = crate::kit::view([]);
    view.health.ready = false;
    world.views.store(view.into());
    let answer = world.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (503, "not ready\n"));
    assert_eq!(world.get("/healthz").await.text(), "ok\n");
}

/// Names that no one would choose, on disk and in every format.
fn hostile() -> (Plan, Vec<Vec<u8>>) {
    let names: Vec<Vec<u8>> = vec![
        b"a b.md".to_vec(),
        b"new\nline.md".to_vec(),
        b"back\\slash.md".to_vec(),
        b"cr\r.md".to_vec(),
        b"esc\x1b[31m.md".to_vec(),
        "bidi\u{202e}gpj.md".into(),
        b"<script>alert(1)<\xe2\x81\x84script>.md".to_vec(),
        b"latin\xe9.md".to_vec(),
        b"quote\".md".to_vec(),
        b"%41.md".to_vec(),
    ];
    let mut plan = Plan::new("f1", "001-<b>\"\u{202e}");
    for name in &names {
        plan = plan.file(name, &format!("{name:?}"));
    }
    (plan, names)
}

#[tokio::test]
async fn hostile_names_come_out_as_they_are() {
    let (plan, names) = hostile();
    let world = World::new([plan.view()]);
    let page = world.get("/api/dossier/artifacts").await;
    assert!(!page.bytes.contains(&0x1b), "control characters are escaped");
    let page = page.ok();
    let rows = page["artifacts"].as_array().expect("a list");
    let shown: BTreeSet<&str> = rows.iter().filter_map(|r| r["relative_path"].as_str()).collect();
    for name in &names {
        assert!(shown.contains(&*path(name).shown()), "{name:?}");
    }
    let unique: BTreeSet<String> = keys(&page).into_iter().collect();
    assert_eq!(unique.len(), rows.len());
    for key in &unique {
        assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{key}");
    }
    let metrics = world.get("/metrics").await;
    assert!(metrics.text().contains("feature=\"001-<b>\\\"\u{202e}\""), "{}", metrics.text());
}

#[tokio::test]
async fn sha256sum_accepts_the_export() {
    let (plan, names) = hostile();
    let world = World::new([plan.view()]);
    let sums = world.get("/api/dossier/snapshots/export?format=sha256sums").await;
    assert_eq!(sums.header("content-type"), "text/plain; charset=utf-8");
    let lines: Vec<&[u8]> = sums.bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.len(), plan.files.len());
    if Command::new("sha256sum").arg("--version").output().is_err() {
        eprintln!("skipped: there is no sha256sum here");
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    for (name, content) in [
        ("meta.json", r#"{"mission_type": "software-dev", "current_step": "implement"}"#),
        ("spec.md", "# Spec\n"),
        ("plan.md", "# Plan\n"),
        ("tasks/WP01-first.md", "---\nwork_package_id: WP01\n---\n"),
        ("notes.xyz", "?"),
    ] {
        let at = dir.path().join(name);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("makes it");
        std::fs::write(at, content).expect("writes");
    }
    for name in &names {
        let at = dir.path().join(path(name).to_path());
        std::fs::write(at, format!("{name:?}")).expect("writes");
    }
    std::fs::write(dir.path().join(".sums"), &sums.bytes).expect("writes");
    let mut check = Command::new("sha256sum");
    check.args(["-c", "--strict", ".sums"]).current_dir(dir.path());
    let output = check.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_statement_has_a_subject_for_each_artifact() {
    let world = World::simple();
    let answer = world.get("/api/dossier/snapshots/export?format=in-toto").await;
    assert_eq!(answer.header("content-type"), "application/vnd.in-toto+json");
    let statement = answer.ok();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    let subjects = statement["subject"].as_array().expect("a list");
    assert_eq!(subjects.len(), 5);
    let spec = json!({"name": "spec.md", "digest": {"sha256": Digest::sha256("# Spec\n")}});
    assert!(subjects.contains(&spec));
    let predicate = statement["predicate"].as_object().expect("an object");
    assert!(predicate.contains_key("parity_hash_sha256"));
    assert!(!predicate.contains_key("artifact_summaries"));
    assert!(!predicate.contains_key("parity_hash_components"));
    let json = world.get("/api/dossier/snapshots/export?format=json").await;
    assert_eq!(json.bytes, world.views.load().features["f1"].snapshot().to_json());
    world.get("/api/dossier/snapshots/export?format=xml").await.problem("bad-parameter");
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let world = World::simple();
    world.get("/api/dossier/overview").await;
    world.get("/api/dossier/overview?x=1").await;
    world.ask(request(Method::from_bytes(b"EVIL").expect("a method"), "/x\"y", "")).await;
    let metrics = world.ask(local(request(Method::GET, "/metrics", ""))).await;
    let text = metrics.text();
    for line in [
        "dossierd_requests_total{method=\"GET\",route=\"/api/dossier/overview\",status=\"2xx\"} 1",
        "dossierd_requests_total{method=\"GET\",route=\"/api/dossier/overview\",status=\"4xx\"} 1",
        "dossierd_requests_total{method=\"other\",route=\"unmatched\",status=\"4xx\"} 1",
        "dossierd_request_duration_seconds_count 3",
        "dossierd_artifacts{status=\"present\"} 5",
        "dossierd_artifacts{status=\"missing\"} 1",
        "dossierd_ready 1",
        "dossierd_build_info{version=\"0.0.0-test\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("EVIL") && !text.contains("/x"));
}
