//! What a feature's event log on disk says.

use crate::dossier::event::{Payload, RawEvent};
use crate::dossier::log_state::LogState;
use crate::store::{LineBody, LogReader, StoreError};

/// A log, folded.
#[derive(Debug, Default)]
pub struct History {
    /// The state that the newest segment with events leaves.
    pub state: LogState,
    /// The newest event id.
    pub last_event_id: Option<String>,
    /// The largest Lamport clock.
    pub last_clock: u64,
}

impl History {
    /// Reads a log. Each segment is complete by itself, so the state begins anew with each.
    /// Lines that are no events of ours are passed over: they say nothing.
    pub fn read(lines: LogReader) -> Result<Self, StoreError> {
        let mut history = Self::default();
        let mut segment = None;
        for line in lines {
            let line = line?;
            if segment.replace(line.at.segment) != Some(line.at.segment) {
                history.state = LogState::default();
            }
            let LineBody::Whole(bytes) = line.body else { continue };
            let Ok(event) = serde_json::from_slice::<RawEvent>(&bytes) else { continue };
            history.last_clock = history.last_clock.max(event.lamport_clock);
            if let Ok(payload) = Payload::parse(event.event_type, event.payload) {
                history.state.apply(&event.correlation_id, &payload);
            }
            history.last_event_id = history.last_event_id.max(Some(event.event_id));
        }
        Ok(history)
    }
}
