//! Many files: jobs shared out to threads, results in the order of the jobs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::reader::{Job, ReadResult, Reader, Seen};
use super::scan::{Ground, ScanProgress, ScanStats};
use crate::platform::threads::spawn_scoped;

/// Fewer files than this are read without starting threads.
const WORTH_A_THREAD: usize = 16;
/// Files between two reports of progress.
pub(super) const REPORT_EVERY: u64 = 256;

/// Reads all files; one result per job, in order.
pub(super) fn read_all(
    ground: &Ground<'_>,
    seen: &Seen<'_>,
    jobs: &[Job],
    listed: u64,
) -> (Vec<ReadResult>, ScanStats) {
    let settings = ground.settings;
    let done = AtomicU64::new(0);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut reader = Reader::new(ground, Some(seen));
        let mut results = Vec::new();
        while let (index, Some(job)) = take(&next, jobs) {
            results.push((index, reader.read(job)));
            let read = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = settings.progress
                && (read.is_multiple_of(REPORT_EVERY) || read == jobs.len() as u64)
            {
                progress(ScanProgress { listed, to_read: jobs.len() as u64, read });
            }
        }
        (results, reader.stats)
    };
    let threads = settings.threads.min(jobs.len() / WORTH_A_THREAD).max(1);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map_while(|_| spawn_scoped(scope, work)).collect();
        let own = work();
        let others = others.into_iter().map(|thread| {
            // A panic is not swallowed: it goes on in the thread that asked.
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        std::iter::once(own).chain(others).collect()
    });
    let mut stats = ScanStats::default();
    let mut results = Vec::with_capacity(jobs.len());
    for (part, part_stats) in parts {
        stats.add(&part_stats);
        results.extend(part);
    }
    results.sort_by_key(|(index, _)| *index);
    (results.into_iter().map(|(_, result)| result).collect(), stats)
}

fn take<'a>(next: &AtomicUsize, jobs: &'a [Job]) -> (usize, Option<&'a Job>) {
    let index = next.fetch_add(1, Ordering::Relaxed);
    (index, jobs.get(index))
}
