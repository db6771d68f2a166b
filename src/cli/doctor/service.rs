//! The daemon as a service: is it installed as this version would, will it run, and on?

use super::super::service::{self, ServiceStatus};
use super::{Check, failure};

/// All checks of the service; one line where there is none.
pub(super) fn service() -> Vec<Check> {
    match service::status_here() {
        Err(error) => vec![failure("service", &error)],
        Ok(Some(status)) if status.is_installed() => checks(&status),
        Ok(status) => vec![match status.and_then(|status| status.left_over()) {
            Some((told, mending)) => Check::warn("service", told, mending),
            None => Check::ok("service", "not installed as a service"),
        }],
    }
}

fn checks(status: &ServiceStatus) -> Vec<Check> {
    let mut checks = vec![file(status), program(status), running(status)];
    checks.extend(places(status));
    checks.extend(linger(status));
    checks
}

fn file(status: &ServiceStatus) -> Check {
    let drift = status.drift();
    if !drift.is_empty() {
        return Check::warn("service files", drift.join("; "), status.mending());
    }
    if status.needs_reload {
        return Check::warn(
            "service files",
            "they have changed since systemd read them",
            "systemctl --user daemon-reload",
        );
    }
    let shown = status.service().file.as_ref().map(|path| path.display().to_string());
    Check::ok("service files", shown.unwrap_or_default())
}

fn program(status: &ServiceStatus) -> Check {
    const NAME: &str = "service program";
    let Some(program) = &status.program else {
        let hint = match status.is_masked() || status.is_by_force() {
            true => status.mending(),
            false => status.install_command() + " --force",
        };
        return Check::fail(NAME, "the service starts nothing", hint);
    };
    let shown = program.display();
    if !service::is_file(program) {
        return Check::fail(NAME, format!("{shown} does not exist"), status.mending());
    }
    match std::env::current_exe() {
        Ok(own) if !service::is_same_file(&own, program) => Check::warn(
            NAME,
            format!("it starts {shown}, and this command is {}", own.display()),
            match status.is_by_force() {
                true => status.mending(),
                false => format!("{}, with the binary that shall run", status.mending()),
            },
        ),
        _ => Check::ok(NAME, shown.to_string()),
    }
}

fn running(status: &ServiceStatus) -> Check {
    const NAME: &str = "service";
    if let Some(reason) = &status.unreachable {
        let message = format!("{} could not be asked: {reason}", status.manager);
        return Check::warn(NAME, message, "ask from a session of this user, or with linger on");
    }
    if let Some(unit) = status.units.iter().find(|unit| unit.has_failed()) {
        let result = unit.result.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
        let hint = match status.manager {
            "systemd" => format!(
                "journalctl --user --unit {0} says why; then: systemctl --user restart {0}",
                unit.name
            ),
            _ => format!("~/Library/Logs/dossierd says why; then: {}", status.mending()),
        };
        return Check::fail(NAME, format!("{} has failed{result}", unit.name), hint);
    }
    match (status.is_enabled(), status.is_up()) {
        (true, true) => Check::ok(NAME, "enabled and up"),
        (true, false) => Check::warn(NAME, "enabled, but it does not run", status.mending()),
        // Who starts it by hand, or left it off, knows.
        (false, up) => {
            Check::ok(NAME, if up { "up, not enabled" } else { "installed, not enabled" })
        }
    }
}

/// Commands that look elsewhere find another daemon, or none.
fn places(status: &ServiceStatus) -> Option<Check> {
    (!status.prefix.is_empty()).then(|| {
        Check::warn(
            "service places",
            "the service has its files elsewhere than commands here look for them",
            format!("to look at that one: {}dossierd doctor", status.prefix),
        )
    })
}

/// Only what is enabled is expected to go on.
fn linger(status: &ServiceStatus) -> Option<Check> {
    const NAME: &str = "linger";
    if !status.is_enabled() {
        return None;
    }
    match status.linger? {
        true => Some(Check::ok(NAME, "the service goes on after logout")),
        false => Some(Check::warn(
            NAME,
            "the service ends with the last session of this user",
            "loginctl enable-linger, if it shall go on",
        )),
    }
}
