//! Contents that were seen before, by their BLAKE3: the gate.
//!
//! A touched, moved or copied file whose bytes are known pays neither SHA-256 nor
//! parsing. Contents stay known for a while after their file is gone, because a move may
//! show as a removal first and an arrival in a later scan.

use std::collections::HashMap;
use std::sync::Arc;

use super::tree::Tree;
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

#[derive(Debug, Default)]
pub(super) struct Contents(HashMap<Digest, Known>);

/// Contents of vanished files that are kept, besides as many as there are rows.
const SLACK: usize = 1024;

impl Contents {
    pub(super) fn get(&self, blake3: &Digest) -> Option<&Known> {
        self.0.get(blake3)
    }

    pub(super) fn insert(&mut self, blake3: Digest, path: &RelPath, facts: &Arc<FileFacts>) {
        let known = Known { path: path.clone(), facts: Arc::clone(facts) };
        self.0.insert(blake3, known);
    }

    /// Forgets contents that no row has any more, once they are too many.
    pub(super) fn tidy(&mut self, tree: &Tree) {
        if self.0.len() <= 2 * tree.table().len() + SLACK {
            return;
        }
        self.0.clear();
        for (path, facts) in tree.table() {
            if let Some(blake3) = tree.record(path).and_then(|record| record.blake3) {
                self.insert(blake3, path, facts);
            }
        }
    }
}
