//! What a project says of itself: its root, identity, git checkout and missions.
//!
//! Everything here is only ever read, and read as hostile: regular files beneath the
//! project root, of bounded size, opened without blocking. What can't be read is a
//! fault beside the last good answer, never an end.

pub mod beneath;
pub mod committed;
pub mod context;
pub mod git;
pub mod identity;
mod mission_override;
pub mod missions;
mod objects;
pub mod root;
#[cfg(test)]
mod sample;

pub use context::{ProjectContext, ProjectFault};
pub use git::GitState;
pub use identity::ProjectIdentity;
pub use mission_override::MissionFault;
pub use missions::MissionCatalog;
