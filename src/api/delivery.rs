//! What the API needs of delivery, without knowing how events are delivered.

use std::pin::Pin;

use serde::Serialize;

use crate::dossier::Timestamp;

/// An answer that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A sink, at one moment. Each event is in exactly one of the four counts, which are not
/// known before the first scans have ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SinkReport {
    /// `webhook` or `nats`.
    pub name: &'static str,
    /// Scheme, host and port of the other side.
    pub target: String,
    /// `starting`, `idle`, `sending`, `waiting` or `paused`.
    pub state: &'static str,
    /// Why it waits, is paused, or does nothing yet.
    pub reason: Option<String>,
    /// When it tries again, if it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// Still to be sent.
    pub pending: Option<u64>,
    /// Taken by the other side.
    pub delivered: Option<u64>,
    /// Had by the other side already.
    pub duplicate: Option<u64>,
    /// Refused by the other side; kept as dead letters.
    pub rejected: Option<u64>,
    /// How long ago the oldest pending event happened.
    pub oldest_pending_age_seconds: Option<f64>,
    /// When something was delivered last, since the daemon runs.
    pub last_success_at: Option<Timestamp>,
    /// Attempts that failed since then.
    pub failures: u32,
    /// What cannot be read or written on this machine.
    pub fault: Option<String>,
}

/// A refused event.
#[derive(Debug, Clone, Serialize)]
pub struct RefusedEvent {
    /// The sink that could not deliver it.
    pub sink: &'static str,
    /// ULID.
    pub event_id: String,
    /// Why it was refused.
    pub reason: String,
    /// When it was refused last.
    pub rejected_at: Timestamp,
    /// How often it was sent.
    pub attempts: u32,
    /// The event.
    pub event: Box<serde_json::value::RawValue>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryFault {
    /// None of the dead letters has these ids.
    Unknown(Vec<String>),
    /// The first scans have not ended: what there is to do is not known.
    Starting,
    /// It did not work out, for this reason.
    Failed(String),
}

/// Delivery to all configured sinks.
pub trait Delivery: Send + Sync + 'static {
    /// How the sinks stand; none of them means that nothing is configured.
    fn sinks(&self) -> Vec<SinkReport>;
    /// Stops sending until it is resumed, also over restarts.
    fn pause(&self) -> Later<'_, Result<(), DeliveryFault>>;
    /// Goes on, at once.
    fn resume(&self) -> Later<'_, Result<(), DeliveryFault>>;
    /// Sends at once; returns when all is sent, or an attempt has failed. Before the first
    /// scans have ended it sends nothing, and says so.
    fn flush(&self) -> Later<'_, Result<(), DeliveryFault>>;
    /// The first `limit` refused events of each sink, or of each the first behind this one.
    fn dead_letters(
        &self,
        limit: usize,
        after: Option<String>,
    ) -> Later<'_, Result<Vec<RefusedEvent>, DeliveryFault>>;
    /// Has refused events sent again, those with these ids or all, and says how many.
    fn retry(&self, ids: Option<Vec<String>>) -> Later<'_, Result<usize, DeliveryFault>>;
}

/// Nothing is configured.
pub struct NoDelivery;

impl Delivery for NoDelivery {
    fn sinks(&self) -> Vec<SinkReport> {
        Vec::new()
    }

    fn pause(&self) -> Later<'_, Result<(), DeliveryFault>> {
        Box::pin(async { Ok(()) })
    }

    fn resume(&self) -> Later<'_, Result<(), DeliveryFault>> {
        Box::pin(async { Ok(()) })
    }

    fn flush(&self) -> Later<'_, Result<(), DeliveryFault>> {
        Box::pin(async { Ok(()) })
    }

    fn dead_letters(
        &self,
        _: usize,
        _: Option<String>,
    ) -> Later<'_, Result<Vec<RefusedEvent>, DeliveryFault>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn retry(&self, _: Option<Vec<String>>) -> Later<'_, Result<usize, DeliveryFault>> {
        Box::pin(async { Ok(0) })
    }
}
