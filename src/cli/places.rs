//! Where the command line looks for the daemon's files. It reads them and makes none,
//! except for the page that `open` writes into the runtime directory.

use std::path::{Path, PathBuf};

use super::error::{CliError, ErrorKind};

/// The directories and files of this user's daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Configuration.
    pub config: PathBuf,
    /// What survives a restart.
    pub state: PathBuf,
    /// What ends with the session.
    pub runtime: PathBuf,
    /// The Unix socket.
    pub socket: PathBuf,
    /// The token of the HTTP API.
    pub token: PathBuf,
}

impl Places {
    /// The places as the environment has them.
    pub fn resolve() -> Result<Self, CliError> {
        Self::below(std::env::var_os("DOSSIERD_HOME").map(PathBuf::from))
    }

    fn below(dossierd_home: Option<PathBuf>) -> Result<Self, CliError> {
        if let Some(base) = dossierd_home {
            if base.as_os_str().is_empty() {
                return Err(CliError::new(ErrorKind::Input, "DOSSIERD_HOME is empty")
                    .hint("unset it, or set it to a directory of your own"));
            }
            let base = std::path::absolute(&base).map_err(|error| {
                CliError::io(format!("cannot resolve DOSSIERD_HOME={}", base.display()), error)
            })?;
            return Ok(Self::of(base.join("config"), base.join("state"), base.join("run")));
        }
        let dirs = directories::ProjectDirs::from("", "", "dossierd").ok_or_else(|| {
            CliError::new(ErrorKind::Input, "this user has no home directory")
                .hint("set HOME, or DOSSIERD_HOME to a directory of your own")
        })?;
        let state = dirs.state_dir().unwrap_or(dirs.data_local_dir()).to_path_buf();
        let runtime = match dirs.runtime_dir() {
            Some(dir) => dir.to_path_buf(),
            None => runtime_below(&state),
        };
        Ok(Self::of(dirs.config_dir().to_path_buf(), state, runtime))
    }

    fn of(config: PathBuf, state: PathBuf, runtime: PathBuf) -> Self {
        let socket = runtime.join("dossierd.sock");
        let token = state.join("token");
        Self { config, state, runtime, socket, token }
    }
}

/// Without a runtime directory of the system: one per user below the state directory,
/// which unlike `/tmp` nobody else can plant.
#[cfg(unix)]
fn runtime_below(state: &Path) -> PathBuf {
    state.join(format!("run-{}", rustix::process::geteuid().as_raw()))
}

#[cfg(not(unix))]
fn runtime_below(state: &Path) -> PathBuf {
    state.join("run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_holds_everything_when_told_so() {
        let places = Places::below(Some("/h".into())).unwrap();
        assert_eq!(places.socket, Path::new("/h/run/dossierd.sock"));
        assert_eq!(places.token, Path::new("/h/state/token"));
        assert!(Places::below(Some("rel".into())).unwrap().socket.is_absolute());
        assert!(Places::below(Some("".into())).is_err());
    }
}
