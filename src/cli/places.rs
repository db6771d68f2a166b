//! Where the command line looks for the daemon's files. It reads them and makes none,
//! except for the page that `open` writes into the runtime directory.

use std::path::{Path, PathBuf};

use super::error::{CliError, ErrorKind};
use crate::platform::supervisor::ServiceDirectories;
use crate::platform::user;
use crate::store::{Home, HomeError, socket_of_system_service};

/// Where the system's service manager makes a directory for each user's daemon.
const SERVICES: &str = "/run/dossierd";

/// The directories that `dossierd@USER.service` gets from it: runtime, state, cache.
const OF_SERVICES: [&str; 3] = ["run/dossierd", "var/lib/dossierd", "var/cache/dossierd"];

/// The places of this user's daemon as the environment has them. Nothing is made or
/// checked: that is done by the daemon, and looked at by `doctor`.
pub fn home() -> Result<Home, CliError> {
    home_of(std::env::var_os("DOSSIERD_HOME").map(PathBuf::from))
}

/// The same for a daemon that has this DOSSIERD_HOME, or none.
pub fn home_of(dossierd_home: Option<PathBuf>) -> Result<Home, CliError> {
    Home::resolve(dossierd_home).map_err(not_known)
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

/// The places of the daemon behind this socket: those that the system's service manager makes for
/// it, where the socket is the one of its service, and else the user's own.
pub fn home_of_daemon_at(socket: &Path) -> Result<Home, CliError> {
    match directories_of_service(Path::new("/"), socket, &user::account()) {
        Some(made) => Home::of_service(None, made).map_err(not_known),
        None => home(),
    }
}

/// `root` is that of the file system, but for tests.
fn directories_of_service(root: &Path, socket: &Path, account: &str) -> Option<ServiceDirectories> {
    let [runtime, state, cache] = OF_SERVICES.map(|dir| root.join(dir).join(account));
    (socket.parent() == Some(&runtime)).then_some(ServiceDirectories {
        runtime: Some(runtime),
        state: Some(state),
        cache: Some(cache),
    })
}

fn not_known(error: HomeError) -> CliError {
    CliError::new(ErrorKind::Input, "the places of the daemon's files are not known").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_of_the_system_has_its_files_where_its_unit_says() {
        let unit = include_str!("../../packaging/systemd/system/dossierd@.service");
        for line in ["RuntimeDirectory", "StateDirectory", "CacheDirectory"] {
            assert!(unit.contains(&format!("\n{line}=dossierd/%i\n")), "{line}");
        }
        let root = Path::new("/r");
        let found = |socket: &str| directories_of_service(root, Path::new(socket), "ana");
        let made = found("/r/run/dossierd/ana/dossierd.sock").expect("the socket of its service");
        let home = Home::of_service(None, made).expect("a home");
        assert_eq!(home.runtime_dir(), "/r/run/dossierd/ana");
        assert_eq!(home.token_file(), Path::new("/r/var/lib/dossierd/ana/token"));
        assert_eq!(home.index_cache_dir(), Path::new("/r/var/cache/dossierd/ana/index"));
        for socket in ["/r/run/dossierd/bob/dossierd.sock", "/r/run/user/1/dossierd.sock", "s"] {
            assert_eq!(found(socket), None, "{socket}");
        }
    }
}
