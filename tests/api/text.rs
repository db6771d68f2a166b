//! Artifacts with their text.

use dossierd::api::ports::TextFault;
use dossierd::dossier::{Digest, ErrorReason};
use serde_json::{Value, json};

use crate::kit::{Plan, World};

const SPEC: &str = "/api/dossier/artifacts/input.spec.main";

#[tokio::test]
async fn text_as_indexed() {
    let world = World::simple();
    let artifact = world.get(SPEC).await.ok();
    assert_eq!(artifact["content"], "# Spec\n");
    assert_eq!(artifact["artifact_class"], "input");
    assert_eq!(artifact["media_type_hint"], "markdown");
    assert_eq!(artifact["stale"], false);
    assert!(artifact.get("current_hash_sha256").is_none());
    assert_eq!(
        [&artifact["content_truncated"], &artifact["truncation_notice"]],
        [&json!(false), &Value::Null]
    );
}

#[tokio::test]
async fn a_file_that_moved_on_is_stale_with_both_hashes() {
    let world = World::simple();
    world.text.put("spec.md", Ok(b"# Other\n".to_vec()));
    let artifact = world.get(SPEC).await.ok();
    assert_eq!(artifact["content"], "# Other\n");
    assert_eq!(artifact["stale"], true);
    assert_eq!(artifact["content_hash_sha256"], Digest::sha256("# Spec\n").to_string());
    assert_eq!(artifact["current_hash_sha256"], Digest::sha256("# Other\n").to_string());
}

#[tokio::test]
async fn text_that_is_no_text_any_more() {
    let world = World::simple();
    world.text.put("spec.md", Ok(b"ab\xff".to_vec()));
    let artifact = world.get(SPEC).await.ok();
    assert_eq!([&artifact["content"], &artifact["stale"]], [&Value::Null, &json!(true)]);
    assert!(artifact["content_error"].as_str().expect("text").contains("byte 2"), "{artifact}");
    let raw = world.get(&format!("{SPEC}?raw=true")).await.problem("artifact-gone");
    assert_eq!(raw["error_reason"], "invalid_format");
}

#[tokio::test]
async fn over_five_mebibytes_there_is_a_notice_instead() {
    let world = World::simple();
    world.text.put("spec.md", Ok(vec![b'x'; 5 * 1024 * 1024]));
    let whole = world.get(SPEC).await.ok();
    assert_eq!(whole["content_truncated"], false);
    assert_eq!(whole["content"].as_str().map(str::len), Some(5 * 1024 * 1024));
    world.text.put("spec.md", Ok(vec![b'x'; 5 * 1024 * 1024 + 1]));
    let cut = world.get(SPEC).await.ok();
    assert_eq!(
        [&cut["content"], &cut["content_truncated"], &cut["stale"]],
        [&Value::Null, &json!(true), &json!(true)]
    );
    assert!(cut["truncation_notice"].as_str().expect("text").contains("5242881 bytes"));
}

#[tokio::test]
async fn raw_text_is_a_download_of_plain_text() {
    let world = World::new([Plan::new("f1", "001").file("evil.html", "<script>").view()]);
    world.text.put("evil.html", Ok(b"<script>".to_vec()));
    let raw = world.get("/api/dossier/artifacts/artifact.evil_html?raw=true").await;
    assert_eq!(raw.text(), "<script>");
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        raw.header("content-disposition"),
        "attachment; filename=\"artifact.evil_html.txt\""
    );
}

#[tokio::test]
async fn faults_of_the_disk() {
    for (fault, code, reason) in [
        (TextFault::Gone, "artifact-gone", Some("deleted_after_scan")),
        (TextFault::Denied, "artifact-gone", Some("unreadable")),
        (TextFault::Escapes, "artifact-gone", Some("unreadable")),
        (TextFault::Io("EIO".into()), "artifact-gone", Some("unreadable")),
        (TextFault::Special("socket"), "artifact-special", None),
    ] {
        let world = World::simple();
        world.text.put("spec.md", Err(fault.clone()));
        let problem = world.get(SPEC).await.problem(code);
        assert_eq!(problem["error_reason"].as_str(), reason, "{fault:?}");
    }
}

#[tokio::test]
async fn a_row_that_is_not_present_gives_no_text_whatever_the_disk_says() {
    let plan = Plan::new("f1", "001")
        .faulty("a", ErrorReason::Unreadable, "permission denied")
        .faulty("b", ErrorReason::DeletedAfterScan, "vanished");
    let world = World::new([plan.view()]);
    for (name, reason) in [("a", "unreadable"), ("b", "deleted_after_scan")] {
        world.text.put(name, Ok(b"text".to_vec()));
        let answer = world.get(&format!("/api/dossier/artifacts/artifact.{name}")).await;
        assert_eq!(answer.problem("artifact-gone")["error_reason"], reason);
    }
    world.text.put("a", Err(TextFault::Special("FIFO")));
    world.get("/api/dossier/artifacts/artifact.a").await.problem("artifact-special");
    let missing = world.get("/api/dossier/artifacts/output.tasks.list").await;
    assert_eq!(missing.problem("artifact-missing")["error_reason"], "not_found");
}

#[tokio::test]
async fn no_path_leads_anywhere() {
    let world = World::simple();
    for key in ["..%2f..%2fetc%2fpasswd", "spec.md", "%2e%2e", "..", "a%00b", "input.spec.main%2f"]
    {
        let answer = world.get(&format!("/api/dossier/artifacts/{key}")).await;
        assert_eq!(answer.status.as_u16(), 404, "{key}");
    }
}

#[tokio::test]
async fn markdown_is_drawn_as_a_tree_when_asked_for() {
    let world =
        World::new([Plan::new("f1", "001").file("spec.md", "x").file("notes.json", "{}").view()]);
    world.text.put("spec.md", Ok(b"# A\n\n[b](notes.json) <script>\n".to_vec()));
    world.text.put("notes.json", Ok(b"{}".to_vec()));
    assert!(world.get(SPEC).await.ok().get("document").is_none());
    let drawn = world.get(&format!("{SPEC}?render=tree")).await.ok();
    assert_eq!(drawn["content"], "# A\n\n[b](notes.json) <script>\n");
    let text = |text: &str| json!({ "type": "text", "text": text });
    assert_eq!(
        drawn["document"],
        json!({ "type": "document", "truncated": false, "children": [
            { "type": "heading", "level": 1, "children": [text("A")] },
            { "type": "paragraph", "children": [
                { "type": "link", "href": null, "artifact_key": "artifact.notes_json",
                  "title": "", "children": [text("b")] },
                text(" "),
                { "type": "html_inline", "text": "<script>" },
            ] },
        ] })
    );
    let json = world.get("/api/dossier/artifacts/artifact.notes_json?render=tree").await.ok();
    assert_eq!(json["document"], Value::Null);
    world.text.put("spec.md", Ok(b"\xff".to_vec()));
    let broken = world.get(&format!("{SPEC}?render=tree")).await.ok();
    assert_eq!([&broken["document"], &broken["stale"]], [&Value::Null, &json!(true)]);
    for both in ["render=html", "render=tree&raw=true"] {
        world.get(&format!("{SPEC}?{both}")).await.problem("bad-parameter");
    }
}
