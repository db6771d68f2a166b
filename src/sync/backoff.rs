//! How long to wait before the next attempt: twice as long each time, with jitter, never
//! less than the other side asked for.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait of our own.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait that another side can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// Waits between attempts that failed.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// An attempt failed: how long to wait. `chance` (0 to 1) spreads attempts of many
    /// daemons over the second half of the wait; `asked` is what Retry-After said.
    pub(super) fn failed(&mut self, chance: f64, asked: Option<Duration>) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let own = doubled.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0);
        own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
    }

    /// An attempt succeeded: the next failure begins anew.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Attempts that failed since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.failed(1.0, None)).collect();
        assert_eq!(waits[..3], [FIRST, FIRST * 2, FIRST * 4]);
        assert!(waits.is_sorted());
        assert_eq!(waits[19], LONGEST);
        assert_eq!(backoff.failures(), 20);
        backoff.succeeded();
        assert_eq!(backoff.failed(0.0, None), FIRST / 2);
    }

    #[test]
    fn what_the_other_side_asks_for_is_honoured_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failed(0.0, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(backoff.failed(0.0, Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
        assert!(backoff.failed(0.0, Some(Duration::ZERO)) >= FIRST);
    }
}
