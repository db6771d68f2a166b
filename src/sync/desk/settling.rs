//! What the outcome of a batch means: which cursors move, what becomes a dead letter, and
//! whether to wait, to send less at once, or to pause.

use std::collections::{BTreeMap, BTreeSet};

use super::{Desk, MAX_BATCH_BYTES, Next, WRITE};
use crate::store::StoreError;
use crate::store::with_causes;
use crate::sync::batch::Batch;
use crate::sync::pause::Pause;
use crate::sync::sink::{Outcome, Verdict};

/// A back end that refuses so many events in a row, each sent alone, refuses everything:
/// then something else is wrong than the events.
const MAX_LONE_REFUSALS: u32 = 10;

/// An event with no more bytes than this is small: who takes a batch at all takes it, as the
/// usual limits of proxies and brokers, from 256 KiB on, leave room for several of them. That
/// it alone is too large says something about the other side. Of a larger one it may be so.
const SMALL_EVENT: usize = MAX_BATCH_BYTES / 16;

impl Desk {
    /// Takes in what came of a batch.
    pub(in crate::sync) fn settle(&mut self, next: &Next, outcome: Outcome) {
        let is_alone = next.batch().entries.len() == 1;
        match outcome {
            Outcome::Answered(verdicts) => self.answered(next, &verdicts),
            #[cfg(feature = "nats")]
            Outcome::Partly(verdicts, reason) => {
                self.answered(next, &verdicts);
                self.wait(reason, None);
            }
            Outcome::TooLarge(reason) if is_alone => {
                let bytes = next.batch().entries[0].line.len();
                let advice = format!(
                    "an event of {bytes} bytes is too large for it, as were {MAX_LONE_REFUSALS} before, so look at what bounds requests there and on the way"
                );
                self.refused_alone(next, reason, bytes <= SMALL_EVENT, &advice);
            }
            Outcome::Refused(reason) if is_alone => {
                let advice = "it refuses every event, so look at url and format";
                self.refused_alone(next, reason, true, advice);
            }
            // One of its events may be the reason: smaller batches find out which.
            Outcome::TooLarge(_) | Outcome::Refused(_) => {
                self.batch_size = (next.batch().entries.len() / 2).max(1);
            }
            Outcome::Unauthorised(reason) => self.pause(Pause::Refused(reason)),
            Outcome::Failed { reason, wait } => self.wait(reason, wait),
        }
    }

    /// One event was sent and refused: it is a dead letter, or the last of so many in a row
    /// that sending more makes no sense. `counts` says whether that may be anything but its
    /// own fault.
    fn refused_alone(&mut self, next: &Next, reason: String, counts: bool, advice: &str) {
        if counts && self.lone_refusals >= MAX_LONE_REFUSALS {
            return self.pause(Pause::Refused(format!("{reason}; {advice}")));
        }
        let refusals = self.lone_refusals + u32::from(counts);
        self.answered(next, &[Some(Verdict::Rejected(reason))]);
        self.lone_refusals = refusals;
    }

    fn answered(&mut self, next: &Next, verdicts: &[Option<Verdict>]) {
        let settled = match next {
            Next::Queued(batch) => self.settle_queued(batch, verdicts),
            Next::Letters(batch) => self.settle_letters(batch, verdicts),
        };
        let known = match settled {
            Ok(known) => known,
            Err(error) => {
                let reason = with_causes(&error);
                self.note(WRITE, Err(error));
                return self.wait(reason, None);
            }
        };
        if known == 0 {
            return self.wait("the answer says nothing about the events".to_owned(), None);
        }
        self.backoff.succeeded();
        self.not_before = None;
        self.lone_refusals = 0;
        let is_taken =
            |verdict: &Verdict| matches!(verdict, Verdict::Delivered | Verdict::Duplicate);
        if verdicts.iter().flatten().any(is_taken) {
            self.last_success = Some((self.setup.clock)());
        }
        self.batch_size = (self.batch_size * 2).min(self.setup.batch_size);
        let saved = self.queue.save();
        self.note(WRITE, saved);
        self.release_segments();
    }

    /// First the dead letters, then the cursors: a crash in between sends them again.
    fn settle_queued(
        &mut self,
        batch: &Batch,
        verdicts: &[Option<Verdict>],
    ) -> Result<usize, StoreError> {
        let verdicts = batch.in_order(verdicts);
        let refused: Vec<_> = batch
            .entries
            .iter()
            .zip(&verdicts)
            .filter_map(|(entry, verdict)| match verdict {
                Some(Verdict::Rejected(reason)) => Some((entry, reason.as_str())),
                _ => None,
            })
            .collect();
        if !refused.is_empty() {
            tracing::warn!(
                sink = self.setup.name,
                events = refused.len(),
                "the back end refused events; see `dossierd sync dead-letters`"
            );
        }
        self.letters.put(&refused, (self.setup.clock)())?;
        self.queue.settle(batch, &verdicts);
        Ok(verdicts.iter().flatten().count())
    }

    fn settle_letters(
        &mut self,
        batch: &Batch,
        verdicts: &[Option<Verdict>],
    ) -> Result<usize, StoreError> {
        let each = batch.entries.iter().zip(verdicts).filter_map(|(entry, verdict)| {
            let reason = match verdict.as_ref()? {
                Verdict::Delivered | Verdict::Duplicate => None,
                Verdict::Rejected(reason) => Some(reason.clone()),
            };
            Some((entry.event_id.clone(), reason))
        });
        let results: BTreeMap<String, Option<String>> = each.collect();
        self.letters.update(&results, (self.setup.clock)())?;
        // Also those that nothing was said about: they stay dead letters.
        let sent: BTreeSet<&str> = batch.ids().collect();
        self.retrying.retain(|id| !sent.contains(id.as_str()));
        Ok(results.len())
    }

    fn release_segments(&mut self) {
        let Some(kept) = &self.setup.kept else { return };
        let released = self.queue.segments().try_for_each(|(log, place, segment)| {
            kept.settled(self.setup.name, log, place, segment).map(drop)
        });
        if let Err(error) = released {
            tracing::warn!(error = %with_causes(&error), "an old segment of a log cannot be removed");
        }
    }
}
