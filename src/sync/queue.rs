//! What a sink has not settled yet: the logs behind its cursors, as one queue.
//!
//! Nothing of the queue is in memory but a cursor and a count for each log. Logs take
//! turns, so that a long one keeps no other waiting.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use bytes::Bytes;

use super::batch::{Batch, Entry, identified};
use super::cursor::{Cursor, Last};
use super::logs::Log;
use super::sink::Verdict;
use crate::dossier::Timestamp;
use crate::store::{DossierDir, LineBody, LogReader, Position, StoreError};

/// A log and how far the sink has come in it.
struct Track {
    place: DossierDir,
    cursor: Cursor,
    /// The last event that was counted.
    counted: Option<Last>,
    pending: u64,
    /// When the first of them happened.
    oldest: Option<Timestamp>,
    /// The cursor on disk is behind.
    unsaved: bool,
    /// This daemon writes the log.
    is_ours: bool,
}

/// The sums over all logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) pending: u64,
    pub(super) settled: u64,
    pub(super) duplicate: u64,
    pub(super) oldest: Option<Timestamp>,
}

/// How much goes into a batch at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) events: usize,
    /// Together with so many for each event.
    pub(super) bytes: usize,
    pub(super) overhead: usize,
}

pub(super) struct Queue {
    /// Where the cursors are.
    dir: PathBuf,
    clock: fn() -> Timestamp,
    tracks: BTreeMap<String, Track>,
    /// The log that the last batch ended with.
    turn: String,
}

impl Queue {
    pub(super) fn new(dir: PathBuf, clock: fn() -> Timestamp) -> Self {
        Self { dir, clock, tracks: BTreeMap::new(), turn: String::new() }
    }

    /// Takes a log in, or counts what has come to it. An error leaves the log out until the
    /// next call.
    pub(super) fn look(&mut self, name: &str, log: &Log) -> Result<(), StoreError> {
        if !self.tracks.contains_key(name) {
            let cursor = Cursor::load(&self.dir, name)?;
            let track = Track {
                place: log.place.clone(),
                cursor,
                counted: None,
                pending: 0,
                oldest: None,
                unsaved: false,
                is_ours: false,
            };
            self.tracks.insert(name.to_owned(), track);
        }
        let Some(track) = self.tracks.get_mut(name) else { return Ok(()) };
        track.is_ours = log.end.is_some();
        track.count(log.end, (self.clock)())
    }

    /// Leaves out the logs that are not among these.
    pub(super) fn keep(&mut self, names: impl Fn(&str) -> bool) {
        self.tracks.retain(|name, _| names(name));
    }

    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for track in self.tracks.values() {
            sum.pending += track.pending;
            sum.settled += track.cursor.settled;
            sum.duplicate += track.cursor.duplicate;
            sum.oldest = sum.oldest.into_iter().chain(track.oldest).min();
        }
        sum
    }

    /// Counts everything anew at the next look: what was counted is not there.
    pub(super) fn recount(&mut self) {
        for track in self.tracks.values_mut() {
            track.counted = None;
        }
    }

    /// The next events, from the log on whose turn it is. A log that cannot be read keeps no
    /// other waiting; the first fault comes with what the others have.
    pub(super) fn batch(&mut self, limits: Limits) -> (Batch, Result<(), StoreError>) {
        let mut batch = Batch::default();
        let mut fault = Ok(());
        let mut bytes = 0;
        let after = (Bound::Excluded(self.turn.clone()), Bound::Unbounded);
        let from_start = ..=self.turn.clone();
        let turns = self.tracks.range::<String, _>(after).chain(self.tracks.range(from_start));
        let waiting: Vec<(&String, &Track)> =
            turns.filter(|(_, track)| track.pending > 0).collect();
        let mut turn = self.turn.clone();
        'logs: for (name, track) in waiting {
            for entry in track.behind((self.clock)()) {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        fault = fault.and(Err(error));
                        break;
                    }
                };
                bytes += entry.line.len() + limits.overhead;
                let is_full = batch.entries.len() == limits.events || bytes > limits.bytes;
                if is_full && !batch.is_empty() {
                    turn.clone_from(name);
                    break 'logs;
                }
                batch.entries.push(entry.into_entry(name));
            }
            turn.clone_from(name);
        }
        self.turn = turn;
        (batch, fault)
    }

    /// Moves the cursors over the events of a batch that something is known about. What was
    /// rejected has to be written down before; [`Batch::in_order`] keeps the order.
    pub(super) fn settle(&mut self, batch: &Batch, verdicts: &[Option<Verdict>]) {
        for (entry, verdict) in batch.entries.iter().zip(verdicts) {
            let (Some(verdict), Some(track)) = (verdict, self.tracks.get_mut(&entry.log)) else {
                continue;
            };
            let cursor = &mut track.cursor;
            cursor.last = Some(Last { at: entry.at, event_id: entry.event_id.clone() });
            cursor.settled += 1;
            cursor.duplicate += u64::from(*verdict == Verdict::Duplicate);
            track.pending = track.pending.saturating_sub(1);
            track.unsaved = true;
        }
        for track in self.tracks.values_mut().filter(|track| track.unsaved) {
            track.oldest = track.first_time((self.clock)());
        }
    }

    /// Writes down the cursors that have moved. What fails is tried again at the next call.
    pub(super) fn save(&mut self) -> Result<(), StoreError> {
        for (name, track) in self.tracks.iter_mut().filter(|(_, track)| track.unsaved) {
            track.cursor.save(&self.dir, name)?;
            track.unsaved = false;
        }
        Ok(())
    }

    /// The segment in which each log that this daemon writes is settled so far; those before
    /// it are settled as a whole.
    pub(super) fn segments(&self) -> impl Iterator<Item = (&str, &DossierDir, u64)> {
        let certain = self.tracks.iter().filter(|(_, track)| track.is_ours && !track.unsaved);
        certain.filter_map(|(name, track)| {
            let last = track.cursor.last.as_ref()?;
            // In a log that took the place of another one the cursor means nothing.
            last.reader_behind(&track.place)?;
            Some((name.as_str(), &track.place, last.at.segment))
        })
    }

    /// Is this log in the queue?
    pub(super) fn has(&self, log: &str) -> bool {
        self.tracks.contains_key(log)
    }
}

/// An event that was read from a log.
struct Found {
    event_id: String,
    time: String,
    line: Vec<u8>,
    at: Position,
}

impl Found {
    fn into_entry(self, log: &str) -> Entry {
        let Self { event_id, line, at, .. } = self;
        Entry { log: log.to_owned(), event_id, line: Bytes::from(line), at }
    }
}

impl std::ops::Deref for Found {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.line
    }
}

impl Track {
    /// The events behind the cursor, as far as they are counted.
    fn behind(&self, now: Timestamp) -> impl Iterator<Item = Result<Found, StoreError>> {
        let (reader, passed) = self.cursor.reader(&self.place, now);
        let counted = self.counted.as_ref().map(|counted| counted.at);
        let is_counted = move |found: &Found| counted.is_some_and(|last| found.at <= last);
        let is_settled =
            move |found: &Found| passed.as_ref().is_some_and(|id| found.event_id <= *id);
        events(reader)
            .take_while(move |found| found.as_ref().map_or(true, &is_counted))
            .filter(move |found| !found.as_ref().is_ok_and(&is_settled))
    }

    /// Counts what has come since the last count, up to `end`; everything if the log is
    /// another one.
    fn count(&mut self, end: Option<Position>, now: Timestamp) -> Result<(), StoreError> {
        let resumed = self.counted.as_ref().and_then(|last| last.reader_behind(&self.place));
        let (lines, passed) = match resumed {
            Some(reader) => (reader, None),
            None => {
                self.pending = 0;
                self.oldest = None;
                self.counted = None;
                self.cursor.reader(&self.place, now)
            }
        };
        for line in lines {
            let line = line?;
            if end.is_some_and(|end| line.at >= end) {
                break;
            }
            let LineBody::Whole(bytes) = line.body else { continue };
            let Some((id, time)) = identified(&bytes) else { continue };
            let is_passed = passed.as_ref().is_some_and(|passed| id <= *passed);
            self.counted = Some(Last { at: line.at, event_id: id });
            if is_passed {
                continue;
            }
            self.pending += 1;
            if self.oldest.is_none() {
                self.oldest = Timestamp::parse(&time);
            }
        }
        Ok(())
    }

    /// When the first pending event happened.
    fn first_time(&self, now: Timestamp) -> Option<Timestamp> {
        if self.pending == 0 {
            return None;
        }
        self.behind(now).find_map(Result::ok).and_then(|found| Timestamp::parse(&found.time))
    }
}

/// The events among the lines of a log.
fn events(lines: LogReader) -> impl Iterator<Item = Result<Found, StoreError>> {
    lines.filter_map(|line| {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let LineBody::Whole(bytes) = line.body else { return None };
        let (event_id, time) = identified(&bytes)?;
        Some(Ok(Found { event_id, time, line: bytes, at: line.at }))
    })
}
