//! The service under the systemd of this user.

mod install;
mod manager;
mod status;
mod uninstall;

use std::path::Path;

pub(in crate::cli) use install::program_of;
pub(in crate::cli) use manager::Manager;

pub(super) use install::install;
pub(super) use status::status;
pub(super) use uninstall::uninstall;

use super::carried::Carried;
use super::disk;
use super::service_file::ServiceFile;
use super::setting::Setting;
use super::unit;
use crate::cli::args::VariantArgs;
use crate::cli::error::CliError;

/// The variables of the service that is installed in `dir`, whoever wrote it.
fn installed(dir: &Path) -> Result<Carried, CliError> {
    let mut texts = Vec::new();
    for name in [unit::SERVICE, unit::ENVIRONMENT] {
        texts.extend(disk::text(&dir.join(name))?);
    }
    Ok(Carried::of_units(texts.iter().map(String::as_str)))
}

/// Every file that some variant has, as this version would write it into `dir`. Where it cannot be
/// written, its text is empty: what is found in its place is then told by its own sum.
fn every_file(setting: &Setting, dir: &Path) -> Result<Vec<ServiceFile>, CliError> {
    let variant = VariantArgs { socket_activated: true, hardened: true };
    let known = unit::files(setting, variant, dir, |_| false).unwrap_or_default();
    let text = |path: &Path| {
        let file = known.iter().find(|file| file.path == path);
        file.map(|file| file.text.clone()).unwrap_or_default()
    };
    Ok(unit::all_paths(dir)
        .into_iter()
        .map(|path| ServiceFile { text: text(&path), path })
        .collect())
}
