//! From an event to marks: what the back-end's thread does, and all it does.
//!
//! No I/O, no watch calls, only a push. The kind of an event never decides what a path
//! is; it only says how far to look (deep or not) and whether to wait (ready or not), so
//! duplicated, reordered, merged or misnamed events are harmless. Every back-end says what
//! it saw as a [`Change`], so that all of them mean the same by it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode, CreateKind, Event, EventKind, ModifyKind};

use super::cookie::Issued;
use super::{Cookies, DirtySet, MarkKind};

/// Turns events into marks in a [`DirtySet`].
#[derive(Debug, Clone)]
pub struct Classifier {
    dirty: Arc<DirtySet>,
    cookies: Option<Arc<Issued>>,
}

impl Classifier {
    /// One that knows no cookies.
    pub fn new(dirty: Arc<DirtySet>) -> Self {
        Self { dirty, cookies: None }
    }

    /// One that turns the creation of a cookie into a barrier.
    pub fn with_cookies(dirty: Arc<DirtySet>, cookies: &Cookies) -> Self {
        Self { dirty, cookies: Some(cookies.issued()) }
    }

    /// Takes in one event, or the back-end's error.
    pub fn handle(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) => self.event(event),
            Err(error) => self.dirty.push_overflow(format!("the watcher reported: {error}")),
        }
    }

    /// Is the event one in the directory of cookies?
    pub(super) fn would_fence(&self, event: &Event) -> bool {
        let Some(issued) = &self.cookies else { return false };
        event.paths.iter().any(|path| path.parent() == Some(issued.dir()))
    }

    fn event(&self, event: Event) {
        // First of all, since such an event has no paths, and would be lost in a loop
        // over them.
        if event.need_rescan() {
            return self.dirty.push_overflow("the system's event queue overflowed");
        }
        let Some(change) = Change::of_kind(event.kind) else { return };
        if event.paths.is_empty() {
            let kind = event.kind;
            return self.dirty.push_overflow(format!("an event without a path: {kind:?}"));
        }
        for path in event.paths {
            self.see(path, change);
        }
    }

    /// Takes in a change at an absolute path.
    pub(super) fn see(&self, path: PathBuf, change: Change) {
        if let Some(issued) = &self.cookies {
            if path == issued.dir() {
                return self.see_cookie_dir(change);
            }
            if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
                && dir == issued.dir()
            {
                return self.see_cookie(issued, name, change);
            }
        }
        self.mark(path, change);
    }

    /// The same for `name` in the directory `dir`; makes a path only if one is marked.
    #[cfg(target_os = "linux")]
    pub(super) fn see_in(&self, dir: &Path, name: &OsStr, change: Change) {
        if let Some(issued) = &self.cookies
            && dir.as_os_str() == issued.dir().as_os_str()
        {
            return self.see_cookie(issued, name, change);
        }
        self.see(dir.join(name), change);
    }

    fn mark(&self, path: PathBuf, change: Change) {
        if change.moves() {
            self.dirty.push_root_hint(&path);
        }
        self.dirty.push(path, change.mark());
    }

    fn see_cookie_dir(&self, change: Change) {
        if change.moves() {
            self.dirty.push_cookies_lost();
        }
    }

    /// If it is a cookie that was issued, and it was just created, everything pushed so
    /// far is fenced.
    fn see_cookie(&self, issued: &Issued, name: &OsStr, change: Change) {
        if matches!(change, Change::FileCreated | Change::Created)
            && let Some(cookie) = issued.seen(name)
        {
            self.dirty.push_barrier(cookie);
        }
    }
}

/// What happened to a path, as far as an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A file, a link or the like was created.
    FileCreated,
    /// Something was created that may be a directory.
    Created,
    /// Its content changed, and may change further.
    Written,
    /// Who wrote it has closed it.
    Closed,
    /// Permissions, owner, times or the number of links.
    Attributes,
    /// It went away by a rename, or came by one.
    Renamed,
    /// It was removed.
    Removed,
    /// The back-end does not say.
    Unknown,
}

impl Change {
    /// How far to look, and whether to wait.
    fn mark(self) -> MarkKind {
        match self {
            // More will come: a writer closes. A link or a fifo is only ever created.
            Self::FileCreated | Self::Written => MarkKind::UNSETTLED,
            Self::Closed | Self::Removed => MarkKind::READY,
            Self::Attributes => MarkKind::ATTRIBUTES,
            // What is inside may have been made before anyone watched; and a renamed
            // directory reports under its old name until it is watched again.
            Self::Created | Self::Renamed | Self::Unknown => MarkKind::DEEP,
        }
    }

    /// May the path now be another object, or none?
    fn moves(self) -> bool {
        match self {
            Self::FileCreated | Self::Created | Self::Renamed | Self::Removed | Self::Unknown => {
                true
            }
            Self::Written | Self::Closed | Self::Attributes => false,
        }
    }

    /// `None`: a read, which changes nothing. Our own reads come back as these, and must
    /// cost nothing.
    pub(super) fn of_kind(kind: EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => Self::Closed,
            EventKind::Access(_) => return None,
            EventKind::Create(CreateKind::File) => Self::FileCreated,
            EventKind::Create(_) => Self::Created,
            EventKind::Modify(ModifyKind::Name(_)) => Self::Renamed,
            EventKind::Modify(ModifyKind::Metadata(_)) => Self::Attributes,
            EventKind::Modify(_) => Self::Written,
            EventKind::Remove(_) => Self::Removed,
            EventKind::Any | EventKind::Other => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{DataChange, Flag, MetadataKind, RemoveKind, RenameMode};

    use super::*;
    use crate::watch::Batch;

    fn handled(events: impl IntoIterator<Item = notify::Result<Event>>) -> Batch {
        let dirty = Arc::new(DirtySet::new());
        dirty.add_root(Path::new("/r"));
        let classifier = Classifier::new(Arc::clone(&dirty));
        events.into_iter().for_each(|event| classifier.handle(event));
        dirty.take()
    }

    #[test]
    fn kinds_become_marks() {
        use EventKind::{Access, Create, Modify, Remove};
        let table = [
            (Create(CreateKind::File), Some(MarkKind::UNSETTLED)),
            (Create(CreateKind::Folder), Some(MarkKind::DEEP)),
            (Create(CreateKind::Any), Some(MarkKind::DEEP)),
            (Create(CreateKind::Other), Some(MarkKind::DEEP)),
            (Modify(ModifyKind::Name(RenameMode::From)), Some(MarkKind::DEEP)),
            (Modify(ModifyKind::Name(RenameMode::To)), Some(MarkKind::DEEP)),
            (Modify(ModifyKind::Name(RenameMode::Any)), Some(MarkKind::DEEP)),
            (Modify(ModifyKind::Metadata(MetadataKind::Any)), Some(MarkKind::ATTRIBUTES)),
            (Modify(ModifyKind::Data(DataChange::Any)), Some(MarkKind::UNSETTLED)),
            (Modify(ModifyKind::Any), Some(MarkKind::UNSETTLED)),
            (Modify(ModifyKind::Other), Some(MarkKind::UNSETTLED)),
            (Remove(RemoveKind::File), Some(MarkKind::READY)),
            (Remove(RemoveKind::Folder), Some(MarkKind::READY)),
            (Access(AccessKind::Close(AccessMode::Write)), Some(MarkKind::READY)),
            (Access(AccessKind::Close(AccessMode::Read)), None),
            (Access(AccessKind::Open(AccessMode::Any)), None),
            (Access(AccessKind::Read), None),
            (Access(AccessKind::Any), None),
            (EventKind::Any, Some(MarkKind::DEEP)),
            (EventKind::Other, Some(MarkKind::DEEP)),
        ];
        for (kind, expected) in table {
            let batch = handled([Ok(Event::new(kind).add_path("/r/x".into()))]);
            assert_eq!(batch.marks.get(Path::new("/r/x")).copied(), expected, "{kind:?}");
            assert!(batch.overflow.is_none());
        }
    }

    #[test]
    fn the_rescan_flag_is_seen_before_anything_else() {
        let flagged = [
            Event::new(EventKind::Other).set_flag(Flag::Rescan),
            Event::new(EventKind::Other).set_flag(Flag::Rescan).add_path("/r".into()),
            Event::new(EventKind::Access(AccessKind::Any)).set_flag(Flag::Rescan),
        ];
        for event in flagged {
            let batch = handled([Ok(event.clone())]);
            assert!(batch.overflow.is_some(), "{event:?}");
        }
    }

    #[test]
    fn an_error_and_an_event_without_a_path_are_overflows() {
        let error = notify::Error::new(notify::ErrorKind::MaxFilesWatch).add_path("/r/d".into());
        let cause = handled([Err(error)]).overflow.expect("an overflow");
        assert!(cause.contains("/r/d"), "{cause}");
        let batch = handled([Ok(Event::new(EventKind::Remove(RemoveKind::Any)))]);
        assert!(batch.overflow.is_some());
        // A read that does not say of what is still only a read.
        let read = Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any)));
        assert!(handled([Ok(read)]).is_empty());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_name_in_a_directory_is_seen_as_its_path_is() {
        use Change::{
            Attributes, Closed, Created, FileCreated, Removed, Renamed, Unknown, Written,
        };
        for change in [FileCreated, Created, Written, Closed, Attributes, Renamed, Removed, Unknown]
        {
            let seen = |see: &dyn Fn(&Classifier)| {
                let dirty = Arc::new(DirtySet::new());
                dirty.add_root(Path::new("/r/x/below"));
                see(&Classifier::new(Arc::clone(&dirty)));
                let batch = dirty.take();
                (batch.marks, batch.root_hints)
            };
            let whole = seen(&|classifier| classifier.see("/r/x".into(), change));
            let parts =
                seen(&|classifier| classifier.see_in(Path::new("/r"), OsStr::new("x"), change));
            assert_eq!(whole, parts, "{change:?}");
            assert_eq!(whole.1.len(), usize::from(change.moves()), "{change:?}");
        }
    }

    #[test]
    fn both_paths_of_a_rename_are_marked() {
        let both = Event::new(EventKind::Modify(ModifyKind::Name(RenameMode::Both)))
            .add_path("/r/p".into())
            .add_path("/r/q".into());
        let batch = handled([Ok(both)]);
        assert_eq!(batch.marks.len(), 2);
        assert!(batch.marks.values().all(|kind| kind.deep && kind.ready));
    }

    #[test]
    fn a_root_that_is_moved_or_removed_is_hinted_at() {
        let kinds = [
            (EventKind::Remove(RemoveKind::Folder), true),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), true),
            (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), false),
        ];
        for (kind, hinted) in kinds {
            let batch = handled([Ok(Event::new(kind).add_path("/r".into()))]);
            let expected = if hinted { vec![PathBuf::from("/r")] } else { vec![] };
            assert_eq!(batch.root_hints, expected, "{kind:?}");
            assert_eq!(batch.marks[Path::new("/r")].deep, hinted, "{kind:?}");
        }
    }

    #[test]
    fn only_the_creation_of_an_issued_cookie_is_a_barrier() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let cookies = Cookies::new(home.path().join("ck"), "me").expect("cookies");
        let dirty = Arc::new(DirtySet::new());
        let classifier = Classifier::with_cookies(Arc::clone(&dirty), &cookies);
        let id = cookies.issue().expect("a cookie");
        let emit = |kind, path| classifier.handle(Ok(Event::new(kind).add_path(path)));
        let create = EventKind::Create(CreateKind::File);
        emit(EventKind::Remove(RemoveKind::File), cookies.path_of(id));
        emit(create, cookies.dir().join("me-999"));
        emit(create, cookies.dir().join("other-1"));
        assert!(dirty.take().is_empty(), "not ours, or not a creation");
        emit(EventKind::Modify(ModifyKind::Any), cookies.dir().to_path_buf());
        assert!(dirty.take().is_empty());
        emit(EventKind::Remove(RemoveKind::Folder), cookies.dir().to_path_buf());
        let lost = dirty.take();
        assert!(lost.cookies_lost && lost.marks.is_empty());
        emit(create, cookies.path_of(id));
        emit(create, cookies.path_of(id));
        let batch = dirty.take();
        assert_eq!(batch.barriers, [id], "once");
        assert!(batch.marks.is_empty());
    }
}
