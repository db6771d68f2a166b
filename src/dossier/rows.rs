//! Rows: one for each listed file, with a key that no other row has.

use std::collections::HashMap;
use std::sync::Arc;

use super::artifact::{Artifact, Location, Presence, RequiredStatus};
use super::classify;
use super::definition::MissionDefinition;
use super::extract::Extract;
use super::key::{FREE_PREFIX, Keyed};
use super::manifest::Manifest;
use super::record::FileRow;
use super::{Digest, Dossier, FileFacts, FileState, FileTable, RelPath};

/// One row for each listed file, by path, with unique keys.
///
/// Rows of `previous` are kept where neither the file nor the mission has changed.
pub(super) fn rows(
    files: &FileTable,
    definition: Option<&Arc<MissionDefinition>>,
    previous: Option<&Dossier>,
) -> Vec<FileRow> {
    let same_definition = |previous: &&Dossier| match (&previous.definition, definition) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    };
    let previous = previous.filter(same_definition);
    let mut former = previous.map_or(&[][..], |p| &p.rows[..]).iter().peekable();
    let manifest = definition.map(|d| &d.manifest);
    let mut out = Vec::with_capacity(files.len());
    let mut collisions = false;
    let mut taken: HashMap<String, usize> = HashMap::with_capacity(files.len());
    for (path, facts) in files {
        while former.next_if(|(p, _, _)| p < path).is_some() {}
        let kept = former
            .next_if(|(p, f, _)| p == path && Arc::ptr_eq(f, facts))
            .map(|(_, _, row)| Arc::clone(row));
        let row = kept.unwrap_or_else(|| Arc::new(row(path, facts, manifest, definition)));
        collisions |= taken.insert(row.key.clone(), out.len()).is_some();
        out.push((path.clone(), Arc::clone(facts), row));
    }
    if collisions {
        resolve_collisions(&mut out, manifest);
    }
    out
}

/// Gives all rows that share a key its longer form, until no two share one. Only crafted
/// names get here: 48 bits of SHA-256 have to collide.
fn resolve_collisions(rows: &mut [FileRow], manifest: Option<&Manifest>) {
    loop {
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, (_, _, row)) in rows.iter().enumerate() {
            by_key.entry(row.key.clone()).or_default().push(i);
        }
        let shared: Vec<usize> = by_key.into_values().filter(|v| v.len() > 1).flatten().collect();
        if shared.is_empty() {
            return;
        }
        for i in shared {
            let (path, _, row) = &mut rows[i];
            if let Some(longer) = keyed(path, manifest).longer(path) {
                let key = if row.key == longer {
                    format!("{longer}_h{}", Digest::sha256(longer.as_bytes()))
                } else {
                    longer
                };
                *row = Arc::new(Artifact { key, ..row.as_ref().clone() });
            }
        }
    }
}

/// The key of a path: that of a manifest entry that names exactly this path, else encoded.
///
/// Of an entry with several literal alternatives only the first gives its own key: keys
/// depend on path and manifest alone, and both alternatives may be there at once.
fn keyed(path: &RelPath, manifest: Option<&Manifest>) -> Keyed {
    let Some((manifest, matched)) = manifest.and_then(|m| Some((m, m.first_match(path)?))) else {
        return Keyed::encoded(FREE_PREFIX, path);
    };
    let entry = &manifest.entries()[matched.entry];
    if matched.pattern == 0 && !entry.patterns[0].is_glob {
        Keyed::Entry(entry.artifact_key.clone())
    } else {
        Keyed::encoded(&entry.artifact_key, path)
    }
}

/// Makes the row of one file.
fn row(
    path: &RelPath,
    facts: &FileFacts,
    manifest: Option<&Manifest>,
    definition: Option<&Arc<MissionDefinition>>,
) -> Artifact {
    let front = match &facts.state {
        FileState::Text { extract, .. } => match extract.as_ref() {
            Extract::Markdown(front) => Some(front),
            _ => None,
        },
        FileState::Faulty { .. } => None,
    };
    let (class, classified_by) = classify::classify(path, front, manifest);
    let presence = match &facts.state {
        FileState::Text { sha256, .. } => Presence::Present(*sha256),
        FileState::Faulty { reason, detail, raw_sha256 } => Presence::Absent {
            reason: *reason,
            detail: Some(detail.clone()),
            raw_hash: *raw_sha256,
        },
    };
    let required = manifest.is_some_and(|m| m.is_required(path));
    Artifact {
        key: keyed(path, manifest).as_str().to_owned(),
        class,
        classified_by,
        location: Location::File(path.clone()),
        size_bytes: facts.size_bytes,
        wp_id: classify::wp_id(path, front),
        step_id: classify::step_id(path, front, definition.map(Arc::as_ref)),
        required_status: if required { RequiredStatus::Required } else { RequiredStatus::Optional },
        presence,
        indexed_at: Some(facts.indexed_at),
        entries: manifest.map_or_else(Vec::new, |m| m.matches(path).collect()),
    }
}
