//! Commands: what can be asked of the loop. Each is answered after its effect, when the
//! new view is published and the log line is durable.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::view::{FeatureView, RootView};
use crate::dossier::capture::CaptureRequest;

/// Which feature a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One, by id.
    Feature(String),
    /// All of them.
    All,
}

/// A request to the loop, with the place to answer.
#[derive(Debug)]
pub enum Command {
    /// Registers a root; answered when its features are scanned.
    Register {
        /// Absolute path.
        path: PathBuf,
        /// Mission type where meta.json names none.
        mission_type: Option<String>,
        /// Explicit step; for a single feature only.
        step: Option<String>,
        /// Answer.
        reply: Reply<Registered>,
    },
    /// Forgets a root (or the root of a single registered feature); its files stay.
    Unregister {
        /// Id of a root, or of a feature that is a root itself.
        id: String,
        /// Answer.
        reply: Reply<Arc<RootView>>,
    },
    /// Scans in full and writes what changed.
    Rescan {
        /// Id of the feature.
        feature: String,
        /// Write everything again, as a full scan does.
        reemit: bool,
        /// Answer.
        reply: Reply<Arc<FeatureView>>,
    },
    /// Sets or clears the explicit step.
    SetStep {
        /// Id of the feature.
        feature: String,
        /// A step of its mission; `None` goes back to meta.json or inference.
        step: Option<String>,
        /// Answer.
        reply: Reply<Arc<FeatureView>>,
    },
    /// Accepts the current state, as a whole or for some paths.
    Capture {
        /// Id of the feature.
        feature: String,
        /// What is to be accepted.
        request: CaptureRequest,
        /// Answer.
        reply: Reply<Arc<FeatureView>>,
    },
    /// Forgets the current baseline.
    ClearBaseline {
        /// Id of the feature.
        feature: String,
        /// Answer: was there one?
        reply: Reply<bool>,
    },
    /// Waits until every change that happened before is in the view.
    Fresh {
        /// What has to be fresh.
        target: Target,
        /// Answer.
        reply: Reply<()>,
    },
}

/// Where the loop answers.
pub type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// What a registration gave.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The root.
    pub root: Arc<RootView>,
    /// Its features, after their first scan.
    pub features: Vec<Arc<FeatureView>>,
    /// Was it registered already?
    pub already: bool,
}

/// Why a command had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such feature or root.
    #[error("nothing is registered under {0:?}")]
    NotFound(String),
    /// The input makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It contradicts the current state.
    #[error("{0}")]
    Conflict(String),
    /// It did not happen in time; the state is unchanged or will follow.
    #[error("{0}")]
    Timeout(String),
    /// It could not be done: a file system error, mostly.
    #[error("{0}")]
    Failed(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
}
