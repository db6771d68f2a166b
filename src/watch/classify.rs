//! From an event to marks: what the back-end's thread does, and all it does.
//!
//! No I/O, no watch calls, only a push. The kind of an event never decides what a path
//! is; it only says how far to look (deep or not) and whether to wait (ready or not), so
//! duplicated, reordered, merged or misnamed events are harmless.

use std::path::Path;
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
        let Some(mark) = mark(event.kind) else { return };
        if event.paths.is_empty() {
            let kind = event.kind;
            return self.dirty.push_overflow(format!("an event without a path: {kind:?}"));
        }
        for path in event.paths {
            if self.is_cookie(&path, event.kind) {
                continue;
            }
            if moves(event.kind) {
                self.dirty.push_root_hint(&path);
            }
            self.dirty.push(path, mark);
        }
    }

    /// Is the path in the directory of cookies, or that directory? If it is one that was
    /// issued, and it was just created, everything pushed so far is fenced.
    fn is_cookie(&self, path: &Path, kind: EventKind) -> bool {
        let Some(issued) = &self.cookies else { return false };
        if path == issued.dir() {
            if moves(kind) {
                self.dirty.push_cookies_lost();
            }
            return true;
        }
        if path.parent() != Some(issued.dir()) {
            return false;
        }
        if let (EventKind::Create(_), Some(name)) = (kind, path.file_name())
            && let Some(cookie) = issued.seen(name)
        {
            self.dirty.push_barrier(cookie);
        }
        true
    }
}

/// How far to look, and whether to wait. `None`: a read, which changes nothing.
fn mark(kind: EventKind) -> Option<MarkKind> {
    Some(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => MarkKind::READY,
        // Our own reads come back as these; they must cost nothing.
        EventKind::Access(_) => return None,
        // More will come: a writer closes. A link or a fifo is only ever created.
        EventKind::Create(CreateKind::File) => MarkKind::UNSETTLED,
        // What is inside may have been made before anyone watched.
        EventKind::Create(_) => MarkKind::DEEP,
        // A renamed directory reports under its old name until it is watched again.
        EventKind::Modify(ModifyKind::Name(_)) => MarkKind::DEEP,
        EventKind::Modify(ModifyKind::Metadata(_)) => MarkKind::ATTRIBUTES,
        EventKind::Modify(_) => MarkKind::UNSETTLED,
        EventKind::Remove(_) => MarkKind::READY,
        EventKind::Any | EventKind::Other => MarkKind::DEEP,
    })
}

/// May the path now be another object, or none?
fn moves(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Any
            | EventKind::Other
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

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
