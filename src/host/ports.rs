//! What the API asks of the disk, answered by the index and the store.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::api::ports::{
    ArtifactText, CommittedText, CountsOfTransport, EventLogs, LogFault, LogPage, Text, TextFault,
    TransportCounts,
};
use crate::daemon::handle::DaemonHandle;
use crate::daemon::view::FeatureView;
use crate::dossier::RelPath;
use crate::dossier::verify::is_ulid;
use crate::index::{FeatureDir, OpenFault, RootFault};
use crate::project::committed::{Committed, CommittedFile, committed};
use crate::server::Counters;
use crate::store::{DossierDir, LineBody, LogReader, Position, segments};

/// Artifacts, beneath their feature.
pub(super) struct Artifacts;

impl ArtifactText for Artifacts {
    fn read(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<Text, TextFault> {
        let dir = FeatureDir::open(dir).map_err(|fault| match fault {
            RootFault::Gone(_) | RootFault::NotADirectory(_) => TextFault::Gone,
            RootFault::Unreadable { detail, .. } => TextFault::Io(detail),
        })?;
        let read = dir.read_bounded(path, limit).map_err(|fault| match fault {
            OpenFault::Gone => TextFault::Gone,
            OpenFault::Escapes => TextFault::Escapes,
            OpenFault::Special(kind) => TextFault::Special(kind.as_str()),
            OpenFault::Denied => TextFault::Denied,
            other => TextFault::Io(other.to_string()),
        })?;
        Ok(Text { bytes: read.bytes, size: read.size, truncated: read.truncated })
    }

    fn committed(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<CommittedText, String> {
        let names: Vec<&[u8]> = path.segments().collect();
        let found = committed(dir, &names, limit).map_err(|error| error.to_string())?;
        let Committed { commit, branch, file } =
            found.ok_or("the feature is in no git checkout with a commit")?;
        let bytes = match file {
            CommittedFile::Bytes(bytes) => Some(bytes),
            CommittedFile::Absent => None,
            CommittedFile::Other(what) => return Err(format!("the commit has {what} there")),
            CommittedFile::TooLarge(size) => {
                return Err(format!(
                    "the committed file has {size} bytes; up to {limit} are compared"
                ));
            }
        };
        Ok(CommittedText { commit, branch, bytes })
    }
}

/// Event logs, up to where they are durable. Remembers where the last page of each feature
/// ended, so that reading a log page by page reads it once.
pub(super) struct Logs {
    handle: DaemonHandle,
    /// By feature, the last event of the last page and where it begins.
    ends: Mutex<HashMap<String, (String, Position)>>,
}

impl Logs {
    pub(super) fn new(handle: DaemonHandle) -> Self {
        Self { handle, ends: Mutex::default() }
    }

    /// Is a line there not durable yet? Of a log that is not written here, all count.
    fn is_to_come(&self, feature: &FeatureView) -> impl Fn(Position) -> bool + use<> {
        let end = self.handle.feed().durable_end(&feature.id);
        move |at| end.is_some_and(|end| at >= end)
    }

    /// A reader that begins behind the event `after`, if that is where the last page ended
    /// and the log still has it there.
    fn resume(&self, feature: &FeatureView, place: &DossierDir, after: &str) -> Option<LogReader> {
        let at = {
            let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
            let (id, at) = ends.get(&feature.id)?;
            (id == after).then_some(*at)?
        };
        let mut reader = LogReader::from(place.clone(), at).ok()?;
        let LineBody::Whole(line) = reader.next()?.ok()?.body else { return None };
        (event_id(&line)? == after).then_some(reader)
    }

    fn remember(&self, feature: &FeatureView, id: &str, at: Position) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(feature.id.clone(), (id.to_owned(), at));
    }
}

impl EventLogs for Logs {
    fn read(
        &self,
        feature: &FeatureView,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, LogFault> {
        let failed = |error: crate::store::StoreError| LogFault::Io(error.to_string());
        let Some(place) = &feature.place else {
            return after.map_or_else(|| Ok(LogPage::default()), |_| Err(LogFault::UnknownId));
        };
        let (reader, mut found) = match after.and_then(|id| self.resume(feature, place, id)) {
            Some(reader) => (reader, true),
            None => (LogReader::new(place.clone()), after.is_none()),
        };
        let mut page = LogPage { last_id: after.map(str::to_owned), ..LogPage::default() };
        let mut last = None;
        let is_to_come = self.is_to_come(feature);
        for line in reader {
            let line = line.map_err(failed)?;
            if is_to_come(line.at) {
                break;
            }
            let LineBody::Whole(bytes) = line.body else { continue };
            let Some(id) = event_id(&bytes) else { continue };
            if !found {
                found = Some(id.as_str()) == after;
                continue;
            }
            if page.lines.len() == limit {
                page.more = true;
                break;
            }
            page.lines.push(Bytes::from(bytes));
            page.last_id = Some(id);
            last = Some(line.at);
        }
        if !found {
            return Err(LogFault::UnknownId);
        }
        if let (Some(id), Some(at)) = (&page.last_id, last) {
            self.remember(feature, id, at);
        }
        Ok(page)
    }

    fn read_back(
        &self,
        feature: &FeatureView,
        limit: usize,
        wanted: &mut dyn FnMut(&Bytes) -> bool,
    ) -> Result<Vec<Bytes>, LogFault> {
        let failed = |error: crate::store::StoreError| LogFault::Io(error.to_string());
        let Some(place) = &feature.place else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let is_to_come = self.is_to_come(feature);
        for segment in segments(place).map_err(failed)?.into_iter().rev() {
            let begin = Position { segment: segment.number, offset: 0 };
            let reader = LogReader::from(place.clone(), begin).map_err(failed)?;
            // Of a segment the last ones are wanted, so older ones make room.
            let mut newest = VecDeque::new();
            for line in reader {
                let line = line.map_err(failed)?;
                if line.at.segment != segment.number || is_to_come(line.at) {
                    break;
                }
                let LineBody::Whole(bytes) = line.body else { continue };
                let bytes = Bytes::from(bytes);
                if wanted(&bytes) {
                    newest.push_back(bytes);
                    if newest.len() > limit - found.len() {
                        newest.pop_front();
                    }
                }
            }
            found.extend(newest.into_iter().rev());
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }
}

/// The id of an event; `None` for lines that are none, or whose id nobody could ask for.
fn event_id(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Identified {
        event_id: String,
    }
    let event: Identified = serde_json::from_slice(line).ok()?;
    is_ulid(&event.event_id).then_some(event.event_id)
}

/// What the server counted.
pub(super) struct Counts(pub(super) Arc<Counters>);

impl CountsOfTransport for Counts {
    fn counts(&self) -> TransportCounts {
        use std::sync::atomic::Ordering::Relaxed;
        TransportCounts {
            failed_auth: self.0.failed_auth.load(Relaxed),
            refused_connections: self.0.refused_connections.load(Relaxed),
            foreign_peers: self.0.foreign_peers.load(Relaxed),
            panics: self.0.panics.load(Relaxed),
        }
    }
}
