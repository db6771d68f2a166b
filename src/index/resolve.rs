//! Where a path beneath a feature leads, link by link, without leaving the feature.
//!
//! The kernel never follows a link here: each component is looked up with "no follow" in
//! the directory above it, links are read as text, and `..` goes back to a descriptor
//! that is already held. So no swap of a file or directory can lead outside. A link that
//! climbs out, or begins at `/`, is followed there as text alone: nothing outside is
//! looked up, and only the feature's own path leads back in. Besides the target it tells
//! every directory in which a name was looked up, because a change there can change the
//! answer.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::beneath::{FeatureDir, Links, OpenFault};
use super::stat::{FileKind, StatKey};
use crate::dossier::RelPath;

/// Links followed before it counts as a loop: the limit of the Linux kernel.
const MAX_LINKS: usize = 40;

/// Only to look names up in: needs no permission to list.
#[cfg(target_os = "linux")]
pub(super) const TRAVERSE: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
pub(super) const TRAVERSE: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Target {
    /// A directory.
    Directory,
    /// Anything else that exists and is no link.
    Entry {
        /// The directory it is in; `None` for the feature directory.
        parent: Option<Rc<OwnedFd>>,
        /// Its name there.
        name: Vec<u8>,
        /// Its stat.
        key: StatKey,
    },
}

/// The way to a target.
#[derive(Debug)]
pub(super) struct Resolution {
    /// Where it ended.
    pub(super) target: Result<Target, OpenFault>,
    /// The directories in which a name was looked up; `None` is the feature directory.
    pub(super) trail: BTreeSet<Option<RelPath>>,
}

/// A directory entered on the way.
struct Step {
    fd: Rc<OwnedFd>,
    path: RelPath,
}

/// A place outside of the feature.
struct Outside {
    /// Absolute and without links, up to the names that were entered since.
    at: PathBuf,
    /// Was a name entered? It may be a link, so where `..` leads from it is not known.
    entered: bool,
    /// The feature's path without links; asked anew for each way out, because a directory
    /// above it may be renamed.
    canonical: PathBuf,
}

impl Outside {
    /// Is this the path that the feature was opened with, or its canonical one?
    fn is_back_at(&self, dir: &FeatureDir) -> bool {
        self.at == self.canonical || self.at == dir.path()
    }
}

struct Walker<'a> {
    dir: &'a FeatureDir,
    links: Links,
    /// The directories from the feature down to the current one; empty while outside.
    steps: Vec<Step>,
    outside: Option<Outside>,
    pending: VecDeque<Vec<u8>>,
    followed: usize,
    trail: BTreeSet<Option<RelPath>>,
}

impl FeatureDir {
    /// Follows `path` to its end.
    pub(super) fn resolve(&self, path: &RelPath, links: Links) -> Resolution {
        let mut walker = Walker {
            dir: self,
            links,
            steps: Vec::new(),
            outside: None,
            pending: path.segments().map(<[u8]>::to_vec).collect(),
            followed: 0,
            trail: BTreeSet::new(),
        };
        let target = walker.run();
        Resolution { target, trail: walker.trail }
    }
}

impl Walker<'_> {
    fn run(&mut self) -> Result<Target, OpenFault> {
        while let Some(name) = self.pending.pop_front() {
            match name.as_slice() {
                b"" | b"." => {}
                b".." => self.climb()?,
                _ if self.outside.is_some() => self.enter_outside(&name),
                _ => {
                    if let Some(target) = self.step(name)? {
                        return Ok(target);
                    }
                }
            }
        }
        if self.outside.is_some() { Err(OpenFault::Escapes) } else { Ok(Target::Directory) }
    }

    /// Goes to the directory above, which may be outside.
    fn climb(&mut self) -> Result<(), OpenFault> {
        match &mut self.outside {
            Some(outside) if outside.entered => return Err(OpenFault::Escapes),
            Some(outside) => {
                outside.at.pop();
            }
            None => {
                if self.steps.pop().is_none() {
                    self.leave(|feature| feature.parent().unwrap_or(feature).to_owned())?;
                }
            }
        }
        Ok(())
    }

    /// Goes to the absolute path without links that `to` gives for the feature's own.
    fn leave(&mut self, to: impl FnOnce(&Path) -> PathBuf) -> Result<(), OpenFault> {
        self.steps.clear();
        let canonical = std::fs::canonicalize(self.dir.path()).map_err(|_| OpenFault::Escapes)?;
        let outside = Outside { at: to(&canonical), entered: false, canonical };
        // The feature may be the root directory, from which no way leads out.
        self.outside = (!outside.is_back_at(self.dir)).then_some(outside);
        Ok(())
    }

    /// Goes down outside, as text; back in, if that is the feature's path.
    fn enter_outside(&mut self, name: &[u8]) {
        let Some(outside) = &mut self.outside else { return };
        outside.at.push(OsStr::from_bytes(name));
        outside.entered = true;
        if outside.is_back_at(self.dir) {
            self.outside = None;
        }
    }

    /// Looks one name up; the target, if this was the end.
    fn step(&mut self, name: Vec<u8>) -> Result<Option<Target>, OpenFault> {
        let here = self.steps.last().map(|step| step.path.clone());
        self.trail.insert(here.clone());
        let parent = self.steps.last().map(|step| Rc::clone(&step.fd));
        let fd = parent.as_ref().map_or(self.dir.fd(), |fd| fd.as_fd());
        let key = StatKey::of(&statat(fd, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?);
        match key.kind() {
            FileKind::Symlink => {
                if self.links == Links::Refuse {
                    return Err(OpenFault::Loop);
                }
                let text = match readlinkat(fd, name.as_slice(), Vec::new()) {
                    Ok(text) => text.into_bytes(),
                    // No link any more: look at it again.
                    Err(Errno::INVAL) => return self.again(name),
                    Err(other) => return Err(other.into()),
                };
                self.count()?;
                self.follow(&text)?;
                Ok(None)
            }
            FileKind::Directory => {
                match openat(fd, name.as_slice(), TRAVERSE, Mode::empty()) {
                    Ok(entered) => {
                        let path = child(here.as_ref(), &name).ok_or(OpenFault::Gone)?;
                        self.steps.push(Step { fd: Rc::new(entered), path });
                        Ok(None)
                    }
                    // No directory any more: look at it again.
                    Err(Errno::LOOP | Errno::MLINK | Errno::NOTDIR) => self.again(name),
                    Err(other) => Err(other.into()),
                }
            }
            _ if self.pending.is_empty() => Ok(Some(Target::Entry { parent, name, key })),
            // Something is looked up below what is no directory.
            _ => Err(OpenFault::Gone),
        }
    }

    fn again(&mut self, name: Vec<u8>) -> Result<Option<Target>, OpenFault> {
        self.count()?;
        self.pending.push_front(name);
        Ok(None)
    }

    /// Counts links, and races too, so that nobody can keep the walk busy for ever.
    fn count(&mut self) -> Result<(), OpenFault> {
        self.followed += 1;
        if self.followed > MAX_LINKS { Err(OpenFault::Loop) } else { Ok(()) }
    }

    /// Puts a link's text in front of what is still to be walked. A slash at its end
    /// becomes a last empty component, which asks for a directory.
    fn follow(&mut self, text: &[u8]) -> Result<(), OpenFault> {
        if text.first() == Some(&b'/') {
            self.leave(|_| PathBuf::from("/"))?;
        }
        for part in text.split(|byte| *byte == b'/').rev() {
            self.pending.push_front(part.to_vec());
        }
        Ok(())
    }
}

/// The path of `name` in `dir`.
pub(super) fn child(dir: Option<&RelPath>, name: &[u8]) -> Option<RelPath> {
    match dir {
        Some(dir) => dir.join(name).ok(),
        None => RelPath::new(name).ok(),
    }
}
