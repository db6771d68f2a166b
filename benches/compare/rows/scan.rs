//! One-shot cold scans of 10,000 artifacts.
//!
//! "Cold" is the program, which knows nothing of the files yet; the page cache is warm on
//! both sides. dossierd runs as `dossierd scan PROJECT --json` with default settings, no
//! daemon, an empty home, and stdout to /dev/null; it and its peers are timed as whole
//! processes, the Python indexer alone without its start-up.
//!
//! Each is measured twice: with one artifact of 200 MB and four of 1 MB among the 10,000,
//! where two thirds of all bytes are one hash that cannot be divided, and without them.

use std::path::Path;
use std::time::Duration;

use crate::children::time;
use crate::daemon::Home;
use crate::fault::Outcome;
use crate::inputs::{MANY_10_000, PLAIN_10_000};
use crate::peers;
use crate::peers::indexer::{self, Indexer};
use crate::row::{Limit, Line};
use crate::stage::Stage;

/// Against a program that only walks, reads, checks UTF-8 and SHA-256s, on two threads,
/// with the same crates.
pub(super) fn hash(stage: &Stage) -> Outcome<Vec<Line>> {
    let name = "walk, read, UTF-8, SHA-256 on two threads";
    beside(stage, name, 1.25, &|project| {
        time(&mut peers::command("walk-hash", 2, &project.join("kitty-specs"))?)
    })
}

/// Against what a shell has.
pub(super) fn sha256sum(stage: &Stage) -> Outcome<Vec<Line>> {
    beside(stage, "find … | xargs -P2 -n250 sha256sum", 0.35, &|project| {
        time(&mut peers::sha256sum(&project.join("kitty-specs")))
    })
}

/// Against the indexer that the format comes from.
pub(super) fn index(stage: &Stage) -> Outcome<Vec<Line>> {
    let indexer = Indexer::find(stage)?;
    beside(stage, indexer::NAME, 0.08, &|project| indexer.time(project))
}

/// In turn with a peer, on both projects; with the time on processors, which other
/// programs on the machine change less.
fn beside(
    stage: &Stage,
    name: &str,
    at_most: f64,
    peer: &dyn Fn(&Path) -> Outcome<Duration>,
) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (shape, what) in [
        (MANY_10_000, "one-shot cold scan, 10,000 artifacts, one of them 200 MB"),
        (PLAIN_10_000, "one-shot cold scan, 10,000 artifacts, no large one"),
    ] {
        let (project, home) = (stage.project(shape)?, stage.home()?);
        let [ours, theirs] = stage
            .in_turn([Box::new(|| scan(&home, &project.root)), Box::new(|| peer(&project.root))])?;
        let note = format!(
            "On processors, all rounds: dossierd {:.2} s, peer {:.2} s.",
            ours.processor, theirs.processor
        );
        let limit = Limit::Times { at_most, slack: 0.0 };
        lines.push(Line::beside(what, ours.wall, (name, theirs.wall), limit).note(note));
    }
    Ok(lines)
}

fn scan(home: &Home, project: &Path) -> Outcome<Duration> {
    time(&mut home.command(&["scan", &project.to_string_lossy(), "--json"]))
}
