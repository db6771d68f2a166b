//! How the service stands under systemd.

use super::super::disk;
use super::super::service_file::FileState;
use super::super::setting::Setting;
use super::super::status::{Part, ServiceStatus};
use super::super::unit::{HARDENING, SERVICE, UNITS};
use super::manager::{Manager, UnitFacts, lingers};
use super::{every_file, program_of};
use crate::cli::error::CliError;
use crate::store::with_causes;

pub(in crate::cli) fn status(setting: &Setting) -> Result<ServiceStatus, CliError> {
    let manager = Manager::find(&setting.home);
    let mut unreachable = manager.unreachable.as_ref().map(|error| with_causes(error));
    let facts = manager.units().unwrap_or_else(|error| {
        unreachable.get_or_insert_with(|| with_causes(&error));
        Vec::new()
    });
    // A unit is as it should be in its own places, whatever this shell's environment has.
    let installed = super::installed(&manager.unit_dir)?;
    let known = every_file(&setting.with(installed.clone())?, &manager.unit_dir)?;
    let mut units = Vec::new();
    for name in UNITS {
        let file = known.iter().find(|file| file.path.ends_with(name));
        let state = file.map_or(Ok(FileState::Absent), disk::state)?;
        let own = file.filter(|_| state != FileState::Absent).map(|file| file.path.clone());
        let is_package = own.is_none();
        let path = own.or_else(|| manager.packaged(name));
        let fact = facts.iter().find(|unit| unit.id == name);
        units.push(part(name, path, is_package, &state, fact)?);
    }
    let drop_in = known.iter().find(|file| file.path.ends_with(HARDENING));
    let hardening = drop_in.map_or(Ok(FileState::Absent), disk::state)?;
    let is_installed = units.first().is_some_and(|unit| unit.file.is_some());
    let service = facts.iter().find(|fact| fact.id == SERVICE);
    Ok(ServiceStatus {
        manager: "systemd",
        unreachable,
        units,
        hardened: (hardening != FileState::Absent).then(|| hardening.clone()),
        program: match known.iter().find(|file| file.path.ends_with(SERVICE)) {
            Some(file) if disk::is_file(&file.path) => text_of(&file.path)?,
            _ => manager.packaged(SERVICE).map_or(Ok(None), |path| text_of(&path))?,
        }
        .as_deref()
        .and_then(program_of),
        pid: service.and_then(|fact| fact.main_pid),
        since: service.filter(|fact| fact.is_active()).and_then(|fact| fact.since.clone()),
        needs_reload: facts.iter().any(|fact| fact.needs_reload),
        // A home that only this command knows is a difference, too.
        environment_missing: match is_installed {
            true => installed.missing(&setting.carried),
            false => Vec::new(),
        },
        prefix: installed.reaching(&setting.carried),
        linger: lingers(),
    })
}

fn text_of(path: &std::path::Path) -> Result<Option<String>, CliError> {
    disk::text(path)
}

fn part(
    name: &'static str,
    path: Option<std::path::PathBuf>,
    is_package: bool,
    state: &FileState,
    fact: Option<&UnitFacts>,
) -> Result<Part, CliError> {
    Ok(Part {
        name,
        origin: match (&path, is_package) {
            (None, _) => None,
            (Some(_), true) => Some("package"),
            (Some(_), false) => state.origin(),
        },
        file: path,
        state: state.clone(),
        enabled: fact.map(UnitFacts::is_enabled),
        active: fact.map(|fact| fact.active.clone()),
        sub: fact.map(|fact| fact.sub.clone()),
        result: fact.map(|fact| fact.result.clone()).filter(|text| !text.is_empty()),
    })
}
