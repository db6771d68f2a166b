//! Delivery where files, logs or the other side are not as they should be: nothing is lost,
//! and nobody waits for what cannot be had.

use std::fs;
use std::io::Write as _;

use serde_json::Value;

use crate::backend::{Backend, Reply};
use crate::delivery::{
    configure, counts, delivering, drain, edit, logged, secret, settled, status,
};
use crate::kit::{Place, wait_until};

/// Files of the sink.
fn sink_dir(place: &Place) -> std::path::PathBuf {
    place.home().join("state/delivery/webhook")
}

/// The cursors, by name.
fn cursors(place: &Place) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(sink_dir(place)).expect("lists");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    found.retain(|path| !path.ends_with("pause.json"));
    found.sort();
    found
}

/// The ids in the log of a feature.
fn ids(place: &Place, slug: &str) -> Vec<String> {
    let log = place.log(slug);
    log.iter().map(|event| event["event_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn a_damaged_cursor_holds_up_its_own_log_and_is_told() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    place.planned("plan-too");
    let daemon = settled(&place);
    daemon.stop();
    let damaged = cursors(&place).into_iter().next().expect("has cursors");
    let whole = fs::read(&damaged).expect("reads");
    fs::write(&damaged, "{broken").expect("written");
    let daemon = place.start();
    for slug in ["plan-me", "plan-too"] {
        let before = ids(&place, slug).len();
        place.write(&format!("{slug}/plan.md"), "# other\n");
        place.run(&["status", slug]).fine();
        wait_until("it is logged", || ids(&place, slug).len() > before);
    }
    wait_until("the other log is delivered", || {
        place.run(&["sync", "flush"]);
        let taken = backend.taken();
        ["plan-me", "plan-too"]
            .iter()
            .any(|slug| ids(&place, slug).iter().all(|id| taken.contains(id)))
    });
    wait_until("the damaged cursor is told", || {
        status(&place)["fault"].as_str().is_some_and(|fault| fault.contains("cursor"))
    });
    assert_ne!(status(&place)["state"], "idle", "what cannot be read may be pending");
    fs::write(&damaged, whole).expect("written");
    wait_until("everything is delivered", || {
        place.run(&["sync", "flush"]);
        let taken = backend.taken();
        ["plan-me", "plan-too"]
            .iter()
            .all(|slug| ids(&place, slug).iter().all(|id| taken.contains(id)))
    });
    assert!(status(&place)["fault"].is_null());
    daemon.stop();
}

#[test]
fn foreign_lines_are_passed_over() {
    let backend = Backend::start();
    let place = delivering(&backend, "    batch_size: 1\n");
    let daemon = settled(&place);
    daemon.stop();
    let path = place.dossier("plan-me").join("events.jsonl");
    let first =
        fs::read_to_string(&path).expect("reads").lines().next().expect("a line").to_owned();
    let event: Value = serde_json::from_str(&first).expect("JSON");
    let id = event["event_id"].as_str().expect("an id");
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opens");
    file.write_all(first.replace(id, "not an id").as_bytes()).expect("appends");
    file.write_all(b"\n").expect("appends");
    // Valid in all but the encoding of a text.
    let at = first.find("timestamp").expect("is there") + "timestamp\":\"".len();
    let mut spoiled = first.into_bytes();
    spoiled[at] = 0xff;
    file.write_all(&spoiled).expect("appends");
    file.write_all(b"\n{\"torn\n").expect("appends");
    drop(file);
    let daemon_again = place.start();
    edit(&place, "# other\n");
    drain(&place);
    let text = fs::read(&path).expect("reads");
    let events = text.split(|b| *b == b'\n').filter_map(|line| {
        let event: Value = serde_json::from_slice(line).ok()?;
        let id = event["event_id"].as_str()?.to_owned();
        (id != "not an id").then_some(id)
    });
    let mut expected: Vec<String> = events.collect();
    expected.dedup();
    let taken = backend.taken();
    assert!(expected.iter().all(|id| taken.contains(id)), "{expected:?} {taken:?}");
    assert_eq!(status(&place)["state"], "idle");
    daemon_again.stop();
}

#[test]
fn what_was_pending_and_is_gone_is_no_longer_counted() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    place.run(&["sync", "pause"]).fine();
    edit(&place, "# other\n");
    wait_until("the edit is pending", || counts(&place)[0] > 0);
    let path = place.dossier("plan-me").join("events.jsonl");
    let text = fs::read_to_string(&path).expect("reads");
    let last = text.trim_end().rfind('\n').expect("has lines") + 1;
    let mut spoiled = text.clone().into_bytes();
    spoiled[last..text.trim_end().len()].fill(b'#');
    fs::write(&path, &spoiled).expect("written in place");
    place.run(&["sync", "resume"]).fine();
    wait_until("nothing is pending", || {
        place.run(&["sync", "flush"]);
        counts(&place)[0] == 0
    });
    daemon.stop();
}

#[test]
fn logs_take_turns() {
    let backend = Backend::start();
    let place = delivering(&backend, "    batch_size: 5\n");
    for number in 0..60 {
        place.write(&format!("plan-me/data/{number}.csv"), format!("{number}\n"));
    }
    place.planned("plan-too");
    place.planned("another");
    let daemon = settled(&place);
    let taken = backend.taken();
    let place_of = |id: &String| taken.iter().position(|known| known == id).expect("taken");
    let end_of = |slug: &str| ids(&place, slug).iter().map(place_of).max().expect("has events");
    let longest = end_of("plan-me");
    for slug in ["plan-too", "another"] {
        assert!(end_of(slug) < longest, "{slug} did not wait for the long log");
    }
    daemon.stop();
}

#[test]
fn an_event_that_nothing_is_said_about_holds_up_its_own_log_only() {
    let backend = Backend::start();
    // So small that no batch has room for both logs.
    let place = delivering(&backend, "    batch_size: 2\n");
    place.planned("plan-too");
    for silent in ["plan-me", "plan-too"] {
        backend.otherwise(Reply::SilentAbout(silent));
        let other = if silent == "plan-me" { "plan-too" } else { "plan-me" };
        let daemon = place.start_registered();
        for slug in [silent, other] {
            place.write(&format!("{slug}/plan.md"), format!("# while {silent} is silent\n"));
            place.run(&["status", slug]).fine();
        }
        wait_until("the other log is delivered", || {
            place.run(&["sync", "flush"]);
            let taken = backend.taken();
            ids(&place, other).iter().all(|id| taken.contains(id))
        });
        assert!(counts(&place)[0] > 0, "{silent} waits");
        backend.otherwise(Reply::Take);
        drain(&place);
        daemon.stop();
    }
    for slug in ["plan-me", "plan-too"] {
        let logged = ids(&place, slug);
        let taken: Vec<String> =
            backend.taken().into_iter().filter(|id| logged.contains(id)).collect();
        assert_eq!(taken, logged, "in order");
    }
}

#[test]
fn secrets_that_come_back_are_not_shown() {
    let backend = Backend::start();
    backend.otherwise(Reply::Status(500, "", "you sent Bearer s3cret to us"));
    let place = delivering(&backend, "");
    let daemon = place.start_registered();
    wait_until("the failure is told", || status(&place)["state"] == "waiting");
    let told = place.run(&["sync", "status", "--json"]).fine();
    assert!(told.contains("[secret]") && !told.contains("s3cret"), "{told}");
    backend.otherwise(Reply::Refuse("SnapshotComputed", "not with s3cret"));
    drain(&place);
    let letters = place.run(&["sync", "dead-letters", "--json"]).fine();
    assert!(letters.contains("[secret]") && !letters.contains("s3cret"), "{letters}");
    // Escaped, as PHP does it with every slash.
    secret(&place, "token", "abc/def+gh/ijklmnop\n");
    backend.otherwise(Reply::Status(401, "", r#"{"detail":"bad token abc\/def+gh\/ijklmnop"}"#));
    edit(&place, "# other\n");
    wait_until("the refusal is told", || status(&place)["state"] == "paused");
    let told = place.run(&["sync", "status", "--json"]).fine();
    assert!(told.contains("bad token [secret]") && !told.contains("ijkl"), "{told}");
    assert!(!daemon.stderr().contains("ijkl"), "{}", daemon.stderr());
    daemon.stop();
}

#[test]
fn a_message_has_one_id_and_another_one_has_another() {
    let backend = Backend::start();
    backend.otherwise(Reply::Status(500, "", ""));
    let place = delivering(&backend, "    signing_secret_file: signing\n");
    secret(&place, "signing", &format!("whsec_{}\n", "A".repeat(40)));
    let daemon = place.start_registered();
    wait_until("two attempts were made", || {
        place.run(&["sync", "flush"]);
        backend.came().len() > 1
    });
    edit(&place, "# other\n");
    backend.otherwise(Reply::Take);
    drain(&place);
    let mut messages: Vec<(Vec<String>, String)> = Vec::new();
    for came in backend.came() {
        let ids = came.events.iter().map(|e| e["event_id"].as_str().expect("an id").to_owned());
        messages.push((ids.collect(), came.headers["webhook-id"].clone()));
    }
    for (events, id) in &messages {
        for (others, other) in &messages {
            assert_eq!(events == others, id == other);
        }
    }
    daemon.stop();
}

#[test]
fn a_pause_that_cannot_be_read_is_one() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    daemon.stop();
    fs::write(sink_dir(&place).join("pause.json"), "{broken").expect("written");
    let daemon = place.start();
    assert_eq!(status(&place)["state"], "paused");
    assert!(status(&place)["reason"].as_str().is_some_and(|reason| reason.contains("pause.json")));
    place.run(&["sync", "resume"]).fine();
    let before = logged(&place).len();
    edit(&place, "# other\n");
    wait_until("it is logged", || logged(&place).len() > before);
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}

#[test]
fn an_unregistered_project_is_in_no_count_and_back_in_all_when_it_is_back() {
    let backend = Backend::start();
    backend.otherwise(Reply::Refuse("SnapshotComputed", "no"));
    let place = delivering(&backend, "");
    let daemon = settled(&place);
    let before = counts(&place);
    assert!(before[3] > 0);
    place.run(&["remove", "project"]).fine();
    wait_until("nothing counts", || {
        place.run(&["sync", "flush"]);
        counts(&place) == [0; 4]
    });
    place.run(&["add", "project"]).fine();
    wait_until("it counts again", || {
        place.run(&["sync", "flush"]);
        counts(&place) == before
    });
    daemon.stop();
}

#[test]
fn a_sink_directory_that_others_own_or_that_is_a_link_is_refused() {
    let backend = Backend::start();
    let place = Place::with_feature();
    configure(&place, &format!("http://127.0.0.1:{}", backend.port), "");
    fs::create_dir_all(place.home().join("state/delivery")).expect("made");
    for dir in ["state", "state/delivery"] {
        crate::kit::set_mode(&place.home().join(dir), 0o700);
    }
    std::os::unix::fs::symlink("/tmp", sink_dir(&place)).expect("made");
    place.run(&["run", "--listen", "127.0.0.1:0"]).fails(2, &["webhook"]);
    assert!(backend.came().is_empty());
}

#[test]
fn what_a_feature_has_left_behind_is_delivered_after_a_restart_too() {
    let backend = Backend::start();
    let place = delivering(&backend, "");
    let daemon = place.start();
    place.run(&["add", "project/kitty-specs/plan-me"]).fine();
    drain(&place);
    place.run(&["sync", "pause"]).fine();
    edit(&place, "# other\n");
    wait_until("the edit is pending", || counts(&place)[0] > 0);
    fs::remove_dir_all(place.feature("plan-me")).expect("removed");
    daemon.stop();
    let daemon = place.start();
    place.run(&["sync", "resume"]).fine();
    drain(&place);
    assert_eq!(backend.taken(), logged(&place));
    daemon.stop();
}
