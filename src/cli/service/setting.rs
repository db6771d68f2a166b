//! What the texts of a service depend on: which binary, and where the daemon's files are.

use std::path::{Path, PathBuf};

use super::carried::Carried;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::places;

/// The binary and the places of one user's service.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// This binary, by the name under which PATH finds it if it does: a link there outlives the
    /// version that it leads to.
    pub(super) binary: PathBuf,
    /// The home directory.
    pub(super) home: PathBuf,
    /// DOSSIERD_HOME, absolute, if it is set.
    pub(super) dossierd_home: Option<PathBuf>,
    /// The variables that go with the service.
    pub(super) carried: Carried,
    /// The daemon's state directory.
    pub(super) state_dir: PathBuf,
    /// The daemon's Unix socket.
    pub(super) socket: PathBuf,
}

impl Setting {
    /// As the environment has it.
    pub(super) fn of_environment() -> Result<Self, CliError> {
        let found = places::home()?;
        let dossierd_home = match std::env::var_os("DOSSIERD_HOME") {
            Some(home) => Some(std::path::absolute(&home).map_err(|error| {
                CliError::io(format!("cannot resolve DOSSIERD_HOME={}", home.display()), error)
            })?),
            None => None,
        };
        let home = user_home()?;
        Ok(Self {
            binary: binary()?,
            carried: Carried::of(dossierd_home.as_deref(), &home, |name| std::env::var_os(name)),
            home,
            dossierd_home,
            state_dir: found.state_dir().to_path_buf(),
            socket: found.socket(),
        })
    }

    /// The same for a service that has these variables, whatever this shell has.
    pub(super) fn with(&self, carried: Carried) -> Result<Self, CliError> {
        let dossierd_home = carried.dossierd_home().map(Path::to_path_buf);
        let found = places::home_of(dossierd_home.clone())?;
        let (state_dir, _) = carried.places(&self.home);
        Ok(Self { dossierd_home, state_dir, socket: found.socket(), carried, ..self.clone() })
    }
}

/// The home directory of this user.
pub(super) fn user_home() -> Result<PathBuf, CliError> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf()).ok_or_else(|| {
        CliError::new(ErrorKind::Input, "this user has no home directory to install a service in")
            .hint("set HOME")
    })
}

fn binary() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe()
        .map_err(|error| CliError::io("cannot tell where this binary is", error))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(named(&own, std::env::split_paths(&path)).unwrap_or(own))
}

/// The file in one of these directories that has the binary's name and is it.
fn named(own: &Path, dirs: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let name = own.file_name()?;
    let resolved = own.canonicalize().ok()?;
    dirs.filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| file.canonicalize().is_ok_and(|file| file == resolved))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_path_is_preferred_to_what_it_leads_to() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().canonicalize().unwrap();
        let (bin, cellar, other) = (root.join("bin"), root.join("0.1.0"), root.join("other"));
        for dir in [&bin, &cellar, &other] {
            std::fs::create_dir(dir).unwrap();
        }
        let own = cellar.join("dossierd");
        std::fs::write(&own, "").unwrap();
        std::fs::write(other.join("dossierd"), "").unwrap();
        assert_eq!(named(&own, [other.clone()].into_iter()), None);
        std::os::unix::fs::symlink(&own, bin.join("dossierd")).unwrap();
        let path = [PathBuf::from("bin"), other, bin.clone()].into_iter();
        assert_eq!(named(&own, path), Some(bin.join("dossierd")));
    }
}
