//! What people read: documents of the daemon as lines and tables.
//!
//! Pure: every function goes from a value to a [`Page`]. Text enters a page only through
//! [`line::Line`], which escapes it, so no name or content can act on a terminal. A
//! status is always a word; symbol and colour come on top of it.

pub mod artifacts;
pub mod baseline;
pub mod diagnosis;
pub mod drift;
pub mod escape;
pub mod event;
pub mod features;
pub mod fit;
#[cfg(feature = "nats")]
pub mod fleet;
pub mod line;
pub mod mark;
pub mod overview;
pub mod sync;
pub mod table;

pub use line::{Line, Page, Tone};
pub use table::Table;

/// One of two words, by number.
pub fn plural(count: u64, one: &'static str, many: &'static str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A moment of the wire (RFC 3339 in UTC) to the second, as `2026-11-22 14:03:07Z`;
/// other text stays as it is.
pub fn moment(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_utc = bytes.len() >= 20 && bytes[10] == b'T' && bytes.ends_with(b"Z");
    match (text.get(..10), text.get(11..19)) {
        (Some(date), Some(time)) if is_utc => format!("{date} {time}Z"),
        _ => text.to_owned(),
    }
}

/// The first digits of a hash, enough to tell two apart; a prefix such as `sha256:` stays.
pub fn short_hash(hash: &str) -> String {
    let (prefix, digits) = hash.split_once(':').map_or(("", hash), |(_, d)| ("sha256:", d));
    format!("{prefix}{}", digits.chars().take(12).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_cut_to_seconds() {
        assert_eq!(moment("2026-11-22T14:03:07.123456Z"), "2026-11-22 14:03:07Z");
        assert_eq!(moment("2026-11-22T14:03:07Z"), "2026-11-22 14:03:07Z");
        for odd in ["", "yesterday", "2026-11-22T14:03:07+01:00", "ééééééééééééééZ"] {
            assert_eq!(moment(odd), odd);
        }
    }

    #[test]
    fn hashes_are_cut() {
        assert_eq!(short_hash("e3b0c44298fc1c149afb"), "e3b0c44298fc");
        assert_eq!(short_hash("sha256:e3b0c44298fc1c149afb"), "sha256:e3b0c44298fc");
        assert_eq!(short_hash(""), "");
    }
}
