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

/// A daemon, whether it runs or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonPlaces {
    /// Its files.
    pub home: Home,
    /// Where it listens.
    pub socket: PathBuf,
    /// The service of the system that could run it.
    pub service: Option<SystemService>,
}

/// `dossierd@ACCOUNT.service`, which has run for this user: its state is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemService {
    /// `dossierd@ACCOUNT`.
    pub unit: String,
    /// Its state directory.
    pub state: PathBuf,
    /// Has the user no daemon besides?
    pub is_only: bool,
}

/// The daemon that commands ask: at the socket that was `named`, or the user's own, or the one that
/// the system runs for the user. That one is it also while it is down, which takes its socket away,
/// where the user has no other.
pub fn of_daemon(named: Option<&Path>) -> Result<DaemonPlaces, CliError> {
    let is_chosen = named.is_some() || std::env::var_os("DOSSIERD_HOME").is_some();
    let socket = named.map_or_else(socket, |path| Ok(path.to_path_buf()))?;
    of_daemon_below(Path::new("/"), &user::account(), home()?, socket, is_chosen)
}

/// `root` is that of the file system, but for tests.
fn of_daemon_below(
    root: &Path,
    account: &str,
    own: Home,
    socket: PathBuf,
    is_chosen: bool,
) -> Result<DaemonPlaces, CliError> {
    let [runtime, state, cache] = OF_SERVICES.map(|dir| root.join(dir).join(account));
    let is_a_name = !matches!(account, "" | "." | "..") && !account.contains('/');
    let has_run = is_a_name && state.symlink_metadata().is_ok_and(|found| found.is_dir());
    let is_its_socket = is_a_name && socket.parent().is_some_and(|dir| is_same(dir, &runtime));
    let has_own = own.state_dir().exists() || socket.symlink_metadata().is_ok();
    let is_only = is_its_socket || (has_run && !is_chosen && !has_own);
    let service = (is_its_socket || (has_run && !is_chosen)).then(|| SystemService {
        unit: format!("dossierd@{account}"),
        state: state.clone(),
        is_only,
    });
    if !is_only {
        return Ok(DaemonPlaces { home: own, socket, service });
    }
    let made =
        ServiceDirectories { runtime: Some(runtime), state: Some(state), cache: Some(cache) };
    let home = Home::of_service(None, made).map_err(not_known)?;
    let socket = if is_its_socket { socket } else { home.socket() };
    Ok(DaemonPlaces { home, socket, service })
}

/// However it is spelled: `/var/run` is a link.
fn is_same(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().ok();
    one == other || (resolved(one).is_some() && resolved(one) == resolved(other))
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
        let own = Home::resolve(Some("/h".into())).expect("a home");
        let found = |socket: &str| {
            of_daemon_below(Path::new("/r"), "ana", own.clone(), socket.into(), true)
                .expect("known")
        };
        let home = found("/r/run/dossierd/ana/dossierd.sock").home;
        assert_eq!(home.runtime_dir(), "/r/run/dossierd/ana");
        assert_eq!(home.token_file(), Path::new("/r/var/lib/dossierd/ana/token"));
        assert_eq!(home.index_cache_dir(), Path::new("/r/var/cache/dossierd/ana/index"));
        for socket in ["/r/run/dossierd/bob/dossierd.sock", "/r/run/user/1/dossierd.sock", "s"] {
            let places = found(socket);
            assert_eq!((places.home, places.service), (own.clone(), None), "{socket}");
        }
    }

    #[test]
    fn a_daemon_of_the_system_is_known_while_it_is_down() {
        let tmp = tempfile::tempdir().unwrap();
        let own = Home::resolve(Some(tmp.path().join("own"))).unwrap();
        let found = |account: &str, is_chosen| {
            let socket = own.socket();
            of_daemon_below(tmp.path(), account, own.clone(), socket, is_chosen).unwrap()
        };
        assert_eq!(found("ana", false).service, None, "it never ran");
        let state = tmp.path().join("var/lib/dossierd/ana");
        std::fs::create_dir_all(&state).unwrap();
        let places = found("ana", false);
        let service = places.service.unwrap();
        assert_eq!((service.unit.as_str(), service.is_only), ("dossierd@ana", true));
        assert_eq!(places.home.state_dir(), state);
        assert_eq!(places.socket, tmp.path().join("run/dossierd/ana/dossierd.sock"));
        for account in ["", ".", "..", "ana/x"] {
            assert_eq!(found(account, false).service, None, "{account:?}");
        }
        let chosen = found("ana", true);
        assert_eq!((chosen.home, chosen.service), (own.clone(), None), "another was asked for");

        let run = tmp.path().join("run/dossierd/ana");
        std::fs::create_dir_all(&run).unwrap();
        let spelled = tmp.path().join("run/dossierd/../dossierd/ana/dossierd.sock");
        let named = of_daemon_below(tmp.path(), "ana", own.clone(), spelled.clone(), true).unwrap();
        assert_eq!((named.home.state_dir(), &named.socket), (state.as_path(), &spelled));

        // With a state of the user's own it could be either.
        own.prepare().unwrap();
        let either = found("ana", false);
        assert_eq!((&either.home, &either.socket), (&own, &own.socket()));
        assert!(!either.service.unwrap().is_only);
    }
}
