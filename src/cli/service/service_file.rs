//! A file that `service install` writes, and what can be told of one that is found in its place.
//!
//! One line of each says who wrote it, and the SHA-256 of all other lines: so a file of another
//! version is known from one that was changed by hand, and both from one that is not ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// What the line has before version and sum.
const MARK: &str = "Written by `dossierd service install`, version ";
/// What stands between them.
const SUM: &str = ", sha256 ";
/// How many lines of a difference are named.
const NAMED: usize = 6;

/// Where it is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceFile {
    /// Its place.
    pub(super) path: PathBuf,
    /// All of it, with the line that says who wrote it.
    pub(super) text: String,
}

/// What is found where a file of ours belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum FileState {
    /// Nothing.
    Absent,
    /// What this version would write.
    Current,
    /// What another version, or one of another place, has written.
    Outdated(String),
    /// Our file, changed by hand; how it differs from what would be written.
    Changed(String),
    /// A link by which the user forbids systemd this unit.
    Masked,
    /// Something else, in words.
    Foreign(String),
}

impl FileState {
    /// The word in JSON.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Current => "current",
            Self::Outdated(_) => "outdated",
            Self::Changed(_) => "changed",
            Self::Masked => "masked",
            Self::Foreign(_) => "foreign",
        }
    }

    /// Who brought a file that is found so; `None` where it was somebody else, or nobody.
    pub(super) fn origin(&self) -> Option<&'static str> {
        match self {
            Self::Current | Self::Outdated(_) | Self::Changed(_) => Some("service install"),
            Self::Absent | Self::Masked | Self::Foreign(_) => None,
        }
    }

    /// What it is instead of a file of ours.
    pub(super) fn not_ours(&self) -> Option<&str> {
        match self {
            Self::Masked => Some("masked"),
            Self::Foreign(what) => Some(what),
            _ => None,
        }
    }

    /// Was it written by us, and not changed since?
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self, Self::Current | Self::Outdated(_))
    }
}

/// The text of a unit: the line comes first.
pub(super) fn unit(body: &str) -> String {
    format!("# {}\n{body}", mark(body))
}

/// The text of a property list: the line comes second, after that of XML.
pub(super) fn property_list(body: &str) -> String {
    let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
    format!("{first}\n<!-- {} -->\n{rest}", mark(body))
}

fn mark(body: &str) -> String {
    format!("{MARK}{}{SUM}{}", env!("CARGO_PKG_VERSION"), sum(body.lines()))
}

fn sum<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a regular file with the text `found` is, where `wanted` would be written.
pub(super) fn judge(found: &str, wanted: &str) -> FileState {
    if found == wanted {
        return FileState::Current;
    }
    let Some((version, told)) = found.lines().find_map(marked) else {
        return FileState::Foreign("not written by `dossierd service install`".to_owned());
    };
    let others = found.lines().filter(|line| marked(line).is_none());
    if sum(others) == told {
        return FileState::Outdated(version.to_owned());
    }
    FileState::Changed(difference(found, wanted))
}

/// Version and sum of the line that says who wrote it.
fn marked(line: &str) -> Option<(&str, &str)> {
    let said = line.strip_prefix("# ").or_else(|| line.strip_prefix("<!-- "))?;
    let (version, sum) = said.strip_prefix(MARK)?.split_once(SUM)?;
    Some((version, sum.split(' ').next().unwrap_or_default()))
}

/// Lines that only one of them has, `+` for what is there and `-` for what would be.
fn difference(found: &str, wanted: &str) -> String {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for (text, by) in [(found, 1), (wanted, -1)] {
        for line in text.lines().filter(|line| marked(line).is_none()) {
            *counts.entry(line.trim_end()).or_default() += by;
        }
    }
    let mut only = |text: &str, sign: i32| -> Vec<String> {
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if let Some(count) = counts.get_mut(line).filter(|count| **count * sign > 0) {
                *count -= sign;
                lines.push(format!("{}{line}", if sign > 0 { '+' } else { '-' }));
            }
        }
        lines
    };
    let mut lines = only(found, 1);
    lines.extend(only(wanted, -1));
    let more = lines.len().saturating_sub(NAMED);
    lines.truncate(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    if lines.is_empty() {
        return "only the order of lines, or empty ones, differ".to_owned();
    }
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "[Service]\nExecStart=/a run\nUMask=0077\n";

    #[test]
    fn ours_another_versions_changed_and_foreign_are_told_apart() {
        let text = unit(BODY);
        assert_eq!(judge(&text, &text), FileState::Current);
        let old = unit("[Service]\nExecStart=/b run\n")
            .replace(&format!("version {}", env!("CARGO_PKG_VERSION")), "version 0.0.9");
        assert_eq!(judge(&old, &text), FileState::Outdated("0.0.9".to_owned()));
        let changed = text.replace("UMask=0077", "UMask=0022\nNice=5");
        let expected = FileState::Changed("+UMask=0022, +Nice=5, -UMask=0077".to_owned());
        assert_eq!(judge(&changed, &text), expected);
        assert!(matches!(judge(BODY, &text), FileState::Foreign(_)));
        assert!(matches!(judge("", &text), FileState::Foreign(_)));
    }

    #[test]
    fn only_a_comment_is_left_out_of_the_sum() {
        let text = unit(BODY);
        let line = text.lines().next().unwrap().trim_start_matches("# ");
        let forged = format!("{text}Description={line}\n");
        assert!(matches!(judge(&forged, &text), FileState::Changed(_)));
    }

    #[test]
    fn a_property_list_begins_with_xml() {
        let text = property_list("<?xml version=\"1.0\"?>\n<plist/>\n");
        assert!(text.starts_with("<?xml version=\"1.0\"?>\n<!-- Written by "), "{text}");
        assert!(text.ends_with(" -->\n<plist/>\n"), "{text}");
        let changed = text.replace("<plist/>", "<plist></plist>");
        assert!(matches!(judge(&changed, &text), FileState::Changed(_)));
    }
}
