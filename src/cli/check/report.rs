//! The reports for people and for programs; what CI systems read is in [`super::github`] and
//! [`super::junit`].

use super::finding::Checked;
use crate::cli::render::{Line, Page, Tone, mark};

/// What passes, and should not be taken for more than it is.
pub(super) const NO_FEATURES: &str = "there are no features here, so nothing was checked";

/// For people.
pub(super) fn text(checked: &[Checked]) -> Page {
    let mut page = Page::new();
    for feature in checked {
        page.line(
            Line::toned(Tone::Strong, &feature.feature_slug)
                .text("  ")
                .then(mark::completeness(feature.completeness_status.as_str()))
                .text(format!(
                    " at {} ({}/{} required)  ",
                    feature.current_step.as_deref().unwrap_or("unknown step"),
                    feature.required_present,
                    feature.required
                ))
                .then(mark::parity(feature.parity_status.as_str())),
        );
        for finding in &feature.findings {
            let line = Line::plain("  ").then(mark::severity(finding.severity.as_str()));
            page.line(line.text("  ").text(&finding.message));
        }
    }
    page.gap();
    page.line(conclusion(checked));
    page
}

/// The last line: what comes of it all.
pub(super) fn conclusion(checked: &[Checked]) -> Line {
    let failing = checked.iter().filter(|f| fails(f)).count();
    let features = count(checked.len(), "feature");
    let complaints = checked.iter().flat_map(|f| &f.findings).filter(|f| !f.fails).count();
    match (checked.len(), failing, complaints) {
        (0, _, _) => Line::toned(Tone::Warn, format!("! {NO_FEATURES}")),
        (_, 0, 0) => Line::toned(Tone::Good, format!("✓ {features}, nothing to complain about")),
        (_, 0, some) => {
            let findings = count(some, "finding");
            Line::toned(Tone::Good, format!("✓ {features}, none fails; {findings} shown above"))
        }
        _ => Line::toned(Tone::Bad, format!("✗ {failing} of {features} failed")),
    }
}

/// A number and its noun.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One JSON document.
pub(super) fn json(checked: &[Checked]) -> Vec<u8> {
    let ok = !checked.iter().any(fails);
    let warnings: &[&str] = if checked.is_empty() { &[NO_FEATURES] } else { &[] };
    let document = serde_json::json!({
        "schema_version": 1,
        "ok": ok,
        "warnings": warnings,
        "features": checked,
    });
    document.to_string().into_bytes()
}

fn fails(feature: &Checked) -> bool {
    feature.findings.iter().any(|finding| finding.fails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_is_a_warning_for_programs_too() {
        let document: serde_json::Value = serde_json::from_slice(&json(&[])).unwrap();
        assert_eq!(document["ok"], true);
        assert_eq!(document["features"], serde_json::json!([]));
        let warnings = serde_json::json!(["there are no features here, so nothing was checked"]);
        assert_eq!(document["warnings"], warnings);
    }
}
