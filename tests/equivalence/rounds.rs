//! Storms of random operations by two writers; after each, one fresh read and no difference
//! to a survey, no matter which back-end, file system or length of the kernel's queue.
//!
//! A round begins with the same few features and is told by its seed. A failure prints the
//! seed and every operation with its time.

use std::time::{Duration, Instant};

use crate::agreement::{view_and_logs, view_and_survey};
use crate::backend::Backend;
use crate::field::{Field, Medium};
use crate::kit::Bench;
use crate::operations::{Operator, Step};

/// Rounds per back-end, unless the environment says otherwise: 200 with both.
const ROUNDS: u64 = 100;

/// How many of a hundred are run in memory, and on disk, with each length of the queue: a
/// disk makes the same round take several times as long.
const IN_MEMORY: u64 = 45;
const ON_DISK: u64 = 5;

/// Operations of each writer in a round.
const OPERATIONS: usize = 300;

/// After so many rounds the logs are replayed.
const LOGS_EVERY: u64 = 10;

/// After so many rounds the daemon is down for a while.
const RESTART_EVERY: u64 = 25;

/// So many rounds share a daemon and a project, whose logs grow with every one.
const ROUNDS_PER_BENCH: u64 = 10;

/// What a run did.
#[derive(Debug, Default)]
struct Tally {
    rounds: u64,
    operations: usize,
    overflows: u64,
    scans: u64,
    restarts: u64,
    replays: u64,
    reads: Vec<Duration>,
}

impl Tally {
    /// The time that so many of a hundred fresh reads needed at most.
    fn percentile(&mut self, percent: usize) -> Duration {
        self.reads.sort_unstable();
        self.reads
            .get(self.reads.len().saturating_sub(1) * percent / 100)
            .copied()
            .unwrap_or_default()
    }

    /// Adds what the daemon counted; before it is stopped.
    fn count(&mut self, bench: &Bench) {
        let view = bench.handle().view();
        self.overflows += view.health.overflows;
        self.scans += view.health.scans;
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

/// Runs the rounds of one field, for each back-end.
fn run(number_of_field: u64, medium: Medium, short_queue: bool) {
    let share = if medium == Medium::Disk { ON_DISK } else { IN_MEMORY };
    let rounds = (number("DOSSIERD_ROUNDS").unwrap_or(ROUNDS) * share).div_ceil(100);
    let first = number("DOSSIERD_SEED").unwrap_or(number_of_field * 1_000_000 + 1);
    for backend in Backend::chosen() {
        let Some(field) = Field::new(backend, medium, short_queue) else { return };
        let began = Instant::now();
        let mut tally = Tally::default();
        let mut left = first..first + rounds;
        while !left.is_empty() {
            let next = left.start + ROUNDS_PER_BENCH.min(left.end - left.start);
            series(&field, left.start..next, &mut tally);
            left.start = next;
        }
        let (median, slow) = (tally.percentile(50), tally.percentile(99));
        eprintln!(
            "equivalence on {field}: {} rounds, {} operations, {} overflows, {} scans, \
             {} restarts, {} replays of all logs, 0 wrong; fresh reads {median:.1?}, \
             99 of 100 within {slow:.1?}; {:.1?}",
            tally.rounds,
            tally.operations,
            tally.overflows,
            tally.scans,
            tally.restarts,
            tally.replays,
            began.elapsed(),
        );
        // What was lost is part of what this is about.
        // A disk can be so slow, and a reader so fast, that it never happens.
        let must_overflow = short_queue && medium == Medium::Memory && rounds >= 10;
        assert!(!must_overflow || tally.overflows > 0, "{field}: no queue overflowed");
    }
}

/// Runs some rounds with one project.
fn series(field: &Field, seeds: std::ops::Range<u64>, tally: &mut Tally) {
    let mut bench = field.bench();
    reset(&bench);
    crate::kit::write(&bench.path().join("outside/secret.md"), "# Not yours\n");
    field.start(&mut bench);
    bench.register(&bench.project());
    for seed in seeds {
        round(field, &mut bench, seed, tally);
    }
    tally.count(&bench);
}

/// Makes the project what every round begins with, while the daemon looks.
fn reset(bench: &Bench) {
    let _ = std::fs::remove_dir_all(bench.project().join("kitty-specs"));
    let _ = std::fs::remove_file(bench.project().join(".dossierignore"));
    for away in ["outside/t0", "outside/t1"] {
        let away = bench.path().join(away);
        let _ = std::fs::remove_dir_all(&away).or_else(|_| std::fs::remove_file(&away));
    }
    for slug in ["001-a", "002-b", "003-c"] {
        bench.planned_feature(slug);
    }
}

fn round(field: &Field, bench: &mut Bench, seed: u64, tally: &mut Tally) {
    reset(bench);
    let (specs, outside) = (bench.project().join("kitty-specs"), bench.path().join("outside"));
    let mut first = Operator::new(seed, specs.clone(), outside.clone());
    let mut second = Operator::new(!seed, specs, outside);
    let is_down = (seed.is_multiple_of(RESTART_EVERY)).then(|| first.random.below(OPERATIONS));
    storm(&mut first, &mut second, is_down.unwrap_or(OPERATIONS));
    if let Some(before) = is_down {
        tally.count(bench);
        bench.stop();
        storm(&mut first, &mut second, OPERATIONS - before);
        field.start(bench);
        tally.restarts += 1;
    }
    let asked = Instant::now();
    bench.fresh_all();
    tally.reads.push(asked.elapsed());
    let mut result = view_and_survey(bench);
    if result.is_ok() && seed.is_multiple_of(LOGS_EVERY) {
        result = view_and_logs(bench);
        tally.replays += 1;
    }
    tally.rounds += 1;
    tally.operations += 2 * OPERATIONS;
    if let Err(what) = result {
        let again = again(bench);
        panic!(
            "{field}, seed {seed}: {what}\n{again}\n{}\nTo run it again: DOSSIERD_SEED={seed} \
             DOSSIERD_ROUNDS=1 DOSSIERD_BACKENDS={} cargo test --test equivalence rounds",
            history(asked, first.take_done(), second.take_done()),
            field.backend.name(),
        );
    }
}

/// Both writers at the same time.
fn storm(first: &mut Operator, second: &mut Operator, operations: usize) {
    std::thread::scope(|scope| {
        scope.spawn(|| (0..operations).for_each(|_| second.operate()));
        (0..operations).for_each(|_| first.operate());
    });
}

/// Is it only late, or wrong for good?
fn again(bench: &Bench) -> String {
    bench.fresh_all();
    match view_and_survey(bench) {
        Ok(()) => {
            "after one more fresh read they agree: the first one was answered too early".into()
        }
        Err(what) => format!("after one more fresh read, still:\n{what}"),
    }
}

/// What both did, in order, in microseconds before the fresh read.
fn history(asked: Instant, first: Vec<Step>, second: Vec<Step>) -> String {
    let steps =
        first.into_iter().map(|step| (step, 1)).chain(second.into_iter().map(|step| (step, 2)));
    let mut steps: Vec<(Step, u8)> = steps.collect();
    steps.sort_by_key(|(step, _)| step.at);
    let line = |(step, writer): &(Step, u8)| {
        let before = asked.saturating_duration_since(step.at).as_micros();
        format!("  -{before:>7} us, writer {writer}: {}", step.what)
    };
    steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn in_memory_with_a_long_queue() {
    run(0, Medium::Memory, false);
}

#[test]
fn in_memory_with_a_short_queue() {
    run(1, Medium::Memory, true);
}

#[test]
fn on_disk_with_a_long_queue() {
    run(2, Medium::Disk, false);
}

#[test]
fn on_disk_with_a_short_queue() {
    run(3, Medium::Disk, true);
}
