//! YAML under a budget: text to a tree of nodes that know their lines.
//!
//! Every YAML text that a project brings (front matter, missions, manifests, its
//! configuration) is read here and nowhere else, so that the limits hold everywhere.
//! What a node means is left to its readers. Invariants: no input panics, and none
//! costs more than its own size times a small factor; numbers and booleans keep the
//! spelling they have in the text (`1.10` stays `1.10`).

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{MessageFormatter as _, Options, Spanned, UserMessageFormatter};

/// The most bytes of front matter that are read.
pub const MAX_FRONT_MATTER_BYTES: usize = 64 * 1024;
/// The most bytes that a mission, a manifest or a project's configuration may have.
pub const MAX_DEFINITION_BYTES: usize = 256 * 1024;

const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 32;
const MAX_ALIASES: usize = 64;
/// Longer messages are cut: they may quote hostile text.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why a text is not readable YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// Counted from 1 in the text that was given; 1 where the parser names none.
    pub line: u64,
    /// One printable line.
    pub message: String,
}

/// What to do with a key that a mapping has twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// An error.
    Refused,
    /// The last one counts, as most YAML readers have it.
    LastWins,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Counted from 1; for an alias, where it is used.
    pub line: u64,
    /// The value.
    pub value: Value,
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Counted from 1.
    pub line: u64,
    /// The key's text.
    pub name: String,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, a number or a boolean, as it is spelled.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the text's order.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// Reads one document of at most `max_bytes`.
    pub fn read(text: &str, max_bytes: usize, duplicates: Duplicates) -> Result<Node, YamlError> {
        if text.len() > max_bytes {
            let message =
                format!("{} bytes are too many; at most {max_bytes} are read", text.len());
            return Err(YamlError { line: 1, message });
        }
        let spanned: Marked = serde_yaml::from_str_with_options(text, options(duplicates))
            .map_err(|e| YamlError {
                line: e.location().map_or(1, |l| l.line().max(1)),
                message: printable(&UserMessageFormatter.format_message(e.without_snippet())),
            })?;
        Ok(spanned.resolve(text))
    }

    /// The entries of a mapping.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The nodes of a sequence.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key in a mapping; the last one if there are several, `None` also
    /// when this is no mapping.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.as_map()?.iter().rev().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// What this is, for messages: "text", "a list", "a mapping" or "nothing".
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Text in one printable line of bounded length: control characters are escaped.
pub fn printable(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_MESSAGE_CHARS {
            out.push('…');
            break;
        }
        match c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

fn options(duplicates: Duplicates) -> Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MAX_NODES,
            // Each node has at most two events, and each document two more.
            max_events: 2 * MAX_NODES + 64,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_recorded_anchor_events: MAX_NODES,
            max_recorded_anchor_bytes: 4 * MAX_DEFINITION_BYTES,
            // Text that aliases repeat counts again each time.
            max_total_scalar_bytes: 2 * MAX_DEFINITION_BYTES,
            max_merge_keys: MAX_ALIASES,
            // The second one is refused by the reader itself, with its line.
            max_documents: 2,
            max_inclusion_depth: 0,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: match duplicates {
            Duplicates::Refused => DuplicateKeyPolicy::Error,
            Duplicates::LastWins => DuplicateKeyPolicy::PassThrough,
        },
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

/// A node as the parser gives it: numbers and booleans not yet in their own spelling.
struct Marked(Spanned<Parsed>);

enum Parsed {
    Null,
    Text(String),
    /// A number or boolean: the parser's form of it, for when its place is unknown.
    Typed(String),
    List(Vec<Marked>),
    Map(Vec<(Spanned<String>, Marked)>),
}

impl Marked {
    fn resolve(self, source: &str) -> Node {
        let Spanned { value, referenced, defined } = self.0;
        let value = match value {
            Parsed::Null => Value::Null,
            Parsed::Text(text) => Value::Scalar(text),
            Parsed::Typed(text) => {
                let span = defined.span();
                let start = span.byte_offset().and_then(|n| usize::try_from(n).ok());
                let len = span.byte_len().and_then(|n| usize::try_from(n).ok());
                let spelled = start.zip(len).and_then(|(at, len)| source.get(at..at + len));
                Value::Scalar(spelled.map_or(text, |s| s.trim().to_owned()))
            }
            Parsed::List(items) => {
                Value::List(items.into_iter().map(|item| item.resolve(source)).collect())
            }
            Parsed::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, node)| {
                        let line = key.referenced.line().max(1);
                        (Key { line, name: key.value }, node.resolve(source))
                    })
                    .collect(),
            ),
        };
        Node { line: referenced.line().max(1), value }
    }
}

impl<'de> Deserialize<'de> for Marked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Marked)
    }
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParsedVisitor)
    }
}

struct ParsedVisitor;

impl<'de> Visitor<'de> for ParsedVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Parsed, E> {
        Ok(Parsed::Text(value))
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Parsed, E> {
        Ok(Parsed::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Parsed::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Parsed::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn read(text: &str) -> Result<Node, YamlError> {
        Node::read(text, MAX_DEFINITION_BYTES, Duplicates::Refused)
    }

    #[test]
    fn scalars_keep_their_spelling() {
        let text = "a: 1.10\nb: 007\nc: yes\nd: 0x1F\ne: '1'\nf: &x 2.50\ng: *x\nh: .inf\n\
                    i: 99999999999999999999\nj: !!int 3\nk: é 1\nl: 1.20 # note\n";
        let node = read(text).expect("reads");
        for (key, spelled) in [
            ("a", "1.10"),
            ("b", "007"),
            ("c", "yes"),
            ("d", "0x1F"),
            ("e", "1"),
            ("f", "2.50"),
            ("g", "2.50"),
            ("h", ".inf"),
            ("i", "99999999999999999999"),
            ("j", "3"),
            ("k", "é 1"),
            ("l", "1.20"),
        ] {
            assert_eq!(node.get(key).and_then(Node::as_text), Some(spelled), "{key}");
        }
    }

    #[test]
    fn nodes_and_keys_know_their_lines() {
        let node = read("a:\n  - x\n  # a comment\n  - {b: ~}\n").expect("reads");
        let items = node.get("a").and_then(Node::as_list).expect("a list");
        assert_eq!(items.iter().map(|n| n.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(items[1].as_map().expect("a mapping")[0].0.line, 4);
        assert_eq!(items[1].get("b").map(Node::kind), Some("nothing"));
    }

    #[test]
    fn a_key_given_twice() {
        assert_eq!(read("a: 1\nb: 2\na: 3\n").map_err(|e| e.line), Err(3));
        let node = Node::read("a: 1\na: 3\n", 100, Duplicates::LastWins).expect("reads");
        assert_eq!(node.get("a").and_then(Node::as_text), Some("3"));
    }

    #[test]
    fn broken_text_is_an_error_with_its_line() {
        for (text, line) in [
            ("a: 1\nb: [1\nc: }", 3),
            ("a:\n\tb: 1", 2),
            ("a: b: c", 1),
            ("a: 'x", 1),
            ("a: 1\n---\nb: 2\n", 3),
            ("a: *gone\n", 1),
            ("? [a]\n: 1", 1),
        ] {
            assert_eq!(read(text).map_err(|e| e.line), Err(line), "{text:?}");
        }
    }

    #[test]
    fn bombs_fail_quickly() {
        let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x]\n");
        for n in 1..12 {
            let refs = vec![format!("*a{}", n - 1); 8].join(",");
            laughs.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
        }
        let long = format!(
            "a: &a {}\nb: &b [{}]\nc: [{}]\n",
            "x".repeat(60_000),
            "*a, ".repeat(30),
            "*b, ".repeat(30)
        );
        let merges = format!("a: &a {{k: 1}}\nb:\n  <<: [{}]\n", "*a, ".repeat(2_000));
        for (name, bomb) in [
            ("open brackets", "[".repeat(40_000)),
            ("open braces", "{a: ".repeat(40_000)),
            ("nested dashes", "- ".repeat(20_000)),
            (
                "nested blocks",
                (0..2_000).map(|n| format!("{}a:\n", " ".repeat(n.min(60)))).collect(),
            ),
            ("explicit keys", "? ".repeat(20_000)),
            ("laughs", laughs),
            ("long text behind two aliases", long),
            ("merges", merges),
            ("many nodes", "- x\n".repeat(60_000)),
            ("many anchors", (0..5_000).map(|n| format!("- &a{n} x\n")).collect()),
            ("many aliases", format!("- &a x\n{}", "- *a\n".repeat(5_000))),
            ("itself", "&a [*a]".to_owned()),
            ("tags", format!("- {}x", "!a ".repeat(20_000))),
            ("documents", "---\n".repeat(20_000)),
            ("too long", "x".repeat(MAX_DEFINITION_BYTES + 1)),
        ] {
            let start = Instant::now();
            let outcome = read(&bomb);
            let took = start.elapsed();
            eprintln!("{name}: {took:?}");
            let error = match outcome {
                Err(e) => e,
                Ok(_) => panic!("{name} was read"),
            };
            assert!(!error.message.is_empty() && error.message.len() < 2_000, "{name}");
            assert!(took < Duration::from_secs(2), "{name} took {took:?}");
        }
    }

    #[test]
    fn messages_are_printable_and_short() {
        let error = read("a: 1\n\"\\e[31m\": [\n").expect_err("broken");
        assert!(!error.message.chars().any(char::is_control), "{error}");
        assert_eq!(printable(&"x".repeat(1_000)).chars().count(), MAX_MESSAGE_CHARS + 1);
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            cases: 500,
            failure_persistence: None,
            ..Default::default()
        })]

        /// Text of YAML's own characters gets deepest into the parser.
        #[test]
        fn no_text_panics(text in "[\\[\\]{}:,&*!|>'\"#%@`?~< \\n\\ta-c0-2.é-]{0,120}") {
            let strict = read(&text);
            let lenient = Node::read(&text, 1_000, Duplicates::LastWins);
            proptest::prop_assert!(strict.is_err() || lenient.is_ok(), "lenient reads no less");
        }
    }
}
