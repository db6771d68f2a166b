//! One pass of a scan: walk, read, merge, and look again at what became something else
//! meanwhile.

use super::super::beneath::{FeatureDir, RootFault};
use super::super::first_pass::{Results, walk_and_read};
use super::super::reader::{ATTEMPTS, Job, ReadResult, Seen, unreadable};
use super::super::reading::read_all;
use super::super::scan::{Ground, ScanOutcome, ScanSettings, Touched};
use super::super::tree::Node;
use super::super::walk::{Walk, deleted_after_scan};
use super::FeatureIndex;
use crate::dossier::{FileFacts, FileState, RelPath, Timestamp};
use crate::watch::DirWatcher;

impl FeatureIndex {
    /// Walks, reads and merges; what became something else meanwhile is looked at again.
    pub(super) fn pass(
        &mut self,
        dir: &FeatureDir,
        touched: Option<&[Touched]>,
        watcher: &dyn DirWatcher,
        settings: &ScanSettings<'_>,
        outcome: &mut ScanOutcome,
    ) {
        outcome.full |= touched.is_none();
        let mut full = touched.is_none();
        let mut touched = touched.unwrap_or_default().to_vec();
        for round in 0..ATTEMPTS {
            let ground = Ground { dir, watcher, settings, file_clock: self.file_clock };
            let look = if full { None } else { Some(touched.as_slice()) };
            let found = self.look(&ground, look, outcome);
            let last = round + 1 == ATTEMPTS;
            let merge = Merge { at: found.at, full, last };
            let mut again = found.again;
            if outcome.root.is_err() {
                return;
            }
            let others = self.fill(found.results, found.at);
            again.extend(self.merge_all(others, &merge, outcome));
            if outcome.cancelled {
                return;
            }
            let listed = outcome.stats.listed;
            self.contents.take(self.tree.take_departed());
            let seen = Seen { contents: &self.contents, tree: &self.tree };
            let (results, stats) = read_all(&ground, &seen, &found.jobs, listed);
            outcome.stats.add(&stats);
            let results = found.jobs.into_iter().zip(results);
            again.extend(self.merge_all(results, &merge, outcome));
            let exceeded = found.met > self.limits.artifacts;
            self.enforce_limit(full, exceeded);
            if again.is_empty() || outcome.cancelled {
                return;
            }
            if last {
                outcome.unsettled.append(&mut again);
            }
            full = false;
            touched =
                again.into_iter().map(|path| Touched { path: Some(path), deep: true }).collect();
        }
    }

    /// Walks: everything, or these paths. Where nothing is known yet, what is found is read
    /// at the same time.
    fn look(
        &mut self,
        ground: &Ground<'_>,
        touched: Option<&[Touched]>,
        outcome: &mut ScanOutcome,
    ) -> Looked {
        let knows_nothing = self.tree.is_empty() && self.contents.is_empty();
        let full = touched.is_none();
        let mut walk = Walk::new(ground, &mut self.tree, &self.rules, self.limits, full);
        let mut results = Results::new();
        match touched {
            None if knows_nothing => {
                let (read, stats) = walk_and_read(ground, &mut walk);
                outcome.stats.add(&stats);
                results = read;
            }
            None => walk.everything(),
            Some(touched) => walk.touched(touched),
        }
        walk.links();
        outcome.stats.add(&walk.stats);
        outcome.unwatched.extend(walk.unwatched);
        outcome.unsettled.extend(walk.unsettled);
        outcome.cancelled |= walk.cancelled;
        if walk.root_gone {
            outcome.root = Err(RootFault::Gone(ground.dir.path().to_owned()));
        }
        Looked { jobs: walk.jobs, results, again: walk.again, at: walk.at, met: walk.met }
    }

    /// Takes the files that a first pass has read; gives the other results.
    fn fill(&mut self, results: Results, at: Timestamp) -> Results {
        // Only a first pass gives any, and then there are no rows yet.
        if results.is_empty() || !self.tree.table().is_empty() {
            return results;
        }
        let (mut rows, mut others) = (Vec::with_capacity(results.len()), Results::new());
        for (job, result) in results {
            match result {
                ReadResult::Settled { state, size_bytes, record: Some(record), .. } => {
                    rows.push((job.path, record, FileFacts { size_bytes, state, indexed_at: at }));
                }
                other => others.push((job, other)),
            }
        }
        self.contents.note_all(rows.iter().map(|(path, record, _)| (path, record.blake3)));
        self.tree.fill(rows);
        others
    }

    /// Takes results; gives the paths that must be looked at again.
    fn merge_all(
        &mut self,
        results: impl IntoIterator<Item = (Job, ReadResult)>,
        merge: &Merge,
        outcome: &mut ScanOutcome,
    ) -> Vec<RelPath> {
        let merge_one = |(job, result)| self.merge(&job, result, merge, outcome);
        results.into_iter().filter_map(merge_one).collect()
    }

    /// Takes the result of one job; the path if it must be looked at again.
    fn merge(
        &mut self,
        job: &Job,
        result: ReadResult,
        merge: &Merge,
        outcome: &mut ScanOutcome,
    ) -> Option<RelPath> {
        let (state, size_bytes, record) = match result {
            ReadResult::Settled { state, size_bytes, record, look_again } => {
                if look_again {
                    outcome.unsettled.push(job.path.clone());
                }
                (state, size_bytes, record)
            }
            ReadResult::Vanished if merge.full && !job.through_link => {
                (deleted_after_scan(), 0, None)
            }
            ReadResult::Vanished | ReadResult::Different if !merge.last => {
                return Some(job.path.clone());
            }
            ReadResult::Vanished if !job.through_link => {
                outcome.unsettled.push(job.path.clone());
                self.tree.remove(&job.path);
                return None;
            }
            ReadResult::Vanished | ReadResult::Different => {
                outcome.unsettled.push(job.path.clone());
                (never_settled(), job.size_bytes, None)
            }
            ReadResult::Unsettled { size_bytes } => {
                outcome.unsettled.push(job.path.clone());
                (never_settled(), size_bytes, None)
            }
            ReadResult::Cancelled => {
                outcome.cancelled = true;
                return None;
            }
        };
        let node = match self.tree.node(&job.path) {
            Some(Node::Link { size, .. }) if job.through_link => Node::Link { size: *size, record },
            _ => Node::File(record),
        };
        self.tree.set_row(&job.path, node, FileFacts { size_bytes, state, indexed_at: merge.at });
        if let Some(blake3) = record.and_then(|record| record.blake3) {
            self.contents.note(&blake3, &job.path);
        }
        None
    }

    fn enforce_limit(&mut self, full: bool, exceeded: bool) {
        let truncated = self.tree.truncate(self.limits.artifacts);
        if full {
            self.artifacts_exceeded = exceeded || truncated;
        } else {
            self.artifacts_exceeded |= truncated;
        }
    }
}

/// What a walk has found.
struct Looked {
    /// Files that are still to be read.
    jobs: Vec<Job>,
    /// Files that were read already.
    results: Results,
    again: Vec<RelPath>,
    at: Timestamp,
    met: usize,
}

/// How results of one round are taken.
struct Merge {
    at: Timestamp,
    full: bool,
    last: bool,
}

fn never_settled() -> FileState {
    unreadable(format!("changed while being read, {ATTEMPTS} times"))
}
