//! Another user of the same machine.
//!
//! The client is this test binary again, started under another uid. Only root can do that;
//! everyone else skips these tests, and says so.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use crate::harness::{Site, head};

/// Where the client connects; set for the child only.
const SOCKET: &str = "DOSSIERD_TEST_FOREIGN_SOCKET";
const FOREIGN: u32 = 1001;
/// A program can't be started while a child that was forked meanwhile holds the copy of it
/// open for writing, so one test copies and starts at a time.
static COPYING: Mutex<()> = Mutex::new(());

/// What happened to the child.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    NotAllowed,
    Closed,
    Answered,
}

#[test]
#[ignore = "this is the child of the tests below"]
fn foreign_client() {
    let Ok(socket) = std::env::var(SOCKET) else {
        return;
    };
    let outcome = match UnixStream::connect(socket) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => "NOT ALLOWED",
        Err(error) => panic!("cannot connect: {error}"),
        Ok(mut stream) => {
            let _ = stream.write_all(head("GET", "/api/echo", &["Connection: close"]).as_bytes());
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            if answer.is_empty() { "CLOSED" } else { "ANSWERED" }
        }
    };
    println!("OUTCOME {outcome}");
}

/// Connects as `uid`; `None` without the privilege for it.
fn connect_as(uid: u32, site: &Site) -> Option<Outcome> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can start a client under another uid");
        return None;
    }
    let _alone = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
    // The build directory may be closed to others.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let client = open.path().join("client");
    std::fs::copy(std::env::current_exe().unwrap(), &client).unwrap();
    std::fs::set_permissions(&client, PermissionsExt::from_mode(0o755)).unwrap();
    let output = Command::new(&client)
        .args(["--ignored", "--exact", "peers::foreign_client", "--nocapture"])
        .env(SOCKET, &site.socket)
        .current_dir("/")
        .uid(uid)
        .gid(uid)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let outcome = text.lines().find_map(|line| line.split_once("OUTCOME ")).map(|(_, word)| word);
    Some(match outcome {
        Some("NOT ALLOWED") => Outcome::NotAllowed,
        Some("CLOSED") => Outcome::Closed,
        Some("ANSWERED") => Outcome::Answered,
        _ => panic!("the client failed: {text}{}", String::from_utf8_lossy(&output.stderr)),
    })
}

#[test]
fn the_directory_keeps_others_out() {
    let site = Site::new();
    if let Some(outcome) = connect_as(FOREIGN, &site) {
        assert_eq!(outcome, Outcome::NotAllowed);
    }
}

#[test]
fn the_uid_keeps_others_out_even_through_open_modes() {
    let site = Site::new();
    std::fs::set_permissions(site.directory(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&site.socket, PermissionsExt::from_mode(0o666)).unwrap();
    if let Some(outcome) = connect_as(FOREIGN, &site) {
        assert_eq!(outcome, Outcome::Closed);
        assert_eq!(site.counters.foreign_peers.load(Ordering::Relaxed), 1);
        assert_eq!(connect_as(0, &site), Some(Outcome::Answered), "the client itself works");
    }
}
