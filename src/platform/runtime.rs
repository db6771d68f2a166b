//! Where the socket goes, and how long its path may be.

use std::path::{Path, PathBuf};

/// The longest path of a Unix socket in bytes: `sun_path` less the closing NUL, 108 on
/// Linux (unix(7)), 104 on macOS and the BSDs (`sys/un.h`).
pub const SOCKET_PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The path is too long for a socket address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the socket path {} has {length} bytes, and {SOCKET_PATH_MAX} are possible; choose a shorter one \
     with --socket, DOSSIERD_HOME or XDG_RUNTIME_DIR",
    path.display()
)]
pub struct SocketPathTooLong {
    /// The path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: usize,
}

/// Refuses a path that `bind` and `connect` could not take, with a message that says more
/// than theirs.
pub fn check_socket_path(path: &Path) -> Result<(), SocketPathTooLong> {
    let length = path.as_os_str().as_encoded_bytes().len();
    if length > SOCKET_PATH_MAX {
        return Err(SocketPathTooLong { path: path.to_path_buf(), length });
    }
    Ok(())
}

/// The runtime directory: what the system offers (`$XDG_RUNTIME_DIR/dossierd`), else one
/// per user below the state directory, which unlike `/tmp` nobody else can plant.
pub fn default_runtime_dir(offered: Option<&Path>, state: &Path, uid: Option<u32>) -> PathBuf {
    match (offered, uid) {
        (Some(dir), _) => dir.to_path_buf(),
        (None, Some(uid)) => state.join(format!("run-{uid}")),
        (None, None) => state.join("run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_possible_path_passes_and_one_more_byte_does_not() {
        let path = PathBuf::from(format!("/{}", "s".repeat(SOCKET_PATH_MAX - 1)));
        assert_eq!(check_socket_path(&path), Ok(()));
        let longer = PathBuf::from(format!("{}s", path.display()));
        let error = check_socket_path(&longer).unwrap_err();
        assert_eq!(error.length, SOCKET_PATH_MAX + 1);
        assert!(error.to_string().contains("--socket"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_system_agrees_on_the_limit() {
        let longest = format!("/{}", "s".repeat(SOCKET_PATH_MAX - 1));
        assert!(std::os::unix::net::SocketAddr::from_pathname(&longest).is_ok());
        assert!(std::os::unix::net::SocketAddr::from_pathname(format!("{longest}s")).is_err());
    }

    #[test]
    fn without_an_offered_directory_it_is_per_user_below_the_state() {
        let state = Path::new("/s");
        let offered = Path::new("/run/user/7/dossierd");
        assert_eq!(default_runtime_dir(Some(offered), state, Some(7)), offered);
        assert_eq!(default_runtime_dir(None, state, Some(7)), Path::new("/s/run-7"));
        assert_eq!(default_runtime_dir(None, state, None), Path::new("/s/run"));
    }
}
