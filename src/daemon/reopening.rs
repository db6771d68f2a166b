//! When a feature whose log could not be opened is loaded anew.
//!
//! Whether the reason is gone is cheap to see, and is looked at with every job, and every few
//! seconds without one. Loading may cost a reading of the whole log: where that alone shows
//! that nothing is better, it is done less and less often, unless somebody asks.

use std::time::{Duration, Instant};

/// After so long without a job the reason is looked at again.
const PAUSE: Duration = Duration::from_secs(4);
/// The longest pause between two loads that were in vain.
const LONGEST: Duration = Duration::from_secs(300);

/// The next attempt, if one is owed.
#[derive(Debug, Default)]
pub(super) struct Reopening {
    next: Option<Instant>,
    pause: Duration,
}

impl Reopening {
    /// There is a log, or there is to be none: nothing is tried.
    pub(super) fn is_over(&mut self) {
        *self = Self::default();
    }

    /// The feature was loaded, and its log could not be opened.
    pub(super) fn failed(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST);
        self.next = Some(now + self.pause);
    }

    /// A job has ended that did not load it.
    pub(super) fn goes_on(&mut self, now: Instant) {
        if let Some(next) = self.next.as_mut().filter(|next| **next <= now) {
            self.pause = PAUSE;
            *next = now + PAUSE;
        }
    }

    /// Is an attempt due, with or without another reason for a job?
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// May a job that is done anyway look whether the reason is gone?
    pub(super) fn may_be_tried(&self, now: Instant) -> bool {
        self.next.is_some() && (self.pause <= PAUSE || self.is_due(now))
    }

    /// Is one owed at all?
    pub(super) fn is_owed(&self) -> bool {
        self.next.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_in_vain_become_rare_and_looking_goes_on() {
        let mut reopening = Reopening::default();
        let mut now = Instant::now();
        assert!(!reopening.may_be_tried(now) && !reopening.is_due(now));
        reopening.failed(now);
        assert!(reopening.may_be_tried(now) && !reopening.is_due(now), "looking is cheap");
        let mut loads = 0;
        for _ in 0..1800 {
            now += Duration::from_secs(2);
            if reopening.is_due(now) {
                reopening.failed(now);
                loads += 1;
            }
        }
        assert!((10..25).contains(&loads), "{loads} in an hour");
        assert!(!reopening.may_be_tried(now) && reopening.is_owed());
        now += LONGEST;
        reopening.goes_on(now);
        assert!(reopening.may_be_tried(now) && !reopening.is_due(now));
        assert!(reopening.is_due(now + PAUSE));
        reopening.is_over();
        assert!(!reopening.is_owed() && !reopening.is_due(now + LONGEST));
    }
}
