//! The delivery of events to a back end.

use super::{Line, Page, Table, Tone};
use crate::cli::wire::SyncStatus;

/// `dossierd sync status`.
pub fn sync(status: &SyncStatus) -> Page {
    if !status.configured {
        return Page::from(Line::plain(
            "delivery is not configured: all events stay in the logs of their features",
        ));
    }
    let mut page = Page::from(match status.paused {
        true => Line::toned(Tone::Warn, "! paused").text("; go on with `dossierd sync resume`"),
        false => Line::toned(Tone::Good, "✓ delivering"),
    });
    let mut table = Table::new(&["", ">"]).indented(2);
    for (name, count) in [
        ("pending", status.pending),
        ("delivered", status.delivered),
        ("duplicate", status.duplicate),
        ("rejected", status.rejected),
    ] {
        table.row([Line::toned(Tone::Faint, name), Line::plain(count.to_string())]);
    }
    page.append(table.page());
    if let Some(age) = status.oldest_pending_age_seconds {
        page.line(format!("  the oldest pending event is {age:.0} s old"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_apart() {
        let status = SyncStatus {
            configured: true,
            paused: true,
            pending: 12,
            delivered: 300,
            oldest_pending_age_seconds: Some(61.2),
            ..SyncStatus::default()
        };
        let expected = "\
! paused; go on with `dossierd sync resume`
  pending     12
  delivered  300
  duplicate    0
  rejected     0
  the oldest pending event is 61 s old
";
        assert_eq!(sync(&status).to_text(false), expected);
        assert!(sync(&SyncStatus::default()).to_text(false).contains("not configured"));
    }
}
