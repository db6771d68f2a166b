//! The Unix socket's file and directory, and the TCP port.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use dossierd::server::{IfBusy, ServerConfig, ServerError, Warning};

use crate::harness::{DEADLINE, Site, config, head, private_directory, runtime, start};
use crate::sample::sample;

/// Starts with this configuration and returns the error.
#[track_caller]
fn refused(config: &ServerConfig) -> ServerError {
    start(config, &sample(), &runtime()).expect_err("must be refused")
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

#[test]
fn the_socket_is_private() {
    let site = Site::new();
    assert_eq!(mode(&site.socket), 0o600);
    assert_eq!(mode(site.directory()), 0o700);
    assert_eq!(site.server.as_ref().unwrap().socket_path.as_deref(), Some(&*site.socket));
    assert_eq!(site.unix().ask(&head("GET", "/api/echo", &[])).status, 200);
}

#[test]
fn a_stale_socket_is_replaced() {
    let directory = private_directory();
    let config = config(&directory);
    // A listener that is dropped leaves its file, as a killed daemon does.
    drop(UnixListener::bind(&config.socket).unwrap());
    let runtime = runtime();
    let server = start(&config, &sample(), &runtime).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(&config.socket).is_ok());
    assert_eq!(mode(&config.socket), 0o600);
    runtime.block_on(server.shutdown(DEADLINE));
    assert!(!config.socket.exists());
}

#[test]
fn a_socket_that_answers_is_left_alone() {
    let site = Site::new();
    let mut second = config(&private_directory());
    second.socket.clone_from(&site.socket);
    let error = refused(&second);
    assert!(matches!(error, ServerError::SocketInUse(_)), "{error}");
    assert_eq!(site.unix().ask(&head("GET", "/api/echo", &[])).status, 200);
}

#[test]
fn a_socket_with_a_full_backlog_is_in_use() {
    let directory = private_directory();
    let config = config(&directory);
    let listener = UnixListener::bind(&config.socket).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _waiting = std::os::unix::net::UnixStream::connect(&config.socket).unwrap();
    let error = refused(&config);
    assert!(matches!(error, ServerError::SocketInUse(_)), "{error}");
}

#[test]
fn planted_things_are_not_replaced() {
    type Plant = fn(&Path);
    let plants: [(&str, Plant); 5] = [
        ("a file", |path| std::fs::write(path, "planted").unwrap()),
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("a link to a file", |path| {
            let target = path.with_extension("target");
            std::fs::write(&target, "planted").unwrap();
            symlink(target, path).unwrap();
        }),
        ("a link to nothing", |path| symlink("/nonexistent/dossierd", path).unwrap()),
        ("a link to a stale socket", |path| {
            let target = path.with_extension("target");
            drop(UnixListener::bind(&target).unwrap());
            symlink(target, path).unwrap();
        }),
    ];
    for (what, plant) in plants {
        let directory = private_directory();
        let config = config(&directory);
        plant(&config.socket);
        let before = config.socket.symlink_metadata().unwrap();
        let error = refused(&config);
        assert!(matches!(error, ServerError::SocketPlanted { .. }), "{what}: {error}");
        let after = config.socket.symlink_metadata().unwrap();
        assert_eq!((before.ino(), before.mode()), (after.ino(), after.mode()), "{what}");
    }
}

#[test]
fn the_directory_must_be_ours_alone() {
    for open in [0o720, 0o702, 0o770, 0o777, 0o1777] {
        let directory = private_directory();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(open)).unwrap();
        let config = config(&directory);
        let error = refused(&config);
        assert!(matches!(error, ServerError::SocketDirectory { .. }), "{open:o}: {error}");
        assert!(!config.socket.exists());
    }
    let directory = private_directory();
    let real = directory.path().join("real");
    std::fs::create_dir(&real).unwrap();
    symlink(&real, directory.path().join("link")).unwrap();
    let mut config = config(&directory);
    config.socket = directory.path().join("link/api.sock");
    assert!(matches!(refused(&config), ServerError::SocketDirectory { .. }));
    config.socket = directory.path().join("missing/api.sock");
    let error = refused(&config);
    assert!(matches!(error, ServerError::Socket { .. }), "{error}");
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let directory = private_directory();
    let mut config = config(&directory);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(directory.path(), Some(1001), Some(1001)).unwrap();
    } else {
        config.socket = "/api.sock".into();
    }
    let error = refused(&config);
    assert!(matches!(error, ServerError::SocketDirectory { .. }), "{error}");
}

#[test]
fn a_stale_socket_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can plant a socket of another user");
        return;
    }
    let directory = private_directory();
    let config = config(&directory);
    drop(UnixListener::bind(&config.socket).unwrap());
    std::os::unix::fs::chown(&config.socket, Some(1001), Some(1001)).unwrap();
    let error = refused(&config);
    assert!(matches!(error, ServerError::SocketPlanted { .. }), "{error}");
    assert!(config.socket.exists());
}

#[test]
fn paths_that_are_no_socket_paths() {
    let directory = private_directory();
    let mut config = config(&directory);
    config.socket = "api.sock".into();
    assert!(matches!(refused(&config), ServerError::SocketPath(_)));
    config.socket = "/".into();
    assert!(matches!(refused(&config), ServerError::SocketPath(_)));
    config.socket = directory.path().join("x".repeat(108));
    let error = refused(&config);
    assert!(matches!(error, ServerError::SocketPathTooLong { .. }), "{error}");
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn the_longest_path_works() {
    let directory = private_directory();
    let mut config = config(&directory);
    let most = if cfg!(target_os = "linux") { 107 } else { 103 };
    let name = "s".repeat(most - directory.path().as_os_str().len() - 1);
    config.socket = directory.path().join(name);
    let runtime = runtime();
    let server = start(&config, &sample(), &runtime).unwrap();
    assert!(std::os::unix::net::UnixStream::connect(&config.socket).is_ok());
    runtime.block_on(server.shutdown(DEADLINE));
}

#[test]
fn shutdown_removes_only_its_own_socket() {
    let mut site = Site::new();
    std::fs::remove_file(&site.socket).unwrap();
    let newer = UnixListener::bind(&site.socket).unwrap();
    site.shutdown(DEADLINE);
    assert!(site.socket.exists(), "the socket of someone who came later stays");
    drop(newer);
}

#[test]
fn a_busy_port_is_an_error_or_moves() {
    let site = Site::new();
    let directory = private_directory();
    let mut config = config(&directory);
    config.listen = site.addr;
    let error = refused(&config);
    assert!(matches!(error, ServerError::PortInUse(_)), "{error}");
    assert!(!config.socket.exists(), "a failed start leaves nothing");

    config.if_busy = IfBusy::PickAnother;
    let runtime = runtime();
    let server = start(&config, &sample(), &runtime).unwrap();
    let got = server.http_addr.expect("serves TCP");
    assert_ne!(got, site.addr);
    let expected = Warning::PortBusy { wanted: site.addr, got };
    assert_eq!(server.warnings, [expected]);
    runtime.block_on(server.shutdown(DEADLINE));
}

/// Another process that shares its port (`SO_REUSEPORT`) does not get to share ours.
#[cfg(target_os = "linux")]
#[test]
fn nobody_shares_the_port() {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let shares = |address: std::net::SocketAddr| {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        sockopt::set_socket_reuseport(&socket, true).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        let shared = bind(&socket, &address).and_then(|()| listen(&socket, 1));
        (socket, shared)
    };
    let site = Site::new();
    assert_eq!(shares(site.addr).1, Err(rustix::io::Errno::ADDRINUSE));
    // Such a socket that was there first is a busy port to us, also if it is of our user.
    let (planted, shared) = shares((std::net::Ipv4Addr::LOCALHOST, 0).into());
    shared.unwrap();
    let directory = private_directory();
    let mut config = config(&directory);
    let address = rustix::net::getsockname(&planted).unwrap();
    config.listen = std::net::SocketAddr::try_from(address).unwrap();
    assert!(matches!(refused(&config), ServerError::PortInUse(_)));
}

#[test]
fn only_loopback_is_served() {
    let directory = private_directory();
    let mut config = config(&directory);
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        config.listen = address.parse().unwrap();
        assert!(matches!(refused(&config), ServerError::NotLoopback(_)), "{address}");
    }
}
