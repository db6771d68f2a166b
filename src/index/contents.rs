//! Contents that were seen before, by their BLAKE3: the gate.
//!
//! A touched, moved or copied file whose bytes are known pays neither SHA-256 nor
//! parsing. What is in the tree is found there, by a hint that is checked; contents whose
//! file is gone are kept for a while, because a move may show as a removal first and an
//! arrival in a later scan.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::tree::{Departed, Tree};
use crate::dossier::{Digest, FileFacts, RelPath};

/// A file whose bytes have a known BLAKE3.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) path: RelPath,
    pub(super) facts: Arc<FileFacts>,
}

impl Known {
    /// Would extraction from the same bytes at `path` give the same? It may look at the
    /// file name and at whether the file lies directly in the feature directory.
    pub(super) fn extracts_like(&self, path: &RelPath) -> bool {
        let direct = |path: &RelPath| path.parent().is_none();
        self.path.file_name() == path.file_name() && direct(&self.path) == direct(path)
    }
}

/// How many contents of vanished files are kept from scan to scan: as many as there are
/// files, or were before the last scan, but never fewer or more than this. A small directory
/// whose files change all day does not grow by what they once were.
const KEPT: RangeInclusive<usize> = 64..=4096;

#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Where bytes may be in the tree, by the beginning of their BLAKE3. There is one for
    /// each file, so the rest of the sum is looked up where it stands anyway.
    hints: BTreeMap<u64, RelPath>,
    gone: HashMap<Digest, Known>,
    /// The order in which they went.
    order: VecDeque<Digest>,
    /// How many files there were after the last scan.
    files: usize,
}

impl Contents {
    /// Was nothing ever seen, or nothing kept of it?
    pub(super) fn is_empty(&self) -> bool {
        self.hints.is_empty() && self.gone.is_empty()
    }

    /// A file with these bytes.
    pub(super) fn get(&self, blake3: &Digest, tree: &Tree) -> Option<Known> {
        let here = self.hints.get(&beginning(blake3)).and_then(|path| {
            let record = tree.record(path)?;
            let facts = tree.table().get(path)?;
            (record.blake3 == Some(*blake3))
                .then(|| Known { path: path.clone(), facts: Arc::clone(facts) })
        });
        here.or_else(|| self.gone.get(blake3).cloned())
    }

    /// A file in the tree has these bytes.
    pub(super) fn note(&mut self, blake3: &Digest, path: &RelPath) {
        self.hints.insert(beginning(blake3), path.clone());
    }

    /// These files, the first ones of all, have bytes of these sums.
    pub(super) fn note_all<'p>(
        &mut self,
        files: impl Iterator<Item = (&'p RelPath, Option<Digest>)>,
    ) {
        let hints = files.filter_map(|(path, blake3)| Some((beginning(&blake3?), path.clone())));
        self.hints = hints.collect();
    }

    /// Takes over what went out of the tree.
    pub(super) fn take(&mut self, departed: Vec<Departed>) {
        for Departed { blake3, path, facts } in departed {
            if self.gone.insert(blake3, Known { path, facts }).is_none() {
                self.order.push_back(blake3);
            }
        }
    }

    /// Forgets what is gone for long, and hints that lead nowhere once they are too many.
    pub(super) fn tidy(&mut self, tree: &Tree) {
        let files = tree.table().len();
        let before = std::mem::replace(&mut self.files, files);
        let kept = files.max(before).clamp(*KEPT.start(), *KEPT.end());
        while self.order.len() > kept {
            if let Some(oldest) = self.order.pop_front() {
                self.gone.remove(&oldest);
            }
        }
        if self.order.is_empty() || self.gone.capacity() > 4 * kept {
            self.gone.shrink_to_fit();
            self.order.shrink_to_fit();
        }
        if self.hints.len() > files + files / 4 + kept {
            let hints = std::mem::take(&mut self.hints).into_iter();
            self.hints = hints.filter(|(_, path)| tree.table().contains_key(path)).collect();
        }
    }
}

/// Eight bytes of a sum. Two sums that share them share a hint, and one of them is then
/// hashed again, no more.
fn beginning(blake3: &Digest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = blake3.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::{ErrorReason, FileState, Timestamp};

    #[test]
    fn what_went_is_kept_for_a_while_and_not_for_ever() {
        let (tree, mut contents) = (Tree::default(), Contents::default());
        let path = RelPath::new("a.md").expect("a path");
        let sum = |number: u64| {
            let mut sum = Digest([0; 32]);
            sum.0[..8].copy_from_slice(&number.to_le_bytes());
            sum
        };
        let (reason, detail) = (ErrorReason::Unreadable, Box::default());
        let state = FileState::Faulty { reason, detail, raw_sha256: None };
        let indexed_at = Timestamp::from_micros(0);
        let facts = Arc::new(FileFacts { size_bytes: 1, state, indexed_at });
        for number in 0..20_000 {
            let facts = Arc::clone(&facts);
            contents.note(&sum(number), &path);
            contents.take(vec![Departed { blake3: sum(number), path: path.clone(), facts }]);
            contents.tidy(&tree);
            assert!(contents.gone.len() <= *KEPT.start(), "{number}: {}", contents.gone.len());
            assert!(contents.order.len() == contents.gone.len(), "{number}");
            assert!(contents.hints.len() <= *KEPT.start(), "{number}: {}", contents.hints.len());
        }
        assert!(contents.get(&sum(19_999), &tree).is_some(), "the last one is known");
        assert!(contents.get(&sum(0), &tree).is_none(), "the first one is not");
    }
}
