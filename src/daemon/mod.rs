//! The daemon: one loop owns all mutable state; readers get immutable views.

pub mod command;
pub mod config;
mod emission;
mod engine;
mod feature;
pub mod feed;
mod fresh;
pub mod handle;
mod job;
mod journal;
mod publish;
mod root;
mod sequence;
mod start;
pub mod view;
mod workers;

pub use engine::Ending;
pub use job::ProjectLoader;
pub use start::{BackendFactory, Daemon, Setup, StartError, identity_of_path, project_loader};
