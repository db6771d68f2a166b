//! How a feature differs from its baseline, by name.

use super::{Line, Page, Tone, mark, moment};
use crate::cli::wire::Drift;

/// `dossierd drift`.
pub fn drift(drift: &Drift) -> Page {
    let mut line = Line::toned(Tone::Strong, &drift.feature_slug)
        .text(": ")
        .then(mark::parity(&drift.parity_status));
    if let Some(severity) = &drift.severity {
        line = line.text(", ").then(mark::severity(severity));
    }
    if let Some(captured) = &drift.baseline_captured_at {
        line = line.tone(Tone::Faint, format!("  baseline of {}", moment(captured)));
    }
    let mut page = Page::from(line);
    if let Some(message) = &drift.message {
        page.line(Line::plain("  ").text(message));
    }
    for (word, tone, paths) in [
        ("removed", Tone::Bad, &drift.removed),
        ("changed", Tone::Warn, &drift.changed),
        ("added  ", Tone::Good, &drift.added),
    ] {
        for path in paths {
            page.line(Line::toned(tone, format!("  {word}  ")).text(path));
        }
    }
    for moved in &drift.moved {
        let line = Line::toned(Tone::Warn, "  moved    ").text(&moved.from);
        page.line(line.text(" → ").text(&moved.to));
    }
    let differs = matches!(drift.parity_status.as_str(), "drifted" | "moved");
    if differs && !drift.names_known {
        page.line("  the baseline lists no artifacts, so names are not known; capture it again");
    }
    match drift.parity_status.as_str() {
        "drifted" | "moved" => {
            page.line(Line::toned(
                Tone::Faint,
                "  accept this state with `dossierd baseline capture`",
            ));
        }
        "no_baseline" | "baseline_rejected" => page.line(Line::toned(
            Tone::Faint,
            "  there is nothing to compare with until `dossierd baseline capture`",
        )),
        _ => {}
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let document: Drift = serde_json::from_str(json).unwrap();
        assert_eq!(drift(&document).to_text(false), expected);
    }

    #[test]
    fn names_and_severity_are_shown() {
        check(
            r#"{"feature_slug":"a","parity_status":"drifted","severity":"warning","actual_hash":"x","names_known":true,
               "added":["new.md"],"removed":["old\n.md"],"changed":["spec.md"],"moved":[{"from":"x.md","to":"y.md"}],
               "message":null,"baseline_captured_at":"2026-11-20T10:00:00Z"}"#,
            "\
a: ≠ drifted, ! warning  baseline of 2026-11-20 10:00:00Z
  removed  old\\u{a}.md
  changed  spec.md
  added    new.md
  moved    x.md → y.md
  accept this state with `dossierd baseline capture`
",
        );
    }

    #[test]
    fn unknown_names_and_no_baseline_are_said() {
        check(
            r#"{"feature_slug":"a","parity_status":"drifted","severity":"warning","names_known":false}"#,
            "\
a: ≠ drifted, ! warning
  the baseline lists no artifacts, so names are not known; capture it again
  accept this state with `dossierd baseline capture`
",
        );
        check(
            r#"{"feature_slug":"a","parity_status":"no_baseline","severity":null,"message":"no baseline was captured in this context","names_known":true}"#,
            "\
a: · no baseline
  no baseline was captured in this context
  there is nothing to compare with until `dossierd baseline capture`
",
        );
        check(r#"{"feature_slug":"a","parity_status":"in_sync"}"#, "a: ✓ in sync\n");
    }
}
