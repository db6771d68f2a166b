//! When a changed path is worth looking at: not while somebody still writes it, but not
//! never either, and not too often.
//!
//! Pure: the clock is passed in. The keys are the caller's.
//!
//! A path whose writer is done is due at once. One that was only written to is due when
//! it has been left alone for a moment, or has waited long enough. One that was taken
//! again and again is hot: it waits like that even when its writer says that it is done,
//! until it has been quiet.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::heat::Heat;

/// The waiting times. The defaults are made for files that people and agents write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettlePolicy {
    /// A path is due when nothing was noted about it for so long.
    pub trailing: Duration,
    /// A path is due at the latest so long after it was first noted.
    pub longest: Duration,
    /// A path taken more often than this within `hot_window` is hot.
    pub hot_takes: usize,
    /// See `hot_takes`.
    pub hot_window: Duration,
    /// A hot path about which nothing was noted for so long is hot no more.
    pub hot_quiet: Duration,
}

impl Default for SettlePolicy {
    fn default() -> Self {
        Self {
            trailing: Duration::from_millis(50),
            longest: Duration::from_millis(500),
            hot_takes: 5,
            hot_window: Duration::from_secs(10),
            hot_quiet: Duration::from_secs(10),
        }
    }
}

/// A place in the order of being due; the number tells apart those due together.
type Slot = (Instant, u64);

#[derive(Debug)]
struct Pending {
    first: Instant,
    ready_since: Option<Instant>,
    deep: bool,
    slot: Slot,
}

/// Paths that were noted and are not yet taken.
#[derive(Debug)]
pub struct Settler<K> {
    policy: SettlePolicy,
    pending: HashMap<K, Pending>,
    /// The keys of `pending`, by when they are due.
    order: BTreeMap<Slot, K>,
    heat: Heat<K>,
    next: u64,
}

impl<K: Clone + Eq + Hash> Settler<K> {
    /// An empty one.
    pub fn new(policy: SettlePolicy) -> Self {
        Self {
            policy,
            pending: HashMap::new(),
            order: BTreeMap::new(),
            heat: Heat::new(policy.hot_takes, policy.hot_window, policy.hot_quiet),
            next: 0,
        }
    }

    /// Something happened to `key`. `deep` and `ready` stay once set, until it is taken.
    pub fn note(&mut self, key: K, deep: bool, ready: bool, now: Instant) {
        let hot = self.heat.noted(&key, now);
        let old = self.pending.remove(&key);
        if let Some(old) = &old {
            self.order.remove(&old.slot);
        }
        let first = old.as_ref().map_or(now, |old| old.first);
        let ready_since = old.as_ref().and_then(|old| old.ready_since).or(ready.then_some(now));
        let policy = &self.policy;
        let due = match ready_since {
            Some(since) if !hot => since,
            _ => (now + policy.trailing).min(first + policy.longest),
        };
        let slot = (due, self.next);
        self.next += 1;
        let deep = deep || old.is_some_and(|old| old.deep);
        self.order.insert(slot, key.clone());
        self.pending.insert(key, Pending { first, ready_since, deep, slot });
    }

    /// When [`Self::take_due`] next has something; may be in the past.
    pub fn next_due(&self) -> Option<Instant> {
        self.order.first_key_value().map(|((due, _), _)| *due)
    }

    /// What is due at `now`, the longest due first, each with whether it is deep.
    pub fn take_due(&mut self, now: Instant) -> Vec<(K, bool)> {
        let later = self.order.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.order, later);
        let taken = self.remove(due);
        for (key, _) in &taken {
            self.heat.taken(key, now);
        }
        taken
    }

    /// Everything, due or not: for a reader that wants it fresh, and before a rescan.
    /// Does not count towards being hot, since it says nothing about the writer.
    pub fn take_all(&mut self) -> Vec<(K, bool)> {
        let all = std::mem::take(&mut self.order);
        self.remove(all)
    }

    /// Does nothing wait?
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    fn remove(&mut self, slots: BTreeMap<Slot, K>) -> Vec<(K, bool)> {
        let taken = slots
            .into_values()
            .map(|key| {
                let deep = self.pending.remove(&key).is_some_and(|pending| pending.deep);
                (key, deep)
            })
            .collect();
        if self.pending.is_empty() {
            self.pending = HashMap::new();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "k";

    struct Bench {
        settler: Settler<&'static str>,
        zero: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { settler: Settler::new(SettlePolicy::default()), zero: Instant::now() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.zero + Duration::from_millis(ms)
        }

        fn write(&mut self, ms: u64) {
            self.settler.note(KEY, false, false, self.at(ms));
        }

        fn close(&mut self, ms: u64) {
            self.settler.note(KEY, false, true, self.at(ms));
        }

        /// When it is due, in ms.
        fn due(&self) -> Option<u64> {
            let due = self.settler.next_due()?;
            u64::try_from(due.duration_since(self.zero).as_millis()).ok()
        }

        fn take(&mut self, ms: u64) -> usize {
            self.settler.take_due(self.at(ms)).len()
        }

        /// Makes the key hot by the sixth take, at `ms + 5`.
        fn heat_up(&mut self, ms: u64) {
            for i in 0..6 {
                self.close(ms + i);
                assert_eq!(self.take(ms + i), 1);
            }
        }
    }

    #[test]
    fn what_is_ready_is_due_at_once() {
        let mut bench = Bench::new();
        bench.close(7);
        assert_eq!(bench.due(), Some(7));
        assert_eq!(bench.take(6), 0);
        assert_eq!(bench.take(7), 1);
        assert_eq!((bench.due(), bench.settler.is_empty()), (None, true));
    }

    #[test]
    fn ready_wins_over_waiting_in_both_orders() {
        let mut bench = Bench::new();
        bench.write(0);
        bench.close(10);
        assert_eq!(bench.due(), Some(10));
        bench.write(20);
        assert_eq!(bench.due(), Some(10), "a later write does not take it back");
        assert_eq!(bench.take(20), 1);
    }

    #[test]
    fn what_is_not_ready_waits_for_quiet() {
        let mut bench = Bench::new();
        bench.write(0);
        assert_eq!(bench.due(), Some(50));
        bench.write(40);
        assert_eq!(bench.due(), Some(90));
        assert_eq!(bench.take(89), 0);
        assert_eq!(bench.take(90), 1);
    }

    #[test]
    fn a_writer_that_never_pauses_waits_no_longer_than_the_longest() {
        let mut bench = Bench::new();
        let mut taken = Vec::new();
        for ms in (0..3000).step_by(5) {
            bench.write(ms);
            if bench.take(ms) == 1 {
                taken.push(ms);
            }
        }
        assert_eq!(taken[..5], [500, 1005, 1510, 2015, 2520]);
    }

    #[test]
    fn taken_six_times_in_the_window_is_hot_and_five_times_is_not() {
        let mut bench = Bench::new();
        for i in 0..5 {
            bench.close(i);
            bench.take(i);
        }
        bench.close(100);
        assert_eq!(bench.due(), Some(100));
        bench.take(100);
        bench.close(200);
        assert_eq!(bench.due(), Some(250), "hot: 50 ms after the last");
    }

    #[test]
    fn six_takes_spread_over_more_than_the_window_are_not_hot() {
        let mut bench = Bench::new();
        for i in 0..20 {
            let ms = i * 2100;
            bench.close(ms);
            assert_eq!(bench.due(), Some(ms), "take {i}");
            assert_eq!(bench.take(ms), 1);
        }
    }

    #[test]
    fn hot_waits_for_quiet_but_half_a_second_at_most() {
        let mut bench = Bench::new();
        bench.heat_up(0);
        for ms in (1000..1500).step_by(25) {
            bench.close(ms);
            assert_eq!(bench.due(), Some((ms + 50).min(1500)));
        }
        assert_eq!(bench.take(1500), 1);
    }

    #[test]
    fn hot_lasts_until_quiet() {
        let mut bench = Bench::new();
        bench.heat_up(0);
        bench.close(10_004);
        assert_eq!(bench.due(), Some(10_054), "9,999 ms after the last");
        assert_eq!(bench.take(10_054), 1);
        bench.close(20_053);
        assert_eq!(bench.due(), Some(20_103), "still");
        assert_eq!(bench.take(20_103), 1);
        bench.close(30_103);
        assert_eq!(bench.due(), Some(30_103), "10 s of quiet");
    }

    #[test]
    fn deep_stays_until_taken() {
        let mut bench = Bench::new();
        let now = bench.at(0);
        bench.settler.note(KEY, true, false, now);
        bench.settler.note(KEY, false, false, now);
        assert_eq!(bench.settler.take_due(bench.at(50)), [(KEY, true)]);
        bench.write(60);
        assert_eq!(bench.settler.take_due(bench.at(110)), [(KEY, false)]);
    }

    #[test]
    fn the_longest_due_come_first_and_the_others_stay() {
        let mut bench = Bench::new();
        let at = |ms| bench.zero + Duration::from_millis(ms);
        let settler = &mut bench.settler;
        settler.note("late", false, false, at(30));
        settler.note("b", false, false, at(1));
        settler.note("a", false, true, at(2));
        settler.note("c", false, false, at(1));
        let order: Vec<_> = settler.take_due(at(60)).into_iter().map(|(key, _)| key).collect();
        assert_eq!(order, ["a", "b", "c"]);
        assert_eq!(settler.next_due(), Some(at(80)));
        assert_eq!(settler.len(), 1);
    }

    #[test]
    fn take_all_takes_what_is_not_due_and_does_not_heat() {
        let mut bench = Bench::new();
        for ms in 0..20 {
            bench.write(ms);
            assert_eq!(bench.settler.take_all().len(), 1);
            assert!(bench.settler.is_empty() && bench.settler.next_due().is_none());
        }
        bench.close(20);
        assert_eq!(bench.due(), Some(20));
    }

    #[test]
    fn a_hundred_thousand_keys_are_no_burden() {
        let zero = Instant::now();
        let mut settler = Settler::new(SettlePolicy::default());
        for i in 0..100_000_u32 {
            settler.note(i, false, false, zero);
            assert!(settler.next_due().is_some());
        }
        assert_eq!(settler.take_due(zero + Duration::from_millis(50)).len(), 100_000);
        assert!(settler.is_empty());
        // The bookkeeping of heat forgets what has been quiet, and is capped anyway.
        assert!(settler.heat.len() <= Heat::<u32>::LIMIT, "{}", settler.heat.len());
    }
}
