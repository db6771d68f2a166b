//! The daemon: one loop owns all mutable state; readers get immutable views.

pub mod caveat;
pub mod changed_logs;
pub mod command;
pub mod config;
mod emission;
mod engine;
mod feature;
pub mod feed;
mod fresh;
pub mod handle;
mod identities;
mod job;
mod journal;
mod last_good;
mod load;
mod once;
mod order;
mod publish;
mod root;
mod sealing;
mod seats;
mod sequence;
mod snapshot_file;
mod start;
mod sync_ahead;
pub mod view;
mod waiting;
mod watching;
mod workers;

pub use engine::Ending;
pub use identities::{ProjectLoader, identity_of_path, kept_identity, project_loader};
pub use last_good::LastGoodMissions;
pub use once::{OnceError, OnceOptions, write_once};
pub use seats::Seats;
pub use start::{Daemon, Setup, StartError, VitalSigns};
pub use watching::BackendFactory;
