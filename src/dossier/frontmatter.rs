//! YAML front matter of Markdown files: the few keys that dossierd reads.
//!
//! Front matter is what stands between a first line `---` and the next line `---`.
//! Real files have many other keys of all shapes; they are ignored. What is wrong with
//! the keys that count is kept as a fault, never dropped.

use serde::{Deserialize, Serialize};

use super::ArtifactClass;
use super::strict::is_name;
use super::yaml::{Duplicates, MAX_FRONT_MATTER_BYTES, Node, Value};

/// Longer identifiers are refused.
const MAX_NAME_BYTES: usize = 100;

/// The keys of a Markdown file's front matter that dossierd reads; all `None` without one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Frontmatter {
    /// `artifact_class`, if it names one.
    pub artifact_class: Option<ArtifactClass>,
    /// `work_package_id`, as it is spelled.
    pub work_package_id: Option<String>,
    /// `step_id`.
    pub step_id: Option<String>,
    /// `lane`, of work packages whose status is kept in the file itself.
    pub lane: Option<String>,
    /// What could not be read, with the line of the file.
    pub fault: Option<String>,
}

impl Frontmatter {
    /// Reads the front matter of a file's bytes; a beginning of the file is enough.
    pub fn parse(bytes: &[u8]) -> Frontmatter {
        match read(bytes) {
            Ok(None) => Frontmatter::default(),
            Ok(Some(node)) => Frontmatter::from_node(&node),
            Err(fault) => Frontmatter { fault: Some(fault), ..Frontmatter::default() },
        }
    }

    fn from_node(node: &Node) -> Frontmatter {
        let mut faults = Vec::new();
        let artifact_class = field(node, "artifact_class", &mut faults).and_then(|(line, text)| {
            text.parse().map_err(|e| faults.push(format!("line {line}: artifact_class: {e}"))).ok()
        });
        let mut name = |key: &str| {
            let (line, text) = field(node, key, &mut faults)?;
            if is_name(text) && text.len() <= MAX_NAME_BYTES {
                return Some(text.to_owned());
            }
            faults.push(format!(
                "line {line}: {key} must be a name of letters, digits, `.`, `_` and `-`"
            ));
            None
        };
        let work_package_id = name("work_package_id");
        let step_id = name("step_id");
        let lane = name("lane");
        let fault = (!faults.is_empty()).then(|| faults.join("; "));
        Frontmatter { artifact_class, work_package_id, step_id, lane, fault }
    }
}

/// The text of a key and its line in the file; nothing counts as absent.
fn field<'n>(node: &'n Node, key: &str, faults: &mut Vec<String>) -> Option<(u64, &'n str)> {
    let value = node.get(key)?;
    // The delimiter is the file's first line; the YAML begins with its second.
    let line = value.line + 1;
    match &value.value {
        Value::Null => None,
        Value::Scalar(text) if text.is_empty() => None,
        Value::Scalar(text) => Some((line, text)),
        Value::List(_) | Value::Map(_) => {
            faults.push(format!("line {line}: {key} must be text; this is {}", value.kind()));
            None
        }
    }
}

/// The front matter as a mapping; `None` without one.
fn read(bytes: &[u8]) -> Result<Option<Node>, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Some((first, rest)) = split_line(bytes) else { return Ok(None) };
    if !is_delimiter(first) {
        return Ok(None);
    }
    let yaml = until_delimiter(rest)?;
    let text = std::str::from_utf8(yaml).map_err(|e| {
        let newlines = yaml[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
        format!("line {}: the front matter is not UTF-8", newlines + 2)
    })?;
    let node = Node::read(text, MAX_FRONT_MATTER_BYTES, Duplicates::LastWins).map_err(|e| {
        format!("line {}: the front matter can't be read: {}", e.line + 1, e.message)
    })?;
    match node.value {
        Value::Null => Ok(None),
        Value::Map(_) => Ok(Some(node)),
        _ => Err(format!(
            "line {}: front matter must be a mapping of keys; this is {}",
            node.line + 1,
            node.kind()
        )),
    }
}

/// What stands before the closing delimiter.
fn until_delimiter(rest: &[u8]) -> Result<&[u8], String> {
    let mut at = 0;
    while at <= MAX_FRONT_MATTER_BYTES {
        let Some((line, after)) = split_line(&rest[at..]) else {
            return Err("line 1: the front matter is opened by `---` but never closed".to_owned());
        };
        if is_delimiter(line) {
            return Ok(&rest[..at]);
        }
        at = rest.len() - after.len();
    }
    Err(format!("line 1: the front matter is not closed within {MAX_FRONT_MATTER_BYTES} bytes"))
}

/// The first line without its line end, and what follows it; `None` at the end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let (line, after) = match bytes.iter().position(|b| *b == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &bytes[bytes.len()..]),
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), after))
}

/// Exactly three dashes; blanks after them can't be seen and don't count.
fn is_delimiter(line: &[u8]) -> bool {
    line.strip_prefix(b"---").is_some_and(|rest| rest.iter().all(|b| matches!(b, b' ' | b'\t')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn check(text: &str, wp: Option<&str>, fault: Option<&str>) {
        let read = Frontmatter::parse(text.as_bytes());
        assert_eq!(read.work_package_id.as_deref(), wp, "{text:?}");
        match (&read.fault, fault) {
            (None, None) => {}
            (Some(found), Some(needle)) => assert!(found.contains(needle), "{text:?}: {found}"),
            (found, _) => panic!("{text:?}: {found:?}"),
        }
    }

    #[test]
    fn delimiters_are_exact() {
        let wp = Some("WP01");
        for text in [
            "---\nwork_package_id: WP01\n---\n",
            "---\nwork_package_id: WP01\n---",
            "\u{feff}---\nwork_package_id: WP01\n---\nbody\n",
            "---\r\nwork_package_id: WP01\r\n---\r\nbody\r\n",
            "--- \nwork_package_id: WP01\n---\t\nbody",
            "---\nwork_package_id: WP01\nnote: |\n  ---\n  text\n---\n",
            "---\nwork_package_id: WP01\n---\n\n---\nwork_package_id: WP02\n---\n",
        ] {
            check(text, wp, None);
        }
        for text in [
            "",
            "# Title\n",
            "\n---\nwork_package_id: WP01\n---\n",
            " ---\nwork_package_id: WP01\n---\n",
            "----\nwork_package_id: WP01\n----\n",
            "--- x\nwork_package_id: WP01\n---\n",
            "---\n---\nwork_package_id: WP01\n---\n",
            "---\n# only a comment\n---\n",
        ] {
            check(text, None, None);
        }
        check("---\nwork_package_id: WP01\n----\n", None, Some("never closed"));
        check("---\n", None, Some("never closed"));
    }

    #[test]
    fn values_of_all_shapes() {
        check(
            "---\nwork_package_id: 'WP01'\nhistory:\n- {a: [b]}\nx: ~\n---\n",
            Some("WP01"),
            None,
        );
        check("---\nwork_package_id:\n---\n", None, None);
        check("---\nwork_package_id: 01\n---\n", Some("01"), None);
        check("---\nwork_package_id: WP01\nwork_package_id: WP02\n---\n", Some("WP02"), None);
        check(
            "---\na: 1\nwork_package_id: [WP01]\n---\n",
            None,
            Some("line 3: work_package_id must be text"),
        );
        check(
            "---\nwork_package_id: a b\n---\n",
            None,
            Some("line 2: work_package_id must be a name"),
        );
        check("---\nwork_package_id: WP01\nlane: {}\n---\n", Some("WP01"), Some("line 3: lane"));
        check("---\n- a\n---\n", None, Some("must be a mapping"));
        check("---\nplain text\n---\n", None, Some("must be a mapping"));
        check("---\na: 1\nb: [\n---\n", None, Some("line 3: the front matter can't be read"));
    }

    #[test]
    fn classes() {
        let of = |value: &str| {
            Frontmatter::parse(format!("---\nartifact_class: {value}\n---\n").as_bytes())
        };
        assert_eq!(of("policy").artifact_class, Some(ArtifactClass::Policy));
        let other = of("other");
        assert_eq!(other.artifact_class, None);
        assert!(other.fault.expect("a fault").contains("allowed are input"));
    }

    #[test]
    fn bytes_that_are_not_utf8() {
        let read = Frontmatter::parse(b"---\na: 1\nb: \xff\n---\n");
        assert_eq!(read.fault.as_deref(), Some("line 3: the front matter is not UTF-8"));
        assert_eq!(Frontmatter::parse(b"---\nlane: done\n---\n\xff").lane.as_deref(), Some("done"));
    }

    #[test]
    fn bombs_are_faults() {
        for bomb in
            ["[".repeat(40_000), "- ".repeat(30_000), format!("a: '{}'", "x".repeat(70_000))]
        {
            let start = Instant::now();
            let read = Frontmatter::parse(format!("---\n{bomb}\n---\n").as_bytes());
            assert!(read.fault.is_some());
            assert!(start.elapsed() < Duration::from_secs(2));
        }
        let endless = format!("---\n{}", "a: b\n".repeat(1_000_000));
        assert!(Frontmatter::parse(endless.as_bytes()).fault.expect("a fault").contains("65536"));
    }
}
