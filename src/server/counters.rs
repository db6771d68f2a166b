//! What the server counts, for `/metrics` and for log lines that must not flood.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one warning of a kind per this time.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Totals since the start. Shared by the server, which counts, and the API, which shows.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were answered, in any way.
    pub requests: AtomicU64,
    /// Requests with a missing or wrong token.
    pub failed_auth: AtomicU64,
    /// Connections that were turned away because too many were open.
    pub refused_connections: AtomicU64,
    /// Connections of processes under another uid.
    pub foreign_peers: AtomicU64,
    /// Requests whose handler panicked.
    pub panics: AtomicU64,
    auth_warning: Gate,
    accept_warning: Gate,
}

impl Counters {
    /// Counts a missing or wrong token; true when it is time for a warning.
    pub(super) fn count_failed_auth(&self, now: Instant) -> bool {
        add(&self.failed_auth);
        self.auth_warning.opens(now)
    }

    /// Is it time to warn of a listener that can't accept?
    pub(super) fn warns_of_accept(&self, now: Instant) -> bool {
        self.accept_warning.opens(now)
    }
}

/// One more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Opens once per [`WARN_EVERY`].
#[derive(Debug, Default)]
struct Gate(Mutex<Option<Instant>>);

impl Gate {
    fn opens(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = last.is_none_or(|last| now.saturating_duration_since(last) >= WARN_EVERY);
        if open {
            *last = Some(now);
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_counts_and_one_a_minute_warns() {
        let (counters, start) = (Counters::default(), Instant::now());
        assert!(counters.count_failed_auth(start));
        assert!(!counters.count_failed_auth(start + WARN_EVERY - Duration::from_millis(1)));
        assert!(counters.count_failed_auth(start + WARN_EVERY));
        assert_eq!(counters.failed_auth.load(Ordering::Relaxed), 3);
    }
}
