//! Front matter of Markdown files: the input is a file.

use dossierd::dossier::RelPath;
use dossierd::dossier::extract::{Extract, HEAD_BYTES, extract, extract_head};
use dossierd::dossier::frontmatter::Frontmatter;
use dossierd::dossier::strict::is_name;
use dossierd::dossier::yaml::{Duplicates, MAX_FRONT_MATTER_BYTES, Node, Value};

use super::is_one_line;

const BOM: &[u8] = b"\xef\xbb\xbf";

pub fn check(data: &[u8]) {
    let found = Frontmatter::parse(data);
    for name in [&found.work_package_id, &found.step_id, &found.lane].into_iter().flatten() {
        assert!(is_name(name) && name.len() <= 100, "{name:?}");
    }
    if let Some(fault) = &found.fault {
        assert!(is_one_line(fault) && fault.len() <= 2000, "{fault:?}");
        check_lines(fault, data);
    }
    let path = RelPath::new("a.md").expect("a path");
    assert_eq!(extract(&path, data), Extract::Markdown(found.clone()));
    if data.len() <= HEAD_BYTES {
        assert_eq!(extract_head(&path, data), extract(&path, data), "the head is all there is");
    }
    // A mark of the byte order says nothing, and neither does what comes after the front matter.
    if !data.starts_with(BOM) {
        assert_eq!(Frontmatter::parse(&[BOM, data].concat()), found);
    }
    if found.fault.is_none() {
        assert_eq!(Frontmatter::parse(&[data, b"\nlane: no\n---\n"].concat()), found);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        check_yaml(text);
    }
}

/// Lines that a fault names are lines of the file.
fn check_lines(fault: &str, data: &[u8]) {
    // To YAML a carriage return ends a line, too.
    let lines = data.split(|byte| b"\r\n".contains(byte)).count();
    let number = fault.strip_prefix("line ").and_then(|rest| rest.split(':').next());
    let number: usize = number.and_then(|text| text.parse().ok()).expect("a fault names a line");
    // The place behind the last line is one, too: there something is missing.
    assert!((1..=lines + 1).contains(&number), "line {number} of {lines}: {fault}");
}

/// Any YAML: a tree within its bounds, and the same one again.
fn check_yaml(text: &str) {
    let read = |how| Node::read(text, MAX_FRONT_MATTER_BYTES, how);
    let (strict, lenient) = (read(Duplicates::Refused), read(Duplicates::LastWins));
    for error in [&strict, &lenient].into_iter().filter_map(|read| read.as_ref().err()) {
        assert!(is_one_line(&error.message) && error.message.len() <= 2000, "{error:?}");
        assert!(error.line >= 1);
    }
    if let Ok(strict) = &strict {
        assert_eq!(lenient.as_ref(), Ok(strict), "what has no key twice is read in one way");
    }
    if let Ok(node) = &lenient {
        let mut left = 20_000_usize;
        bounded(node, 0, &mut left);
    }
}

fn bounded(node: &Node, depth: usize, left: &mut usize) {
    *left = left.checked_sub(1).expect("no more than 20,000 nodes");
    assert!(depth <= 33, "no deeper than 32 levels");
    match &node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(nodes) => nodes.iter().for_each(|node| bounded(node, depth + 1, left)),
        Value::Map(entries) => entries.iter().for_each(|(_, node)| bounded(node, depth + 1, left)),
    }
}
