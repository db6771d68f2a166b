//! Where the command line looks for the daemon's files. It reads them and makes none,
//! except for the page that `open` writes into the runtime directory.

use std::path::PathBuf;

use super::error::{CliError, ErrorKind};
use crate::store::Home;

/// The places of this user's daemon as the environment has them. Nothing is made or
/// checked: that is done by the daemon, and looked at by `doctor`.
pub fn home() -> Result<Home, CliError> {
    Home::resolve(std::env::var_os("DOSSIERD_HOME").map(PathBuf::from)).map_err(|error| {
        CliError::new(ErrorKind::Input, "the places of the daemon's files are not known")
            .because(error)
    })
}
