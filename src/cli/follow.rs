//! Follows the daemon's event stream for as long as anyone wants it.
//!
//! The stream is NDJSON: events, a heartbeat every 15 s, and, for a reader that was too
//! slow, a last line that says where to resume. When the stream ends or falls silent this
//! connects again and asks for what came after the last event it passed on, so nothing is
//! lost and nothing comes twice. Only before the first event there is no such place, and
//! then [`Notice::Gap`] says so.

use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::Instant;

use super::client;
use super::error::{CliError, ErrorKind};
use super::route::Route;

/// Without a heartbeat for this long the daemon is gone, whatever the connection says.
const SILENCE: Duration = Duration::from_secs(45);
/// First and longest pause before the next attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long a restarted daemon may not know the feature yet.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(60);
/// No event is nearly this long.
const LINE_LIMIT: usize = 4 * 1024 * 1024;

/// What the follower is told.
#[derive(Debug)]
pub(super) enum Notice<'a> {
    /// An event: its line as it came, and what it says.
    Event(&'a [u8], &'a Value),
    /// The daemon is gone; it is being tried again.
    Lost(&'a CliError),
    /// It is back.
    Back,
    /// From here on nothing is missed: each connection begins with this.
    Open,
    /// This reader was too slow, and goes on where it was.
    Lagged,
    /// Events may have been missed here.
    Gap,
}

/// What to follow.
#[derive(Debug, Clone)]
pub(super) struct Following {
    /// Slug or id; `None` for all.
    pub(super) feature: Option<String>,
    /// Wire names, comma separated; `None` for all.
    pub(super) types: Option<String>,
    /// Begin after this event; `None` for now.
    pub(super) since: Option<String>,
}

impl Following {
    fn route(&self) -> Route {
        Route::get("/api/dossier/events")
            .with("follow", "true")
            .maybe("feature", self.feature.as_deref())
            .maybe("type", self.types.as_deref())
            .maybe("since", self.since.as_deref())
    }
}

/// How one connection ended.
enum End {
    /// The listener wants no more.
    Enough,
    /// The reader was too slow.
    Lagged,
    /// Anything else.
    Gone(CliError),
}

/// Follows until `tell` answers false or something happens that trying again cannot help.
pub(super) async fn follow(
    socket: &Path,
    mut following: Following,
    mut tell: impl FnMut(Notice<'_>) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let mut lost_since: Option<Instant> = None;
    let mut connected_before = false;
    let mut pause = PAUSES.0;
    loop {
        let gone = match client::open(socket, &following.route()).await {
            Ok(response) => {
                if lost_since.take().is_some() && !tell(Notice::Back)? {
                    return Ok(());
                }
                if connected_before && following.since.is_none() && !tell(Notice::Gap)? {
                    return Ok(());
                }
                if !tell(Notice::Open)? {
                    return Ok(());
                }
                (connected_before, pause) = (true, PAUSES.0);
                match read(response.into_body(), &mut following.since, &mut tell).await? {
                    End::Enough => return Ok(()),
                    End::Lagged => {
                        if !tell(Notice::Lagged)? {
                            return Ok(());
                        }
                        continue;
                    }
                    End::Gone(error) => error,
                }
            }
            Err(error) if !connected_before => return Err(error),
            Err(error) if error.code() == Some("event-unknown") => {
                // The log that had it is gone; all that is left is to go on from now.
                following.since = None;
                continue;
            }
            Err(error) if !is_passing(&error, lost_since) => return Err(error),
            Err(error) => error,
        };
        if lost_since.is_none() {
            lost_since = Some(Instant::now());
            if !tell(Notice::Lost(&gone))? {
                return Ok(());
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Can waiting help?
fn is_passing(error: &CliError, lost_since: Option<Instant>) -> bool {
    match error.kind() {
        ErrorKind::NoDaemon | ErrorKind::Protocol | ErrorKind::Io => true,
        ErrorKind::Refused => match error.code() {
            Some(
                ""
                | "busy"
                | "handler-too-slow"
                | "internal"
                | "starting"
                | "stopping"
                | "timeout"
                | "too-many-connections"
                | "too-many-streams",
            )
            | None => true,
            // A daemon that has just started learns of its features one by one.
            Some("feature-unknown" | "feature-needed") => {
                lost_since.is_none_or(|since| since.elapsed() < UNKNOWN_LIMIT)
            }
            Some(_) => false,
        },
        ErrorKind::Usage | ErrorKind::Untrusted | ErrorKind::Input => false,
    }
}

/// Reads one connection to its end, and remembers the last event.
async fn read(
    mut body: Incoming,
    since: &mut Option<String>,
    tell: &mut impl FnMut(Notice<'_>) -> Result<bool, CliError>,
) -> Result<End, CliError> {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Bytes = buffer.split_to(end + 1).freeze();
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let Ok(item) = serde_json::from_slice::<Value>(line) else {
                return Ok(End::Gone(gone("the daemon sent a line that is no JSON")));
            };
            if item["heartbeat"] == Value::Bool(true) {
                continue;
            }
            if item["lagged"] == Value::Bool(true) {
                if let Some(after) = item["resume_after"].as_str() {
                    *since = Some(after.to_owned());
                }
                return Ok(End::Lagged);
            }
            if !tell(Notice::Event(line, &item))? {
                return Ok(End::Enough);
            }
            if let Some(id) = item["event_id"].as_str() {
                *since = Some(id.to_owned());
            }
        }
        if buffer.len() > LINE_LIMIT {
            return Ok(End::Gone(gone("the daemon sent a line without end")));
        }
        match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => return Ok(End::Gone(gone("the daemon has fallen silent"))),
            Ok(None) => return Ok(End::Gone(gone("the daemon ended the stream"))),
            Ok(Some(Err(error))) => return Ok(End::Gone(client::broken_off(error))),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    buffer.extend_from_slice(&data);
                }
            }
        }
    }
}

fn gone(message: &str) -> CliError {
    CliError::new(ErrorKind::Protocol, message)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
