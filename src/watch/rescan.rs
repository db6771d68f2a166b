//! How often everything may be rescanned, when events keep getting lost.
//!
//! Pure: the clock is passed in. The first two rescans are immediate, since an overflow
//! is mostly one. After that each waits twice as long as the one before, for otherwise
//! the rescan's own load could keep the queue overflowing. One rescan answers every
//! request made before it began; requests made while it runs ask for the next.

use std::time::{Duration, Instant};

/// The waiting times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffPolicy {
    /// So many rescans are immediate.
    pub free: u32,
    /// The first wait, between the end of one rescan and the begin of the next.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// After so long without a request, everything is as in the beginning.
    pub quiet: Duration,
}

impl Default for BackoffPolicy {
    fn default() -> Self {
        Self {
            free: 2,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            quiet: Duration::from_secs(60),
        }
    }
}

/// Decides when the next rescan begins.
#[derive(Debug, Clone)]
pub struct RescanBackoff {
    policy: BackoffPolicy,
    requested: bool,
    running: bool,
    done: u32,
    /// When the next may begin.
    not_before: Option<Instant>,
    /// The last request or the end of the last rescan.
    last: Option<Instant>,
}

impl Default for RescanBackoff {
    fn default() -> Self {
        Self::new(BackoffPolicy::default())
    }
}

impl RescanBackoff {
    /// One that has seen nothing yet.
    pub fn new(policy: BackoffPolicy) -> Self {
        Self { policy, requested: false, running: false, done: 0, not_before: None, last: None }
    }

    /// Something was lost at `now`: a rescan has to begin after that.
    pub fn request(&mut self, now: Instant) {
        let quiet =
            self.last.is_some_and(|at| now.saturating_duration_since(at) >= self.policy.quiet);
        if quiet && !self.running && !self.requested {
            self.done = 0;
            self.not_before = None;
        }
        self.requested = true;
        self.last = Some(now);
    }

    /// When [`Self::begin`] will say yes; `now` if it would already. `None` when nothing
    /// is asked for, or a rescan runs.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        (self.requested && !self.running).then(|| self.not_before.map_or(now, |at| at.max(now)))
    }

    /// Does a rescan begin now? If so, it answers every request made so far, and
    /// [`Self::end`] must follow.
    pub fn begin(&mut self, now: Instant) -> bool {
        let begins = self.due(now).is_some_and(|due| due <= now);
        if begins {
            self.requested = false;
            self.running = true;
        }
        begins
    }

    /// The rescan ended.
    pub fn end(&mut self, now: Instant) {
        if !self.running {
            return;
        }
        self.running = false;
        self.done = self.done.saturating_add(1);
        self.last = Some(now);
        self.not_before = self.done.checked_sub(self.policy.free).map(|doublings| {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            now + self.policy.first.saturating_mul(factor).min(self.policy.longest)
        });
    }

    /// Has a rescan begun that has not ended?
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Is a rescan asked for that has not begun?
    pub fn is_requested(&self) -> bool {
        self.requested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Requests without pause, rescans that take no time: when each begins, in ms.
    fn starts(count: usize) -> Vec<u64> {
        let zero = Instant::now();
        let mut backoff = RescanBackoff::default();
        let mut now = zero;
        (0..count)
            .map(|_| {
                backoff.request(now);
                now = backoff.due(now).expect("requested");
                assert!(backoff.begin(now));
                backoff.end(now);
                u64::try_from((now - zero).as_millis()).expect("small")
            })
            .collect()
    }

    #[test]
    fn two_are_immediate_then_each_waits_twice_as_long_up_to_the_longest() {
        assert_eq!(starts(6), [0, 0, 100, 300, 700, 1500]);
        let all = starts(40);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] <= 30_000));
        assert_eq!(all[39] - all[38], 30_000);
    }

    #[test]
    fn a_hundred_flags_cost_at_most_ten_rescans() {
        let zero = Instant::now();
        let mut backoff = RescanBackoff::default();
        let (mut rescans, mut ends) = (0, None);
        // A flag every 10 ms for a second; a rescan takes 7 ms; then time goes on.
        for tick in 0..10_000 {
            let now = zero + ms(tick);
            if ends.is_some_and(|at| at <= now) {
                backoff.end(now);
                ends = None;
            }
            if tick % 10 == 0 && tick < 1000 {
                backoff.request(now);
            }
            if backoff.begin(now) {
                rescans += 1;
                ends = Some(now + ms(7));
            }
        }
        assert!((3..=10).contains(&rescans), "{rescans}");
        assert!(!backoff.is_requested() && !backoff.is_running(), "all are answered");
    }

    #[test]
    fn a_request_during_a_rescan_asks_for_another() {
        let now = Instant::now();
        let mut backoff = RescanBackoff::default();
        assert!(!backoff.begin(now), "nothing is asked for");
        backoff.request(now);
        assert!(backoff.begin(now));
        backoff.request(now);
        assert!(!backoff.begin(now) && backoff.due(now).is_none(), "one at a time");
        backoff.end(now);
        assert!(backoff.begin(now));
        backoff.end(now);
        assert!(!backoff.begin(now), "and that was all");
    }

    #[test]
    fn a_quiet_minute_forgives() {
        let zero = Instant::now();
        let mut backoff = RescanBackoff::default();
        for _ in 0..9 {
            backoff.request(zero);
            let now = backoff.due(zero).expect("requested");
            assert!(backoff.begin(now));
            backoff.end(zero);
        }
        let mut patient = backoff.clone();
        backoff.request(zero + ms(59_999));
        backoff.begin(zero + ms(59_999));
        backoff.end(zero + ms(59_999));
        backoff.request(zero + ms(60_000));
        assert!(backoff.due(zero + ms(60_000)) > Some(zero + ms(60_000)), "not yet forgiven");
        for _ in 0..2 {
            patient.request(zero + ms(60_000));
            assert!(patient.begin(zero + ms(60_000)));
            patient.end(zero + ms(60_000));
        }
    }
}
