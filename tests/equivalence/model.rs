//! The daemon against a fresh survey, over random operations: 0 differences allowed.
//!
//! Seeds are fixed; `DOSSIERD_MODEL_SEED` sets the last one. A failure prints the seed and what was
//! done since the last check.

use std::collections::BTreeMap;

use dossierd::daemon::{BackendFactory, Setup};

use crate::agreement::{view_and_logs, view_and_survey};
use crate::backend::Backend;
use crate::kit::Bench;
use crate::operations::Operator;
use crate::queue_limit::QueueLimit;

/// Operations of one run.
const OPERATIONS: usize = 120;

fn run(seed: u64) {
    Backend::chosen().into_iter().for_each(|backend| run_with(backend, seed));
}

fn start(bench: &mut Bench, backend: Backend) {
    let factory: BackendFactory = Box::new(move |dirty, cookies| {
        let _held = QueueLimit::hold(None);
        backend.start(dirty, cookies)
    });
    bench.start_with(Setup { backend: factory, ..Setup::default() });
}

fn run_with(backend: Backend, seed: u64) {
    let mut bench = Bench::stopped();
    start(&mut bench, backend);
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
        history = first.take_done().into_iter().map(|step| step.what).collect();
        let beside = second.take_done().into_iter();
        history.extend(beside.map(|step| format!("  beside: {}", step.what)));
        check(&bench, seed, operations, &history);
    }
    // What is known after a restart is the same, and nothing is written for it.
    // Compared while it is stopped, when everything is written.
    bench.stop();
    let sizes = log_sizes(&bench);
    start(&mut bench, backend);
    check(&bench, seed, operations, &history);
    bench.stop();
    let after = log_sizes(&bench);
    let written = after.iter().map(|(path, size)| {
        let before = sizes.get(path).copied().unwrap_or(0);
        let text = std::fs::read(path).unwrap_or_default();
        let added = text.get(before as usize..*size as usize).unwrap_or_default();
        format!("{}: {}", path.display(), String::from_utf8_lossy(added))
    });
    let written: Vec<String> = written.filter(|text| !text.ends_with(": ")).collect();
    assert_eq!(after, sizes, "seed {seed}: an unchanged restart writes nothing: {written:#?}");
    // What happens while it is down is found at the start.
    for _ in 0..2 {
        (0..15).for_each(|_| first.operate());
        history = first.take_done().into_iter().map(|step| step.what).collect();
        start(&mut bench, backend);
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

fn check(bench: &Bench, seed: u64, operations: usize, history: &[String]) {
    bench.fresh_all();
    let agreed = view_and_survey(bench).and_then(|()| view_and_logs(bench));
    if let Err(what) = agreed {
        let history = history.join("\n  ");
        panic!(
            "{what}\nseed {seed} after {operations} operations, the last ones being\n  {history}\n"
        );
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
fn the_daemon_equals_a_fresh_survey_with_the_seed_of_the_environment() {
    let seed = std::env::var("DOSSIERD_MODEL_SEED").ok();
    run(seed.map_or(7, |seed| seed.parse().expect("DOSSIERD_MODEL_SEED is a number")));
}
