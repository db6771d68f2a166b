//! Commands that ask a running daemon, against what the API promises.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kit::{DEADLINE, Place, lines_of, wait_until};

/// Every command that reads, with the arguments it needs.
const READS: [&[&str]; 11] = [
    &["list"],
    &["status"],
    &["status", "plan-me"],
    &["artifacts", "plan-me"],
    &["show", "input.spec.main", "plan-me"],
    &["drift", "plan-me"],
    &["baseline", "show", "plan-me"],
    &["events", "plan-me"],
    &["step", "show", "plan-me"],
    &["sync", "status"],
    &["token"],
];

#[test]
fn without_a_daemon_every_command_says_how_to_start_one() {
    let place = Place::with_feature();
    let others: [&[&str]; 10] = [
        &["add", "project"],
        &["remove", "project"],
        &["baseline", "capture", "plan-me"],
        &["baseline", "clear", "plan-me"],
        &["step", "set", "plan", "plan-me"],
        &["reindex", "plan-me"],
        &["export", "plan-me"],
        &["tail", "plan-me"],
        &["sync", "pause"],
        &["open", "--print-url"],
    ];
    for args in READS.iter().chain(&others) {
        let hint = ["no daemon is running", "start it with `dossierd run`"];
        place.run(args).fails(2, &hint);
        let mut with_json = args.to_vec();
        if !["export", "open"].contains(&args[0]) {
            with_json.push("--json");
        }
        place.run(&with_json).fails(2, &hint);
    }
    let doctor = place.run(&["doctor", "--json"]);
    assert_eq!(doctor.code, 2, "{doctor:?}");
    assert!(doctor.json()["checks"].is_array());
}

#[test]
fn json_is_one_document_everywhere() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    for args in READS {
        let mut args = args.to_vec();
        args.push("--json");
        let ran = place.run(&args);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.json().is_object(), "{args:?}");
        assert!(ran.out.ends_with('\n') && ran.err.is_empty(), "{args:?}: {ran:?}");
    }
    for args in [
        &["add", "project", "--json"][..],
        &["baseline", "capture", "plan-me", "--json"],
        &["baseline", "clear", "plan-me", "--json"],
        &["step", "set", "plan", "plan-me", "--json"],
        &["step", "clear", "plan-me", "--json"],
        &["reindex", "plan-me", "--json"],
        &["scan", "project", "--json"],
        &["check", "project", "--json"],
        &["verify", "project", "--json"],
        &["doctor", "--json"],
        &["export", "plan-me"],
        &["remove", "project", "--json"],
    ] {
        assert!(place.run(args).json().is_object(), "{args:?}");
    }
    daemon.stop();
}

#[test]
fn a_status_in_full_is_the_overview() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let token = place.run(&["token"]).fine();
    let status = place.run(&["status", "plan-me", "--json"]).json();
    let mut overview = daemon.get("/api/dossier/overview?feature=plan-me", token.trim()).json();
    // Where it lies is told over the socket alone.
    assert!(overview.get("dir").is_none());
    overview["dir"] = status["dir"].clone();
    assert_eq!(status["dir"], json!(place.feature("plan-me")));
    assert_eq!(status, overview);
    for (member, value) in [
        ("feature_slug", json!("plan-me")),
        ("completeness_status", json!("complete")),
        ("current_step", json!("plan")),
        ("step_source", json!("meta")),
        ("parity_status", json!("no_baseline")),
        ("missing_required_count", json!(0)),
        ("baseline", Value::Null),
        ("schema_version", json!(1)),
    ] {
        assert_eq!(status[member], value, "{member}");
    }
    let counts = &status["artifact_counts"];
    assert_eq!((&counts["total"], &counts["required_present"]), (&json!(4), &json!(3)));
    daemon.stop();
}

#[test]
fn artifacts_are_filtered_as_asked() {
    let place = Place::with_feature();
    place.write("plan-me/tasks/WP01-a.md", "a\n");
    place.write("plan-me/tasks/WP02-b.md", "b\n");
    place.write("plan-me/left-over~", "x");
    fs::remove_file(place.feature("plan-me").join("tasks.md")).expect("removed");
    let daemon = place.start_registered();
    let paths = |args: &[&str]| -> Vec<String> {
        let all = [&["artifacts", "plan-me", "--json"], args].concat();
        let document = place.run(&all).json();
        let rows = document["artifacts"].as_array().expect("a list").clone();
        assert_eq!(document["filtered_count"], rows.len(), "{args:?}");
        rows.iter().map(|row| row["relative_path"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(paths(&[]).len(), 6);
    assert_eq!(paths(&["--wp", "wp02"]), ["tasks/WP02-b.md"]);
    assert_eq!(paths(&["--missing"]), ["tasks.md"]);
    assert_eq!(paths(&["--class", "input"]), ["spec.md"]);
    assert_eq!(paths(&["--step", "plan"]), ["plan.md", "tasks.md"]);
    assert_eq!(paths(&["--search", "SPEC"]), ["spec.md"]);
    assert_eq!(
        paths(&["--required", "--present", "--class", "output", "--step", "plan"]),
        ["plan.md"]
    );
    assert_eq!(paths(&["--search", "nothing of that name"]), [""; 0]);
    let ignored = place.run(&["artifacts", "plan-me", "--ignored", "--json"]).json();
    assert_eq!(ignored["ignored"][0]["path"], "left-over~");
    place.run(&["artifacts", "plan-me", "--class", "poem"]).fails(64, &["poem", "evidence"]);
    daemon.stop();
}

#[test]
fn a_text_is_shown_as_it_is_now() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let text = "# title\n\nwith a \u{1b}[31mcolour\u{1b}[0m and a ü\n";
    place.write("plan-me/spec.md", text);
    assert_eq!(place.run(&["show", "input.spec.main", "plan-me", "--raw"]).fine(), text);
    let json = place.run(&["show", "input.spec.main", "plan-me", "--json"]).json();
    assert_eq!(json["content"], text);
    assert_eq!(json["content_truncated"], false);
    place
        .run(&["show", "input.spec.min", "plan-me"])
        .fails(2, &["input.spec.min", "dossierd artifacts"]);
    fs::remove_file(place.feature("plan-me").join("spec.md")).expect("removed");
    place.run(&["show", "input.spec.main", "plan-me"]).fails(2, &["spec.md"]);
    daemon.stop();
}

#[test]
fn sha256sum_accepts_the_exported_manifest() {
    let place = Place::with_feature();
    place.write("plan-me/odd\nname\\.md", "odd\n");
    place.write("plan-me/tasks/WP01 ü.md", "umlaut\n");
    let daemon = place.start_registered();
    let manifest = place.path().join("sums");
    place.run(&["export", "plan-me", "--format", "sha256sums", "-o", "sums"]).fine();
    let check = |strict: bool| {
        let mut command = Command::new("sha256sum");
        command.arg("-c").args(strict.then_some("--strict")).arg(&manifest);
        command.current_dir(place.feature("plan-me")).output()
    };
    match check(true) {
        Ok(checked) => assert!(checked.status.success(), "{checked:?}"),
        Err(error) => eprintln!("SKIPPED, no sha256sum: {error}"),
    }
    let lines = fs::read_to_string(&manifest).expect("is there");
    assert_eq!(lines.lines().count(), 6);
    let to_stdout = place.run(&["export", "plan-me", "--format", "sha256sums"]).fine();
    assert_eq!(to_stdout, lines);

    let statement = place.run(&["export", "plan-me", "--format", "in-toto"]).json();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"].as_array().expect("a list").len(), 6);
    let snapshot = place.run(&["export", "plan-me"]).json();
    let scanned = place.run(&["scan", "project/kitty-specs/plan-me", "--json"]).json();
    let same = crate::kit::without_volatile;
    assert_eq!(same(snapshot), same(scanned));
    place.run(&["export", "plan-me", "-o", "no/where"]).fails(2, &["no/where"]);
    daemon.stop();
}

#[test]
fn a_baseline_from_capture_to_clear() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let drift = |code: i32, status: &str| -> Value {
        let ran = place.run(&["drift", "plan-me", "--json"]);
        assert_eq!((ran.code, &ran.json()["parity_status"]), (code, &json!(status)), "{ran:?}");
        ran.json()
    };
    drift(0, "no_baseline");
    let captured = place.run(&["baseline", "capture", "plan-me", "--note", "ok by me", "--json"]);
    assert_eq!(captured.json()["baseline"]["note"], "ok by me");
    drift(0, "in_sync");

    place.write("plan-me/spec.md", "# other spec\n");
    place.write("plan-me/new.md", "new\n");
    fs::rename(place.feature("plan-me").join("tasks.md"), place.feature("plan-me").join("t.md"))
        .expect("renamed");
    let drifted = drift(1, "drifted");
    assert_eq!(drifted["severity"], "error", "a required artifact is gone: {drifted}");
    assert_eq!(drifted["changed"], json!(["spec.md"]));
    assert_eq!(drifted["added"], json!(["new.md"]));
    assert_eq!(drifted["moved"], json!([{"from": "tasks.md", "to": "t.md"}]));
    let text = place.run(&["drift", "plan-me"]);
    assert_eq!(text.code, 1);
    assert!(text.out.contains("spec.md") && text.out.contains("baseline capture"), "{}", text.out);

    place.run(&["baseline", "capture", "plan-me", "--path", "spec.md", "--path", "new.md"]).fine();
    let left = drift(1, "moved");
    assert_eq!((&left["changed"], &left["added"]), (&json!([]), &json!([])));
    place
        .run(&["baseline", "capture", "plan-me", "--path", "nothing.md"])
        .fails(2, &["nothing.md"]);
    let shown = place.run(&["baseline", "show", "plan-me", "--json"]).json();
    assert!(shown["baseline"]["artifacts"].is_array());
    assert!(place.run(&["baseline", "clear", "plan-me"]).fine().contains("cleared"));
    assert!(place.run(&["baseline", "clear", "plan-me"]).fine().contains("no baseline"));
    drift(0, "no_baseline");
    daemon.stop();
}

#[test]
fn steps_are_set_and_forgotten_and_survive_a_restart() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let step = || {
        let shown = place.run(&["step", "show", "plan-me", "--json"]).json();
        (shown["current_step"].clone(), shown["step_source"].clone())
    };
    assert_eq!(step(), (json!("plan"), json!("meta")));
    place.run(&["step", "set", "implement", "plan-me"]).fine();
    assert_eq!(step(), (json!("implement"), json!("explicit")));
    let status = place.run(&["status", "plan-me", "--json"]).json();
    assert_eq!(status["completeness_status"], "incomplete", "work packages are missing now");
    place.run(&["step", "set", "gardening", "plan-me"]).fails(2, &["gardening", "implement"]);
    daemon.stop();
    let daemon = place.start();
    assert_eq!(step(), (json!("implement"), json!("explicit")));
    place.run(&["step", "clear", "plan-me"]).fine();
    assert_eq!(step(), (json!("plan"), json!("meta")));
    daemon.stop();
}

#[test]
fn events_by_type_by_place_and_all_again() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let events = |args: &[&str]| -> Vec<Value> {
        let ran = place.run(&[&["events", "plan-me", "--json"], args].concat());
        ran.json()["events"].as_array().expect("a list").clone()
    };
    let all = events(&[]);
    assert_eq!(all, place.log("plan-me"));
    assert_eq!(events(&["--type", "snapshot"]).len(), 1);
    let second = all[1]["event_id"].as_str().expect("an id");
    assert_eq!(events(&["--since", second]), all[2..]);
    assert_eq!(events(&["--limit", "2"]), all[..2]);
    let more = place.run(&["events", "plan-me", "--limit", "2"]);
    assert!(more.err.contains(second), "where to go on: {}", more.err);
    place.run(&["events", "plan-me", "--since", "x"]).fails(2, &["since", "ULID"]);
    let unknown = place.run(&["events", "plan-me", "--since", "01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    unknown.fails(2, &["01ARZ3NDEKTSV4RRFFQ69G5FAV", "leave --since out"]);

    place.run(&["reindex", "plan-me", "--scan-only"]).fine();
    let after = events(&[]);
    let indexed = |events: &[Value]| {
        events.iter().filter(|e| e["event_type"] == "MissionDossierArtifactIndexed").count()
    };
    assert_eq!(indexed(&after), indexed(&all), "nothing changed");
    place.run(&["reindex", "plan-me"]).fine();
    assert_eq!(indexed(&events(&[])), 2 * indexed(&all));
    place.run(&["verify", "project"]).fine();
    daemon.stop();
}

#[test]
fn tail_goes_on_over_a_restart_without_gap_or_double() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let begin = place.log("plan-me").last().expect("has events")["event_id"].clone();
    let since = begin.as_str().expect("an id");
    let mut command = place.command(&["tail", "plan-me", "--json", "--since", since]);
    let mut tail = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let lines = lines_of(tail.stdout.take().expect("piped"));
    let notes = lines_of(tail.stderr.take().expect("piped"));
    let is_snapshot = |event: &Value| event["event_type"] == "MissionDossierSnapshotComputed";
    let edit = |text: &str| place.write("plan-me/plan.md", text);
    let to_snapshot = || -> Vec<Value> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(is_snapshot) {
            let line = lines.recv_timeout(DEADLINE).expect("a line");
            seen.push(serde_json::from_str(&line).expect("is JSON"));
        }
        seen
    };
    edit("first\n");
    let mut seen = to_snapshot();
    daemon.kill();
    let lost = notes.recv_timeout(DEADLINE).expect("a note");
    assert!(lost.contains("waiting for the daemon to come back"), "{lost}");
    edit("second, while it is down\n");
    let daemon = place.start();
    seen.extend(to_snapshot());
    edit("third\n");
    seen.extend(to_snapshot());
    wait_until("tail ends", || {
        let pid = i32::try_from(tail.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(pid.expect("a pid"), Signal::INT);
        tail.try_wait().expect("can be waited for").is_some()
    });
    seen.extend(lines.iter().map(|line| serde_json::from_str(&line).expect("is JSON")));
    let log = place.log("plan-me");
    let at = log.iter().position(|event| event["event_id"] == begin).expect("is in the log");
    assert_eq!(seen[..], log[at + 1..at + 1 + seen.len()], "a gap or a double");
    daemon.stop();
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_command_quietly() {
    let place = Place::with_feature();
    (0..400).for_each(|n| place.write(&format!("plan-me/notes/a-long-enough-name-{n}.md"), "x"));
    let daemon = place.start_registered();
    let since = place.log("plan-me")[0]["event_id"].as_str().expect("an id").to_owned();
    for args in [
        &["artifacts", "plan-me"][..],
        &["artifacts", "plan-me", "--json"],
        &["events", "plan-me"],
        &["events", "plan-me", "--json"],
        &["export", "plan-me"],
        &["scan", "project", "--json"],
        &["man"],
        &["completions", "bash"],
        &["tail", "plan-me", "--since", &since],
        &["tail", "plan-me", "--json", "--since", &since],
    ] {
        let mut command = place.command(args);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut first = [0; 1];
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut first).expect("has output");
        drop(stdout);
        let mut error = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut error).expect("reads");
        let status = child.wait().expect("ends");
        assert_eq!((status.code(), error.as_str()), (Some(0), ""), "{args:?}");
    }
    daemon.stop();
}

#[test]
fn the_printed_address_logs_in_once() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let url = place.run(&["open", "--print-url"]).fine();
    let (page, code) = url.trim().split_once("/#code=").expect("has a code");
    assert_eq!(page, daemon.ready["http"]);
    let login = || {
        let body = json!({ "code": code }).to_string();
        let host = format!("Host: {}", daemon.address());
        daemon.tcp_raw("POST", "/api/session", &[&host, "Content-Type: application/json"], &body)
    };
    let session = login();
    assert_eq!(session.status, 200, "{session:?}");
    let token = session.json()["token"].as_str().expect("a token").to_owned();
    assert_ne!(token, place.run(&["token"]).fine().trim(), "not the daemon's own");
    assert_eq!(daemon.get("/api/features", &token).status, 200);
    let again = login();
    assert_eq!((again.status, again.json()["code"].as_str()), (401, Some("code-invalid")));
    let old = place.run(&["token"]).fine().trim().to_owned();
    daemon.kill();
    let daemon = place.start();
    assert_eq!(daemon.get("/api/features", &token).status, 200, "the page is still logged in");
    assert_eq!(daemon.get("/api/features", &old).status, 401, "the token is another one");
    daemon.stop();
}

#[test]
fn errors_go_to_stderr_also_when_it_is_a_full_device() {
    let place = Place::with_feature();
    let daemon = place.start_registered();
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return eprintln!("SKIPPED, no /dev/full");
    };
    let mut command = place.command(&["export", "plan-me"]);
    let ran = command.stdout(Stdio::from(full)).output().expect("runs");
    let error = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(2), "{error}");
    assert!(error.contains("stdout"), "{error}");
    let _ = std::io::stdout().flush();
    daemon.stop();
}
