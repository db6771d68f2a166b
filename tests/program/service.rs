//! Under a service manager: what it is told and when, the directories that it makes, and the
//! end that it asks for.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kit::{DEADLINE, Place, wait_until};
use crate::starting::endless;

/// Something that listens as a service manager does.
struct Manager(UnixDatagram);

impl Manager {
    fn new(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path().join("notify")).expect("binds");
        socket.set_read_timeout(Some(DEADLINE)).expect("is set");
        Self(socket)
    }

    /// The daemon as this manager starts it, with a watchdog of a second.
    fn service(&self, place: &Place) -> Command {
        let mut command = place.command(&["run", "--listen", "127.0.0.1:0", "--json"]);
        command.env("NOTIFY_SOCKET", place.path().join("notify"));
        command.env("WATCHDOG_USEC", "1000000");
        command
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..length].to_vec()).expect("is text")
    }

    /// All messages up to one that is like this, which is the last of them.
    fn until(&self, is_last: impl Fn(&str) -> bool) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            heard.push(self.next());
            if is_last(&heard[heard.len() - 1]) {
                return heard;
            }
        }
    }

    /// What is there already.
    fn rest(&self) -> Vec<String> {
        self.0.set_nonblocking(true).expect("is set");
        let mut buffer = [0; 4096];
        let mut heard = Vec::new();
        while let Ok(length) = self.0.recv(&mut buffer) {
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        heard
    }
}

#[test]
fn the_manager_hears_of_each_step_in_order() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let manager = Manager::new(&place);
    let mut daemon = place.launch(manager.service(&place));
    let before = manager.until(|message| message == "READY=1");
    assert!(before.iter().all(|message| message != "WATCHDOG=1"), "{before:?}");
    assert_eq!(before[before.len() - 2], "STATUS=watching 1 feature in 1 project", "{before:?}");
    manager.until(|message| message == "WATCHDOG=1");
    place.planned("another");
    place.run(&["status", "another"]).fine();
    manager.until(|message| message == "STATUS=watching 2 features in 1 project");
    manager.until(|message| message == "WATCHDOG=1");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
    let end = manager.rest();
    assert_eq!(end.last().map(String::as_str), Some("STOPPING=1\nSTATUS=stopping"), "{end:?}");
}

#[test]
fn a_start_asks_for_more_time_as_long_as_its_scans_go_on() {
    let place = endless();
    let manager = Manager::new(&place);
    let mut daemon = place.begin(manager.service(&place));
    manager.until(|message| message == "STATUS=first scans: 1 of 2 features");
    let extends = |message: &str| message.starts_with("EXTEND_TIMEOUT_USEC=");
    for _ in 0..2 {
        let heard = manager.until(extends);
        let early = ["READY=1", "WATCHDOG=1"];
        assert!(heard.iter().all(|message| !early.contains(&message.as_str())), "{heard:?}");
    }
    daemon.signal(Signal::TERM);
    manager.until(|message| message.starts_with("STOPPING=1"));
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
    assert_eq!(manager.rest(), [""; 0]);
}

#[test]
fn what_another_process_was_told_is_not_ours() {
    let place = Place::new();
    let manager = Manager::new(&place);
    let mut command = manager.service(&place);
    command.env("SYSTEMD_EXEC_PID", "1").env("STATE_DIRECTORY", place.path().join("not-ours"));
    place.launch(command).stop();
    assert_eq!(manager.rest(), [""; 0]);
    assert!(!place.path().join("not-ours").exists());
}

#[test]
fn a_manager_that_cannot_be_told_is_a_warning() {
    for address in ["/nowhere/notify", "relative", "vsock:2:1234"] {
        let place = Place::new();
        let mut command = place.command(&["run", "--listen", "127.0.0.1:0", "--json"]);
        command.env("NOTIFY_SOCKET", address);
        let daemon = place.launch(command);
        wait_until("the warning", || daemon.stderr().contains("NOTIFY_SOCKET"));
        let status = daemon.unix("GET", "/api/status", &[]).json();
        assert!(status["warnings"].to_string().contains("NOTIFY_SOCKET"), "{status}");
        daemon.stop();
    }
}

#[test]
fn directories_of_the_manager_are_used() {
    let place = Place::with_feature();
    let at = |name: &str| place.path().join(name);
    let command = |args: &[&str]| {
        let mut command = place.command(args);
        command.env_remove("DOSSIERD_HOME").env("HOME", at("user"));
        command
    };
    for name in ["user", "run", "state", "cache"] {
        fs::create_dir(at(name)).expect("made");
        crate::kit::set_mode(&at(name), 0o700);
    }
    let mut service = command(&["run", "--listen", "127.0.0.1:0", "--json"]);
    service
        .env("RUNTIME_DIRECTORY", at("run"))
        .env("STATE_DIRECTORY", format!("{}:/not/this", at("state").display()))
        .env("CACHE_DIRECTORY", at("cache"));
    let daemon = place.launch(service);
    assert_eq!(daemon.socket(), at("run/dossierd.sock"));
    assert!(at("state/token").exists());
    let socket = at("run/dossierd.sock").display().to_string();
    let added = command(&["add", "project", "--socket", &socket]).output().expect("runs");
    assert!(added.status.success(), "{added:?}");
    let token = command(&["token", "--socket", &socket]).output().expect("runs");
    assert!(token.stdout.starts_with(b"dsr1_"), "{token:?}");
    daemon.stop();
    assert!(at("state/registry.json").exists());
    assert_ne!(fs::read_dir(at("cache/index")).expect("is there").count(), 0, "no cache");
    assert!(!at("user/.local/state/dossierd/token").exists());
}

#[test]
fn a_configuration_that_makes_no_sense_is_not_worth_another_start() {
    let place = Place::new();
    crate::kit::write(&place.home().join("config/config.yaml"), "lissten: 1\n");
    place.run(&["run"]).fails(2, &["lissten"]);
}

#[test]
fn it_ends_in_time_whoever_follows_and_whoever_does_not_read() {
    let place = Place::with_feature();
    place.write("plan-me/notes.md", "text\n".repeat(900_000));
    let mut daemon = place.start_registered();
    let artifacts = daemon.unix("GET", "/api/dossier/artifacts", &[]).json();
    let rows = artifacts["artifacts"].as_array().expect("a list");
    let notes = rows.iter().find(|row| row["relative_path"] == "notes.md").expect("is there");
    let key = notes["artifact_key"].as_str().expect("has a key");
    let send = |mut stream: UnixStream, target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    };
    let connect = || UnixStream::connect(daemon.socket()).expect("listens");
    let follow = "/api/dossier/events?follow=true";
    let _streams: Vec<UnixStream> = (0..8).map(|_| send(connect(), follow)).collect();
    let key = key.replace('/', "%2F");
    let _stalled = send(connect(), &format!("/api/dossier/artifacts/{key}?raw=true"));
    let _silent = TcpStream::connect(daemon.address()).expect("listens");
    wait_until("all of them are served", || {
        daemon.unix("GET", "/api/status", &[]).json()["followers"] == 8
    });
    let began = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    assert!(!place.home().join("run/dossierd.sock").exists(), "the socket stays");
}
