//! Paths that are said to have changed: how to get to them, and what to look at instead
//! when the way is not the one the index knows.
//!
//! The way down goes through descriptors of known directories, never through links. A
//! directory that the index does not know is looked at with all below it; a way that is
//! gone brings in the nearest directory that is there.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, openat, statat};
use rustix::io::Errno;

use super::listing::{Look, Name};
use super::resolve::{TRAVERSE, child};
use super::scan::Touched;
use super::stat::{FileKind, StatKey};
use super::walk::Walk;
use crate::dossier::RelPath;

impl Walk<'_> {
    /// Looks at some paths, those above first, so that those below need no second look.
    pub(super) fn touched(&mut self, touched: &[Touched]) {
        let mut merged: BTreeMap<Option<&RelPath>, bool> = BTreeMap::new();
        for Touched { path, deep } in touched {
            *merged.entry(path.as_ref()).or_default() |= *deep;
        }
        for (path, deep) in merged {
            if self.stopped() {
                return;
            }
            match path {
                None => self.visit(self.dir.fd(), b".", None, deep),
                Some(path) => self.touched_path(path, deep),
            }
        }
    }

    /// Was everything below a directory above this path, or below it, looked at already?
    fn covered(&self, path: &RelPath) -> bool {
        let deep = |path: Option<RelPath>| self.visited.get(&path).copied().unwrap_or(false);
        let mut at = Some(path.clone());
        while let Some(path) = at {
            at = path.parent();
            if deep(Some(path)) {
                return true;
            }
        }
        deep(None)
    }

    /// Goes down to a path, without following links, as far as the index knows the way.
    fn touched_path(&mut self, path: &RelPath, deep: bool) {
        if self.covered(path) {
            return;
        }
        let names: Vec<&[u8]> = path.segments().collect();
        let Some((last, above)) = names.split_last() else { return };
        let mut here: Option<RelPath> = None;
        let mut held: Option<OwnedFd> = None;
        for name in above {
            let Some(next) = child(here.as_ref(), name) else { return };
            let fd = held.as_ref().map_or(self.dir.fd(), |fd| fd.as_fd());
            if self.rules.decide(&next, true).is_some() {
                // Only whether the directory itself is there can matter.
                return self.look_at(fd, here.as_ref(), &next, name, false);
            }
            match openat(fd, *name, TRAVERSE, Mode::empty()) {
                Ok(entered) => {
                    let known = self.tree.is_directory(&next);
                    if !known || self.tree.has_directory_fault(Some(&next)) {
                        return self.look_at(fd, here.as_ref(), &next, name, true);
                    }
                    held = Some(entered);
                    here = Some(next);
                }
                Err(_) => {
                    // The way is gone. If the index knew it, its end says all; if not,
                    // events came in an order that is not ours to understand.
                    let known = self.tree.node(&next).is_some();
                    self.look_at(fd, here.as_ref(), &next, name, true);
                    return self.visit_above(here.as_ref(), !known);
                }
            }
        }
        let fd = held.as_ref().map_or(self.dir.fd(), |fd| fd.as_fd());
        self.look_at(fd, here.as_ref(), path, last, deep);
    }

    /// Visits a directory that was reached by going down.
    fn visit_above(&mut self, path: Option<&RelPath>, deep: bool) {
        match path {
            None => self.visit(self.dir.fd(), b".", None, deep),
            Some(path) => {
                let Some(parent) = self.open_way(path.parent().as_ref()) else {
                    self.again.push(path.clone());
                    return;
                };
                let fd = parent.as_ref().map_or(self.dir.fd(), |fd| fd.as_fd());
                self.visit(fd, path.file_name(), Some(path), deep);
            }
        }
    }

    /// Opens a directory by its way from the top; the inner `None` is the top itself.
    fn open_way(&self, path: Option<&RelPath>) -> Option<Option<OwnedFd>> {
        let mut held: Option<OwnedFd> = None;
        for name in path.iter().flat_map(|path| path.segments()) {
            let fd = held.as_ref().map_or(self.dir.fd(), |fd| fd.as_fd());
            held = Some(openat(fd, name, TRAVERSE, Mode::empty()).ok()?);
        }
        Some(held)
    }

    /// Looks at one path that was named, not listed.
    fn look_at(
        &mut self,
        fd: BorrowedFd<'_>,
        parent: Option<&RelPath>,
        path: &RelPath,
        name: &[u8],
        deep: bool,
    ) {
        self.stats.listed += 1;
        match statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let look = Look::Taken(Ok(StatKey::of(&stat)));
                let listed_kind = FileKind::Unknown;
                let name = Name { bytes: name.to_vec(), listed_kind, look };
                self.entry(fd, path, &name, deep);
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let known = self.tree.node(path).is_some();
                self.tree.remove(path);
                // A name that is neither on disk nor in the index: the event meant
                // something else in the same directory.
                if !known {
                    self.visit_above(parent, false);
                }
            }
            // The listing of the directory above knows more.
            Err(_) => self.visit_above(parent, false),
        }
    }
}
