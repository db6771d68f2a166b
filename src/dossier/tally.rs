//! Sums over the rows of files, kept in step while rows come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::RelPath;
use super::artifact::{Artifact, RequiredStatus};
use super::classify::ClassifiedBy;
use super::record::{Counts, FileRow};

/// How the rows stand to one manifest entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryTally {
    /// How many present artifacts match it.
    pub present: usize,
    /// Those that match it and are not present, by path.
    pub faulty: BTreeMap<RelPath, Arc<Artifact>>,
}

/// The sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    counts: Counts,
    /// Rows that only the default rule classified.
    pub(super) unrecognised: usize,
    /// By manifest entry.
    pub(super) entries: Vec<EntryTally>,
}

impl Tally {
    /// The sums of nothing, for a manifest of so many entries.
    pub(super) fn new(entries: usize) -> Self {
        Self { entries: vec![EntryTally::default(); entries], ..Self::default() }
    }

    /// A row is there.
    pub(super) fn add(&mut self, row: &FileRow) {
        *self.count(&row.artifact) += 1;
        self.unrecognised += usize::from(row.artifact.classified_by == ClassifiedBy::Default);
        for entry in row.artifact.entries() {
            let tally = &mut self.entries[entry];
            if row.artifact.is_present() {
                tally.present += 1;
            } else {
                tally.faulty.insert(row.path.clone(), Arc::clone(&row.artifact));
            }
        }
    }

    /// A row that was added is gone.
    pub(super) fn take(&mut self, row: &FileRow) {
        *self.count(&row.artifact) -= 1;
        self.unrecognised -= usize::from(row.artifact.classified_by == ClassifiedBy::Default);
        for entry in row.artifact.entries() {
            let tally = &mut self.entries[entry];
            if row.artifact.is_present() {
                tally.present -= 1;
            } else {
                tally.faulty.remove(&row.path);
            }
        }
    }

    /// The sum that a row belongs to. `optional` has those that are not present alone.
    fn count(&mut self, row: &Artifact) -> &mut usize {
        match (row.required_status, row.is_present()) {
            (RequiredStatus::Required, true) => &mut self.counts.required_present,
            (RequiredStatus::Required, false) => &mut self.counts.required_missing,
            (RequiredStatus::Optional, true) => &mut self.counts.optional_present,
            (RequiredStatus::Optional, false) => &mut self.counts.optional,
        }
    }

    /// Rows by kind, with so many missing artifacts that have no file.
    pub(super) fn counts(&self, missing: usize) -> Counts {
        let mut counts = self.counts;
        counts.required_missing += missing;
        counts.required = counts.required_present + counts.required_missing;
        counts.optional += counts.optional_present;
        counts.total = counts.required + counts.optional;
        counts
    }
}
