//! When a closed segment of a log may go: all sinks have it, and enough newer ones stay.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::store::{DossierDir, StoreError, remove_segments_before};

/// Up to which segment each sink has settled each log. Shared by all sinks.
#[derive(Debug)]
pub struct KeptSegments {
    /// Closed segments that stay, although all sinks have them.
    keep: u64,
    sinks: usize,
    /// By log, then by sink.
    settled: Mutex<BTreeMap<String, BTreeMap<&'static str, u64>>>,
}

impl KeptSegments {
    /// For so many sinks.
    pub fn new(keep: u64, sinks: usize) -> Self {
        Self { keep, sinks, settled: Mutex::default() }
    }

    /// A sink has settled everything before this segment of a log: removes what nobody needs
    /// any more, and says how many segments that were.
    pub(super) fn settled(
        &self,
        sink: &'static str,
        log: &str,
        place: &DossierDir,
        segment: u64,
    ) -> Result<usize, StoreError> {
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        let of_log = settled.entry(log.to_owned()).or_default();
        if of_log.insert(sink, segment) == Some(segment) || of_log.len() < self.sinks {
            return Ok(0);
        }
        let before = of_log.values().copied().min().unwrap_or(0).saturating_sub(self.keep);
        remove_segments_before(place, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{EventLog, Home, Pace};
    use std::ffi::OsStr;

    /// A log with so many closed segments of one line each, and its directory.
    fn log(tmp: &tempfile::TempDir, closed: usize) -> (EventLog, DossierDir) {
        let home = Home::resolve(Some(tmp.path().join("home"))).expect("a home");
        home.prepare().expect("made");
        let project = tmp.path().join("project");
        std::fs::create_dir_all(project.join(".kittify")).expect("made");
        let (dir, _) = DossierDir::choose(&project, OsStr::new("001-a"), "p", &home);
        let (mut log, _) = EventLog::open(dir.clone(), 1, &Pace::default()).expect("opens");
        for _ in 0..closed {
            log.append(b"{}\n").expect("appends");
            assert!(log.rotate().expect("rotates"));
        }
        (log, dir)
    }

    fn numbers(log: &EventLog) -> Vec<u64> {
        log.segments().expect("lists").iter().map(|segment| segment.number).collect()
    }

    #[test]
    fn a_segment_stays_until_every_sink_has_it_and_so_many_newer_ones_are_there() {
        let tmp = tempfile::tempdir().expect("a directory");
        let (log, dir) = log(&tmp, 6);
        assert_eq!(numbers(&log), [1, 2, 3, 4, 5, 6, 7]);
        let kept = KeptSegments::new(2, 2);
        assert_eq!(kept.settled("webhook", "l", &dir, 6).expect("works"), 0, "one has it");
        assert_eq!(kept.settled("nats", "l", &dir, 4).expect("works"), 1);
        assert_eq!(numbers(&log), [2, 3, 4, 5, 6, 7]);
        assert_eq!(kept.settled("nats", "l", &dir, 7).expect("works"), 2);
        assert_eq!(numbers(&log), [4, 5, 6, 7]);
        assert_eq!(kept.settled("nats", "l", &dir, 7).expect("works"), 0);
    }
}
