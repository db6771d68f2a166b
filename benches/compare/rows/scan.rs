//! One-shot cold scans of 10,000 artifacts.
//!
//! "Cold" is the program, which knows nothing of the files yet; the page cache is warm on
//! both sides. dossierd runs as `dossierd scan PROJECT --json` with default settings, no
//! daemon, an empty home, and stdout to /dev/null; it and its peers are timed as whole
//! processes, the Python indexer alone without its start-up.

use std::path::Path;
use std::time::Duration;

use super::TITLE_SCAN;
use crate::children::time;
use crate::daemon::Home;
use crate::fault::Outcome;
use crate::inputs::MANY_10_000;
use crate::peers;
use crate::peers::indexer::{self, Indexer};
use crate::row::{Limit, Line};
use crate::stage::{Stage, Timed};

fn scan(home: &Home, project: &Path) -> Outcome<Duration> {
    time(&mut home.command(&["scan", &project.to_string_lossy(), "--json"]))
}

/// With the time on processors, which a busy machine changes less.
fn line(ours: Timed, name: &str, peer: Timed, limit: Limit) -> Line {
    let note = format!(
        "On processors, all rounds: dossierd {:.2} s, peer {:.2} s, ratio {:.3}.",
        ours.processor,
        peer.processor,
        ours.processor / peer.processor
    );
    Line::beside(TITLE_SCAN, ours.wall, (name, peer.wall), limit).note(note)
}

/// Against a program that only walks, reads, checks UTF-8 and SHA-256s, on two threads,
/// with the same crates.
pub(super) fn hash(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, home) = (stage.project(MANY_10_000)?, stage.home()?);
    let specs = project.root.join("kitty-specs");
    let [ours, peer] = stage.in_turn([
        Box::new(|| scan(&home, &project.root)),
        Box::new(|| time(&mut peers::command("walk-hash", 2, &specs)?)),
    ])?;
    let limit = Limit::Times { at_most: 1.25, slack: 0.0 };
    Ok(vec![line(ours, "walk, read, UTF-8, SHA-256 on two threads", peer, limit)])
}

/// Against what a shell has.
pub(super) fn sha256sum(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, home) = (stage.project(MANY_10_000)?, stage.home()?);
    let specs = project.root.join("kitty-specs");
    let [ours, peer] = stage.in_turn([
        Box::new(|| scan(&home, &project.root)),
        Box::new(|| time(&mut peers::sha256sum(&specs))),
    ])?;
    let limit = Limit::Times { at_most: 0.35, slack: 0.0 };
    Ok(vec![line(ours, "find … | xargs -P2 -n250 sha256sum", peer, limit)])
}

/// Against the indexer that the format comes from.
pub(super) fn index(stage: &Stage) -> Outcome<Vec<Line>> {
    let indexer = Indexer::find(stage)?;
    let (project, home) = (stage.project(MANY_10_000)?, stage.home()?);
    let [ours, peer] = stage.in_turn([
        Box::new(|| scan(&home, &project.root)),
        Box::new(|| indexer.time(&project.root)),
    ])?;
    let limit = Limit::Times { at_most: 0.08, slack: 0.0 };
    Ok(vec![Line::beside(TITLE_SCAN, ours.wall, (indexer::NAME, peer.wall), limit)])
}
