//! One feature from disk to judgement: scan, assemble, find the baseline, compare.
//!
//! The daemon surveys a feature again and again, keeping what is known; `scan`, `check`
//! and `explain` do it once. What is published, logged or printed is up to them.

mod baselines;
mod faults;
mod feature;
mod history;
mod one_shot;
mod sources;
mod task;

pub use baselines::{Baselines, context_name};
pub use faults::of_ignore_files as ignore_anomalies;
pub use feature::{Assignment, FeatureSurvey, Judged, LastKnown, Surroundings, Surveyed};
pub use history::{History, newest_path};
pub use one_shot::{Found, OneShot, SurveyError};
pub use task::{Task, TaskError};

use crate::dossier::Timestamp;

/// The moment by the system's clock. The core gets it as an argument.
pub fn now() -> Timestamp {
    Timestamp::from_system(std::time::SystemTime::now())
}
