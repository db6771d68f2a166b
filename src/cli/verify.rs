//! `dossierd verify`: replays event logs and recomputes every snapshot hash.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::args::VerifyArgs;
use super::error::ErrorKind;
use super::render::{Line, Page, Tone};
use super::{CliError, Context, Verdict, agree};
use crate::dossier::verify::{LogSummary, LogVerifier};
use crate::platform::{Dir, Open};
use crate::store::MAX_LINE;

/// The active segment of a log.
const ACTIVE: &str = "events.jsonl";

/// What came of one log.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    log: String,
    ok: bool,
    #[serde(flatten)]
    summary: LogSummary,
    /// The first line that breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Broken>,
}

#[derive(Debug, serde::Serialize)]
struct Broken {
    file: String,
    line: u64,
    reason: String,
}

pub(super) fn run(args: VerifyArgs, context: &mut Context) -> Result<Verdict, CliError> {
    if let Some(snapshot) = &args.snapshot {
        return agree::run(snapshot, &args.logs, args.json, context);
    }
    if let [snapshot, dir] = args.logs.as_slice()
        && is_document(snapshot)
        && dir.is_dir()
    {
        return agree::run(snapshot, std::slice::from_ref(dir), args.json, context);
    }
    let mut outcomes = Vec::new();
    for path in &args.logs {
        for log in logs_at(path)? {
            outcomes.push(verify(&log)?);
        }
    }
    let ok = outcomes.iter().all(|outcome| outcome.ok);
    if args.json {
        let document = serde_json::json!({ "schema_version": 1, "ok": ok, "logs": outcomes });
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&page(&outcomes))?;
    }
    Ok(if ok { Verdict::Fine } else { Verdict::Findings })
}

/// A snapshot is one JSON document; logs are lines of JSON, `.jsonl`.
fn is_document(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "json")
}

/// The logs at a path: the file itself; the log of a dossier directory, with all its
/// segments; or those of all features of a project.
fn logs_at(path: &Path) -> Result<Vec<Vec<PathBuf>>, CliError> {
    let found = path.metadata().map_err(|error| unreadable(path, error))?;
    if !found.is_dir() {
        return Ok(vec![vec![path.to_path_buf()]]);
    }
    let own = segments(path)?;
    if !own.is_empty() {
        return Ok(vec![own]);
    }
    let mut logs = Vec::new();
    for dossiers in [path.join(".kittify/dossiers"), path.to_path_buf()] {
        if dossiers.is_dir() {
            for dir in entries(&dossiers)?.into_iter().filter(|entry| entry.is_dir()) {
                logs.push(segments(&dir)?);
            }
        }
    }
    logs.retain(|segments| !segments.is_empty());
    if logs.is_empty() {
        let message = format!("{} has no event log", path.display());
        return Err(CliError::new(ErrorKind::Input, message).hint(
            "name an events.jsonl, a directory that has one, or a project root with .kittify/dossiers/",
        ));
    }
    Ok(logs)
}

/// The segments in a directory, oldest first; the active one comes last.
fn segments(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let is_segment = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.strip_prefix("events-").is_some_and(|rest| rest.ends_with(".jsonl"))
    };
    let mut found: Vec<PathBuf> = entries(dir)?.into_iter().filter(is_segment).collect();
    let active = dir.join(ACTIVE);
    if active.is_file() {
        found.push(active);
    }
    Ok(found)
}

/// Entries of a directory, sorted.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, CliError> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut found = read().map_err(|error| unreadable(dir, error))?;
    found.sort();
    Ok(found)
}

/// Opens a regular file; anything else, which might never end or never open, is refused. A link
/// that was named is followed, one in a log's directory is not.
fn open(path: &Path) -> io::Result<File> {
    let name = path.file_name().unwrap_or(OsStr::new("."));
    let is_segment = name == ACTIVE || name.to_string_lossy().starts_with("events-");
    let path = if is_segment { path.to_path_buf() } else { path.canonicalize()? };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Dir::open(parent)?.open_file(path.file_name().unwrap_or(OsStr::new(".")), Open::Read)
}

/// Verifies one log, segment by segment, up to the first line that breaks.
fn verify(segments: &[PathBuf]) -> Result<Outcome, CliError> {
    let mut verifier = LogVerifier::default();
    let name = segments.last().map(|path| path.display().to_string()).unwrap_or_default();
    for path in segments {
        verifier.begin_segment();
        let mut reader = BufReader::new(open(path).map_err(|error| unreadable(path, error))?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            // One byte more than a line may have tells that it is longer.
            let read = reader.by_ref().take(MAX_LINE as u64 + 2).read_until(b'\n', &mut line);
            if read.map_err(|error| unreadable(path, error))? == 0 {
                break;
            }
            let checked = match line.strip_suffix(b"\n") {
                Some(whole) => verifier.line(whole),
                None if line.len() > MAX_LINE => Err("the line is longer than 1 MiB".into()),
                None => Err(
                    "the line has no end: a crash cut it, and the daemon repairs it when it starts"
                        .into(),
                ),
            };
            if let Err(reason) = checked {
                let file = path.display().to_string();
                let broken = Some(Broken { file, line: number, reason });
                return Ok(Outcome {
                    log: name,
                    ok: false,
                    summary: verifier.summary().clone(),
                    broken,
                });
            }
        }
    }
    Ok(Outcome { log: name, ok: true, summary: verifier.summary().clone(), broken: None })
}

fn unreadable(path: &Path, error: std::io::Error) -> CliError {
    CliError::io(format!("cannot read {}", path.display()), error)
}

fn page(outcomes: &[Outcome]) -> Page {
    let mut page = Page::new();
    for outcome in outcomes {
        let summary = &outcome.summary;
        let counts = format!(
            "events {}, snapshots recomputed {}, drifts {}, artifacts {}",
            summary.events, summary.snapshots, summary.drifts, summary.artifacts
        );
        match &outcome.broken {
            None => page.line(
                Line::toned(Tone::Good, "✓ ")
                    .text(&outcome.log)
                    .tone(Tone::Faint, format!("  {counts}")),
            ),
            Some(broken) => {
                page.line(Line::toned(Tone::Bad, "✗ ").text(&outcome.log));
                page.line(format!("  {}:{}: {}", broken.file, broken.line, broken.reason));
                page.line(Line::toned(Tone::Faint, format!("  up to there: {counts}")));
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_and_a_foreign_one_are_named_with_their_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let check = |text: &str, line: u64, reason: &str| {
            let path = dir.path().join(ACTIVE);
            std::fs::write(&path, text).expect("written");
            let outcome = verify(&[path]).expect("reads");
            let broken = outcome.broken.expect("is broken");
            assert_eq!(broken.line, line, "{text:?}");
            assert!(broken.reason.contains(reason), "{}", broken.reason);
        };
        check("{\"event_id\":", 1, "has no end");
        check("{}\n", 1, "not an event");
        check("nonsense\n", 1, "not JSON");
        check("{\"feature_slug\":1}\n", 1, "forbidden");
    }

    #[test]
    fn a_directory_without_logs_is_an_error_that_says_what_to_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = logs_at(dir.path()).expect_err("has none");
        assert!(error.to_string().contains("no event log"));
        assert!(logs_at(&dir.path().join("missing")).is_err());
    }
}
