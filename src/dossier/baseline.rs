//! Baselines: a parity hash that a person accepted, and the context it was accepted in.
//!
//! The file format is shared with other tools (`parity-baseline.json`): their files, also
//! with the newer names `mission_slug` and `mission_type` in the key, are read; ours add
//! fields that theirs ignore.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Digest;
use super::artifact::RequiredStatus;
use super::parity::{TreeHash, parity_hash};

/// Version of the fields that dossierd adds to the file.
pub const BASELINE_SCHEMA_VERSION: u32 = 1;

/// The context in which a parity hash means something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineKey {
    /// UUID of the project.
    pub project_uuid: String,
    /// The machine and user.
    pub node_id: String,
    /// Directory name of the feature.
    #[serde(alias = "mission_slug")]
    pub feature_slug: String,
    /// The branch the mission is meant for.
    pub target_branch: String,
    /// Type of the mission.
    #[serde(alias = "mission_type")]
    pub mission_key: String,
    /// Version of the manifest.
    pub manifest_version: String,
}

impl BaselineKey {
    /// SHA-256 of the key's JSON with sorted keys, separators `", "` and `": "`, and
    /// non-ASCII as `\uXXXX`: what Python's `json.dumps(key, sort_keys=True)` gives.
    pub fn hash(&self) -> Digest {
        let mut json = String::from("{");
        for (i, (name, value)) in self.components().into_iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let _ = write!(json, "{comma}\"{name}\": {}", ascii_json(value));
        }
        json.push('}');
        Digest::sha256(json)
    }

    /// Name and value of each component, sorted by name.
    fn components(&self) -> [(&'static str, &str); 6] {
        [
            ("feature_slug", &self.feature_slug),
            ("manifest_version", &self.manifest_version),
            ("mission_key", &self.mission_key),
            ("node_id", &self.node_id),
            ("project_uuid", &self.project_uuid),
            ("target_branch", &self.target_branch),
        ]
    }

    /// The names of the components in which two keys differ.
    pub fn differences(&self, other: &BaselineKey) -> Vec<&'static str> {
        self.components()
            .into_iter()
            .zip(other.components())
            .filter(|(a, b)| a.1 != b.1)
            .map(|(a, _)| a.0)
            .collect()
    }
}

/// A JSON string with everything outside printable ASCII as `\uXXXX`.
fn ascii_json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// One accepted artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineArtifact {
    /// Relative path, as shown.
    pub path: String,
    /// Its key when it was accepted.
    pub artifact_key: String,
    /// Its content when it was accepted.
    pub content_hash_sha256: Digest,
    /// Whether it was required.
    pub required_status: RequiredStatus,
}

/// The file `parity-baseline.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The context.
    pub baseline_key: BaselineKey,
    /// [`BaselineKey::hash`], as the writer computed it.
    pub baseline_key_hash: String,
    /// What was accepted.
    pub parity_hash_sha256: Digest,
    /// When (RFC 3339).
    pub captured_at: String,
    /// By whom: the node id.
    pub captured_by: String,
    /// Absent in files of other tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<u32>,
    /// Names and contents that were accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_hash: Option<TreeHash>,
    /// The branch that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_branch: Option<String>,
    /// The commit that was checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_sha: Option<String>,
    /// What the person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Every accepted artifact, by path; absent in files of other tools, whose drift then
    /// has no names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<BaselineArtifact>>,
}

/// Why a file is no baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Not the JSON of a baseline.
    #[error("line {line}, column {column}: {message}")]
    Format {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// Its own list of artifacts does not give its own parity hash.
    #[error("its artifacts give parity {computed}, but it says {stated}")]
    Inconsistent {
        /// From the list.
        computed: Digest,
        /// From the field.
        stated: Digest,
    },
    /// Written by a later version of dossierd.
    #[error(
        "it has schema_version {0}, newer than this dossierd understands; upgrade dossierd or capture again"
    )]
    TooNew(u32),
}

/// Whether a baseline holds in the current context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It does.
    Accepted,
    /// It does not; these components differ (`checkout_branch` may be one of them).
    Rejected(Vec<&'static str>),
}

impl Baseline {
    /// Reads a baseline file and checks that it agrees with itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, BaselineError> {
        let format = |e: serde_json::Error| BaselineError::Format {
            line: e.line(),
            column: e.column(),
            message: e.to_string(),
        };
        let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(format)?;
        tolerate(&mut value);
        let baseline: Self = serde_json::from_value(value).map_err(format)?;
        if let Some(version) = baseline.schema_version
            && version > BASELINE_SCHEMA_VERSION
        {
            return Err(BaselineError::TooNew(version));
        }
        if let Some(artifacts) = &baseline.artifacts {
            let computed = parity_hash(artifacts.iter().map(|a| a.content_hash_sha256));
            if computed != baseline.parity_hash_sha256 {
                return Err(BaselineError::Inconsistent {
                    computed,
                    stated: baseline.parity_hash_sha256,
                });
            }
        }
        Ok(baseline)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .expect("a baseline has only strings, numbers and lists, which always serialise");
        bytes.push(b'\n');
        bytes
    }

    /// Does this baseline hold for this key on this checked-out branch?
    pub fn acceptance(&self, key: &BaselineKey, checkout_branch: Option<&str>) -> Acceptance {
        let mut differing = self.baseline_key.differences(key);
        if let Some(recorded) = &self.checkout_branch
            && Some(recorded.as_str()) != checkout_branch
        {
            differing.push("checkout_branch");
        }
        if differing.is_empty() { Acceptance::Accepted } else { Acceptance::Rejected(differing) }
    }
}

/// Takes the liberties out of a file that another tool wrote: old and new names side by
/// side in the key, a version of its own, nobody named as who captured it.
fn tolerate(value: &mut serde_json::Value) {
    let Some(file) = value.as_object_mut() else { return };
    if let Some(key) = file.get_mut("baseline_key").and_then(serde_json::Value::as_object_mut) {
        for (old, new) in [("feature_slug", "mission_slug"), ("mission_key", "mission_type")] {
            if key.contains_key(old) && key.get(old) == key.get(new) {
                key.remove(new);
            }
        }
    }
    // Only our own files list artifacts, and only our own versions mean something here.
    if !file.contains_key("artifacts") {
        file.remove("schema_version");
    }
    if file.get("captured_by").is_some_and(serde_json::Value::is_null) {
        file.insert("captured_by".to_owned(), "unknown".into());
    }
}

#[cfg(test)]
mod tests {
    use super::super::capture::{AmendError, Capturable, CaptureContext, amend, capture};
    use super::super::{RelPath, Timestamp};
    use super::*;

    fn key() -> BaselineKey {
        BaselineKey {
            project_uuid: "8a4a7da6-a97c-4bb4-893a-b31664abfee4".into(),
            node_id: "d036a097a835".into(),
            feature_slug: "001-žluť-🐎".into(),
            target_branch: "main".into(),
            mission_key: "software-dev".into(),
            manifest_version: "1".into(),
        }
    }

    fn context() -> CaptureContext {
        CaptureContext {
            key: key(),
            captured_at: Timestamp::from_micros(0),
            checkout_branch: Some("main".into()),
            git_sha: None,
            note: None,
        }
    }

    fn file(path: &str, content: &str) -> Capturable {
        Capturable {
            path: RelPath::new(path).expect("valid"),
            artifact_key: path.replace('.', "_"),
            content_hash: Digest::sha256(content),
            required_status: RequiredStatus::Optional,
        }
    }

    #[test]
    fn the_key_hash_is_that_of_sorted_ascii_json() {
        let json = concat!(
            r#"{"feature_slug": "001-\u017elu\u0165-\ud83d\udc0e", "manifest_version": "1", "#,
            r#""mission_key": "software-dev", "node_id": "d036a097a835", "#,
            r#""project_uuid": "8a4a7da6-a97c-4bb4-893a-b31664abfee4", "target_branch": "main"}"#
        );
        assert_eq!(key().hash(), Digest::sha256(json));
    }

    #[test]
    fn reads_files_of_other_tools_with_old_and_new_names() {
        for (slug, mission) in [("feature_slug", "mission_key"), ("mission_slug", "mission_type")] {
            let text = format!(
                r#"{{"baseline_key": {{"project_uuid": "u", "node_id": "n", "{slug}": "s",
                "target_branch": "main", "{mission}": "research", "manifest_version": "1"}},
                "baseline_key_hash": "h", "parity_hash_sha256": "{}",
                "captured_at": "2026-01-01T00:00:00+00:00", "captured_by": "n"}}"#,
                Digest::sha256("")
            );
            let baseline = Baseline::parse(text.as_bytes()).expect("reads");
            assert_eq!(baseline.baseline_key.feature_slug, "s");
            assert_eq!(baseline.baseline_key.mission_key, "research");
            assert_eq!(baseline.artifacts, None);
        }
        let both = format!(
            r#"{{"baseline_key": {{"project_uuid": "u", "node_id": "n", "feature_slug": "s",
            "mission_slug": "s", "target_branch": "main", "mission_key": "m", "mission_type": "m",
            "manifest_version": "1"}}, "baseline_key_hash": "h", "parity_hash_sha256": "{}",
            "captured_at": "x", "captured_by": null, "schema_version": "1.0"}}"#,
            Digest::sha256("")
        );
        assert_eq!(Baseline::parse(both.as_bytes()).expect("reads").captured_by, "unknown");
        let contradicting = both.replace("\"mission_slug\": \"s\"", "\"mission_slug\": \"t\"");
        assert!(Baseline::parse(contradicting.as_bytes()).is_err());
    }

    #[test]
    fn round_trip_and_acceptance() {
        let baseline = capture(context(), &[file("b", "2"), file("a", "1")]);
        assert_eq!(Baseline::parse(&baseline.to_bytes()).expect("reads"), baseline);
        assert_eq!(baseline.acceptance(&key(), Some("main")), Acceptance::Accepted);
        assert_eq!(
            baseline.acceptance(&key(), Some("other")),
            Acceptance::Rejected(vec!["checkout_branch"])
        );
        let other = BaselineKey { manifest_version: "2".into(), ..key() };
        assert_eq!(
            baseline.acceptance(&other, Some("main")),
            Acceptance::Rejected(vec!["manifest_version"])
        );
    }

    #[test]
    fn a_file_that_contradicts_itself_is_refused() {
        let mut baseline = capture(context(), &[file("a", "1")]);
        baseline.parity_hash_sha256 = Digest::sha256("forged");
        assert!(matches!(
            Baseline::parse(&baseline.to_bytes()),
            Err(BaselineError::Inconsistent { .. })
        ));
    }

    #[test]
    fn amending_takes_over_only_the_named_paths() {
        let former = capture(context(), &[file("a", "1"), file("b", "1"), file("c", "1")]);
        let now = [file("a", "2"), file("b", "2"), file("d", "1")];
        let paths = ["a", "c", "d"].map(String::from);
        let amended = amend(&former, context(), &now, &paths).expect("amends");
        let expected = capture(context(), &[file("a", "2"), file("b", "1"), file("d", "1")]);
        assert_eq!(amended, expected);
        let unknown = amend(&former, context(), &now, &["x".to_owned()]);
        assert_eq!(unknown, Err(AmendError::UnknownPath("x".into())));
    }
}
