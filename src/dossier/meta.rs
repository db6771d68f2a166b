//! `meta.json` at a feature's root: what the feature says of itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::yaml::printable;

/// Longer values are refused.
const MAX_VALUE_BYTES: usize = 500;

/// The keys of `meta.json` that dossierd reads. An empty text counts as absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MetaFacts {
    /// `mission_type`.
    pub mission_type: Option<String>,
    /// `mission`, the older name of `mission_type`.
    pub mission: Option<String>,
    /// `target_branch`.
    pub target_branch: Option<String>,
    /// `current_step`.
    pub current_step: Option<String>,
    /// `step_id`.
    pub step_id: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `accepted_at`: set once the feature is accepted.
    pub accepted_at: Option<String>,
    /// `mission_slug`, else `slug`.
    pub mission_slug: Option<String>,
    /// What could not be read.
    pub fault: Option<String>,
}

impl MetaFacts {
    /// Reads the bytes of a `meta.json`.
    pub fn parse(bytes: &[u8]) -> MetaFacts {
        match parse_object(bytes) {
            Ok(object) => MetaFacts::from_object(&object),
            Err(fault) => MetaFacts { fault: Some(fault), ..MetaFacts::default() },
        }
    }

    /// The mission's type: `mission_type`, else `mission`.
    pub fn mission_type(&self) -> Option<&str> {
        self.mission_type.as_deref().or(self.mission.as_deref())
    }

    /// The step that the file names: `current_step`, else `step_id`, else `state`.
    pub fn step(&self) -> Option<&str> {
        let step = self.current_step.as_deref().or(self.step_id.as_deref());
        step.or(self.state.as_deref())
    }

    fn from_object(object: &Map<String, Value>) -> MetaFacts {
        let mut faults = Vec::new();
        let mut text = |key: &str| match object.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(Value::String(text))
                if text.len() <= MAX_VALUE_BYTES && !text.chars().any(char::is_control) =>
            {
                Some(text.clone())
            }
            Some(Value::String(_)) => {
                faults.push(format!("{key} is too long or has control characters"));
                None
            }
            Some(_) => {
                faults.push(format!("{key} must be text"));
                None
            }
        };
        let mission_slug = text("mission_slug");
        let slug = text("slug");
        let mut facts = MetaFacts {
            mission_type: text("mission_type"),
            mission: text("mission"),
            target_branch: text("target_branch"),
            current_step: text("current_step"),
            step_id: text("step_id"),
            state: text("state"),
            accepted_at: text("accepted_at"),
            mission_slug: mission_slug.or(slug),
            fault: None,
        };
        facts.fault = (!faults.is_empty()).then(|| faults.join("; "));
        facts
    }
}

/// A JSON object, or why it is none. A byte order mark is skipped; of a key given twice
/// the last value counts.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the file must hold a JSON object".to_owned()),
        Err(e) => Err(printable(&format!("the JSON can't be read: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_given_counts() {
        let meta = MetaFacts::parse(br#"{"mission": "research", "state": "x", "step_id": "y"}"#);
        assert_eq!((meta.mission_type(), meta.step()), (Some("research"), Some("y")));
        let meta = MetaFacts::parse(
            br#"{"mission_type": "a", "mission": "b", "current_step": "c", "state": "d",
                 "slug": "s", "accepted_at": null, "target_branch": "", "other": [1]}"#,
        );
        assert_eq!((meta.mission_type(), meta.step()), (Some("a"), Some("c")));
        assert_eq!(meta.mission_slug.as_deref(), Some("s"));
        assert_eq!((meta.accepted_at, meta.target_branch, meta.fault), (None, None, None));
    }

    fn check_fault(text: &str, needle: &str) {
        let fault = MetaFacts::parse(text.as_bytes()).fault.expect(text);
        assert!(fault.contains(needle), "{text}: {fault}");
    }

    #[test]
    fn what_is_broken_is_a_fault() {
        check_fault("", "line 1");
        check_fault("{\n\"a\": }", "line 2");
        check_fault("[]", "JSON object");
        check_fault(r#"{"mission_type": 3}"#, "mission_type must be text");
        check_fault(r#"{"accepted_at": true}"#, "accepted_at must be text");
        check_fault(r#"{"state": "a\u001b[2J"}"#, "control characters");
        check_fault(&"[".repeat(200_000), "recursion");
        let kept = MetaFacts::parse(br#"{"mission_type": 3, "state": "plan"}"#);
        assert_eq!(kept.step(), Some("plan"));
    }
}
