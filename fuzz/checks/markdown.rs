//! Markdown as a tree of typed nodes, as `?render=tree` gives it: the input is a `spec.md`.

use dossierd::api::http::Service as _;
use http::{Method, StatusCode};
use serde_json::Value;

use super::kit::{Answered, request};
use super::world::{self, FEATURE};

const BLOCKS: [&str; 23] = [
    "paragraph",
    "heading",
    "quote",
    "list",
    "item",
    "code_block",
    "table",
    "row",
    "cell",
    "rule",
    "html",
    "front_matter",
    "footnote",
    "text",
    "emphasis",
    "strong",
    "strikethrough",
    "code",
    "link",
    "image",
    "footnote_reference",
    "line_break",
    "html_inline",
];

pub fn check(data: &[u8]) {
    world::with(|stage| {
        stage.world.text.put("spec.md", Ok(data.to_vec()));
        let target =
            format!("/api/dossier/artifacts/input.spec.main?feature={FEATURE}&render=tree");
        let answer = stage.run(async {
            Answered::of(stage.world.api.answer(request(Method::GET, &target, "")).await)
        });
        if std::str::from_utf8(data).is_err() {
            assert!(answer.status.is_client_error() || answer.status.is_success());
            return;
        }
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        // What is rendered is no more than a small factor of what was written.
        assert!(answer.bytes.len() <= 4096 + 400 * data.len(), "{} bytes", answer.bytes.len());
        let document = answer.json();
        let mut nodes = 0;
        walk(&document["document"], 0, &mut nodes);
    });
}

fn walk(value: &Value, depth: usize, nodes: &mut usize) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, depth, nodes)),
        Value::Object(members) => {
            node(value, depth, nodes);
            members.values().for_each(|member| walk(member, depth + 1, nodes));
        }
        _ => {}
    }
}

fn node(node: &Value, depth: usize, nodes: &mut usize) {
    *nodes += 1;
    assert!(depth <= 52 && *nodes <= 60_000, "{depth} deep, {nodes} nodes");
    let kind = node["type"].as_str().expect("every node has a type");
    assert!(kind == "document" || BLOCKS.contains(&kind), "{kind}");
    if kind != "link" {
        assert!(node.get("href").is_none() && node.get("src").is_none(), "{node}");
        return;
    }
    if let Some(href) = node["href"].as_str() {
        let scheme = href.split(':').next().unwrap_or_default().to_ascii_lowercase();
        assert!(matches!(&*scheme, "http" | "https" | "mailto"), "{href:?}");
        assert!(!href.chars().any(|c| c.is_control() || c.is_whitespace()), "{href:?}");
        assert!(node["artifact_key"].is_null());
    }
    if let Some(key) = node["artifact_key"].as_str() {
        let known = ["artifact.", "input.", "output.", "workflow.", "evidence."];
        assert!(known.iter().any(|prefix| key.starts_with(prefix)), "{key:?}");
    }
}
