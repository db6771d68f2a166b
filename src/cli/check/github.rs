//! Annotations of GitHub Actions, by workflow commands: one a line.
//!
//! Source of the form and its escapes: "Workflow commands for GitHub Actions" and
//! `@actions/core`. Paths are relative to the root of the repository, wherever the check was
//! run. What is missing has no file to be annotated: then it is the feature's meta.json, or
//! its directory, and the message says which file is meant.

use super::finding::Checked;
use super::report::conclusion;
use crate::cli::CliError;
use crate::cli::render::{Page, escape};
use crate::dossier::drift::Severity;

/// All findings, and what comes of them.
pub(super) fn github(checked: &[Checked]) -> String {
    let mut out = String::new();
    for feature in checked {
        for finding in &feature.findings {
            let level = match (finding.fails, finding.severity) {
                (true, _) => "error",
                (false, Severity::Info) => "notice",
                (false, _) => "warning",
            };
            let file = property(&finding.place);
            let title = property(&format!("{}: {}", feature.feature_slug, finding.kind));
            let message = data(&finding.message);
            out.push_str(&format!("::{level} file={file},title={title}::{message}\n"));
        }
    }
    let fails = checked.iter().flat_map(|feature| &feature.findings).any(|f| f.fails);
    let level = match (fails, checked.is_empty()) {
        (true, _) => "error",
        (_, true) => "warning",
        _ => "notice",
    };
    let words = Page::from(conclusion(checked)).to_text(false);
    out.push_str(&format!("::{level} title=dossierd check::{}\n", data(words.trim())));
    out
}

/// Why nothing could be checked.
pub(super) fn github_error(error: &CliError) -> String {
    let whole: Vec<String> = std::iter::once(error.to_string()).chain(error.causes()).collect();
    format!("::error title=dossierd check::it could not be checked: {}\n", data(&whole.join(": ")))
}

fn data(text: &str) -> String {
    escape::line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::ErrorKind;

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(property("a,line=1::b%0A\n\r"), "a%2Cline=1%3A%3Ab%250A\\u{a}\\u{d}");
        assert_eq!(data("::error::x\n::y"), "::error::x\\u{a}::y");
    }

    #[test]
    fn an_error_and_no_feature_are_annotations_too() {
        let error = CliError::new(ErrorKind::Input, "no such\nplace").because("gone");
        assert_eq!(
            github_error(&error),
            "::error title=dossierd check::it could not be checked: no such\\u{a}place: gone\n"
        );
        assert!(github(&[]).starts_with("::warning title=dossierd check::! there are no features"));
    }
}
