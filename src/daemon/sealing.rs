//! Batches on their way into a log: given their ids and clocks piece by piece, so that a
//! first scan of a hundred thousand files takes little memory.

use std::collections::VecDeque;

use bytes::Bytes;

use super::emission::Emitted;
use super::feed::LoggedEvent;
use super::sequence::EventIds;
use crate::store::{LamportClock, StoreError};

/// A piece ends behind the event with which it has so many bytes.
const PIECE_BYTES: usize = 2 * 1024 * 1024;

/// About how long a line is, so that a large piece is not moved while it grows.
const LINE_BYTES: usize = 1280;

/// Lines that are written together, at once.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// With their newlines.
    pub lines: Bytes,
    /// The events in them.
    pub events: Vec<LoggedEvent>,
    /// They begin a new segment.
    pub new_segment: bool,
    /// A full emission begins in this piece.
    pub full_begins: bool,
    /// Bytes of the last full emission that are in this piece.
    pub full_bytes: u64,
}

/// What waits to be written to one log, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    batches: VecDeque<Begun>,
    /// What was sealed and could not be written: ids that were given stay given.
    piece: Option<Piece>,
}

/// A batch of which the events before `next` are sealed.
#[derive(Debug)]
struct Begun {
    emitted: Emitted,
    next: usize,
}

impl Waiting {
    /// Puts a batch at the end.
    pub(super) fn push(&mut self, emitted: Emitted) {
        self.batches.push_back(Begun { emitted, next: 0 });
    }

    /// Does nothing wait?
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.piece.is_none()
    }

    /// How many events are not sealed yet.
    pub(super) fn unsealed(&self) -> usize {
        self.batches.iter().map(|begun| begun.emitted.batch.len() - begun.next).sum()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what comes before the last full emission, of which everything is to be
    /// written, also what was written already. Whether there is one.
    pub(super) fn begin_at_full(&mut self) -> bool {
        let Some(at) = self.batches.iter().rposition(|begun| begun.emitted.full) else {
            return false;
        };
        self.piece = None;
        self.batches.drain(..at);
        self.batches.iter_mut().for_each(|begun| begun.next = 0);
        true
    }

    /// The next piece, until [`Self::written`] says that it is in the log; `None` when all
    /// is.
    pub(super) fn piece(
        &mut self,
        feature: &str,
        clock: &mut LamportClock,
        ids: &mut EventIds,
    ) -> Result<Option<&Piece>, StoreError> {
        if self.piece.is_none() && !self.batches.is_empty() {
            self.piece = Some(self.seal(feature, clock, ids)?);
        }
        Ok(self.piece.as_ref())
    }

    /// The piece is in the log; gives its events.
    pub(super) fn written(&mut self) -> Vec<LoggedEvent> {
        self.piece.take().map(|piece| piece.events).unwrap_or_default()
    }

    /// Seals events until the piece is large enough, all are sealed, or the next ones
    /// belong to a new segment.
    fn seal(
        &mut self,
        feature: &str,
        clock: &mut LamportClock,
        ids: &mut EventIds,
    ) -> Result<Piece, StoreError> {
        let mut piece = Piece::default();
        let expected = self.unsealed().saturating_mul(LINE_BYTES).min(PIECE_BYTES + LINE_BYTES);
        let mut lines: Vec<u8> = Vec::with_capacity(expected);
        let mut ends = Vec::new();
        while let Some(Begun { emitted, next }) = self.batches.front_mut() {
            if *next == 0 && emitted.new_segment {
                if !lines.is_empty() {
                    break;
                }
                piece.new_segment = true;
            }
            if *next == 0 && emitted.full {
                (piece.full_begins, piece.full_bytes) = (true, 0);
            }
            let start = lines.len();
            let mut failed = None;
            while *next < emitted.batch.len() && lines.len() < PIECE_BYTES {
                match clock.tick() {
                    Ok(tick) => {
                        let id = ids.next(emitted.sealer.now);
                        let Emitted { batch, sealer, .. } = emitted;
                        let event_type = sealer.write_line(batch, *next, &id, tick, &mut lines);
                        ends.push((id, event_type, lines.len()));
                        *next += 1;
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            if emitted.full {
                piece.full_bytes += (lines.len() - start) as u64;
            }
            match failed {
                // What has its clock already must be written before anything else.
                Some(error) if lines.is_empty() => return Err(error),
                None if *next == emitted.batch.len() => drop(self.batches.pop_front()),
                _ => break,
            }
        }
        piece.lines = lines.into();
        let mut start = 0;
        for (event_id, event_type, end) in ends {
            let line = piece.lines.slice(start..end - 1);
            start = end;
            let feature = feature.to_owned();
            piece.events.push(LoggedEvent { feature, event_id, event_type, line });
        }
        Ok(piece)
    }
}
