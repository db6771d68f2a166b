//! The clock that hyper times request heads with: one timer a connection.
//!
//! hyper asks for a new timer with each head and drops it a moment later, since nearly all
//! heads come at once. Here such a timer is a point in time and nothing else; only when one
//! has to be waited for is the connection's alarm set, and an alarm that goes off early (for
//! a head that has come meanwhile) is set anew. So a request costs no visit to the runtime's
//! list of timers.
//!
//! Invariant: the deadlines of one connection never go back, so an alarm that is set never
//! goes off later than the deadline that is waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// The timer of one connection.
#[derive(Debug, Default)]
pub(super) struct HeaderTimer {
    alarm: Arc<Alarm>,
}

/// What is set while someone waits. The lock is only ever taken by the connection's task.
#[derive(Debug, Default)]
struct Alarm(Mutex<Option<Pin<Box<tokio::time::Sleep>>>>);

/// A point in time that can be waited for.
#[derive(Debug)]
struct Deadline {
    at: Instant,
    alarm: Arc<Alarm>,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, at: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Deadline { at, alarm: Arc::clone(&self.alarm) })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

impl Sleep for Deadline {}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at.into();
        let mut alarm = self.alarm.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        while alarm.as_mut().poll(context).is_ready() {
            if alarm.deadline() >= at {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(at);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_for_an_earlier_deadline_does_not_end_a_later_one() {
        let timer = HeaderTimer::default();
        let start = timer.now();
        let mut early = timer.sleep_until(start + Duration::from_millis(20));
        let pending = std::future::poll_fn(|context| Poll::Ready(early.as_mut().poll(context)));
        assert!(pending.await.is_pending());
        drop(early);
        timer.sleep_until(start + Duration::from_millis(60)).await;
        assert!(start.elapsed() >= Duration::from_millis(60));
    }

    #[tokio::test]
    async fn a_deadline_ends_in_time_and_the_next_one_as_well() {
        let timer = HeaderTimer::default();
        for _ in 0..3 {
            let start = timer.now();
            timer.sleep(Duration::from_millis(10)).await;
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(10) && took < Duration::from_secs(5), "{took:?}");
        }
    }
}
