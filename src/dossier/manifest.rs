//! A manifest: which artifacts a mission expects, at which step, under which key.
//!
//! Read from `expected-artifacts.yaml`. Invariants of a parsed manifest: keys are unique
//! names that don't begin with `artifact.`, patterns stay inside the feature, steps exist
//! in the mission, and entries stand in the order required always, required by step (in
//! the mission's order), optional.

use super::mission::{Mission, supported_schema_version};
use super::pattern::{PathPattern, PatternSet};
use super::strict::{DefinitionError, StrictFile, is_name};
use super::yaml::{Node, Value};
use super::{ArtifactClass, RelPath};

const TOP_LEVEL: &[&str] = &[
    "schema_version",
    "mission_type",
    "manifest_version",
    "required_always",
    "required_by_step",
    "optional_always",
];
const ENTRY_KEYS: &[&str] = &["artifact_key", "artifact_class", "path_pattern", "blocking"];
/// Keys of artifacts that no manifest lists begin so.
const RESERVED_PREFIX: &str = "artifact.";
/// More patterns would make compiling them a cost worth attacking.
const MAX_PATTERNS: usize = 256;

/// When an entry's artifact must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// At every step.
    Always,
    /// From the step with this place in [`Mission::steps`] on.
    Step(usize),
    /// Never.
    Optional,
}

/// One expected artifact, or kind of artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Unique in the manifest.
    pub artifact_key: String,
    /// The class of what matches.
    pub artifact_class: ArtifactClass,
    /// Alternatives, at least one; one match meets the entry.
    pub patterns: Vec<PathPattern>,
    /// Does its absence make a feature incomplete? Never so for optional entries.
    pub blocking: bool,
    /// When it must exist.
    pub when: Requirement,
}

/// Which pattern of which entry a path matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Place in [`Manifest::entries`].
    pub entry: usize,
    /// Place in [`ManifestEntry::patterns`].
    pub pattern: usize,
}

/// All expected artifacts of one mission type.
#[derive(Debug, Clone)]
pub struct Manifest {
    schema_version: String,
    manifest_version: String,
    entries: Vec<ManifestEntry>,
    matcher: PatternSet,
    /// For each number in `matcher`, what it belongs to; ascending.
    owners: Vec<Match>,
}

impl PartialEq for Manifest {
    /// The matcher and its owners follow from the entries.
    fn eq(&self, other: &Self) -> bool {
        self.schema_version == other.schema_version
            && self.manifest_version == other.manifest_version
            && self.entries == other.entries
    }
}

impl Eq for Manifest {}

impl Manifest {
    /// Parses an `expected-artifacts.yaml` for a mission. `file_label` is what errors call
    /// the file.
    pub fn parse(
        text: &str,
        file_label: &str,
        mission: &Mission,
    ) -> Result<Manifest, DefinitionError> {
        let file = StrictFile::new(file_label);
        let root = file.read(text)?;
        file.check_keys(&root, "a manifest", TOP_LEVEL)?;
        let schema = file.required(&root, "a manifest", "schema_version")?;
        let schema_version = supported_schema_version(&file, schema)?;
        check_mission_type(&file, &root, mission)?;
        let version = file.required(&root, "a manifest", "manifest_version")?;
        let manifest_version = file.text(version, "`manifest_version`")?.to_owned();

        let mut reader = EntryReader { file, entries: Vec::new(), patterns: 0 };
        reader.section(root.get("required_always"), "`required_always`", Requirement::Always)?;
        reader.by_step(root.get("required_by_step"), mission)?;
        reader.section(root.get("optional_always"), "`optional_always`", Requirement::Optional)?;
        let entries = reader.entries;

        let owners: Vec<Match> = entries
            .iter()
            .enumerate()
            .flat_map(|(entry, e)| {
                (0..e.patterns.len()).map(move |pattern| Match { entry, pattern })
            })
            .collect();
        let texts = entries.iter().flat_map(|e| e.patterns.iter().map(|p| p.text.as_str()));
        let matcher =
            PatternSet::compile(texts).map_err(|e| file.error(root.line, e.to_string()))?;
        Ok(Manifest { schema_version, manifest_version, entries, matcher, owners })
    }

    /// The version of the file's format.
    pub fn schema_version(&self) -> &str {
        &self.schema_version
    }

    /// The version of the content, as it is spelled; part of a baseline's key.
    pub fn manifest_version(&self) -> &str {
        &self.manifest_version
    }

    /// All entries: required always, required by step in the mission's order, optional.
    pub fn entries(&self) -> &[ManifestEntry] {
        &self.entries
    }

    /// Everything that the manifest says of a path, found by one pass of the matcher.
    pub fn find(&self, path: &RelPath) -> Found<'_> {
        let numbers = self.matcher.matches(path.as_bytes()).into_iter();
        Found { entries: &self.entries, matches: numbers.map(|n| self.owners[n]).collect() }
    }
}

/// The entries that a path matches.
#[derive(Debug, Clone)]
pub struct Found<'m> {
    entries: &'m [ManifestEntry],
    matches: Vec<Match>,
}

impl<'m> Found<'m> {
    /// The first entry, and which of its patterns matches first, as a place in
    /// [`ManifestEntry::patterns`].
    pub fn first(&self) -> Option<(&'m ManifestEntry, usize)> {
        self.matches.first().map(|found| (&self.entries[found.entry], found.pattern))
    }

    /// All entries, as places in [`Manifest::entries`], in order, each once.
    pub fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        let mut last = None;
        self.matches
            .iter()
            .map(|found| found.entry)
            .filter(move |entry| last.replace(*entry) != Some(*entry))
    }

    /// Is any of them required?
    pub fn is_required(&self) -> bool {
        self.entries().any(|entry| self.entries[entry].when != Requirement::Optional)
    }

    /// The first step that requires the path, as a place in [`Mission::steps`].
    pub fn first_step(&self) -> Option<usize> {
        self.entries()
            .filter_map(|entry| match self.entries[entry].when {
                Requirement::Step(step) => Some(step),
                Requirement::Always | Requirement::Optional => None,
            })
            .min()
    }
}

fn check_mission_type(
    file: &StrictFile<'_>,
    root: &Node,
    mission: &Mission,
) -> Result<(), DefinitionError> {
    let node = file.required(root, "a manifest", "mission_type")?;
    let text = file.text(node, "`mission_type`")?;
    if text == mission.mission_type() {
        return Ok(());
    }
    let allowed = mission.mission_type();
    let message = format!("mission_type is {text:?}; allowed here is {allowed:?}");
    Err(file.error(node.line, message))
}

struct EntryReader<'a> {
    file: StrictFile<'a>,
    entries: Vec<ManifestEntry>,
    patterns: usize,
}

impl EntryReader<'_> {
    fn by_step(&mut self, node: Option<&Node>, mission: &Mission) -> Result<(), DefinitionError> {
        let Some(node) = node.filter(|node| node.value != Value::Null) else { return Ok(()) };
        let steps: Vec<&str> = mission.steps().iter().map(String::as_str).collect();
        self.file.check_keys(node, "`required_by_step`", &steps)?;
        for (index, step) in steps.iter().enumerate() {
            self.section(node.get(step), &format!("the step {step:?}"), Requirement::Step(index))?;
        }
        Ok(())
    }

    fn section(
        &mut self,
        node: Option<&Node>,
        what: &str,
        when: Requirement,
    ) -> Result<(), DefinitionError> {
        for item in self.file.list(node, what)? {
            let entry = self.entry(item, when)?;
            self.entries.push(entry);
        }
        Ok(())
    }

    fn entry(&mut self, node: &Node, when: Requirement) -> Result<ManifestEntry, DefinitionError> {
        let file = self.file;
        file.check_keys(node, "an entry", ENTRY_KEYS)?;
        let class_node = file.required(node, "an entry", "artifact_class")?;
        let artifact_class = file
            .text(class_node, "`artifact_class`")?
            .parse()
            .map_err(|e: super::class::UnknownClass| file.error(class_node.line, e.to_string()))?;
        Ok(ManifestEntry {
            artifact_key: self.key(file.required(node, "an entry", "artifact_key")?)?,
            artifact_class,
            patterns: self.patterns(file.required(node, "an entry", "path_pattern")?)?,
            blocking: self.blocking(node.get("blocking"), when)?,
            when,
        })
    }

    fn key(&self, node: &Node) -> Result<String, DefinitionError> {
        let text = self.file.text(node, "`artifact_key`")?;
        let problem = if !is_name(text) {
            "has other characters; allowed are letters, digits, `.`, `_` and `-`"
        } else if text.starts_with(RESERVED_PREFIX) {
            "begins with `artifact.`, which is reserved for artifacts that no manifest lists; \
             allowed is any other beginning, such as `output.`"
        } else if self.entries.iter().any(|entry| entry.artifact_key == text) {
            "is there twice; allowed is one entry a key (`path_pattern` may be a list)"
        } else {
            return Ok(text.to_owned());
        };
        Err(self.file.error(node.line, format!("the artifact_key {text:?} {problem}")))
    }

    fn patterns(&mut self, node: &Node) -> Result<Vec<PathPattern>, DefinitionError> {
        let nodes = match node.as_list() {
            Some([]) => {
                let message = "`path_pattern` is an empty list; it needs at least one pattern";
                return Err(self.file.error(node.line, message));
            }
            Some(list) => list,
            None => std::slice::from_ref(node),
        };
        self.patterns += nodes.len();
        if self.patterns > MAX_PATTERNS {
            let message = format!("a manifest has at most {MAX_PATTERNS} patterns");
            return Err(self.file.error(node.line, message));
        }
        nodes
            .iter()
            .map(|node| {
                let text = self.file.text(node, "`path_pattern`")?;
                PathPattern::parse(text).map_err(|e| self.file.error(node.line, e.to_string()))
            })
            .collect()
    }

    fn blocking(&self, node: Option<&Node>, when: Requirement) -> Result<bool, DefinitionError> {
        let required = when != Requirement::Optional;
        let Some(node) = node else { return Ok(required) };
        match node.as_text() {
            Some("true" | "True" | "TRUE") if required => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            Some("true" | "True" | "TRUE") => {
                let message = "an optional entry can't be blocking; allowed is false, or move it";
                Err(self.file.error(node.line, message))
            }
            _ => Err(self.file.error(node.line, "`blocking` must be true or false")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSION: &str = "initial: one\nstates: [one, two, three]\n";
    const HEAD: &str = "schema_version: '1.0'\nmission_type: t\nmanifest_version: 1.10\n";

    fn parse(body: &str) -> Result<Manifest, DefinitionError> {
        let mission = Mission::parse(MISSION, "m.yaml", "t").expect("a mission");
        Manifest::parse(&format!("{HEAD}{body}"), "e.yaml", &mission)
    }

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a path")
    }

    const BODY: &str = "\
optional_always:
  - {artifact_key: notes, artifact_class: evidence, path_pattern: '*.md'}
required_by_step:
  three:
    - {artifact_key: docs, artifact_class: output, path_pattern: 'docs/**/*.md', blocking: false}
  one:
    - {artifact_key: spec, artifact_class: input, path_pattern: spec.md}
    - artifact_key: register
      artifact_class: evidence
      path_pattern: [register.csv, research/register.csv]
  two:
required_always:
  - {artifact_key: readme, artifact_class: policy, path_pattern: README.md}
";

    #[test]
    fn entries_stand_in_the_order_of_the_mission() {
        let manifest = parse(BODY).expect("parses");
        let keys: Vec<_> = manifest.entries().iter().map(|e| e.artifact_key.as_str()).collect();
        assert_eq!(keys, ["readme", "spec", "register", "docs", "notes"]);
        assert_eq!(manifest.manifest_version(), "1.10");
        let blocking: Vec<_> = manifest.entries().iter().map(|e| e.blocking).collect();
        assert_eq!(blocking, [true, true, true, false, false]);
    }

    fn check_match(p: &str, first: Option<(usize, usize)>, all: &[usize], step: Option<usize>) {
        let manifest = parse(BODY).expect("parses");
        let p = path(p);
        let found = manifest.find(&p);
        assert_eq!(found.matches.first().map(|m| (m.entry, m.pattern)), first, "{p}");
        assert_eq!(found.entries().collect::<Vec<_>>(), all, "{p}");
        assert_eq!(found.first_step(), step, "{p}");
    }

    #[test]
    fn the_first_entry_decides() {
        check_match("spec.md", Some((1, 0)), &[1, 4], Some(0));
        check_match("README.md", Some((0, 0)), &[0, 4], None);
        check_match("research/register.csv", Some((2, 1)), &[2], Some(0));
        check_match("docs/a/b.md", Some((3, 0)), &[3], Some(2));
        check_match("other.md", Some((4, 0)), &[4], None);
        check_match("archive/spec.md", None, &[], None);
        let manifest = parse(BODY).expect("parses");
        assert!(
            manifest.find(&path("spec.md")).is_required()
                && manifest.find(&path("README.md")).is_required()
        );
        assert!(
            !manifest.find(&path("other.md")).is_required()
                && !manifest.find(&path("x")).is_required()
        );
    }

    fn check_error(body: &str, line: u64, needle: &str) {
        let error = parse(body).expect_err(body);
        assert_eq!((error.file.as_str(), error.line), ("e.yaml", line), "{error}");
        assert!(error.message.contains(needle), "{error}");
    }

    #[test]
    fn errors_name_the_place_and_what_is_allowed() {
        // The body begins at line 4; an entry's fields at lines 5 to 8.
        let entry = |key: &str, class: &str, pattern: &str, more: &str| {
            format!(
                "required_always:\n  - artifact_key: {key}\n    artifact_class: {class}\n    \
                 path_pattern: {pattern}\n{more}"
            )
        };
        check_error("required: []\n", 4, "allowed are schema_version");
        check_error("required_always: {a: 1}\n", 4, "must be a list");
        check_error("required_always: [text]\n", 4, "must be a mapping");
        check_error("required_by_step:\n  four: []\n", 5, "allowed are one, two, three");
        check_error(&entry("a b", "input", "x", ""), 5, "allowed are letters");
        check_error(&entry("artifact.a", "input", "x", ""), 5, "reserved");
        check_error(&entry("a", "other", "x", ""), 6, "allowed are input");
        check_error(&entry("a", "input", "/etc/passwd", ""), 7, "is absolute");
        check_error(&entry("a", "input", "a/../b", ""), 7, "`..` segment");
        check_error(&entry("a", "input", "'a\\b'", ""), 7, "backslash");
        check_error(&entry("a", "input", "\"a\\0b\"", ""), 7, "NUL");
        check_error(&entry("a", "input", "'a[b'", ""), 7, "no glob");
        check_error(&entry("a", "input", "[]", ""), 7, "at least one");
        check_error(&entry("a", "input", "\n      - x\n      - /y", ""), 9, "is absolute");
        check_error(&entry("a", "input", "x", "    blocking: maybe\n"), 8, "true or false");
        check_error(
            &entry("a", "input", "x", "    required: true\n"),
            8,
            "allowed are artifact_key",
        );
        let twice = "  - {artifact_key: a, artifact_class: input, path_pattern: y}\n";
        check_error(&entry("a", "input", "x", twice), 8, "twice");
        check_error(
            "optional_always:\n- {artifact_key: a, artifact_class: input, path_pattern: x, blocking: true}",
            5,
            "can't be blocking",
        );
        check_error(
            "required_always: [{artifact_key: a, artifact_class: input}]\n",
            4,
            "no `path_pattern`",
        );
        let many = format!("[{}]", "x, ".repeat(MAX_PATTERNS + 1));
        check_error(&entry("a", "input", &many, ""), 7, "at most 256");
    }

    fn check_head(text: &str, line: u64, needle: &str) {
        let mission = Mission::parse(MISSION, "m.yaml", "t").expect("a mission");
        let error = Manifest::parse(text, "e.yaml", &mission).expect_err(text);
        assert_eq!(error.line, line, "{error}");
        assert!(error.message.contains(needle), "{error}");
    }

    #[test]
    fn the_head_is_checked_too() {
        check_head("mission_type: t\nmanifest_version: '1'\n", 1, "no `schema_version`");
        check_head("schema_version: 2.0\nmission_type: t\n", 1, "supported is \"1.0\"");
        check_head("schema_version: 1\nmission_type: u\n", 2, "allowed here is \"t\"");
        check_head("schema_version: 1.0\nmission_type: t\n", 1, "no `manifest_version`");
        check_head("schema_version: 1\nschema_version: 1\n", 2, "duplicate");
        check_head("\u{feff}a: 1", 1, "unknown key \"a\"");
    }
}
