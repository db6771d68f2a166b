//! Which keys are taken again and again: the memory behind the settler's hot paths.
//!
//! Pure, and bounded: what has been quiet is forgotten, and should there still be too
//! many, everything is. To forget only costs a look or two too many.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Warm {
    takes: VecDeque<Instant>,
    hot: bool,
    /// When it was last noted or taken.
    last: Instant,
}

/// Remembers takes per key for as long as they matter.
#[derive(Debug)]
pub(super) struct Heat<K> {
    takes: usize,
    window: Duration,
    quiet: Duration,
    warm: HashMap<K, Warm>,
    /// Sweep when there are more than so many.
    sweep_above: usize,
}

impl<K: Clone + Eq + Hash> Heat<K> {
    /// So many keys are remembered at most.
    pub(super) const LIMIT: usize = 16_384;
    const SMALL: usize = 1024;

    /// A key taken more than `takes` times within `window` is hot, until nothing was
    /// noted about it for `quiet`.
    pub(super) fn new(takes: usize, window: Duration, quiet: Duration) -> Self {
        Self { takes, window, quiet, warm: HashMap::new(), sweep_above: Self::SMALL }
    }

    /// The key was noted. Is it hot?
    pub(super) fn noted(&mut self, key: &K, now: Instant) -> bool {
        let quiet = self.quiet;
        let Some(warm) = self.warm.get_mut(key) else { return false };
        if warm.hot && now.saturating_duration_since(warm.last) >= quiet {
            self.warm.remove(key);
            return false;
        }
        warm.last = now;
        warm.hot
    }

    /// The key was taken.
    pub(super) fn taken(&mut self, key: &K, now: Instant) {
        let window = self.window;
        let warm = self.warm.entry(key.clone()).or_insert_with(|| Warm {
            takes: VecDeque::new(),
            hot: false,
            last: now,
        });
        warm.last = now;
        warm.takes.push_back(now);
        while warm.takes.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
            warm.takes.pop_front();
        }
        if warm.takes.len() > self.takes {
            warm.hot = true;
            warm.takes.pop_front();
        }
        if self.warm.len() > self.sweep_above {
            self.sweep(now);
        }
    }

    /// Forgets what no longer matters. The next sweep comes when the number has doubled,
    /// so that the cost per take stays constant on average.
    fn sweep(&mut self, now: Instant) {
        let keep = self.window.max(self.quiet);
        self.warm.retain(|_, warm| now.saturating_duration_since(warm.last) < keep);
        if self.warm.len() > Self::LIMIT / 2 {
            self.warm.retain(|_, warm| warm.hot);
        }
        if self.warm.len() > Self::LIMIT / 2 {
            self.warm = HashMap::new();
        }
        self.sweep_above = (self.warm.len() * 2).clamp(Self::SMALL, Self::LIMIT);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.warm.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn memory_is_bounded_whatever_is_taken() {
        let zero = Instant::now();
        let mut heat = Heat::new(5, TEN, TEN);
        for i in 0..200_000_u32 {
            heat.taken(&i, zero);
            assert!(heat.len() <= Heat::<u32>::LIMIT);
        }
        for i in 0..20_000_u32 {
            for _ in 0..6 {
                heat.taken(&i, zero);
            }
            assert!(heat.len() <= Heat::<u32>::LIMIT);
        }
    }

    #[test]
    fn what_is_hot_survives_a_flood_of_others() {
        let zero = Instant::now();
        let mut heat = Heat::new(5, TEN, TEN);
        for _ in 0..6 {
            heat.taken(&0, zero);
        }
        for i in 1..100_000_u32 {
            heat.taken(&i, zero);
        }
        assert!(heat.noted(&0, zero));
    }

    #[test]
    fn a_sweep_forgets_what_has_been_quiet() {
        let zero = Instant::now();
        let mut heat = Heat::new(5, TEN, TEN);
        for i in 0..1024_u32 {
            heat.taken(&i, zero);
        }
        heat.taken(&5000, zero + TEN);
        assert_eq!(heat.len(), 1);
    }
}
