//! The node's logical clock (Lamport 1978): it never gives a number twice and never goes
//! back, whatever crashes.
//!
//! The file holds not the last number given but a ceiling that none given exceeds. It is
//! raised, durably, a block at a time, so that a tick costs no disk access; after a crash
//! the clock goes on above the ceiling, and a part of the block is skipped. A missing or
//! damaged file starts at zero: the caller then shows the clock every number of its logs
//! ([`LamportClock::observe`]) before the first tick, as it does at each start.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use super::document;
use super::error::StoreError;

/// How many numbers one write of the file reserves.
const BLOCK: u64 = 4096;
/// The highest number that is believed when a log shows it: half of what a JSON reader
/// with doubles can tell apart (2^53), so that one forged line cannot use up the clock.
const MAX_OBSERVED: u64 = 1 << 52;
/// The highest number given: the last that every JSON reader gets right.
const MAX: u64 = (1 << 53) - 1;
const VERSION: u64 = 1;
const LIMIT: u64 = 4096;

#[derive(Serialize, Deserialize)]
struct File {
    schema_version: u64,
    ceiling: u64,
}

/// What the file said at the start.
#[derive(Debug)]
pub enum ClockStart {
    /// There is none: a first start.
    New,
    /// It was read.
    Known,
    /// It could not be understood, and will be replaced at the first tick; the logs alone
    /// say where the clock stood.
    Damaged(StoreError),
}

/// A persisted counter. One process at a time may have it: the instance lock sees to it.
#[derive(Debug)]
pub struct LamportClock {
    path: PathBuf,
    value: u64,
    ceiling: u64,
}

impl LamportClock {
    /// Reads the clock at `path`. A file of a newer dossierd, or one that the system does
    /// not let us read, is an error, since to go on without it could go back.
    pub fn open(path: &Path) -> Result<(Self, ClockStart), StoreError> {
        let clock = |value| Self { path: path.to_path_buf(), value, ceiling: value };
        let (dir, name) = atomic::open_parent(path)?;
        let damaged = |error| Ok((clock(0), ClockStart::Damaged(error)));
        let bytes = match document::read_in(&dir, &name, LIMIT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok((clock(0), ClockStart::New)),
            Err(error @ StoreError::TooLarge { .. }) => return damaged(error),
            Err(error) => return Err(error),
        };
        match document::parse::<File>(&bytes, path, "clock", VERSION) {
            Ok(file) => Ok((clock(file.ceiling), ClockStart::Known)),
            Err(error @ StoreError::Broken { .. }) => damaged(error),
            Err(error) => Err(error),
        }
    }

    /// The next number. If the file must be raised and cannot, there is no number and the
    /// clock stands as before.
    pub fn tick(&mut self) -> Result<u64, StoreError> {
        let next = self.value.checked_add(1).filter(|next| *next <= MAX);
        let exhausted = || StoreError::ClockExhausted { path: self.path.clone() };
        let next = next.ok_or_else(exhausted)?;
        if next > self.ceiling {
            self.raise(next)?;
        }
        self.value = next;
        Ok(next)
    }

    /// Sees to it that this many ticks need no write of the file: one write serves a large
    /// batch, too.
    pub fn reserve(&mut self, ticks: u64) -> Result<(), StoreError> {
        let last = self.value.saturating_add(ticks).min(MAX);
        if last > self.ceiling { self.raise(last) } else { Ok(()) }
    }

    /// Raises the ceiling to this number and a block more.
    fn raise(&mut self, to: u64) -> Result<(), StoreError> {
        let ceiling = to.saturating_add(BLOCK - 1).min(MAX);
        self.write(ceiling)?;
        self.ceiling = ceiling;
        Ok(())
    }

    /// Takes note of a number seen in a log: the next tick is above it. `false` if the
    /// number is so high that it can only be forged or damaged; it is then not believed.
    pub fn observe(&mut self, seen: u64) -> bool {
        if seen > MAX_OBSERVED {
            return false;
        }
        // The ceiling stays: the next tick finds it too low, and raises it.
        self.value = self.value.max(seen);
        true
    }

    /// The last number given or observed.
    pub fn now(&self) -> u64 {
        self.value
    }

    /// Writes the exact value, so that a clean restart skips nothing.
    pub fn close(self) -> Result<(), StoreError> {
        self.write(self.value)
    }

    fn write(&self, ceiling: u64) -> Result<(), StoreError> {
        let file = File { schema_version: VERSION, ceiling };
        atomic::replace(&self.path, &document::render(&file, &self.path)?, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(path: &Path) -> LamportClock {
        LamportClock::open(path).unwrap().0
    }

    #[test]
    fn goes_on_exactly_after_a_clean_end_and_above_after_a_crash() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        let mut clock = open(&path);
        assert_eq!((clock.tick().unwrap(), clock.tick().unwrap()), (1, 2));
        clock.close().unwrap();
        let mut last = 2;
        let mut clock = open(&path);
        assert_eq!(clock.tick().unwrap(), 3);
        // Each round a crash: the clock is dropped after some ticks, never closed.
        for ticks in [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 1] {
            for _ in 0..ticks {
                let next = clock.tick().unwrap();
                assert!(next > last, "{next} after {last}");
                last = next;
            }
            clock = open(&path);
        }
        assert!(clock.tick().unwrap() > last);
    }

    #[test]
    fn one_write_serves_a_block() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        let mut clock = open(&path);
        clock.tick().unwrap();
        fs::remove_file(&path).unwrap();
        for _ in 1..BLOCK {
            clock.tick().unwrap();
        }
        assert!(!path.exists(), "no write within the block");
        clock.tick().unwrap();
        assert!(path.exists());
        clock.reserve(10 * BLOCK).unwrap();
        fs::remove_file(&path).unwrap();
        clock.reserve(10 * BLOCK).unwrap();
        let last = (0..10 * BLOCK).map(|_| clock.tick().unwrap()).last();
        assert!(!path.exists(), "no write within what was reserved");
        clock.reserve(BLOCK).unwrap();
        assert!(open(&path).tick().ok() > last);
    }

    #[test]
    fn missing_and_damaged_files_are_made_good_by_the_logs() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        let huge = " ".repeat(10_000);
        for content in
            [None, Some(""), Some("{"), Some("{\"ceiling\":-1}"), Some("\0\0"), Some(&*huge)]
        {
            let _ = fs::remove_file(&path);
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let (mut clock, start) = LamportClock::open(&path).unwrap();
            assert_eq!(matches!(start, ClockStart::New), content.is_none(), "{content:?}");
            assert!(clock.observe(900) && clock.observe(7));
            assert_eq!(clock.tick().unwrap(), 901);
            drop(clock);
            assert!(open(&path).tick().unwrap() > 901);
        }
    }

    #[test]
    fn an_observed_number_above_the_ceiling_is_made_durable_by_the_next_tick() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        let mut clock = open(&path);
        clock.tick().unwrap();
        assert!(clock.observe(1_000_000));
        let given = clock.tick().unwrap();
        assert_eq!(given, 1_000_001);
        drop(clock);
        assert!(open(&path).tick().unwrap() > given);
    }

    #[test]
    fn a_forged_number_cannot_use_up_the_clock() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        let mut clock = open(&path);
        assert!(!clock.observe(u64::MAX));
        assert_eq!(clock.now(), 0);
        for ceiling in [MAX, u64::MAX] {
            fs::write(&path, format!("{{\"schema_version\":1,\"ceiling\":{ceiling}}}")).unwrap();
            assert!(matches!(open(&path).tick(), Err(StoreError::ClockExhausted { .. })));
        }
    }

    #[test]
    fn a_newer_file_and_a_failing_write_are_errors_and_give_no_number() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("clock");
        fs::write(&path, "{\"schema_version\":2,\"floor\":3}").unwrap();
        assert!(matches!(LamportClock::open(&path), Err(StoreError::Newer { .. })));
        let sub = tmp.path().join("sub");
        fs::create_dir(&sub).unwrap();
        let mut clock = open(&sub.join("clock"));
        fs::remove_dir(&sub).unwrap();
        assert!(clock.tick().is_err());
        assert_eq!(clock.now(), 0);
        fs::create_dir(&sub).unwrap();
        assert_eq!(clock.tick().unwrap(), 1);
    }
}
