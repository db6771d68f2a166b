//! The delivery of events to a back end.

use super::{Line, Page, Table, Tone};
use crate::cli::wire::{DeadLetters, Sink, SyncStatus};

/// `dossierd sync status`.
pub fn sync(status: &SyncStatus) -> Page {
    if !status.configured {
        return Page::from(Line::plain(
            "delivery is not configured: all events stay in the logs of their features",
        ));
    }
    let mut page = Page::new();
    for sink in &status.sinks {
        page.append(of_sink(sink));
    }
    page
}

fn of_sink(sink: &Sink) -> Page {
    let (tone, mark) = match sink.state.as_str() {
        "idle" | "sending" => (Tone::Good, "✓"),
        _ => (Tone::Warn, "!"),
    };
    let mut page = Page::from(
        Line::toned(tone, format!("{mark} {} {}", sink.name, sink.state))
            .text("  ")
            .text(&sink.target),
    );
    if let Some(reason) = &sink.reason {
        page.line(format!("  {reason}"));
    }
    if let Some(at) = &sink.next_attempt_at {
        page.line(format!("  next attempt at {at}; `dossierd sync flush` tries at once"));
    }
    if sink.state == "paused" {
        page.line("  go on with `dossierd sync resume`");
    }
    if sink.state == "starting" {
        page.line("  wait until they are done; `dossierd status` shows them");
    }
    if let Some(fault) = &sink.fault {
        page.line(Line::toned(Tone::Bad, "  ✗ ").text(fault));
    }
    let mut table = Table::new(&["", ">"]).indented(2);
    for (name, count) in [
        ("pending", sink.pending),
        ("delivered", sink.delivered),
        ("duplicate", sink.duplicate),
        ("rejected", sink.rejected),
    ] {
        table.row([Line::toned(Tone::Faint, name), Line::plain(shown(count))]);
    }
    page.append(table.page());
    if let Some(age) = sink.oldest_pending_age_seconds {
        page.line(format!("  the oldest pending event is {age:.0} s old"));
    }
    if sink.rejected.is_some_and(|count| count > 0) {
        page.line("  `dossierd sync dead-letters` says why events were rejected");
    }
    page
}

/// What is not known is no zero.
fn shown(count: Option<u64>) -> String {
    count.map_or_else(|| "?".to_owned(), |count| count.to_string())
}

/// `dossierd sync dead-letters`.
pub fn dead_letters(list: &DeadLetters) -> Page {
    if list.dead_letters.is_empty() {
        return Page::from(Line::plain("no event was rejected"));
    }
    let mut page = Page::new();
    for letter in &list.dead_letters {
        let of = |name: &str| letter.event[name].as_str().unwrap_or("unknown").to_owned();
        page.line(
            Line::plain(&letter.event_id)
                .text(format!("  {}  ", of("event_type")))
                .text(of("aggregate_id")),
        );
        page.line(Line::toned(Tone::Bad, "  ✗ ").text(&letter.reason));
        let attempts = if letter.attempts == 1 { "attempt" } else { "attempts" };
        page.line(Line::toned(
            Tone::Faint,
            format!(
                "  {}, {} {attempts}, last at {}",
                letter.sink, letter.attempts, letter.rejected_at
            ),
        ));
    }
    let shown = list.dead_letters.len() as u64;
    if let Some(more) = list.total.and_then(|total| total.checked_sub(shown)).filter(|n| *n > 0) {
        page.line(format!("{more} more; list them with --limit"));
    }
    page.line("send them again with `dossierd sync retry --all`");
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::wire::DeadLetter;

    #[test]
    fn counts_stand_apart_for_each_sink() {
        let sink = Sink {
            name: "webhook".into(),
            target: "https://events.example.org".into(),
            state: "waiting".into(),
            reason: Some("no answer within 30 s".into()),
            next_attempt_at: Some("2026-01-02T03:04:05Z".into()),
            pending: Some(12),
            delivered: Some(300),
            duplicate: Some(0),
            rejected: Some(1),
            oldest_pending_age_seconds: Some(61.2),
            ..Sink::default()
        };
        let status = SyncStatus { configured: true, sinks: vec![sink], ..SyncStatus::default() };
        let expected = "\
! webhook waiting  https://events.example.org
  no answer within 30 s
  next attempt at 2026-01-02T03:04:05Z; `dossierd sync flush` tries at once
  pending     12
  delivered  300
  duplicate    0
  rejected     1
  the oldest pending event is 61 s old
  `dossierd sync dead-letters` says why events were rejected
";
        assert_eq!(sync(&status).to_text(false), expected);
        assert!(sync(&SyncStatus::default()).to_text(false).contains("not configured"));
    }

    #[test]
    fn what_is_not_known_yet_is_neither_well_nor_nothing() {
        let sink = Sink {
            name: "webhook".into(),
            target: "t".into(),
            state: "starting".into(),
            reason: Some("nothing is sent before the first scans have ended".into()),
            ..Sink::default()
        };
        let status = SyncStatus { configured: true, sinks: vec![sink], ..SyncStatus::default() };
        let shown = sync(&status).to_text(false);
        assert!(shown.starts_with("! webhook starting"), "{shown}");
        assert!(shown.contains("the first scans have ended\n  wait until"), "{shown}");
        assert!(shown.contains("pending    ?") && !shown.contains('0'), "{shown}");
    }

    #[test]
    fn a_dead_letter_says_which_event_and_why() {
        let letter = DeadLetter {
            sink: "webhook".into(),
            event_id: "01A".into(),
            reason: "no such project\u{1b}[31m".into(),
            rejected_at: "2026-01-02T03:04:05Z".into(),
            attempts: 2,
            event: serde_json::json!({ "event_type": "X", "aggregate_id": "001-a" }),
        };
        let list = DeadLetters { total: Some(3), dead_letters: vec![letter] };
        let shown = dead_letters(&list).to_text(false);
        assert!(shown.starts_with("01A  X  001-a\n  ✗ no such project"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert!(shown.contains("2 more"), "{shown}");
    }
}
