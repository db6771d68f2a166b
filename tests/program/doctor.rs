//! `doctor` on a set-up that is well, and on those that are not.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use serde_json::Value;

use crate::backend::{Backend, Reply};
use crate::delivery::{configure, counts, edit};
use crate::kit::{Place, Ran, set_mode, wait_until, write};

/// What doctor says, and how it ended.
fn doctor(place: &Place) -> (Ran, Vec<Value>) {
    let ran = place.run(&["doctor", "--json"]);
    let json = ran.json();
    assert_eq!(json["schema_version"], 1);
    let checks = json["checks"].as_array().expect("a list").clone();
    for check in &checks {
        let members: Vec<&String> = check.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["hint", "message", "name", "status"]);
        assert_eq!(check["hint"].is_null(), check["status"] == "ok", "{check}");
    }
    let fails = checks.iter().any(|check| check["status"] == "fail");
    assert_eq!(ran.code, if fails { 2 } else { 0 }, "{ran:?}");
    (ran, checks)
}

/// The first check with this name that says this.
fn found<'a>(checks: &'a [Value], name: &str, words: &str) -> &'a Value {
    let is_it = |check: &&Value| {
        check["name"] == name && check["message"].as_str().is_some_and(|text| text.contains(words))
    };
    let found = checks.iter().find(is_it);
    found.unwrap_or_else(|| panic!("no {name} with {words:?} in {checks:#?}"))
}

#[test]
fn a_set_up_that_is_well_has_nothing_that_fails() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let (_, checks) = doctor(&place);
    for (name, words) in [
        ("state directory", "mode 700"),
        ("socket", "mode 600"),
        ("peer", "yours"),
        ("daemon", "pid"),
        ("http", "asks for the token"),
        ("logs", "1 feature"),
        ("delivery", "not configured"),
        ("configuration file", "the defaults hold"),
        ("logical clock", "stands at"),
        ("system clock", "no event is from the future"),
        ("root", "live"),
    ] {
        assert_eq!(found(&checks, name, words)["status"], "ok", "{name}");
    }
    assert!(checks.iter().any(|check| check["name"] == "disk space"), "{checks:#?}");
    daemon.stop();
}

#[test]
fn a_broken_configuration_and_a_port_that_others_have() {
    let place = Place::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = holder.local_addr().expect("has one").to_string();
    let file = place.home().join("config/config.yaml");
    write(&file, format!("listen: {address}\n"));
    set_mode(&file, 0o644);
    let (_, checks) = doctor(&place);
    let port = found(&checks, "port", "another process");
    assert_eq!(port["status"], "fail");
    assert!(port["hint"].as_str().is_some_and(|hint| hint.contains("ss -ltnp")));
    write(&file, "log: info\nzz: 1\n");
    let (_, checks) = doctor(&place);
    let check = found(&checks, "configuration file", "line 2");
    assert_eq!(
        (&check["status"], &check["hint"]),
        (&"fail".into(), &"dossierd config check".into())
    );
    set_mode(&file, 0o666);
    let (_, checks) = doctor(&place);
    assert_eq!(found(&checks, "configuration file", "others")["status"], "fail");
}

#[test]
fn a_daemon_that_cannot_deliver_and_whose_file_has_changed() {
    let backend = Backend::start();
    let place = Place::with_feature();
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), "");
    let daemon = place.start_registered();
    backend.otherwise(Reply::Status(500, "", ""));
    edit(&place, "# another\n");
    wait_until("it waits", || {
        let (_, checks) = doctor(&place);
        checks.iter().any(|check| check["name"] == "delivery" && check["status"] == "warn")
    });
    assert!(counts(&place)[0] > 0);
    place.run(&["sync", "pause"]).fine();
    let (_, checks) = doctor(&place);
    let paused = found(&checks, "delivery", "is paused");
    assert_eq!(
        (&paused["status"], &paused["hint"]),
        (&"fail".into(), &"dossierd sync resume".into())
    );

    let file = place.home().join("config/config.yaml");
    write(&file, "tcp_auth: none\n");
    wait_until("the change is told", || {
        let (_, checks) = doctor(&place);
        checks.iter().any(|check| check["name"] == "configuration" && check["status"] == "warn")
    });
    daemon.stop();
}

#[test]
fn what_a_killed_daemon_leaves() {
    let place = Place::with_feature();
    place.start_registered().kill();
    write(&place.home().join("state/.dossierd-tmp-x"), "");
    let (ran, checks) = doctor(&place);
    assert_eq!(ran.code, 2, "no daemon runs");
    assert_eq!(found(&checks, "stale socket", "has ended")["status"], "warn");
    assert_eq!(found(&checks, "stale files", "1 temporary file")["status"], "warn");
    write(&place.home().join("state/clock"), "nonsense");
    assert_eq!(found(&doctor(&place).1, "logical clock", "clock")["status"], "warn");
}

#[test]
fn somebody_who_listens_and_never_answers_is_given_up() {
    let place = Place::new();
    place.start().stop();
    let socket = place.home().join("run/dossierd.sock");
    let _silent = UnixListener::bind(&socket).expect("binds");
    set_mode(&socket, 0o600);
    let (ran, checks) = doctor(&place);
    assert_eq!(ran.code, 2);
    assert_eq!(found(&checks, "daemon", "")["status"], "fail");
}
