//! Path patterns: which artifacts an entry of a manifest, or a rule, speaks of.
//!
//! A pattern is matched on the bytes of the whole relative path, case-sensitively.
//! `*` and `?` stay inside one segment, `**` as a whole segment crosses them,
//! `[…]` and `{…,…}` are as in a shell, a backslash is no escape.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// Longer patterns are refused: no real path is that long.
const MAX_PATTERN_BYTES: usize = 256;

/// One path or glob, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    /// The pattern as it is written.
    pub text: String,
    /// Does it have `*`, `?`, `[` or `{`? Otherwise it is exactly one path.
    pub is_glob: bool,
}

/// Why a text is no path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Begins with `/`.
    #[error("{0:?} is absolute; allowed are paths relative to the feature, such as `docs/*.md`")]
    Absolute(String),
    /// Has a segment `.` or `..`.
    #[error("{0:?} has a `.` or `..` segment; allowed are paths inside the feature")]
    Dots(String),
    /// Has an empty segment: `//` or a `/` at the end.
    #[error("{0:?} has an empty segment; a pattern names files, such as `docs/*.md`")]
    EmptySegment(String),
    /// Has a backslash.
    #[error("{0:?} has a backslash; allowed is `/` between segments")]
    Backslash(String),
    /// Has a NUL.
    #[error("{0:?} has a NUL character, which no path can have")]
    Nul(String),
    /// Empty, or too long.
    #[error("a pattern must have 1 to {MAX_PATTERN_BYTES} bytes; this has {0}")]
    Length(usize),
    /// Not a glob that can be compiled.
    #[error("{pattern:?} is no glob: {reason}")]
    Glob {
        /// The pattern.
        pattern: String,
        /// What the matcher says of it.
        reason: String,
    },
}

impl PathPattern {
    /// Checks a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let owned = || text.to_owned();
        if text.is_empty() || text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::Length(text.len()));
        }
        if text.contains('\0') {
            return Err(PatternError::Nul(owned()));
        }
        if text.contains('\\') {
            return Err(PatternError::Backslash(owned()));
        }
        if text.starts_with('/') {
            return Err(PatternError::Absolute(owned()));
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(PatternError::EmptySegment(owned())),
                "." | ".." => return Err(PatternError::Dots(owned())),
                _ => {}
            }
        }
        compile(text)?;
        Ok(Self { text: owned(), is_glob: text.contains(['*', '?', '[', ']', '{', '}']) })
    }
}

/// Many patterns compiled into one matcher.
#[derive(Debug, Clone)]
pub struct PatternSet(GlobSet);

impl PatternSet {
    /// Compiles patterns; their numbers are their places in the order given.
    pub fn compile<'p>(
        patterns: impl IntoIterator<Item = &'p str>,
    ) -> Result<PatternSet, PatternError> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            builder.add(compile(pattern)?);
        }
        let set = builder.build().map_err(|e| PatternError::Glob {
            pattern: e.glob().unwrap_or("all patterns together").to_owned(),
            reason: e.kind().to_string(),
        })?;
        Ok(Self(set))
    }

    /// The numbers of the patterns that match, ascending.
    pub fn matches(&self, path: &[u8]) -> Vec<usize> {
        let mut numbers = self.0.matches_candidate(&Candidate::from_bytes(path));
        numbers.sort_unstable();
        numbers
    }
}

fn compile(pattern: &str) -> Result<globset::Glob, PatternError> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(false)
        .case_insensitive(false)
        .build()
        .map_err(|e| PatternError::Glob {
            pattern: pattern.to_owned(),
            reason: e.kind().to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &[u8], matches: bool) {
        let parsed = PathPattern::parse(pattern).expect("a pattern");
        let set = PatternSet::compile([parsed.text.as_str()]).expect("compiles");
        assert_eq!(!set.matches(path).is_empty(), matches, "{pattern:?} on {path:?}");
    }

    #[test]
    fn what_matches() {
        for (pattern, path, matches) in [
            ("spec.md", &b"spec.md"[..], true),
            ("spec.md", b"archive/spec.md", false),
            ("spec.md", b"SPEC.md", false),
            ("tasks/WP*.md", b"tasks/WP01-x.md", true),
            ("tasks/WP*.md", b"tasks/WP01-x/review-cycle-1.md", false),
            ("tasks/WP*.md", b"tasks/WP\xff.md", true),
            ("tasks/WP*.md", b"tasks/wp01.md", false),
            ("docs/**/*.md", b"docs/a.md", true),
            ("docs/**/*.md", b"docs/a/b/c.md", true),
            ("docs/**/*.md", b"docs/a/b/c.txt", false),
            ("docs/**", b"docs/a/b", true),
            ("docs/**", b"docs", false),
            ("**/x.md", b"x.md", true),
            ("a?c", b"abc", true),
            ("a?c", b"a/c", false),
            ("a[bc]d", b"abd", true),
            ("x.{md,json}", b"x.json", true),
            ("x.{md,json}", b"x.yaml", false),
        ] {
            check(pattern, path, matches);
        }
    }

    #[test]
    fn what_is_refused() {
        for bad in
            ["", "/a", "../a", "a/../b", "./a", "a//b", "a/", "a\\b", "a\0b", "a[b", "a{b", "a}b"]
        {
            assert!(PathPattern::parse(bad).is_err(), "{bad:?}");
        }
        assert!(PathPattern::parse(&"x".repeat(MAX_PATTERN_BYTES + 1)).is_err());
    }

    #[test]
    fn numbers_follow_the_order_given() {
        let set = PatternSet::compile(["*.md", "spec.md", "**"]).expect("compiles");
        assert_eq!(set.matches(b"spec.md"), [0, 1, 2]);
    }
}
