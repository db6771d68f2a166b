//! What a sink makes of a batch, whatever protocol it speaks.

use std::time::Duration;

use super::batch::Batch;
use super::webhook::Webhook;

/// What the other side said about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has it now.
    Delivered,
    /// It had it before.
    Duplicate,
    /// It does not want it, for this reason.
    Rejected(String),
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answered, by position in the batch; `None` for events that nothing was said about.
    Answered(Vec<Option<Verdict>>),
    /// Answered in part, by position in the batch; then something went wrong.
    #[cfg(feature = "nats")]
    Partly(Vec<Option<Verdict>>, String),
    /// Too large as a whole.
    TooLarge(String),
    /// Refused as a whole, which one event of it may be the reason for.
    Refused(String),
    /// Nobody may send with this token; trying again is of no use.
    Unauthorised(String),
    /// It did not work out this time.
    Failed {
        /// Why.
        reason: String,
        /// How long the other side asked to wait.
        wait: Option<Duration>,
    },
}

impl Outcome {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), wait: None }
    }
}

/// The other side.
pub(super) enum Sink {
    /// Batches over HTTP.
    Webhook(Box<Webhook>),
    /// A broker.
    #[cfg(feature = "nats")]
    Nats(Box<super::nats::NatsSink>),
}

impl Sink {
    /// Sends a batch.
    pub(super) async fn send(&mut self, batch: &Batch) -> Outcome {
        match self {
            Self::Webhook(webhook) => webhook.send(batch).await,
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.send(batch).await,
        }
    }

    /// Has the secret that was refused been replaced?
    pub(super) fn has_new_secret(&self) -> bool {
        match self {
            Self::Webhook(webhook) => webhook.has_new_secret(),
            #[cfg(feature = "nats")]
            Self::Nats(nats) => nats.has_new_secret(),
        }
    }
}
