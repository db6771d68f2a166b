//! The accepted baseline of a feature.

use super::{Line, Page, Table, Tone, mark, moment, plural};
use crate::cli::wire::BaselineDocument;

/// `dossierd baseline show` and `capture`.
pub fn baseline(document: &BaselineDocument) -> Page {
    let mut page = Page::from(
        Line::toned(Tone::Strong, &document.feature_slug)
            .text(": ")
            .then(mark::parity(&document.parity_status)),
    );
    let Some(baseline) = &document.baseline else {
        page.line("no baseline; accept the current state with `dossierd baseline capture`");
        return page;
    };
    let mut table = Table::new(&["", ""]).indented(2);
    let mut row = |name: &str, value: &str| {
        table.row([Line::toned(Tone::Faint, name), Line::plain(value)]);
    };
    row("captured", &format!("{} by {}", moment(&baseline.captured_at), baseline.captured_by));
    if let Some(note) = &baseline.note {
        row("note", note);
    }
    if let Some(branch) = &baseline.checkout_branch {
        row("branch", branch);
    }
    if let Some(sha) = &baseline.git_sha {
        row("commit", sha);
    }
    row("parity", &baseline.parity_hash_sha256);
    match &baseline.artifacts {
        Some(artifacts) => {
            row("accepts", &plural(artifacts.len() as u64, "artifact", "artifacts"));
        }
        None => row("accepts", "contents only; its writer listed no artifacts"),
    }
    if !document.rejected_components.is_empty() {
        row("rejected", &format!("it differs in {}", document.rejected_components.join(", ")));
    }
    page.append(table.page());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_with_its_context() {
        let document: BaselineDocument = serde_json::from_str(
            r#"{"feature_slug":"a","parity_status":"baseline_rejected","rejected_components":["target_branch"],
                "baseline":{"parity_hash_sha256":"e3b0","captured_at":"2026-11-20T10:00:00Z","captured_by":"node","note":"fine","artifacts":[{},{}]}}"#,
        )
        .unwrap();
        let expected = "\
a: ! baseline rejected
  captured  2026-11-20 10:00:00Z by node
  note      fine
  parity    e3b0
  accepts   2 artifacts
  rejected  it differs in target_branch
";
        assert_eq!(baseline(&document).to_text(false), expected);
        let none = BaselineDocument { baseline: None, ..document };
        assert!(baseline(&none).to_text(false).contains("baseline capture"));
    }
}
