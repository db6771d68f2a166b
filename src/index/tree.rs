//! Everything the index knows of one feature, by path.
//!
//! One node per known entry; the file table, the ignored entries, the unreadable
//! directories, the links and the exceeded limits are views of the nodes that are kept in
//! step by the methods here, and by nothing else. Invariants: a path has at most one node;
//! a row in the table has a `File` or `Link` node; what is below a path goes when the path
//! goes or becomes something else. A journal remembers what each row was before the scan.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::below::{end_below, first_below, range};
use super::ignore_rules::{Ignored, IgnoredBy};
use super::stat::{FileRecord, StatRecord};
use crate::dossier::{Digest, ErrorReason, FileFacts, FileState, FileTable, RelPath, Timestamp};

/// What is known of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// A row of the table that is no link. Without a record it is read at each visit.
    File(Option<FileRecord>),
    /// A symbolic link; its record is of the target. It has a row unless it leads to a
    /// directory. `size` is that of the link itself.
    Link { size: u64, record: Option<FileRecord> },
    /// A directory that is indexed. Without a record it is listed at each visit.
    Directory(Option<StatRecord>),
    /// Left out by a rule.
    Ignored,
    /// Left out by a limit.
    OverLimit,
}

/// A limit that an entry exceeds; it is not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitExceeded {
    /// More path segments than allowed.
    Depth,
    /// A longer name than allowed.
    NameLength,
}

impl LimitExceeded {
    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "nested too deeply",
            Self::NameLength => "name too long",
        }
    }
}

/// A file that went, and what its bytes were.
#[derive(Debug)]
pub(super) struct Departed {
    pub(super) blake3: Digest,
    pub(super) path: RelPath,
    pub(super) facts: Arc<FileFacts>,
}

/// What a row was before it was first touched; `None` when it was not there.
pub(super) type Journal = BTreeMap<RelPath, Option<Arc<FileFacts>>>;

#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<RelPath, Node>,
    table: FileTable,
    ignored: BTreeMap<RelPath, Ignored>,
    links: BTreeSet<RelPath>,
    directory_faults: BTreeMap<Option<RelPath>, String>,
    limits: BTreeMap<RelPath, LimitExceeded>,
    journal: Journal,
    departed: Vec<Departed>,
    /// Is everything stored as tightly as it can be?
    is_packed: bool,
    /// What was ignored where something about it was set or removed in this scan.
    ignored_before: BTreeMap<RelPath, Option<Ignored>>,
}

impl Tree {
    /// Is nothing known?
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn table(&self) -> &FileTable {
        &self.table
    }

    pub(super) fn ignored(&self) -> &BTreeMap<RelPath, Ignored> {
        &self.ignored
    }

    pub(super) fn links(&self) -> &BTreeSet<RelPath> {
        &self.links
    }

    pub(super) fn directory_faults(&self) -> &BTreeMap<Option<RelPath>, String> {
        &self.directory_faults
    }

    pub(super) fn limits(&self) -> &BTreeMap<RelPath, LimitExceeded> {
        &self.limits
    }

    pub(super) fn node(&self, path: &RelPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn is_directory(&self, path: &RelPath) -> bool {
        matches!(self.nodes.get(path), Some(Node::Directory(_)))
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = &RelPath> {
        self.nodes
            .iter()
            .filter(|(_, node)| matches!(node, Node::Directory(_)))
            .map(|(path, _)| path)
    }

    /// The record of a row, if it has one.
    pub(super) fn record(&self, path: &RelPath) -> Option<FileRecord> {
        match self.nodes.get(path)? {
            Node::File(record) | Node::Link { record, .. } => *record,
            _ => None,
        }
    }

    /// Starts a scan's journal anew and hands out the old one.
    pub(super) fn take_journal(&mut self) -> Journal {
        std::mem::take(&mut self.journal)
    }

    /// Files that went since this was last asked, with what their bytes were.
    pub(super) fn take_departed(&mut self) -> Vec<Departed> {
        std::mem::take(&mut self.departed)
    }

    /// Stores everything as tightly as it can be, after much has come.
    pub(super) fn pack(&mut self) {
        if std::mem::replace(&mut self.is_packed, true) {
            return;
        }
        self.nodes = std::mem::take(&mut self.nodes).into_iter().collect();
        self.table = std::mem::take(&mut self.table).into_iter().collect();
    }

    /// Is anything else ignored than when this was last asked?
    pub(super) fn take_ignored_changed(&mut self) -> bool {
        let before = std::mem::take(&mut self.ignored_before);
        before.iter().any(|(path, before)| before.as_ref() != self.ignored.get(path))
    }

    fn ignore(&mut self, path: &RelPath, ignored: Ignored) {
        let before = self.ignored.insert(path.clone(), ignored);
        self.ignored_before.entry(path.clone()).or_insert(before);
    }

    fn unignore(&mut self, path: &RelPath) {
        if let Some(before) = self.ignored.remove(path) {
            self.ignored_before.entry(path.clone()).or_insert(Some(before));
        }
    }

    /// Sets the first rows of all, at once: of files that no node stands in the way of.
    pub(super) fn fill(&mut self, mut rows: Vec<(RelPath, FileRecord, FileFacts)>) {
        rows.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        self.journal = rows.iter().map(|(path, ..)| (path.clone(), None)).collect();
        let nodes = rows.iter().map(|(path, record, _)| (path.clone(), Node::File(Some(*record))));
        self.nodes = std::mem::take(&mut self.nodes).into_iter().chain(nodes).collect();
        self.table = rows.into_iter().map(|(path, _, facts)| (path, Arc::new(facts))).collect();
        self.is_packed = true;
    }

    /// Sets a row. Equal outcomes keep the facts that were there, with their time.
    pub(super) fn set_row(&mut self, path: &RelPath, node: Node, facts: FileFacts) {
        self.is_packed = false;
        self.become_leaf(path);
        match node {
            Node::Link { .. } => self.links.insert(path.clone()),
            _ => self.links.remove(path),
        };
        self.nodes.insert(path.clone(), node);
        let before = match self.journal.get(path) {
            Some(before) => before.clone(),
            None => self.table.get(path).cloned(),
        };
        let facts = match &before {
            Some(before) if before.same_outcome(&facts) => Arc::clone(before),
            _ => Arc::new(facts),
        };
        self.journal.entry(path.clone()).or_insert(before);
        self.table.insert(path.clone(), facts);
    }

    /// Takes rows over as they are, without a journal: they were known before.
    pub(super) fn restore(&mut self, rows: Vec<(RelPath, Node, Arc<FileFacts>)>) {
        let is_link = |node: &Node| matches!(node, Node::Link { .. });
        let links = rows.iter().filter(|(_, node, _)| is_link(node));
        self.links = links.map(|(path, ..)| path.clone()).collect();
        self.table =
            rows.iter().map(|(path, _, facts)| (path.clone(), Arc::clone(facts))).collect();
        self.nodes = rows.into_iter().map(|(path, node, _)| (path, node)).collect();
        self.is_packed = true;
    }

    /// Remembers a link; what it leads to is found out later in the same scan.
    pub(super) fn set_link(&mut self, path: &RelPath, size: u64) {
        let record = match self.nodes.get(path) {
            Some(Node::Link { record, .. }) => *record,
            _ => {
                self.remove(path);
                None
            }
        };
        self.nodes.insert(path.clone(), Node::Link { size, record });
        self.links.insert(path.clone());
    }

    /// A link turned out to lead to a directory: it has no row, and is listed as ignored.
    pub(super) fn set_directory_link(&mut self, path: &RelPath, size: u64) {
        self.drop_row(path);
        self.nodes.insert(path.clone(), Node::Link { size, record: None });
        let ignored = Ignored { by: IgnoredBy::SymlinkedDirectory, is_dir: true };
        self.ignore(path, ignored);
    }

    /// A directory was listed; `record` is its stat from before.
    pub(super) fn set_directory(&mut self, path: &RelPath, record: Option<StatRecord>) {
        // What has no node may have rows from a cache below it, which stay.
        if !matches!(self.nodes.get(path), None | Some(Node::Directory(_))) {
            self.remove(path);
        }
        self.nodes.insert(path.clone(), Node::Directory(record));
    }

    pub(super) fn set_ignored(&mut self, path: &RelPath, ignored: Ignored) {
        self.remove(path);
        self.nodes.insert(path.clone(), Node::Ignored);
        self.ignore(path, ignored);
    }

    pub(super) fn set_over_limit(&mut self, path: &RelPath, limit: LimitExceeded) {
        self.remove(path);
        self.nodes.insert(path.clone(), Node::OverLimit);
        self.limits.insert(path.clone(), limit);
    }

    /// A directory cannot be listed: files known below it become unreadable rows, and
    /// everything below is looked at anew once it can be listed again.
    pub(super) fn set_directory_fault(
        &mut self,
        path: Option<&RelPath>,
        detail: &str,
        at: Timestamp,
    ) {
        if let Some(path) = path {
            self.set_directory(path, None);
        }
        self.directory_faults.insert(path.cloned(), detail.to_owned());
        let below: Vec<RelPath> = range(&self.nodes, path).map(|(path, _)| path.clone()).collect();
        for path in below {
            match self.nodes.get(&path) {
                Some(Node::File(_)) => {
                    let size_bytes = self.table.get(&path).map_or(0, |facts| facts.size_bytes);
                    let detail = format!("its directory cannot be read: {detail}");
                    let reason = ErrorReason::Unreadable;
                    let state =
                        FileState::Faulty { reason, detail: detail.into(), raw_sha256: None };
                    let facts = FileFacts { size_bytes, state, indexed_at: at };
                    self.set_row(&path, Node::File(None), facts);
                }
                Some(Node::Directory(_)) => self.set_directory(&path, None),
                _ => {}
            }
        }
    }

    /// A directory could be listed; whether it was at fault before.
    pub(super) fn clear_directory_fault(&mut self, path: Option<&RelPath>) -> bool {
        self.directory_faults.remove(&path.cloned()).is_some()
    }

    pub(super) fn has_directory_fault(&self, path: Option<&RelPath>) -> bool {
        !self.directory_faults.is_empty() && self.directory_faults.contains_key(&path.cloned())
    }

    /// Removes an entry and everything below it. Costs as much as is removed.
    pub(super) fn remove(&mut self, path: &RelPath) {
        match self.nodes.get(path) {
            // Rows from a cache come without the directories above them.
            None | Some(Node::Directory(_)) => {
                let below: Vec<RelPath> =
                    range(&self.nodes, Some(path)).map(|(path, _)| path.clone()).collect();
                for path in below {
                    self.remove_one(&path);
                }
            }
            Some(_) => {}
        }
        self.remove_one(path);
    }

    /// The names directly in a directory that have a node, or nodes below them.
    pub(super) fn children(&self, directory: Option<&RelPath>) -> BTreeSet<RelPath> {
        let skip = directory.map_or(0, |directory| directory.as_bytes().len() + 1);
        let upper = end_below(directory);
        let mut children = Vec::new();
        let mut nodes = self.nodes.range((first_below(directory), upper.clone()));
        while let Some((path, _)) = nodes.next() {
            let slash = path.as_bytes()[skip..].iter().position(|byte| *byte == b'/');
            match slash {
                None => children.push(path.clone()),
                // A node below a child: the child itself, then on past all below it.
                Some(at) => {
                    let child = RelPath::new(&path.as_bytes()[..skip + at])
                        .expect("the beginning of a valid path up to a slash is valid");
                    let Bound::Excluded(end) = end_below(Some(&child)) else { break };
                    nodes = self.nodes.range((Bound::Included(end), upper.clone()));
                    children.push(child);
                }
            }
        }
        children.into_iter().collect()
    }

    /// Drops the last rows, in path order, that are more than `limit`; whether any were.
    pub(super) fn truncate(&mut self, limit: usize) -> bool {
        let excess = self.table.len().saturating_sub(limit);
        let last: Vec<RelPath> = self.table.keys().rev().take(excess).cloned().collect();
        for path in &last {
            self.remove_one(path);
        }
        excess > 0
    }

    /// Forgets every record, so that all is listed and read again.
    pub(super) fn forget_records(&mut self) {
        for node in self.nodes.values_mut() {
            match node {
                Node::File(record) | Node::Link { record, .. } => *record = None,
                Node::Directory(record) => *record = None,
                Node::Ignored | Node::OverLimit => {}
            }
        }
    }

    /// What was there is no leaf that keeps its row: clear it away.
    fn become_leaf(&mut self, path: &RelPath) {
        match self.nodes.get(path) {
            Some(Node::File(_)) => {}
            Some(Node::Link { .. }) => {
                self.unignore(path);
            }
            _ => self.remove(path),
        }
    }

    fn drop_row(&mut self, path: &RelPath) {
        if let Some(facts) = self.table.remove(path) {
            self.journal.entry(path.clone()).or_insert(Some(facts));
        }
    }

    fn remove_one(&mut self, path: &RelPath) {
        let blake3 = self.record(path).and_then(|record| record.blake3);
        if let Some((blake3, facts)) = blake3.zip(self.table.get(path)) {
            let facts = Arc::clone(facts);
            self.departed.push(Departed { blake3, path: path.clone(), facts });
        }
        self.drop_row(path);
        match self.nodes.remove(path) {
            Some(Node::Link { .. }) => {
                self.links.remove(path);
                self.unignore(path);
            }
            Some(Node::Directory(_)) => {
                self.directory_faults.remove(&Some(path.clone()));
            }
            Some(Node::Ignored) => {
                self.unignore(path);
            }
            Some(Node::OverLimit) => {
                self.limits.remove(path);
            }
            Some(Node::File(_)) | None => {}
        }
    }
}
