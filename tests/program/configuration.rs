//! The configuration through the binary: checked, shown, and loaded again on SIGHUP.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::backend::Backend;
use crate::delivery::{configure, counts, drain, edit, logged, secret};
use crate::kit::{Place, Running, lines_of, set_mode, wait_until, write};
use crate::terminal::Terminal;

fn file(place: &Place) -> PathBuf {
    place.home().join("config/config.yaml")
}

/// Writes the configuration, readable by all and writable by its owner.
fn configured(place: &Place, text: &str) {
    write(&file(place), text);
    set_mode(&file(place), 0o644);
    for dir in [place.home(), place.home().join("config")] {
        set_mode(&dir, 0o700);
    }
}

fn warnings(daemon: &Running) -> Vec<String> {
    let status = daemon.unix("GET", "/api/status", &["Host: dossierd"]).json();
    let warnings = status["warnings"].as_array().expect("a list").iter();
    warnings.map(|warning| warning.as_str().expect("text").to_owned()).collect()
}

/// Changes the configuration and asks the daemon to load it.
pub(crate) fn reload(place: &Place, daemon: &Running, text: &str) {
    let reloads = |daemon: &Running| daemon.stderr().matches("configuration").count();
    let before = reloads(daemon);
    configured(place, text);
    daemon.signal(Signal::HUP);
    wait_until("it was reloaded, or refused", || reloads(daemon) > before);
}

#[test]
fn check_lists_all_that_is_wrong_with_its_lines() {
    let place = Place::new();
    let fine = place.run(&["config", "check"]);
    assert!(fine.fine().contains("does not exist: the defaults are in force"));
    configured(&place, "log: info\n");
    assert!(place.run(&["config", "check"]).fine().contains("can be used"));

    let text = "lissten: 1\nlimits: {streams: 17}\nallowed_hosts: []\n";
    configured(&place, text);
    let checked = place.run(&["config", "check"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    let shown = file(&place).display().to_string();
    for words in [
        format!("{shown}:1: unknown key `lissten`; did you mean `listen`?"),
        format!("{shown}:2: limits.streams: 17 is no limit"),
        "2 problems".to_owned(),
    ] {
        assert!(checked.out.contains(&words), "no {words:?} in {}", checked.out);
    }
    let json = place.run(&["config", "check", "--json"]).json();
    assert_eq!((&json["schema_version"], &json["file_exists"]), (&1.into(), &true.into()));
    assert_eq!(json["problems"][1]["line"], 2);

    place.run(&["config", "check", "mine.yaml"]).fails(2, &["no configuration file mine.yaml"]);
    let named = place.path().join("mine.yaml");
    fs::write(&named, "zz: 1\n").expect("written");
    set_mode(&named, 0o644);
    assert_eq!(place.run(&["config", "check", "mine.yaml"]).code, 2);
}

#[test]
fn check_looks_at_what_the_file_refers_to() {
    let place = Place::new();
    configured(
        &place,
        "allowed_hosts: ['*.test']\nsync:\n  webhook:\n    url: https://a.test\n    \
         token_file: token\n    ca_file: ca.pem\n    signing_secret_file: signing\n",
    );
    secret(&place, "signing", "whsec_!\n");
    secret(&place, "token", "s3cret\n");
    set_mode(&place.home().join("config/token"), 0o644);
    let checked = place.run(&["config", "check"]);
    assert_eq!(checked.code, 2);
    for words in [
        "yaml:1: allowed_hosts",
        "yaml:5: sync.webhook.token_file",
        "chmod 600",
        "ca.pem",
        "yaml:7:",
    ] {
        assert!(checked.out.contains(words), "no {words:?} in {}", checked.out);
    }
    assert!(!checked.out.contains("s3cret") && !checked.out.contains("whsec_!"));
}

#[test]
fn show_says_where_each_value_comes_from_and_run_has_the_same() {
    let place = Place::new();
    let text =
        "log: debug\nallowed_hosts: [a.test]\nsync:\n  webhook: {url: 'https://a.test/s3cret'}\n";
    configured(&place, text);
    let show =
        ["config", "show", "--origin", "--listen", "127.0.0.1:0", "--allowed-host", "b.test"];
    let shown = place.command(&show).env("DOSSIERD_LOG", "trace").output().expect("runs");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let row = |key: &str| {
        let row = shown.lines().find(|line| line.starts_with(key));
        row.unwrap_or_else(|| panic!("no {key} in {shown}")).split_whitespace().collect::<Vec<_>>()
    };
    let at = |line: u32| format!("{}:{line}", file(&place).display());
    assert_eq!(row("listen"), ["listen", "127.0.0.1:0", "--listen"]);
    assert_eq!(row("log"), ["log", "trace", "DOSSIERD_LOG"]);
    assert_eq!(row("tcp_auth"), ["tcp_auth", "token", "default"]);
    assert_eq!(
        row("allowed_hosts"),
        ["allowed_hosts", r#"["a.test","b.test"]"#, &at(2), "and", "--allowed-host"]
    );
    assert_eq!(row("sync.webhook.url"), ["sync.webhook.url", "https://a.test/…", &at(4)]);
    assert!(!shown.contains("s3cret") && !shown.contains("sync.nats"), "{shown}");

    let json = place.run(&["config", "show", "--json"]).json();
    let values = json["values"].as_array().expect("a list");
    let log = values.iter().find(|value| value["key"] == "log").expect("is there");
    assert_eq!((&log["value"], &log["origins"][0]["line"]), (&"debug".into(), &1.into()));
    assert_eq!(log["applies_at"], "reload");

    for (variable, value) in [("DOSSIERD_LISTEN", "here"), ("DOSSIERD_SOCKET", "")] {
        let ran = place.command(&["config", "show"]).env(variable, value).output().expect("runs");
        assert_eq!(ran.status.code(), Some(64), "{ran:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains(variable), "{ran:?}");
    }
}

#[test]
fn the_environment_names_socket_file_and_address() {
    let place = Place::new();
    let socket = place.path().join("s");
    let own = place.path().join("own.yaml");
    fs::write(&own, "tcp_auth: none\n").expect("written");
    set_mode(&own, 0o644);
    let mut command = place.command(&["run", "--json"]);
    command.env("DOSSIERD_SOCKET", &socket).env("DOSSIERD_CONFIG", &own);
    command.env("DOSSIERD_LISTEN", "127.0.0.1:0");
    let daemon = place.launch(command);
    assert_eq!(daemon.socket(), socket);
    let list = place.command(&["list"]).env("DOSSIERD_SOCKET", &socket).output().expect("runs");
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert_eq!(daemon.tcp("GET", "/api/status", &[]).status, 200, "no token is asked for");
    daemon.stop();
}

#[test]
fn a_file_that_others_can_change_is_refused_with_what_mends_it() {
    let place = Place::new();
    configured(&place, "log: info\n");
    set_mode(&file(&place), 0o664);
    let mends = format!("chmod go-w {}", file(&place).display());
    for command in
        [&["run", "--listen", "127.0.0.1:0"][..], &["config", "check"], &["config", "show"]]
    {
        place.run(command).fails(2, &["can be changed by others (mode 664)", &mends]);
    }
    let real = place.path().join("real.yaml");
    fs::rename(file(&place), &real).expect("moved");
    std::os::unix::fs::symlink(&real, file(&place)).expect("linked");
    place.run(&["run"]).fails(2, &["is a symbolic link", "--config FILE"]);
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest_while_streams_stay_open() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let mut tail = place.command(&["tail", "--all", "--json"]);
    let mut tail = tail.stdout(std::process::Stdio::piped()).spawn().expect("starts");
    let lines = lines_of(tail.stdout.take().expect("is piped"));
    wait_until("it is followed", || {
        daemon.unix("GET", "/api/status", &["Host: dossierd"]).json()["followers"] == 1
    });
    let with_host = |host: &str| {
        let host = format!("Host: {host}");
        daemon.tcp_raw("GET", "/api/status", &[&host], "").status
    };
    let port = daemon.address().rsplit(':').next().expect("a port").to_owned();
    assert_eq!(daemon.tcp("GET", "/api/status", &[]).status, 401);

    // A flag says where to listen, so what the file says of it changes nothing.
    let text = "tcp_auth: none\nallowed_hosts: [box.test]\nlog: debug\nlisten: 127.0.0.1:1\n\
                watch: {backend: notify}\n\
                limits: {uri_bytes: 100, roots: 7, streams: 1, text_bytes: 5}\n";
    reload(&place, &daemon, text);
    assert_eq!(daemon.tcp("GET", "/api/status", &[]).status, 200);
    assert_eq!(with_host(&format!("box.test:{port}")), 200);
    let long = format!("/api/status?{}", "x".repeat(100));
    assert_eq!(daemon.tcp("GET", &long, &[]).status, 414);
    wait_until("debug is logged", || daemon.stderr().contains("DEBUG"));
    let status = daemon.unix("GET", "/api/status", &["Host: dossierd"]).json();
    assert_eq!(status["tcp_auth"], "none");
    let shown = place.run(&["show", "input.spec.main", "plan-me", "--json"]);
    assert_eq!(shown.json()["content_truncated"], true, "{shown:?}");
    wait_until("it says what waits", || {
        warnings(&daemon) == ["takes effect at the next start: watch.backend, limits.roots"]
    });
    assert!(daemon.stderr().contains("takes effect at the next start"));
    let hint = hint_of_doctor(&place, "takes effect at the next start");
    assert!(hint.contains("restart the daemon") && !hint.contains("HUP"), "{hint}");

    place.write("plan-me/plan.md", "# another\n");
    let line = lines.recv_timeout(crate::kit::DEADLINE).expect("the stream is still there");
    assert!(line.contains("event_id"), "{line}");

    reload(&place, &daemon, "log: info\n");
    assert_eq!(daemon.tcp("GET", "/api/status", &[]).status, 401);
    assert_eq!(with_host(&format!("box.test:{port}")), 403);
    wait_until("nothing waits", || warnings(&daemon).is_empty());
    daemon.stop();
    let _ = tail.kill();
    let _ = tail.wait();
}

/// What doctor has somebody do about this warning of the daemon.
fn hint_of_doctor(place: &Place, words: &str) -> String {
    let json = place.run(&["doctor", "--json"]).json();
    let mut checks = json["checks"].as_array().expect("a list").iter();
    let of_daemon = |check: &&Value| {
        check["name"] == "configuration"
            && check["message"].as_str().is_some_and(|text| text.contains(words))
    };
    let check = checks.find(of_daemon).unwrap_or_else(|| panic!("no {words:?} in {json}"));
    check["hint"].as_str().expect("a hint").to_owned()
}

#[test]
fn a_file_that_is_not_there_is_no_matter_of_a_flag() {
    let place = Place::new();
    let checked = place.run(&["config", "check", "nope.yaml"]);
    checked.fails(2, &["nope.yaml", "name one that exists"]);
    assert!(!checked.err.contains("--config"), "{checked:?}");
}

#[test]
fn a_broken_file_is_refused_with_its_line_and_the_old_one_stays_in_force() {
    let place = Place::new();
    configured(&place, "tcp_auth: none\n");
    let daemon = place.start();
    let is_open = || daemon.tcp("GET", "/api/status", &[]).status == 200;
    assert!(is_open());

    reload(&place, &daemon, "tcp_auth: token\nlimits: {streams: 17}\n");
    let log = daemon.stderr();
    assert!(log.contains("ERROR") && log.contains("line 2: limits.streams"), "{log}");
    assert!(is_open(), "nothing of it is applied");
    wait_until("it is told", || {
        let warnings = warnings(&daemon);
        warnings.iter().any(|w| w.contains("line 2") && w.contains("stays in force"))
    });
    let hint = hint_of_doctor(&place, "stays in force");
    let file = place.home().join("config/config.yaml");
    assert!(hint.starts_with(&format!("dossierd config check {}, then", file.display())), "{hint}");
    // What cannot be used although it can be read is refused as well.
    reload(
        &place,
        &daemon,
        "tcp_auth: token\nsync: {webhook: {url: 'https://a.test', ca_file: no}}\n",
    );
    wait_until("it is told", || warnings(&daemon).iter().any(|w| w.contains("ca_file")));
    assert!(is_open(), "nothing of it is applied");

    // A change is told of, and waits until somebody asks for it.
    configured(&place, "tcp_auth: token\n");
    wait_until("it is told", || {
        warnings(&daemon).iter().any(|w| w.contains("has changed since") && w.contains("kill -HUP"))
    });
    let told = place.run(&["config", "show"]);
    assert!(told.err.contains("the daemon that runs says"), "{told:?}");
    assert!(is_open());
    reload(&place, &daemon, "tcp_auth: token\n");
    assert!(!is_open());
    wait_until("all is well", || warnings(&daemon).is_empty());
    daemon.stop();
}

#[test]
fn sinks_begin_anew_and_each_event_is_still_counted_once() {
    let (first, second) = (Backend::start(), Backend::start());
    let place = Place::with_feature();
    let daemon = place.start_registered();
    assert!(place.run(&["sync", "status"]).fine().contains("not configured"));
    let to = |port: u16| {
        configure(&place, &format!("http://127.0.0.1:{port}"), "    batch_size: 2\n");
        fs::read_to_string(file(&place)).expect("is there")
    };
    reload(&place, &daemon, &to(first.port));
    drain(&place);
    let delivered = logged(&place).len() as u64;
    assert_eq!(counts(&place), [0, delivered, 0, 0]);

    reload(&place, &daemon, &to(second.port));
    assert_eq!(counts(&place), [0, delivered, 0, 0], "the counts go on");
    edit(&place, "# once more\n");
    drain(&place);
    assert_eq!(counts(&place), [0, logged(&place).len() as u64, 0, 0]);
    assert!(!second.taken().is_empty(), "the other back end gets what comes now");

    reload(&place, &daemon, "log: info\n");
    assert!(place.run(&["sync", "status"]).fine().contains("not configured"));
    daemon.stop();
}

#[test]
fn signals_come_at_any_time() {
    let place = Place::with_feature();
    // While it starts: nothing of it can be seen yet, so it begins with a signal of its own.
    let mut daemon = place.start_through(
        &["env"],
        r#"home=$DOSSIERD_HOME; (while ! [ -e "$home/run/lock" ]; do :; done; kill -HUP $$) & exec "$@""#,
    );
    for _ in 0..20 {
        daemon.signal(Signal::HUP);
    }
    wait_until("it has reloaded", || daemon.stderr().contains("has been reloaded"));
    assert_eq!(daemon.tcp("GET", "/healthz", &[]).status, 200);
    daemon.signal(Signal::TERM);
    // It may have gone already.
    let pid = rustix::process::Pid::from_child(&daemon.child);
    while daemon.child.try_wait().expect("can be asked").is_none() {
        let _ = rustix::process::kill_process(pid, Signal::HUP);
        std::thread::park_timeout(Duration::from_micros(100));
    }
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.stderr());
}

#[test]
fn a_terminal_that_is_closed_ends_the_daemon_in_it_and_a_signal_alone_does_not() {
    let place = Place::new();
    let command = place.command(&["run", "--listen", "127.0.0.1:0"]);
    let mut terminal = Terminal::start(command, 24, 200);
    terminal.wait_for_text("ready: ");
    terminal.signal(Signal::HUP);
    terminal.wait_for_text("has been reloaded");
    assert_eq!(terminal.hang_up(), Some(0));
    assert!(!place.home().join("run/dossierd.sock").exists(), "a clean end");
}

#[test]
fn watch_reloads_as_run_does() {
    let place = Place::with_feature();
    let daemon = place.start_with(&["watch", "project", "--listen", "127.0.0.1:0", "--json"]);
    reload(&place, &daemon, "tcp_auth: none\n");
    assert_eq!(daemon.tcp("GET", "/api/status", &[]).status, 200);
    place.write("plan-me/spec.md", "# watched on\n");
    wait_until("it prints on", || daemon.has_line());
    daemon.stop();
}

#[test]
fn a_stream_over_tcp_ends_with_the_right_to_ask_for_it() {
    let place = Place::with_feature();
    configured(&place, "tcp_auth: none\n");
    let daemon = place.start_registered();
    let mut stream = TcpStream::connect(daemon.address()).expect("listens");
    let host = daemon.address();
    let request = format!(
        "GET /api/dossier/events?follow=true HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let followers = || {
        daemon.unix("GET", "/api/status", &["Host: dossierd"]).json()["followers"]
            .as_u64()
            .expect("a number")
    };
    wait_until("it is followed", || followers() == 1);
    reload(&place, &daemon, "tcp_auth: token\n");
    wait_until("nobody follows any more", || followers() == 0);
    stream.set_read_timeout(Some(crate::kit::DEADLINE)).expect("is set");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it is over");
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    daemon.stop();
}

#[test]
fn delivery_that_cannot_go_on_ends_the_daemon_with_an_error() {
    let place = Place::with_feature();
    configure(&place, "http://127.0.0.1:9", "");
    let mut daemon = place.start_registered();
    let own = place.home().join("state/delivery/webhook");
    fs::rename(&own, place.path().join("away")).expect("moved");
    fs::write(&own, "not a directory").expect("written");
    configure(&place, "http://127.0.0.1:10", "");
    daemon.signal(Signal::HUP);
    assert_eq!(daemon.wait(), Some(2), "{}", daemon.stderr());
    assert!(daemon.stderr().contains("delivery has ended by itself"), "{}", daemon.stderr());
}

#[test]
fn show_has_a_stable_form() {
    let place = Place::new();
    let json = place.run(&["config", "show", "--json"]).json();
    let names =
        |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&json),
        ["daemon_warnings", "file", "file_exists", "schema_version", "socket", "values"]
    );
    assert_eq!(names(&json["values"][0]), ["applies_at", "key", "origins", "value"]);
    assert_eq!(json["values"][0]["origins"][0]["kind"], "default");
}
