//! Taking the service away from systemd: stop and disable what is ours, remove our files.

use std::path::{Path, PathBuf};

use super::super::carried::Carried;
use super::super::deeds::Deeds;
use super::super::disk;
use super::super::program::{ACTING, ASKING};
use super::super::service_file::{FileState, ServiceFile};
use super::super::setting::Setting;
use super::super::unit::{DROP_INS, UNITS};
use super::every_file;
use super::manager::Manager;
use crate::cli::args::UninstallArgs;
use crate::cli::error::{CliError, ErrorKind, Verdict};
use crate::cli::output::Output;
use crate::store::with_causes;

pub(in crate::cli::service) fn uninstall(
    args: &UninstallArgs,
    setting: &Setting,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let manager = Manager::find(&setting.home);
    let (ours, foreign) = found(args, setting, &manager)?;
    let (state, config) = places(&ours, setting)?;
    let mut deeds = Deeds::new(output, args.dry_run);
    let stopped = stop(&manager, &foreign, &ours, &mut deeds)?;
    if ours.is_empty() && foreign.is_empty() && !stopped {
        deeds.say("not installed as a service; nothing to do")?;
        return Ok(Verdict::Fine);
    }
    for file in &ours {
        deeds.remove(&file.path)?;
    }
    deeds.remove_empty_dir(&manager.unit_dir.join(DROP_INS));
    after(&manager, &foreign, &ours, &mut deeds)?;
    for (file, what) in &foreign {
        deeds.warn(format!("{} stays: {what}", file.path.display()))?;
    }
    deeds.say(format!(
        "State in {} and configuration in {} stay, and so do dossiers in projects.",
        state.display(),
        config.display()
    ))?;
    let left = deeds.end()?;
    Ok(if left || !foreign.is_empty() { Verdict::Findings } else { Verdict::Fine })
}

/// State and configuration of the daemon that these files started, read before they go: this shell
/// may have other variables than that of the installation.
fn places(ours: &[ServiceFile], setting: &Setting) -> Result<(PathBuf, PathBuf), CliError> {
    let mut texts = Vec::new();
    for file in ours {
        texts.extend(disk::text(&file.path)?);
    }
    Ok(Carried::of_units(texts.iter().map(String::as_str)).places(&setting.home))
}

/// A file that is not ours, and what it is.
type Foreign = (ServiceFile, String);

/// The files to remove and those that are not ours. Refused if one was changed by hand.
fn found(
    args: &UninstallArgs,
    setting: &Setting,
    manager: &Manager,
) -> Result<(Vec<ServiceFile>, Vec<Foreign>), CliError> {
    let (mut ours, mut foreign) = (Vec::new(), Vec::new());
    for file in every_file(setting, &manager.unit_dir)? {
        match disk::state(&file)? {
            FileState::Absent => {}
            FileState::Current | FileState::Outdated(_) => ours.push(file),
            FileState::Changed(_) if args.force => ours.push(file),
            FileState::Changed(difference) => {
                let shown = file.path.display();
                let message =
                    format!("{shown} was changed by hand ({difference}); nothing was done");
                return Err(CliError::new(ErrorKind::Input, message).hint("--force removes it"));
            }
            state @ (FileState::Masked | FileState::Foreign(_)) => {
                let what = state.not_ours().unwrap_or_default().to_owned();
                foreign.push((file, what));
            }
        }
    }
    Ok((ours, foreign))
}

/// Stops and disables our units and those of a package; whether there was any.
fn stop(
    manager: &Manager,
    foreign: &[Foreign],
    ours: &[ServiceFile],
    deeds: &mut Deeds<'_>,
) -> Result<bool, CliError> {
    let Some(program) = manager.reachable() else { return Ok(false) };
    let facts = manager.units().unwrap_or_default();
    let is_ours = |name: &str| ours.iter().any(|file| file.path.ends_with(name));
    let units: Vec<&str> = UNITS
        .into_iter()
        .filter(|name| !foreign.iter().any(|(file, _)| file.path.ends_with(name)))
        .filter(|name| is_ours(name) || facts.iter().any(|unit| is_on(unit, name)))
        .collect();
    if units.is_empty() {
        return Ok(false);
    }
    let mut command = vec!["--user", "disable", "--now"];
    command.extend(units);
    deeds.run(program, &command, ACTING)?;
    Ok(true)
}

fn is_on(unit: &super::manager::UnitFacts, name: &str) -> bool {
    unit.id == name && (unit.is_enabled() || unit.is_active())
}

/// systemd forgets the files. Where it cannot be reached, its links to them are removed for it.
fn after(
    manager: &Manager,
    foreign: &[Foreign],
    ours: &[ServiceFile],
    deeds: &mut Deeds<'_>,
) -> Result<(), CliError> {
    if let Some(program) = manager.reachable() {
        deeds.run(program, &["--user", "daemon-reload"], 4 * ASKING)?;
        return Ok(());
    }
    let is_foreign = |name: &str| foreign.iter().any(|(file, _)| file.path.ends_with(name));
    for unit in UNITS.into_iter().filter(|unit| !is_foreign(unit)) {
        for link in disk::enabling_links(&manager.unit_dir, unit) {
            deeds.remove(&link)?;
        }
    }
    let reason = manager.unreachable.as_ref().map(|error| with_causes(error)).unwrap_or_default();
    deeds.warn(format!("this user's systemd could not be reached: {reason}"))?;
    let units: Vec<&str> =
        UNITS.into_iter().filter(|unit| ours.iter().any(|f| is_unit(&f.path, unit))).collect();
    deeds.say("If the service still runs, it goes on until it is stopped.")?;
    deeds.leave("systemctl --user daemon-reload");
    if !units.is_empty() {
        deeds.leave(format!("systemctl --user stop {}", units.join(" ")));
    }
    Ok(())
}

fn is_unit(path: &Path, unit: &str) -> bool {
    path.ends_with(unit)
}
