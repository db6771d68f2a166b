//! Names that try to escape: into the terminal, into another line, out of a pattern.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::kit::{DEADLINE, Place, lines_of, wait_until};
use crate::terminal::Terminal;

const SLUG: &str = "evil\nINJECTED\u{1b}[31m\u{202e}slug";

/// Names that a user's disk can hold and a terminal should not.
fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "line\nINJECTED breaks.md",
        "colour\u{1b}[31m\u{7}.md",
        "reversed\u{202e}dm.exe",
        "c1\u{9b}31m.md",
        "return\rINJECTED.md",
        "tab\there.md",
        "::error::INJECTED.md",
        "<script>alert(1)&\"'.md",
        "-rf",
        " space ",
        "per%0acent.md",
        "\u{65e5}\u{672c}\u{8a9e}.md",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"raw\xff\xfe\x1bbytes.md".to_vec());
    names.push(vec![b'n'; 255]);
    names
}

fn place() -> Place {
    let place = Place::new();
    place.kittify();
    place.planned(SLUG);
    for name in names() {
        let path = place.feature(SLUG).join(OsString::from_vec(name));
        fs::write(path, "text\n").expect("written");
    }
    place
}

/// No byte of this could move a cursor, switch a colour or begin a line that is not ours.
fn is_printable(what: &str, text: &str) {
    for (number, line) in text.lines().enumerate() {
        assert!(!line.starts_with("INJECTED"), "{what}, line {number}: {line:?}");
        assert!(
            !line.trim_start().starts_with("::error::INJECTED"),
            "{what}, line {number}: {line:?}"
        );
        for c in line.chars() {
            let bidi =
                ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c);
            assert!(!c.is_control() && !bidi, "{what}, line {number}: {c:?} in {line:?}");
        }
    }
}

#[test]
fn output_for_people_is_printable() {
    let place = place();
    let daemon = place.start_registered();
    let list = place.run(&["list", "--json"]).json();
    let id = list["features"][0]["id"].as_str().expect("an id").to_owned();
    place.run(&["baseline", "capture", &id]).fine();
    for name in names() {
        fs::remove_file(place.feature(SLUG).join(OsString::from_vec(name))).expect("removed");
    }
    fs::write(place.feature(SLUG).join("spec.md"), b"bad\xff").expect("written");
    for (code, args) in [
        (0, &["list"][..]),
        (0, &["status"]),
        (0, &["status", &id]),
        (0, &["artifacts", &id]),
        (0, &["artifacts", &id, "--ignored"]),
        (1, &["drift", &id]),
        (0, &["baseline", "show", &id]),
        (0, &["events", &id]),
        (0, &["step", "show", &id]),
        (
            0,
            &[
                "explain",
                "project/kitty-specs/evil\nINJECTED\u{1b}[31m\u{202e}slug/::error::INJECTED.md",
            ],
        ),
        (0, &["scan", "project"]),
        (1, &["check", "project"]),
        (1, &["check", "project", "--format", "github"]),
        (1, &["check", "project", "--format", "junit"]),
        (0, &["verify", "project"]),
        (0, &["doctor"]),
        (2, &["status", SLUG, "--socket", "no\nINJECTED\u{1b}[31m"]),
        (2, &["status", "un\nINJECTED\u{1b}known"]),
        (2, &["show", "no\nINJECTED\u{1b}key", &id]),
        (2, &["scan", "no\nINJECTED\u{1b}where"]),
        (64, &["step", "set"]),
        (64, &["scan", "--no\u{1b}[31m\u{202e}such"]),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(String::from_utf8(ran.bytes.clone()).is_ok(), "{args:?}: {ran:?}");
        is_printable(&format!("{args:?}, stdout"), &ran.out);
        is_printable(&format!("{args:?}, stderr"), &ran.err);
    }
    is_printable("the log", &daemon.stderr());
    // A document is exact where a program reads it, and harmless where a person does.
    assert!(place.run(&["export", &id]).fine().contains('\u{202e}'));
    let mut terminal = Terminal::start(place.command(&["export", &id]), 24, 80);
    assert_eq!(terminal.wait(), Some(0));
    let sent = String::from_utf8_lossy(terminal.sent()).replace("\r\n", "\n").replace('\0', "");
    assert!(sent.contains("INJECTED"), "{sent}");
    is_printable("an export on a terminal", &sent);
    daemon.stop();
}

#[test]
fn each_line_of_the_log_is_one_of_ours() {
    for more in [&[][..], &["--log-json"]] {
        let place = place();
        place.write("plan-me/a\n<3>x\u{1b}[31m.md", "text\n");
        place.write("plan-me/a\n<3>y\u{1b}[31m/b.md", "text\n");
        let args = ["run", "--listen", "127.0.0.1:0", "--json", "--log", "trace"];
        let daemon = place.start_with(&[&args[..], more].concat());
        place.run(&["add", "project"]).fine();
        fs::write(place.feature(SLUG).join("spec.md"), b"bad\xff").expect("written");
        place.run(&["list"]).fine();
        fs::remove_dir_all(place.feature(SLUG)).expect("removed");
        place.run(&["list"]).fine();
        let agent = "User-Agent: \u{1b}[31m\u{202e}INJECTED";
        daemon.unix("GET", "/INJECTED%0a%1b", &["Host: localhost", agent]);
        let log = daemon.stderr();
        daemon.stop();
        assert!(log.lines().count() > 20, "nothing was traced: {log}");
        for line in log.lines() {
            assert!(!line.contains('\u{1b}'), "it acts on a terminal: {line:?}");
            match more {
                [] => assert!(line.trim_start().starts_with("20"), "it has no time: {line:?}"),
                _ => drop(serde_json::from_str::<serde_json::Value>(line).expect(line)),
            }
        }
        if more.is_empty() {
            is_printable("the log", &log);
        }
    }
}

#[test]
fn json_keeps_names_exactly() {
    let place = place();
    let daemon = place.start_registered();
    let list = place.run(&["list", "--json"]).json();
    assert_eq!(list["features"][0]["slug"], SLUG);
    let id = list["features"][0]["id"].as_str().expect("an id");
    let document = place.run(&["artifacts", id, "--json"]).json();
    let rows = document["artifacts"].as_array().expect("a list");
    assert_eq!(rows.len(), 4 + names().len());
    let mut keys = Vec::new();
    for row in rows {
        let key = row["artifact_key"].as_str().expect("text");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(key.chars().all(allowed), "{key:?}");
        keys.push(key.to_owned());
        assert_eq!(row["is_present"], true, "{row}");
        let shown = place.run(&["show", key, id, "--raw"]);
        assert_eq!(shown.code, 0, "{shown:?}");
    }
    keys.dedup();
    assert_eq!(keys.len(), rows.len(), "a key twice");
    let paths: Vec<&str> =
        rows.iter().map(|row| row["relative_path"].as_str().expect("text")).collect();
    for name in names() {
        match String::from_utf8(name) {
            Ok(text) => assert!(paths.contains(&text.as_str()), "{text:?}"),
            Err(_) => assert!(paths.iter().any(|p| p.starts_with("raw%FF%FE")), "{paths:?}"),
        }
    }
    place.run(&["verify", "project"]).fine();
    daemon.stop();
}

#[test]
fn tail_prints_one_line_for_each_event() {
    let place = place();
    let daemon = place.start_registered();
    let first = place.log(SLUG)[0]["event_id"].as_str().expect("an id").to_owned();
    let list = place.run(&["list", "--json"]).json();
    let id = list["features"][0]["id"].as_str().expect("an id").to_owned();
    let mut command = place.command(&["tail", &id, "--since", &first]);
    let mut tail = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let lines = lines_of(tail.stdout.take().expect("piped"));
    let expected = place.log(SLUG).len() - 1;
    for number in 0..expected {
        let line = lines.recv_timeout(DEADLINE).expect("a line");
        is_printable(&format!("event {number}"), &line);
        assert!(line.contains("snapshot") || line.contains("indexed"), "{line:?}");
    }
    let pid = i32::try_from(tail.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a pid"), Signal::INT).expect("is there");
    wait_until("tail ends", || tail.try_wait().expect("can be waited for").is_some());
    assert_eq!(lines.iter().next(), None, "more lines than events");
    daemon.stop();
}

#[test]
fn a_directory_whose_name_is_no_text_is_registered_selected_and_removed() {
    let place = Place::new();
    let daemon = place.start();
    let dir = place.path().join(OsString::from_vec(b"lone-\xff".to_vec()));
    fs::create_dir(&dir).expect("made");
    fs::write(dir.join("spec.md"), "# Spec\n").expect("written");
    place.run_in(&dir, &["add", "."]).fine();
    let list = place.run(&["list", "--json"]).json();
    assert_eq!(list["features"][0]["slug"], "lone-%FF");
    assert!(list["roots"][0]["path"].is_array(), "bytes, since text would lose them: {list}");
    let status = place.run_in(&dir, &["status", ".", "--json"]).json();
    assert_eq!(status["artifact_counts"]["optional_present"], 1);
    place.run_in(&dir, &["remove", "."]).fine();
    assert_eq!(place.run(&["list", "--json"]).json()["features"], serde_json::json!([]));
    daemon.stop();
}

/// Logs come with checkouts: what stands in their place is not opened, and what has no end is
/// not read to it.
#[test]
fn a_log_that_is_no_file_or_no_log_keeps_nobody_waiting() {
    let place = Place::with_feature();
    let dir = place.dossier("plan-me");
    fs::create_dir_all(&dir).expect("made");
    let fifo = place.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("runs");
    assert!(made.success());
    std::os::unix::fs::symlink(&fifo, dir.join("events-000001.jsonl")).expect("linked");
    for named in [place.project(), fifo.clone(), "/dev/zero".into()] {
        let ran = place.run(&["verify", named.to_str().expect("is text")]);
        assert_eq!(ran.code, 2, "{named:?}: {ran:?}");
    }
    fs::remove_file(dir.join("events-000001.jsonl")).expect("removed");
    let log = File::create(dir.join("events.jsonl")).expect("made");
    log.set_len(64 << 30).expect("is sparse");
    let daemon = place.start();
    place.run(&["add", "project"]);
    let status = place.run(&["status", "plan-me"]).fine();
    assert!(status.contains("no event log"), "{status}");
    daemon.stop();
}
