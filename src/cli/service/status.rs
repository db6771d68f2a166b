//! What is known of the installed service: the document, its text, and what it amounts to.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::service_file::FileState;
use crate::cli::error::Verdict;
use crate::cli::render::{Line, Page, Tone};

/// One unit, or launchd's agent.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Part {
    /// `dossierd.service`, …
    pub(in crate::cli) name: &'static str,
    /// Its file; `None` if there is none.
    pub(in crate::cli) file: Option<PathBuf>,
    /// Who brought it; `None` where that was neither a package nor we.
    pub(in crate::cli) origin: Option<&'static str>,
    /// Compared with what this version would write, in the user's own directory.
    pub(in crate::cli) state: FileState,
    /// `None` where the manager could not be asked.
    pub(in crate::cli) enabled: Option<bool>,
    /// `active`, `inactive`, `failed`, …
    pub(in crate::cli) active: Option<String>,
    /// The same in detail.
    pub(in crate::cli) sub: Option<String>,
    /// `success`, or how it failed.
    pub(in crate::cli) result: Option<String>,
}

impl Part {
    /// Does it run, or listen?
    pub(in crate::cli) fn is_active(&self) -> bool {
        self.active.as_deref() == Some("active")
    }

    /// Has it failed?
    pub(in crate::cli) fn has_failed(&self) -> bool {
        self.active.as_deref() == Some("failed")
    }
}

/// All of it.
#[derive(Debug, Clone)]
pub(in crate::cli) struct ServiceStatus {
    /// `systemd` or `launchd`.
    pub(in crate::cli) manager: &'static str,
    /// Why the manager could not be asked.
    pub(in crate::cli) unreachable: Option<String>,
    /// The service first, then its sockets.
    pub(in crate::cli) units: Vec<Part>,
    /// The hardening drop-in, if there is one.
    pub(in crate::cli) hardened: Option<FileState>,
    /// What the service starts.
    pub(in crate::cli) program: Option<PathBuf>,
    /// The process of the service.
    pub(in crate::cli) pid: Option<u32>,
    /// Since when it runs.
    pub(in crate::cli) since: Option<String>,
    /// Have files changed that systemd has not read again?
    pub(in crate::cli) needs_reload: bool,
    /// The variables that lead this command to its files, where the service has none of them.
    pub(in crate::cli) environment_missing: Vec<&'static str>,
    /// What stands before a command here, so that it means the places of the service; empty where it
    /// does anyway.
    pub(in crate::cli) prefix: String,
    /// Does it go on after logout? `None` if that is not known, or no question.
    pub(in crate::cli) linger: Option<bool>,
}

/// What answers on the socket.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub(in crate::cli) struct Answering {
    /// Its version.
    pub(in crate::cli) version: String,
    /// Its process.
    pub(in crate::cli) pid: Option<u32>,
}

impl ServiceStatus {
    /// The service itself.
    pub(in crate::cli) fn service(&self) -> &Part {
        &self.units[0]
    }

    /// Is there a file for it?
    pub(in crate::cli) fn is_installed(&self) -> bool {
        self.service().file.is_some()
    }

    /// Its file is gone, but its manager still has it: what ends it, and puts the file back.
    pub(in crate::cli) fn left_over(&self) -> Option<(String, String)> {
        let is_on = |unit: &&Part| unit.is_active() || unit.enabled == Some(true);
        let unit = self.units.iter().find(is_on).filter(|_| !self.is_installed())?;
        let process = self.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        let told =
            format!("its file is gone, but {} still has {}{process}", self.manager, unit.name);
        let end = match self.manager {
            "systemd" => format!("systemctl --user stop {}", unit.name),
            _ => "dossierd service uninstall".to_owned(),
        };
        Some((told, format!("to end it: {end}; to install it again: {}", self.install_command())))
    }

    /// Has its user forbidden it to systemd?
    pub(in crate::cli) fn is_masked(&self) -> bool {
        self.service().state == FileState::Masked
    }

    /// Is it started when its user logs in, by itself or by its sockets?
    pub(in crate::cli) fn is_enabled(&self) -> bool {
        self.units.iter().any(|unit| unit.enabled == Some(true))
    }

    /// Does it run, or do its sockets wait?
    pub(in crate::cli) fn is_up(&self) -> bool {
        !self.units.iter().any(Part::has_failed) && self.units.iter().any(Part::is_active)
    }

    /// Do its sockets start it?
    fn is_socket_activated(&self) -> bool {
        self.units[1..].iter().any(|unit| {
            unit.enabled == Some(true) || (unit.enabled.is_none() && unit.state.is_untouched())
        })
    }

    /// The command that installs the same variant again, in the same places.
    pub(in crate::cli) fn install_command(&self) -> String {
        let mut command = format!("{}dossierd service install", self.prefix);
        if self.is_socket_activated() {
            command.push_str(" --socket-activated");
        }
        if self.hardened.is_some() {
            command.push_str(" --hardened");
        }
        command
    }

    /// What mends a drift. A file that was changed by hand, or is not ours, is replaced by force
    /// alone; a unit that its user has masked is for its user to allow again.
    pub(in crate::cli) fn mending(&self) -> String {
        let masked: Vec<&str> = self
            .units
            .iter()
            .filter(|unit| unit.state == FileState::Masked)
            .map(|unit| unit.name)
            .collect();
        match masked.is_empty() {
            true => self.replacing(),
            false => {
                format!("systemctl --user unmask {}; then: {}", masked.join(" "), self.replacing())
            }
        }
    }

    /// Is there a file that an install replaces by force alone?
    pub(in crate::cli) fn is_by_force(&self) -> bool {
        let mut states = self.units.iter().map(|unit| &unit.state).chain(&self.hardened);
        states.any(|state| matches!(state, FileState::Changed(_) | FileState::Foreign(_)))
    }

    fn replacing(&self) -> String {
        let install = self.install_command();
        match (self.is_by_force(), self.manager) {
            (false, _) => install,
            (true, "systemd") => format!(
                "{install} --force, after moving changes into a drop-in (systemctl --user edit dossierd.service)"
            ),
            (true, _) => format!("{install} --force, which replaces what was changed"),
        }
    }

    /// Files that are not as this version would write them, with how.
    pub(in crate::cli) fn drift(&self) -> Vec<String> {
        let mut drift: Vec<String> =
            self.units.iter().filter_map(|unit| told(unit.name, &unit.state)).collect();
        drift.extend(self.hardened.as_ref().and_then(|state| told("hardening.conf", state)));
        let missing = self.environment_missing.iter();
        drift
            .extend(missing.map(|name| format!("{name} is set, but the service does not know it")));
        drift
    }

    /// Fine, findings, or failing if it could not be told.
    pub(super) fn verdict(&self) -> Verdict {
        match (self.is_installed(), &self.unreachable) {
            (true, Some(_)) => Verdict::Failing,
            (true, None) if self.is_up() && self.drift().is_empty() => Verdict::Fine,
            _ => Verdict::Findings,
        }
    }

    /// The document.
    pub(super) fn json(&self, answering: Option<&Answering>) -> Value {
        let units = self.units.iter().map(|unit| {
            json!({
                "unit": unit.name,
                "file": unit.file.as_ref().map(|path| path.display().to_string()),
                "origin": unit.origin,
                "state": unit.state.as_str(),
                "enabled": unit.enabled,
                "active": unit.active,
                "sub": unit.sub,
                "result": unit.result,
            })
        });
        json!({
            "schema_version": 1,
            "manager": self.manager,
            "unreachable": self.unreachable,
            "installed": self.is_installed(),
            "enabled": self.unreachable.is_none().then(|| self.is_enabled()),
            "running": self.unreachable.is_none().then(|| self.service().is_active()),
            "socket_activated": self.is_socket_activated(),
            "hardened": self.hardened.is_some(),
            "program": self.program.as_ref().map(|path| path.display().to_string()),
            "pid": self.pid,
            "since": self.since,
            "linger": self.linger,
            "drift": self.drift(),
            "needs_reload": self.needs_reload,
            "units": units.collect::<Vec<Value>>(),
            "answering": answering.map(|one| json!({ "version": one.version, "pid": one.pid })),
            "this_version": env!("CARGO_PKG_VERSION"),
        })
    }

    /// The text.
    pub(super) fn page(&self, answering: Option<&Answering>) -> Page {
        let mut page = Page::new();
        if let Some((told, mending)) = self.left_over() {
            page.line(warning(format!("{told}; {mending}")));
            return page;
        }
        if !self.is_installed() {
            page.line("not installed as a service: dossierd service install");
            return page;
        }
        for unit in self.units.iter().filter(|unit| unit.file.is_some()) {
            unit_lines(&mut page, unit);
        }
        if let Some(program) = &self.program {
            page.line(row("runs", program.display().to_string()));
        }
        if let Some(reason) = &self.unreachable {
            page.line(warning(format!("{} could not be asked: {reason}", self.manager)));
        }
        if let Some(pid) = self.pid {
            let since = self.since.as_ref().map(|since| format!(", since {since}"));
            page.line(row("process", format!("{pid}{}", since.unwrap_or_default())));
        }
        page.line(row("version", self.version_text(answering)));
        if !self.prefix.is_empty() {
            page.line(row(
                "places",
                format!("not those of commands here; to reach it: {}dossierd status", self.prefix),
            ));
        }
        match self.linger {
            Some(true) => page.line(row("linger", "on: it goes on after logout")),
            Some(false) => {
                page.line(row(
                    "linger",
                    "off: it ends with the last session (loginctl enable-linger)",
                ));
            }
            None => {}
        }
        for text in self.drift() {
            page.line(warning(format!("{text}; {}", self.mending())));
        }
        if self.needs_reload {
            page.line(warning(
                "systemd has not read the files again: systemctl --user daemon-reload",
            ));
        }
        page
    }

    fn version_text(&self, answering: Option<&Answering>) -> String {
        let own = env!("CARGO_PKG_VERSION");
        let Some(one) = answering else { return format!("nothing answers; this is {own}") };
        let mut text = format!("{} answers", one.version);
        if one.version != own {
            text.push_str(&format!("; this is {own}"));
        }
        match (one.pid, self.pid) {
            (Some(other), Some(pid)) if other != pid => {
                text.push_str(&format!(", but it is process {other}, not the service"));
            }
            (Some(other), None) => text.push_str(&format!(" (process {other}, not the service)")),
            _ => {}
        }
        text
    }
}

fn told(name: &str, state: &FileState) -> Option<String> {
    match state {
        FileState::Absent | FileState::Current => None,
        FileState::Outdated(version) => {
            let own = env!("CARGO_PKG_VERSION");
            Some(match version == own {
                true => format!("{name} was written for another binary or place"),
                false => format!("{name} was written by version {version}"),
            })
        }
        FileState::Changed(what) => Some(format!("{name} was changed by hand ({what})")),
        FileState::Masked => Some(format!("{name} is masked")),
        FileState::Foreign(what) => Some(format!("{name} is not ours: {what}")),
    }
}

fn unit_lines(page: &mut Page, unit: &Part) {
    let state = match (unit.active.as_deref(), unit.sub.as_deref()) {
        (None, _) => Line::toned(Tone::Warn, "?"),
        (Some(active), sub) => {
            let tone = match active {
                "active" => Tone::Good,
                "failed" => Tone::Bad,
                _ => Tone::Plain,
            };
            let sub = sub.filter(|sub| !sub.is_empty()).map(|sub| format!(" ({sub})"));
            Line::toned(tone, active).text(sub.unwrap_or_default())
        }
    };
    let enabled = match unit.enabled {
        Some(true) => ", enabled",
        Some(false) => ", not enabled",
        None => "",
    };
    page.line(Line::toned(Tone::Strong, unit.name).text(": ").then(state).text(enabled));
    if let Some(file) = &unit.file {
        let origin = unit.origin.map(|who| format!(" ({who})")).unwrap_or_default();
        page.line(row("file", format!("{}{origin}", file.display())));
    }
}

fn row(name: &str, text: impl AsRef<str>) -> Line {
    Line::toned(Tone::Faint, format!("  {name:<8} ")).text(text)
}

fn warning(text: impl AsRef<str>) -> Line {
    Line::toned(Tone::Warn, "! ").text(text)
}
