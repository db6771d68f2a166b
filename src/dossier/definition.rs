//! A mission type in full: its state machine and its manifest, built in or a project's own.
//!
//! Built-in definitions are embedded in the program; where overrides are found on disk
//! is left to `project::missions`.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;
use super::mission::Mission;
pub use super::strict::DefinitionError;
use super::strict::{StrictFile, is_name};

/// The two files of a built-in mission type.
struct BuiltinSource {
    mission_type: &'static str,
    mission: &'static str,
    manifest: &'static str,
}

macro_rules! builtin {
    ($mission_type:literal) => {
        BuiltinSource {
            mission_type: $mission_type,
            mission: include_str!(concat!("../../missions/", $mission_type, "/mission.yaml")),
            manifest: include_str!(concat!(
                "../../missions/",
                $mission_type,
                "/expected-artifacts.yaml"
            )),
        }
    };
}

const BUILTINS: &[BuiltinSource] =
    &[builtin!("software-dev"), builtin!("research"), builtin!("documentation")];

/// Longer mission types are refused.
const MAX_TYPE_BYTES: usize = 100;

/// Where a definition came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Embedded in the program.
    Builtin,
    /// A project's own files, relative to the project root; `None` where the built-in
    /// file is in force.
    Override {
        /// Its `mission.yaml`.
        mission: Option<String>,
        /// Its `expected-artifacts.yaml`.
        manifest: Option<String>,
    },
}

/// One mission type: its steps, and what must exist at each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissionDefinition {
    /// Its name, such as `software-dev`.
    pub mission_type: String,
    /// The steps.
    pub mission: Mission,
    /// The expected artifacts.
    pub manifest: Manifest,
    /// Where both came from.
    pub origin: Origin,
}

/// A file's text and the label that errors call it by.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// Such as `.kittify/missions/research/mission.yaml`.
    pub label: &'a str,
    /// The whole text.
    pub text: &'a str,
}

/// A file's label and text, kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelledText {
    /// As in [`Labelled`].
    pub label: String,
    /// The whole text.
    pub text: String,
}

/// The files of an override; where one is `None`, the built-in file is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideTexts {
    /// `mission.yaml`.
    pub mission: Option<LabelledText>,
    /// `expected-artifacts.yaml`.
    pub manifest: Option<LabelledText>,
}

impl OverrideTexts {
    /// What they define; see [`MissionDefinition::from_override`].
    pub fn define(&self, mission_type: &str) -> Result<MissionDefinition, DefinitionError> {
        fn borrowed(file: &Option<LabelledText>) -> Option<Labelled<'_>> {
            file.as_ref().map(|file| Labelled { label: &file.label, text: &file.text })
        }
        let (mission, manifest) = (borrowed(&self.mission), borrowed(&self.manifest));
        MissionDefinition::from_override(mission_type, mission, manifest)
    }
}

impl MissionDefinition {
    /// The names of the built-in mission types.
    pub fn builtin_types() -> impl Iterator<Item = &'static str> {
        BUILTINS.iter().map(|source| source.mission_type)
    }

    /// A built-in definition; parsed once.
    pub fn builtin(mission_type: &str) -> Option<Arc<MissionDefinition>> {
        static PARSED: OnceLock<Vec<Arc<MissionDefinition>>> = OnceLock::new();
        PARSED
            .get_or_init(|| {
                BUILTINS
                    .iter()
                    .map(|source| {
                        MissionDefinition::from_override(source.mission_type, None, None)
                            .map(|definition| {
                                Arc::new(MissionDefinition {
                                    origin: Origin::Builtin,
                                    ..definition
                                })
                            })
                            .expect("the embedded missions parse, as a test of this module checks")
                    })
                    .collect()
            })
            .iter()
            .find(|definition| definition.mission_type == mission_type)
            .cloned()
    }

    /// A definition from a project's files. A file that is not given is the built-in one;
    /// a type that is not built in needs both. A manifest always has to fit its mission.
    pub fn from_override(
        mission_type: &str,
        mission: Option<Labelled<'_>>,
        manifest: Option<Labelled<'_>>,
    ) -> Result<MissionDefinition, DefinitionError> {
        let source = BUILTINS.iter().find(|source| source.mission_type == mission_type);
        let given = mission.or(manifest).map_or(mission_type, |file| file.label);
        if !is_name(mission_type) || mission_type.len() > MAX_TYPE_BYTES {
            let message = format!(
                "{mission_type:?} is no mission type; allowed are letters, digits, `.`, `_` and \
                 `-`, at most {MAX_TYPE_BYTES} of them"
            );
            return Err(StrictFile::new(given).error(1, message));
        }
        let missing = |file: &str| {
            let message = format!(
                "{mission_type:?} is not a built-in mission type, so it needs both mission.yaml \
                 and expected-artifacts.yaml; {file} is missing"
            );
            StrictFile::new(given).error(1, message)
        };
        let mission_file = match (mission, source) {
            (Some(file), _) => file,
            (None, Some(source)) => {
                Labelled { label: "built-in mission.yaml", text: source.mission }
            }
            (None, None) => return Err(missing("mission.yaml")),
        };
        let manifest_file = match (manifest, source) {
            (Some(file), _) => file,
            (None, Some(source)) => {
                Labelled { label: "built-in expected-artifacts.yaml", text: source.manifest }
            }
            (None, None) => return Err(missing("expected-artifacts.yaml")),
        };
        let parsed = Mission::parse(mission_file.text, mission_file.label, mission_type)?;
        let manifest_parsed = Manifest::parse(manifest_file.text, manifest_file.label, &parsed)
            .map_err(|e| match manifest {
                Some(_) => e,
                // The built-in file is right; it is the mission that no longer fits it.
                None => StrictFile::new(given).error(
                    1,
                    format!("the {}, line {}, does not fit: {}", e.file, e.line, e.message),
                ),
            })?;
        Ok(MissionDefinition {
            mission_type: mission_type.to_owned(),
            mission: parsed,
            manifest: manifest_parsed,
            origin: Origin::Override {
                mission: mission.map(|file| file.label.to_owned()),
                manifest: manifest.map(|file| file.label.to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Requirement;
    use super::*;

    /// One line an entry: step, patterns, key, class, and `*` if it does not block.
    fn check(mission_type: &str, steps: &[&str], expected: &[&str]) {
        let definition = MissionDefinition::builtin(mission_type).expect(mission_type);
        assert_eq!(definition.mission.steps(), steps);
        assert_eq!(definition.origin, Origin::Builtin);
        let lines: Vec<String> = definition
            .manifest
            .entries()
            .iter()
            .map(|entry| {
                let step = match entry.when {
                    Requirement::Always => "always",
                    Requirement::Step(index) => steps[index],
                    Requirement::Optional => "optional",
                };
                let patterns: Vec<&str> = entry.patterns.iter().map(|p| p.text.as_str()).collect();
                let soft = if entry.blocking || step == "optional" { "" } else { " *" };
                let (key, class) = (&entry.artifact_key, entry.artifact_class);
                assert!(key.starts_with(class.as_str()), "{key} is {class}");
                format!("{step} {} {key}{soft}", patterns.join("|"))
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn software_dev() {
        check(
            "software-dev",
            &["discovery", "specify", "plan", "implement", "review", "done"],
            &[
                "specify spec.md input.spec.main",
                "plan plan.md output.plan.main",
                "plan tasks.md output.tasks.list",
                "implement tasks/WP*.md output.tasks.per_wp",
                "optional research.md evidence.research",
                "optional gap-analysis.md evidence.gap-analysis",
                "optional quickstart.md evidence.quickstart",
                "optional data-model.md evidence.data-model",
            ],
        );
    }

    #[test]
    fn research() {
        check(
            "research",
            &["scoping", "methodology", "gathering", "synthesis", "output", "done"],
            &[
                "scoping spec.md input.spec.research",
                "methodology plan.md workflow.plan.methodology",
                "gathering source-register.csv|research/source-register.csv evidence.source-register",
                "synthesis findings.md output.findings.main",
                "output report.md output.report.publication",
                "optional methodology.md evidence.methodology.detailed",
                "optional synthesis.md evidence.synthesis.notes",
                "optional literature-review.md evidence.literature-review",
                "optional gap-analysis.md evidence.gap-analysis",
                "optional research.md evidence.research-log",
            ],
        );
    }

    #[test]
    fn documentation() {
        check(
            "documentation",
            &["discover", "audit", "design", "generate", "validate", "publish", "done"],
            &[
                "discover spec.md input.spec.documentation",
                "audit gap-analysis.md evidence.gap-analysis",
                "design plan.md workflow.plan.documentation",
                "design tasks.md workflow.tasks.documentation",
                "generate docs/**/*.md output.docs.generated *",
                "validate audit-report.md evidence.audit-report",
                "publish release.md output.release.main",
                "optional research.md evidence.research",
                "optional data-model.md evidence.data-model",
                "optional quickstart.md evidence.quickstart",
            ],
        );
    }

    #[test]
    fn an_unknown_type_is_not_built_in() {
        assert!(MissionDefinition::builtin("plan").is_none());
        assert_eq!(MissionDefinition::builtin_types().count(), 3);
    }

    #[test]
    fn one_file_can_be_overridden_alone() {
        let text = "schema_version: '1.0'\nmission_type: research\nmanifest_version: '7'\n";
        let file = Labelled { label: "x.yaml", text };
        let definition =
            MissionDefinition::from_override("research", None, Some(file)).expect("parses");
        assert_eq!(definition.manifest.manifest_version(), "7");
        assert_eq!(definition.mission.steps()[0], "scoping");
    }

    #[test]
    fn an_overridden_mission_must_still_fit_the_manifest() {
        let file = Labelled { label: "m.yaml", text: "initial: a\nstates: [a]\n" };
        let error = MissionDefinition::from_override("research", Some(file), None)
            .expect_err("the built-in manifest names other steps");
        assert_eq!((error.file.as_str(), error.line), ("m.yaml", 1));
        assert!(error.message.contains("built-in expected-artifacts.yaml"), "{error}");
        assert!(error.message.contains("allowed are a"), "{error}");
    }

    #[test]
    fn a_new_type_needs_both_files() {
        let file = Labelled { label: "m.yaml", text: "initial: a\nstates: [a]\n" };
        let error = MissionDefinition::from_override("mine", Some(file), None).expect_err("one");
        assert!(error.message.contains("expected-artifacts.yaml is missing"), "{error}");
        assert!(MissionDefinition::from_override("a/b", Some(file), None).is_err());
    }
}
