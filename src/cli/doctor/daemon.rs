//! The daemon itself: does it answer, how does it listen, what does it watch?

use std::collections::BTreeMap;

use super::super::Context;
use super::super::client::Client;
use super::super::error::CliError;
use super::super::render::features::{root_path, watch_reason};
use super::super::render::plural;
use super::super::route::Route;
use super::super::wire::{DaemonStatus, Features};
use super::{Check, failure};

/// All checks of the daemon; one failure when it does not answer.
pub(super) fn daemon(context: &Context) -> Vec<Check> {
    let asked = context.client().and_then(|client| {
        let status: DaemonStatus = ask(&client, "/api/status")?;
        Ok((status, ask::<Features>(&client, "/api/features")?))
    });
    match asked {
        Err(error) => vec![failure("daemon", &error)],
        Ok((status, features)) => {
            let mut checks = vec![version(&status), ready(&status), tcp(&status)];
            checks.extend(health(&features));
            checks.extend(roots(&features));
            checks.extend(unwatched(&features));
            checks
        }
    }
}

fn ask<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<T, CliError> {
    client.ask(&Route::get(path))?.parse()
}

fn version(status: &DaemonStatus) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let pid = status.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let message = format!("version {}{pid}", status.version);
    match status.version == own {
        true => Check::ok("daemon", message),
        false => Check::warn(
            "daemon",
            format!("{message}; this command has version {own}"),
            "restart the daemon, so that both have the same version",
        ),
    }
}

fn ready(status: &DaemonStatus) -> Check {
    match status.ready {
        true => Check::ok("first scans", "done"),
        false => Check::warn("first scans", "still under way", "wait until they are done"),
    }
}

fn tcp(status: &DaemonStatus) -> Check {
    let address = status.http.as_deref().unwrap_or("no HTTP listener");
    match status.tcp_auth.as_deref() {
        Some("token") => Check::ok("http", format!("{address}, asks for the token")),
        Some("none") => Check::warn(
            "http",
            format!("{address} asks for no token: every user and page on this machine can read"),
            "remove `tcp_auth: none` from config.yaml and restart the daemon",
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
    let mut checks: Vec<Check> = health
        .warnings
        .iter()
        .map(|warning| Check::warn("configuration", warning, "correct it, then restart the daemon"))
        .collect();
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
    let check = |root: &super::super::wire::Root| {
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
            _ => Check::warn("root", message, "changes there are seen late, by polling"),
        }
    };
    features.roots.iter().map(check).collect()
}

/// Features that are not watched as a whole: one check for each reason.
fn unwatched(features: &Features) -> Vec<Check> {
    let mut by_reason: BTreeMap<&str, (u64, Vec<&str>)> = BTreeMap::new();
    for row in features.features.iter().filter(|row| row.watch.state == "partial") {
        let reason = row.watch.reason.as_deref().unwrap_or("no reason is told");
        let (directories, slugs) = by_reason.entry(reason).or_default();
        *directories += row.watch.unwatched.unwrap_or(0);
        slugs.push(&row.slug);
    }
    let check = |(reason, (directories, slugs)): (&str, (u64, Vec<&str>))| {
        let first = slugs.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let more = slugs.len().saturating_sub(3);
        let others = if more > 0 { format!(" and {more} more") } else { String::new() };
        let number = plural(directories, "directory", "directories");
        Check::warn(
            "watches",
            format!("{number} of {first}{others} cannot be watched: {reason}"),
            "nothing has to be restarted; until then changes there are seen late, by polling",
        )
    };
    by_reason.into_iter().map(check).collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::super::CheckStatus;
    use super::*;
    use crate::cli::fake_daemon::{FakeDaemon, json};
    use crate::cli::output::tests::captured;

    fn check(status: &str, features: &str, expected: &[(&str, CheckStatus)]) {
        let daemon = FakeDaemon::answering([json(status), json(features)]);
        let (output, _, _) = captured(false);
        let context = Context::new(output, Some(daemon.socket()));
        let checks = super::daemon(&context);
        let found: Vec<_> = checks.iter().map(|check| (check.name, check.status)).collect();
        assert_eq!(found, expected, "{checks:?}");
    }

    #[test]
    fn a_daemon_that_is_well() {
        let status = format!(
            r#"{{"version":"{}","pid":7,"http":"http://127.0.0.1:7717","tcp_auth":"token","ready":true}}"#,
            env!("CARGO_PKG_VERSION")
        );
        check(
            &status,
            r#"{"roots":[{"id":"r","kind":"project","path":"/w","watch":{"state":"live"}}],
               "health":{"watch_backend":"inotify","watch_fault":null}}"#,
            &[
                ("daemon", CheckStatus::Ok),
                ("first scans", CheckStatus::Ok),
                ("http", CheckStatus::Ok),
                ("watching", CheckStatus::Ok),
                ("root", CheckStatus::Ok),
            ],
        );
    }

    #[test]
    fn a_daemon_that_needs_help() {
        check(
            r#"{"version":"9.9.9","http":"http://127.0.0.1:1","tcp_auth":"none","ready":false}"#,
            r#"{"roots":[{"id":"r","watch":{"state":"detached","since":"2026-11-22T14:03:07Z"}},{"id":"s","watch":{"state":"polling","reason":"nfs"}}],
               "features":[
                 {"id":"a","slug":"a","watch":{"state":"partial","unwatched":2,"reason":"sysctl"}},
                 {"id":"b","slug":"b","watch":{"state":"partial","unwatched":1,"reason":"sysctl"}},
                 {"id":"c","slug":"c","watch":{"state":"live"}}],
               "health":{"watch_fault":"no inotify","overflows":2,"warnings":["w"]}}"#,
            &[
                ("daemon", CheckStatus::Warn),
                ("first scans", CheckStatus::Warn),
                ("http", CheckStatus::Warn),
                ("configuration", CheckStatus::Warn),
                ("watching", CheckStatus::Fail),
                ("file events", CheckStatus::Warn),
                ("root", CheckStatus::Fail),
                ("root", CheckStatus::Warn),
                ("watches", CheckStatus::Warn),
            ],
        );
    }
}
