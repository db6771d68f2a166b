//! Dossiers from a few lines of text, for the tests of the core.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::assemble::{Sources, assemble};
use super::baseline::{Baseline, BaselineKey};
use super::capture::{Capturable, CaptureContext, capture};
use super::definition::MissionDefinition;
use super::extract::extract;
use super::record::{FileRow, Provenance};
use super::row_set::RowSet;
use super::{Digest, Dossier, ErrorReason, FileFacts, FileState, FileTable, RelPath, Timestamp};

/// Contents that stand for invalid UTF-8.
pub(crate) const INVALID: &str = "\u{0}invalid";

/// A path that is one.
pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a valid path")
}

/// The row of one file of no mission; without contents it cannot be read.
pub(crate) fn file_row(name: &str, content: Option<&[u8]>) -> FileRow {
    let text = content.map_or(INVALID.into(), String::from_utf8_lossy);
    let files = table(&[(name, &text)]);
    RowSet::new(&files, None, &RowSet::default()).by_path.iter().next().expect("one file").clone()
}

/// Files by path and contents.
pub(crate) fn table(files: &[(&str, &str)]) -> FileTable {
    let facts = |path: &RelPath, content: &str| {
        let state = if content == INVALID {
            FileState::Faulty {
                reason: ErrorReason::InvalidFormat,
                detail: "invalid UTF-8 at byte 0".into(),
                raw_sha256: Some(Box::new(Digest::sha256("raw"))),
            }
        } else {
            FileState::Text {
                sha256: Digest::sha256(content),
                extract: Arc::new(extract(path, content.as_bytes())),
            }
        };
        let size_bytes = content.len() as u64;
        FileFacts { size_bytes, state, indexed_at: Timestamp::from_micros(0) }
    };
    files
        .iter()
        .map(|(name, content)| (path(name), Arc::new(facts(&path(name), content))))
        .collect()
}

/// A dossier of these files, with the built-in missions.
pub(crate) fn dossier(files: &[(&str, &str)], step: Option<&str>) -> Dossier {
    remembering(files, step, &[])
}

/// The same, with paths that were there before.
pub(crate) fn remembering(
    files: &[(&str, &str)],
    step: Option<&str>,
    remembered: &[&str],
) -> Dossier {
    let gone: BTreeSet<RelPath> = remembered.iter().map(|name| path(name)).collect();
    assemble(&Sources {
        feature_slug: "001-x",
        files: &table(files),
        ignored: 0,
        faults: &|_| Vec::new(),
        missions: &MissionDefinition::builtin,
        registered_mission: None,
        explicit_step: step,
        remembered: &gone,
        provenance: Arc::new(Provenance { source_kind: "manual", git_sha: None, git_ref: None }),
        both_at_once: None,
    })
}

/// A context.
pub(crate) fn key() -> BaselineKey {
    BaselineKey {
        project_uuid: "5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815".into(),
        node_id: "node".into(),
        feature_slug: "001-x".into(),
        target_branch: "main".into(),
        mission_key: "software-dev".into(),
        manifest_version: "1".into(),
    }
}

/// The baseline that accepts a dossier.
pub(crate) fn baseline_of(dossier: &Dossier) -> Baseline {
    let present: Vec<Capturable> = dossier
        .rows
        .iter()
        .filter_map(|row| {
            Some(Capturable {
                path: row.path.clone(),
                artifact_key: row.artifact.key.to_string(),
                content_hash: row.content_hash()?,
                required_status: row.artifact.required_status,
            })
        })
        .collect();
    let context = CaptureContext {
        key: key(),
        captured_at: Timestamp::from_micros(0),
        checkout_branch: None,
        git_sha: None,
        note: None,
    };
    capture(context, &present)
}
