//! JUnit XML: a suite a feature; a case for each artifact that is required up to the current
//! step, one for completeness where that is unknown, and one for drift.
//!
//! What makes the check fail is a failure. What was found and does not make it fail, and what
//! cannot be asked because nobody accepted a baseline, is skipped, with the reason; so is the
//! one case of a project without features. A check that could not be done is an error.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::finding::{Checked, Finding, Requirement};
use super::report::NO_FEATURES;
use crate::cli::CliError;
use crate::cli::error::ErrorKind;
use crate::cli::render::escape;
use crate::dossier::drift::ParityStatus;

const NAME: &str = "dossierd check";

/// All features.
pub(super) fn junit(checked: &[Checked]) -> Result<Vec<u8>, CliError> {
    if checked.is_empty() {
        let mut status = TestCaseStatus::skipped();
        status.set_message(NO_FEATURES);
        return written(&of_one_case("features", status));
    }
    let mut report = Report::new(NAME);
    for feature in checked {
        let slug = printable(&feature.feature_slug);
        let mut suite = TestSuite::new(slug.clone());
        let mut add = |name: &str, status| {
            let mut case = TestCase::new(printable(name), status);
            case.set_classname(slug.clone());
            suite.add_test_case(case);
        };
        for requirement in &feature.requirements {
            let name = format!("{} ({})", requirement.artifact_key, requirement.step);
            add(&name, required(requirement));
        }
        let unknown = of_kind(feature, "completeness");
        if feature.requirements.is_empty() || !unknown.is_empty() {
            add("completeness", findings(&unknown));
        }
        add("drift", drift(feature));
        report.add_test_suite(suite);
    }
    written(&report)
}

/// A report that nothing could be checked.
pub(super) fn junit_error(error: &CliError) -> Result<Vec<u8>, CliError> {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(printable(&error.to_string()));
    status.set_description(printable(&error.causes().join(": ")));
    written(&of_one_case("check", status))
}

/// A report that is about no feature.
fn of_one_case(name: &str, status: TestCaseStatus) -> Report {
    let mut suite = TestSuite::new(NAME);
    suite.add_test_case(TestCase::new(name, status));
    let mut report = Report::new(NAME);
    report.add_test_suite(suite);
    report
}

fn of_kind<'a>(feature: &'a Checked, kind: &str) -> Vec<&'a Finding> {
    feature.findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn required(requirement: &Requirement) -> TestCaseStatus {
    let Some(unmet) = &requirement.missing else { return TestCaseStatus::success() };
    let mut status = not_passed(unmet.fails);
    status.set_type(unmet.reason_code);
    status.set_message(printable(&unmet.message));
    status
}

fn drift(feature: &Checked) -> TestCaseStatus {
    let found = of_kind(feature, "drift");
    if found.is_empty() && feature.parity_status == ParityStatus::NoBaseline {
        let mut status = TestCaseStatus::skipped();
        status.set_message("there is no accepted baseline");
        return status;
    }
    findings(&found)
}

/// The status of a case with these findings.
fn findings(found: &[&Finding]) -> TestCaseStatus {
    let Some(first) = found.first() else { return TestCaseStatus::success() };
    let mut status = not_passed(found.iter().any(|finding| finding.fails));
    status.set_message(printable(&first.message));
    // A line that began with a name could be a command to a CI system.
    let listed: Vec<String> =
        found.iter().map(|finding| format!("- {}", printable(&finding.message))).collect();
    status.set_description(listed.join("\n"));
    status
}

fn not_passed(fails: bool) -> TestCaseStatus {
    match fails {
        true => TestCaseStatus::non_success(NonSuccessKind::Failure),
        false => TestCaseStatus::skipped(),
    }
}

fn written(report: &Report) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    report.serialize(&mut bytes).map_err(|error| {
        CliError::new(ErrorKind::Protocol, "the JUnit report cannot be written").because(error)
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// XML has no way to say control characters, nor U+FFFE and U+FFFF.
fn printable(text: &str) -> String {
    escape::line(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_is_a_skipped_case_that_says_so() {
        let report = String::from_utf8(junit(&[]).unwrap()).unwrap();
        assert!(report.contains(r#"tests="1" skipped="1" failures="0" errors="0""#), "{report}");
        let skipped = r#"<skipped message="there are no features here, so nothing was checked"/>"#;
        assert!(report.contains(skipped), "{report}");
    }
}
