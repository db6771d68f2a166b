//! What the core needs of a file's contents, parsed once per distinct content.
//!
//! Which facts are taken depends on the path alone; the path is part of the key under
//! which an extract may be kept. Invariant: no bytes make this panic, and none fail the
//! file: what can't be read is a fault inside the facts.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::RelPath;
use super::frontmatter::Frontmatter;
use super::meta::MetaFacts;
use super::status::{EventFacts, StatusFacts};

/// Up to this many bytes a file is given whole.
pub const WHOLE_BYTES: usize = 1024 * 1024;
/// Of larger files this many bytes are given, to [`extract_head`].
pub const HEAD_BYTES: usize = 64 * 1024;

/// Facts taken from one file's text, chosen by its path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Extract {
    /// Nothing of interest.
    #[default]
    None,
    /// Front matter of any `*.md` or `*.markdown`.
    Markdown(Frontmatter),
    /// `meta.json` at the feature's root.
    Meta(MetaFacts),
    /// `status.json` at the feature's root.
    Status(StatusFacts),
    /// `status.events.jsonl` or `mission-events.jsonl` at the feature's root.
    Events(EventFacts),
}

impl Extract {
    /// Shares it. Most files say nothing of interest: those all share the same two.
    pub fn into_shared(self) -> Arc<Self> {
        static NOTHING: LazyLock<Arc<Extract>> = LazyLock::new(Arc::default);
        static NO_FRONT_MATTER: LazyLock<Arc<Extract>> =
            LazyLock::new(|| Arc::new(Extract::Markdown(Frontmatter::default())));
        match &self {
            Self::None => Arc::clone(&NOTHING),
            Self::Markdown(front) if *front == Frontmatter::default() => {
                Arc::clone(&NO_FRONT_MATTER)
            }
            _ => Arc::new(self),
        }
    }

    /// What could not be read, for people.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Markdown(facts) => facts.fault.as_deref(),
            Self::Meta(facts) => facts.fault.as_deref(),
            Self::Status(facts) => facts.fault.as_deref(),
            Self::Events(facts) => facts.fault.as_deref(),
        }
    }
}

enum Kind {
    Markdown,
    Meta,
    Status,
    Events,
    Other,
}

fn kind_of(path: &RelPath) -> Kind {
    match path.as_bytes() {
        b"meta.json" => Kind::Meta,
        b"status.json" => Kind::Status,
        b"status.events.jsonl" | b"mission-events.jsonl" => Kind::Events,
        _ if path.has_extension("md") || path.has_extension("markdown") => Kind::Markdown,
        _ => Kind::Other,
    }
}

/// The facts of a file of which all bytes are at hand.
pub fn extract(path: &RelPath, bytes: &[u8]) -> Extract {
    match kind_of(path) {
        Kind::Markdown => Extract::Markdown(Frontmatter::parse(bytes)),
        Kind::Meta => Extract::Meta(MetaFacts::parse(bytes)),
        Kind::Status => Extract::Status(StatusFacts::parse(bytes)),
        Kind::Events => Extract::Events(EventFacts::parse(bytes)),
        Kind::Other => Extract::None,
    }
}

/// The facts of a file of which only the beginning is at hand. Front matter stands there;
/// of the other files a part says nothing, which is a fault.
pub fn extract_head(path: &RelPath, bytes: &[u8]) -> Extract {
    let fault = || Some("the file is too large to be read".to_owned());
    match kind_of(path) {
        Kind::Markdown => Extract::Markdown(Frontmatter::parse(bytes)),
        Kind::Meta => Extract::Meta(MetaFacts { fault: fault(), ..MetaFacts::default() }),
        Kind::Status => Extract::Status(StatusFacts { fault: fault(), ..StatusFacts::default() }),
        Kind::Events => Extract::Events(EventFacts::too_large()),
        Kind::Other => Extract::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_chooses_the_facts() {
        let kind = |path: &str| match extract(&RelPath::new(path).expect("a path"), b"{}") {
            Extract::None => "none",
            Extract::Markdown(_) => "markdown",
            Extract::Meta(_) => "meta",
            Extract::Status(_) => "status",
            Extract::Events(_) => "events",
        };
        for (path, expected) in [
            ("a.md", "markdown"),
            ("docs/A.MD", "markdown"),
            ("a.markdown", "markdown"),
            ("meta.json", "meta"),
            ("archive/meta.json", "none"),
            ("status.json", "status"),
            ("status.events.jsonl", "events"),
            ("mission-events.jsonl", "events"),
            ("tasks/status.events.jsonl", "none"),
            ("plan.txt", "none"),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn any_bytes_are_survived() {
        for path in ["a.md", "meta.json", "status.json", "status.events.jsonl"] {
            let path = RelPath::new(path).expect("a path");
            for bytes in [
                &b""[..],
                b"\xff\xfe",
                b"---",
                b"\0\0\0",
                b"---\n\xff\n---\n",
                b"{\"",
                b"\xef\xbb\xbf",
            ] {
                assert_eq!(extract(&path, bytes), extract(&path, bytes));
                assert_eq!(extract_head(&path, bytes), extract_head(&path, bytes));
            }
        }
    }
}
