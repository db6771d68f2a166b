//! What a sink says of itself.

use crate::dossier::Timestamp;

/// What a sink does at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkState {
    /// The first scans have not ended: what there is to send is not known, and nothing is sent.
    Starting,
    /// Everything is delivered.
    Idle,
    /// A batch is under way.
    Sending,
    /// An attempt failed; the next one comes by itself.
    Waiting {
        /// When.
        until: Timestamp,
        /// Why the last attempt failed.
        reason: String,
    },
    /// Nothing is sent until somebody resumes.
    Paused {
        /// Why.
        reason: String,
    },
}

/// Every event of a sink's logs is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SinkCounts {
    /// Events that are still to be sent.
    pub pending: u64,
    /// Events that the other side took.
    pub delivered: u64,
    /// Events that the other side had already.
    pub duplicate: u64,
    /// Events that the other side refused, and that are kept as dead letters.
    pub rejected: u64,
}

/// A sink, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkStatus {
    /// `webhook` or `nats`.
    pub name: &'static str,
    /// Scheme, host and port of the other side.
    pub target: String,
    /// What it does.
    pub state: SinkState,
    /// Its events; `None` while the logs have not been looked at.
    pub counts: Option<SinkCounts>,
    /// When the oldest pending event happened.
    pub oldest_pending: Option<Timestamp>,
    /// When something was delivered last, since the daemon runs.
    pub last_success: Option<Timestamp>,
    /// Attempts that failed since then.
    pub failures: u32,
    /// What the sink cannot read or write on this machine.
    pub fault: Option<String>,
}
