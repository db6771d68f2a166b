//! What is written to the log, and what is not.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use dossierd::daemon::Setup;
use dossierd::dossier::capture::CaptureRequest;
use serde_json::Value;

use crate::kit::{Bench, INDEXED, MISSING, SNAPSHOT, write};

pub(crate) const SLUG: &str = "001-a";

/// A bench with one feature that is complete at its step.
pub(crate) fn bench() -> Bench {
    let bench = Bench::new();
    bench.planned_feature(SLUG);
    bench.register(&bench.project());
    bench
}

/// What was written since there were so many events.
pub(crate) fn since(bench: &Bench, known: usize) -> Vec<Value> {
    bench.events(SLUG).split_off(known)
}

/// `indexed spec.md`, `missing plan.md not_found`, `snapshot incremental [plan.md]` …
pub(crate) fn told(events: &[Value]) -> Vec<String> {
    let local = |path: &str| path.trim_start_matches("kitty-specs/001-a/").to_owned();
    let tell = |event: &Value| {
        let payload = &event["payload"];
        let notes = &payload["context_diagnostics"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match event["event_type"].as_str().expect("a type") {
            INDEXED => {
                let path = local(&text(&payload["artifact_id"]["path"]));
                let old = match payload["supersedes"]["path"].as_str() {
                    Some(old) => format!(" was {}", local(old)),
                    None => String::new(),
                };
                format!("indexed {path}{old}")
            }
            MISSING => {
                format!("missing {} {}", text(&notes["artifact_key"]), text(&notes["reason_code"]))
            }
            SNAPSHOT => {
                let removed: Vec<String> =
                    serde_json::from_str(&text(&notes["removed_paths"])).expect("a JSON array");
                let removed: Vec<String> = removed.iter().map(|path| local(path)).collect();
                format!("snapshot {} [{}]", text(&notes["scan_kind"]), removed.join(" "))
            }
            other => other.to_owned(),
        }
    };
    events.iter().map(tell).collect()
}

/// Does something, and says what was written for it.
fn told_of(bench: &Bench, act: impl FnOnce(&std::path::Path)) -> Vec<String> {
    let known = bench.events(SLUG).len();
    act(&bench.project().join("kitty-specs").join(SLUG));
    told(&since(bench, known))
}

/// The same while the daemon is down: a scan that comes between the two halves of a rename
/// tells truly of both, but not of a rename.
fn told_of_while_down(bench: &mut Bench, act: impl FnOnce(&std::path::Path)) -> Vec<String> {
    let known = bench.events(SLUG).len();
    bench.stop();
    act(&bench.project().join("kitty-specs").join(SLUG));
    bench.start();
    told(&since(bench, known))
}

#[test]
fn the_first_scan_names_everything_by_path() {
    let bench = bench();
    let events = bench.events(SLUG);
    assert_eq!(
        told(&events),
        [
            "indexed meta.json",
            "indexed plan.md",
            "indexed spec.md",
            "indexed tasks.md",
            "snapshot full []"
        ]
    );
    let same = |key: &str| events.iter().all(|event| event[key] == events[0][key]);
    assert!(same("correlation_id") && same("build_id") && same("node_id") && same("project_uuid"));
}

#[test]
fn changes_are_written_as_what_they_are() {
    let mut bench = bench();
    let rename = |from: &'static str, to: &'static str| {
        move |dir: &std::path::Path| fs::rename(dir.join(from), dir.join(to)).expect("renamed")
    };
    let edited = told_of(&bench, |dir| write(&dir.join("spec.md"), "# Spec, edited\n"));
    assert_eq!(edited, ["indexed spec.md", "snapshot incremental []"]);
    let added = told_of(&bench, |dir| write(&dir.join("research/a.md"), "# A\n"));
    assert_eq!(added, ["indexed research/a.md", "snapshot incremental []"]);
    let renamed = told_of_while_down(&mut bench, rename("research/a.md", "research/b.md"));
    assert_eq!(renamed, ["indexed research/b.md was research/a.md", "snapshot incremental []"]);
    let moved = told_of_while_down(&mut bench, rename("research", "evidence"));
    assert_eq!(moved, ["indexed evidence/b.md was research/b.md", "snapshot incremental []"]);
    let copied = told_of(&bench, |dir| {
        fs::copy(dir.join("evidence/b.md"), dir.join("evidence/c.md")).expect("copied");
    });
    assert_eq!(copied, ["indexed evidence/c.md", "snapshot incremental []"], "a copy is no rename");
    let removed = told_of(&bench, |dir| fs::remove_file(dir.join("evidence/c.md")).expect("gone"));
    assert_eq!(removed, ["snapshot incremental [evidence/c.md]"]);
    let chained = told_of_while_down(&mut bench, |dir| {
        rename("evidence/b.md", "evidence/x.md")(dir);
        rename("evidence/x.md", "evidence/y.md")(dir);
        rename("evidence/y.md", "z.md")(dir);
    });
    assert_eq!(chained, ["indexed z.md was evidence/b.md", "snapshot incremental []"]);
    let parity = bench.view(SLUG).dossier.parity_hash;
    let swapped = told_of_while_down(&mut bench, |dir| {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let (spec, plan) = (dir.join("spec.md"), dir.join("plan.md"));
        renameat_with(CWD, spec, CWD, plan, RenameFlags::EXCHANGE).expect("swapped");
    });
    // The two halves may have been seen one after the other.
    let mut indexed: Vec<&str> =
        swapped.iter().filter_map(|l| l.strip_prefix("indexed ")).collect();
    indexed.sort_unstable();
    assert_eq!(indexed, ["plan.md", "spec.md"], "{swapped:?}");
    assert_eq!(bench.view(SLUG).dossier.parity_hash, parity, "a swap is no other content");
}

#[test]
fn what_is_missing_is_written_once_with_its_reason() {
    let bench = bench();
    let gone = told_of(&bench, |dir| fs::remove_file(dir.join("plan.md")).expect("removed"));
    assert_eq!(gone, ["missing output.plan.main not_found", "snapshot incremental [plan.md]"]);
    let other = told_of(&bench, |dir| write(&dir.join("notes.md"), "# Else\n"));
    assert_eq!(other, ["indexed notes.md", "snapshot incremental []"], "not again");
    let back = told_of(&bench, |dir| write(&dir.join("plan.md"), "# Plan\n"));
    assert_eq!(back, ["indexed plan.md", "snapshot incremental []"]);
    let broken = told_of(&bench, |dir| write(&dir.join("plan.md"), b"\xff\xfe"));
    assert_eq!(
        broken,
        ["missing output.plan.main invalid_format", "snapshot incremental [plan.md]"]
    );
    let outside = told_of(&bench, |dir| {
        // At once: in between it would be missing for another reason, and told so.
        symlink("/etc/hostname", dir.join(".new")).expect("linked");
        fs::rename(dir.join(".new"), dir.join("plan.md")).expect("replaced");
    });
    assert_eq!(outside, ["missing output.plan.main unreadable", "snapshot incremental []"]);
    let advanced = told_of(&bench, |dir| {
        let text = r#"{"mission_type": "software-dev", "current_step": "implement"}"#;
        write(&dir.join("meta.json"), text);
    });
    assert_eq!(
        advanced,
        [
            "indexed meta.json",
            "missing output.tasks.per_wp not_produced_yet",
            "snapshot incremental []"
        ]
    );
}

#[test]
fn a_file_without_permission_is_unreadable() {
    if rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: root may read everything");
        return;
    }
    let bench = bench();
    let mode = |mode| {
        move |path: std::path::PathBuf| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
        }
    };
    let taken = told_of(&bench, |dir| mode(0o000)(dir.join("plan.md")));
    assert_eq!(taken, ["missing output.plan.main unreadable", "snapshot incremental [plan.md]"]);
    let given = told_of(&bench, |dir| mode(0o644)(dir.join("plan.md")));
    assert_eq!(given, ["indexed plan.md", "snapshot incremental []"]);
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let mut bench = bench();
    let known = bench.events(SLUG).len();
    let spec = bench.project().join("kitty-specs/001-a/spec.md");
    let again = fs::read(&spec).expect("read");
    let nothing = |bench: &Bench, what: &str| {
        assert_eq!(bench.events(SLUG).len(), known, "{what}");
    };
    nothing(&bench, "rescans");
    fs::File::options()
        .append(true)
        .open(&spec)
        .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
        .expect("touched");
    nothing(&bench, "another time");
    fs::set_permissions(&spec, fs::Permissions::from_mode(0o600)).expect("set");
    nothing(&bench, "another mode");
    write(&spec, &again);
    nothing(&bench, "the same bytes");
    fs::remove_file(&spec).expect("removed");
    write(&spec, &again);
    fs::rename(&spec, spec.with_extension("x")).expect("renamed");
    fs::rename(spec.with_extension("x"), &spec).expect("renamed");
    bench.write("001-a/.hidden", "not an artifact");
    bench.fresh_all();
    for _ in 0..2 {
        bench.stop();
        bench.start();
    }
    let events = bench.events(SLUG);
    // Between removal and return a scan may have come, and is then told truly.
    if events.len() > known {
        let told = told(&events[known..]);
        assert!(told.iter().any(|line| line.contains("[spec.md]")), "{told:?}");
    }
}

#[test]
fn everything_is_written_again_when_asked() {
    let bench = bench();
    let known = bench.events(SLUG).len();
    let id = bench.view(SLUG).id.clone();
    bench.runtime.block_on(bench.handle().rescan(id, true)).expect("is scanned");
    let again = since(&bench, known);
    assert_eq!(again.len(), known);
    assert_eq!(told(&again).last().map(String::as_str), Some("snapshot full []"));
}

#[test]
fn segments_rotate_by_size_and_each_begins_with_everything() {
    let mut bench = Bench::stopped();
    bench.start_with(Setup { segment_bytes: 10_000, ..Setup::default() });
    bench.planned_feature(SLUG);
    bench.register(&bench.project());
    for number in 0..12 {
        bench.write("001-a/notes.md", format!("# Number {number}\n"));
        bench.events(SLUG);
    }
    let place = bench.view(SLUG).place.clone().expect("has a place");
    let mut firsts = Vec::new();
    let mut segment = None;
    for line in dossierd::store::LogReader::new(place) {
        let line = line.expect("is read");
        if segment.replace(line.at.segment) != Some(line.at.segment) {
            firsts.push(Vec::new());
        }
        let dossierd::store::LineBody::Whole(bytes) = line.body else { panic!("no line") };
        let event: Value = serde_json::from_slice(&bytes).expect("is JSON");
        firsts.last_mut().expect("begun").push(event);
    }
    assert!((3..10).contains(&firsts.len()), "{} segments", firsts.len());
    for events in &firsts {
        let told = told(events);
        let first = told.iter().find(|line| line.starts_with("snapshot"));
        assert_eq!(first.map(String::as_str), Some("snapshot full []"), "{told:?}");
    }
}

#[test]
fn a_first_scan_larger_than_a_segment_does_not_rotate_without_end() {
    let mut bench = Bench::stopped();
    bench.start_with(Setup { segment_bytes: 1_000, ..Setup::default() });
    bench.planned_feature(SLUG);
    bench.register(&bench.project());
    let dir = bench.project().join(".kittify/dossiers/001-a");
    let segments = || {
        let names = fs::read_dir(&dir).expect("is there").map(|e| e.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with("events")).count()
    };
    // A wanted rotation would come with the answer to one of these.
    for _ in 0..5 {
        bench.events(SLUG);
    }
    assert_eq!(segments(), 1, "nothing was appended to what the segment began with");
}

#[test]
fn another_context_begins_a_segment() {
    let mut bench = bench();
    bench.events(SLUG);
    let log = bench.project().join(".kittify/dossiers/001-a");
    let segments = || {
        let names = fs::read_dir(&log).expect("listed").flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with("events")).count()
    };
    assert_eq!(segments(), 1);
    let meta = r#"{"mission_type": "software-dev", "current_step": "plan", "target_branch": "b2"}"#;
    let told = told_of(&bench, |dir| write(&dir.join("meta.json"), meta));
    assert_eq!(told.last().map(String::as_str), Some("snapshot full []"));
    assert_eq!(told.len(), 5, "everything is named in the new context: {told:?}");
    assert_eq!(segments(), 2);
    let known = bench.events(SLUG).len();
    bench.stop();
    bench.start();
    assert_eq!(bench.events(SLUG).len(), known);
}

#[test]
fn ids_and_clock_grow_over_features_and_restarts() {
    let mut bench = bench();
    bench.planned_feature("002-b");
    bench.events("002-b");
    for round in 0..3 {
        bench.write("001-a/spec.md", format!("# Round {round}\n"));
        bench.write("002-b/spec.md", format!("# Other round {round}\n"));
        bench.events(SLUG);
        bench.events("002-b");
        bench.stop();
        bench.start();
    }
    let mut all = bench.events(SLUG);
    all.extend(bench.events("002-b"));
    let id = |event: &Value| event["event_id"].as_str().expect("an id").to_owned();
    let clock = |event: &Value| event["lamport_clock"].as_u64().expect("a clock");
    all.sort_by_key(id);
    for pair in all.windows(2) {
        assert!(id(&pair[0]) < id(&pair[1]) && clock(&pair[0]) < clock(&pair[1]), "{pair:?}");
    }
}

#[test]
fn no_line_names_the_machine_the_user_or_a_place() {
    let bench = bench();
    bench.write("001-a/plan.md", b"\xff");
    symlink("/etc/hostname", bench.project().join("kitty-specs/001-a/out.md")).expect("linked");
    bench.events(SLUG);
    let id = bench.view(SLUG).id.clone();
    bench
        .runtime
        .block_on(bench.handle().capture(id, CaptureRequest::default()))
        .expect("captures");
    bench.write("001-a/spec.md", "# Drifted\n");
    let text: String = bench.events(SLUG).iter().map(Value::to_string).collect();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    let place = bench.path().display().to_string();
    for secret in [host.as_str(), &home, &place, "\"/", "/etc", "/tmp"] {
        assert!(secret.len() < 2 || !text.contains(secret), "{secret:?} is in the log");
    }
}
