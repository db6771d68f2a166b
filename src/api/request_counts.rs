//! What the API counts of requests, for `/metrics`: by route and status class, and how long
//! they took. Labels come from the route table alone, never from a client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram, in microseconds.
pub(super) const BUCKETS: [u64; 7] = [100, 500, 2_000, 10_000, 50_000, 250_000, 2_000_000];

/// Status classes: 1xx to 5xx.
const CLASSES: usize = 5;

/// Counters of one API.
#[derive(Debug)]
pub(super) struct RequestCounts {
    /// One row per route, and one behind them for requests that met none.
    rows: Vec<[AtomicU64; CLASSES]>,
    /// One count per bucket, not cumulative, and one behind them for all that is longer.
    durations: [AtomicU64; BUCKETS.len() + 1],
    total_micros: AtomicU64,
}

/// The histogram at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Histogram {
    /// Cumulative counts, one per bucket.
    pub(super) cumulative: [u64; BUCKETS.len()],
    /// All requests.
    pub(super) count: u64,
    /// Time of all of them, in microseconds.
    pub(super) total_micros: u64,
}

impl RequestCounts {
    pub(super) fn new(routes: usize) -> Self {
        let rows = std::iter::repeat_with(Default::default).take(routes + 1).collect();
        Self { rows, durations: Default::default(), total_micros: AtomicU64::new(0) }
    }

    /// Counts one answer; `route` is its index in the table, if it has one.
    pub(super) fn count(&self, route: Option<usize>, status: u16, took: Duration) {
        let unmatched = self.rows.len() - 1;
        let row = &self.rows[route.unwrap_or(unmatched).min(unmatched)];
        let class = usize::from(status / 100).clamp(1, CLASSES) - 1;
        row[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|most| micros <= *most).unwrap_or(BUCKETS.len());
        self.durations[bucket].fetch_add(1, Ordering::Relaxed);
        self.total_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Route index (`None` for requests that met none), status class (`2` for 2xx) and
    /// count of everything that happened at least once.
    pub(super) fn by_route(&self) -> impl Iterator<Item = (Option<usize>, usize, u64)> {
        let unmatched = self.rows.len() - 1;
        self.rows.iter().enumerate().flat_map(move |(index, row)| {
            row.iter().enumerate().filter_map(move |(class, count)| {
                let count = count.load(Ordering::Relaxed);
                let route = (index != unmatched).then_some(index);
                (count > 0).then_some((route, class + 1, count))
            })
        })
    }

    pub(super) fn histogram(&self) -> Histogram {
        let mut running = 0;
        let mut cumulative = [0; BUCKETS.len()];
        for (sum, bucket) in cumulative.iter_mut().zip(&self.durations) {
            running += bucket.load(Ordering::Relaxed);
            *sum = running;
        }
        let longer = self.durations[BUCKETS.len()].load(Ordering::Relaxed);
        let total_micros = self.total_micros.load(Ordering::Relaxed);
        Histogram { cumulative, count: running + longer, total_micros }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_route_class_and_time() {
        let counts = RequestCounts::new(2);
        counts.count(Some(1), 200, Duration::from_micros(100));
        counts.count(Some(1), 204, Duration::from_micros(101));
        counts.count(None, 404, Duration::from_secs(9));
        let rows: Vec<_> = counts.by_route().collect();
        assert_eq!(rows, [(Some(1), 2, 2), (None, 4, 1)]);
        let histogram = counts.histogram();
        assert_eq!(histogram.cumulative, [1, 2, 2, 2, 2, 2, 2]);
        assert_eq!((histogram.count, histogram.total_micros), (3, 9_000_201));
    }
}
