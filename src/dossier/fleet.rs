//! Many nodes, one mission: who has what, from the snapshots that each of them published.
//!
//! Nodes are compared where they can be: within the same context (project, mission, branch,
//! mission type, manifest). A feature differs if two nodes have different parity hashes;
//! which of them is right nobody can say here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::event::{Payload, RawEvent};
use super::{Digest, Timestamp};

/// The first part of all subjects.
pub const SUBJECTS: &str = "dossier";

/// The subject of an event: `dossier.<project_uuid>.<mission_slug>.<event_type>`. What
/// would have a meaning in a subject (`.`, `*`, `>`, white space, anything that is not plain
/// ASCII) is percent-encoded.
pub fn subject(project_uuid: &str, mission_slug: &str, event_type: &str) -> String {
    let token = |text: &str| -> String {
        let mut token = String::new();
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                    token.push(char::from(byte));
                }
                _ => token.push_str(&format!("%{byte:02X}")),
            }
        }
        token
    };
    format!("{SUBJECTS}.{}.{}.{}", token(project_uuid), token(mission_slug), token(event_type))
}

/// What one node had last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeState {
    /// The node.
    pub node_id: String,
    /// The parity hash.
    pub parity_hash_sha256: Digest,
    /// Artifacts that were present.
    pub artifact_count: usize,
    /// When it was computed.
    pub computed_at: Timestamp,
    /// The event that says so.
    pub event_id: String,
}

/// One mission in one context, on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetFeature {
    /// UUID of the project.
    pub project_uuid: String,
    /// Its slug, as one of the nodes has it.
    pub project_slug: String,
    /// The mission.
    pub mission_slug: String,
    /// The branch that it is meant for.
    pub target_branch: String,
    /// Its mission type.
    pub mission_type: String,
    /// The version of the manifest.
    pub manifest_version: String,
    /// Do all nodes have the same?
    pub agrees: bool,
    /// Nodes by id. Those that have the same hash as most come first.
    pub nodes: Vec<NodeState>,
}

/// What all nodes published.
#[derive(Debug, Default)]
pub struct Fleet {
    features: BTreeMap<Context, (String, BTreeMap<String, NodeState>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Context {
    project_uuid: String,
    mission_slug: String,
    target_branch: String,
    mission_type: String,
    manifest_version: String,
}

impl Fleet {
    /// Takes in an event, in any order; only snapshots count. The error says why it is none
    /// of ours.
    pub fn take(&mut self, line: &[u8]) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Named {
            project_slug: Option<String>,
        }
        let event: RawEvent =
            serde_json::from_slice(line).map_err(|error| format!("it is no event: {error}"))?;
        let named: Named =
            serde_json::from_slice(line).map_err(|error| format!("it is no event: {error}"))?;
        let payload = Payload::parse(event.event_type, event.payload)
            .map_err(|error| format!("its payload makes no sense: {error}"))?;
        let Payload::SnapshotComputed(snapshot) = payload else { return Ok(()) };
        let namespace = snapshot.namespace;
        let context = Context {
            project_uuid: namespace.project_uuid,
            mission_slug: namespace.mission_slug,
            target_branch: namespace.target_branch,
            mission_type: namespace.mission_type,
            manifest_version: namespace.manifest_version,
        };
        let (slug, nodes) = self.features.entry(context).or_default();
        if let Some(named) = named.project_slug {
            *slug = named;
        }
        let state = NodeState {
            node_id: event.node_id.clone(),
            parity_hash_sha256: snapshot.snapshot_hash,
            artifact_count: snapshot.artifact_count,
            computed_at: snapshot.computed_at,
            event_id: event.event_id,
        };
        // Ids of one node only ever grow.
        let is_newer =
            nodes.get(&event.node_id).is_none_or(|known| known.event_id < state.event_id);
        if is_newer {
            nodes.insert(event.node_id, state);
        }
        Ok(())
    }

    /// All features, those that differ first.
    pub fn features(self) -> Vec<FleetFeature> {
        let mut features: Vec<_> = self
            .features
            .into_iter()
            .map(|(context, (project_slug, nodes))| {
                let hashes: BTreeSet<Digest> =
                    nodes.values().map(|node| node.parity_hash_sha256).collect();
                let mut nodes: Vec<NodeState> = nodes.into_values().collect();
                let mut counts: BTreeMap<Digest, usize> = BTreeMap::new();
                for node in &nodes {
                    *counts.entry(node.parity_hash_sha256).or_default() += 1;
                }
                nodes.sort_by_key(|node| {
                    let hash = node.parity_hash_sha256;
                    (std::cmp::Reverse(counts[&hash]), hash, node.node_id.clone())
                });
                FleetFeature {
                    project_uuid: context.project_uuid,
                    project_slug,
                    mission_slug: context.mission_slug,
                    target_branch: context.target_branch,
                    mission_type: context.mission_type,
                    manifest_version: context.manifest_version,
                    agrees: hashes.len() == 1,
                    nodes,
                }
            })
            .collect();
        features.sort_by_key(|feature| feature.agrees);
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snapshot(id: &str, node: &str, slug: &str, hash: char) -> Vec<u8> {
        let event = json!({
            "event_id": id, "event_type": "MissionDossierSnapshotComputed", "aggregate_id": slug,
            "timestamp": "2026-01-02T03:04:05Z", "node_id": node, "lamport_clock": 1,
            "causation_id": null, "correlation_id": id, "project_uuid": "p", "schema_version": "3.0.0",
            "project_slug": "shop",
            "payload": {
                "namespace": {
                    "project_uuid": "p", "mission_slug": slug, "target_branch": "main",
                    "mission_type": "software-dev", "manifest_version": "1",
                },
                "snapshot_hash": hash.to_string().repeat(64), "artifact_count": 3,
                "anomaly_count": 0, "computed_at": "2026-01-02T03:04:05Z", "algorithm": "sha256",
                "context_diagnostics": {},
            },
        });
        event.to_string().into_bytes()
    }

    #[test]
    fn the_newest_of_each_node_counts_and_who_differs_comes_last() {
        let mut fleet = Fleet::default();
        for (id, node, slug, hash) in [
            ("03", "n1", "001-a", 'a'),
            ("01", "n1", "001-a", 'b'),
            ("02", "n2", "001-a", 'b'),
            ("04", "n3", "001-a", 'a'),
            ("05", "n1", "002-b", 'c'),
        ] {
            fleet.take(&snapshot(id, node, slug, hash)).expect("an event");
        }
        assert!(fleet.take(b"{}").is_err());
        let features = fleet.features();
        let told: Vec<_> = features
            .iter()
            .map(|feature| {
                let nodes: Vec<_> = feature.nodes.iter().map(|n| n.node_id.as_str()).collect();
                (feature.mission_slug.as_str(), feature.agrees, nodes)
            })
            .collect();
        assert_eq!(told, [("001-a", false, vec!["n1", "n3", "n2"]), ("002-b", true, vec!["n1"])]);
    }

    #[test]
    fn nothing_in_a_subject_has_a_meaning_of_its_own() {
        assert_eq!(subject("p-1", "001-a", "X"), "dossier.p-1.001-a.X");
        assert_eq!(subject("p", "a.b *>é", "X"), "dossier.p.a%2Eb%20%2A%3E%C3%A9.X");
    }
}
