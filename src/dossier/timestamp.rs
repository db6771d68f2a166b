//! A moment in UTC, passed in by whoever has a clock.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC with microseconds, written as RFC 3339 (`2026-11-22T14:03:07.123456Z`).
/// The core never asks for the time: the shell does, with [`Timestamp::from_system`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The moment of a system clock reading, cut to microseconds. Out-of-range clocks
    /// (before year -9999) count as 1970.
    pub fn from_system(time: std::time::SystemTime) -> Self {
        let exact = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self::from_micros(exact.as_microsecond())
    }

    /// The moment this many microseconds after 1970.
    pub fn from_micros(micros: i64) -> Self {
        Self(jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Microseconds since 1970.
    pub fn as_micros(&self) -> i64 {
        self.0.as_microsecond()
    }

    /// Milliseconds since 1970, 0 for earlier moments: the time part of a ULID.
    pub fn as_millis(&self) -> u64 {
        u64::try_from(self.0.as_millisecond()).unwrap_or(0)
    }

    /// Reads any RFC 3339 text, whatever its offset, and cuts it to microseconds.
    pub fn parse(text: &str) -> Option<Self> {
        let exact: jiff::Timestamp = text.parse().ok()?;
        Some(Self::from_micros(exact.as_microsecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_with_six_digits() {
        let t = Timestamp::parse("2026-01-02T03:04:05+01:00").expect("parses");
        assert_eq!(t.to_string(), "2026-01-02T02:04:05.000000Z");
        assert_eq!(Timestamp::from_micros(t.as_micros()), t);
    }

    #[test]
    fn what_is_finer_than_a_microsecond_is_cut_so_that_a_moment_comes_back_as_it_was() {
        for (text, shown) in [
            ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
            ("1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00.000000Z"),
        ] {
            let t = Timestamp::parse(text).expect("parses");
            assert_eq!(t.to_string(), shown);
            assert_eq!(Timestamp::parse(shown), Some(t));
        }
    }
}
