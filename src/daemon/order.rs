//! What the loop and the journal tell each other.

use std::sync::Arc;

use super::emission::Emitted;
use super::view::FeatureView;
use crate::store::{DossierDir, EventLog};

/// What the loop orders.
pub(super) enum Order {
    /// From now on this feature's events go to this log, which has ids and clocks up to
    /// these.
    Open {
        feature: String,
        log: Box<EventLog>,
        last_event_id: Option<String>,
        last_clock: u64,
        /// Bytes of the full scan that its active segment begins with.
        opening: u64,
    },
    /// This feature's log could not be opened: its events cannot be kept.
    NoLog { feature: String, message: String },
    /// Append these events; `ticket` is given back when they are durable.
    Append { feature: String, emitted: Box<Emitted>, ticket: u64 },
    /// Replace the snapshot file, some time after the log.
    Snapshot { view: Arc<FeatureView>, place: DossierDir },
    /// Write what waits, let go of the log, and forget the feature.
    Close { feature: String },
    /// Write what waits, and end.
    Stop,
}

/// What the journal reports.
#[derive(Debug)]
pub(super) enum Report {
    /// Everything up to these tickets is durable.
    Durable {
        feature: String,
        tickets: Vec<u64>,
        /// Bytes of the full scan that its active segment begins with.
        opening: u64,
    },
    /// It could not be written; it is tried again.
    Failing { feature: String, tickets: Vec<u64>, message: String },
    /// What could not be written is written, log and snapshot.
    Recovered { feature: String },
    /// The log has lost what it said: everything is to be written again.
    LogLost { feature: String, what: String },
    /// The log of a forgotten feature is closed: somebody else may open it.
    Closed { feature: String },
    /// The active segment is large enough: the next events should begin a new one.
    RotationWanted { feature: String },
}
