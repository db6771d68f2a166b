//! How many may be inside at a time. Unlike a semaphore's, the number can be lowered while
//! more are inside: they stay, and nobody else gets in until enough have left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts who is inside.
#[derive(Debug)]
pub(super) struct Gate {
    most: AtomicUsize,
    inside: AtomicUsize,
}

/// Somebody who is inside; dropping it is leaving.
#[derive(Debug)]
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(most), inside: AtomicUsize::new(0) })
    }

    /// From now on so many may be inside.
    pub(super) fn set(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Gets in, if there is room; never waits.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |inside| (inside < most).then_some(inside + 1);
        self.inside.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more).ok()?;
        Some(Pass(Arc::clone(self)))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_inside_stays_when_there_is_less_room() {
        let gate = Gate::new(2);
        let (first, second) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert!(gate.enter().is_none());
        gate.set(1);
        drop(first);
        assert!(gate.enter().is_none(), "one is inside, which is as many as may be");
        drop(second);
        let again = gate.enter();
        assert!(again.is_some() && gate.enter().is_none());
        gate.set(2);
        assert!(gate.enter().is_some());
    }
}
