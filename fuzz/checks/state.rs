//! Files that the daemon keeps of itself, and what a back end answers. The input's first byte
//! says which the rest is:
//!
//! | byte | what |
//! |---|---|
//! | `b` | a baseline |
//! | `r`, `k` | the registry, the clock |
//! | `c`, `d` | a cursor, the dead letters of a sink |
//! | `a` | the answer to a batch |

use std::path::Path;

use dossierd::dossier::Timestamp;
use dossierd::dossier::baseline::{Acceptance, Baseline};
use dossierd::fuzzing::{Told, keep_dead_letters, keep_place, results_of};
use dossierd::store::{LamportClock, RegistryFile};

use super::{is_one_line, scratch};

const LOG: &str = include_str!("../fixtures/events.jsonl");
const IDS: [&str; 3] =
    ["01M83683GEBZBVT50YAF3J9PZ1", "01M83683GEBZBVT50YAF3J9PZ2", "01M83683GEBZBVT50YAF3J9PZ3"];

pub fn check(data: &[u8]) {
    let Some((kind, file)) = data.split_first() else { return };
    match kind {
        b'b' => check_baseline(file),
        b'r' => check_registry(file),
        b'k' => check_clock(file),
        b'c' => check_cursor(file),
        b'd' => check_dead_letters(file),
        b'a' => check_answer(file),
        _ => {}
    }
}

fn check_baseline(file: &[u8]) {
    let baseline = match Baseline::parse(file) {
        Ok(baseline) => baseline,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = Baseline::parse(&baseline.to_bytes());
    assert_eq!(again.as_ref(), Ok(&baseline), "a baseline comes back as it was");
    assert_eq!(baseline.baseline_key.hash(), baseline.baseline_key.clone().hash());
    let branch = baseline.checkout_branch.as_deref();
    assert_eq!(baseline.acceptance(&baseline.baseline_key, branch), Acceptance::Accepted);
    let mut other = baseline.baseline_key.clone();
    other.node_id.push('x');
    assert_eq!(baseline.acceptance(&other, branch), Acceptance::Rejected(vec!["node_id"]));
    assert_ne!(other.hash(), baseline.baseline_key.hash());
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file can be written");
}

fn check_registry(file: &[u8]) {
    let dir = scratch::directory();
    let path = dir.path().join("registry.json");
    write(&path, file);
    let registry = RegistryFile::new(path.clone());
    let Ok(loaded) = registry.load() else {
        // What cannot be read is never overwritten, only set aside when somebody asks.
        assert!(registry.save(&dossierd::store::Registry::default()).is_err());
        assert_eq!(std::fs::read(&path).expect("it is there"), file);
        return;
    };
    assert!(loaded.roots.iter().all(|root| root.path.0.is_absolute()));
    registry.save(&loaded).expect("what was loaded can be saved");
    assert_eq!(registry.load().expect("and loaded again"), loaded);
}

fn check_clock(file: &[u8]) {
    let dir = scratch::directory();
    let path = dir.path().join("clock");
    write(&path, file);
    let Ok((mut clock, _)) = LamportClock::open(&path) else {
        return assert_eq!(std::fs::read(&path).expect("it is there"), file);
    };
    let mut last = clock.now();
    for seen in [0, 7, u64::MAX, last.saturating_add(5000)] {
        clock.observe(seen);
        // A clock at its end gives no number rather than an old one.
        let Ok(next) = clock.tick() else { break };
        assert!(next > last && next < 1 << 53, "{next} after {last}");
        last = next;
    }
    drop(clock);
    let (after_crash, _) = LamportClock::open(&path).expect("its own file can be read");
    assert!(after_crash.now() >= last, "it never goes back");
}

fn check_cursor(file: &[u8]) {
    let dir = scratch::directory();
    let place = scratch::log_place(dir.path());
    write(&place.path().join("events.jsonl"), LOG.as_bytes());
    write(&dir.path().join("l.json"), file);
    let now = Timestamp::from_micros(1_900_000_000_000_000);
    let Ok((reader, passed_over)) = keep_place(dir.path(), "l", &place, now) else { return };
    let rest = reader.inspect(|line| assert!(line.is_ok(), "the log can be read")).count();
    let all = LOG.lines().count();
    assert!(rest <= all, "{rest} of {all}");
    assert!(passed_over.is_none() || rest == all, "a log that is not known is read as a whole");
}

fn check_dead_letters(file: &[u8]) {
    let dir = scratch::directory();
    let path = dir.path().join("dead-letters.jsonl");
    write(&path, file);
    let now = Timestamp::from_micros(1_900_000_000_000_000);
    let keep = |wanted: fn(&str) -> bool| {
        keep_dead_letters(dir.path(), now, wanted).expect("the file can be read and replaced")
    };
    let (letters, damaged) = keep(|_| true);
    assert_eq!(keep(|_| false), (letters, damaged), "no letter goes, and no foreign line");
    assert_eq!(keep(|_| true), (0, damaged), "what was delivered goes, and nothing else");
}

fn check_answer(answer: &[u8]) {
    let told = match results_of(answer, &IDS) {
        Ok(told) => told,
        Err(reason) => return assert!(is_one_line(&reason), "{reason:?}"),
    };
    assert_eq!(told.len(), IDS.len());
    for (told, id) in told.into_iter().zip(IDS) {
        // Nothing counts as settled or refused unless the answer names its id.
        let is_named = serde_json::from_slice::<serde_json::Value>(answer)
            .is_ok_and(|answer| names(&answer, id));
        match told {
            Told::Nothing => {}
            Told::Settled => assert!(is_named),
            Told::Refused(reason) => {
                assert!(is_named && reason.len() <= 1000 && !reason.contains(char::is_control));
            }
        }
    }
}

fn names(answer: &serde_json::Value, id: &str) -> bool {
    let results = answer["results"].as_array().into_iter().flatten();
    results.into_iter().any(|result| result["event_id"] == id)
}
