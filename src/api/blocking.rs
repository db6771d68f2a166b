//! Work that would keep other requests waiting, few at once and with a deadline: blocking
//! reads, and answers that are large enough to take long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::code::Code;
use super::problem::Problem;

/// Reads at the same time. One that never ends keeps its place, so that a dead file system
/// takes this many threads at most.
const PLACES: usize = 8;
/// For waiting and reading together.
const DEADLINE: Duration = Duration::from_secs(10);
/// Large answers that are rendered at the same time. They have places of their own, so that
/// a dead file system keeps nobody from what is in memory.
const RENDERINGS: usize = 2;
/// For waiting and rendering together. It always ends, so the transport's limit comes first;
/// this one is for transports that have none.
const RENDERING_DEADLINE: Duration = Duration::from_secs(60);
/// Rows up to which an answer is rendered at once: less than a millisecond of work.
const ROWS_AT_ONCE: usize = 1000;

/// A bounded way to run what blocks.
#[derive(Debug, Clone)]
pub(super) struct Blocking {
    places: Arc<Semaphore>,
    deadline: Duration,
    /// Who does not answer when time is up.
    source: &'static str,
    panics: Arc<AtomicU64>,
}

impl Blocking {
    /// For what reads a disk.
    pub(super) fn reads() -> Self {
        Self::new(PLACES, DEADLINE, "from the disk ")
    }

    /// For large answers.
    pub(super) fn renderings() -> Self {
        Self::new(RENDERINGS, RENDERING_DEADLINE, "")
    }

    fn new(places: usize, deadline: Duration, source: &'static str) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), deadline, source, panics: Arc::default() }
    }

    /// Runs `work` here if it is about a few rows only, else as [`Blocking::run`] does.
    pub(super) async fn render<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        if rows <= ROWS_AT_ONCE { Ok(work()) } else { self.run(work).await }
    }

    /// Runs `work` on a thread that may block. When time is up the answer is a problem;
    /// the work goes on, and keeps its place until it ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let places = Arc::clone(&self.places);
        let done = async move {
            let place = places.acquire_owned().await.ok()?;
            let task = tokio::task::spawn_blocking(move || {
                let result = work();
                drop(place);
                result
            });
            task.await.ok()
        };
        match tokio::time::timeout(self.deadline, done).await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(self.panicked()),
            Err(_) => Err(Code::Busy
                .problem(format!(
                    "no answer {}within {} s; try again",
                    self.source,
                    self.deadline.as_secs()
                ))
                .retry_after(5)),
        }
    }

    /// How often work panicked.
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Logs a panic under an id that the client gets as well. The panic hook has printed
    /// where and why.
    fn panicked(&self) -> Problem {
        let id = ulid::Ulid::generate().to_string();
        self.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%id, "work for a request panicked");
        let detail = "this is a bug; the id below stands in the daemon's log next to what happened";
        Code::Internal.problem(detail).with("id", id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stuck_reads_give_busy_and_keep_their_places() {
        let blocking = Blocking::new(1, Duration::from_millis(20), "");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let stuck = blocking.run(move || held.recv()).await.expect_err("it is stuck");
        assert_eq!((stuck.code, stuck.retry_after), ("busy", Some(5)));
        assert_eq!(blocking.run(|| ()).await.expect_err("no place").code, "busy");
        release.send(()).expect("the stuck read waits");
        let patient = Blocking { deadline: Duration::from_secs(10), ..blocking };
        assert_eq!(patient.run(|| 7).await.expect("a place is free again"), 7);
    }

    #[tokio::test]
    async fn a_panic_is_a_problem() {
        let blocking = Blocking::reads();
        let problem = blocking.run::<()>(|| panic!("as tests do")).await;
        let problem = problem.expect_err("it panicked");
        assert_eq!(problem.code, "internal");
        assert!(problem.extra["id"].as_str().is_some_and(|id| id.len() == 26), "{problem:?}");
        assert_eq!(blocking.panics(), 1);
    }
}
