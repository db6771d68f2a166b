//! From the events of a batch to lines of the log: each in its envelope, with its id and its
//! clock.
//!
//! A first scan has one event a file, and all of them say the same but for a dozen values. What
//! they share is serialised once a batch (`Frame`); only those values are put between. The
//! format has one home all the same, [`Event`]: builds with debug assertions, so all tests,
//! compare each line with what that serialises to.

use std::io::Write;

use serde::Serialize;

use super::Timestamp;
use super::artifact::Artifact;
use super::emit::Batch;
use super::event::{AGGREGATE_TYPE, ENVELOPE_SCHEMA_VERSION, Emitter, Event, EventType, Payload};

/// Puts the events of one batch into envelopes, in order; the drift event names the
/// snapshot that led to it as its cause.
#[derive(Debug, Clone)]
pub struct Sealer {
    /// Who writes.
    pub emitter: Emitter,
    /// ULID of the scan.
    pub correlation_id: String,
    /// When it happened.
    pub now: Timestamp,
    snapshot_id: Option<String>,
    frame: Option<Frame>,
}

impl Sealer {
    /// A sealer for one batch.
    pub fn new(emitter: Emitter, correlation_id: String, now: Timestamp) -> Self {
        Self { emitter, correlation_id, now, snapshot_id: None, frame: None }
    }

    /// Puts the line of the event at this place, from 0, at the end of others, with its
    /// newline. The places of a batch are to be written in their order.
    pub fn write_line(
        &mut self,
        batch: &Batch,
        at: usize,
        event_id: &str,
        lamport_clock: u64,
        lines: &mut Vec<u8>,
    ) -> EventType {
        let Some(row) = batch.plain_row(at) else {
            let event = self.seal(batch.payload(at), event_id, lamport_clock);
            event.write_line(lines);
            return event.event_type;
        };
        let start = lines.len();
        let frame = match self.frame.take() {
            Some(frame) => frame,
            None => Frame::new(self, batch),
        };
        self.frame.insert(frame).write_line(batch, row, event_id, lamport_clock, lines);
        debug_assert_eq!(
            String::from_utf8_lossy(&lines[start..]),
            String::from_utf8_lossy(
                &self.seal(batch.payload(at), event_id, lamport_clock).to_line()
            )
        );
        EventType::ArtifactIndexed
    }

    fn seal(&mut self, payload: Payload, event_id: &str, lamport_clock: u64) -> Event {
        let causation_id = match payload {
            Payload::ParityDriftDetected(_) => self.snapshot_id.clone(),
            _ => None,
        };
        if matches!(payload, Payload::SnapshotComputed(_)) {
            self.snapshot_id = Some(event_id.to_owned());
        }
        Event {
            event_id: event_id.to_owned(),
            event_type: payload.event_type(),
            aggregate_id: payload.namespace().mission_slug.clone(),
            aggregate_type: AGGREGATE_TYPE.to_owned(),
            payload,
            timestamp: self.now,
            build_id: self.emitter.build_id.clone(),
            node_id: self.emitter.node_id.clone(),
            lamport_clock,
            causation_id,
            correlation_id: self.correlation_id.clone(),
            project_uuid: self.emitter.project_uuid.clone(),
            project_slug: self.emitter.project_slug.clone(),
            schema_version: ENVELOPE_SCHEMA_VERSION.to_owned(),
            data_tier: 0,
        }
    }
}

/// What the lines of a batch's `ArtifactIndexed` events have in common, as JSON.
#[derive(Debug, Clone)]
struct Frame {
    /// From behind the event's id to the path of the artifact.
    before_path: String,
    /// The member of the payload, with its comma; empty outside of a checkout.
    provenance: String,
    /// From the end of the payload to the clock.
    before_clock: String,
    /// From behind the clock to the newline.
    end: String,
    /// The moment that was written last, and its form: the files of one scan share few.
    moment: (Timestamp, String),
}

impl Frame {
    fn new(sealer: &Sealer, batch: &Batch) -> Self {
        let Sealer { emitter, correlation_id, now, .. } = sealer;
        let namespace = batch.namespace();
        let provenance = batch.provenance();
        Self {
            before_path: format!(
                ",\"event_type\":{},\"aggregate_id\":{},\"aggregate_type\":{},\"payload\":\
                 {{\"namespace\":{},\"artifact_id\":{{\"mission_type\":{},\"path\":",
                json(&EventType::ArtifactIndexed),
                json(&namespace.mission_slug),
                json(AGGREGATE_TYPE),
                json(namespace),
                json(&namespace.mission_type),
            ),
            provenance: provenance
                .map_or_else(String::new, |known| format!(",\"provenance\":{}", json(known))),
            before_clock: format!(
                "}},\"timestamp\":{},\"build_id\":{},\"node_id\":{},\"lamport_clock\":",
                json(now),
                json(&emitter.build_id),
                json(&emitter.node_id),
            ),
            end: format!(
                ",\"causation_id\":null,\"correlation_id\":{},\"project_uuid\":{},\
                 \"project_slug\":{},\"schema_version\":{},\"data_tier\":0}}\n",
                json(correlation_id),
                json(&emitter.project_uuid),
                json(&emitter.project_slug),
                json(ENVELOPE_SCHEMA_VERSION),
            ),
            moment: (*now, json(now)),
        }
    }

    fn write_line(
        &mut self,
        batch: &Batch,
        row: &Artifact,
        event_id: &str,
        lamport_clock: u64,
        lines: &mut Vec<u8>,
    ) {
        let indexed_at = row.indexed_at().unwrap_or(self.moment.0);
        if indexed_at != self.moment.0 {
            self.moment = (indexed_at, json(&indexed_at));
        }
        let hash = row.content_hash().expect("only present rows are indexed");
        let shown = row.location.shown();
        let mut line = Line(lines);
        line.text("{\"event_id\":").value(event_id).text(&self.before_path);
        line.value(&batch.project_path(&shown))
            .text(",\"artifact_class\":")
            .value(row.class.as_str());
        line.optional(",\"wp_id\":", row.wp_id.as_deref());
        line.text("},\"content_ref\":{\"hash\":\"").bytes(&hash.hex());
        line.text("\",\"algorithm\":\"sha256\",\"size_bytes\":").number(row.size_bytes());
        line.text(",\"encoding\":\"utf-8\"},\"indexed_at\":").text(&self.moment.1);
        line.optional(",\"step_id\":", row.step_id.as_deref()).text(&self.provenance);
        line.text(",\"context_diagnostics\":{\"artifact_key\":").value(&row.key);
        line.text(",\"classified_by\":").value(&row.classified_by.name());
        line.text(",\"relative_path\":").value(&shown);
        line.text(",\"required_status\":").value(row.required_status.as_str()).text("}");
        line.text(&self.before_clock).number(lamport_clock).text(&self.end);
    }
}

/// A line that is being written.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    /// JSON as it is.
    fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// JSON as it is.
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A string.
    fn value(&mut self, text: &str) -> &mut Self {
        serde_json::to_writer(&mut *self.0, text).expect("strings always serialise");
        self
    }

    /// A member that is left out without a value.
    fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name).value(text),
            None => self,
        }
    }

    fn number(&mut self, number: u64) -> &mut Self {
        write!(self.0, "{number}").expect("a vector takes in everything");
        self
    }
}

/// What never fails to serialise: strings, and structures of nothing else.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("strings always serialise")
}
