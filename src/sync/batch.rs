//! Events that are sent together, and the forms in which they go over the wire.

use std::collections::BTreeSet;
use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ulid::Ulid;

use super::sink::Verdict;
use crate::store::Position;

/// An event on its way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The log that has it.
    pub(super) log: String,
    /// ULID.
    pub(super) event_id: String,
    /// As the log has it, without newline.
    pub(super) line: Bytes,
    /// Where it begins in the log.
    pub(super) at: Position,
}

/// Events that are sent together; those of one log in the order of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
}

/// What CloudEvents needs of an event.
#[derive(Deserialize)]
struct Envelope<'a> {
    event_id: &'a str,
    event_type: &'a str,
    aggregate_id: String,
    timestamp: &'a str,
    project_uuid: &'a str,
}

/// Of <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: &'a str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a RawValue,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.event_id.as_str())
    }

    /// What is known about events whose turn it is: of each log up to the first event that
    /// nothing is known about, since order must not be lost.
    pub(super) fn in_order(&self, verdicts: &[Option<Verdict>]) -> Vec<Option<Verdict>> {
        let mut stopped: BTreeSet<&str> = BTreeSet::new();
        let each = self.entries.iter().zip(verdicts).map(|(entry, verdict)| {
            if verdict.is_none() {
                stopped.insert(&entry.log);
            }
            verdict.clone().filter(|_| !stopped.contains(entry.log.as_str()))
        });
        each.collect()
    }

    /// `{"events":[…]}`, compressed with gzip.
    pub(super) fn native(&self) -> Bytes {
        let size: usize = self.entries.iter().map(|entry| entry.line.len() + 1).sum();
        let mut encoder = GzEncoder::new(Vec::with_capacity(size / 4), Compression::fast());
        let mut write = |bytes: &[u8]| {
            encoder.write_all(bytes).expect("writing to memory does not fail");
        };
        write(b"{\"events\":[");
        for (number, entry) in self.entries.iter().enumerate() {
            if number > 0 {
                write(b",");
            }
            write(&entry.line);
        }
        write(b"]}");
        encoder.finish().expect("writing to memory does not fail").into()
    }

    /// A JSON batch of CloudEvents 1.0; the data of each is the whole event.
    pub(super) fn cloud_events(&self) -> Bytes {
        let mut body = vec![b'['];
        for entry in &self.entries {
            if body.len() > 1 {
                body.push(b',');
            }
            let envelope: Envelope<'_> = serde_json::from_slice(&entry.line)
                .expect("only lines with the envelope of an event become entries");
            let data = serde_json::from_slice(&entry.line).expect("as above");
            let event = CloudEvent {
                specversion: "1.0",
                id: envelope.event_id,
                source: urn(envelope.project_uuid),
                r#type: envelope.event_type,
                subject: &envelope.aggregate_id,
                time: envelope.timestamp,
                datacontenttype: "application/json",
                data,
            };
            serde_json::to_writer(&mut body, &event).expect("texts always serialise");
        }
        body.push(b']');
        body.into()
    }
}

/// The URN of a UUID (RFC 9562, section 4), which some projects spell as one already.
fn urn(uuid: &str) -> String {
    format!("urn:uuid:{}", uuid.trim_start_matches("urn:uuid:"))
}

/// The id of an event, and when it happened; `None` for lines of a log that are no events
/// with a whole envelope, or no valid UTF-8, which a parser of JSON may skip over.
pub(super) fn identified(line: &[u8]) -> Option<(String, String)> {
    let envelope: Envelope<'_> = serde_json::from_str(std::str::from_utf8(line).ok()?).ok()?;
    let id = Ulid::from_string(envelope.event_id).ok()?;
    // One event has one spelling of its id.
    (id.to_string() == envelope.event_id)
        .then(|| (envelope.event_id.to_owned(), envelope.timestamp.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn batch(lines: &[&str]) -> Batch {
        let entries = lines.iter().map(|line| Entry {
            log: "l".into(),
            event_id: identified(line.as_bytes()).expect("an event").0,
            line: Bytes::copy_from_slice(line.as_bytes()),
            at: Position { segment: 1, offset: 0 },
        });
        Batch { entries: entries.collect() }
    }

    const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const LINE: &str = r#"{"event_id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","event_type":"MissionDossierSnapshotComputed","aggregate_id":"001-\"a\"","timestamp":"2026-01-02T03:04:05Z","project_uuid":"5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815","payload":{"n":1.0}}"#;

    #[test]
    fn the_native_form_has_the_lines_as_they_are() {
        let sent = batch(&[LINE, LINE]).native();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&sent[..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, format!("{{\"events\":[{LINE},{LINE}]}}"));
    }

    #[test]
    fn cloud_events_name_type_source_and_subject_and_carry_the_whole_event() {
        let sent = batch(&[LINE, LINE]).cloud_events();
        let sent: serde_json::Value = serde_json::from_slice(&sent).expect("JSON");
        assert_eq!(sent.as_array().map(Vec::len), Some(2));
        let expected = serde_json::json!({
            "specversion": "1.0", "id": ID,
            "source": "urn:uuid:5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815",
            "type": "MissionDossierSnapshotComputed", "subject": "001-\"a\"",
            "time": "2026-01-02T03:04:05Z", "datacontenttype": "application/json",
            "data": serde_json::from_str::<serde_json::Value>(LINE).expect("JSON"),
        });
        assert_eq!(sent[0], expected);
    }

    #[test]
    fn lines_without_the_envelope_are_no_events() {
        let spoiled = LINE.replace("001-", "001-\u{1}");
        for line in
            ["", "{}", "nonsense", r#"{"event_id":"01A"}"#, &LINE.replace(ID, "7"), &spoiled]
        {
            assert_eq!(identified(line.as_bytes()), None, "{line}");
        }
        let mut line = LINE.as_bytes().to_vec();
        let at = LINE.find("001-").expect("is there");
        line[at] = 0xff;
        assert_eq!(identified(&line), None);
    }
}
