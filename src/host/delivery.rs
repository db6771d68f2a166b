//! The configured sinks, at work for the API.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::JoinSet;

use crate::api::delivery::{Delivery, DeliveryFault, Later, RefusedEvent, SinkReport};
use crate::daemon::config::Sync;
use crate::daemon::handle::DaemonHandle;
use crate::dossier::Timestamp;
use crate::store::{Home, StoreError};
use crate::survey::now;
use crate::sync::{
    Courier, CourierConfig, CourierError, Flushed, KeptSegments, SinkConfig, SinkState,
};

/// Why a sink does nothing yet.
const STARTING: &str = "nothing is sent before the first scans have ended";

/// The sinks at work; none of them unless they are configured. Others can take their place.
pub(super) struct Couriers {
    at_work: ArcSwap<Vec<Courier>>,
}

impl Couriers {
    /// Starts what is configured.
    pub(super) fn start(
        config: &Sync,
        handle: &DaemonHandle,
        home: &Home,
    ) -> Result<Self, CourierError> {
        let couriers = start(config, handle, home)?;
        Ok(Self { at_work: ArcSwap::from_pointee(couriers) })
    }

    /// Stops all of them and starts what is configured now, from the cursors that those had
    /// written. What was under way is sent again, which the other side tells apart by ids.
    /// On an error nothing is delivered any more.
    pub(super) fn replace(
        &self,
        config: &Sync,
        handle: &DaemonHandle,
        home: &Home,
    ) -> Result<(), CourierError> {
        // First the old ones have to end: their files have one writer.
        self.stop();
        self.at_work.store(Arc::new(start(config, handle, home)?));
        Ok(())
    }

    /// Has all of them begin at once, now that the first scans have ended: one that hangs
    /// keeps no other waiting.
    pub(super) async fn begin(&self) {
        let couriers = self.at_work.load_full();
        let begins = (0..couriers.len()).map(|index| {
            let couriers = Arc::clone(&couriers);
            async move {
                // One that has ended is told of elsewhere.
                let _ = couriers[index].look().await;
            }
        });
        together(begins).await;
    }

    /// Completes when one of those that are at work now has ended by itself.
    pub(super) fn failed(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ends = JoinSet::new();
        let at_work = self.at_work.load_full();
        let ended: Vec<_> = at_work.iter().map(Courier::ended).collect();
        async move {
            for end in ended {
                ends.spawn(end);
            }
            if ends.join_next().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops all of them.
    pub(super) fn stop(&self) {
        self.at_work.load().iter().for_each(Courier::stop);
    }
}

fn start(config: &Sync, handle: &DaemonHandle, home: &Home) -> Result<Vec<Courier>, CourierError> {
    let mut sinks: Vec<SinkConfig<'_>> = Vec::new();
    sinks.extend(config.webhook.as_ref().map(SinkConfig::Webhook));
    #[cfg(feature = "nats")]
    sinks.extend(config.nats.as_ref().map(SinkConfig::Nats));
    let number = sinks.len();
    let kept = config.keep_segments.map(|keep| Arc::new(KeptSegments::new(keep, number)));
    let start = |sink| {
        let (handle, kept) = (handle.clone(), kept.clone());
        Courier::start(CourierConfig { sink, handle, home, kept, clock: now })
    };
    sinks.into_iter().map(start).collect()
}

/// Does all of it side by side, and returns when the last has ended. Given up, it ends all.
async fn together(all: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    all.collect::<JoinSet<()>>().join_all().await;
}

fn ended() -> DeliveryFault {
    let what = "delivery has ended, or begins anew with another configuration; ask again";
    DeliveryFault::Failed(what.to_owned())
}

fn failed(error: &StoreError) -> DeliveryFault {
    DeliveryFault::Failed(error.to_string())
}

impl Delivery for Couriers {
    fn sinks(&self) -> Vec<SinkReport> {
        let now = now();
        self.at_work.load().iter().map(|courier| report(courier, now)).collect()
    }

    fn pause(&self) -> Later<'_, Result<(), DeliveryFault>> {
        let couriers = self.at_work.load_full();
        Box::pin(async move {
            for courier in couriers.iter() {
                courier.pause().await.ok_or_else(ended)?.map_err(|error| failed(&error))?;
            }
            Ok(())
        })
    }

    fn resume(&self) -> Later<'_, Result<(), DeliveryFault>> {
        let couriers = self.at_work.load_full();
        Box::pin(async move {
            for courier in couriers.iter() {
                courier.resume().await.ok_or_else(ended)?.map_err(|error| failed(&error))?;
            }
            Ok(())
        })
    }

    fn flush(&self) -> Later<'_, Result<(), DeliveryFault>> {
        let couriers = self.at_work.load_full();
        Box::pin(async move {
            for courier in couriers.iter() {
                if courier.flush().await.ok_or_else(ended)? == Flushed::Starting {
                    return Err(DeliveryFault::Starting);
                }
            }
            Ok(())
        })
    }

    fn dead_letters(
        &self,
        limit: usize,
        after: Option<String>,
    ) -> Later<'_, Result<Vec<RefusedEvent>, DeliveryFault>> {
        let couriers = self.at_work.load_full();
        Box::pin(async move {
            let mut refused = Vec::new();
            for courier in couriers.iter() {
                let sink = courier.status().name;
                let letters = courier.dead_letters(limit, after.clone()).await.ok_or_else(ended)?;
                let letters = letters.map_err(|error| failed(&error))?;
                refused.extend(letters.into_iter().map(|letter| RefusedEvent {
                    sink,
                    event_id: letter.event_id,
                    reason: letter.reason,
                    rejected_at: letter.rejected_at,
                    attempts: letter.attempts,
                    event: letter.event,
                }));
            }
            Ok(refused)
        })
    }

    fn retry(&self, ids: Option<Vec<String>>) -> Later<'_, Result<usize, DeliveryFault>> {
        let couriers = self.at_work.load_full();
        Box::pin(async move {
            // A sink that lacks one of them does nothing yet: others may have it.
            let (mut retrying, mut lacking) = (0, Vec::new());
            for courier in couriers.iter() {
                match courier.retry(ids.clone()).await.ok_or_else(ended)? {
                    Ok(count) => retrying += count,
                    Err(unknown) => lacking.push((courier, unknown)),
                }
            }
            let ids = ids.unwrap_or_default();
            let all_lack = |id: &&String| lacking.iter().all(|(_, unknown)| unknown.contains(id));
            let nowhere: Vec<String> = match lacking.len() == couriers.len() {
                true => ids.iter().filter(all_lack).cloned().collect(),
                false => Vec::new(),
            };
            if !nowhere.is_empty() {
                return Err(DeliveryFault::Unknown(nowhere));
            }
            for (courier, unknown) in lacking {
                let known = ids.iter().filter(|id| !unknown.contains(id)).cloned().collect();
                let asked = courier.retry(Some(known)).await.ok_or_else(ended)?;
                retrying += asked.map_err(DeliveryFault::Unknown)?;
            }
            Ok(retrying)
        })
    }
}

fn report(courier: &Courier, now: Timestamp) -> SinkReport {
    let status = courier.status();
    let (state, reason, next_attempt_at) = match &status.state {
        SinkState::Starting => ("starting", Some(STARTING.to_owned()), None),
        SinkState::Idle => ("idle", None, None),
        SinkState::Sending => ("sending", None, None),
        SinkState::Waiting { until, reason } => ("waiting", Some(reason.clone()), Some(*until)),
        SinkState::Paused { reason } => ("paused", Some(reason.clone()), None),
    };
    let age = |since: Timestamp| (now.as_micros() - since.as_micros()).max(0) as f64 / 1e6;
    let counts = status.counts;
    SinkReport {
        name: status.name,
        target: status.target.clone(),
        state,
        reason,
        next_attempt_at,
        pending: counts.map(|counts| counts.pending),
        delivered: counts.map(|counts| counts.delivered),
        duplicate: counts.map(|counts| counts.duplicate),
        rejected: counts.map(|counts| counts.rejected),
        oldest_pending_age_seconds: status.oldest_pending.map(age),
        last_success_at: status.last_success,
        failures: status.failures,
        fault: status.fault.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[tokio::test]
    async fn one_that_hangs_keeps_no_other_waiting() {
        let (sender, mut begun) = unbounded_channel();
        let sinks = ["hangs", "is well", "is well too"].map(|name| {
            let sender = sender.clone();
            async move {
                if name == "hangs" {
                    std::future::pending::<()>().await;
                }
                sender.send(name).expect("somebody listens");
            }
        });
        let limited = tokio::time::timeout(Duration::from_secs(20), together(sinks.into_iter()));
        let others = async {
            let mut names = [begun.recv().await, begun.recv().await];
            names.sort_unstable();
            names
        };
        tokio::select! {
            names = others => assert_eq!(names, [Some("is well"), Some("is well too")]),
            _ = limited => panic!("the first one keeps the others waiting"),
        }
    }
}
