//! Logs and snapshot files that were spoiled, cannot be written, or were left by a crash.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dossierd::daemon::Setup;
use dossierd::daemon::command::CommandError;
use dossierd::daemon::view::WatchState;
use dossierd::dossier::completeness::CompletenessStatus;
use serde_json::Value;

use crate::events::{SLUG, bench, since, told};
use crate::kit::{Bench, wait_until, write};

/// Removes a directory in which the daemon may write at this moment.
fn remove_while_written(dir: &std::path::Path) {
    wait_until("the directory is removed", || match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => false,
        other => {
            other.expect("removed");
            true
        }
    });
}

#[test]
fn a_log_that_somebody_spoiled_is_written_anew() {
    let bench = bench();
    let dossiers = bench.project().join(".kittify/dossiers");
    let log = dossiers.join(SLUG).join("events.jsonl");
    let length = |of: &std::path::Path| fs::metadata(of).expect("there").len();
    type Spoil<'a> = (&'a str, &'a dyn Fn());
    let cut = |to: u64| fs::File::options().write(true).open(&log).and_then(|f| f.set_len(to));
    let spoils: [Spoil<'_>; 6] = [
        ("deleted", &|| fs::remove_file(&log).expect("removed")),
        ("emptied", &|| cut(0).expect("cut")),
        ("cut within a line", &|| cut(length(&log) - 7).expect("cut")),
        ("cut within the first line", &|| cut(11).expect("cut")),
        ("deleted with all of its directory", &|| {
            remove_while_written(log.parent().expect("has one"));
        }),
        ("deleted with all dossiers", &|| remove_while_written(&dossiers)),
    ];
    for (number, (what, spoil)) in spoils.iter().enumerate() {
        bench.events(SLUG);
        spoil();
        bench.write("001-a/notes.md", format!("# After number {number}\n"));
        let told = told(&bench.events(SLUG));
        let last = told.iter().rposition(|line| line == "snapshot full []");
        let last = last.unwrap_or_else(|| panic!("{what}: no full snapshot: {told:?}"));
        assert!(told[..last].iter().any(|line| line == "indexed spec.md"), "{what}: {told:?}");
        // The snapshot file may have been on its way into what was deleted; it is tried again.
        wait_until(&format!("{what}: nothing fails any more"), || {
            bench.view(SLUG).store.failing.is_none()
        });
    }
    let ignore = fs::read_to_string(dossiers.join(".gitignore")).expect("is there again");
    assert_eq!(ignore.trim(), "*");
}

#[test]
fn a_log_that_cannot_be_written_is_shown_and_tried_again() {
    let bench = bench();
    let known = bench.events(SLUG).len();
    let id = bench.view(SLUG).id.clone();
    let place = bench.project().join(".kittify/dossiers/001-a");
    let aside = place.with_file_name("aside");
    fs::rename(&place, &aside).expect("moved");
    fs::write(&place, "in the way").expect("written");
    let spec = bench.project().join("kitty-specs/001-a/spec.md");
    write(&spec, "# While the disk was away\n");
    let answer = bench.runtime.block_on(bench.handle().rescan(id.clone(), true));
    assert!(matches!(answer, Err(CommandError::Failed(_))), "{answer:?}");
    wait_until("it is shown", || bench.view(SLUG).store.failing.is_some());
    let seen = bench.fresh(SLUG).dossier.parity_hash;
    write(&spec, "# And again\n");
    assert_ne!(bench.fresh(SLUG).dossier.parity_hash, seen, "reads go on");
    fs::remove_file(&place).expect("removed");
    fs::rename(&aside, &place).expect("moved back");
    wait_until("it is written", || bench.view(SLUG).store.failing.is_none());
    let told = told(&since(&bench, known));
    assert!(told.iter().any(|line| line == "snapshot full []"), "{told:?}");
    let answer = bench.runtime.block_on(bench.handle().rescan(id, true));
    assert!(answer.is_ok(), "{answer:?}");
}

/// A feature in a daemon that tells of what waits after so long.
fn with_patience(patience: Duration) -> Bench {
    let mut bench = Bench::stopped();
    bench.start_with(Setup { patience, ..Setup::default() });
    bench.planned_feature(SLUG);
    bench.register(&bench.project());
    bench
}

/// Keeps the log from being written; gives its other name.
fn link_log(bench: &Bench) -> PathBuf {
    let other = bench.path().join("kept.jsonl");
    let log = bench.project().join(".kittify/dossiers/001-a/events.jsonl");
    fs::hard_link(log, &other).expect("linked");
    other
}

#[test]
fn a_removal_that_cannot_be_written_for_a_moment_is_one_all_the_same() {
    let bench = with_patience(Duration::from_secs(3600));
    let other = link_log(&bench);
    fs::rename(bench.project().join("kitty-specs/001-a"), bench.path().join("away"))
        .expect("moved");
    bench.fresh_all();
    wait_until("it is not listed any more", || bench.handle().view().features.is_empty());
    fs::remove_file(&other).expect("removed");
    wait_until("it is written", || {
        let last = bench.log(SLUG).last().cloned().unwrap_or_default();
        assert!(bench.handle().view().features.is_empty());
        last["payload"]["artifact_count"] == 0
    });
}

#[test]
fn a_removal_that_cannot_be_written_is_shown_and_tried_again() {
    for how in ["it is written", "it is removed", "it is stopped", "it comes again"] {
        let mut bench = with_patience(Duration::from_millis(1));
        let known = bench.events(SLUG).len();
        let other = link_log(&bench);
        let text = fs::read(&other).expect("reads");
        // At once: what is left halfway may be another stream, and begin another log file.
        let specs = bench.project().join("kitty-specs");
        fs::rename(specs.join(SLUG), bench.path().join("away")).expect("moved");
        let shown = |bench: &Bench| bench.handle().view().select(Some(SLUG)).ok();
        wait_until("it is shown as gone", || {
            shown(&bench).is_some_and(|view| {
                let is_gone = matches!(view.watch, WatchState::Detached { .. });
                is_gone && view.store.failing.is_some()
            })
        });
        let view = shown(&bench).expect("is shown");
        assert_ne!(view.dossier.completeness_status, CompletenessStatus::Complete, "{how}");
        // Other jobs go on meanwhile.
        let cache = bench.home().index_cache_dir().join(format!("{}.idx", view.id));
        wait_until("its cache is written", || cache.exists());
        let last = |bench: &Bench| bench.log(SLUG).last().cloned().unwrap_or_default();
        match how {
            "it is removed" => {
                let root = bench.handle().view().roots[0].id.clone();
                bench.runtime.block_on(bench.handle().unregister(root)).expect("is removed");
                assert!(shown(&bench).is_none(), "{how}");
            }
            "it is stopped" => bench.stop(),
            "it comes again" => {
                fs::rename(bench.path().join("away"), specs.join(SLUG)).expect("moved back");
                bench.write("001-a/spec.md", "# Again\n");
                wait_until("it is there", || {
                    shown(&bench).is_some_and(|view| view.watch == WatchState::Live)
                });
            }
            _ => {}
        }
        assert_eq!(fs::read(&other).expect("reads"), text, "{how}: it is not written to");
        fs::remove_file(&other).expect("removed");
        let began = Instant::now();
        match how {
            "it is removed" => {
                bench.register(&bench.project());
            }
            "it is stopped" => bench.start(),
            "it comes again" => {
                wait_until("it is written", || {
                    shown(&bench).expect("is there").store.failing.is_none()
                });
                assert!(bench.events(SLUG).len() > known, "{how}");
                continue;
            }
            _ => {}
        }
        wait_until("it is written", || last(&bench)["payload"]["artifact_count"] == 0);
        let log = bench.log(SLUG);
        let mut notes = log.iter().map(|event| &event["payload"]["context_diagnostics"]);
        let is_told = |notes: &Value| notes["removed_paths"].to_string().contains("spec.md");
        assert!(notes.any(is_told), "{how}: {:?}", told(&log));
        wait_until("it is not listed any more", || shown(&bench).is_none());
        assert!(began.elapsed() < Duration::from_secs(20), "{how}: {:?}", began.elapsed());
    }
}

#[test]
fn a_snapshot_file_that_cannot_be_written_is_shown_and_tried_again() {
    let bench = bench();
    bench.events(SLUG);
    let file = bench.project().join(".kittify/dossiers/001-a/snapshot-latest.json");
    let parity = || {
        let text = fs::read_to_string(&file).ok()?;
        let value: Value = serde_json::from_str(&text).expect("is JSON");
        Some(value["parity_hash_sha256"].as_str()?.to_owned())
    };
    wait_until("it is there", || parity().is_some());
    fs::remove_file(&file).expect("removed");
    fs::create_dir_all(file.join("in/the/way")).expect("made");
    bench.write("001-a/spec.md", "# Changed\n");
    bench.fresh_all();
    wait_until("it is shown", || bench.view(SLUG).store.failing.is_some());
    fs::remove_dir_all(&file).expect("removed");
    // Nothing else changes: the end of the failure has to be told by itself.
    wait_until("it is written", || bench.view(SLUG).store.failing.is_none());
    assert_eq!(parity(), Some(bench.view(SLUG).dossier.parity_hash.to_string()));
}

#[test]
fn a_snapshot_keeps_its_id_over_a_restart_in_which_nothing_changed_and_only_then() {
    let mut bench = bench();
    let git = bench.project().join(".git");
    write(&git.join("HEAD"), "ref: refs/heads/main\n");
    write(&git.join("refs/heads/main"), "a".repeat(40));
    bench.fresh_all();
    let place = bench.project().join(".kittify/dossiers/001-a");
    let saved = || {
        let text = fs::read_to_string(place.join("snapshot-latest.json")).ok()?;
        let value: Value = serde_json::from_str(&text).expect("is JSON");
        let sha = &value["artifact_summaries"][0]["provenance"]["git_sha"];
        Some((value["snapshot_id"].as_str()?.to_owned(), sha.as_str()?.to_owned()))
    };
    let published = |bench: &Bench| {
        let view = bench.view(SLUG);
        let sha = view.dossier.provenance.git_sha.clone().expect("a commit");
        (view.snapshot_id.clone(), sha)
    };
    wait_until("it is saved", || saved() == Some(published(&bench)));
    let first = published(&bench);
    for _ in 0..2 {
        bench.stop();
        bench.start();
        assert_eq!(published(&bench), first);
        assert_eq!(saved().expect("is there"), first);
    }
    bench.stop();
    write(&git.join("refs/heads/main"), "b".repeat(40));
    bench.start();
    let second = published(&bench);
    assert!(second.0 != first.0 && second.1.starts_with('b'), "{second:?}");
    wait_until("it is saved", || saved() == Some(second.clone()));
    bench.stop();
    bench.start();
    assert_eq!(published(&bench), second);
}

#[test]
fn a_torn_end_is_cut_off_and_the_rest_stays() {
    use std::io::Write;
    let mut bench = bench();
    let before = bench.events(SLUG);
    bench.stop();
    let log = bench.project().join(".kittify/dossiers/001-a/events.jsonl");
    let torn = b"{\"event_id\": \"01ARZ3";
    let opened = fs::File::options().append(true).open(&log);
    opened.and_then(|mut file| file.write_all(torn)).expect("torn");
    bench.start();
    assert_eq!(bench.events(SLUG), before);
    assert_eq!(bench.view(SLUG).store.repaired_bytes, torn.len() as u64);
}

#[test]
fn a_batch_that_a_crash_cut_short_is_completed() {
    let mut bench = bench();
    bench.events(SLUG);
    bench.stop();
    let log = bench.project().join(".kittify/dossiers/001-a/events.jsonl");
    let text = fs::read_to_string(&log).expect("read");
    let kept: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&log, kept).expect("cut");
    bench.start();
    let told = told(&bench.events(SLUG));
    assert_eq!(told.last().map(String::as_str), Some("snapshot full []"), "{told:?}");
}

#[test]
fn a_log_that_is_deleted_while_a_first_scan_is_written_is_whole_again() {
    const FILES: usize = 2000;
    let bench = Bench::new();
    bench.planned_feature("001-a");
    for number in 0..FILES {
        let dir = bench.project().join(format!("kitty-specs/001-a/d{}", number % 30));
        fs::create_dir_all(&dir).expect("made");
        fs::write(dir.join(format!("{number}.md")), "# One of many\n").expect("written");
    }
    let log = bench.project().join(".kittify/dossiers/001-a/events.jsonl");
    let registered = std::sync::atomic::AtomicBool::new(false);
    let removed = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // As soon as something is in it, which is long before all of it is.
            while !registered.load(std::sync::atomic::Ordering::SeqCst) {
                if fs::metadata(&log).is_ok_and(|meta| meta.len() > 0) {
                    fs::remove_file(&log).expect("removed");
                    removed.store(true, std::sync::atomic::Ordering::SeqCst);
                    return;
                }
                std::thread::yield_now();
            }
        });
        bench.register(&bench.project());
        registered.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(removed.load(std::sync::atomic::Ordering::SeqCst), "it was there, and was removed");
    bench.write("001-a/spec.md", "# Another\n");
    let events = bench.events("001-a");
    let is_indexed = |event: &&serde_json::Value| {
        event["event_type"] == "MissionDossierArtifactIndexed"
            && event["payload"]["artifact_id"]["path"].as_str().is_some_and(|p| p.contains("/d"))
    };
    let paths: Vec<String> = events
        .iter()
        .filter(is_indexed)
        .map(|event| event["payload"]["artifact_id"]["path"].to_string())
        .collect();
    let distinct: std::collections::BTreeSet<&String> = paths.iter().collect();
    assert_eq!((paths.len(), distinct.len()), (FILES, FILES), "each is told once");
}
