//! What the daemon lives with although it is not as it should be, and what kind of thing that
//! is: programs tell by the kind what mends it, people read the text.

use std::path::PathBuf;

use serde::Serialize;

/// What mends it follows from this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaveatKind {
    /// The file of the configuration cannot be used: it has to be corrected, then loaded.
    ConfigRefused,
    /// The file of the configuration is another one by now: it has to be loaded.
    ConfigChanged,
    /// A value of the configuration waits for the next start.
    ConfigWaiting,
    /// What the system refused when the daemon started, and is not tried again.
    Watching,
    /// The address that was asked for is not served.
    Address,
    /// TCP asks for no token.
    OpenTcp,
    /// The service manager passed what does not fit.
    Supervisor,
}

/// One thing that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caveat {
    /// What kind of thing.
    pub kind: CaveatKind,
    /// A sentence.
    pub text: String,
    /// The file that it is about, if it is about one.
    pub file: Option<PathBuf>,
}

impl Caveat {
    /// One that is about no file.
    pub fn new(kind: CaveatKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), file: None }
    }
}
