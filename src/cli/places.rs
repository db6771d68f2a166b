//! Where the command line looks for the daemon's files. It reads them and makes none,
//! except for the page that `open` writes into the runtime directory.

use std::path::{Path, PathBuf};

use super::error::{CliError, ErrorKind};
use crate::platform::user;
use crate::store::{Home, socket_of_system_service};

/// Where the system's service manager makes a directory for each user's daemon.
const SERVICES: &str = "/run/dossierd";

/// The places of this user's daemon as the environment has them. Nothing is made or
/// checked: that is done by the daemon, and looked at by `doctor`.
pub fn home() -> Result<Home, CliError> {
    home_of(std::env::var_os("DOSSIERD_HOME").map(PathBuf::from))
}

/// The same for a daemon that has this DOSSIERD_HOME, or none.
pub fn home_of(dossierd_home: Option<PathBuf>) -> Result<Home, CliError> {
    Home::resolve(dossierd_home).map_err(|error| {
        CliError::new(ErrorKind::Input, "the places of the daemon's files are not known")
            .because(error)
    })
}

/// The socket of this user's daemon: the user's own, or that of the daemon which the system
/// runs for the user, where there is only that one.
pub fn socket() -> Result<PathBuf, CliError> {
    let own = home()?.socket();
    if std::env::var_os("DOSSIERD_HOME").is_some() || own.symlink_metadata().is_ok() {
        return Ok(own);
    }
    Ok(socket_of_system_service(Path::new(SERVICES), &user::account()).unwrap_or(own))
}
