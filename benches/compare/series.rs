//! Measured values of one kind, and the statistics over them.

use std::time::Duration;

/// What a value means; decides how it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Shown as µs, ms or s.
    Seconds,
    /// Shown as MB of 1,000,000 bytes.
    Bytes,
    /// Requests, or wake-ups.
    PerSecond,
    /// Of one core.
    Percent,
    /// Of things.
    Count,
}

impl Unit {
    /// A value with its unit, in three or four digits.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value.abs() < 0.001 => format!("{:.0} µs", value * 1e6),
            Self::Seconds if value.abs() < 0.1 => format!("{:.2} ms", value * 1e3),
            Self::Seconds if value.abs() < 1.0 => format!("{:.0} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::PerSecond if value < 100.0 => format!("{value:.2}/s"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Percent => format!("{value:.3} %"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// Values of one kind, in the order in which they were measured.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) unit: Unit,
    pub(crate) values: Vec<f64>,
}

impl Series {
    /// Nothing yet.
    pub(crate) fn new(unit: Unit) -> Self {
        Self { unit, values: Vec::new() }
    }

    /// One value.
    pub(crate) fn one(unit: Unit, value: f64) -> Self {
        Self { unit, values: vec![value] }
    }

    /// Takes a time.
    pub(crate) fn push_time(&mut self, time: Duration) {
        self.values.push(time.as_secs_f64());
    }

    /// Median, least and greatest.
    pub(crate) fn spread(&self) -> Spread {
        Spread::of(&self.values)
    }
}

/// Median, least and greatest of some values; NaN of none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of these.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            return Self { median: f64::NAN, min: f64::NAN, max: f64::NAN };
        };
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Self { median, min: *min, max: *max }
    }
}

/// The quotients of the values measured in the same round, `slack` taken off ours first.
pub(crate) fn ratios(ours: &[f64], peers: &[f64], slack: f64) -> Vec<f64> {
    ours.iter().zip(peers).map(|(ours, peer)| (ours - slack).max(0.0) / peer).collect()
}
