//! Blocking reads, few at once and with a deadline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::code::Code;
use super::problem::Problem;

/// Reads at the same time. One that never ends keeps its place, so that a dead file system
/// takes this many threads at most.
const PLACES: usize = 8;
/// For waiting and reading together.
const DEADLINE: Duration = Duration::from_secs(10);

/// A bounded way to run what blocks.
#[derive(Debug, Clone)]
pub(super) struct Blocking {
    places: Arc<Semaphore>,
    deadline: Duration,
}

impl Default for Blocking {
    fn default() -> Self {
        Self::new(PLACES, DEADLINE)
    }
}

impl Blocking {
    fn new(places: usize, deadline: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), deadline }
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
            Ok(None) => {
                Err(Code::Internal
                    .problem("a read failed in a way that it should not; see the log"))
            }
            Err(_) => Err(Code::Busy
                .problem(format!(
                    "no answer from the disk within {} s; try again",
                    self.deadline.as_secs()
                ))
                .retry_after(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stuck_reads_give_busy_and_keep_their_places() {
        let blocking = Blocking::new(1, Duration::from_millis(20));
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
        let problem = Blocking::default().run::<()>(|| panic!("as tests do")).await;
        assert_eq!(problem.expect_err("it panicked").code, "internal");
    }
}
