//! Installing for systemd: files, then `daemon-reload`, `enable`, `start`.
//!
//! All files are looked at before the first is written, so a refusal leaves everything as it was.

use std::path::PathBuf;

use super::super::carried::say_left_behind;
use super::super::deeds::{Deeds, check_replaceable};
use super::super::disk;
use super::super::moving;
use super::super::program::{ACTING, ASKING, Program};
use super::super::quoting::first_word;
use super::super::service_file::{FileState, ServiceFile};
use super::super::setting::Setting;
use super::super::unit::{self, HTTP_SOCKET, SERVICE, SOCKET, UNITS};
use super::manager::{Manager, UnitFacts, lingers};
use crate::cli::args::InstallArgs;
use crate::cli::error::{CliError, ErrorKind, Verdict};
use crate::cli::output::Output;
use crate::store::with_causes;

pub(in crate::cli::service) fn install(
    args: &InstallArgs,
    setting: &Setting,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let manager = Manager::find(&setting.home);
    if let Err(error) = &manager.program {
        let message = format!("this system has no systemd that could run a service: {error}");
        return Err(CliError::new(ErrorKind::Input, message)
            .hint("let whatever starts services here start `dossierd run`"));
    }
    let files = unit::files(setting, args.variant, &manager.unit_dir, |name| {
        manager.packaged(name).is_some()
    })?;
    let files = with_states(files)?;
    let installed = super::installed(&manager.unit_dir)?;
    let again = moving::install_line(&installed.reaching(&setting.carried), args);
    let own = "in a drop-in: systemctl --user edit dossierd.service";
    check_replaceable(&files, args.force, &again, own)?;
    moving::check(&installed, &setting.carried, &setting.state_dir, args)?;
    let obsolete = obsolete(&manager, setting, args, &files)?;
    let mut deeds = Deeds::new(output, args.dry_run);
    say_packaged(&manager, setting, &mut deeds)?;
    let mut starting = Starting { args, manager: &manager, changed: false };
    starting.stop_the_other_variant(&mut deeds)?;
    if args.variant.hardened {
        deeds.make_dir(setting.dossierd_home.as_ref().unwrap_or(&setting.state_dir))?;
    }
    for (file, state) in &files {
        starting.changed |= deeds.write(file, state)?;
    }
    for path in &obsolete {
        deeds.remove(path)?;
        starting.changed = true;
    }
    starting.leave_the_other_variant(&obsolete, &mut deeds)?;
    setting.carried.say(&mut deeds)?;
    say_left_behind(&mut deeds)?;
    starting.start(&mut deeds)?;
    say_linger(&mut deeds)?;
    Ok(if deeds.end()? { Verdict::Findings } else { Verdict::Fine })
}

fn with_states(files: Vec<ServiceFile>) -> Result<Vec<(ServiceFile, FileState)>, CliError> {
    files.into_iter().map(|file| disk::state(&file).map(|state| (file, state))).collect()
}

/// What an earlier run has written and this one does not want. What was changed by hand, or is not
/// ours, stays; units of the other variant do no harm when they are not enabled.
fn obsolete(
    manager: &Manager,
    setting: &Setting,
    args: &InstallArgs,
    wanted: &[(ServiceFile, FileState)],
) -> Result<Vec<PathBuf>, CliError> {
    let mut obsolete = Vec::new();
    for file in super::every_file(setting, &manager.unit_dir)? {
        let is_wanted = wanted.iter().any(|(other, _)| other.path == file.path);
        let is_there = disk::state(&file)?.is_untouched();
        if !is_wanted && is_there {
            obsolete.push(file.path);
        }
    }
    // With --no-start what runs goes on, on the files that it has.
    if args.no_start {
        obsolete.retain(|path| manager.packaged(&name_of(path)).is_some());
    }
    Ok(obsolete)
}

fn name_of(path: &std::path::Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn say_packaged(
    manager: &Manager,
    setting: &Setting,
    deeds: &mut Deeds<'_>,
) -> Result<(), CliError> {
    let Some(path) = manager.packaged(SERVICE) else { return Ok(()) };
    deeds.say(format!("{} came with a package, and is used as it is", path.display()))?;
    let text = disk::text(&path)?.unwrap_or_default();
    match program_of(&text) {
        Some(program) if !disk::is_same_file(&program, &setting.binary) => deeds.warn(format!(
            "it runs {}, not this binary ({})",
            program.display(),
            setting.binary.display()
        )),
        _ => Ok(()),
    }
}

/// What a service starts: the last `ExecStart=` that is not empty.
pub(in crate::cli) fn program_of(unit: &str) -> Option<PathBuf> {
    let values = unit.lines().filter_map(|line| line.trim().strip_prefix("ExecStart="));
    let value = values.rev().find(|value| !value.trim().is_empty())?;
    first_word(value.trim_start_matches(['@', '-', ':', '+', '!'])).map(PathBuf::from)
}

/// Getting from what runs to what should.
struct Starting<'a> {
    args: &'a InstallArgs,
    manager: &'a Manager,
    changed: bool,
}

impl Starting<'_> {
    fn wanted(&self) -> &'static [&'static str] {
        match self.args.variant.socket_activated {
            true => &[SOCKET, HTTP_SOCKET],
            false => &[SERVICE],
        }
    }

    fn facts(&self) -> Vec<UnitFacts> {
        // What cannot be told is as if nothing ran: then starting is what is left to do.
        self.manager.units().unwrap_or_default()
    }

    /// The sockets and the service alone are either-or: both would listen at the same places.
    fn stop_the_other_variant(&self, deeds: &mut Deeds<'_>) -> Result<(), CliError> {
        let Some(program) = self.manager.reachable() else { return Ok(()) };
        if self.args.no_start {
            return Ok(());
        }
        let facts = self.facts();
        let is_on = |name: &str| {
            facts.iter().any(|unit| unit.id == name && (unit.is_enabled() || unit.is_active()))
        };
        let sockets_run = is_on(SOCKET) || is_on(HTTP_SOCKET);
        let mut others: Vec<&str> =
            UNITS.into_iter().filter(|name| !self.wanted().contains(name) && is_on(name)).collect();
        // A service that its sockets have started is no other variant.
        if self.args.variant.socket_activated && sockets_run {
            others.retain(|name| facts.iter().any(|unit| unit.id == *name && unit.is_enabled()));
        }
        if others.is_empty() {
            return Ok(());
        }
        let mut command = vec!["--user", "disable", "--now"];
        command.extend(others);
        deeds.run(program, &command, ACTING)?;
        Ok(())
    }

    /// Where systemd cannot be reached, the links that enable a removed unit are removed for it, and
    /// what may run of the other variant is the first that is left to do. A unit without a file cannot
    /// be disabled any more, only stopped.
    fn leave_the_other_variant(
        &self,
        removed: &[PathBuf],
        deeds: &mut Deeds<'_>,
    ) -> Result<(), CliError> {
        if self.manager.reachable().is_some() || self.args.no_start {
            return Ok(());
        }
        let (mut gone, mut enabled) = (Vec::new(), Vec::new());
        for name in UNITS.into_iter().filter(|name| !self.wanted().contains(name)) {
            let links = disk::enabling_links(&self.manager.unit_dir, name);
            if removed.iter().any(|path| path.ends_with(name)) {
                for link in links {
                    deeds.remove(&link)?;
                }
                gone.push(name);
            } else if !links.is_empty() {
                enabled.push(name);
            }
        }
        for (verb, units) in [("stop", gone), ("disable --now", enabled)] {
            if !units.is_empty() {
                deeds.leave(format!("systemctl --user {verb} {}", units.join(" ")));
            }
        }
        Ok(())
    }

    fn start(&self, deeds: &mut Deeds<'_>) -> Result<(), CliError> {
        let commands = self.commands();
        let Some(program) = self.manager.reachable() else {
            let reason = self
                .manager
                .unreachable
                .as_ref()
                .map(|error| with_causes(error))
                .unwrap_or_default();
            deeds.warn(format!("this user's systemd could not be reached: {reason}"))?;
            deeds.say("It belongs to a session of this user: run the rest from one, or over ssh after `loginctl enable-linger`.")?;
            for command in commands {
                deeds.leave(format!("systemctl {}", command.join(" ")));
            }
            return Ok(());
        };
        self.run(program, &commands, deeds)?;
        if self.args.no_start {
            deeds.say(format!(
                "It was left off. To start it: systemctl --user enable --now {}",
                self.wanted().join(" ")
            ))?;
        }
        Ok(())
    }

    /// One after the other; after a failure the rest is left to the user.
    fn run(
        &self,
        program: &Program,
        commands: &[Vec<&str>],
        deeds: &mut Deeds<'_>,
    ) -> Result<(), CliError> {
        let mut failed = false;
        for command in commands {
            if failed {
                deeds.leave(program.line(command));
                continue;
            }
            let limit = if command.contains(&"daemon-reload") { 4 * ASKING } else { ACTING };
            failed = !deeds.run(program, command, limit)?;
        }
        if failed {
            deeds.leave("journalctl --user --unit dossierd.service --lines 20");
        }
        Ok(())
    }

    fn commands(&self) -> Vec<Vec<&'static str>> {
        let mut commands = vec![vec!["--user", "daemon-reload"]];
        if self.args.no_start {
            return commands;
        }
        let facts = self.facts();
        let runs = |name: &str| facts.iter().any(|unit| unit.id == name && unit.is_active());
        let restart = self.changed && self.wanted().iter().any(|name| runs(name));
        // Sockets that change cannot be bound anew while the service holds them.
        if restart && self.args.variant.socket_activated && runs(SERVICE) {
            commands.push(vec!["--user", "stop", SERVICE]);
        }
        for verb in ["enable", if restart { "restart" } else { "start" }] {
            let mut command = vec!["--user", verb];
            command.extend(self.wanted());
            commands.push(command);
        }
        commands
    }
}

fn say_linger(deeds: &mut Deeds<'_>) -> Result<(), CliError> {
    match lingers() {
        Some(true) => deeds.say("It goes on after you log out (linger is on)."),
        known => {
            let unsure = if known.is_none() { ", unless linger is on" } else { "" };
            deeds.say(format!(
                "It ends when you log out for the last time{unsure}. To keep it, and start it \
                 when the machine starts: loginctl enable-linger"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_that_of_the_last_line() {
        for (text, expected) in [
            ("[Service]\nExecStart=/usr/bin/dossierd run\n", Some("/usr/bin/dossierd")),
            ("ExecStart=/a\nExecStart=\nExecStart=-\"/b c/dossierd\" run\n", Some("/b c/dossierd")),
            ("[Service]\n", None),
        ] {
            assert_eq!(program_of(text), expected.map(PathBuf::from), "{text}");
        }
    }
}
