//! The daemon against a fresh survey, over random operations: 0 differences allowed.
//!
//! Seeds are fixed; `DOSSIERD_MODEL_SEED` sets the last one. A failure prints the seed and what was
//! done since the last check.

use std::collections::BTreeMap;
use std::time::Instant;

use dossierd::dossier::parity::parity_hash;
use dossierd::watch::BackendChoice;

use crate::kit::compare::{differences, logged_hash, of_view, survey};
use crate::kit::{Bench, DEADLINE, wait_until};
use crate::operations::Operator;

/// Operations of one run.
const OPERATIONS: usize = 120;

fn run(seed: u64) {
    run_with(seed, BackendChoice::default());
}

fn run_with(seed: u64, backend: BackendChoice) {
    let mut bench = Bench::watching_with(backend);
    bench.start();
    assert_eq!(
        bench.handle().view().health.watch_backend,
        match backend {
            BackendChoice::Notify => "notify",
            _ if cfg!(target_os = "linux") => "inotify",
            _ => "notify",
        }
    );
    for slug in ["001-a", "002-b", "003-c"] {
        bench.planned_feature(slug);
    }
    crate::kit::write(&bench.path().join("outside/secret.md"), "# Not yours\n");
    bench.register(&bench.project());
    let specs = bench.project().join("kitty-specs");
    let mut first = Operator::new(seed, specs.clone(), bench.path().join("outside"));
    let mut second = Operator::new(!seed, specs, bench.path().join("outside"));
    let mut operations = 0;
    let mut history = Vec::new();
    while operations < OPERATIONS {
        let burst = 1 + first.random.below(40);
        let together = first.random.once_in(3);
        if together {
            std::thread::scope(|scope| {
                scope.spawn(|| (0..burst / 2).for_each(|_| second.operate()));
                (0..burst - burst / 2).for_each(|_| first.operate());
            });
        } else {
            (0..burst).for_each(|_| first.operate());
        }
        operations += burst;
        history = first.take_done();
        history.extend(second.take_done().into_iter().map(|what| format!("  beside: {what}")));
        let slugs = check(&bench, seed, operations, &history);
        check_departed(&bench, &slugs, &|| format!("seed {seed}: {history:#?}"));
    }
    // What is known after a restart is the same, and nothing is written for it.
    // Compared while it is stopped, when everything is written.
    bench.stop();
    let sizes = log_sizes(&bench);
    bench.start();
    check(&bench, seed, operations, &history);
    bench.stop();
    assert_eq!(log_sizes(&bench), sizes, "seed {seed}: an unchanged restart writes nothing");
    // What happens while it is down is found at the start.
    for _ in 0..2 {
        (0..15).for_each(|_| first.operate());
        history = first.take_done();
        bench.start();
        check(&bench, seed, operations, &history);
        bench.stop();
    }
}

/// Sizes of all logs.
fn log_sizes(bench: &Bench) -> BTreeMap<std::path::PathBuf, u64> {
    let dossiers = bench.project().join(".kittify/dossiers");
    let listed = std::fs::read_dir(dossiers).into_iter().flatten().flatten();
    let files = listed.flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten());
    let logs = files.flatten().filter(|f| f.file_name().to_string_lossy().starts_with("events"));
    logs.map(|file| (file.path(), file.metadata().expect("is there").len())).collect()
}

fn check(bench: &Bench, seed: u64, operations: usize, history: &[String]) -> Vec<String> {
    let began = Instant::now();
    bench.fresh_all();
    let context = || {
        let history = history.join("\n  ");
        format!("seed {seed} after {operations} operations, the last ones being\n  {history}\n")
    };
    let view = bench.handle().view();
    let ours: BTreeMap<String, _> =
        view.features.values().map(|view| (view.slug.clone(), of_view(view))).collect();
    // The log says the same, as soon as it is durable.
    for view in view.features.values() {
        let place = view.place.as_ref().expect("has a place");
        let mut last = None;
        while last.as_ref() != Some(&Ok(Some(view.dossier.parity_hash))) {
            assert!(
                began.elapsed() < DEADLINE,
                "the log of {} ({:?}) says {last:?}, not {}; {}",
                view.slug,
                bench.view(&view.slug).store,
                view.dossier.parity_hash,
                context()
            );
            last = Some(logged_hash(place));
            std::thread::yield_now();
        }
    }
    let theirs = survey(&bench.home(), &bench.project());
    let slugs = |of: &BTreeMap<String, serde_json::Value>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(slugs(&ours), slugs(&theirs), "{}", context());
    for (slug, ours) in &ours {
        let found = differences(ours, &theirs[slug]);
        assert!(found.is_empty(), "{slug}: {}\n{}", found.join("\n"), context());
    }
    slugs(&ours)
}

/// The logs of features that are gone say that everything is removed.
fn check_departed(bench: &Bench, slugs: &[String], context: &dyn Fn() -> String) {
    let dossiers = bench.project().join(".kittify/dossiers");
    for entry in std::fs::read_dir(dossiers).expect("listed").flatten() {
        let name = entry.file_name();
        let is_there = slugs.iter().any(|slug| *slug == name.to_string_lossy());
        if is_there || !entry.path().join("events.jsonl").is_file() {
            continue;
        }
        let place = dossierd::store::DossierDir::existing(
            &bench.project(),
            &name,
            &dossierd::store::project_id(&bench.project()),
            &bench.home(),
        )
        .expect("is there");
        let empty = Some(parity_hash([]));
        wait_until(&format!("{name:?} is empty; {}", context()), || {
            logged_hash(&place).is_ok_and(|hash| hash == empty)
        });
    }
}

#[test]
fn the_daemon_equals_a_fresh_survey_a() {
    (1..=3).for_each(run);
}

#[test]
fn the_daemon_equals_a_fresh_survey_b() {
    (4..=6).for_each(run);
}

#[test]
fn the_daemon_equals_a_fresh_survey_with_the_back_end_for_every_system() {
    (8..=10).for_each(|seed| run_with(seed, BackendChoice::Notify));
}

#[test]
fn the_daemon_equals_a_fresh_survey_with_the_seed_of_the_environment() {
    let seed = std::env::var("DOSSIERD_MODEL_SEED").ok();
    run(seed.map_or(7, |seed| seed.parse().expect("DOSSIERD_MODEL_SEED is a number")));
}
