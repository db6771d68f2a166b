//! Strict reading of definition files: whatever is wrong is an error with its place.
//!
//! Missions and manifests say what a feature must have; a typing error in one must
//! never quietly mean "nothing is required". What the fields mean is left to
//! [`super::mission`] and [`super::manifest`].

use super::yaml::{Duplicates, MAX_DEFINITION_BYTES, Node, Value, printable};

/// What is wrong with a mission or a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct DefinitionError {
    /// The label the file was parsed under, such as its path in the project.
    pub file: String,
    /// The line of the offending node, counted from 1.
    pub line: u64,
    /// What is wrong and what is allowed, in one printable line.
    pub message: String,
}

/// One definition file under its label.
#[derive(Debug, Clone, Copy)]
pub(super) struct StrictFile<'a> {
    label: &'a str,
}

impl<'a> StrictFile<'a> {
    /// The file that errors will name as `label`.
    pub(super) fn new(label: &'a str) -> Self {
        Self { label }
    }

    /// Parses the whole text; a key given twice is an error.
    pub(super) fn read(&self, text: &str) -> Result<Node, DefinitionError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Node::read(text, MAX_DEFINITION_BYTES, Duplicates::Refused)
            .map_err(|e| self.error(e.line, e.message))
    }

    /// An error in this file.
    pub(super) fn error(&self, line: u64, message: impl AsRef<str>) -> DefinitionError {
        let message = printable(message.as_ref());
        DefinitionError { file: self.label.to_owned(), line, message }
    }

    /// Is `node` a mapping that has no key outside `allowed`?
    pub(super) fn check_keys(
        &self,
        node: &Node,
        what: &str,
        allowed: &[&str],
    ) -> Result<(), DefinitionError> {
        let entries = node.as_map().ok_or_else(|| {
            let message = format!(
                "{what} must be a mapping with the keys {}; this is {}",
                allowed.join(", "),
                node.kind()
            );
            self.error(node.line, message)
        })?;
        match entries.iter().find(|(key, _)| !allowed.contains(&key.name.as_str())) {
            None => Ok(()),
            Some((key, _)) => {
                let known = allowed.join(", ");
                let message = format!("unknown key {:?} in {what}; allowed are {known}", key.name);
                Err(self.error(key.line, message))
            }
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<'n>(
        &self,
        node: &'n Node,
        what: &str,
        key: &str,
    ) -> Result<&'n Node, DefinitionError> {
        node.get(key)
            .filter(|value| value.value != Value::Null)
            .ok_or_else(|| self.error(node.line, format!("{what} has no `{key}`, which it needs")))
    }

    /// The text of a scalar that is not empty.
    pub(super) fn text<'n>(&self, node: &'n Node, what: &str) -> Result<&'n str, DefinitionError> {
        node.as_text().filter(|text| !text.is_empty()).ok_or_else(|| {
            self.error(node.line, format!("{what} must be text; this is {}", kind(node)))
        })
    }

    /// The nodes of a list; nothing counts as an empty one.
    pub(super) fn list<'n>(
        &self,
        node: Option<&'n Node>,
        what: &str,
    ) -> Result<&'n [Node], DefinitionError> {
        match node {
            None => Ok(&[]),
            Some(Node { value: Value::Null, .. }) => Ok(&[]),
            Some(node) => node.as_list().ok_or_else(|| {
                self.error(node.line, format!("{what} must be a list; this is {}", node.kind()))
            }),
        }
    }
}

fn kind(node: &Node) -> &'static str {
    match node.as_text() {
        Some("") => "empty",
        _ => node.kind(),
    }
}

/// Is the text a name for keys, steps and mission types: `^[A-Za-z0-9._-]+$`?
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}
