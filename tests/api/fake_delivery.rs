//! Delivery that does as it is told.

use std::sync::Mutex;

use dossierd::api::delivery::{Delivery, DeliveryFault, Later, RefusedEvent, SinkReport};
use dossierd::dossier::event::EventType;
use serde_json::value::RawValue;

use super::kit::{event, time};

#[derive(Default)]
struct State {
    sinks: Vec<SinkReport>,
    letters: Vec<RefusedEvent>,
    fault: Option<DeliveryFault>,
    asked: Vec<String>,
}

/// No sinks, until it is told of some.
#[derive(Default)]
pub(crate) struct FakeDelivery(Mutex<State>);

impl FakeDelivery {
    /// What it has from now on.
    pub(crate) fn has(&self, sinks: Vec<SinkReport>, letters: Vec<RefusedEvent>) {
        self.with(|state| (state.sinks, state.letters) = (sinks, letters));
    }

    /// Everything that is asked of it fails like this.
    pub(crate) fn fail(&self, fault: DeliveryFault) {
        self.with(|state| state.fault = Some(fault));
    }

    /// What was asked of it since the last look.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.with(|state| std::mem::take(&mut state.asked))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().expect("not poisoned"))
    }

    fn answer<T: Send + 'static>(
        &self,
        asked: String,
        answer: impl FnOnce(&mut State) -> T,
    ) -> Later<'_, Result<T, DeliveryFault>> {
        let answer = self.with(|state| {
            state.asked.push(asked);
            state.fault.clone().map_or_else(|| Ok(answer(state)), Err)
        });
        Box::pin(std::future::ready(answer))
    }

    fn set(&self, asked: &str, becomes: &'static str) -> Later<'_, Result<(), DeliveryFault>> {
        self.answer(asked.into(), |state| {
            for sink in &mut state.sinks {
                sink.state = becomes;
            }
        })
    }
}

impl Delivery for FakeDelivery {
    fn sinks(&self) -> Vec<SinkReport> {
        self.with(|state| state.sinks.clone())
    }

    fn pause(&self) -> Later<'_, Result<(), DeliveryFault>> {
        self.set("pause", "paused")
    }

    fn resume(&self) -> Later<'_, Result<(), DeliveryFault>> {
        self.set("resume", "sending")
    }

    fn flush(&self) -> Later<'_, Result<(), DeliveryFault>> {
        self.set("flush", "idle")
    }

    fn dead_letters(
        &self,
        limit: usize,
        _: Option<String>,
    ) -> Later<'_, Result<Vec<RefusedEvent>, DeliveryFault>> {
        self.answer(format!("dead letters {limit}"), |state| {
            state.letters.iter().take(limit).cloned().collect()
        })
    }

    fn retry(&self, ids: Option<Vec<String>>) -> Later<'_, Result<usize, DeliveryFault>> {
        self.answer(format!("retry {ids:?}"), |state| ids.map_or(state.letters.len(), |i| i.len()))
    }
}

/// A sink in this state, with events of every kind.
pub(crate) fn sink(name: &'static str, state: &'static str) -> SinkReport {
    SinkReport {
        name,
        target: "https://events.example.org".into(),
        state,
        reason: None,
        next_attempt_at: None,
        pending: Some(4),
        delivered: Some(30),
        duplicate: Some(2),
        rejected: Some(1),
        oldest_pending_age_seconds: Some(1.5),
        last_success_at: Some(time(900)),
        failures: 0,
        fault: None,
    }
}

/// A refused event with all members of an envelope.
pub(crate) fn refused(n: usize) -> RefusedEvent {
    let event_id = event(n, "f1", EventType::SnapshotComputed).event_id;
    let whole = serde_json::json!({
        "event_id": event_id, "event_type": "MissionDossierSnapshotComputed",
        "aggregate_id": "001-alpha", "aggregate_type": "MissionDossier", "payload": {},
        "timestamp": time(5), "build_id": "b1", "node_id": "n1", "lamport_clock": n,
        "causation_id": null, "correlation_id": event_id,
        "project_uuid": "8a4a7da6-a97c-4bb4-893a-b31664abfee4", "project_slug": "shop",
        "schema_version": "3.0.0", "data_tier": 0,
    });
    RefusedEvent {
        sink: "webhook",
        event_id,
        reason: "this one is not wanted".into(),
        rejected_at: time(950),
        attempts: 2,
        event: RawValue::from_string(whole.to_string()).expect("JSON"),
    }
}
