//! The first scan of a feature: nothing is known, so every file has to be read.
//!
//! Files are read while the walk goes on, by the walk's own thread and by others, and each
//! through the descriptor of its directory. That saves the look-up of its path, and an
//! lstat, whose answer could be compared with nothing: what was opened is asked instead.
//! Whatever is not simply a readable file is left to the walk's next round, which looks at
//! it in the usual way.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::reader::{Job, ReadResult, Reader};
use super::reading::REPORT_EVERY;
use super::scan::{Ground, ScanProgress, ScanStats};
use super::walk::Walk;
use crate::platform::threads::spawn_scoped;

/// Files that are handed out together.
const BATCH: usize = 64;
/// Batches that may wait. Each holds a directory open.
const WAITING: usize = 8;
/// Files, and the results of reading them, in no order.
pub(super) type Results = Vec<(Job, ReadResult)>;

/// Files of one directory.
struct Batch {
    dir: Arc<OwnedFd>,
    files: Vec<Job>,
}

/// One thread that reads.
pub(super) struct FirstPass<'a> {
    reader: Reader<'a>,
    progress: Option<&'a (dyn Fn(ScanProgress) + Sync)>,
    counts: Arc<Counts>,
    results: Results,
    /// To the others, for the thread that walks.
    others: Option<Sender<Batch>>,
}

/// How far all threads are.
#[derive(Default)]
struct Counts {
    listed: AtomicU64,
    found: AtomicU64,
    read: AtomicU64,
}

/// Walks everything; gives the files that were found and what reading them gave.
pub(super) fn walk_and_read<'a>(ground: &Ground<'a>, walk: &mut Walk<'a>) -> (Results, ScanStats) {
    let counts = Arc::new(Counts::default());
    let pass = |others| FirstPass {
        reader: Reader::new(ground, None),
        progress: ground.settings.progress,
        counts: Arc::clone(&counts),
        results: Vec::new(),
        others,
    };
    let others = ground.settings.threads.max(1) - 1;
    let (sender, receiver) = bounded(WAITING);
    std::thread::scope(|scope| {
        let help = || spawn_scoped(scope, || pass(None).all(&receiver));
        let threads: Vec<_> = (0..others).map_while(|_| help()).collect();
        walk.first = Some(pass((!threads.is_empty()).then_some(sender)));
        // The others wait for as long as there is a sender, also in a panic.
        let walked = catch_unwind(AssertUnwindSafe(|| walk.everything()));
        let mut own = walk.first.take().expect("nothing else takes it");
        own.others = None;
        walked.unwrap_or_else(|panic| resume_unwind(panic));
        let (mut results, mut stats) = own.all(&receiver);
        for thread in threads {
            // A panic is not swallowed: it goes on in the thread that asked.
            let other = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            results.extend(other.0);
            stats.add(&other.1);
        }
        (results, stats)
    })
}

impl FirstPass<'_> {
    /// Reads the files of a directory, or has them read.
    /// `listed` entries were listed by now.
    pub(super) fn take(&mut self, dir: OwnedFd, files: Vec<Job>, listed: u64) {
        self.counts.listed.store(listed, Ordering::Relaxed);
        self.counts.found.fetch_add(files.len() as u64, Ordering::Relaxed);
        let dir = Arc::new(dir);
        let mut files = files.into_iter();
        loop {
            let batch: Vec<Job> = files.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let batch = Batch { dir: Arc::clone(&dir), files: batch };
            let sent = match &self.others {
                Some(others) => others.try_send(batch).map_err(|error| error.into_inner()),
                None => Err(batch),
            };
            // Where all have enough to do, this thread does it.
            if let Err(batch) = sent {
                self.read(batch);
            }
        }
    }

    /// Reads all batches there are.
    fn all(mut self, batches: &Receiver<Batch>) -> (Results, ScanStats) {
        for batch in batches {
            self.read(batch);
        }
        (self.results, self.reader.stats)
    }

    fn read(&mut self, batch: Batch) {
        self.results.reserve(batch.files.len());
        for job in batch.files {
            let result = self.reader.read_beside(&batch.dir, &job);
            self.results.push((job, result));
            self.report();
        }
    }

    /// One more file was read.
    fn report(&self) {
        let Counts { listed, found, read } = &*self.counts;
        let read = read.fetch_add(1, Ordering::Relaxed) + 1;
        let to_read = found.load(Ordering::Relaxed);
        if let Some(progress) = self.progress
            && (read.is_multiple_of(REPORT_EVERY) || read == to_read)
        {
            progress(ScanProgress { listed: listed.load(Ordering::Relaxed), to_read, read });
        }
    }
}
