//! How a long read is kept in hand: whoever waits sees it go on, and can end it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Asked at each step of reading what may be large. By default nobody waits for it and nobody
/// ends it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace<'a> {
    /// Is true once nobody needs what is read.
    pub cancelled: Option<&'a AtomicBool>,
    /// Grows as long as reading goes on.
    pub beat: Option<&'a AtomicU64>,
}

impl Pace<'_> {
    /// Counts a step; `false` if it is to be the last.
    pub(super) fn goes_on(&self) -> bool {
        if let Some(beat) = self.beat {
            beat.fetch_add(1, Ordering::Relaxed);
        }
        !self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed))
    }
}
