//! A git checkout that changes 5,000 of 10,000 files.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::children::{has, output, time};
use crate::client::Client;
use crate::daemon::{State, Watched};
use crate::fault::{Fault, Outcome, While, failed};
use crate::inputs::{PLAIN_10_000, Project, make_once, write};
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;

/// The branches between which is switched.
const BRANCHES: [&str; 2] = ["one", "two"];
/// How long a file that somebody writes is left alone before it is looked at.
const SETTLE: f64 = 0.050;
/// A daemon that is not there after this has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// From the end of the git process, which is not before its last write, until the
/// published parity and tree hash of all features are those of `dossierd scan`; beside a
/// scan of a project with only the 5,000 changed files.
///
/// The features are asked for one after the other, each until it is right: after the
/// checkout nothing changes any more, so none can become wrong again.
pub(super) fn checkout(stage: &Stage) -> Outcome<Vec<Line>> {
    if !has("git") {
        return Err(Fault::Missing("there is no git".to_owned()));
    }
    let root = stage.inputs.join("checkout");
    make_once(&root, "1", || make(&root))?;
    let (project, changed) = (root.join("project"), root.join("changed"));
    Project { root: project.clone() }.forget_dossiers()?;
    let (home, other) = (stage.home()?, stage.home()?);
    git(&project, &["checkout", "-q", BRANCHES[1]])?;
    let second = home.scan(&project)?;
    git(&project, &["checkout", "-q", BRANCHES[0]])?;
    let expected = [home.scan(&project)?, second];
    let (daemon, mut client) = home.start_with(&project)?;
    let mut ours = Series::new(Unit::Seconds);
    let mut peer = Series::new(Unit::Seconds);
    for run in 0..=stage.runs() as usize {
        let to = (run + 1) % 2;
        git(&project, &["checkout", "-q", BRANCHES[to]])?;
        let ended = Instant::now();
        wait_for(&mut client, &expected[to])?;
        let settled = ended.elapsed();
        daemon.wait_idle(Duration::from_millis(500))?;
        let scan = time(&mut other.command(&["scan", &changed.to_string_lossy(), "--json"]))?;
        // The first round fills the page cache.
        if run > 0 {
            ours.push_time(settled);
            peer.push_time(scan);
        }
    }
    let what = "git checkout that changes 5,000 of 10,000 files, its end to settled";
    let limit = Limit::Times { at_most: 2.0, slack: SETTLE };
    Ok(vec![Line::beside(what, ours, ("cold scan of those 5,000", peer), limit)])
}

fn wait_for(client: &mut Client, expected: &[(String, State)]) -> Outcome<()> {
    let deadline = Instant::now() + LIMIT;
    for (slug, state) in expected {
        let mut watched = Watched::new(client, slug)?;
        while watched.state != *state {
            if Instant::now() > deadline {
                return failed(format!("{slug} is not settled within {LIMIT:?}"));
            }
            std::thread::sleep(Duration::from_micros(500));
            watched.has_changed(client)?;
        }
    }
    Ok(())
}

/// A repository of 10,000 files with two branches, and a project of the files in which
/// they differ.
fn make(root: &Path) -> Outcome<()> {
    let repository = root.join("project");
    let project = Project::scratch(&repository, PLAIN_10_000)?;
    let git_dir = repository.join(".git");
    fs::remove_dir_all(&git_dir).at("cannot remove", &git_dir)?;
    git(&repository, &["init", "-q", "-b", BRANCHES[0]])?;
    git(&repository, &["config", "gc.auto", "0"])?;
    git(&repository, &["add", "--all"])?;
    git(&repository, &["commit", "-q", "-m", "One"])?;
    git(&repository, &["checkout", "-q", "-b", BRANCHES[1]])?;
    let config = fs::read(repository.join(".kittify/config.yaml"));
    write(&root.join("changed/.kittify/config.yaml"), &config.during("no configuration")?)?;
    let specs = repository.join("kitty-specs");
    let listed = output(Command::new("git").args(["ls-files"]).current_dir(&specs))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    for path in listed.lines().step_by(2) {
        let file = specs.join(path);
        let mut content = fs::read(&file).at("cannot read", &file)?;
        // A blank is white space in all formats, so that none is broken.
        content.push(b' ');
        write(&file, &content)?;
        write(&root.join("changed/kitty-specs").join(path), &content)?;
    }
    git(&repository, &["commit", "-q", "-a", "-m", "Two"])?;
    project.forget_dossiers()
}

/// Git with nobody's configuration.
fn git(dir: &Path, args: &[&str]) -> Outcome<()> {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir);
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "bench");
        command.env(format!("GIT_{role}_EMAIL"), "bench@example.invalid");
    }
    output(&mut command).map(drop)
}
