//! Writing what waits for one feature: pieces into its log, synced, announced.
//!
//! Nothing is announced before it is durable. What was written but could not be synced stays
//! in order, and is announced by whoever syncs it later.

use std::time::Instant;

use super::super::feed::LoggedEvent;
use super::super::order::Report;
use super::super::sync_ahead::SyncAhead;
use super::{Journal, LITTLE, Line, MUCH, QUIET};
use crate::store::{Append, EventLog, LogEvent, StoreError};

/// How writing went.
#[derive(PartialEq, Eq)]
enum Written {
    All,
    /// The log is not what it was; the loop was told.
    Lost,
}

impl Journal {
    /// Writes what waits for the feature's log; `Ok` also if there is none.
    pub(super) fn write_log(&mut self, feature: &str, line: &mut Line) -> Result<(), StoreError> {
        if line.waiting.is_empty() && line.unsynced.is_empty() {
            self.give_back(feature, line);
            return Ok(());
        }
        let Some(mut log) = line.log.take() else {
            self.refuse_without_log(feature, line);
            return Ok(());
        };
        let written = self.write_to(feature, line, &mut log);
        line.log = Some(log);
        written
    }

    /// Events that cannot be kept are not kept waiting: whoever opens the log finds again what
    /// it lacks.
    fn refuse_without_log(&self, feature: &str, line: &mut Line) {
        if let Some(message) = &line.no_log {
            line.waiting.clear();
            (self.report)(Report::Failing {
                feature: feature.to_owned(),
                tickets: std::mem::take(&mut line.tickets),
                message: message.clone(),
            });
        }
    }

    fn write_to(
        &mut self,
        feature: &str,
        line: &mut Line,
        log: &mut EventLog,
    ) -> Result<(), StoreError> {
        if let Some(event) = log.check()?
            && self.is_lost(feature, line, &event)
        {
            return Ok(());
        }
        // What went in before something failed does not wait for what did not.
        self.sync(log, &mut line.unsynced)?;
        // A burst of changes makes many small batches, and all numbers are had at once.
        self.clock.reserve(line.waiting.unsealed() as u64)?;
        let mut ahead = None;
        let written = self.write_pieces(feature, line, log, &mut ahead);
        let synced = self.synced(ahead, &mut line.unsynced);
        if written? == Written::Lost {
            return Ok(());
        }
        synced?;
        self.sync(log, &mut line.unsynced)?;
        self.give_back(feature, line);
        // A segment begins with everything: where that alone is large, it has to have grown
        // as much again, or each segment would be full at once.
        let has_grown = log.end().is_some_and(|end| end.offset >= 2 * line.opening);
        if log.wants_rotation() && has_grown && self.rotation_asked.insert(feature.to_owned()) {
            (self.report)(Report::RotationWanted { feature: feature.to_owned() });
        }
        Ok(())
    }

    /// Writes all that waits, a piece at a time with one write each; all but the last are
    /// synced while the next is made.
    fn write_pieces(
        &mut self,
        feature: &str,
        line: &mut Line,
        log: &mut EventLog,
        ahead: &mut Option<SyncAhead>,
    ) -> Result<Written, StoreError> {
        loop {
            // Looked at before each piece: what begins anew has to begin in an empty file.
            if let Some(event) = log.check()?
                && self.is_over(feature, line, &event, ahead)
            {
                return Ok(Written::Lost);
            }
            let piece = line.waiting.piece(feature, &mut self.clock, &mut self.ids)?;
            let Some(piece) = piece else { return Ok(Written::All) };
            if piece.new_segment {
                self.synced(ahead.take(), &mut line.unsynced)?;
                self.sync(log, &mut line.unsynced)?;
                log.rotate()?;
                self.rotation_asked.remove(feature);
            }
            if piece.lines.len() > MUCH {
                self.tidy_at = Some(Instant::now() + QUIET);
            } else {
                self.tidy_at.get_or_insert(Instant::now() + LITTLE);
            }
            if let Append::Refused(loss) = log.append(&piece.lines)? {
                if self.is_over(feature, line, &loss, ahead) {
                    return Ok(Written::Lost);
                }
                continue;
            }
            let before = if piece.full_begins { 0 } else { line.opening };
            line.opening = before + piece.full_bytes;
            let events = line.waiting.written();
            // From here on they are in the log; a failed sync must not write them twice.
            let synced = self.synced(ahead.take(), &mut line.unsynced);
            line.unsynced.extend(events);
            synced?;
            if line.waiting.unsealed() > 0 {
                *ahead = SyncAhead::start(log, &mut line.unsynced);
            }
        }
    }

    /// What somebody else did to the log, while something may be on its way into it; true if
    /// there is nothing to go on with.
    fn is_over(
        &self,
        feature: &str,
        line: &mut Line,
        event: &LogEvent,
        ahead: &mut Option<SyncAhead>,
    ) -> bool {
        if !matches!(event, LogEvent::Extended { .. }) {
            // It may be gone with what was cut or deleted.
            drop(ahead.take().map(SyncAhead::join));
        }
        self.is_lost(feature, line, event)
    }

    /// Waits for what is being synced, and announces it; if it failed, it is unsynced again.
    fn synced(
        &self,
        ahead: Option<SyncAhead>,
        unsynced: &mut Vec<LoggedEvent>,
    ) -> Result<(), StoreError> {
        let Some((result, end, mut events)) = ahead.map(SyncAhead::join) else { return Ok(()) };
        match result {
            Ok(()) => self.feed.announce(Some(end), &events),
            Err(_) => {
                events.append(unsynced);
                *unsynced = events;
            }
        }
        result
    }

    /// Makes what was appended durable, and announces it.
    fn sync(&self, log: &EventLog, unsynced: &mut Vec<LoggedEvent>) -> Result<(), StoreError> {
        if !unsynced.is_empty() {
            log.sync()?;
            self.feed.announce(log.end(), unsynced);
            unsynced.clear();
        }
        Ok(())
    }

    /// Somebody else changed the log. Added lines stay and do no harm; after a loss the
    /// changes that wait are of no use.
    fn is_lost(&self, feature: &str, line: &mut Line, event: &LogEvent) -> bool {
        let what = match event {
            LogEvent::Extended { .. } => return false,
            LogEvent::Lost => "it was deleted or replaced".to_owned(),
            LogEvent::Truncated { known, found } => {
                format!("it was cut from {known} to {found} bytes")
            }
        };
        // They may be among what is gone, so they are never announced: the full emission that
        // has to come covers them.
        line.unsynced.clear();
        // A full emission that waits already covers what was lost.
        if line.waiting.begin_at_full() {
            tracing::warn!(feature, what, "the event log was lost; it is written again");
            return false;
        }
        line.waiting.clear();
        line.lost = true;
        (self.report)(Report::LogLost { feature: feature.to_owned(), what });
        true
    }

    /// Tells the loop that everything it ordered for this feature is durable.
    fn give_back(&self, feature: &str, line: &mut Line) {
        if !line.lost && !line.tickets.is_empty() {
            let tickets = std::mem::take(&mut line.tickets);
            let (feature, opening) = (feature.to_owned(), line.opening);
            (self.report)(Report::Durable { feature, tickets, opening });
        }
    }
}
