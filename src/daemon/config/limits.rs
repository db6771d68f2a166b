//! What clients and projects may take, in one place: the defaults are also the most that is
//! allowed, so that no configuration opens what the defaults close.
//!
//! Who enforces a limit has its own form of it, and the host makes that from this one.

use std::time::Duration;

/// A number between `LEAST` and `MOST`, which is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpTo<const LEAST: u64, const MOST: u64>(u64);

impl<const LEAST: u64, const MOST: u64> UpTo<LEAST, MOST> {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number, of things or bytes in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The number, of seconds.
    pub fn seconds(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<const LEAST: u64, const MOST: u64> Default for UpTo<LEAST, MOST> {
    fn default() -> Self {
        Self(MOST)
    }
}

impl<const LEAST: u64, const MOST: u64> TryFrom<u64> for UpTo<LEAST, MOST> {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if (LEAST..=MOST).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!(
            "{number} is no limit to have here; give {LEAST} to {MOST}, which is the default: \
             limits only go down"
        ))
    }
}

/// All limits that a configuration can lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Open connections over TCP.
    pub connections: UpTo<1, 64>,
    /// Event streams over TCP.
    pub streams: UpTo<1, 16>,
    /// Open connections over the Unix socket.
    pub local_connections: UpTo<1, 256>,
    /// Event streams over the Unix socket.
    pub local_streams: UpTo<1, 224>,
    /// Bytes of a request's head.
    pub header_bytes: UpTo<8192, 16_384>,
    /// Header lines of a request.
    pub header_count: UpTo<1, 64>,
    /// Bytes of a request's target.
    pub uri_bytes: UpTo<1, 2048>,
    /// Bytes of a request's body.
    pub body_bytes: UpTo<1, 65_536>,
    /// Seconds for a request's head, and between requests.
    pub header_seconds: UpTo<1, 15>,
    /// Seconds for a request's body.
    pub body_seconds: UpTo<1, 10>,
    /// Seconds for an answer to be made.
    pub handler_seconds: UpTo<1, 30>,
    /// Seconds without one byte of an answer being read.
    pub write_stall_seconds: UpTo<1, 20>,
    /// Pages that are logged in.
    pub sessions: UpTo<1, 32>,
    /// Bytes of an artifact's text that is served.
    pub text_bytes: UpTo<1, 5_242_880>,
    /// Registered roots.
    pub roots: UpTo<1, 256>,
    /// Artifacts of a feature.
    pub artifacts: UpTo<1, 1_000_000>,
    /// Segments of an artifact's path.
    pub path_depth: UpTo<1, 64>,
    /// Bytes of one name in an artifact's path.
    pub name_bytes: UpTo<1, 255>,
}

impl Limits {
    /// Those of the index.
    pub(in crate::daemon) fn of_index(&self) -> crate::index::Limits {
        crate::index::Limits {
            artifacts: self.artifacts.count(),
            depth: self.path_depth.count(),
            name_bytes: self.name_bytes.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_down_only() {
        assert_eq!(UpTo::<1, 64>::try_from(4).map(UpTo::count), Ok(4));
        assert_eq!(UpTo::<1, 15>::try_from(2).map(UpTo::seconds), Ok(Duration::from_secs(2)));
        let limits = Limits { artifacts: UpTo(10), ..Limits::default() };
        assert_eq!(limits.of_index().artifacts, 10);
        for wrong in [0, 65, u64::MAX] {
            let error = UpTo::<1, 64>::try_from(wrong).expect_err("refused");
            assert!(error.contains("limits only go down"), "{error}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_index() {
        assert_eq!(Limits::default().of_index(), crate::index::Limits::default());
    }
}
