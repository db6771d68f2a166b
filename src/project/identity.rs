//! Who a project is: from `project:` in `.kittify/config.yaml`, else generated.
//!
//! The file is only ever read, and leniently: it belongs to other tools, whose keys are
//! ignored. Where generated values are kept, and which host this is, the caller knows.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::beneath::Beneath;
use super::context::ProjectFault;
use crate::dossier::Digest;
use crate::dossier::strict::is_name;
use crate::dossier::yaml::{Duplicates, MAX_DEFINITION_BYTES, Node, Value, printable};

/// Where the configuration stands, relative to the project root.
pub const CONFIG: &str = ".kittify/config.yaml";
/// Longer values are refused.
const MAX_VALUE_BYTES: usize = 200;

/// Where the project's UUID came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityOrigin {
    /// The project's configuration.
    Config,
    /// Generated, and kept outside the project.
    Generated,
}

/// Why it is not known who a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFault {
    /// What is wrong, and what to do.
    pub message: String,
    /// Is it a lack of room, files or memory, which ends by itself?
    pub passes: bool,
}

/// What stands for a project whose configuration has no identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedIdentity {
    /// A UUID.
    pub project_uuid: String,
    /// A short name for people.
    pub project_slug: String,
    /// Why it only stands in for the one that was generated before, and what to do.
    pub fault: Option<IdentityFault>,
}

/// A project's identity, as events and baselines carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectIdentity {
    /// A UUID, as it is spelled.
    pub project_uuid: String,
    /// A short name for people.
    pub project_slug: String,
    /// This machine and user, opaque.
    pub node_id: String,
    /// This checkout, opaque.
    pub build_id: String,
    /// Where the UUID came from.
    pub origin: IdentityOrigin,
    /// Where the short name came from.
    pub slug_origin: IdentityOrigin,
    /// Why this is not known to be the project's identity: nothing may be written under it, nor
    /// compared with what was accepted under another.
    pub fault: Option<IdentityFault>,
}

/// The default `node_id`: the first 12 hex digits of SHA-256 of `hostname:username`.
pub fn default_node_id(hostname: &str, username: &str) -> String {
    Digest::sha256(format!("{hostname}:{username}")).short(12)
}

/// The default `build_id`: the first 16 hex digits of SHA-256 of the canonical project
/// path, a NUL, and the node id. It tells checkouts apart and gives no path away.
pub fn default_build_id(canonical_root: &Path, node_id: &str) -> String {
    let mut bytes = canonical_root.as_os_str().as_bytes().to_vec();
    bytes.push(0);
    bytes.extend_from_slice(node_id.as_bytes());
    Digest::sha256(bytes).short(16)
}

impl ProjectIdentity {
    /// Reads the identity of the project at a canonical root. `generate` is asked only
    /// where the configuration has no UUID or no slug. What is wrong with the
    /// configuration is added to `faults`.
    pub fn load(
        canonical_root: &Path,
        node_id: &str,
        generate: impl FnOnce() -> GeneratedIdentity,
        faults: &mut Vec<ProjectFault>,
    ) -> ProjectIdentity {
        let project = read_project(canonical_root, faults);
        let mut text = |key: &str| text_of(project.as_ref()?, key, faults);
        let (uuid, slug) = (text("uuid"), text("slug"));
        let (node, build) = (text("node_id"), text("build_id"));
        let mut checked =
            |value: Option<(u64, String)>, key: &str, what: &str, ok: fn(&str) -> bool| {
                let (line, value) = value?;
                if ok(&value) {
                    return Some(value);
                }
                let message = format!("project.{key} must be {what}; a default is used instead");
                faults.push(ProjectFault { file: CONFIG.to_owned(), line: Some(line), message });
                None
            };
        let uuid = checked(uuid, "uuid", "a UUID", |v| uuid::Uuid::parse_str(v).is_ok());
        let name = "letters, digits, `.`, `_` and `-`";
        let node_id = checked(node, "node_id", name, is_name).unwrap_or_else(|| node_id.to_owned());
        let build_id = checked(build, "build_id", name, is_name);
        let build_id = build_id.unwrap_or_else(|| default_build_id(canonical_root, &node_id));
        let slug = slug.map(|(_, slug)| slug);
        let origin_of = |value: &Option<String>| match value {
            Some(_) => IdentityOrigin::Config,
            None => IdentityOrigin::Generated,
        };
        let (origin, slug_origin) = (origin_of(&uuid), origin_of(&slug));
        let (project_uuid, project_slug, fault) = match (uuid, slug) {
            (Some(uuid), Some(slug)) => (uuid, slug, None),
            (uuid, slug) => {
                let generated = generate();
                let slug = slug.unwrap_or(generated.project_slug);
                (uuid.unwrap_or(generated.project_uuid), slug, generated.fault)
            }
        };
        ProjectIdentity {
            project_uuid,
            project_slug,
            node_id,
            build_id,
            origin,
            slug_origin,
            fault,
        }
    }

    /// Stays what it was known to be, if it cannot be read any more: one that was generated
    /// never becomes another one.
    pub fn stay(&mut self, known: &Self) {
        let is_same = self.origin == known.origin
            && (self.origin == IdentityOrigin::Generated
                || self.project_uuid == known.project_uuid);
        if self.fault.is_some() && known.fault.is_none() && is_same {
            self.project_uuid.clone_from(&known.project_uuid);
            // What the configuration says of the name can be read, and was perhaps changed.
            let generated = IdentityOrigin::Generated;
            if self.slug_origin == generated && known.slug_origin == generated {
                self.project_slug.clone_from(&known.project_slug);
            }
            self.fault = None;
        }
    }
}

/// The mapping `project:`, if the file has one.
fn read_project(root: &Path, faults: &mut Vec<ProjectFault>) -> Option<Node> {
    let mut fault = |line, message: String| {
        let message = printable(&message);
        faults.push(ProjectFault { file: CONFIG.to_owned(), line, message });
    };
    let bytes = match Beneath::open(root)
        .and_then(|beneath| beneath.read(Path::new(CONFIG), MAX_DEFINITION_BYTES))
    {
        Ok(bytes) => bytes?,
        Err(error) => {
            fault(None, error.to_string());
            return None;
        }
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        fault(None, "the file is not UTF-8".to_owned());
        return None;
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match Node::read(text, MAX_DEFINITION_BYTES, Duplicates::LastWins) {
        Ok(root) => root,
        Err(error) => {
            fault(Some(error.line), error.message);
            return None;
        }
    };
    let project = root.get("project")?;
    match &project.value {
        Value::Map(_) => Some(project.clone()),
        Value::Null => None,
        _ => {
            fault(
                Some(project.line),
                format!("`project` must be a mapping; this is {}", project.kind()),
            );
            None
        }
    }
}

/// A value and its line; nothing counts as absent.
fn text_of(project: &Node, key: &str, faults: &mut Vec<ProjectFault>) -> Option<(u64, String)> {
    let node = project.get(key)?;
    let mut fault = |rule: String| {
        let message = format!("project.{key} {rule}; a default is used instead");
        faults.push(ProjectFault { file: CONFIG.to_owned(), line: Some(node.line), message });
        None
    };
    match &node.value {
        Value::Null => None,
        Value::Scalar(text) if text.is_empty() => None,
        Value::Scalar(text) => match broken_rule(text) {
            None => Some((node.line, text.clone())),
            Some(rule) => fault(rule),
        },
        _ => fault(format!("must be text; this is {}", node.kind())),
    }
}

/// The rule for values that this text breaks, if it does.
fn broken_rule(text: &str) -> Option<String> {
    if text.len() > MAX_VALUE_BYTES {
        let length = text.len();
        return Some(format!("must be at most {MAX_VALUE_BYTES} bytes long; this is {length}"));
    }
    let control = text.chars().find(|found| found.is_control())?;
    Some(format!("must have no control character; this has U+{:04X}", u32::from(control)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const UUID: &str = "8a4a7da6-a97c-4bb4-893a-b31664abfee4";

    fn load(config: Option<&[u8]>) -> (ProjectIdentity, Vec<ProjectFault>) {
        let dir = tempfile::tempdir().expect("a directory");
        if let Some(config) = config {
            fs::create_dir(dir.path().join(".kittify")).expect("made");
            fs::write(dir.path().join(CONFIG), config).expect("written");
        }
        let generate = || GeneratedIdentity {
            project_uuid: "generated".to_owned(),
            project_slug: "made-up".to_owned(),
            fault: None,
        };
        let mut faults = Vec::new();
        (ProjectIdentity::load(dir.path(), "node", generate, &mut faults), faults)
    }

    fn check(config: &str, expected: [&str; 3], origin: IdentityOrigin, fault: Option<&str>) {
        let (found, faults) = load(Some(config.as_bytes()));
        let values = [&found.project_uuid, &found.project_slug, &found.node_id];
        assert_eq!(values, expected, "{config}");
        assert_eq!(found.origin, origin, "{config}");
        match (faults.as_slice(), fault) {
            ([], None) => {}
            ([one], Some(needle)) => assert!(one.to_string().contains(needle), "{one}"),
            _ => panic!("{config}: {faults:?}"),
        }
    }

    #[test]
    fn what_the_configuration_says_counts() {
        use IdentityOrigin::{Config, Generated};
        let full = format!(
            "vcs: {{type: git}}\nproject:\n  uuid: {UUID}\n  slug: bakery\n  node_id: d036\n  x: [1]\n"
        );
        check(&full, [UUID, "bakery", "d036"], Config, None);
        check(&format!("project: {{uuid: {UUID}}}"), [UUID, "made-up", "node"], Config, None);
        check("project: {slug: bakery}", ["generated", "bakery", "node"], Generated, None);
        check("", ["generated", "made-up", "node"], Generated, None);
        check("project:\n", ["generated", "made-up", "node"], Generated, None);
        check("other: 1\n", ["generated", "made-up", "node"], Generated, None);
    }

    #[test]
    fn what_is_broken_is_a_fault_and_generated() {
        use IdentityOrigin::Generated;
        let generated = ["generated", "made-up", "node"];
        check("a: [\n", generated, Generated, Some(".kittify/config.yaml:"));
        check(
            "project: [1]\n",
            generated,
            Generated,
            Some("config.yaml:1: `project` must be a mapping"),
        );
        check(
            "project:\n  uuid: nonsense\n",
            generated,
            Generated,
            Some("config.yaml:2: project.uuid"),
        );
        check("project:\n  slug: [a]\n", generated, Generated, Some("config.yaml:2: project.slug"));
        check(
            "project:\n  node_id: a b\n",
            generated,
            Generated,
            Some("config.yaml:2: project.node_id"),
        );
        let long = format!("project:\n  slug: {}\n", "x".repeat(201));
        for (config, rule) in [
            ("project:\n  slug: [a]\n", "2: project.slug must be text; this is "),
            (&long, "2: project.slug must be at most 200 bytes long; this is 201; a default"),
            (
                "project:\n  uuid: \"a\\\"b\\u0007\"\n",
                "2: project.uuid must have no control character; this has U+0007; a default",
            ),
        ] {
            check(config, generated, Generated, Some(rule));
        }
        check(&"[".repeat(40_000), generated, Generated, Some("config.yaml:1"));
        assert_eq!(load(Some(b"\xff")).1.len(), 1);
        assert!(load(None).1.is_empty());
    }

    #[test]
    fn what_was_generated_stays_when_it_cannot_be_read_any_more() {
        let (known, _) = load(None);
        let fault = IdentityFault { message: "unreadable".to_owned(), passes: false };
        let lost = ProjectIdentity {
            project_uuid: "another".to_owned(),
            fault: Some(fault.clone()),
            ..known.clone()
        };
        let check = |known: &ProjectIdentity, stays: bool| {
            let mut found = lost.clone();
            found.stay(known);
            assert_eq!(found, if stays { known.clone() } else { lost.clone() });
        };
        check(&known, true);
        check(&ProjectIdentity { fault: Some(fault), ..known.clone() }, false);
        check(&ProjectIdentity { origin: IdentityOrigin::Config, ..known.clone() }, false);
        // A name that is configured does not come back when it was changed or taken away.
        let old = ProjectIdentity {
            project_slug: "old".to_owned(),
            slug_origin: IdentityOrigin::Config,
            ..known.clone()
        };
        for (slug, slug_origin) in
            [("new", IdentityOrigin::Config), ("made-up", IdentityOrigin::Generated)]
        {
            let project_slug = slug.to_owned();
            let mut found = ProjectIdentity { project_slug, slug_origin, ..lost.clone() };
            found.stay(&old);
            assert_eq!((found.project_slug.as_str(), &found.fault), (slug, &None));
            assert_eq!(found.project_uuid, known.project_uuid);
        }
    }

    #[test]
    fn build_ids_tell_checkouts_apart() {
        let (found, _) = load(Some(b"project: {build_id: b-1}"));
        assert_eq!(found.build_id, "b-1");
        let of = |path: &str, node: &str| default_build_id(Path::new(path), node);
        assert_eq!(of("/a", "n"), of("/a", "n"));
        assert_eq!(of("/a", "n").len(), 16);
        assert_ne!(of("/a", "n"), of("/b", "n"));
        assert_ne!(of("/a", "n"), of("/a", "m"));
    }

    #[test]
    fn the_default_node_id() {
        // printf 'host:user' | sha256sum | cut -c1-12
        assert_eq!(default_node_id("host", "user"), EXPECTED_NODE_ID);
    }

    const EXPECTED_NODE_ID: &str = "2e1a29e6f4ef";
}
