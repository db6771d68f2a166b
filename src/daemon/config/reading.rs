//! The text of a configuration file to a [`Config`], or to everything that is wrong with it.
//!
//! Each value is read by itself, so that one mistake hides no other. A section or key
//! without a value stands for the default.

use std::collections::BTreeMap;

use super::keys::{KEYS, Key};
use super::sync::{HttpUrl, Nats, NatsUrl, Webhook};
use super::{Config, SIZE_LIMIT};
use crate::dossier::similar::similar;
use crate::dossier::yaml::{self, Duplicates, Node, Value, printable};

/// One thing that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; none where it is about the file as a whole.
    pub line: Option<u64>,
    /// One printable line: what is wrong, and what is allowed.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What a file says, and at which line it says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reading {
    pub(super) config: Config,
    pub(super) lines: BTreeMap<&'static str, u64>,
}

/// Reads the text of a file, and gives all that is wrong with it, in the text's order. What is
/// wrong is left out of the reading.
pub(super) fn read(text: &str) -> (Reading, Vec<Problem>) {
    let most = usize::try_from(SIZE_LIMIT).unwrap_or(usize::MAX);
    // Nothing but comments is no document to some readers of YAML.
    let is_empty = text.lines().all(|line| matches!(line.trim().chars().next(), None | Some('#')));
    if is_empty {
        return (Reading::default(), Vec::new());
    }
    let node = match Node::read(text, most, Duplicates::Refused) {
        Ok(node) => node,
        Err(yaml::YamlError { line, message }) => {
            return (Reading::default(), vec![Problem { line: Some(line), message }]);
        }
    };
    let mut reader = Reader::default();
    reader.section(None, &node);
    (reader.reading, reader.problems)
}

#[derive(Default)]
struct Reader {
    reading: Reading,
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, line: u64, message: &str) {
        self.problems.push(Problem { line: Some(line), message: printable(message) });
    }

    /// Everything of the file, or of the section with this name.
    fn section(&mut self, name: Option<&str>, node: &Node) {
        let entries = match &node.value {
            Value::Null => return,
            Value::Map(entries) => entries,
            _ => {
                let of = name.map_or("the file".to_owned(), |name| format!("`{name}`"));
                let message = format!(
                    "{of} must be keys with values, not {}; {}",
                    node.kind(),
                    keys_of(name)
                );
                return self.wrong(node.line, &message);
            }
        };
        let config = &mut self.reading.config.sync;
        match name {
            Some("sync.webhook") => config.webhook = Some(Webhook::to(HttpUrl::this_machine())),
            Some("sync.nats") => config.nats = Some(Nats::to(NatsUrl::this_machine())),
            _ => {}
        }
        for (key, value) in entries {
            let full = name.map_or(key.name.clone(), |section| format!("{section}.{}", key.name));
            // The dots are ours: in a file they would be a second spelling, which nothing compares
            // with the first.
            if key.name.contains('.') {
                self.wrong(key.line, &unknown(name, &key.name));
            } else if full == "sync.nats" && cfg!(not(feature = "nats")) {
                self.wrong(
                    key.line,
                    "nats is not in this build; install one with `--features nats`",
                );
            } else if let Some(known) = KEYS.iter().find(|known| known.name == full) {
                self.value(known, value);
            } else if is_section(&full) {
                self.section(Some(&full), value);
            } else {
                self.wrong(key.line, &unknown(name, &key.name));
            }
        }
        let in_section = |key: &&Key| key.is_required() && key.section() == name;
        for key in KEYS.iter().filter(in_section) {
            if !entries
                .iter()
                .any(|(given, value)| given.name == key.last_name() && value.value != Value::Null)
            {
                let section = name.unwrap_or_default();
                self.wrong(node.line, &format!("`{section}` needs `{}`", key.last_name()));
            }
        }
    }

    fn value(&mut self, key: &'static Key, node: &Node) {
        if node.value == Value::Null {
            return;
        }
        match (key.set)(&mut self.reading.config, node) {
            Ok(()) => {
                self.reading.lines.insert(key.name, node.line);
            }
            Err(message) => {
                let message = format!("{}: {message}", key.name);
                self.wrong(node.line, &message);
            }
        }
    }
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// The names that a section can have, each once, in the table's order.
fn names_in(section: Option<&str>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let rest = match section {
            None => Some(key.name),
            Some(section) => key.name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.and_then(|rest| rest.split('.').next());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

fn keys_of(section: Option<&str>) -> String {
    format!("allowed are {}", names_in(section).join(", "))
}

/// A key that is none: what may have been meant, and what there is.
fn unknown(section: Option<&str>, name: &str) -> String {
    let place = section.map_or(String::new(), |section| format!(" in `{section}`"));
    let here = names_in(section);
    let meant = match name.contains('.') {
        true => dotted(section, name).map(|full| nested(&full)),
        false => {
            let close = similar(name, here.iter().copied()).first().map(ToString::to_string);
            let elsewhere = KEYS.iter().find(|key| key.last_name() == name);
            close.or_else(|| elsewhere.map(|key| nested(key.name)))
        }
    };
    let meant = meant.map_or(";".to_owned(), |meant| format!("; did you mean `{meant}`?"));
    format!("unknown key `{name}`{place}{meant} {}", keys_of(section))
}

/// The key or section that was meant by a name with dots.
fn dotted(section: Option<&str>, name: &str) -> Option<String> {
    // Some say the section in it once more.
    let in_section = |section: &str| name.strip_prefix(section)?.strip_prefix('.');
    let own_name = section.and_then(in_section).unwrap_or(name);
    let full = section.map_or(name.to_owned(), |section| format!("{section}.{own_name}"));
    if is_section(&full) {
        return Some(full);
    }
    let close = similar(&full, KEYS.iter().map(|key| key.name));
    close.first().map(ToString::to_string)
}

/// How a file says a key of a section.
fn nested(full: &str) -> String {
    let mut parts = full.rsplit('.');
    let last = parts.next().unwrap_or_default();
    let innermost = format!("{last}: …");
    parts.fold(innermost, |inside, section| format!("{section}: {{{inside}}}"))
}

#[cfg(test)]
mod tests;
