//! Does what happens get written down, and delivered?

use super::super::render::plural;
use super::super::wire::{Overview, Sink, SyncStatus};
use super::Check;

/// Delivery to each sink.
pub(super) fn sinks(status: &SyncStatus) -> Vec<Check> {
    if !status.configured {
        return vec![Check::ok("delivery", "not configured")];
    }
    let mut checks: Vec<Check> = status.sinks.iter().map(sink).collect();
    for (sink, rejected) in status.sinks.iter().filter_map(|sink| Some((sink, sink.rejected?))) {
        if rejected == 0 {
            continue;
        }
        let events = plural(rejected, "event", "events");
        checks.push(Check::warn(
            "dead letters",
            format!("{} has refused {events}", sink.target),
            "dossierd sync dead-letters, and once the reason is gone: dossierd sync retry --all",
        ));
    }
    checks
}

fn sink(sink: &Sink) -> Check {
    const NAME: &str = "delivery";
    let reason = sink.reason.as_deref().unwrap_or("no reason is told");
    let to = format!("to {}", sink.target);
    let pending = match sink.pending {
        Some(count) => plural(count, "event", "events"),
        None => "an unknown number of events".to_owned(),
    };
    if let Some(fault) = &sink.fault {
        let hint = "do what it says, or give room or access; then: dossierd sync flush";
        return Check::fail(NAME, format!("{to} is held up here: {fault}"), hint);
    }
    match sink.state.as_str() {
        "paused" => Check::fail(
            NAME,
            format!("{to} is paused, with {pending} pending: {reason}"),
            "dossierd sync resume",
        ),
        "starting" => {
            Check::warn(NAME, format!("{to}: {reason}"), "wait until the first scans are done")
        }
        "waiting" => Check::warn(
            NAME,
            format!("{to} waits, with {pending} pending: {reason}"),
            "it is tried again by itself; at once with: dossierd sync flush",
        ),
        _ => Check::ok(NAME, format!("{to}, {pending} pending")),
    }
}

/// Are the logs of these features written, and where they belong?
pub(super) fn logs(overviews: &[Overview]) -> Vec<Check> {
    const NAME: &str = "logs";
    let mut checks = Vec::new();
    for overview in overviews {
        let (slug, store) = (&overview.feature_slug, &overview.store);
        if let Some(failing) = &store.failing {
            let hint = match store.failing_code.as_deref() {
                Some("later-version") => {
                    "run the newer dossierd; or move the log away, then restart the daemon"
                }
                _ => {
                    "give room or access; it is tried again by itself, and nothing is lost until then"
                }
            };
            checks.push(Check::fail(NAME, format!("of {slug} cannot be written: {failing}"), hint));
        } else if let Some(reason) = &store.fallback_reason
            // A project without one has chosen so; that is no fault.
            && !reason.ends_with(".kittify does not exist")
        {
            let message = format!("of {slug} are in the daemon's state: {reason}");
            let hint =
                "mkdir -p .kittify in the project, if it should hold them, then restart the daemon";
            checks.push(Check::warn(NAME, message, hint));
        }
    }
    if checks.is_empty() && !overviews.is_empty() {
        let features = plural(overviews.len() as u64, "feature", "features");
        checks.push(Check::ok(NAME, format!("of {features} are written")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus::{self, Fail, Ok as Fine, Warn};
    use super::*;

    #[test]
    fn what_is_not_delivered_is_told() {
        let check = |text: &str, expected: &[(&str, CheckStatus)]| {
            let checks = sinks(&serde_json::from_str(text).unwrap());
            let found: Vec<_> = checks.iter().map(|check| (check.name, check.status)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("{}", &[("delivery", Fine)]);
        let one =
            |sink: &str| format!(r#"{{"configured":true,"sinks":[{{"target":"t",{sink}}}]}}"#);
        check(&one(r#""state":"idle""#), &[("delivery", Fine)]);
        check(&one(r#""state":"waiting","reason":"503""#), &[("delivery", Warn)]);
        check(&one(r#""state":"starting","pending":null"#), &[("delivery", Warn)]);
        check(&one(r#""state":"paused""#), &[("delivery", Fail)]);
        check(&one(r#""state":"idle","fault":"disk full""#), &[("delivery", Fail)]);
        check(
            &one(r#""state":"idle","rejected":2"#),
            &[("delivery", Fine), ("dead letters", Warn)],
        );
    }

    #[test]
    fn a_log_that_cannot_be_written_fails() {
        let overview = |store: &str| -> Overview {
            serde_json::from_str(&format!(r#"{{"feature_slug":"a","store":{store}}}"#)).unwrap()
        };
        let status = |store: &str| logs(&[overview(store)])[0].status;
        assert_eq!(status("{}"), Fine);
        assert_eq!(status(r#"{"failing":"no space"}"#), Fail);
        let later = overview(r#"{"failing":"too new","failing_code":"later-version"}"#);
        let hint = logs(&[later])[0].hint.clone().unwrap();
        assert!(hint.contains("newer dossierd") && !hint.contains("room"), "{hint}");
        assert_eq!(status(r#"{"fallback_reason":"read-only"}"#), Warn);
        assert_eq!(status(r#"{"fallback_reason":"/p/.kittify does not exist"}"#), Fine);
        assert_eq!(logs(&[]), []);
    }
}
