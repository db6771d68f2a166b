//! What the API asks of the disk, answered by the index and the store.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::api::ports::{
    ArtifactText, CommittedText, CountsOfTransport, EventLogs, LogFault, LogPage, Text, TextFault,
    TransportCounts,
};
use crate::daemon::view::FeatureView;
use crate::dossier::RelPath;
use crate::index::{FeatureDir, OpenFault, RootFault};
use crate::project::committed::{Committed, CommittedFile, committed};
use crate::server::Counters;
use crate::store::{LineBody, LogReader, Position};

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
            CommittedFile::TooLarge(size) => {
                return Err(format!(
                    "the committed file has {size} bytes; up to {limit} are compared"
                ));
            }
        };
        Ok(CommittedText { commit, branch, bytes })
    }
}

/// Event logs. Remembers where the last page of each feature ended, so that reading a log
/// page by page reads it once.
#[derive(Default)]
pub(super) struct Logs {
    ends: Mutex<HashMap<String, (String, Position)>>,
}

impl Logs {
    /// Where to begin for events after `after`, and whether that event still has to be
    /// found on the way.
    fn begin(&self, feature: &FeatureView, after: Option<&str>) -> Option<Position> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, position) = ends.get(&feature.id)?;
        (Some(id.as_str()) == after).then_some(*position)
    }

    fn remember(&self, feature: &FeatureView, id: &str, end: Position) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(feature.id.clone(), (id.to_owned(), end));
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
        let known = self.begin(feature, after);
        let reader = match known {
            // A position that is none any more (the log was replaced) means to search.
            Some(position) => LogReader::from(place.clone(), position)
                .map(|reader| (reader, true))
                .unwrap_or_else(|_| (LogReader::new(place.clone()), false)),
            None => (LogReader::new(place.clone()), after.is_none()),
        };
        let (reader, mut found) = reader;
        let mut page = LogPage { last_id: after.map(str::to_owned), ..LogPage::default() };
        let mut end = None;
        for line in reader {
            let line = line.map_err(failed)?;
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
            end = Some(line.end);
        }
        if !found {
            return Err(LogFault::UnknownId);
        }
        if let (Some(id), Some(end)) = (&page.last_id, end) {
            self.remember(feature, id, end);
        }
        Ok(page)
    }
}

/// The id of an event; `None` for lines that are none.
fn event_id(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Identified {
        event_id: String,
    }
    serde_json::from_slice::<Identified>(line).ok().map(|event| event.event_id)
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
