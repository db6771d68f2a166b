//! Verification of an event log: everything a consumer relies on, checked line by line.

use std::collections::BTreeMap;

use super::Digest;
use super::event::{ENVELOPE_SCHEMA_VERSION, EventType, Namespace, Payload, RawEvent};
use super::log_state::LogState;
use super::parity::parity_hash;

/// Keys that the contract forbids anywhere in an event.
const FORBIDDEN_KEYS: [&str; 4] =
    ["feature_slug", "feature_number", "mission_key", "legacy_aggregate_id"];

/// What a log consists of, once it was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct LogSummary {
    /// Lines that are events.
    pub events: usize,
    /// Snapshots whose hash was recomputed.
    pub snapshots: usize,
    /// Drift events.
    pub drifts: usize,
    /// Artifacts in the catalogue at the end.
    pub artifacts: usize,
    /// The last snapshot hash.
    pub snapshot_hash: Option<Digest>,
    /// The last event.
    pub last_event_id: Option<String>,
}

/// Checks a log, fed line by line, of one feature, oldest segment first.
#[derive(Debug, Default)]
pub struct LogVerifier {
    state: LogState,
    stream: Option<Namespace>,
    clocks: BTreeMap<String, u64>,
    summary: LogSummary,
}

impl LogVerifier {
    /// Says that a new segment begins. A segment never mixes contexts, and one with
    /// another context than the segment before begins with a full scan.
    pub fn begin_segment(&mut self) {
        self.stream = None;
    }

    /// Checks the next line, without its newline. The error says what breaks.
    pub fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let value: serde_json::Value =
            serde_json::from_slice(line).map_err(|e| format!("not JSON: {e}"))?;
        if let Some(key) = forbidden_key(&value) {
            return Err(format!("the key {key:?} is forbidden in events"));
        }
        let event: RawEvent =
            serde_json::from_value(value).map_err(|e| format!("not an event: {e}"))?;
        self.envelope(&event)?;
        let payload = Payload::parse(event.event_type, event.payload)
            .map_err(|e| format!("the payload of {} is wrong: {e}", event.event_type.as_str()))?;
        self.stream(&event.aggregate_id, &event.project_uuid, payload.namespace())?;
        if let Payload::ParityDriftDetected(drift) = &payload {
            let last = self.state.snapshot.as_ref().map(|s| s.snapshot_hash);
            if last != Some(drift.actual_hash) {
                return Err("the drift's actual_hash is not that of the snapshot before it".into());
            }
            self.summary.drifts += 1;
        }
        self.state.apply(&event.correlation_id, &payload);
        if let Payload::SnapshotComputed(snapshot) = &payload {
            let computed = parity_hash(self.state.catalogue.values().map(|entry| entry.hash));
            if computed != snapshot.snapshot_hash {
                return Err(format!(
                    "snapshot_hash is {}, but the catalogue of {} artifacts gives {computed}",
                    snapshot.snapshot_hash,
                    self.state.catalogue.len()
                ));
            }
            if snapshot.artifact_count != self.state.catalogue.len() {
                return Err(format!(
                    "artifact_count is {}, but the catalogue has {}",
                    snapshot.artifact_count,
                    self.state.catalogue.len()
                ));
            }
            self.summary.snapshots += 1;
            self.summary.snapshot_hash = Some(computed);
        }
        self.summary.events += 1;
        self.summary.artifacts = self.state.catalogue.len();
        self.summary.last_event_id = Some(event.event_id);
        Ok(())
    }

    /// What the lines so far amount to.
    pub fn summary(&self) -> &LogSummary {
        &self.summary
    }

    /// Ids, order and clock.
    fn envelope(&mut self, event: &RawEvent) -> Result<(), String> {
        for (name, id) in [("event_id", &event.event_id), ("correlation_id", &event.correlation_id)]
        {
            if !is_ulid(id) {
                return Err(format!("{name} {id:?} is no ULID"));
            }
        }
        if let Some(last) = &self.summary.last_event_id
            && *last >= event.event_id
        {
            return Err(format!("event_id {} does not come after {last}", event.event_id));
        }
        if event.schema_version != ENVELOPE_SCHEMA_VERSION {
            return Err(format!(
                "schema_version is {:?}; {ENVELOPE_SCHEMA_VERSION} is what is understood",
                event.schema_version
            ));
        }
        let clock = self.clocks.entry(event.node_id.clone()).or_default();
        if *clock != 0 && event.lamport_clock <= *clock {
            return Err(format!(
                "lamport_clock {} does not come after {clock} of node {}",
                event.lamport_clock, event.node_id
            ));
        }
        *clock = event.lamport_clock;
        Ok(())
    }

    /// The context: the same within a segment; a new one starts from nothing.
    fn stream(&mut self, aggregate: &str, project: &str, next: &Namespace) -> Result<(), String> {
        if aggregate != next.mission_slug {
            return Err(format!(
                "aggregate_id {aggregate:?} is not the mission {:?} of the payload",
                next.mission_slug
            ));
        }
        if project != next.project_uuid {
            return Err("project_uuid differs between envelope and payload".into());
        }
        if let Some(stream) = &self.stream {
            if !stream.is_same_stream(next) {
                return Err("the context changes within a segment".into());
            }
        } else {
            let continues = self.state.namespace.as_ref().is_some_and(|n| n.is_same_stream(next));
            if !continues {
                self.state = LogState::default();
            }
            self.stream = Some(next.clone());
        }
        Ok(())
    }
}

/// Has a text the form of every id in an event: 26 characters of Crockford's base 32, in upper
/// case? Nothing in it has a meaning anywhere else, and order by bytes is order by time.
pub fn is_ulid(text: &str) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || (b.is_ascii_uppercase() && !b"ILOU".contains(&b));
    // 26 digits have 130 bits, of which the first two are none of an id's.
    text.len() == 26 && text.as_bytes()[0] <= b'7' && text.bytes().all(is_digit)
}

/// The first forbidden key anywhere in a value.
fn forbidden_key(value: &serde_json::Value) -> Option<&'static str> {
    match value {
        serde_json::Value::Object(members) => members.iter().find_map(|(name, member)| {
            let own = FORBIDDEN_KEYS.into_iter().find(|key| key == name);
            own.or_else(|| forbidden_key(member))
        }),
        serde_json::Value::Array(items) => items.iter().find_map(forbidden_key),
        _ => None,
    }
}

/// The type of an event, for filters, without understanding the rest of the line.
pub fn event_type_of(line: &[u8]) -> Option<EventType> {
    #[derive(serde::Deserialize)]
    struct Typed {
        event_type: EventType,
    }
    serde_json::from_slice::<Typed>(line).ok().map(|typed| typed.event_type)
}
