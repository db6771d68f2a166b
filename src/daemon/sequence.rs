//! Ids of events: ULIDs that never go back, even when the clock does.

use ulid::Ulid;

use crate::dossier::Timestamp;

/// Gives monotonic ULIDs. Start it behind the newest id of all logs.
#[derive(Debug, Default)]
pub(super) struct EventIds {
    last: Option<Ulid>,
}

impl EventIds {
    /// Learns of an id that exists already.
    pub(super) fn observe(&mut self, id: &str) {
        if let Ok(id) = Ulid::from_string(id) {
            self.last = self.last.max(Some(id));
        }
    }

    /// The next id: of the given moment, or just behind the last one if that is later.
    pub(super) fn next(&mut self, now: Timestamp) -> String {
        let id = match self.last {
            // Within a millisecond, and while the clock is behind, the random part counts up.
            Some(last) if last.timestamp_ms() >= now.as_millis() => successor(last),
            _ => Ulid::from_parts(now.as_millis(), Ulid::generate().random()),
        };
        self.last = Some(id);
        id.to_string()
    }
}

/// The ULID after this one; past the end of a millisecond the next one begins.
fn successor(id: Ulid) -> Ulid {
    Ulid(id.0.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_goes_back() {
        let mut ids = EventIds::default();
        ids.observe("7ZZZZZZZZZ0000000000000000");
        let moments = [5_000_000, 5_000_000, 1_000_000, 9_000_000];
        let given: Vec<String> =
            moments.iter().map(|m| ids.next(Timestamp::from_micros(*m))).collect();
        assert!(given[0].as_str() > "7ZZZZZZZZZ0000000000000000");
        assert!(given.is_sorted() && given.windows(2).all(|w| w[0] != w[1]), "{given:?}");
    }
}
