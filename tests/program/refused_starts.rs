//! Starts that are refused: what was found, where, and what to do, with exit code 2.

use std::fs;
use std::os::unix::fs::symlink;

use crate::kit::{Place, is_root, set_mode, write};

const RUN: [&str; 3] = ["run", "--listen", "127.0.0.1:0"];

#[test]
fn homes_that_cannot_be_trusted() {
    let place = Place::new();
    fs::create_dir(place.home()).expect("made");
    set_mode(&place.home(), 0o777);
    place.run(&RUN).fails(2, &["others may write in", "chmod 700"]);
    set_mode(&place.home(), 0o700);

    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    for name in ["state", "run"] {
        let link = place.home().join(name);
        symlink(&elsewhere, &link).expect("linked");
        place.run(&RUN).fails(2, &["is a symbolic link", &link.display().to_string()]);
        fs::remove_file(&link).expect("removed");
        fs::write(&link, "").expect("written");
        place.run(&RUN).fails(2, &["is not a directory"]);
        fs::remove_file(&link).expect("removed");
        assert_eq!(fs::read_dir(&elsewhere).expect("lists").count(), 0, "written through a link");
        let _ = fs::remove_dir_all(place.home().join("state"));
    }

    if is_root("a home of another user") {
        std::os::unix::fs::chown(place.home(), Some(65534), None).expect("given away");
        place.run(&RUN).fails(2, &["belongs to uid 65534"]);
    }
}

#[test]
fn homes_that_cannot_be_made() {
    let place = Place::new();
    fs::write(place.home(), "a file").expect("written");
    place.run(&RUN).fails(2, &["home", "directories cannot be used"]);
    assert_eq!(fs::read(place.home()).expect("stays"), b"a file");

    let empty = place.command(&RUN).env("DOSSIERD_HOME", "").output().expect("runs");
    assert_eq!(empty.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("DOSSIERD_HOME is empty"));
}

#[test]
fn configurations_that_make_no_sense() {
    let place = Place::new();
    let file = place.home().join("config/config.yaml");
    let shown = file.display().to_string();
    for (text, words) in [
        ("log: info\nlissten: 1\n", &["line 2", "lissten", "listen, tcp_auth"][..]),
        ("log: info\ntcp_auth: maybe\n", &["line 2", "maybe"]),
        ("# a\n# b\nlisten: [\n", &["line "]),
        ("listen: 0.0.0.0:7717\n", &["not a loopback address", "tunnel"]),
    ] {
        write(&file, text);
        let refused = place.run(&["run"]);
        refused.fails(2, words);
        assert!(!text.contains("lissten") || refused.err.contains(&shown), "{}", refused.err);
        assert!(!refused.err.contains("error: line"), "{}", refused.err);
        assert_eq!(fs::read_to_string(&file).expect("stays"), text);
    }
    fs::remove_file(&file).expect("removed");
    place.run(&["run", "--config", "mine.yaml"]).fails(2, &["no configuration file mine.yaml"]);
    place.run(&["run", "--log", "[["]).fails(64, &["is no log filter"]);
    place.run(&["run", "--log", ""]).fails(64, &["is no log filter: it is empty"]);
    place.run(&["run", "--log", "debgu"]).fails(64, &["did you mean `debug`?"]);
    place.run(&["run", "--listen", "0.0.0.0:0"]).fails(64, &["only loopback"]);
}

#[test]
fn a_broken_registry_is_named_by_line_and_kept() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let file = place.home().join("state/registry.json");
    let good = fs::read_to_string(&file).expect("is there");
    let broken = good.replacen("\"roots\": [", "\"roots\": [ oops", 1);
    assert_ne!(good, broken, "the form of the file has changed");
    let line = 1 + good[..good.find("\"roots\"").expect("has roots")].matches('\n').count();
    fs::write(&file, &broken).expect("written");
    let refused = place.run(&RUN);
    refused.fails(2, &["registry.json", &format!("line {line}"), "correct it, or move it away"]);
    assert_eq!(fs::read_to_string(&file).expect("stays"), broken, "it was overwritten");

    fs::write(&file, &good).expect("written");
    let daemon = place.start();
    assert!(place.run(&["list"]).fine().contains("project"));
    daemon.stop();
}

#[test]
fn what_is_planted_where_the_socket_should_be_is_refused_and_left() {
    let place = Place::new();
    place.start().stop();
    let socket = place.home().join("run/dossierd.sock");
    fs::write(&socket, "planted").expect("written");
    place.run(&RUN).fails(2, &["exists and is no socket", "--socket PATH"]);
    assert_eq!(fs::read(&socket).expect("stays"), b"planted");
    fs::remove_file(&socket).expect("removed");

    let target = place.path().join("target");
    symlink(&target, &socket).expect("linked");
    place.run(&RUN).fails(2, &["is a symbolic link", "remove it"]);
    assert!(!target.exists(), "made through the link");
    fs::remove_file(&socket).expect("removed");

    fs::create_dir(&socket).expect("made");
    place.run(&RUN).fails(2, &["is a directory"]);
    fs::remove_dir(&socket).expect("removed");
    assert!(!place.home().join("state/token").exists(), "the token stays");

    let long = place.path().join("l".repeat(100));
    let refused = place.command(&RUN).env("DOSSIERD_HOME", &long).output().expect("runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("at most"));
}
