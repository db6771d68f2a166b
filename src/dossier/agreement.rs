//! Does a snapshot that was written elsewhere agree with what is here?
//!
//! Agreement is what is left when nothing differs and everything could be compared: names
//! are compared one by one, and what either side could not read is never taken as equal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drift::Differences;
use super::parity::parity_hash;
use super::record::FileRow;
use super::{Digest, Dossier};

/// The newest version of the snapshot document that is understood.
const VERSION: u64 = 1;

/// A snapshot that was exported, as far as it takes part in the comparison.
#[derive(Debug, Clone, Deserialize)]
pub struct ExportedSnapshot {
    /// Its version.
    schema_version: u64,
    /// The feature's directory name.
    pub feature_slug: String,
    /// Over contents.
    pub parity_hash_sha256: Digest,
    artifact_summaries: Vec<Summary>,
}

#[derive(Debug, Clone, Deserialize)]
struct Summary {
    relative_path: Option<String>,
    content_hash_sha256: Option<Digest>,
    /// Of bytes that are not valid UTF-8: no artifact, but comparable all the same.
    #[serde(default)]
    raw_hash_sha256: Option<Digest>,
    is_present: bool,
    error_reason: Option<String>,
}

/// What came of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The same names with the same contents.
    Parity,
    /// Something differs.
    Divergence,
    /// Nothing that could be compared differs, but not everything could.
    Error,
}

/// A path that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// As shown.
    pub path: String,
    /// Which side could not read it, and why.
    pub reason: String,
}

/// A snapshot beside a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// In one word.
    pub result: Verdict,
    /// The parity hash of the snapshot.
    pub expected_hash: Digest,
    /// That of the directory.
    pub actual_hash: Digest,
    /// From the snapshot to the directory, by name.
    #[serde(flatten)]
    pub differences: Differences,
    /// What could not be compared.
    pub unknown: Vec<Unknown>,
}

impl Summary {
    /// Of what was read, whatever it is.
    fn hash(&self) -> Option<Digest> {
        self.content_hash_sha256.or(self.raw_hash_sha256)
    }
}

impl ExportedSnapshot {
    /// Reads the document, and recomputes its parity hash. The error says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let snapshot: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no snapshot: {error}"))?;
        if snapshot.schema_version > VERSION {
            return Err(format!(
                "its schema_version is {}; up to {VERSION} is understood",
                snapshot.schema_version
            ));
        }
        let mut hashes = Vec::new();
        for summary in snapshot.artifact_summaries.iter().filter(|summary| summary.is_present) {
            match (&summary.relative_path, summary.content_hash_sha256) {
                (Some(_), Some(hash)) => hashes.push(hash),
                _ => return Err("an artifact that is present has no path or no hash".to_owned()),
            }
        }
        let computed = parity_hash(hashes);
        if computed != snapshot.parity_hash_sha256 {
            return Err(format!(
                "it contradicts itself: its artifacts give the parity hash {computed}, and it says {}",
                snapshot.parity_hash_sha256
            ));
        }
        Ok(snapshot)
    }

    /// Compares it with a dossier.
    pub fn agreement(&self, dossier: &Dossier) -> Agreement {
        let before: BTreeMap<&str, Digest> = self
            .artifact_summaries
            .iter()
            .filter_map(|row| Some((row.relative_path.as_deref()?, row.hash()?)))
            .collect();
        let rows = dossier.rows.iter();
        let shown: Vec<(String, Digest)> = rows
            .filter_map(|row| {
                let hash = row.content_hash().or_else(|| row.artifact.raw_hash())?;
                Some((row.path.shown().into_owned(), hash))
            })
            .collect();
        let now = shown.iter().map(|(path, hash)| (path.as_str(), *hash)).collect();
        let unknown = self.unknown(dossier);
        let mut differences = Differences::between(&before, &now);
        // Whether a file that could not be read differs is what is not known.
        let is_unknown = |path: &String| unknown.iter().any(|unknown| unknown.path == *path);
        differences.added.retain(|path| !is_unknown(path));
        differences.removed.retain(|path| !is_unknown(path));
        let hashes_differ = self.parity_hash_sha256 != dossier.parity_hash;
        let result = match (differences.is_empty(), unknown.is_empty()) {
            (false, _) => Verdict::Divergence,
            (true, true) if !hashes_differ => Verdict::Parity,
            (true, _) => Verdict::Error,
        };
        Agreement {
            result,
            expected_hash: self.parity_hash_sha256,
            actual_hash: dossier.parity_hash,
            differences,
            unknown,
        }
    }

    /// What either side could not read.
    fn unknown(&self, dossier: &Dossier) -> Vec<Unknown> {
        let mut unknown = BTreeMap::new();
        for row in self.artifact_summaries.iter().filter(|row| row.hash().is_none()) {
            let reason = row.error_reason.as_deref().unwrap_or_default();
            let was_there = matches!(reason, "unreadable" | "invalid_format");
            if let Some(path) = row.relative_path.as_ref().filter(|_| was_there) {
                unknown.insert(path.clone(), format!("the snapshot has no hash of it: {reason}"));
            }
        }
        let unread = |row: &&FileRow| row.content_hash().or(row.artifact.raw_hash()).is_none();
        for row in dossier.rows.iter().filter(unread) {
            let artifact = &row.artifact;
            let reason = artifact.error_reason().map_or("unreadable", |reason| reason.as_str());
            let detail = artifact.error_detail().map(|d| format!(" ({d})")).unwrap_or_default();
            unknown.insert(row.path.shown().into_owned(), format!("{reason} here{detail}"));
        }
        if let Some(unseen) = dossier.unseen() {
            unknown.insert(".".to_owned(), format!("not everything could be looked at: {unseen}"));
        }
        unknown.into_iter().map(|(path, reason)| Unknown { path, reason }).collect()
    }
}
