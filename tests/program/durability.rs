//! Killed at any moment, cut at any byte: what was announced stays, and the rest is found
//! out again.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::kit::{Place, wait_until, without_volatile};

/// A small generator of numbers, so that a failing round can be run again by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

const SLUGS: [&str; 3] = ["one", "two", "three"];

/// One random change of a random feature.
fn change(place: &Place, dice: &mut Dice) {
    let slug = SLUGS[dice.below(3) as usize];
    let dir = place.feature(slug);
    let file = |dice: &mut Dice| dir.join(format!("notes/{}.md", dice.below(6)));
    match dice.below(8) {
        0..=3 => crate::kit::write(&file(dice), format!("text {}\n", dice.below(1000))),
        4 => drop(fs::remove_file(file(dice))),
        5 => drop(fs::rename(file(dice), file(dice))),
        6 => {
            let plan = dir.join("plan.md");
            if fs::remove_file(&plan).is_err() {
                crate::kit::write(&plan, "# plan\n");
            }
        }
        _ => drop(fs::rename(dir.join("notes"), dir.join(format!("moved{}", dice.below(3))))),
    }
}

/// All files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Two snapshots are the same; shows only the members that are not.
fn assert_same(slug: &str, written: &Value, scanned: &Value) {
    let paths = |snapshot: &Value| -> Vec<String> {
        let rows = snapshot["artifact_summaries"].as_array().expect("a list");
        rows.iter()
            .map(|row| format!("{} {}", row["relative_path"], row["content_hash_sha256"]))
            .collect()
    };
    assert_eq!(paths(written), paths(scanned), "{slug}: snapshot-latest.json, and a fresh scan");
    let members = scanned.as_object().expect("an object");
    for (name, value) in members {
        assert_eq!(
            &written[name], value,
            "{slug}: {name} in snapshot-latest.json, and in a fresh scan"
        );
    }
    assert_eq!(written.as_object().expect("an object").len(), members.len(), "{slug}: members");
}

/// What must hold whenever no daemon runs, or one that has caught up.
fn check_everything(place: &Place) {
    let verified = place.run(&["verify", "project"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let scanned = place.run(&["scan", "project", "--json"]).json();
    for snapshot in scanned["features"].as_array().expect("a list") {
        let slug = snapshot["feature_slug"].as_str().expect("has one");
        let text = fs::read_to_string(place.dossier(slug).join("snapshot-latest.json"));
        let written: Value = serde_json::from_str(&text.expect("is there")).expect("parses");
        assert_same(slug, &without_volatile(written), &without_volatile(snapshot.clone()));
    }
    for path in files(&place.project().join(".kittify/dossiers")) {
        let name = path.file_name().expect("has one").to_string_lossy().into_owned();
        assert!(!name.starts_with(".dossierd-tmp-"), "left over: {}", path.display());
    }
    let temporary = files(&place.home().join("state"));
    let temporary = temporary.iter().find(|path| path.to_string_lossy().contains("-tmp-"));
    assert_eq!(temporary, None, "left over");
}

/// Clocks and ids in the order of each log; gives the highest clock.
fn check_clocks(place: &Place, slugs: &[&str]) -> u64 {
    let mut highest = 0;
    let mut all = Vec::new();
    for slug in slugs {
        let log = place.log(slug);
        let clock = |event: &Value| event["lamport_clock"].as_u64().expect("a number");
        let id = |event: &Value| event["event_id"].as_str().expect("an id").to_owned();
        for pair in log.windows(2) {
            assert!(clock(&pair[0]) < clock(&pair[1]), "the clock went back: {pair:?}");
            assert!(id(&pair[0]) < id(&pair[1]), "ids went back: {pair:?}");
        }
        all.extend(log.iter().map(clock));
        highest = highest.max(log.last().map_or(0, clock));
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a clock value was used twice");
    highest
}

#[test]
fn killed_at_random_moments_nothing_announced_is_lost() {
    let seed = u64::from(std::process::id()) << 20 | 1;
    eprintln!("seed {seed}");
    let mut dice = Dice(seed);
    let place = Place::new();
    place.kittify();
    SLUGS.iter().for_each(|slug| place.planned(slug));
    place.start_registered().stop();
    let mut before: Vec<Vec<Value>> = SLUGS.iter().map(|slug| place.log(slug)).collect();
    let mut clock = 0;
    for round in 0..15 {
        let daemon = place.start();
        for _ in 0..dice.below(12) {
            change(&place, &mut dice);
            if dice.below(4) == 0 {
                place.run(&["list"]).fine();
            }
        }
        // A random moment, from in the middle of settling to after it.
        std::thread::park_timeout(Duration::from_micros(dice.below(120_000)));
        daemon.kill();
        (0..dice.below(3)).for_each(|_| change(&place, &mut dice));

        let daemon = place.start();
        let status = place.run(&["status", "--json"]);
        assert_eq!(status.code, 0, "round {round}: {status:?}");
        daemon.stop();
        check_everything(&place);
        let now = check_clocks(&place, &SLUGS);
        assert!(now >= clock, "round {round}: the clock went back from {clock} to {now}");
        clock = now;
        for (slug, before) in SLUGS.iter().zip(&mut before) {
            let log = place.log(slug);
            assert_eq!(log[..before.len()], before[..], "{slug}: the log was rewritten");
            *before = log;
        }
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_nothing_before_it() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let log = place.dossier("plan-me").join("events.jsonl");
    let whole = fs::read(&log).expect("is there");
    let ends: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at + 1)
        .collect();
    let last = ends[ends.len() - 2];
    // Just before the last line's end, in it, at its first byte, at its start, and further up.
    for length in [whole.len() - 1, whole.len() - 7, last + 1, last, last - 1, ends[0] + 3, 5, 0] {
        fs::write(&log, &whole[..length]).expect("written");
        let torn = length != 0 && !ends.contains(&length);
        let verified = place.run(&["verify", "project"]);
        assert_eq!(verified.code, i32::from(torn), "{length}: {verified:?}");
        let daemon = place.start();
        place.run(&["status", "plan-me"]).fine();
        daemon.stop();
        let after = fs::read(&log).expect("is there");
        let kept = ends.iter().copied().filter(|end| *end <= length).max().unwrap_or(0);
        assert_eq!(after[..kept], whole[..kept], "{length}: a whole line is gone");
        check_everything(&place);
        check_clocks(&place, &["plan-me"]);
    }
}

#[test]
fn garbage_at_the_end_of_the_log_is_no_reason_not_to_start() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let log = place.dossier("plan-me").join("events.jsonl");
    let whole = fs::read(&log).expect("is there");
    let mut file = OpenOptions::new().append(true).open(&log).expect("opens");
    std::io::Write::write_all(&mut file, &[0; 4096]).expect("written");
    drop(file);
    place.write("plan-me/plan.md", "changed\n");
    let daemon = place.start();
    place.run(&["status", "plan-me"]).fine();
    daemon.stop();
    assert!(fs::read(&log).expect("is there").starts_with(&whole));
    check_everything(&place);
}

#[test]
fn lost_or_broken_files_of_the_state_are_made_again() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let highest = check_clocks(&place, &["plan-me"]);
    let clock = place.home().join("state/clock");
    for content in [None, Some(&b""[..]), Some(b"{\"schema_version\":1,\"ceil"), Some(b"\0\0")] {
        match content {
            None => fs::remove_file(&clock).expect("removed"),
            Some(bytes) => fs::write(&clock, bytes).expect("written"),
        }
        for file in files(&place.home().join("state/index")) {
            fs::write(file, "no cache").expect("written");
        }
        fs::write(place.dossier("plan-me").join("snapshot-latest.json"), "{").expect("written");
        place.write("plan-me/plan.md", format!("{content:?}\n"));
        let daemon = place.start();
        place.run(&["status", "plan-me"]).fine();
        daemon.stop();
        check_everything(&place);
        assert!(check_clocks(&place, &["plan-me"]) > highest);
    }
}

#[test]
fn a_feature_that_went_away_while_down_comes_back_as_it_is() {
    let place = Place::with_feature();
    place.start_registered().stop();
    let away = place.path().join("away");
    fs::rename(place.feature("plan-me"), &away).expect("moved");
    let daemon = place.start();
    let gone = place.run(&["status", "plan-me", "--json"]);
    assert!(gone.code != 0 || gone.json()["completeness_status"] == "unknown", "{gone:?}");
    fs::rename(&away, place.feature("plan-me")).expect("moved back");
    wait_until("it is back", || {
        let status = place.run(&["status", "plan-me", "--json"]);
        status.code == 0 && status.json()["completeness_status"] == "complete"
    });
    daemon.stop();
    check_everything(&place);
}
