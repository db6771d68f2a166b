//! Definitions of missions: the input is a `mission.yaml`, a line `%%%`, and an
//! `expected-artifacts.yaml`; without the line it is tried as either.

use std::collections::BTreeSet;

use dossierd::dossier::RelPath;
use dossierd::dossier::definition::{Labelled, MissionDefinition};
use dossierd::dossier::manifest::{Manifest, Requirement};
use dossierd::dossier::mission::Mission;
use dossierd::dossier::strict::{DefinitionError, is_name};

use super::is_one_line;

const LABEL: &str = ".kittify/missions/own/file.yaml";

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let builtin = MissionDefinition::builtin("software-dev").expect("it is built in");
    match text.split_once("\n%%%\n") {
        None => {
            check_mission(text);
            check_manifest(text, &builtin.mission);
        }
        Some((mission, manifest)) => {
            if let Some(mission) = check_mission(mission) {
                check_manifest(manifest, &mission);
            }
            check_override(mission, manifest);
        }
    }
}

fn check_error(error: &DefinitionError, texts: &[&str]) {
    assert_eq!(error.file, LABEL);
    assert!(is_one_line(&error.message), "{error:?}");
    assert!(!error.message.is_empty() && error.message.len() <= 2000, "{error:?}");
    // To YAML a carriage return ends a line, too.
    let lines = texts.iter().map(|text| text.split(['\r', '\n']).count()).max().unwrap_or(0);
    // The place behind the last line is one, too: there something is missing.
    assert!((1..=lines as u64 + 1).contains(&error.line), "{error} of {lines} lines");
}

fn check_mission(text: &str) -> Option<Mission> {
    let mission =
        Mission::parse(text, LABEL, "own").inspect_err(|error| check_error(error, &[text])).ok()?;
    assert_eq!(mission.mission_type(), "own");
    assert!(!mission.steps().is_empty());
    let mut seen = BTreeSet::new();
    for (index, step) in mission.steps().iter().enumerate() {
        assert!(is_name(step), "{step:?}");
        assert!(seen.insert(step), "the step {step} is there twice");
        assert_eq!(mission.step_index(step), Some(index));
        assert!(mission.display_name(index).is_some());
    }
    assert_eq!(Mission::parse(text, LABEL, "own").as_ref(), Ok(&mission));
    Some(mission)
}

fn check_manifest(text: &str, mission: &Mission) {
    let manifest = match Manifest::parse(text, LABEL, mission) {
        Ok(manifest) => manifest,
        Err(error) => return check_error(&error, &[text]),
    };
    let mut keys = BTreeSet::new();
    for (number, entry) in manifest.entries().iter().enumerate() {
        assert!(is_name(&entry.artifact_key), "{entry:?}");
        assert!(!entry.artifact_key.starts_with("artifact."), "{entry:?}");
        assert!(keys.insert(&entry.artifact_key), "the key {} twice", entry.artifact_key);
        assert!(!entry.patterns.is_empty());
        match entry.when {
            Requirement::Always => {}
            Requirement::Step(step) => assert!(step < mission.steps().len()),
            Requirement::Optional => assert!(!entry.blocking),
        }
        for pattern in entry.patterns.iter().filter(|pattern| !pattern.is_glob) {
            // What is no glob is exactly one path, and a path that can be.
            let path = RelPath::new(&pattern.text).expect("a pattern without a glob is a path");
            assert!(manifest.find(&path).entries().any(|found| found == number), "{pattern:?}");
        }
    }
    assert_eq!(Manifest::parse(text, LABEL, mission).as_ref(), Ok(&manifest));
}

/// Both files as a project's override: in force only if each is right by itself.
fn check_override(mission: &str, manifest: &str) {
    let labelled = |text| Some(Labelled { label: LABEL, text });
    match MissionDefinition::from_override("own", labelled(mission), labelled(manifest)) {
        Err(error) => check_error(&error, &[mission, manifest]),
        Ok(definition) => {
            let alone = Mission::parse(mission, LABEL, "own");
            assert_eq!(alone.as_ref(), Ok(&definition.mission));
        }
    }
    // A file that is missing is never taken for one that asks for nothing.
    assert!(MissionDefinition::from_override("own", labelled(mission), None).is_err());
    assert!(MissionDefinition::from_override("own", None, labelled(manifest)).is_err());
}
