//! Starting, being ready, ending; and the files that belong to each.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::Value;

use crate::kit::{Place, Running, mode, wait_until};

#[test]
fn the_first_line_says_where_it_is_and_a_signal_ends_it_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::with_feature();
        let mut daemon = place.start_registered();
        let members: Vec<&String> = daemon.ready.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["http", "ready", "socket"]);
        assert_eq!(daemon.ready["ready"], true);
        let socket = daemon.socket().to_path_buf();
        assert_eq!(socket, place.home().join("run/dossierd.sock"));
        let token = place.home().join("state/token");
        assert!(token.exists());
        assert_eq!(daemon.tcp("GET", "/readyz", &[]).status, 200);

        place.write("plan-me/plan.md", "edited just before the end\n");
        place.run(&["status", "plan-me"]).fine();
        daemon.signal(signal);
        assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
        assert!(daemon.rest().is_empty(), "more than one line on stdout");
        assert!(!socket.exists() && !token.exists(), "socket or token stays");
        place.run(&["verify", "project"]).fine();
        let log = place.log("plan-me");
        let last = log.last().expect("has events");
        assert_eq!(last["event_type"], "MissionDossierSnapshotComputed");
    }
}

#[test]
fn a_second_daemon_is_refused_and_the_first_stays_as_it_was() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let token = fs::read(place.home().join("state/token")).expect("is there");
    let second = place.run(&["run", "--listen", "127.0.0.1:0"]);
    let holder = format!("process {}", daemon.pid());
    second.fails(2, &["another dossierd is running already", &holder, "DOSSIERD_HOME"]);
    assert_eq!(fs::read(place.home().join("state/token")).expect("is there"), token);
    let written = place.run(&["scan", "project", "--write"]);
    written.fails(2, &["a daemon is running", "dossierd reindex"]);
    place.run(&["status", "plan-me"]).fine();
    daemon.stop();
}

#[test]
fn a_socket_left_by_a_killed_daemon_is_replaced() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let socket = daemon.socket().to_path_buf();
    daemon.kill();
    assert!(UnixStream::connect(&socket).is_err() && socket.exists(), "no stale socket");
    place.run(&["list"]).fails(2, &["no daemon is running", "dossierd run"]);

    let daemon = place.start();
    assert_eq!(mode(&socket), 0o600);
    let list = place.run(&["list", "--json"]).json();
    assert_eq!(list["features"][0]["slug"], "plan-me", "what was registered stays so");
    daemon.stop();
}

#[test]
fn a_busy_port_that_was_asked_for_is_an_error_and_leaves_nothing_behind() {
    let place = Place::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = holder.local_addr().expect("has one").to_string();
    let refused = place.run(&["run", "--listen", &address]);
    refused.fails(
        2,
        &[&format!("port {} on 127.0.0.1 is in use", holder.local_addr().expect("has one").port())],
    );
    assert!(!place.home().join("state/token").exists(), "the token stays");
    assert!(!place.home().join("run/dossierd.sock").exists(), "the socket stays");

    let configured = place.home().join("config/config.yaml");
    fs::write(&configured, format!("listen: {address}\n")).expect("written");
    place.run(&["run"]).fails(2, &["is in use"]);
}

#[test]
fn a_busy_default_port_is_a_warning() {
    let place = Place::new();
    // Whoever has it, we or something else on this machine: it is busy.
    let _holder = TcpListener::bind("127.0.0.1:7717");
    let daemon = place.start_with(&["run", "--json"]);
    assert_ne!(daemon.address(), "127.0.0.1:7717");
    wait_until("the warning", || daemon.stderr().contains("port 7717 is in use"));
    assert_eq!(daemon.tcp("GET", "/healthz", &[]).status, 200);
    let doctor = place.run(&["doctor", "--json"]).json();
    assert!(doctor.to_string().contains(daemon.address()), "{doctor}");
    daemon.stop();
}

/// The events of `watch` up to a snapshot.
fn events_to_snapshot(watch: &Running) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = watch.line();
        assert!(event["event_id"].is_string(), "no event: {event}");
        let done = event["event_type"] == "MissionDossierSnapshotComputed";
        events.push(event);
        if done {
            return events;
        }
    }
}

#[test]
fn watch_prints_where_it_is_and_then_what_happens() {
    let place = Place::with_feature();
    let mut watch = place.start_with(&["watch", "project", "--listen", "127.0.0.1:0", "--json"]);
    assert_eq!(watch.ready["ready"], true);
    let first = events_to_snapshot(&watch);
    assert_eq!(first.len(), 5, "four artifacts and a snapshot: {first:?}");
    place.write("plan-me/plan.md", "another plan\n");
    let changed = events_to_snapshot(&watch);
    assert_eq!(changed[0]["payload"]["artifact_id"]["path"], "kitty-specs/plan-me/plan.md");
    watch.signal(Signal::INT);
    assert_eq!(watch.wait(), Some(0));
    assert!(!watch.socket().exists());
}

#[test]
fn watch_uses_a_daemon_that_runs_and_leaves_it_running() {
    let place = Place::with_feature();
    let daemon = place.start();
    let mut watch = place.start_with(&["watch", "project", "--json"]);
    assert_eq!(watch.ready["http"], daemon.ready["http"]);
    assert_eq!(watch.ready["socket"], daemon.ready["socket"]);
    wait_until("it says so", || watch.stderr().contains("a daemon is running already"));
    // The stream may begin a moment after the ready line: edits go on until one is seen.
    let mut number = 0;
    wait_until("an event", || {
        number += 1;
        place.write("plan-me/plan.md", format!("plan {number}\n"));
        place.run(&["status", "plan-me"]).fine();
        watch.has_line()
    });
    watch.signal(Signal::TERM);
    assert_eq!(watch.wait(), Some(0));
    place.run(&["list"]).fine();
    daemon.stop();
}

#[test]
fn watch_of_nothing_is_an_error_and_starts_nothing() {
    let place = Place::new();
    place.run(&["watch", "nowhere"]).fails(2, &["cannot watch nowhere", "exists"]);
    fs::write(place.path().join("file"), "").expect("written");
    let file = place.run(&["watch", "file", "--listen", "127.0.0.1:0"]);
    file.fails(2, &["is not a directory"]);
    assert!(!place.home().join("state/token").exists());
    assert!(!place.home().join("run/dossierd.sock").exists());
}

#[test]
fn a_socket_elsewhere_is_found_with_the_same_flag() {
    let place = Place::with_feature();
    fs::create_dir(place.path().join("own")).expect("made");
    crate::kit::set_mode(&place.path().join("own"), 0o700);
    let args = ["run", "--listen", "127.0.0.1:0", "--json", "--socket", "own/s.sock"];
    let daemon = place.start_with(&args);
    assert_eq!(daemon.socket(), place.path().join("own/s.sock"));
    place.run(&["list", "--socket", "own/s.sock"]).fine();
    let named = place.run_in(&place.project(), &["list", "--socket", "../own/s.sock"]);
    named.fine();
    place.run(&["list"]).fails(2, &["no daemon is running"]);
    daemon.stop();
}
