//! Listeners that somebody else made and passes by name: served if they are what they have to
//! be, refused with a reason if not, and never removed.
//!
//! One at a time comes in as standard input, which a shell then moves to where passed
//! descriptors begin. `tests/packaging` passes two, through systemd's own tool.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::kit::{BINARY, Place, mode, set_mode, wait_until};

/// The daemon, to be started with this descriptor under this name.
fn passed(place: &Place, descriptor: impl Into<OwnedFd>, name: &str, more: &[&str]) -> Command {
    let script = "exec 3<&0 </dev/null; LISTEN_PID=${WRONG_PID:-$$} exec \"$@\"";
    let plain = place.command(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-ec", script, "sh", BINARY, "run", "--json"])
        .args(more)
        .current_dir(place.path())
        .env_clear()
        .envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", name)
        .stdin(Stdio::from(descriptor.into()));
    command
}

/// A listener at a private path, as a socket's unit makes it.
fn unix(place: &Place) -> (UnixListener, PathBuf) {
    let path = place.path().join("passed/api.sock");
    std::fs::create_dir_all(path.parent().expect("has one")).expect("made");
    set_mode(path.parent().expect("has one"), 0o700);
    let listener = UnixListener::bind(&path).expect("binds");
    set_mode(&path, 0o600);
    (listener, path)
}

#[track_caller]
fn refused(place: &Place, descriptor: impl Into<OwnedFd>, name: &str, words: &[&str]) {
    let mut command = passed(place, descriptor, name, &["--listen", "127.0.0.1:0"]);
    let output = command.output().expect("runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    for word in words {
        assert!(err.contains(word), "no {word:?} in {err}");
    }
    assert!(!place.home().join("state/token").exists(), "the token stays");
}

#[test]
fn a_unix_socket_is_served_and_left_where_it_is() {
    let place = Place::with_feature();
    let (listener, path) = unix(&place);
    for _ in 0..2 {
        let again = listener.try_clone().expect("is cloned");
        let daemon = place.launch(passed(&place, again, "api", &["--listen", "127.0.0.1:0"]));
        assert_eq!(daemon.socket(), path);
        assert_eq!(daemon.unix("GET", "/readyz", &[]).status, 200);
        let shown = path.display().to_string();
        let status = place.run(&["status", "--socket", &shown, "--json"]).json();
        assert!(status.is_object());
        assert_eq!(daemon.unix("GET", "/api/status", &[]).json()["socket"], shown.as_str());
        wait_until("the warning", || daemon.stderr().contains(&format!("--socket {shown}")));
        assert!(!place.home().join("run/dossierd.sock").exists(), "one was made besides");
        assert_eq!(daemon.tcp("GET", "/healthz", &[]).status, 200);
        daemon.stop();
        assert_eq!(mode(&path), 0o600, "the file is another's, and stays");
        // Whoever asks now waits for the next one.
        assert!(UnixStream::connect(&path).is_ok());
    }
}

#[test]
fn a_port_is_served_whatever_else_was_asked_for() {
    let place = Place::with_feature();
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one").to_string();
    let again = listener.try_clone().expect("is cloned");
    let daemon = place.launch(passed(&place, again, "http", &[]));
    assert_eq!(daemon.address(), address);
    assert_eq!(daemon.tcp("GET", "/readyz", &[]).status, 200);
    assert_eq!(daemon.socket(), place.home().join("run/dossierd.sock"));
    assert!(!daemon.stderr().contains("passed a listener"), "{}", daemon.stderr());
    daemon.stop();

    let daemon = place.launch(passed(&place, listener, "http", &["--listen", "127.0.0.1:9"]));
    assert_eq!(daemon.address(), address);
    let warning = format!("a listener on {address}, which is served; 127.0.0.1:9 is not");
    wait_until("the warning", || daemon.stderr().contains(&warning));
    daemon.stop();
}

#[test]
fn what_is_passed_to_another_process_is_left_alone() {
    let place = Place::new();
    let (listener, path) = unix(&place);
    let mut command = passed(&place, listener, "api", &["--listen", "127.0.0.1:0"]);
    let daemon = place.launch({
        command.env("WRONG_PID", "1");
        command
    });
    assert_ne!(daemon.socket(), path);
    daemon.stop();
}

#[test]
fn what_is_not_what_its_name_says_is_refused() {
    let place = Place::new();
    let tcp = || TcpListener::bind("127.0.0.1:0").expect("binds");
    refused(&place, tcp(), "api", &["under the name api is no listener on a Unix"]);
    refused(&place, unix(&place).0, "http", &["under the name http is no listener on TCP"]);
    refused(&place, tcp(), "metrics", &["\"metrics\"", "only api and http", "FileDescriptorName="]);
    refused(&place, tcp(), "", &["FileDescriptorName=api"]);
    refused(&place, tcp(), "http:api", &["1 descriptors were passed with 2 names"]);
    let udp = UdpSocket::bind("127.0.0.1:0").expect("binds");
    refused(&place, udp, "http", &["no listener on TCP"]);
    let datagram = UnixDatagram::bind(place.path().join("datagram")).expect("binds");
    refused(&place, datagram, "api", &["no listener on a Unix"]);
    let file = std::fs::File::open("/dev/null").expect("opens");
    refused(&place, file, "http", &["no listener on TCP"]);
    let open = TcpListener::bind("0.0.0.0:0").expect("binds");
    refused(&place, open, "http", &["not a loopback address"]);
    let peer = tcp();
    let connected = std::net::TcpStream::connect(peer.local_addr().expect("has one"));
    refused(&place, connected.expect("connects"), "http", &["nobody listens"]);
    let bound = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .expect("made");
    let local = std::net::SocketAddrV4::new([127, 0, 0, 1].into(), 0);
    rustix::net::bind(&bound, &local).expect("binds");
    refused(&place, bound, "http", &["nobody listens"]);
    let shared = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .expect("made");
    rustix::net::sockopt::set_socket_reuseport(&shared, true).expect("is set");
    rustix::net::bind(&shared, &local).expect("binds");
    rustix::net::listen(&shared, 16).expect("listens");
    refused(&place, shared, "http", &["shares its port", "ReusePort=no"]);
}

#[test]
fn a_socket_that_others_could_reach_is_refused() {
    let place = Place::new();
    let (listener, path) = unix(&place);
    let dir = path.parent().expect("has one");
    let again = || listener.try_clone().expect("is cloned");
    for open in [0o666, 0o660, 0o606, 0o755] {
        set_mode(&path, open);
        refused(&place, again(), "api", &["is open to other users", "SocketMode=0600"]);
    }
    set_mode(&path, 0o600);
    set_mode(dir, 0o777);
    refused(&place, again(), "api", &["a directory that others can write in"]);
    set_mode(dir, 0o700);
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, "").expect("written");
    refused(&place, again(), "api", &["no socket any more"]);
    if crate::kit::is_root("a passed socket of another user") {
        std::fs::remove_file(&path).expect("removed");
        let _other = UnixListener::bind(&path).expect("binds");
        set_mode(&path, 0o600);
        std::os::unix::fs::chown(&path, Some(65534), None).expect("given away");
        refused(&place, again(), "api", &["belongs to another user"]);
    }
}
