//! What `doctor` found.

use super::{Line, Page, Tone, mark, plural};
use crate::cli::doctor::{Check, CheckStatus};

/// One line for each check, with what to do, and a summary.
pub fn diagnosis(checks: &[Check]) -> Page {
    let mut page = Page::new();
    for check in checks {
        let line = mark::check(check.status.as_str()).text("  ").tone(Tone::Strong, check.name);
        page.line(line.text(": ").text(&check.message));
        if let Some(hint) = &check.hint {
            page.line(Line::plain("          → ").text(hint));
        }
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count() as u64;
    page.gap();
    page.line(format!(
        "{}, {}, {} ok",
        plural(count(CheckStatus::Fail), "failure", "failures"),
        plural(count(CheckStatus::Warn), "warning", "warnings"),
        count(CheckStatus::Ok)
    ));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_word_and_what_to_do() {
        let checks = [
            Check::ok("git", "/usr/bin/git"),
            Check::warn("token file", "mode 644", "chmod 600 /x\n"),
            Check::fail("daemon", "no daemon is running", "start it"),
        ];
        let expected = "\
✓ ok    git: /usr/bin/git
! warn  token file: mode 644
          → chmod 600 /x\\u{a}
✗ fail  daemon: no daemon is running
          → start it

1 failure, 1 warning, 1 ok
";
        assert_eq!(diagnosis(&checks).to_text(false), expected);
    }
}
