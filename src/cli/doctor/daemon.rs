//! The daemon itself: does it answer, how does it listen, what does it watch?

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::client::{self, Client};
use super::super::error::ErrorKind;
use super::super::places::SystemService;
use super::super::render::features::{root_path, to_come, watch_reason};
use super::super::render::plural;
use super::super::route::Route;
use super::super::wire::{DaemonStatus, FeatureRow, Features, Overview, Root, SyncStatus};
use super::super::{CliError, Context};
use super::warnings::{RESTART, reload_command};
use super::{Check, CheckStatus, delivery, failure, warnings};

/// How long the daemon may take for each answer.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// Features whose logs are asked for one by one.
const MOST_ASKED: usize = 64;

/// What the daemon says of itself.
pub(super) struct Answers {
    pub(super) status: DaemonStatus,
    pub(super) features: Features,
}

/// All checks of the daemon, and its answers; one failure when it does not answer. `service` is that
/// of the system which could run it.
pub(super) fn daemon(
    context: &Context,
    service: Option<&SystemService>,
) -> (Vec<Check>, Option<Answers>) {
    let client = match context.client() {
        Ok(client) => client,
        Err(error) => return (vec![failure("daemon", &error)], None),
    };
    let asked = ask::<DaemonStatus>(&client, Route::get("/api/status"))
        .and_then(|status| Ok((status, ask::<Features>(&client, Route::get("/api/features"))?)));
    let (status, features) = match asked {
        Ok(answers) => answers,
        Err(error) if error.kind() == ErrorKind::Untrusted => {
            return (vec![failure("peer", &error)], None);
        }
        Err(error) => return (vec![unreached(&error, service)], None),
    };
    let peer = "the process behind the socket is yours, or root's";
    let mut checks =
        vec![Check::ok("peer", peer), version(&status), ready(&status, &features), tcp(&status)];
    checks.extend(health(&features));
    checks.extend(roots(&features));
    checks.extend(unwatched(&features));
    checks.extend(logs(&client, &features));
    match ask::<SyncStatus>(&client, Route::get("/api/sync/status")) {
        Ok(status) => checks.extend(delivery::sinks(&status)),
        Err(error) => checks.push(unanswered("delivery", &error)),
    }
    (checks, Some(Answers { status, features }))
}

/// Nothing answers. A daemon that the system runs is started by the system.
fn unreached(error: &CliError, service: Option<&SystemService>) -> Check {
    let check = failure("daemon", error);
    let Some(service) = service.filter(|_| error.kind() == ErrorKind::NoDaemon) else {
        return check;
    };
    let start = format!("sudo systemctl start {}", service.unit);
    let state = service.state.display();
    if service.is_only {
        let message = format!("that of the system, with its files in {state}, does not run");
        let hint = format!("{start}; why it ended: journalctl --unit {}", service.unit);
        return Check::fail("daemon", message, hint);
    }
    let message =
        format!("{}; nor does that of the system, with its files in {state}", check.message);
    let own = check.hint.unwrap_or_default();
    Check::fail("daemon", message, format!("{start}; or your own: {own}"))
}

fn ask<T: serde::de::DeserializeOwned>(client: &Client, route: Route) -> Result<T, CliError> {
    client.block_on(client::ask(client.socket(), &route, ASK_LIMIT))?.parse()
}

/// What could not be asked is no pass.
fn unanswered(name: &'static str, error: &CliError) -> Check {
    Check { status: CheckStatus::Warn, ..failure(name, error) }
}

/// Are the logs written? What cannot be is told with each feature.
fn logs(client: &Client, features: &Features) -> Vec<Check> {
    let mut overviews = Vec::new();
    for row in features.features.iter().take(MOST_ASKED) {
        let route = Route::get("/api/dossier/overview").with("feature", &row.id);
        match ask::<Overview>(client, route) {
            Ok(overview) => overviews.push(overview),
            // A feature may have gone since.
            Err(error) if error.kind() == ErrorKind::Refused => {}
            Err(error) => return vec![unanswered("logs", &error)],
        }
    }
    let mut checks = delivery::logs(&overviews);
    let others = features.features.len().saturating_sub(MOST_ASKED);
    if others > 0 {
        checks.push(Check::ok("logs", format!("{others} more features were not asked for")));
    }
    checks
}

fn version(status: &DaemonStatus) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let message = format!("version {}{pid}", status.version);
    match status.version == own {
        true => Check::ok("daemon", message),
        false => {
            Check::warn("daemon", format!("{message}; this command has version {own}"), RESTART)
        }
    }
}

/// Features whose first scan has not ended count also after the daemon was ready.
fn ready(status: &DaemonStatus, features: &Features) -> Check {
    match (status.ready, to_come(&features.health, &features.pending)) {
        (true, None) => Check::ok("first scans", "done"),
        (_, to_come) => Check::warn(
            "first scans",
            format!("still under way: {}", to_come.as_deref().unwrap_or("nothing is known yet")),
            "wait until they are done; `dossierd status` shows how far the daemon is",
        ),
    }
}

fn tcp(status: &DaemonStatus) -> Check {
    let address = status.http.as_deref().unwrap_or("no HTTP listener");
    match status.tcp_auth.as_deref() {
        Some("token") => Check::ok("http", format!("{address}, asks for the token")),
        Some("none") => Check::warn(
            "http",
            format!("{address} asks for no token: every user and page on this machine can read"),
            format!(
                "remove `tcp_auth: none` from config.yaml, then: {}",
                reload_command(status.pid)
            ),
        ),
        other => Check::warn(
            "http",
            format!("{address}, tcp_auth is {}", other.unwrap_or("not told")),
            "this command does not know that setting; use the daemon's own version",
        ),
    }
}

fn health(features: &Features) -> Vec<Check> {
    let health = &features.health;
    let mut checks = warnings::warnings(health);
    match (&health.watch_fault, &health.watch_backend) {
        (Some(fault), _) => {
            let hint = "then restart the daemon; features are polled until then";
            checks.push(Check::fail("watching", fault, hint));
        }
        (None, Some(backend)) => checks.push(Check::ok("watching", format!("through {backend}"))),
        // A daemon of an older version, which `daemon` tells of.
        (None, None) => {}
    }
    if health.overflows > 0 || health.missed_events > 0 {
        checks.push(Check::warn(
            "file events",
            format!(
                "lost {} times, {} changes were found by rescans only",
                health.overflows, health.missed_events
            ),
            "nothing is wrong in the dossiers; if it happens often raise fs.inotify.max_queued_events",
        ));
    }
    checks
}

fn roots(features: &Features) -> Vec<Check> {
    if features.roots.is_empty() {
        let hint = "register a project with `dossierd add PATH`";
        return vec![Check::warn("roots", "nothing is registered", hint)];
    }
    let check = |root: &Root| {
        let path = root_path(root);
        let reason = watch_reason(&root.watch);
        let message = match &reason {
            Some(reason) => format!("{path} is {}: {reason}", root.watch.state),
            None => format!("{path} is {}", root.watch.state),
        };
        match root.watch.state.as_str() {
            "live" => Check::ok("root", message),
            "detached" => Check::fail(
                "root",
                message,
                format!("bring the directory back, or `dossierd remove {}`", root.id),
            ),
            "starting" | "rescanning" => {
                Check::warn("root", message, "wait until the scan is done")
            }
            _ => Check::warn(
                "root",
                message,
                "changes there are seen late, by polling; keep projects on a local disk (on WSL below \
                 the home directory, not /mnt), or raise the limit that is named",
            ),
        }
    };
    features.roots.iter().map(check).collect()
}

/// Features that are behind, polled, or not watched as a whole: one check for each reason.
fn unwatched(features: &Features) -> Vec<Check> {
    let behind = by_reason(features, "rescanning").into_iter().map(|(reason, rows)| {
        let hint = "wait until it is done; if it stays so, look at the disk: dossierd status";
        Check::warn("behind", format!("{}: {reason}", named(&rows)), hint)
    });
    let mut checks: Vec<Check> = behind.collect();
    // A root that is polled has been told of already.
    let of_root = |row: &FeatureRow| {
        let polled = |root: &Root| root.id == row.root_id && root.watch.state == "polling";
        features.roots.iter().any(polled)
    };
    for (reason, mut rows) in by_reason(features, "polling") {
        rows.retain(|row| !of_root(row));
        if !rows.is_empty() {
            let hint = "changes there are seen late; put right what is named, or wait for it";
            checks.push(Check::warn("polling", format!("{}: {reason}", named(&rows)), hint));
        }
    }
    for (reason, rows) in by_reason(features, "partial") {
        let directories = rows.iter().filter_map(|row| row.watch.unwatched).sum();
        let number = plural(directories, "directory", "directories");
        checks.push(Check::warn(
            "watches",
            format!("{number} of {} cannot be watched: {reason}", named(&rows)),
            "nothing has to be restarted; until then changes there are seen late, by polling",
        ));
    }
    checks
}

/// The features in this state, by the reason that is told.
fn by_reason<'a>(features: &'a Features, state: &str) -> BTreeMap<&'a str, Vec<&'a FeatureRow>> {
    let mut found: BTreeMap<&str, Vec<&FeatureRow>> = BTreeMap::new();
    for row in features.features.iter().filter(|row| row.watch.state == state) {
        let reason = row.watch.reason.as_deref().unwrap_or("no reason is told");
        found.entry(reason).or_default().push(row);
    }
    found
}

/// The first of them, and how many more there are.
fn named(rows: &[&FeatureRow]) -> String {
    let first: Vec<&str> = rows.iter().take(3).map(|row| row.slug.as_str()).collect();
    let more = rows.len().saturating_sub(3);
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{others}", first.join(", "))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, json};
    use crate::cli::output::tests::captured;

    fn check(answers: Vec<Vec<u8>>, expected: &[(&str, CheckStatus)]) {
        let daemon = FakeDaemon::giving(answers);
        let (output, _, _) = captured(false);
        let context = Context::new(output, Some(daemon.socket()));
        let (checks, _) = super::daemon(&context, None);
        let found: Vec<_> = checks.iter().map(|check| (check.name, check.status)).collect();
        assert_eq!(found, expected, "{checks:?}");
    }

    #[test]
    fn a_daemon_that_is_well() {
        let status = format!(
            r#"{{"version":"{}","pid":7,"http":"http://127.0.0.1:7717","tcp_auth":"token","ready":true}}"#,
            env!("CARGO_PKG_VERSION")
        );
        let features = r#"{"roots":[{"id":"r","kind":"project","path":"/w","watch":{"state":"live"}}],
               "features":[{"id":"a","slug":"a","watch":{"state":"live"}}],
               "health":{"watch_backend":"inotify","watch_fault":null}}"#;
        check(
            vec![json(&status), json(features), json("{}"), json("{}")],
            &[
                ("peer", CheckStatus::Ok),
                ("daemon", CheckStatus::Ok),
                ("first scans", CheckStatus::Ok),
                ("http", CheckStatus::Ok),
                ("watching", CheckStatus::Ok),
                ("root", CheckStatus::Ok),
                ("logs", CheckStatus::Ok),
                ("delivery", CheckStatus::Ok),
            ],
        );
    }

    #[test]
    fn a_feature_that_came_after_the_start_and_is_not_read_yet_is_told() {
        let status = format!(
            r#"{{"version":"{}","tcp_auth":"token","ready":true}}"#,
            env!("CARGO_PKG_VERSION")
        );
        let features = r#"{"pending":[{"id":"l","slug":"late"}],"health":{"ready":true,"features_pending":1}}"#;
        let daemon = FakeDaemon::giving(vec![json(&status), json(features), json("{}")]);
        let (output, _, _) = captured(false);
        let context = Context::new(output, Some(daemon.socket()));
        let (checks, _) = super::daemon(&context, None);
        let check = checks.iter().find(|check| check.name == "first scans").unwrap();
        assert_eq!(check.status, CheckStatus::Warn, "{check:?}");
        assert!(check.message.contains("1 feature to come (late)"), "{check:?}");
    }

    #[test]
    fn a_daemon_that_needs_help() {
        let status =
            r#"{"version":"9.9.9","http":"http://127.0.0.1:1","tcp_auth":"none","ready":false}"#;
        let features = r#"{"roots":[{"id":"r","watch":{"state":"detached","since":"2026-11-22T14:03:07Z"}},{"id":"s","watch":{"state":"polling","reason":"nfs"}}],
               "features":[
                 {"id":"a","slug":"a","watch":{"state":"partial","unwatched":2,"reason":"sysctl"}},
                 {"id":"b","slug":"b","watch":{"state":"partial","unwatched":1,"reason":"sysctl"}},
                 {"id":"c","slug":"c","watch":{"state":"rescanning","reason":"a slow disk"}},
                 {"id":"d","slug":"d","root_id":"s","watch":{"state":"polling","reason":"nfs"}},
                 {"id":"e","slug":"e","root_id":"r","watch":{"state":"polling","reason":"fuse"}}],
               "health":{"watch_fault":"no inotify","overflows":2,"warnings":["w"]}}"#;
        let overview = r#"{"feature_slug":"a","store":{"failing":"no space left"}}"#;
        let sync = r#"{"configured":true,"sinks":[{"target":"t","state":"paused","rejected":1}]}"#;
        check(
            [status, features, overview, "{}", "{}", "{}", "{}", sync].map(json).to_vec(),
            &[
                ("peer", CheckStatus::Ok),
                ("daemon", CheckStatus::Warn),
                ("first scans", CheckStatus::Warn),
                ("http", CheckStatus::Warn),
                ("configuration", CheckStatus::Warn),
                ("watching", CheckStatus::Fail),
                ("file events", CheckStatus::Warn),
                ("root", CheckStatus::Fail),
                ("root", CheckStatus::Warn),
                ("behind", CheckStatus::Warn),
                ("polling", CheckStatus::Warn),
                ("watches", CheckStatus::Warn),
                ("logs", CheckStatus::Fail),
                ("delivery", CheckStatus::Fail),
                ("dead letters", CheckStatus::Warn),
            ],
        );
    }

    #[test]
    fn a_daemon_that_the_system_runs_is_started_by_the_system() {
        let tmp = tempfile::tempdir().unwrap();
        let (output, _, _) = captured(false);
        let context = Context::new(output, Some(tmp.path().join("dossierd.sock")));
        let told = |service: Option<&SystemService>| {
            let (checks, _) = super::daemon(&context, service);
            assert_eq!((checks.len(), checks[0].status), (1, CheckStatus::Fail), "{checks:?}");
            (checks[0].message.clone(), checks[0].hint.clone().unwrap_or_default())
        };
        assert!(told(None).1.starts_with("start it with `dossierd run`"));
        let state = "/var/lib/dossierd/ana".into();
        let mut service = SystemService { unit: "dossierd@ana".to_owned(), state, is_only: true };
        let (message, hint) = told(Some(&service));
        assert!(message.contains("/var/lib/dossierd/ana"), "{message}");
        assert!(hint.starts_with("sudo systemctl start dossierd@ana;"), "{hint}");
        assert!(!hint.contains("dossierd run"), "{hint}");
        service.is_only = false;
        let (message, hint) = told(Some(&service));
        assert!(message.contains("/var/lib/dossierd/ana"), "{message}");
        let both = ["sudo systemctl start dossierd@ana; ", "dossierd run"];
        assert!(both.iter().all(|line| hint.contains(line)), "{hint}");
    }

    #[test]
    fn what_is_not_answered_is_no_pass() {
        let ready = r#"{"version":"9.9.9","tcp_auth":"token","ready":true}"#;
        let features = r#"{"features":[{"id":"a","slug":"a","watch":{"state":"live"}}]}"#;
        let daemon = FakeDaemon::answering([json(ready), json(features)]);
        let (output, _, _) = captured(false);
        let context = Context::new(output, Some(daemon.socket()));
        let (checks, answers) = super::daemon(&context, None);
        assert!(answers.is_some());
        for name in ["logs", "delivery"] {
            let check = checks.iter().find(|check| check.name == name).unwrap();
            assert_eq!(check.status, CheckStatus::Warn, "{check:?}");
        }
    }
}
