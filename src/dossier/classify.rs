//! The class of an artifact, who decided it, and its links to a work package and a step.

use std::borrow::Cow;
use std::fmt;

use super::frontmatter::Frontmatter;
use super::manifest::Found;
use super::mission::Mission;
use super::rules::rule_of;
use super::{ArtifactClass, RelPath};

/// The class of what nothing else classes; counted as unrecognised.
pub const DEFAULT_CLASS: ArtifactClass = ArtifactClass::Evidence;

/// Which rule decided a class. `Display` is the form of the wire:
/// `manifest:<key>`, `frontmatter`, `rule:<id>` or `rule:default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClassifiedBy {
    /// The manifest's entry with this key.
    Manifest(String),
    /// `artifact_class` in the file's front matter.
    Frontmatter,
    /// The path rule with this identifier.
    Rule(&'static str),
    /// Nothing knew the file.
    Default,
}

impl ClassifiedBy {
    /// The form of the wire.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Manifest(key) => format!("manifest:{key}").into(),
            Self::Frontmatter => "frontmatter".into(),
            Self::Rule(id) => format!("rule:{id}").into(),
            Self::Default => "rule:default".into(),
        }
    }
}

impl fmt::Display for ClassifiedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The class of an artifact of which the manifest says what was `found`: its, else its front matter's, else that of the
/// first path rule, else [`DEFAULT_CLASS`].
pub fn classify(
    path: &RelPath,
    frontmatter: Option<&Frontmatter>,
    found: Option<&Found<'_>>,
) -> (ArtifactClass, ClassifiedBy) {
    if let Some((entry, _)) = found.and_then(Found::first) {
        return (entry.artifact_class, ClassifiedBy::Manifest(entry.artifact_key.clone()));
    }
    if let Some(class) = frontmatter.and_then(|f| f.artifact_class) {
        return (class, ClassifiedBy::Frontmatter);
    }
    match rule_of(path) {
        Some(rule) => (rule.class, ClassifiedBy::Rule(rule.id)),
        None => (DEFAULT_CLASS, ClassifiedBy::Default),
    }
}

/// The work package an artifact belongs to, upper-case: front matter's
/// `work_package_id`, else `WP` and at least two digits at the start of a segment below
/// `tasks/`, in any case (`tasks/WP03-x/review-cycle-1.md` is WP03).
pub fn wp_id(path: &RelPath, frontmatter: Option<&Frontmatter>) -> Option<String> {
    if let Some(id) = frontmatter.and_then(|f| f.work_package_id.as_deref()) {
        return Some(id.to_ascii_uppercase());
    }
    let mut segments = path.segments();
    if segments.next() != Some(b"tasks") {
        return None;
    }
    segments.find_map(|segment| {
        let digits = match segment {
            [b'W' | b'w', b'P' | b'p', rest @ ..] => {
                rest.iter().take_while(|b| b.is_ascii_digit()).count()
            }
            _ => 0,
        };
        let id = (digits >= 2).then(|| std::str::from_utf8(&segment[..2 + digits]).ok());
        id.flatten().map(str::to_ascii_uppercase)
    })
}

/// The step an artifact belongs to: front matter's `step_id`, else the first step whose
/// required artifacts list it.
pub fn step_id(
    frontmatter: Option<&Frontmatter>,
    mission: Option<&Mission>,
    found: Option<&Found<'_>>,
) -> Option<String> {
    if let Some(step) = frontmatter.and_then(|f| f.step_id.clone()) {
        return Some(step);
    }
    mission?.steps().get(found?.first_step()?).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::definition::MissionDefinition;
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a path")
    }

    fn check_class(p: &str, class: Option<ArtifactClass>, expected: (ArtifactClass, &str)) {
        let definition = MissionDefinition::builtin("research").expect("built in");
        let frontmatter = Frontmatter { artifact_class: class, ..Frontmatter::default() };
        let match_ = definition.manifest.find(&path(p));
        let (found, by) = classify(&path(p), Some(&frontmatter), Some(&match_));
        assert_eq!((found, by.to_string().as_str()), expected, "{p}");
    }

    #[test]
    fn the_first_that_knows_decides() {
        use ArtifactClass::{Evidence, Input, Policy, Runtime, Workflow};
        check_class("spec.md", Some(Policy), (Input, "manifest:input.spec.research"));
        check_class("plan.md", None, (Workflow, "manifest:workflow.plan.methodology"));
        check_class("archive/spec.md", Some(Policy), (Policy, "frontmatter"));
        check_class("archive/spec.md", None, (Evidence, "rule:archive"));
        check_class("status.json", None, (Runtime, "rule:status"));
        check_class("anything.bin", None, (Evidence, "rule:default"));
        let (class, by) = classify(&path("plan.md"), None, None);
        assert_eq!((class, by.to_string().as_str()), (ArtifactClass::Output, "rule:plan"));
    }

    fn check_wp(p: &str, stated: Option<&str>, expected: Option<&str>) {
        let frontmatter =
            Frontmatter { work_package_id: stated.map(str::to_owned), ..Frontmatter::default() };
        assert_eq!(wp_id(&path(p), Some(&frontmatter)).as_deref(), expected, "{p}");
    }

    #[test]
    fn links_to_work_packages() {
        check_wp("tasks/WP01.md", None, Some("WP01"));
        check_wp("tasks/wp01-first.md", None, Some("WP01"));
        check_wp("tasks/WP03-x/review-cycle-1.md", None, Some("WP03"));
        check_wp("tasks/done/WP123-x.md", None, Some("WP123"));
        check_wp("tasks/WP01-x/wp02.md", None, Some("WP01"));
        check_wp("tasks/WP1.md", None, None);
        check_wp("tasks/xWP01.md", None, None);
        check_wp("tasks/README.md", None, None);
        check_wp("WP01.md", None, None);
        check_wp("docs/tasks/WP01.md", None, None);
        check_wp("tasks", None, None);
        check_wp("notes.md", Some("wp07"), Some("WP07"));
        check_wp("tasks/WP01.md", Some("WP02"), Some("WP02"));
    }

    #[test]
    fn links_to_steps() {
        let definition = MissionDefinition::builtin("research").expect("built in");
        let of = |p: &str, stated: Option<&str>| {
            let frontmatter =
                Frontmatter { step_id: stated.map(str::to_owned), ..Frontmatter::default() };
            step_id(
                Some(&frontmatter),
                Some(&definition.mission),
                Some(&definition.manifest.find(&path(p))),
            )
        };
        assert_eq!(of("research/source-register.csv", None).as_deref(), Some("gathering"));
        assert_eq!(of("spec.md", Some("output")).as_deref(), Some("output"));
        assert_eq!(of("research.md", None), None);
        assert_eq!(step_id(None, None, None), None);
    }
}
