//! What a feature's event log on disk says.

use crate::dossier::event::{Payload, RawEvent};
use crate::dossier::ledger::BatchEnd;
use crate::dossier::log_state::LogState;
use crate::store::{DossierDir, LineBody, LogReader, Pace, StoreError, ask_newest};

/// A log, folded.
#[derive(Debug, Default)]
pub struct History {
    /// The state that the newest segment with events leaves.
    pub state: LogState,
    /// The newest event id.
    pub last_event_id: Option<String>,
    /// How the log ends.
    pub last: Option<BatchEnd>,
    /// The largest Lamport clock.
    pub last_clock: u64,
    /// Bytes of the full scan that the newest segment begins with.
    pub opening: u64,
}

impl History {
    /// Reads a log. Each segment is complete by itself, so the state begins anew with each;
    /// only what was ever there is remembered as long as the stream is the same.
    /// Lines that are no events of ours are passed over: they say nothing. Events of a later
    /// version may say anything, so they are an error.
    pub fn read(mut lines: LogReader, pace: &Pace<'_>) -> Result<Self, StoreError> {
        let mut history = Self::default();
        let mut segment = None;
        let mut before = LogState::default();
        let dir = lines.dir();
        while let Some(line) = lines.next_within(pace) {
            let line = line?;
            if segment.replace(line.at.segment) != Some(line.at.segment) {
                before = std::mem::take(&mut history.state);
                history.opening = 0;
            }
            let LineBody::Whole(bytes) = line.body else { continue };
            let Ok(event) = serde_json::from_slice::<RawEvent>(&bytes) else { continue };
            if event.is_newer() {
                return Err(StoreError::NewerEvents { path: dir, found: event.schema_version });
            }
            history.last_clock = history.last_clock.max(event.lamport_clock);
            if let Ok(payload) = Payload::parse(event.event_type, event.payload) {
                let former = before.namespace.take();
                if former.is_some_and(|former| former.is_same_stream(payload.namespace())) {
                    history.state.ever = std::mem::take(&mut before.ever);
                }
                if history.state.snapshot.is_none()
                    && matches!(payload, Payload::SnapshotComputed(_))
                {
                    history.opening = line.end.offset;
                }
                history.state.apply(&event.correlation_id, &payload);
            }
            let (correlation_id, event_type) = (event.correlation_id, event.event_type);
            history.last = Some(BatchEnd { correlation_id, event_type });
            history.last_event_id = history.last_event_id.max(Some(event.event_id));
        }
        Ok(history)
    }
}

/// A path, relative to the project root, of what the end of a log says that it is or should be
/// there; `None` if the end names none. A feature that was moved goes on with its log, so it is
/// the newest such path that tells whose log it is; what a snapshot has removed may be of the
/// place before.
pub fn newest_path(place: &DossierDir) -> Result<Option<String>, StoreError> {
    ask_newest(place, |line| {
        let event = serde_json::from_slice::<RawEvent>(line).ok().filter(|it| !it.is_newer())?;
        match Payload::parse(event.event_type, event.payload).ok()? {
            Payload::ArtifactIndexed(indexed) => Some(indexed.artifact_id.path),
            Payload::ArtifactMissing(missing) => Some(missing.expected_identity.path),
            Payload::SnapshotComputed(_) | Payload::ParityDriftDetected(_) => None,
        }
    })
}
