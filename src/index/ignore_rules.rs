//! What is not indexed, and which rule says so.
//!
//! Three kinds of rules, in this order: names that begin with a dot; `.dossierignore`
//! files (gitignore syntax) in the feature directory and in the project root, the nearer
//! one first; editor left-overs, which a `!pattern` can bring back. One matcher serves
//! every walk, so that watching and indexing cannot disagree. Nothing is silently gone:
//! every decision names its rule.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::beneath::{FeatureDir, OpenFault, RootFault};
use crate::dossier::yaml::printable;
use crate::dossier::{Digest, RelPath};

/// The name of the files with rules.
pub const IGNORE_FILE: &str = ".dossierignore";

/// The largest `.dossierignore` that is read, in bytes.
pub const IGNORE_FILE_LIMIT: u64 = 64 * 1024;

/// Which `.dossierignore` a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IgnoreFile {
    /// The one in the feature directory.
    Feature,
    /// The one in the project root.
    Project,
}

impl IgnoreFile {
    /// Where it is, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "the feature's .dossierignore",
            Self::Project => "the project's .dossierignore",
        }
    }
}

/// Why an entry is not indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredBy {
    /// Its name begins with a dot.
    Hidden,
    /// An editor's left-over, by this built-in pattern.
    EditorLeftover(&'static str),
    /// A pattern of a `.dossierignore`.
    Pattern {
        /// Which file.
        file: IgnoreFile,
        /// The line as it stands there.
        pattern: Arc<str>,
    },
    /// A symbolic link to a directory, which is not entered.
    SymlinkedDirectory,
}

/// An entry that is not indexed. A directory stands for everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The rule.
    pub by: IgnoredBy,
    /// Is it a directory (skipped whole)?
    pub is_dir: bool,
}

/// A `.dossierignore`, or a line of it, that cannot be used. Its other lines hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreFault {
    /// The whole file is left out.
    #[error("{} is not used: {detail}", file.as_str())]
    File {
        /// Which file.
        file: IgnoreFile,
        /// Why.
        detail: String,
    },
    /// One line is left out.
    #[error("line {line} of {} is not used: {detail}", file.as_str())]
    Line {
        /// Which file.
        file: IgnoreFile,
        /// Counted from 1.
        line: usize,
        /// Why.
        detail: String,
    },
}

/// Where the rules of a feature come from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origins {
    feature: PathBuf,
    project: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Source {
    file: IgnoreFile,
    /// The feature's path relative to the file's directory, with a slash at its end;
    /// empty for the feature's own file.
    prefix: Vec<u8>,
    matcher: Gitignore,
}

/// All rules of one feature. Equal when they came from equal files.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    origins: Option<Origins>,
    sources: Vec<Source>,
    /// The rule that ignores the feature directory itself, or one above it.
    whole: Option<IgnoredBy>,
    fingerprint: Digest,
}

impl PartialEq for IgnoreRules {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for IgnoreRules {}

/// Patterns of editors' left-overs, as the names that they show.
const LEFTOVERS: [&str; 5] = ["*~", "#*#", "*.swp", "*.swx", "4913"];

fn leftover(name: &[u8]) -> Option<&'static str> {
    LEFTOVERS.into_iter().find(|pattern| match *pattern {
        "#*#" => name.len() >= 2 && name.starts_with(b"#") && name.ends_with(b"#"),
        pattern => match pattern.strip_prefix('*') {
            Some(ending) => name.ends_with(ending.as_bytes()),
            None => name == pattern.as_bytes(),
        },
    })
}

/// A `.dossierignore` as it was found: its bytes, or why there are none.
type Found = Result<Option<Vec<u8>>, String>;

fn read(root: &Path) -> Found {
    let dir = match FeatureDir::open(root) {
        Ok(dir) => dir,
        // Whoever opens the root itself reports that it is gone.
        Err(RootFault::Gone(_)) => return Ok(None),
        Err(RootFault::NotADirectory(_)) => return Err("its place is not a directory".to_owned()),
        Err(RootFault::Unreadable { detail, .. }) => return Err(detail),
    };
    let path = RelPath::try_from(IGNORE_FILE).map_err(|error| error.to_string())?;
    match dir.read_bounded(&path, IGNORE_FILE_LIMIT) {
        Ok(text) if text.truncated => {
            Err(format!("it is larger than {} KiB; shorten it", IGNORE_FILE_LIMIT / 1024))
        }
        Ok(text) => Ok(Some(text.bytes)),
        Err(OpenFault::Gone) => Ok(None),
        Err(other) => Err(other.to_string()),
    }
}

impl IgnoreRules {
    /// The built-in rules alone.
    pub fn built_in() -> Self {
        Self { origins: None, sources: Vec::new(), whole: None, fingerprint: Digest::sha256("") }
    }

    /// Reads the `.dossierignore` files of a feature. Never fails: what cannot be used is
    /// left out and reported.
    pub fn load(feature_root: &Path, project_root: Option<&Path>) -> (Self, Vec<IgnoreFault>) {
        let origins = Origins {
            feature: feature_root.to_owned(),
            // A feature that is its own project has one file, not two.
            project: project_root.filter(|root| *root != feature_root).map(Path::to_owned),
        };
        let found = origins.read();
        Self::build(origins, found)
    }

    /// The rules as the files state them now, if that differs from these.
    pub(super) fn reload_if_changed(&self) -> Option<(Self, Vec<IgnoreFault>)> {
        let origins = self.origins.as_ref()?;
        let found = origins.read();
        if origins.fingerprint(&found) == self.fingerprint {
            return None;
        }
        Some(Self::build(origins.clone(), found))
    }

    /// Equal fingerprints mean equal rules.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn build(origins: Origins, found: Vec<(IgnoreFile, Found)>) -> (Self, Vec<IgnoreFault>) {
        let fingerprint = origins.fingerprint(&found);
        let mut faults = Vec::new();
        let mut sources = Vec::new();
        for (file, found) in found {
            let fault = |detail| IgnoreFault::File { file, detail };
            match found {
                Ok(None) => {}
                Ok(Some(bytes)) => match origins.prefix(file) {
                    Some(prefix) => {
                        let matcher = compile(file, &bytes, &mut faults);
                        sources.push(Source { file, prefix, matcher });
                    }
                    None => {
                        faults.push(fault("the feature is not below the project root".to_owned()));
                    }
                },
                Err(detail) => faults.push(fault(detail)),
            }
        }
        let mut rules = Self { origins: Some(origins), sources, whole: None, fingerprint };
        rules.whole = rules.sources.iter().find_map(Source::ignores_feature);
        (rules, faults)
    }

    /// Is this entry left out, and why? The directories above it must have been asked
    /// about before: a rule that skips a directory skips all below it.
    pub fn decide(&self, path: &RelPath, is_dir: bool) -> Option<IgnoredBy> {
        if path.is_hidden() {
            return Some(IgnoredBy::Hidden);
        }
        if self.whole.is_some() {
            return self.whole.clone();
        }
        for source in &self.sources {
            match source.matched(path.as_bytes(), is_dir) {
                Match::Ignore(by) => return Some(by),
                Match::Whitelist(_) => return None,
                Match::None => {}
            }
        }
        leftover(path.file_name()).map(IgnoredBy::EditorLeftover)
    }
}

impl Origins {
    fn read(&self) -> Vec<(IgnoreFile, Found)> {
        let feature = (IgnoreFile::Feature, read(&self.feature));
        let project = self.project.iter().map(|root| (IgnoreFile::Project, read(root)));
        std::iter::once(feature).chain(project).collect()
    }

    /// The feature's path relative to the directory of `file`, slash at its end.
    fn prefix(&self, file: IgnoreFile) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt as _;
        match (file, &self.project) {
            (IgnoreFile::Feature, _) | (IgnoreFile::Project, None) => Some(Vec::new()),
            (IgnoreFile::Project, Some(project)) => {
                let rest = self.feature.strip_prefix(project).ok()?;
                let mut prefix = rest.as_os_str().as_bytes().to_vec();
                prefix.push(b'/');
                Some(prefix)
            }
        }
    }

    /// SHA-256 over everything that the rules are made of, each part with its length.
    fn fingerprint(&self, found: &[(IgnoreFile, Found)]) -> Digest {
        let mut all = Vec::new();
        for (file, found) in found {
            let (mark, part): (u8, &[u8]) = match found {
                Ok(None) => (0, b""),
                Ok(Some(bytes)) => (1, bytes),
                Err(detail) => (2, detail.as_bytes()),
            };
            let prefix = self.prefix(*file).unwrap_or_default();
            all.extend_from_slice(&[*file as u8, mark]);
            for part in [&prefix, part] {
                all.extend_from_slice(&(part.len() as u64).to_le_bytes());
                all.extend_from_slice(part);
            }
        }
        Digest::sha256(all)
    }
}

impl Source {
    fn matched(&self, path: &[u8], is_dir: bool) -> Match<IgnoredBy> {
        let mut whole = self.prefix.clone();
        whole.extend_from_slice(path);
        self.matched_here(&whole, is_dir)
    }

    fn matched_here(&self, path: &[u8], is_dir: bool) -> Match<IgnoredBy> {
        use std::os::unix::ffi::OsStrExt as _;
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        self.matcher
            .matched(path, is_dir)
            .map(|glob| IgnoredBy::Pattern { file: self.file, pattern: glob.original().into() })
    }

    /// Does a rule of the project ignore the feature directory, or one above it?
    fn ignores_feature(&self) -> Option<IgnoredBy> {
        let slashes = self.prefix.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (end, _) in slashes {
            if let Match::Ignore(by) = self.matched_here(&self.prefix[..end], true) {
                return Some(by);
            }
        }
        None
    }
}

fn compile(file: IgnoreFile, bytes: &[u8], faults: &mut Vec<IgnoreFault>) -> Gitignore {
    // Patterns and paths are both relative to the file's directory, so no root is needed.
    let mut builder = GitignoreBuilder::new("");
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let outcome = match std::str::from_utf8(line) {
            Ok(text) => builder.add_line(None, text).map(|_| ()).map_err(|e| told(&e)),
            Err(_) => Err("it is not valid UTF-8".to_owned()),
        };
        if let Err(detail) = outcome {
            faults.push(IgnoreFault::Line { file, line: index + 1, detail });
        }
    }
    builder.build().unwrap_or_else(|error| {
        faults.push(IgnoreFault::File { file, detail: told(&error) });
        Gitignore::empty()
    })
}

/// What the matcher says of a pattern, which it quotes as it stands in the file.
fn told(error: &ignore::Error) -> String {
    printable(&error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect("a relative path")
    }

    fn check(rules: &IgnoreRules, text: &str, is_dir: bool, expected: Option<&str>) {
        let by = rules.decide(&path(text), is_dir).map(|by| match by {
            IgnoredBy::Hidden => "hidden".to_owned(),
            IgnoredBy::EditorLeftover(pattern) => pattern.to_owned(),
            IgnoredBy::Pattern { file, pattern } => format!("{file:?}:{pattern}"),
            IgnoredBy::SymlinkedDirectory => "link".to_owned(),
        });
        assert_eq!(by.as_deref(), expected, "{text}");
    }

    #[test]
    fn built_in_rules() {
        let rules = IgnoreRules::built_in();
        for (text, expected) in [
            (".git", Some("hidden")),
            ("a/.b", Some("hidden")),
            ("spec.md~", Some("*~")),
            ("#spec.md#", Some("#*#")),
            ("#", None),
            ("x.swp", Some("*.swp")),
            ("x.swx", Some("*.swx")),
            ("4913", Some("4913")),
            ("14913", None),
            ("spec.md", None),
        ] {
            check(&rules, text, false, expected);
        }
    }

    #[test]
    fn the_nearer_file_wins_and_patterns_are_relative_to_their_file() {
        let project = tempfile::tempdir().expect("temporary directory");
        let feature = project.path().join("kitty-specs/001-x");
        fs::create_dir_all(&feature).expect("created");
        fs::write(project.path().join(IGNORE_FILE), "/kitty-specs/*/drafts/\n*.log\n{a\n")
            .expect("written");
        fs::write(feature.join(IGNORE_FILE), "\u{feff}# notes\r\n!keep.log\r\n!mine.swp\n/a/b\n")
            .expect("written");
        let (rules, faults) = IgnoreRules::load(&feature, Some(project.path()));
        let [IgnoreFault::Line { file: IgnoreFile::Project, line: 3, .. }] = faults.as_slice()
        else {
            panic!("one fault in line 3: {faults:?}");
        };
        check(&rules, "drafts", true, Some("Project:/kitty-specs/*/drafts/"));
        check(&rules, "drafts", false, None);
        check(&rules, "x/y.log", false, Some("Project:*.log"));
        check(&rules, "x/keep.log", false, None);
        check(&rules, "mine.swp", false, None);
        check(&rules, "a/b", false, Some("Feature:/a/b"));
        check(&rules, "c/a/b", false, None);
        assert!(rules.reload_if_changed().is_none());
        fs::write(feature.join(IGNORE_FILE), "z").expect("written");
        let (changed, _) = rules.reload_if_changed().expect("changed");
        assert_ne!(changed, rules);
    }

    #[test]
    fn a_rule_on_the_feature_itself_ignores_all_of_it() {
        let project = tempfile::tempdir().expect("temporary directory");
        let feature = project.path().join("kitty-specs/001-x");
        fs::create_dir_all(&feature).expect("created");
        fs::write(project.path().join(IGNORE_FILE), "kitty-specs/001-*/\n").expect("written");
        let (rules, _) = IgnoreRules::load(&feature, Some(project.path()));
        check(&rules, "spec.md", false, Some("Project:kitty-specs/001-*/"));
    }

    #[test]
    fn an_unusable_file_is_reported_and_never_hangs() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join(IGNORE_FILE);
        let check = |expected: &str| {
            let (rules, faults) = IgnoreRules::load(dir.path(), Some(dir.path()));
            let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            assert_eq!(text, expected);
            assert!(rules.decide(&path("a"), false).is_none());
        };
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &file,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a fifo");
        check("the feature's .dossierignore is not used: special file: fifo");
        fs::remove_file(&file).expect("removed");
        fs::write(&file, vec![b'a'; 64 * 1024 + 1]).expect("written");
        check("the feature's .dossierignore is not used: it is larger than 64 KiB; shorten it");
        fs::write(&file, b"\xff\n").expect("written");
        check("line 1 of the feature's .dossierignore is not used: it is not valid UTF-8");
    }
}
