//! What the logs have after a place, page by page: of one feature in the order of its log,
//! of several merged by event id.
//!
//! A cursor remembers the last event it read of its log, so reading goes on from there
//! however the log has grown. Everything here blocks.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

use super::ports::{EventLogs, LogFault};
use crate::daemon::view::FeatureView;
use crate::dossier::event::EventType;
use crate::dossier::verify::is_ulid;

/// Lines that are read at once.
pub(super) const PAGE: usize = 256;

/// One event of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) event_id: String,
    pub(super) event_type: EventType,
    /// The JSON, without newline.
    pub(super) json: Bytes,
}

impl Line {
    /// Reads what is needed of a line; `None` if it is no event of ours. The line goes into
    /// documents and event streams as it is, and so does its id: what would break out of those
    /// is never ours.
    pub(super) fn parse(json: Bytes) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head<'a> {
            #[serde(borrow)]
            event_id: Cow<'a, str>,
            event_type: EventType,
        }
        // White space to JSON, but to an event stream the end of a line.
        let whole = json.strip_suffix(b"\r").unwrap_or(&json).len();
        let json = json.slice(..whole);
        if memchr::memchr(b'\r', &json).is_some() {
            return None;
        }
        // The parser skips members that nobody asks for without looking at their encoding.
        let head: Head<'_> = serde_json::from_str(std::str::from_utf8(&json).ok()?).ok()?;
        if !is_ulid(&head.event_id) {
            return None;
        }
        let (event_id, event_type) = (head.event_id.into_owned(), head.event_type);
        Some(Self { event_id, event_type, json })
    }
}

/// The place in one log.
struct Cursor {
    feature: Arc<FeatureView>,
    /// The last event that was read.
    after: Option<String>,
    /// Where the log does not have the event to begin after: only later ones count.
    later_than: Option<String>,
    read: VecDeque<Line>,
    exhausted: bool,
}

impl Cursor {
    /// Reads on where nothing that was read is left.
    fn fill(&mut self, logs: &dyn EventLogs) -> Result<(), LogFault> {
        while self.read.is_empty() && !self.exhausted {
            self.read_on(logs)?;
        }
        Ok(())
    }

    fn read_on(&mut self, logs: &dyn EventLogs) -> Result<(), LogFault> {
        let page = logs.read(&self.feature, self.after.as_deref(), PAGE)?;
        self.exhausted = !page.more || page.lines.is_empty();
        self.after = page.last_id.or_else(|| self.after.take());
        let floor = self.later_than.as_deref();
        let is_later = |line: &Line| floor.is_none_or(|id| line.event_id.as_str() > id);
        self.read.extend(page.lines.into_iter().filter_map(Line::parse).filter(is_later));
        Ok(())
    }

    fn first_id(&self) -> Option<&str> {
        self.read.front().map(|line| line.event_id.as_str())
    }
}

/// Places in the logs of some features.
///
/// Ids grow with time across all logs of a machine, and one writer appends to them. So
/// what was appended before an event that was read is found by reading the other logs
/// after it: up to such an event, the `horizon`, the merged order is final.
pub(super) struct Backlog {
    cursors: Vec<Cursor>,
    since: String,
    /// Nothing that is still to be read has a smaller id.
    horizon: Option<String>,
}

impl Backlog {
    /// Begins after the event `since`. At least one of the logs has to have it.
    pub(super) fn open(
        logs: &dyn EventLogs,
        features: Vec<Arc<FeatureView>>,
        since: &str,
    ) -> Result<Self, LogFault> {
        let mut backlog = Self { cursors: Vec::new(), since: since.to_owned(), horizon: None };
        let mut known = false;
        for feature in features {
            let mut cursor = backlog.cursor(feature);
            cursor.after = Some(since.to_owned());
            cursor.later_than = None;
            match cursor.fill(logs) {
                Ok(()) => known = true,
                Err(LogFault::UnknownId) => {
                    cursor.after = None;
                    cursor.later_than = Some(since.to_owned());
                }
                Err(fault) => return Err(fault),
            }
            backlog.cursors.push(cursor);
        }
        if known { Ok(backlog) } else { Err(LogFault::UnknownId) }
    }

    fn cursor(&self, feature: Arc<FeatureView>) -> Cursor {
        let later_than = Some(self.since.clone());
        Cursor { feature, after: None, later_than, read: VecDeque::new(), exhausted: false }
    }

    /// Looks again at logs that had come to their end, and at features that are new.
    pub(super) fn extend(&mut self, features: Vec<Arc<FeatureView>>) {
        for cursor in &mut self.cursors {
            cursor.exhausted = false;
        }
        for feature in features {
            if self.cursors.iter().all(|cursor| cursor.feature.id != feature.id) {
                self.cursors.push(self.cursor(feature));
            }
        }
    }

    /// The next events, at most [`PAGE`]; none at the end of all logs.
    pub(super) fn page(&mut self, logs: &dyn EventLogs) -> Result<Vec<Line>, LogFault> {
        if let [only] = &mut self.cursors[..] {
            // One log has an order of its own, whatever its ids.
            only.fill(logs)?;
            let count = only.read.len().min(PAGE);
            return Ok(only.read.drain(..count).collect());
        }
        let mut page = Vec::new();
        while page.len() < PAGE {
            match self.next(logs)? {
                Some(line) => page.push(line),
                None if self.move_horizon(logs)? => {}
                None => break,
            }
        }
        Ok(page)
    }

    /// The next event up to the horizon.
    fn next(&mut self, logs: &dyn EventLogs) -> Result<Option<Line>, LogFault> {
        for cursor in &mut self.cursors {
            cursor.fill(logs)?;
        }
        let horizon = self.horizon.as_deref();
        let near = |cursor: &&mut Cursor| cursor.first_id().is_some_and(|id| Some(id) <= horizon);
        let next = self.cursors.iter_mut().filter(near);
        let next = next.min_by(|a, b| a.first_id().cmp(&b.first_id()));
        Ok(next.and_then(|cursor| cursor.read.pop_front()))
    }

    /// Moves the horizon to the last event that was read, and reads on in the logs that
    /// ended before it was. False where nothing was read.
    fn move_horizon(&mut self, logs: &dyn EventLogs) -> Result<bool, LogFault> {
        let last = self.cursors.iter().filter_map(|cursor| cursor.read.back());
        let Some(last) = last.map(|line| line.event_id.clone()).max() else { return Ok(false) };
        for cursor in self.cursors.iter_mut().filter(|cursor| cursor.exhausted) {
            cursor.read_on(logs)?;
        }
        self.horizon = Some(last);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn line(id: &str, rest: &str) -> String {
        format!("{{\"event_id\":\"{id}\",\"event_type\":\"MissionDossierSnapshotComputed\"{rest}}}")
    }

    #[test]
    fn a_line_that_would_break_out_of_a_document_or_a_stream_is_no_event() {
        let parse = |json: &[u8]| Line::parse(Bytes::copy_from_slice(json));
        let right = line(ID, ",\"payload\":{\"n\":1.50}");
        assert_eq!(parse(right.as_bytes()).expect("an event").json, right);
        let other_end = format!("{right}\r");
        assert_eq!(parse(other_end.as_bytes()).expect("an event").json, right);
        for id in ["", "1", "x\\n\\ndata: forged", "81ARZ3NDEKTSV4RRFFQ69G5FAV", &ID.to_lowercase()]
        {
            assert_eq!(parse(line(id, "").as_bytes()), None, "{id}");
        }
        assert_eq!(parse(line(ID, ",\r\"data: forged\":1").as_bytes()), None);
        let mut spoiled = line(ID, ",\"unread\":\"?\"").into_bytes();
        let at = spoiled.iter().position(|byte| *byte == b'?').expect("is there");
        spoiled[at] = 0xff;
        assert_eq!(parse(&spoiled), None);
    }
}
