//! Status files at a feature's root: in which lane each work package is, and how many
//! events of which type were recorded.
//!
//! `status.json` has `work_packages.<id>.lane`; `status.events.jsonl` and
//! `mission-events.jsonl` have one JSON object a line. Other keys are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::meta::parse_object;

/// What `status.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusFacts {
    /// The lane of each work package that has one.
    pub lanes: BTreeMap<String, String>,
    /// What could not be read.
    pub fault: Option<String>,
}

impl StatusFacts {
    /// Reads the bytes of a `status.json`.
    pub fn parse(bytes: &[u8]) -> StatusFacts {
        let object = match parse_object(bytes) {
            Ok(object) => object,
            Err(fault) => return StatusFacts { fault: Some(fault), ..StatusFacts::default() },
        };
        let packages = match object.get("work_packages") {
            None | Some(Value::Null) => return StatusFacts::default(),
            Some(Value::Object(packages)) => packages,
            Some(_) => {
                let fault = Some("work_packages must be a JSON object".to_owned());
                return StatusFacts { fault, ..StatusFacts::default() };
            }
        };
        let mut facts = StatusFacts::default();
        let mut without = 0_usize;
        for (id, package) in packages {
            match package.get("lane").and_then(Value::as_str) {
                Some(lane) => {
                    facts.lanes.insert(id.clone(), lane.to_owned());
                }
                None => {
                    // An empty lane is equal to none that a condition can name.
                    facts.lanes.insert(id.clone(), String::new());
                    without += 1;
                }
            }
        }
        facts.fault = (without > 0).then(|| format!("{without} work packages have no lane"));
        facts
    }
}

/// What a file of events says, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventFacts {
    /// The last lane of each work package (`wp_id`, `to_lane`).
    pub lanes: BTreeMap<String, String>,
    /// How many lines there are of each `type`, else `event_type`.
    pub counts: BTreeMap<String, u64>,
    /// Was the whole file read? Counts and lanes of a part are no answer.
    pub whole: bool,
    /// What could not be read.
    pub fault: Option<String>,
}

impl EventFacts {
    /// Reads all bytes of a file of events; lines that are no JSON object are skipped and
    /// counted in the fault.
    pub fn parse(bytes: &[u8]) -> EventFacts {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut facts = EventFacts { whole: true, ..EventFacts::default() };
        let (mut skipped, mut first) = (0_usize, 0_usize);
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Map<String, Value>>(line) {
                Ok(event) => facts.add(&event),
                Err(_) => {
                    if skipped == 0 {
                        first = number + 1;
                    }
                    skipped += 1;
                }
            }
        }
        facts.fault = (skipped > 0).then(|| {
            format!("{skipped} lines are no JSON object and were skipped, from line {first} on")
        });
        facts
    }

    /// For a file of which only the beginning is at hand.
    pub fn too_large() -> EventFacts {
        let fault = "the file is too large; its events were not read".to_owned();
        EventFacts { fault: Some(fault), ..EventFacts::default() }
    }

    fn add(&mut self, event: &Map<String, Value>) {
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        if let Some(event_type) = text("type").or_else(|| text("event_type")) {
            let count = self.counts.entry(event_type.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        if let (Some(wp_id), Some(lane)) = (text("wp_id"), text("to_lane")) {
            self.lanes.insert(wp_id.to_owned(), lane.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        map.iter().map(|(id, lane)| (id.as_str(), lane.as_str())).collect()
    }

    #[test]
    fn lanes_of_a_status_file() {
        let status = StatusFacts::parse(
            br#"{"work_packages": {"WP01": {"lane": "done", "actor": "x"}, "WP02": {"lane": 3}}}"#,
        );
        assert_eq!(lanes(&status.lanes), [("WP01", "done"), ("WP02", "")]);
        assert_eq!(status.fault.as_deref(), Some("1 work packages have no lane"));
        assert_eq!(StatusFacts::parse(b"{}"), StatusFacts::default());
        assert!(StatusFacts::parse(br#"{"work_packages": []}"#).fault.is_some());
        assert!(StatusFacts::parse(b"{").fault.is_some());
    }

    #[test]
    fn the_last_lane_counts() {
        let events = EventFacts::parse(
            b"{\"wp_id\": \"WP01\", \"to_lane\": \"doing\"}\n\
              {\"wp_id\": \"WP01\", \"to_lane\": \"done\", \"type\": \"moved\"}\r\n\
              \n\
              {\"wp_id\": \"WP01\", \"kind\": \"annotation\"}\n\
              not json\n\
              [1]\n\
              {\"event_type\": \"moved\", \"wp_id\": null}\n\
              {\"wp_id\": \"WP02\", \"to_l",
        );
        assert_eq!(lanes(&events.lanes), [("WP01", "done")]);
        assert_eq!(events.counts.get("moved"), Some(&2));
        let fault = events.fault.expect("three broken lines");
        assert!(fault.starts_with("3 lines") && fault.ends_with("from line 5 on"), "{fault}");
    }
}
