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
                    "run the newer dossierd; or move the log away, and it goes on by itself"
                }
                Some("same-name") => {
                    "rename one of the two directories, or remove one of the two: dossierd remove"
                }
                Some("hard-link") => {
                    "put a copy in the place of the file, as it says; it goes on by itself then"
                }
                Some("identity") => {
                    "run the newer dossierd, or do what it says; it goes on by itself then"
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
            checks.push(Check::warn(NAME, message, into_project(reason)));
        }
    }
    if checks.is_empty() && !overviews.is_empty() {
        let features = plural(overviews.len() as u64, "feature", "features");
        checks.push(Check::ok(NAME, format!("of {features} are written")));
    }
    checks
}

/// What brings logs into a project that does not get them for this reason, in the words of
/// [`FallbackReason`](crate::store::FallbackReason).
fn into_project(reason: &str) -> &'static str {
    let problem = reason.rsplit_once(" cannot be written: ").map(|(_, problem)| problem);
    match problem {
        Some(problem) if problem.starts_with("read-only") => {
            "nothing has to be done: the project is read-only to this daemon, and commands find \
             the logs where they are; one that may write there: dossierd service install"
        }
        Some(_) => "give the daemon access to it, then restart the daemon",
        None if reason.ends_with("which dossierd does not write through") => {
            "replace the link by a directory, then restart the daemon"
        }
        None if reason.ends_with("is not a directory") => "move it away, then restart the daemon",
        None if reason.ends_with("does not ignore everything below it") => {
            "remove it, or give it the one line *, then restart the daemon"
        }
        None if reason.ends_with("cannot be the name of a directory") => {
            "give the feature's directory a plain name"
        }
        None => "mend that, then restart the daemon",
    }
}

#[cfg(test)]
mod tests {
    use super::super::CheckStatus::{self, Fail, Ok as Fine, Warn};
    use super::*;
    use crate::store::FallbackReason;

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
        for code in ["same-name", "hard-link", "identity"] {
            let store = format!(r#"{{"failing":"why","failing_code":"{code}"}}"#);
            let hint = logs(&[overview(&store)])[0].hint.clone().unwrap();
            assert!(!hint.contains("room"), "{code}: {hint}");
        }
        assert_eq!(status(r#"{"fallback_reason":"read-only"}"#), Warn);
        assert_eq!(status(r#"{"fallback_reason":"/p/.kittify does not exist"}"#), Fine);
        assert_eq!(logs(&[]), []);
    }

    #[test]
    fn what_keeps_logs_out_of_a_project_is_mended_by_its_reason() {
        let path = || std::path::PathBuf::from("/p/.kittify/dossiers");
        let refused = |error: std::io::ErrorKind| FallbackReason::Refused {
            path: path(),
            problem: error.to_string(),
        };
        for (reason, hint) in [
            (refused(std::io::ErrorKind::ReadOnlyFilesystem), "nothing has to be done"),
            (refused(std::io::ErrorKind::PermissionDenied), "give the daemon access"),
            (FallbackReason::Symlink(path()), "replace the link"),
            (FallbackReason::NotADirectory(path()), "move it away"),
            (FallbackReason::NotIgnored(path()), "remove it, or give it"),
            (FallbackReason::UnsafeSlug("..".into()), "give the feature's directory"),
        ] {
            let mut overview = Overview { feature_slug: "a".to_owned(), ..Overview::default() };
            overview.store.fallback_reason = Some(reason.to_string());
            let check = logs(&[overview]).remove(0);
            let told = check.hint.expect("a warning says what to do");
            assert!(told.starts_with(hint) && !told.contains("mkdir"), "{reason}: {told}");
        }
    }
}
