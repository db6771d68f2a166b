//! The directory in which the files of one feature's dossier live: in the project where
//! that is possible, else in the daemon's state.
//!
//! A [`DossierDir`] is a place, not an open directory: each call opens it anew, component
//! by component, so that a `git clean`, a swapped directory or a planted link is met as
//! it is now. What the files say is up to the callers.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::atomic;
use super::document;
use super::error::{At, StoreError};
use super::home::Home;
use super::place::{self, FallbackReason, Place, Refusal};
use crate::dossier::Digest;
use crate::platform::{Dir, NodeKind, Open};

const BASELINES: &str = "baselines";
const MODE: u32 = 0o600;
/// Things of one name that can have been put aside.
const MOST_ASIDE: usize = 100;
const LOG_FILE: &str = "events.jsonl";
/// How often, and with which pauses, a system that has no descriptor left is asked again.
const SHORTAGE_TRIES: usize = 20;
const SHORTAGE_PAUSE: Duration = Duration::from_millis(50);

/// Under which name a project's files lie in the daemon's state: the first 16 hex digits of
/// the SHA-256 of its path.
pub fn project_id(project_root: &Path) -> String {
    Digest::sha256(project_root.as_os_str().as_encoded_bytes()).short(16)
}

/// Where one feature's files are. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DossierDir {
    place: Place,
    /// May missing directories be made?
    creates: bool,
}

impl DossierDir {
    /// `<project_root>/.kittify/dossiers/<slug>/` where it can be made and written, else
    /// `<state>/dossiers/<project_id>/<slug>/` and the reason. Makes what it chooses,
    /// except `.kittify`, and removes what crashes have left there.
    pub fn choose(
        project_root: &Path,
        slug: &OsStr,
        project_id: &str,
        home: &Home,
    ) -> (Self, Option<FallbackReason>) {
        let inside = Self { place: Place::in_project(project_root, slug), creates: true };
        let reason = if place::is_safe_name(slug) {
            unusable(&inside.place)
        } else {
            Some(FallbackReason::UnsafeSlug(slug.to_os_string()))
        };
        let chosen = match reason {
            None => inside,
            Some(_) => Self { place: fallback(project_id, slug, home), creates: true },
        };
        chosen.remove_leftovers();
        (chosen, reason)
    }

    /// The place that [`Self::choose`] would choose, if it exists already; for commands
    /// that look and change nothing. Where the project's place can only be read, the
    /// daemon's own comes first, since that is where a writer would have written.
    pub fn existing(
        project_root: &Path,
        slug: &OsStr,
        project_id: &str,
        home: &Home,
    ) -> Option<Self> {
        let inside = Some(Place::in_project(project_root, slug))
            .filter(|_| place::is_safe_name(slug))
            .and_then(|place| Some((place.open_existing().ok()?, place)));
        let writable = inside.as_ref().is_some_and(|(dir, _)| dir.check_writable().is_ok());
        let outside =
            || Some(fallback(project_id, slug, home)).filter(|p| p.open_existing().is_ok());
        let inside = inside.map(|(_, place)| place);
        let place = if writable { inside } else { outside().or(inside) }?;
        Some(Self { place, creates: false })
    }

    /// All places that exist already: one may have been left for the other.
    pub fn all_existing(
        project_root: &Path,
        slug: &OsStr,
        project_id: &str,
        home: &Home,
    ) -> Vec<Self> {
        let inside = Some(Place::in_project(project_root, slug));
        let inside = inside.filter(|_| place::is_safe_name(slug));
        let places = inside.into_iter().chain([fallback(project_id, slug, home)]);
        let existing = places.filter(|place| place.open_existing().is_ok());
        existing.map(|place| Self { place, creates: false }).collect()
    }

    /// The names of features of a project that have a log with something in it, whether or
    /// not they still have a directory. What cannot be listed has none.
    pub fn logged(project_root: &Path, home: &Home) -> Vec<OsString> {
        let inside = project_root.join(".kittify").join("dossiers");
        let outside = home.fallback_dossiers_dir().join(project_id(project_root));
        let mut found = Vec::new();
        for parent in [inside, outside] {
            let Ok(dir) = Dir::open(&parent) else { continue };
            let has_log = |name: &OsString| {
                let own = dir.open_dir(name).and_then(|own| own.facts(OsStr::new(LOG_FILE)));
                own.ok().flatten().is_some_and(|facts| facts.len > 0)
            };
            found.extend(dir.names().unwrap_or_default().into_iter().filter(has_log));
        }
        found
    }

    /// The directory, for people.
    pub fn path(&self) -> PathBuf {
        self.place.path()
    }

    /// Is it inside the project?
    pub fn is_in_project(&self) -> bool {
        self.place.in_project
    }

    /// Reads the file `name`; `None` if there is none, an error above `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let name = file_name(name)?;
        match self.open_to_read()? {
            Some(dir) => document::read_in(&dir, name, limit),
            None => Ok(None),
        }
    }

    /// Replaces or makes the file `name`, atomically; durable when this returns.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        atomic::replace_in(&self.open()?, file_name(name)?, bytes, MODE)
    }

    /// The first bytes of the file `name`, at most `length`; `None` if there is none.
    pub fn beginning(&self, name: &str, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let name = file_name(name)?;
        let Some(dir) = self.open_to_read()? else { return Ok(None) };
        let path = dir.path().join(name);
        let file = match dir.open_file(name, Open::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::io("open", &path, source)),
        };
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).at("read", &path)?;
        Ok(Some(bytes))
    }

    /// Removes the file `name`; `false` if there is none.
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let name = file_name(name)?;
        self.open_to_read()?.map_or(Ok(false), |dir| remove_in(&dir, name))
    }

    /// Gives whatever is called `name`, be it a file or not, the first of the names
    /// `<aside>.json`, `<aside>-2.json`, … that nothing has; `None` if there is nothing. A link
    /// is not followed, and nothing is read, replaced or removed.
    pub fn put_aside(&self, name: &str, aside: &str) -> Result<Option<String>, StoreError> {
        let name = file_name(name)?;
        let Some(dir) = self.open_to_read()? else { return Ok(None) };
        let path = dir.path().join(name);
        if dir.facts(name).at("look at", &path)?.is_none() {
            return Ok(None);
        }
        let others = (2..=MOST_ASIDE).map(|n| format!("{aside}-{n}.json"));
        for other in std::iter::once(format!("{aside}.json")).chain(others) {
            let to = file_name(&other)?;
            if dir.facts(to).at("look at", &dir.path().join(to))?.is_none() {
                dir.rename(name, to).at("put aside", &path)?;
                dir.sync().at("sync the directory of", &path)?;
                return Ok(Some(other));
            }
        }
        Err(StoreError::AsideIsFull { path, aside: aside.to_owned() })
    }

    /// The names of the files, sorted.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        self.open_to_read()?.map_or(Ok(Vec::new()), |dir| list_in(&dir))
    }

    /// Reads `baselines/<hash>.json`.
    pub fn read_baseline(&self, hash: &Digest, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self.baselines_dir()? {
            Some(dir) => document::read_in(&dir, OsStr::new(&baseline_name(hash)), limit),
            None => Ok(None),
        }
    }

    /// Replaces or makes `baselines/<hash>.json`, atomically.
    pub fn replace_baseline(&self, hash: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let dir = self.open()?;
        let path = dir.path().join(BASELINES);
        if dir.create_dir(OsStr::new(BASELINES), 0o700).at("make", &path)? {
            dir.sync().at("sync the directory of", &path)?;
        }
        let baselines = dir.open_dir(OsStr::new(BASELINES)).at("open", &path)?;
        atomic::replace_in(&baselines, OsStr::new(&baseline_name(hash)), bytes, MODE)
    }

    /// Removes `baselines/<hash>.json`; `false` if there is none.
    pub fn remove_baseline(&self, hash: &Digest) -> Result<bool, StoreError> {
        let name = baseline_name(hash);
        self.baselines_dir()?.map_or(Ok(false), |dir| remove_in(&dir, OsStr::new(&name)))
    }

    /// The hashes of all kept baselines, sorted; files with other names are not ours.
    pub fn baselines(&self) -> Result<Vec<Digest>, StoreError> {
        let Some(dir) = self.baselines_dir()? else { return Ok(Vec::new()) };
        let names = list_in(&dir)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect())
    }

    /// Opens the directory to write; makes what is missing, if this one may.
    pub(super) fn open(&self) -> Result<Dir, StoreError> {
        self.place.open(self.creates)
    }

    /// Opens the directory as it is; `None` if it, or anything above it, is missing.
    pub(super) fn open_to_read(&self) -> Result<Option<Dir>, StoreError> {
        match self.place.open_existing() {
            Ok(dir) => Ok(Some(dir)),
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn baselines_dir(&self) -> Result<Option<Dir>, StoreError> {
        let Some(dir) = self.open_to_read()? else { return Ok(None) };
        match dir.open_dir(OsStr::new(BASELINES)) {
            Ok(baselines) => Ok(Some(baselines)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &dir.path().join(BASELINES), error)),
        }
    }

    /// Tidying is no reason to fail: what stays now goes at the next start.
    fn remove_leftovers(&self) {
        let dirs = [
            self.open_to_read(),
            self.baselines_dir(),
            self.place.parent().open_existing().map(Some),
        ];
        for dir in dirs.into_iter().flatten().flatten() {
            let _ = atomic::remove_leftovers(&dir);
        }
    }
}

/// Why the place in the project cannot be used. While the system has too little to say it is
/// asked again; if that lasts the place stays, and its first use says what is lacking: a log
/// does not move because of it.
fn unusable(place: &Place) -> Option<FallbackReason> {
    for _ in 0..SHORTAGE_TRIES {
        match place.open_for_writing() {
            Ok(_) => return None,
            Err(Refusal::Unusable(reason)) => return Some(reason),
            Err(Refusal::Shortage) => std::thread::sleep(SHORTAGE_PAUSE),
        }
    }
    None
}

fn fallback(project_id: &str, slug: &OsStr, home: &Home) -> Place {
    Place::fallback(home.fallback_dossiers_dir(), project_id, slug)
}

fn baseline_name(hash: &Digest) -> String {
    format!("{hash}.json")
}

/// Names come from our own code, but a slip must not become a path.
fn file_name(name: &str) -> Result<&OsStr, StoreError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(StoreError::BadName { name: name.to_owned() });
    }
    Ok(OsStr::new(name))
}

fn list_in(dir: &Dir) -> Result<Vec<String>, StoreError> {
    let mut files = Vec::new();
    for name in dir.names().at("list", dir.path())? {
        let Some(text) = name.to_str().filter(|text| file_name(text).is_ok()) else { continue };
        let facts = dir.facts(&name).at("look at", &dir.path().join(&name))?;
        if facts.is_some_and(|facts| facts.kind == NodeKind::File) {
            files.push(text.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

fn remove_in(dir: &Dir, name: &OsStr) -> Result<bool, StoreError> {
    let path = dir.path().join(name);
    match dir.remove_file(name) {
        Ok(()) => dir.sync().at("sync the directory of", &path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("remove", &path, error)),
    }
}

#[cfg(test)]
mod tests;
