//! How a feature went, as its log tells it: one point a snapshot.
//!
//! A log may hold any number of snapshots, so a timeline is thinned while it is made: of
//! what is too much every second point goes, again and again; the first one and the last
//! one always stay. Lines of a log that are no events of ours must be passed over before.

use serde::Serialize;

use super::event::{Diagnostics, ParityDriftDetected, Payload, SnapshotComputed};
use super::{Digest, Timestamp};

/// The state of a feature at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// The snapshot event that says so.
    pub event_id: String,
    /// When it was computed.
    pub at: Timestamp,
    /// Artifacts that are present.
    pub present: usize,
    /// Required artifacts that are not.
    pub missing: usize,
    /// What a person should look at.
    pub anomalies: usize,
    /// `complete`, `incomplete` or `unknown`.
    pub completeness_status: String,
    /// How it stood to its baseline.
    pub parity_status: String,
    /// The parity hash.
    pub snapshot_hash: Digest,
    /// The step it was at.
    pub current_step: Option<String>,
    /// The drift that stood then.
    pub drift: Option<DriftCounts>,
}

/// A drift, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftCounts {
    /// `info`, `warning` or `error`.
    pub severity: String,
    /// Artifacts that the baseline does not have.
    pub added: usize,
    /// Artifacts that only the baseline has.
    pub removed: usize,
    /// Artifacts with other contents.
    pub changed: usize,
    /// Artifacts with another name.
    pub moved: usize,
}

/// The points of a log, read in its order.
#[derive(Debug)]
pub struct Timeline {
    most: usize,
    /// Points in the log so far.
    total: usize,
    /// Every so many points are kept.
    stride: usize,
    kept: Vec<Point>,
    /// The newest point, if it is not kept.
    last: Option<Point>,
    /// The drift that was reported last and still stands.
    drift: Option<DriftCounts>,
}

impl Timeline {
    /// One that keeps at most about so many points (at least two).
    pub fn new(most: usize) -> Self {
        let (kept, last, drift) = (Vec::new(), None, None);
        Self { most: most.max(2), total: 0, stride: 1, kept, last, drift }
    }

    /// Takes in the next event of the log.
    pub fn apply(&mut self, event_id: &str, payload: &Payload) {
        match payload {
            Payload::SnapshotComputed(snapshot) => self.snapshot(event_id, snapshot),
            // It follows the snapshot that found it.
            Payload::ParityDriftDetected(drift) => {
                self.drift = Some(counts(drift));
                if let Some(newest) = self.last.as_mut().or(self.kept.last_mut()) {
                    newest.drift.clone_from(&self.drift);
                }
            }
            Payload::ArtifactIndexed(_) | Payload::ArtifactMissing(_) => {}
        }
    }

    /// How many points the log has, and those that were kept, oldest first.
    pub fn finish(mut self) -> (usize, Vec<Point>) {
        self.kept.extend(self.last);
        (self.total, self.kept)
    }

    fn snapshot(&mut self, event_id: &str, snapshot: &SnapshotComputed) {
        let said = |name: &str| snapshot.context_diagnostics.get(name).cloned();
        if !snapshot.leaves_drift_open() {
            self.drift = None;
        }
        let point = Point {
            event_id: event_id.to_owned(),
            at: snapshot.computed_at,
            present: snapshot.artifact_count,
            missing: said("required_missing").and_then(|text| text.parse().ok()).unwrap_or(0),
            anomalies: snapshot.anomaly_count,
            completeness_status: said("completeness_status").unwrap_or_else(unknown),
            parity_status: said("parity_status").unwrap_or_else(unknown),
            snapshot_hash: snapshot.snapshot_hash,
            current_step: said("current_step").filter(|step| !step.is_empty()),
            drift: self.drift.clone(),
        };
        if self.total.is_multiple_of(self.stride) {
            self.kept.push(point);
            self.last = None;
        } else {
            self.last = Some(point);
        }
        self.total += 1;
        if self.kept.len() > self.most {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let newest = self.kept.len() - 1;
        // With an odd number of points the newest one stays among them.
        if !newest.is_multiple_of(2) {
            self.last = self.kept.pop();
        }
        let mut number = 0;
        self.kept.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        self.stride *= 2;
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn counts(drift: &ParityDriftDetected) -> DriftCounts {
    let said: &Diagnostics = &drift.context_diagnostics;
    // Lists are JSON in a text; what is none counts as empty.
    let length = |name: &str| {
        let list = said.get(name).and_then(|text| serde_json::from_str(text).ok());
        list.map_or(0, |list: Vec<serde_json::Value>| list.len())
    };
    DriftCounts {
        severity: said.get("severity").cloned().unwrap_or_else(unknown),
        added: length("added"),
        removed: length("removed"),
        changed: length("changed"),
        moved: length("moved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn payload(event_type: &str, own: serde_json::Value) -> Payload {
        let mut body = json!({
            "namespace": {
                "project_uuid": "5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815", "mission_slug": "001-a",
                "target_branch": "main", "mission_type": "software-dev", "manifest_version": "1",
            },
        });
        let own = own.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(own);
        let event_type = super::super::event::EventType::parse(event_type).expect("a type");
        Payload::parse(event_type, body).expect("a payload")
    }

    fn snapshot(present: usize, parity: &str) -> Payload {
        payload(
            "snapshot",
            json!({
                "snapshot_hash": "0".repeat(64), "artifact_count": present, "anomaly_count": 0,
                "computed_at": "2026-01-02T03:04:05Z", "algorithm": "sha256",
                "context_diagnostics": {
                    "parity_status": parity, "required_missing": "2", "current_step": "plan",
                    "completeness_status": "incomplete",
                },
            }),
        )
    }

    fn drift(changed: &str) -> Payload {
        payload(
            "drift",
            json!({
                "expected_hash": "0".repeat(64), "actual_hash": "1".repeat(64),
                "drift_kind": "artifact_mutated", "detected_at": "2026-01-02T03:04:05Z",
                "rebuild_hint": "look",
                "context_diagnostics": { "severity": "warning", "changed": changed, "added": "x" },
            }),
        )
    }

    #[test]
    fn a_drift_belongs_to_the_snapshot_before_it_and_stands_until_it_is_settled() {
        let mut timeline = Timeline::new(10);
        for (id, payload) in [
            ("1", snapshot(3, "in_sync")),
            ("2", snapshot(3, "drifted")),
            ("3", drift("[\"spec.md\"]")),
            ("4", snapshot(4, "drifted")),
            ("5", snapshot(3, "in_sync")),
        ] {
            timeline.apply(id, &payload);
        }
        let (total, points) = timeline.finish();
        assert_eq!(total, 4);
        let told: Vec<_> = points
            .iter()
            .map(|p| (p.event_id.as_str(), p.present, p.drift.as_ref().map(|d| d.changed)))
            .collect();
        assert_eq!(told, [("1", 3, None), ("2", 3, Some(1)), ("4", 4, Some(1)), ("5", 3, None)]);
        assert_eq!((points[0].missing, points[0].current_step.as_deref()), (2, Some("plan")));
        assert_eq!(points[1].drift.as_ref().expect("a drift").added, 0);
    }

    #[test]
    fn what_is_too_much_is_thinned_evenly_and_both_ends_stay() {
        for (most, all) in [(2, 1), (2, 2), (2, 3), (5, 100), (7, 1000), (500, 499)] {
            let mut timeline = Timeline::new(most);
            for number in 0..all {
                timeline.apply(&number.to_string(), &snapshot(number, "no_baseline"));
            }
            let (total, points) = timeline.finish();
            assert_eq!(total, all);
            assert!(points.len() <= most + 1, "{most}, {all}: {}", points.len());
            assert_eq!(points[0].present, 0);
            assert_eq!(points[points.len() - 1].present, all - 1);
            let gaps = points.windows(2).map(|pair| pair[1].present - pair[0].present);
            let gaps: Vec<usize> = gaps.collect();
            let regular = gaps.split_last().map_or(&[][..], |(_, others)| others);
            assert!(regular.windows(2).all(|pair| pair[0] == pair[1]), "{gaps:?}");
        }
    }
}
