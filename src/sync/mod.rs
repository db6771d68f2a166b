//! Delivery of the event logs to a back end: at least once, in order, with honest counts.
//!
//! The logs are the queue; nothing is copied. Each sink has a thread of its own that does,
//! for ever:
//!
//! 1. find the logs that there are, and count what each has behind the sink's cursor;
//! 2. read a batch from the cursors on, in the order of each log;
//! 3. send it, and take the answer apart event by event;
//! 4. write down what was refused (durable), then move the cursors (durable).
//!
//! A crash between 3 and 4 sends the batch again, which the back end recognises by the ids
//! of its events. A cursor only ever moves over events that were delivered, known already,
//! or written down as refused, so every event of a log is exactly one of pending,
//! delivered, duplicate and rejected.

mod answer;
mod backoff;
mod batch;
mod check;
mod cursor;
mod dead_letters;
mod desk;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod logs;
#[cfg(feature = "nats")]
pub mod nats;
mod pause;
mod queue;
mod redaction;
mod retention;
mod secrets;
mod signature;
mod sink;
mod status;
mod tls;
mod webhook;
mod worker;

pub use check::check;
pub use dead_letters::DeadLetter;
pub use retention::KeptSegments;
pub use status::{SinkCounts, SinkState, SinkStatus};
pub use worker::{Courier, CourierConfig, CourierError, Flushed, SinkConfig};
