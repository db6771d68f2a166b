//! New directories that appear while others write as fast as they can.
//!
//! Two threads rewrite files in watched directories for 5 s without a pause, each 64 of
//! them in turn; meanwhile new directories with files appear every 20 ms in all features.
//! The clock starts when all of that has ended, and stops at the last change of any
//! feature's published state, which is asked for every millisecond without `fresh`. When
//! nothing has changed for 3 s, parity and tree hash of every feature have to be those of
//! `dossierd scan`; those that are not have lost something.
//!
//! A build that lets its watching back-end be chosen is measured with each.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::daemon::{Daemon, Home, State, Watched};
use crate::fault::{Outcome, While, failed};
use crate::inputs::{Project, STORM, write};
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;

const STORM_TIME: Duration = Duration::from_secs(5);
/// Between new directories.
const PACE: Duration = Duration::from_millis(20);
/// Between questions.
const POLL: Duration = Duration::from_millis(1);
/// Without a change for so long it is over.
const CALM: Duration = Duration::from_secs(3);
/// A daemon that still changes its mind after this has failed.
const LIMIT: Duration = Duration::from_secs(120);
/// Storms per back-end; each takes ten seconds.
const MOST_RUNS: u32 = 3;
/// Files that each writer rewrites.
const REWRITTEN: usize = 64;

pub(super) fn storm(stage: &Stage) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for name in ["inotify", "notify"] {
        let home = stage.home()?;
        home.configure(&format!("watch:\n  backend: {name}\n"))?;
        if home.start().is_ok() {
            let configure = |home: &Home| home.configure(&format!("watch:\n  backend: {name}\n"));
            lines.extend(measure(stage, &format!("storm, {name}"), &configure)?);
        }
    }
    if lines.is_empty() {
        // This build has no such choice.
        lines = measure(stage, "storm", &|_| Ok(()))?;
    }
    Ok(lines)
}

fn measure(
    stage: &Stage,
    name: &str,
    configure: &dyn Fn(&Home) -> Outcome<()>,
) -> Outcome<Vec<Line>> {
    let mut times = Series::new(Unit::Seconds);
    let mut lost = Series::new(Unit::Count);
    let (mut rewritten, mut dirs) = (0, 0);
    for _ in 0..stage.runs().min(MOST_RUNS) {
        let scratch = stage.scratch()?;
        let project = Project::scratch(scratch.path(), STORM)?;
        let home = stage.home()?;
        configure(&home)?;
        let (daemon, mut client) = home.start_with(&project.root)?;
        let made = rage(&project)?;
        let ended = Instant::now();
        let (last, states) = settle(&project, &mut client, &daemon, ended)?;
        times.push_time(last - ended);
        lost.values.push(f64::from(differing(&home.scan(&project.root)?, &states)));
        rewritten += made.0;
        dirs += made.1;
    }
    let runs = u64::from(stage.runs().min(MOST_RUNS));
    Ok(vec![
        Line::alone(
            format!("{name}: two writers for 5 s and new directories, end to the last in the view"),
            times,
            Limit::AtMost(1.0),
        )
        .note(format!(
            "{} files rewritten and {} directories made per storm.",
            rewritten / runs,
            dirs / runs
        )),
        Line::alone(
            format!("{name}: features that differ from a full scan afterwards"),
            lost,
            Limit::AtMost(0.0),
        ),
    ])
}

/// The storm; tells how many files were rewritten and directories made.
fn rage(project: &Project) -> Outcome<(u64, u64)> {
    let slugs = project.slugs()?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = slugs
            .iter()
            .take(2)
            .map(|slug| scope.spawn(|| rewrite(&project.feature(slug).join("tasks"), &over)))
            .collect();
        let began = Instant::now();
        let mut dirs = 0;
        let mut made = Ok(());
        while began.elapsed() < STORM_TIME && made.is_ok() {
            let feature = project.feature(&slugs[dirs % slugs.len()]);
            made = grow(&feature.join(format!("research/storm-{dirs}")), dirs);
            dirs += 1;
            std::thread::sleep(PACE);
        }
        over.store(true, Ordering::Relaxed);
        let mut rewritten = 0;
        for writer in writers {
            rewritten += writer.join().expect("a writer does not panic")?;
        }
        made.map(|()| (rewritten, 2 * dirs as u64))
    })
}

/// Rewrites files in turn until it is over.
fn rewrite(dir: &Path, over: &AtomicBool) -> Outcome<u64> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).at("cannot list", dir)? {
        let path = entry.at("cannot list", dir)?.path();
        if path.is_file() && files.len() < REWRITTEN {
            files.push(path);
        }
    }
    let mut count: u64 = 0;
    while !over.load(Ordering::Relaxed) {
        for path in &files {
            let content = format!("# Rewritten\n\n{}\n{}", count, "All is new. ".repeat(80));
            std::fs::write(path, content).at("cannot write", path)?;
            count += 1;
        }
    }
    Ok(count)
}

/// A new directory in a new directory, with files in both.
fn grow(dir: &Path, number: usize) -> Outcome<()> {
    for name in ["one.md", "two.md", "deeper/three.md"] {
        write(&dir.join(name), format!("# {name} of {number}\n").as_bytes())?;
    }
    Ok(())
}

/// Watches the view until it is calm; tells when it changed last, and the states.
fn settle(
    project: &Project,
    client: &mut Client,
    daemon: &Daemon,
    ended: Instant,
) -> Outcome<(Instant, Vec<(String, State)>)> {
    let mut watched = Vec::new();
    for slug in project.slugs()? {
        watched.push((slug.clone(), Watched::new(client, &slug)?));
    }
    // What was published before the first question is as old as that at most.
    let mut last = Instant::now();
    while last.elapsed() < CALM {
        for (_, watched) in &mut watched {
            if watched.has_changed(client)? {
                last = Instant::now();
            }
        }
        if ended.elapsed() > LIMIT {
            return failed(format!("the view still changes {LIMIT:?} after the storm"));
        }
        std::thread::sleep(POLL);
    }
    daemon.wait_idle(Duration::from_millis(250))?;
    Ok((last, watched.into_iter().map(|(slug, watched)| (slug, watched.state)).collect()))
}

/// How many features are published in another state than the scan has.
fn differing(scanned: &[(String, State)], published: &[(String, State)]) -> u32 {
    let same = |feature: &&(String, State)| published.contains(feature);
    let differing = scanned.iter().filter(|feature| !same(feature)).count();
    let missing = scanned.len().abs_diff(published.len());
    u32::try_from(differing.max(missing)).unwrap_or(u32::MAX)
}
