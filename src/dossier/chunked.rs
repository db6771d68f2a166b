//! Rows in order, shared between one dossier and the next.
//!
//! A changed copy has all chunks of the former but those that changed, so that an edit in
//! a feature of a hundred thousand artifacts copies some hundred rows, and comparing two
//! dossiers skips what they share. Invariants: keys are unique and ascending; no chunk is
//! empty; none has more than 128 rows.

use std::sync::Arc;

/// Rows in one chunk, at most. Larger chunks cost more at each change, smaller ones more
/// for each copy of the list of chunks.
const MOST: usize = 128;

/// What a [`Chunked`] is made of.
pub trait Row: Clone {
    /// By what rows are ordered.
    type Key: Ord + ?Sized;

    /// The key of this row.
    fn key(&self) -> &Self::Key;

    /// Is it certainly the same row, because it is shared? `false` may be an equal one.
    fn is_shared_with(&self, other: &Self) -> bool;
}

/// Rows by key. Cloning shares everything.
#[derive(Debug, Clone)]
pub struct Chunked<T> {
    chunks: Arc<Vec<Arc<Vec<T>>>>,
    len: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

/// A row as it was, and as it is; at least one of the two is there.
pub type Difference<'a, 'b, T> = (Option<&'a T>, Option<&'b T>);

impl<T: Row> Chunked<T> {
    /// Takes over rows in ascending order of unique keys.
    pub fn from_sorted(rows: impl IntoIterator<Item = T>) -> Self {
        let (mut chunks, mut chunk, mut len) = (Vec::new(), Vec::new(), 0);
        for row in rows {
            debug_assert!(chunk.last().is_none_or(|last: &T| last.key() < row.key()));
            if chunk.len() == MOST {
                chunks.push(Arc::new(std::mem::take(&mut chunk)));
            }
            if chunk.is_empty() {
                chunk.reserve_exact(MOST);
            }
            chunk.push(row);
            len += 1;
        }
        if !chunk.is_empty() {
            chunk.shrink_to_fit();
            chunks.push(Arc::new(chunk));
        }
        Self { chunks: Arc::new(chunks), len }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Are all rows shared with the other one?
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The rows from the first one that is not before `key`, in order.
    pub fn iter_from<'a>(&'a self, key: &T::Key) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let at = self.chunk_of(key);
        let skip =
            self.chunks.get(at).map_or(0, |chunk| chunk.partition_point(|row| row.key() < key));
        self.chunks[at.min(self.chunks.len())..].iter().flat_map(|chunk| chunk.iter()).skip(skip)
    }

    /// The row with this key.
    pub fn get(&self, key: &T::Key) -> Option<&T> {
        let chunk = self.chunks.get(self.chunk_of(key))?;
        let at = chunk.binary_search_by(|row| row.key().cmp(key)).ok()?;
        Some(&chunk[at])
    }

    /// The first chunk whose last key is not before `key`.
    fn chunk_of(&self, key: &T::Key) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.key() < key))
    }

    /// Puts a row in; gives the one that had its key.
    pub fn insert(&mut self, row: T) -> Option<T> {
        let at = self.chunk_of(row.key());
        let chunks = Arc::make_mut(&mut self.chunks);
        if at == chunks.len() {
            self.len += 1;
            match chunks.last_mut().filter(|last| last.len() < MOST) {
                Some(last) => Arc::make_mut(last).push(row),
                None => chunks.push(Arc::new(vec![row])),
            }
            return None;
        }
        match chunks[at].binary_search_by(|other| other.key().cmp(row.key())) {
            Ok(found) => Some(std::mem::replace(&mut Arc::make_mut(&mut chunks[at])[found], row)),
            Err(place) => {
                self.len += 1;
                let chunk = Arc::make_mut(&mut chunks[at]);
                chunk.insert(place, row);
                if chunk.len() > MOST {
                    let second = chunk.split_off(MOST / 2);
                    chunks.insert(at + 1, Arc::new(second));
                }
                None
            }
        }
    }

    /// Takes the row with this key out.
    pub fn remove(&mut self, key: &T::Key) -> Option<T> {
        let at = self.chunk_of(key);
        let place = self.chunks.get(at)?.binary_search_by(|row| row.key().cmp(key)).ok()?;
        self.len -= 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[at]);
        let removed = chunk.remove(place);
        let small = chunk.len();
        let next = chunks.get(at + 1).map_or(usize::MAX, |next| next.len());
        if small == 0 {
            chunks.remove(at);
        } else if small.saturating_add(next) <= MOST / 2 {
            let next = chunks.remove(at + 1);
            Arc::make_mut(&mut chunks[at]).extend(next.iter().cloned());
        }
        Some(removed)
    }

    /// In which rows `later` differs, in order. Costs as much as the chunks that are not
    /// shared.
    pub fn differences<'a, 'b>(&'a self, later: &'b Self) -> Vec<Difference<'a, 'b, T>> {
        let (mut old, mut new) = (Cursor::new(self), Cursor::new(later));
        let mut out = Vec::new();
        loop {
            if let (Some(a), Some(b)) = (old.whole_chunk(), new.whole_chunk())
                && Arc::ptr_eq(a, b)
            {
                old.skip_chunk();
                new.skip_chunk();
                continue;
            }
            match (old.row(), new.row()) {
                (None, None) => return out,
                (Some(a), Some(b)) if a.key() == b.key() => {
                    if !a.is_shared_with(b) {
                        out.push((Some(a), Some(b)));
                    }
                    old.step();
                    new.step();
                }
                (Some(a), b) if b.is_none_or(|b| a.key() < b.key()) => {
                    out.push((Some(a), None));
                    old.step();
                }
                (_, b) => {
                    out.push((None, b));
                    new.step();
                }
            }
        }
    }
}

/// A place in the rows.
struct Cursor<'a, T> {
    chunks: &'a [Arc<Vec<T>>],
    chunk: usize,
    row: usize,
}

impl<'a, T> Cursor<'a, T> {
    fn new(rows: &'a Chunked<T>) -> Self {
        Self { chunks: &rows.chunks, chunk: 0, row: 0 }
    }

    /// The chunk at whose beginning it is.
    fn whole_chunk(&self) -> Option<&'a Arc<Vec<T>>> {
        self.chunks.get(self.chunk).filter(|_| self.row == 0)
    }

    fn row(&self) -> Option<&'a T> {
        self.chunks.get(self.chunk)?.get(self.row)
    }

    fn skip_chunk(&mut self) {
        self.chunk += 1;
        self.row = 0;
    }

    fn step(&mut self) {
        self.row += 1;
        if self.row == self.chunks[self.chunk].len() {
            self.skip_chunk();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A number, and a value that is shared or not.
    #[derive(Debug, Clone, PartialEq)]
    struct Entry(u16, Arc<u8>);

    impl Row for Entry {
        type Key = u16;

        fn key(&self) -> &u16 {
            &self.0
        }

        fn is_shared_with(&self, other: &Self) -> bool {
            Arc::ptr_eq(&self.1, &other.1)
        }
    }

    fn check(rows: &Chunked<Entry>, model: &BTreeMap<u16, Arc<u8>>) {
        let expected: Vec<Entry> = model.iter().map(|(k, v)| Entry(*k, Arc::clone(v))).collect();
        assert!(rows.iter().eq(&expected));
        assert_eq!(rows.len(), model.len());
        assert!(rows.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= MOST));
        for key in [0, 3, 700, 1500, u16::MAX] {
            assert_eq!(rows.get(&key).map(|row| &row.1), model.get(&key));
            assert!(rows.iter_from(&key).eq(expected.iter().filter(|row| row.0 >= key)));
        }
    }

    proptest! {
        #[test]
        fn does_what_a_map_does_and_finds_what_differs(
            first in proptest::collection::btree_map(0u16..2000, any::<u8>(), 0..1000),
            changes in proptest::collection::vec((0u16..2000, proptest::option::of(any::<u8>())), 0..300),
            from in 0u16..2000,
            removed in 0u16..600,
        ) {
            let before: BTreeMap<u16, Arc<u8>> =
                first.into_iter().map(|(k, v)| (k, Arc::new(v))).collect();
            let old = Chunked::from_sorted(before.iter().map(|(k, v)| Entry(*k, Arc::clone(v))));
            check(&old, &before);
            let (mut new, mut after) = (old.clone(), before.clone());
            let range = (from..from.saturating_add(removed)).map(|key| (key, None));
            for (key, value) in changes.into_iter().chain(range) {
                let value = value.map(Arc::new);
                let was = match &value {
                    Some(value) => {
                        after.insert(key, Arc::clone(value));
                        new.insert(Entry(key, Arc::clone(value)))
                    }
                    None => {
                        after.remove(&key);
                        new.remove(&key)
                    }
                };
                prop_assert!(was.is_none_or(|was| was.0 == key));
            }
            check(&new, &after);
            check(&old, &before);
            let same = |key: &u16| match (before.get(key), after.get(key)) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            let expected: Vec<u16> = (0..2600).filter(|key| !same(key)).collect();
            let differences = old.differences(&new);
            let found: Vec<u16> =
                differences.iter().filter_map(|(a, b)| a.or(*b).map(|row| row.0)).collect();
            prop_assert_eq!(found, expected);
            for (was, is) in differences {
                let key = was.or(is).expect("one of the two").0;
                prop_assert_eq!(was.map(|row| &row.1), before.get(&key));
                prop_assert_eq!(is.map(|row| &row.1), after.get(&key));
            }
        }
    }

    #[test]
    fn rows_that_arrive_in_order_fill_their_chunks() {
        let mut rows = Chunked::default();
        for key in 0..1000 {
            rows.insert(Entry(key, Arc::default()));
        }
        assert_eq!(rows.chunks.len(), 1000usize.div_ceil(MOST));
    }
}
