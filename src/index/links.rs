//! Symbolic links: what each known one leads to now.
//!
//! A link's target may change without any event at the link, so every scan asks for all
//! of them, by the stat of what they resolve to. Where the way leads through directories
//! that are not indexed, these are watched too, so that a change there is noticed.

use std::collections::BTreeSet;

use super::beneath::{Links, OpenFault};
use super::reader::unreadable;
use super::resolve::{Resolution, Target};
use super::stat::FileKind;
use super::tree::Node;
use super::walk::Walk;
use crate::dossier::{FileFacts, FileState, RelPath};
use crate::watch::WatchError;

/// How often a way is followed anew because it led through unwatched directories.
const WAYS: usize = 5;

impl Walk<'_> {
    /// Brings every known link up to date; to be called after the directories.
    pub(super) fn links(&mut self) {
        let links: Vec<RelPath> = self.tree.links().iter().cloned().collect();
        let mut watched = BTreeSet::new();
        for path in &links {
            if self.stopped() {
                return;
            }
            self.link(path, &mut watched);
        }
    }

    fn link(&mut self, path: &RelPath, watched: &mut BTreeSet<Option<RelPath>>) {
        let Some(Node::Link { size, record }) = self.tree.node(path) else { return };
        let (size, record) = (*size, *record);
        match self.follow(path, watched).target {
            Ok(Target::Directory) => self.tree.set_directory_link(path, size),
            Ok(Target::Entry { key, .. }) if key.kind() == FileKind::Regular => {
                if record.is_some_and(|record| record.stat.vouches_for(&key)) {
                    self.stats.trusted_stats += 1;
                } else {
                    self.queue(path, key.size, true);
                }
            }
            Ok(Target::Entry { key, .. }) => {
                let fault = OpenFault::Special(key.kind());
                self.link_row(path, unreadable(fault.to_string()), size);
            }
            Err(OpenFault::Gone) => {
                self.link_row(path, unreadable("dangling symbolic link"), size);
            }
            Err(fault) => self.link_row(path, unreadable(fault.to_string()), size),
        }
    }

    /// Follows a link; directories on its way are watched before the answer counts.
    fn follow(&mut self, path: &RelPath, watched: &mut BTreeSet<Option<RelPath>>) -> Resolution {
        for _ in 1..WAYS {
            let resolution = self.dir.resolve(path, Links::Follow);
            let mut news = false;
            for directory in &resolution.trail {
                let indexed = match directory {
                    None => true,
                    Some(path) => self.tree.is_directory(path),
                };
                if indexed || !watched.insert(directory.clone()) {
                    continue;
                }
                news = true;
                let absolute = self.dir.absolute(directory.as_ref());
                match self.watcher.watch_dir(&absolute) {
                    Ok(()) | Err(WatchError::Gone(_)) => {}
                    Err(error) => self.unwatched.push((absolute, error)),
                }
            }
            if !news {
                return resolution;
            }
        }
        self.dir.resolve(path, Links::Follow)
    }

    fn link_row(&mut self, path: &RelPath, state: FileState, size: u64) {
        let facts = FileFacts { size_bytes: size, state, indexed_at: self.at };
        self.tree.set_row(path, Node::Link { size, record: None }, facts);
    }
}
