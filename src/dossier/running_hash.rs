//! The two hashes of a dossier, kept ready for the next change.
//!
//! Both formulas ([`super::parity`]) hash everything in order, so they cannot be patched.
//! But what comes before the first change gives the same state of SHA-256 as before: that
//! state is kept every [`STEP`] rows, and hashing resumes from the last one that still
//! holds. Of edits at random places that saves about half, and all copying and sorting.

use sha2::{Digest as _, Sha256};

use super::chunked::Chunked;
use super::parity::TreeHash;
use super::record::FileRow;
use super::{Digest, RelPath};

/// Rows between two states that are kept.
const STEP: usize = 256;

/// Bytes gathered before they are hashed: many small pieces cost more than one large one.
const GATHERED: usize = 8 * 1024;

/// The content hashes of all present artifacts, sorted, and their parity hash.
#[derive(Debug, Clone, Default)]
pub(super) struct ContentHashes {
    sorted: Vec<Digest>,
    /// The state before each `STEP`th digest, as far as it is known.
    marks: Vec<Sha256>,
}

impl ContentHashes {
    /// Those of these artifacts.
    pub(super) fn new(contents: impl Iterator<Item = Digest>) -> Self {
        let mut sorted: Vec<Digest> = contents.collect();
        // Bytes sort as their hex forms do.
        sorted.sort_unstable();
        Self { sorted, marks: Vec::new() }
    }

    /// Takes some out and puts some in. Whether all that were to be taken out were there.
    #[must_use]
    pub(super) fn update(&mut self, mut out: Vec<Digest>, mut into: Vec<Digest>) -> bool {
        out.sort_unstable();
        into.sort_unstable();
        let Some(first) = out.first().into_iter().chain(into.first()).min().copied() else {
            return true;
        };
        let start = self.sorted.partition_point(|digest| *digest < first);
        self.marks.truncate(start / STEP + 1);
        if let ([old], [new]) = (out.as_slice(), into.as_slice()) {
            return self.replace(*old, *new);
        }
        let tail = self.sorted.split_off(start);
        self.sorted.reserve(tail.len() + into.len());
        let (mut out, mut into) = (out.into_iter().peekable(), into.into_iter().peekable());
        for digest in tail {
            while let Some(new) = into.next_if(|new| *new <= digest) {
                self.sorted.push(new);
            }
            if out.next_if_eq(&digest).is_none() {
                self.sorted.push(digest);
            }
        }
        self.sorted.extend(into);
        out.next().is_none()
    }

    /// Replaces one by another; whether it was there.
    fn replace(&mut self, old: Digest, new: Digest) -> bool {
        let Ok(from) = self.sorted.binary_search(&old) else { return false };
        let to = self.sorted.partition_point(|digest| *digest < new);
        if to > from {
            self.sorted[from..to].rotate_left(1);
            self.sorted[to - 1] = new;
        } else {
            self.sorted[to..=from].rotate_right(1);
            self.sorted[to] = new;
        }
        true
    }

    /// The parity hash.
    pub(super) fn parity(&mut self) -> Digest {
        let first = self.marks.len().saturating_sub(1);
        let mut hasher = self.marks.pop().unwrap_or_default();
        let mut gathered = Vec::with_capacity(STEP * 64);
        for step in self.sorted[first * STEP..].chunks(STEP) {
            self.marks.push(hasher.clone());
            gathered.clear();
            step.iter().for_each(|digest| gathered.extend_from_slice(&digest.hex()));
            hasher.update(&gathered);
        }
        Digest(hasher.finalize().into())
    }
}

/// The tree hash, resumable.
#[derive(Debug, Clone, Default)]
pub(super) struct TreeLines {
    marks: Vec<TreeMark>,
}

/// The state before a row.
#[derive(Debug, Clone)]
struct TreeMark {
    path: RelPath,
    hasher: Sha256,
    /// Does a line come before, so that a newline is due?
    continues: bool,
}

impl TreeLines {
    /// The tree hash of these rows, of which none before `changed` differs from the last
    /// time; `None` if any may.
    pub(super) fn hash(&mut self, rows: &Chunked<FileRow>, changed: Option<&RelPath>) -> TreeHash {
        let kept = changed.map_or(0, |changed| {
            // The state before the changed row itself does not know of it either.
            self.marks.partition_point(|mark| mark.path <= *changed)
        });
        self.marks.truncate(kept);
        match self.marks.pop() {
            Some(mark) => self.go_on(rows.iter_from(&mark.path), mark.hasher, mark.continues),
            None => self.go_on(rows.iter(), Sha256::new(), false),
        }
    }

    fn go_on<'r>(
        &mut self,
        rows: impl Iterator<Item = &'r FileRow>,
        mut hasher: Sha256,
        mut continues: bool,
    ) -> TreeHash {
        let mut gathered = Vec::with_capacity(2 * GATHERED);
        for (number, row) in rows.enumerate() {
            if number.is_multiple_of(STEP) {
                hasher.update(&gathered);
                gathered.clear();
                let path = row.path.clone();
                self.marks.push(TreeMark { path, hasher: hasher.clone(), continues });
            }
            let Some(digest) = row.content_hash() else { continue };
            if std::mem::replace(&mut continues, true) {
                gathered.push(b'\n');
            }
            gathered.extend_from_slice(row.path.shown().as_bytes());
            gathered.push(b'\t');
            gathered.extend_from_slice(&digest.hex());
            if gathered.len() >= GATHERED {
                hasher.update(&gathered);
                gathered.clear();
            }
        }
        hasher.update(&gathered);
        TreeHash(Digest(hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::parity::parity_hash;
    use super::super::testing::file_row;
    use super::*;

    /// A path and a content from two small numbers.
    fn row(n: u16, content: Option<u8>) -> FileRow {
        file_row(&format!("d{}/f{n:04}.txt", n % 7), content.map(|c| vec![c]).as_deref())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn resuming_gives_what_hashing_everything_gives(
            size in 0u16..1500,
            rounds in proptest::collection::vec(
                proptest::collection::vec((0u16..1500, proptest::option::of(proptest::option::of(any::<u8>()))), 1..4),
                1..6,
            ),
        ) {
            let first = (0..size).map(|n| row(n, (n % 50 != 0).then_some((n % 251) as u8)));
            let mut model: BTreeMap<RelPath, FileRow> =
                first.map(|row| (row.path.clone(), row)).collect();
            let mut rows = Chunked::from_sorted(model.values().cloned());
            let mut contents = ContentHashes::new(rows.iter().filter_map(FileRow::content_hash));
            let mut lines = TreeLines::default();
            contents.parity();
            lines.hash(&rows, None);
            for round in rounds {
                let (mut out, mut into, mut paths) = (Vec::new(), Vec::new(), Vec::new());
                for (n, change) in round {
                    let new = row(n, change.flatten());
                    if paths.contains(&new.path) {
                        continue;
                    }
                    paths.push(new.path.clone());
                    let old = match change {
                        Some(_) => {
                            into.extend(new.content_hash());
                            model.insert(new.path.clone(), new.clone());
                            rows.insert(new)
                        }
                        None => {
                            model.remove(&new.path);
                            rows.remove(&new.path)
                        }
                    };
                    out.extend(old.and_then(|old| old.content_hash()));
                }
                prop_assert!(contents.update(out, into));
                let all = || model.values().filter_map(|row| Some((&row.path, row.content_hash()?)));
                prop_assert_eq!(contents.parity(), parity_hash(all().map(|(_, digest)| digest)));
                prop_assert_eq!(lines.hash(&rows, paths.iter().min()), TreeHash::of_sorted(all()));
                prop_assert_eq!(contents.parity(), parity_hash(all().map(|(_, digest)| digest)));
            }
        }
    }

    #[test]
    fn what_was_never_there_cannot_be_taken_out() {
        let (a, b) = (Digest::sha256("a"), Digest::sha256("b"));
        let mut contents = ContentHashes::new([a].into_iter());
        assert!(!contents.clone().update(vec![b], vec![]));
        assert!(!contents.clone().update(vec![b], vec![a]));
        assert!(!contents.clone().update(vec![a, a], vec![]));
        assert!(contents.update(vec![a], vec![a, b]));
        assert_eq!(Arc::new(contents.parity()).0, parity_hash([b, a]).0);
    }
}
