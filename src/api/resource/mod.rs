//! The resources: how each of them looks on the wire.

pub(super) mod artifact;
pub(super) mod artifacts;
pub(super) mod baseline;
pub(super) mod diff;
pub(super) mod drift;
pub(super) mod events;
pub(super) mod export;
pub(super) mod features;
pub(super) mod health;
pub(super) mod history;
pub(super) mod login;
pub(super) mod metrics;
mod newest;
pub(super) mod overview;
pub(super) mod page;
pub(super) mod schemas;
pub(super) mod standing;
pub(super) mod sync;
