//! Statuses as symbol and word: the word says it, symbol and colour help to find it.

use super::line::{Line, Tone};

fn marked(tone: Tone, symbol: &str, word: &str) -> Line {
    Line::toned(tone, format!("{symbol} {word}"))
}

/// `completeness_status` and `step_status`.
pub fn completeness(status: &str) -> Line {
    match status {
        "complete" => marked(Tone::Good, "✓", "complete"),
        "incomplete" => marked(Tone::Bad, "✗", "incomplete"),
        other => marked(Tone::Warn, "?", other),
    }
}

/// `parity_status`; what is not known is shown as it came.
pub fn parity(status: &str) -> Line {
    match status {
        "in_sync" => marked(Tone::Good, "✓", "in sync"),
        "drifted" => marked(Tone::Bad, "≠", "drifted"),
        "moved" => marked(Tone::Warn, "→", "moved"),
        "no_baseline" => marked(Tone::Faint, "·", "no baseline"),
        "baseline_rejected" => marked(Tone::Warn, "!", "baseline rejected"),
        "error" => marked(Tone::Bad, "✗", "error"),
        other => marked(Tone::Warn, "?", other),
    }
}

/// `severity` of drift or an anomaly.
pub fn severity(severity: &str) -> Line {
    match severity {
        "error" => marked(Tone::Bad, "✗", "error"),
        "warning" => marked(Tone::Warn, "!", "warning"),
        other => marked(Tone::Faint, "·", other),
    }
}

/// `watch.state`.
pub fn watch(state: &str) -> Line {
    match state {
        "live" => marked(Tone::Good, "✓", "live"),
        "starting" | "rescanning" => marked(Tone::Faint, "…", state),
        "partial" | "polling" => marked(Tone::Warn, "!", state),
        "detached" => marked(Tone::Bad, "✗", state),
        other => marked(Tone::Warn, "?", other),
    }
}

/// The presence of an artifact, with the reason if it is not there.
pub fn presence(is_present: bool, reason: Option<&str>) -> Line {
    if is_present {
        return marked(Tone::Good, "✓", "present");
    }
    match reason {
        Some("not_produced_yet") => marked(Tone::Warn, "✗", "not produced yet"),
        Some(reason) => marked(Tone::Bad, "✗", &reason.replace('_', " ")),
        None => marked(Tone::Bad, "✗", "missing"),
    }
}

/// The result of a check of `doctor`.
pub fn check(status: &str) -> Line {
    match status {
        "ok" => marked(Tone::Good, "✓", "ok  "),
        "warn" => marked(Tone::Warn, "!", "warn"),
        _ => marked(Tone::Bad, "✗", "fail"),
    }
}
