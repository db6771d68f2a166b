//! `GET /api/dossier/diff`: an artifact beside the version that was committed.
//!
//! Both versions are texts of hostile origin, so size, time and lines are bounded; where
//! there is nothing to compare with, the answer says why.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers};
use similar::{ChangeTag, DiffOp, DiffableStr, group_diff_ops};

use crate::api::call::Call;
use crate::api::code::{Code, quoted};
use crate::api::http::Response;
use crate::api::ports::{ArtifactText, CommittedText};
use crate::api::problem::Problem;
use crate::api::query::bad_parameter;
use crate::api::reply::ok;
use crate::api::service::Api;
use crate::daemon::view::FeatureView;
use crate::dossier::artifact::{Artifact, Location};
use crate::dossier::{Digest, RelPath};

/// Larger files are not compared: 2 MiB.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
/// From then on a difference may be larger than the least one.
const DEADLINE: Duration = Duration::from_millis(500);
/// Lines around a change.
const CONTEXT: usize = 3;
/// Lines in an answer.
const MAX_LINES: usize = 10_000;

#[derive(Serialize)]
struct Difference<'a> {
    artifact_key: &'a str,
    relative_path: &'a str,
    /// `same`, `changed`, `added` or `unavailable`.
    status: &'static str,
    /// Why it is unavailable.
    reason: Option<String>,
    against: Option<Against>,
    /// Are there more lines than these?
    truncated: bool,
    hunks: Vec<Hunk>,
}

#[derive(Serialize)]
struct Against {
    commit: String,
    branch: Option<String>,
    content_hash_sha256: Option<Digest>,
}

/// Lines are counted from 1, as in a unified diff; of no lines the place before them.
#[derive(Serialize)]
struct Hunk {
    old_start: usize,
    old_lines: usize,
    new_start: usize,
    new_lines: usize,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    /// `context`, `delete` or `insert`.
    op: &'static str,
    /// With its line end, if it has one.
    text: String,
}

/// What was found out.
struct Finding {
    status: &'static str,
    reason: Option<String>,
    against: Option<Against>,
    truncated: bool,
    hunks: Vec<Hunk>,
}

impl Finding {
    fn bare(status: &'static str, against: Option<Against>) -> Self {
        Self { status, reason: None, against, truncated: false, hunks: Vec::new() }
    }

    fn unavailable(reason: String) -> Self {
        Self { reason: Some(reason), ..Self::bare("unavailable", None) }
    }
}

pub(in crate::api) async fn get(api: &Api, call: &Call) -> Result<Response, Problem> {
    let Some(key) = call.query.get("artifact") else {
        return Err(bad_parameter("artifact", "name an artifact by its key"));
    };
    let feature = api.feature(call).await?;
    let Some(row) = feature.dossier.artifact(key) else {
        let detail = format!("{} has no artifact {}", quoted(&feature.slug), quoted(key));
        return Err(Code::ArtifactUnknown.problem(detail));
    };
    let row = Arc::clone(row);
    let port = Arc::clone(&api.text);
    api.blocking.run(move || render(port.as_ref(), &feature, &row)).await
}

fn render(port: &dyn ArtifactText, feature: &FeatureView, row: &Artifact) -> Response {
    let finding = match &row.location {
        Location::File(path) => compare(port, feature, path),
        Location::Expected(_) => Finding::unavailable("there is no such file".to_owned()),
    };
    let Finding { status, reason, against, truncated, hunks } = finding;
    let (artifact_key, relative_path) = (&row.key, row.location.shown());
    let relative_path = &relative_path;
    ok(&Difference { artifact_key, relative_path, status, reason, against, truncated, hunks })
}

fn compare(port: &dyn ArtifactText, feature: &FeatureView, path: &RelPath) -> Finding {
    let committed = match port.committed(&feature.dir, path, MAX_BYTES) {
        Ok(committed) => committed,
        Err(reason) => return Finding::unavailable(reason),
    };
    let CommittedText { commit, branch, bytes } = committed;
    let content_hash_sha256 = bytes.as_deref().map(Digest::sha256);
    let against = Some(Against { commit, branch, content_hash_sha256 });
    let Some(old) = bytes else { return Finding::bare("added", against) };
    let new = match port.read(&feature.dir, path, MAX_BYTES) {
        Ok(text) if text.truncated => {
            let reason =
                format!("the file has {} bytes; up to {MAX_BYTES} are compared", text.size);
            return Finding::unavailable(reason);
        }
        Ok(text) => text.bytes,
        Err(fault) => return Finding::unavailable(fault.to_string()),
    };
    if old == new {
        return Finding::bare("same", against);
    }
    match (String::from_utf8(old), String::from_utf8(new)) {
        (Ok(old), Ok(new)) => {
            let (hunks, truncated) = hunks(&old, &new);
            Finding { truncated, hunks, ..Finding::bare("changed", against) }
        }
        _ => Finding {
            reason: Some("one of the versions is not valid UTF-8".to_owned()),
            ..Finding::bare("unavailable", against)
        },
    }
}

fn hunks(old: &str, new: &str) -> (Vec<Hunk>, bool) {
    let (old, new) = (old.tokenize_lines(), new.tokenize_lines());
    let (mut hunks, mut lines, mut truncated) = (Vec::new(), 0, false);
    for group in group_diff_ops(operations(&old, &new), CONTEXT) {
        let mut hunk = hunk(&old, &new, &group);
        if lines + hunk.lines.len() > MAX_LINES {
            hunk.lines.truncate(MAX_LINES - lines);
            truncated = true;
        }
        lines += hunk.lines.len();
        if !hunk.lines.is_empty() {
            hunks.push(hunk);
        }
        if truncated {
            break;
        }
    }
    (hunks, truncated)
}

/// What makes the new lines of the old ones, by Myers. Called by itself, since similar's way over
/// texts brings all of its algorithms into the program.
fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let lines = IdentifyDistinct::<u32>::new(old, 0..old.len(), new, 0..new.len());
    let mut found = Compact::new(Replace::new(Capture::new()), old, new);
    let done = myers::diff_deadline(
        &mut found,
        lines.old_lookup(),
        lines.old_range(),
        lines.new_lookup(),
        lines.new_range(),
        Some(Instant::now() + DEADLINE),
    );
    match done {
        Ok(()) => found.into_inner().into_inner().into_ops(),
        Err(never) => match never {},
    }
}

fn hunk(old: &[&str], new: &[&str], group: &[DiffOp]) -> Hunk {
    let (old_start, old_lines) = span(group.iter().map(DiffOp::old_range));
    let (new_start, new_lines) = span(group.iter().map(DiffOp::new_range));
    let line = |change: similar::Change<&str>| Line {
        op: match change.tag() {
            ChangeTag::Equal => "context",
            ChangeTag::Delete => "delete",
            ChangeTag::Insert => "insert",
        },
        text: change.value().to_owned(),
    };
    let lines = group.iter().flat_map(|op| op.iter_changes(old, new)).map(line).collect();
    Hunk { old_start, old_lines, new_start, new_lines, lines }
}

/// Where lines begin, counted from 1, and how many they are.
fn span(mut ranges: impl Iterator<Item = Range<usize>>) -> (usize, usize) {
    let first = ranges.next().unwrap_or(0..0);
    let end = ranges.last().map_or(first.end, |last| last.end);
    let length = end - first.start;
    (first.start + usize::from(length > 0), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> String {
        let (hunks, _) = hunks(old, new);
        let told = hunks.iter().map(|hunk| {
            let lines = hunk.lines.iter().map(|line| {
                let mark = match line.op {
                    "context" => ' ',
                    "delete" => '-',
                    _ => '+',
                };
                format!("{mark}{}", line.text.trim_end())
            });
            format!(
                "@@ -{},{} +{},{} @@ {}",
                hunk.old_start,
                hunk.old_lines,
                hunk.new_start,
                hunk.new_lines,
                lines.collect::<Vec<_>>().join("|")
            )
        });
        told.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn hunks_count_as_a_unified_diff_does() {
        assert_eq!(told("a\nb\nc\n", "a\nx\nc\n"), "@@ -1,3 +1,3 @@  a|-b|+x| c");
        assert_eq!(told("", "a\n"), "@@ -0,0 +1,1 @@ +a");
        assert_eq!(told("a\n", ""), "@@ -1,1 +0,0 @@ -a");
        let many = |changed: &[usize]| {
            let line = |n: usize| format!("{n}{}\n", if changed.contains(&n) { "x" } else { "" });
            (1..=30).map(line).collect::<String>()
        };
        assert_eq!(
            told(&many(&[]), &many(&[2, 20])),
            "@@ -1,5 +1,5 @@  1|-2|+2x| 3| 4| 5\n@@ -17,7 +17,7 @@  17| 18| 19|-20|+20x| 21| 22| 23"
        );
    }

    #[test]
    fn too_many_lines_are_cut_and_that_is_said() {
        let old: String = (0..MAX_LINES).map(|n| format!("old {n}\n")).collect();
        let new: String = (0..MAX_LINES).map(|n| format!("new {n}\n")).collect();
        let (hunks, truncated) = hunks(&old, &new);
        assert!(truncated);
        assert_eq!(hunks.iter().map(|hunk| hunk.lines.len()).sum::<usize>(), MAX_LINES);
    }
}
