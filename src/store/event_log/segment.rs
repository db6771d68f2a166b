//! Names and numbers of the log's files.
//!
//! `events.jsonl` is the active segment; rotation gives it the name
//! `events-<number>.jsonl` with the next number. A segment's number is the same before
//! and after, so a [`Position`](super::Position) stays right across rotation: the active one's is one more
//! than the highest rotated one's.

use std::ffi::OsStr;

use crate::platform::{Dir, NodeKind};
use crate::store::error::{At, StoreError};

/// The file that is appended to.
pub(super) const ACTIVE: &str = "events.jsonl";
/// Higher numbers are nobody's: at a thousand rotations a second, 31 years away.
const MAX_NUMBER: u64 = 999_999_999_999;

/// One file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Ascending in the order in which events were written, from 1; not without gaps.
    pub number: u64,
    /// Length in bytes.
    pub len: u64,
    /// Is it the one that is appended to?
    pub active: bool,
}

/// What a directory holds of a log.
pub(super) struct Listing {
    /// In order, the active one (if there is one) last.
    pub(super) segments: Vec<Segment>,
    /// The number of the active segment, whether its file exists or not.
    pub(super) active_number: u64,
}

/// The name of a rotated segment, at least six digits so that names sort like numbers.
pub(super) fn rotated_name(number: u64) -> String {
    format!("events-{number:06}.jsonl")
}

/// The number in the name of a rotated segment; `None` for any other spelling, so that
/// one number has one name.
fn rotated_number(name: &OsStr) -> Option<u64> {
    let digits = name.to_str()?.strip_prefix("events-")?.strip_suffix(".jsonl")?;
    let number = digits.parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
    (name == OsStr::new(&rotated_name(number))).then_some(number)
}

/// Lists the segments. Links and directories with such names are no segments, but their
/// numbers are taken.
pub(super) fn list(dir: &Dir) -> Result<Listing, StoreError> {
    let mut segments = Vec::new();
    let mut active_number = 1;
    for name in dir.names().at("list", dir.path())? {
        let Some(number) = rotated_number(&name) else { continue };
        active_number = active_number.max(number + 1);
        let facts = dir.facts(&name).at("look at", &dir.path().join(&name))?;
        if let Some(facts) = facts.filter(|facts| facts.kind == NodeKind::File) {
            segments.push(Segment { number, len: facts.len, active: false });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    let active = dir.facts(OsStr::new(ACTIVE)).at("look at", &dir.path().join(ACTIVE))?;
    if let Some(facts) = active.filter(|facts| facts.kind == NodeKind::File) {
        segments.push(Segment { number: active_number, len: facts.len, active: true });
    }
    Ok(Listing { segments, active_number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_exactly_one_name() {
        for number in [1, 9, 999_999, 1_000_000, MAX_NUMBER] {
            assert_eq!(rotated_number(OsStr::new(&rotated_name(number))), Some(number));
        }
        for name in [
            "events.jsonl",
            "events-1.jsonl",
            "events-0000001.jsonl",
            "events-000000.jsonl",
            "events-+00001.jsonl",
            "events-1000000000000.jsonl",
            "events-18446744073709551615.jsonl",
            "events-000001.jsonl~",
        ] {
            assert_eq!(rotated_number(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn segments_are_listed_in_order_and_impostors_only_take_their_number() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = Dir::open(tmp.path()).unwrap();
        assert_eq!(list(&dir).unwrap().active_number, 1);
        for (name, text) in
            [("events-1000000.jsonl", "abc"), ("events-000002.jsonl", "a"), ("events.jsonl", "ab")]
        {
            std::fs::write(tmp.path().join(name), text).unwrap();
        }
        std::fs::create_dir(tmp.path().join("events-2000000.jsonl")).unwrap();
        let listing = list(&dir).unwrap();
        let numbers: Vec<_> =
            listing.segments.iter().map(|s| (s.number, s.len, s.active)).collect();
        assert_eq!(numbers, [(2, 1, false), (1_000_000, 3, false), (2_000_001, 2, true)]);
    }
}
