//! What the API needs of the disk and of the transport, as small traits, so that handlers
//! can be tested without either.
//!
//! Implementations may block: handlers call them on a thread of their own.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::session::KeptSession;
use crate::daemon::view::FeatureView;
use crate::dossier::RelPath;

/// A directory or a file, and the word for it.
pub type Place = (PathBuf, &'static str);

/// The beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// At most as many bytes as were asked for.
    pub bytes: Vec<u8>,
    /// Size of the file in bytes.
    pub size: u64,
    /// Is there more than `bytes`?
    pub truncated: bool,
}

/// Why a file has no text. No fault's text has an absolute path in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// It, or the feature's directory, is not there.
    #[error("it is gone")]
    Gone,
    /// It leads out of the feature's directory.
    #[error("it leads out of the feature")]
    Escapes,
    /// It is no regular file.
    #[error("it is a {0}")]
    Special(&'static str),
    /// Permissions forbid it.
    #[error("permission denied")]
    Denied,
    /// The system failed otherwise.
    #[error("{0}")]
    Io(String),
}

/// A file as the checked-out commit has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedText {
    /// The commit's object id in hex.
    pub commit: String,
    /// The branch that is checked out, short.
    pub branch: Option<String>,
    /// The file's bytes; `None` if the commit does not have it.
    pub bytes: Option<Vec<u8>>,
}

/// Reads artifacts beneath a feature's directory, never through a link that leaves it.
pub trait ArtifactText: Send + Sync + 'static {
    /// Reads at most `limit` bytes of the file at `path` below `dir` (absolute).
    fn read(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<Text, TextFault>;

    /// The file at `path` below `dir` as it was committed, if it has at most `limit` bytes.
    /// The error says for people why there is nothing to compare with.
    fn committed(&self, dir: &Path, path: &RelPath, limit: u64) -> Result<CommittedText, String>;
}

/// Keeps logged-in pages over a restart of the daemon.
pub trait SessionStore: Send + Sync + 'static {
    /// Those that were kept; none if they cannot be read.
    fn load(&self) -> Vec<KeptSession>;
    /// Keeps these and no others. What cannot be written is lost with the daemon.
    fn save(&self, sessions: &[KeptSession]);
}

/// Lines of a log, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Events as JSON, without newlines.
    pub lines: Vec<Bytes>,
    /// Id of the last of `lines`; the id that was asked for when there are none.
    pub last_id: Option<String>,
    /// Does the log have more after them?
    pub more: bool,
}

/// Why a log could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// No event of this log has the id.
    #[error("the event is not in the log")]
    UnknownId,
    /// The system failed.
    #[error("{0}")]
    Io(String),
}

/// Reads the event logs of features.
pub trait EventLogs: Send + Sync + 'static {
    /// At most `limit` events after the one with id `after`, or from the beginning.
    fn read(
        &self,
        feature: &FeatureView,
        after: Option<&str>,
        limit: usize,
    ) -> Result<LogPage, LogFault>;

    /// The last `limit` lines that are wanted, newest first. Lines are asked about in the
    /// order of their segments, the newest segment first, in each from its beginning.
    fn read_back(
        &self,
        feature: &FeatureView,
        limit: usize,
        wanted: &mut dyn FnMut(&Bytes) -> bool,
    ) -> Result<Vec<Bytes>, LogFault>;
}

/// What a transport counted since the start, for `/metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransportCounts {
    /// Requests with a missing or wrong token.
    pub failed_auth: u64,
    /// Connections that were turned away because too many were open.
    pub refused_connections: u64,
    /// Connections of processes under another uid.
    pub foreign_peers: u64,
    /// Requests whose handler panicked.
    pub panics: u64,
}

/// Where those counts come from.
pub trait CountsOfTransport: Send + Sync + 'static {
    /// The counts of this moment.
    fn counts(&self) -> TransportCounts;
}
