//! The length of the kernel's event queue, which an inotify instance keeps from the moment
//! it is made.
//!
//! The limit is the whole system's, so it is lowered only while an instance is made, and
//! put back whatever happens. A lock on the file itself keeps apart everybody who does
//! this, in this process or another.

use std::fs::{self, File};

const FILE: &str = "/proc/sys/fs/inotify/max_queued_events";

/// Holds the limit where it is; puts it back when dropped.
#[derive(Debug)]
pub(crate) struct QueueLimit {
    _lock: File,
    before: Option<String>,
}

impl QueueLimit {
    /// With a number, lowers the limit to it; without one, only waits until nobody else
    /// has lowered it.
    pub(crate) fn hold(limit: Option<u32>) -> Self {
        let lock = File::open(FILE).expect("the limit can be read");
        let Some(limit) = limit else {
            lock.lock_shared().expect("is locked");
            return Self { _lock: lock, before: None };
        };
        lock.lock().expect("is locked");
        let before = fs::read_to_string(FILE).expect("the limit can be read");
        let held = Self { _lock: lock, before: Some(before) };
        fs::write(FILE, limit.to_string()).expect("the limit can be lowered");
        held
    }

    /// May this process lower it? Says loudly if not.
    pub(crate) fn can_be_lowered() -> bool {
        let _held = Self::hold(None);
        let current = fs::read_to_string(FILE).expect("the limit can be read");
        let can = fs::write(FILE, current);
        if let Err(error) = &can {
            eprintln!("SKIP short event queues: {FILE} cannot be written: {error}");
        }
        can.is_ok()
    }
}

impl Drop for QueueLimit {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(FILE, before)
        {
            eprintln!("{FILE} must be set back to {before} by hand: {error}");
        }
    }
}
