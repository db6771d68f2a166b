//! The forms of a report.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::finding::{Checked, Finding};
use crate::cli::CliError;
use crate::cli::error::ErrorKind;
use crate::cli::render::{Line, Page, Tone, escape, mark};
use crate::dossier::drift::Severity;

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
fn conclusion(checked: &[Checked]) -> Line {
    let failing = checked.iter().filter(|f| fails(f)).count();
    let features = count(checked.len(), "feature");
    let complaints = checked.iter().flat_map(|f| &f.findings).filter(|f| !f.fails).count();
    match (checked.len(), failing, complaints) {
        (0, _, _) => {
            Line::toned(Tone::Warn, "! there are no features here, so nothing was checked")
        }
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
    let document = serde_json::json!({ "schema_version": 1, "ok": ok, "features": checked });
    document.to_string().into_bytes()
}

fn fails(feature: &Checked) -> bool {
    feature.findings.iter().any(|finding| finding.fails)
}

/// Workflow commands of GitHub Actions. Source of the format and its escapes: "Workflow
/// commands for GitHub Actions", `@actions/core`.
pub(super) fn github(checked: &[Checked]) -> String {
    let data = |text: &str| {
        escape::line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for feature in checked {
        for finding in &feature.findings {
            let level = match (finding.fails, finding.severity) {
                (true, _) => "error",
                (false, Severity::Info) => "notice",
                (false, _) => "warning",
            };
            let file = finding
                .path
                .as_ref()
                .map_or_else(String::new, |path| format!("file={},", property(path)));
            let title = property(&format!("{}: {}", feature.feature_slug, finding.kind));
            let message = data(&finding.message);
            out.push_str(&format!("::{level} {file}title={title}::{message}\n"));
        }
    }
    out
}

/// JUnit XML: a suite a feature, a case for completeness and one for drift.
pub(super) fn junit(checked: &[Checked]) -> Result<Vec<u8>, CliError> {
    let mut report = Report::new("dossierd check");
    for feature in checked {
        let mut suite = TestSuite::new(printable(&feature.feature_slug));
        for (name, kinds) in
            [("completeness", &["missing", "completeness"][..]), ("drift", &["drift"][..])]
        {
            let of_kind = |f: &&Finding| f.fails && kinds.contains(&f.kind);
            let failing: Vec<&Finding> = feature.findings.iter().filter(of_kind).collect();
            let status = match failing.first() {
                None => TestCaseStatus::success(),
                Some(_) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    let all: Vec<String> = failing.iter().map(|f| printable(&f.message)).collect();
                    status.set_message(all[0].clone());
                    // A line that began with a name could be a command to a CI system.
                    let listed: Vec<String> = all.iter().map(|one| format!("- {one}")).collect();
                    status.set_description(listed.join("\n"));
                    status
                }
            };
            let mut case = TestCase::new(name, status);
            case.set_classname(printable(&feature.feature_slug));
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    let mut bytes = Vec::new();
    report.serialize(&mut bytes).map_err(|error| {
        CliError::new(ErrorKind::Protocol, "the JUnit report cannot be written").because(error)
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// XML has no way to say control characters.
fn printable(text: &str) -> String {
    escape::line(text).into_owned()
}
