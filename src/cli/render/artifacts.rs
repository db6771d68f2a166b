//! Lists of artifacts, and of what is not indexed.

use super::{Line, Page, Table, Tone, mark, plural};
use crate::cli::wire::{Artifact, IgnoredEntry};

/// `dossierd artifacts`; `total` counts those before any filter.
pub fn artifacts(artifacts: &[Artifact], total: u64) -> Page {
    let mut table = Table::new(&["STATE", "CLASS", "REQUIRED", "WP", ">BYTES", "PATH", "KEY"]);
    for row in artifacts {
        table.row([
            mark::presence(row.is_present, row.error_reason.as_deref()),
            class(row),
            row.required_status.as_str().into(),
            row.wp_id.as_deref().unwrap_or("–").into(),
            if row.is_present { Line::plain(row.size_bytes.to_string()) } else { "–".into() },
            Line::toned(Tone::Strong, &row.relative_path),
            Line::toned(Tone::Faint, &row.artifact_key),
        ]);
    }
    let mut page = Page::new();
    if !table.is_empty() {
        page.append(table.page());
        page.gap();
    }
    let shown = artifacts.len() as u64;
    page.line(match shown == total {
        true => plural(total, "artifact", "artifacts"),
        false => format!("{shown} of {}", plural(total, "artifact", "artifacts")),
    });
    page
}

/// The class; one that only the default rule gave is no knowledge, and says so.
fn class(row: &Artifact) -> Line {
    match row.classified_by.as_str() {
        "rule:default" => Line::plain(&row.artifact_class).tone(Tone::Warn, " (unrecognised)"),
        _ => Line::plain(&row.artifact_class),
    }
}

/// `dossierd artifacts --ignored`.
pub fn ignored(entries: &[IgnoredEntry]) -> Page {
    if entries.is_empty() {
        return Page::from(Line::plain("nothing is ignored"));
    }
    let mut table = Table::new(&["PATH", "IGNORED BY"]);
    for entry in entries {
        table.row([Line::plain(&entry.path), Line::plain(&entry.reason)]);
    }
    table.page()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_words() {
        let rows: Vec<Artifact> = serde_json::from_str(
            r#"[{"artifact_key":"input.spec.main","artifact_class":"input","relative_path":"spec.md","size_bytes":120,"required_status":"required","is_present":true,"classified_by":"manifest:input.spec.main"},
                {"artifact_key":"k","artifact_class":"evidence","relative_path":"a\u202eb","required_status":"optional","is_present":false,"error_reason":"invalid_format","classified_by":"rule:default","wp_id":"WP01"}]"#,
        )
        .unwrap();
        let expected = "\
STATE             CLASS                    REQUIRED  WP    BYTES  PATH        KEY
✓ present         input                    required  –       120  spec.md     input.spec.main
✗ invalid format  evidence (unrecognised)  optional  WP01      –  a\\u{202e}b  k

2 of 9 artifacts
";
        assert_eq!(artifacts(&rows, 9).to_text(false), expected);
        assert_eq!(artifacts(&[], 0).to_text(false), "0 artifacts\n");
        assert_eq!(ignored(&[]).to_text(false), "nothing is ignored\n");
    }
}
