//! Checks that the sample project in `examples/` is what its README says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity::{GeneratedIdentity, IdentityOrigin};
use super::{MissionCatalog, ProjectContext, root};
use crate::dossier::classify::{ClassifiedBy, classify};
use crate::dossier::extract::{Extract, extract};
use crate::dossier::facts::DiskFacts;
use crate::dossier::manifest::Requirement;
use crate::dossier::{Digest, FileFacts, FileState, FileTable, RelPath, Timestamp};

fn files_of(feature: &Path, dir: &Path, table: &mut FileTable) {
    for entry in std::fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_of(feature, &path, table);
            continue;
        }
        let relative = path.strip_prefix(feature).expect("below the feature");
        let relative = RelPath::new(relative.as_os_str().as_encoded_bytes()).expect("a path");
        let bytes = std::fs::read(&path).expect("reads");
        let extract = Arc::new(extract(&relative, &bytes));
        assert_eq!(extract.fault(), None, "{relative}");
        let facts = FileFacts {
            size_bytes: bytes.len() as u64,
            state: FileState::Text { sha256: Digest::sha256(&bytes), extract },
            indexed_at: Timestamp::from_micros(0),
        };
        table.insert(relative, Arc::new(facts));
    }
}

/// The inferred step, and the keys of blocking artifacts that are missing up to it.
fn check(context: &ProjectContext, feature: &Path, step: &str, missing: &[&str]) {
    let mut files = FileTable::new();
    files_of(feature, feature, &mut files);
    let meta = files.get(&RelPath::new("meta.json").expect("a path")).expect("has one");
    let FileState::Text { extract, .. } = &meta.state else { panic!("{feature:?}: meta.json") };
    let Extract::Meta(meta) = extract.as_ref() else { panic!("{feature:?}: meta.json") };
    let mission_type = meta.mission_type().expect("a mission type");
    let definition = context.catalog.get(mission_type).expect("built in");
    let inferred = definition.mission.infer_step(&DiskFacts::new(&files));
    assert_eq!(inferred, Some(step), "{feature:?}");
    if let Some(stated) = meta.step() {
        assert_eq!(stated, step, "{feature:?}");
    }
    let current = definition.mission.step_index(step).expect("a step");
    let found: Vec<&str> = (definition.manifest.entries().iter().enumerate())
        .filter(|(_, entry)| match entry.when {
            Requirement::Always => true,
            Requirement::Step(index) => index <= current,
            Requirement::Optional => false,
        })
        .filter(|(number, entry)| {
            let met =
                |path: &RelPath| definition.manifest.find(path).entries().any(|n| n == *number);
            entry.blocking && !files.keys().any(met)
        })
        .map(|(_, entry)| entry.artifact_key.as_str())
        .collect();
    assert_eq!(found, missing, "{feature:?}");
    for path in files.keys() {
        let (_, by) = classify(path, None, Some(&definition.manifest.find(path)));
        assert_ne!(by, ClassifiedBy::Default, "{path}");
    }
}

#[test]
fn the_sample_project_is_what_its_readme_says() {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/sample-project");
    if !project.is_dir() {
        eprintln!("skipped: the package comes without its examples");
        return;
    }
    let generate = || -> GeneratedIdentity { panic!("the configuration has an identity") };
    let context = ProjectContext::load(
        &project,
        Arc::new(MissionCatalog::load(Some(&project), None)),
        "node",
        generate,
    );
    assert_eq!(context.identity.origin, IdentityOrigin::Config);
    assert_eq!(context.identity.project_slug, "corner-bakery");
    assert_eq!(context.catalog.faults(), []);
    let features = root::feature_dirs(&project).expect("lists");
    let [software, research, documentation] = features.as_slice() else {
        panic!("three features: {features:?}")
    };
    check(&context, &software.1, "review", &[]);
    check(&context, &research.1, "gathering", &["evidence.source-register"]);
    check(&context, &documentation.1, "done", &[]);
}
