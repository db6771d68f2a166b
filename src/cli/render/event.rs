//! One line for one event: time, feature, what happened, names.

use serde_json::Value;

use super::{Line, Tone, mark, moment, short_hash};
use crate::cli::args::EventKind;
use crate::dossier::event::EventType;

/// How many names one line holds.
const NAMES: usize = 6;

/// An event of the log as one line.
pub fn event(event: &Value) -> Line {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    let name = text("event_type");
    let word = EventType::parse(name).map_or(name, |known| EventKind(known).word());
    let head = Line::toned(Tone::Faint, moment(text("timestamp")))
        .text("  ")
        .tone(Tone::Strong, text("aggregate_id"))
        .text(format!("  {word}  "));
    let payload = &event["payload"];
    match word {
        "indexed" => head.then(indexed(payload)),
        "missing" => head.then(missing(payload)),
        "snapshot" => head.then(snapshot(payload)),
        "drift" => head.then(drift(payload)),
        _ => head.tone(Tone::Faint, text("event_id")),
    }
}

fn member<'a>(payload: &'a Value, pointer: &str) -> &'a str {
    payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn indexed(payload: &Value) -> Line {
    let line = Line::plain(member(payload, "/artifact_id/path"))
        .tone(Tone::Faint, format!("  {}", member(payload, "/artifact_id/artifact_class")));
    match member(payload, "/supersedes/path") {
        "" => line,
        old => line.text("  was ").text(old),
    }
}

fn missing(payload: &Value) -> Line {
    let reason = member(payload, "/context_diagnostics/reason_code");
    let line = Line::plain(member(payload, "/expected_identity/path"))
        .text("  ")
        .then(mark::presence(false, Some(reason).filter(|reason| !reason.is_empty())));
    match member(payload, "/remediation_hint") {
        "" => line,
        hint => line.text("  → ").text(hint),
    }
}

fn snapshot(payload: &Value) -> Line {
    let status = member(payload, "/context_diagnostics/completeness_status");
    let parity = member(payload, "/context_diagnostics/parity_status");
    let line = mark::completeness(status).text("  ").then(mark::parity(parity));
    let count = payload["artifact_count"].as_u64().unwrap_or_default();
    let line = line.tone(
        Tone::Faint,
        format!("  {count} present, parity {}", short_hash(member(payload, "/snapshot_hash"))),
    );
    match names(member(payload, "/context_diagnostics/removed_paths")) {
        removed if removed.is_empty() => line,
        removed => line.text("  removed ").text(shorten(&removed)),
    }
}

fn drift(payload: &Value) -> Line {
    let mut line = mark::severity(member(payload, "/context_diagnostics/severity"));
    for word in ["removed", "changed", "added", "moved"] {
        let names = names(member(payload, &format!("/context_diagnostics/{word}")));
        if !names.is_empty() {
            line = line.text(format!("  {word} ")).text(shorten(&names));
        }
    }
    match names(member(payload, "/context_diagnostics/baseline_rejected")) {
        rejected if rejected.is_empty() => line,
        rejected => line.text("  baseline of another context: ").text(rejected.join(", ")),
    }
}

/// The names in a diagnostic, which is a JSON array as text: of strings, or of moves.
fn names(diagnostic: &str) -> Vec<String> {
    let items: Vec<Value> = serde_json::from_str(diagnostic).unwrap_or_default();
    let name = |item: &Value| match (item["from"].as_str(), item["to"].as_str()) {
        (Some(from), Some(to)) => Some(format!("{from} → {to}")),
        _ => item.as_str().map(str::to_owned),
    };
    items.iter().filter_map(name).collect()
}

fn shorten(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::Page;

    fn check(event_type: &str, payload: &str, expected: &str) {
        let json = format!(
            r#"{{"event_id":"01K","event_type":"{event_type}","aggregate_id":"012-checkout","timestamp":"2026-11-22T14:03:07.1Z","payload":{payload}}}"#
        );
        let line = event(&serde_json::from_str(&json).unwrap());
        let text = Page::from(line).to_text(false);
        assert_eq!(text, format!("2026-11-22 14:03:07Z  012-checkout  {expected}\n"));
    }

    #[test]
    fn each_type_says_what_happened() {
        check(
            "MissionDossierArtifactIndexed",
            r#"{"artifact_id":{"path":"kitty-specs/a/s\u001b.md","artifact_class":"input"},"supersedes":{"path":"old.md"}}"#,
            "indexed  kitty-specs/a/s\\u{1b}.md  input  was old.md",
        );
        check(
            "MissionDossierArtifactMissing",
            r#"{"expected_identity":{"path":"spec.md"},"remediation_hint":"write it","context_diagnostics":{"reason_code":"not_found"}}"#,
            "missing  spec.md  ✗ not found  → write it",
        );
        check(
            "MissionDossierSnapshotComputed",
            r#"{"snapshot_hash":"e3b0c44298fc1c14","artifact_count":3,"context_diagnostics":{"completeness_status":"complete","parity_status":"in_sync","removed_paths":"[\"a\",\"b\"]"}}"#,
            "snapshot  ✓ complete  ✓ in sync  3 present, parity e3b0c44298fc  removed a, b",
        );
        check(
            "MissionDossierParityDriftDetected",
            r#"{"context_diagnostics":{"severity":"warning","changed":"[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\"]","moved":"[{\"from\":\"x\",\"to\":\"y\"}]","added":"[]"}}"#,
            "drift  ! warning  changed 1, 2, 3, 4, 5, 6 and 1 more  moved x → y",
        );
    }

    #[test]
    fn what_is_not_known_is_still_a_line() {
        check("Other", "null", "Other  01K");
        check(
            "MissionDossierParityDriftDetected",
            r#"{"context_diagnostics":{"added":"not json"}}"#,
            "drift  ·",
        );
    }
}
