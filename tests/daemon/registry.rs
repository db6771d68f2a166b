//! A registry that cannot be written: what was asked for has not happened, and can be asked for
//! again.

use std::fs;
use std::path::{Path, PathBuf};

use dossierd::daemon::command::CommandError;

use crate::kit::{Bench, wait_until, write};

/// Does something while the registry cannot be written, which has to be told.
fn refused<T: std::fmt::Debug>(bench: &Bench, act: impl FnOnce() -> Result<T, CommandError>) {
    let file = bench.home().registry_file();
    let text = fs::read(&file).expect("reads");
    fs::write(&file, "nonsense").expect("written");
    let answer = act();
    fs::write(&file, text).expect("written");
    let Err(CommandError::Failed(said)) = answer else { panic!("{answer:?}") };
    assert!(said.contains("registry.json"), "{said}");
}

/// The paths that are registered, as published and as the file says.
fn check(bench: &Bench, expected: &[&Path]) {
    let view = bench.handle().view();
    let published: Vec<PathBuf> = view.roots.iter().map(|root| root.path.clone()).collect();
    assert_eq!(published, expected);
    let text = fs::read(bench.home().registry_file()).expect("reads");
    let file: serde_json::Value = serde_json::from_slice(&text).expect("is JSON");
    let kept = file["roots"].as_array().expect("a list").iter();
    let kept: Vec<&Path> = kept.filter_map(|root| root["path"].as_str()).map(Path::new).collect();
    assert_eq!(kept, expected);
}

fn register(bench: &Bench, path: &Path) -> Result<String, CommandError> {
    let registered = bench.handle().register(path.to_path_buf(), None, None);
    bench.runtime.block_on(registered).map(|registered| registered.root.id.clone())
}

fn unregister(bench: &Bench, id: &str) -> Result<(), CommandError> {
    bench.runtime.block_on(bench.handle().unregister(id.to_owned())).map(drop)
}

#[test]
fn a_removal_that_could_not_be_written_can_be_asked_for_again() {
    let bench = Bench::new();
    bench.planned_feature("001-a");
    let other = bench.path().join("other");
    write(&other.join("kitty-specs/009-z/spec.md"), "# Z\n");
    let first = register(&bench, &bench.project()).expect("registers");
    register(&bench, &other).expect("registers");
    for _ in 0..2 {
        refused(&bench, || unregister(&bench, &first));
        check(&bench, &[&bench.project(), &other]);
    }
    bench.write("001-a/spec.md", "# Still watched\n");
    bench.fresh("001-a");
    unregister(&bench, &first).expect("is removed");
    check(&bench, &[&other]);
    assert!(matches!(unregister(&bench, &first), Err(CommandError::NotFound(_))));
    register(&bench, &bench.project()).expect("registers");
    check(&bench, &[&other, &bench.project()]);
}

#[test]
fn a_registration_that_could_not_be_written_leaves_all_as_it_was() {
    let bench = Bench::new();
    // Without a marker the feature is its own project until it has another one.
    bench.write("001-a/meta.json", r#"{"mission_type": "software-dev"}"#);
    bench.write("001-a/spec.md", "# Spec\n");
    let feature = bench.project().join("kitty-specs/001-a");
    register(&bench, &feature).expect("registers");
    let id = bench.view("001-a").id.clone();
    refused(&bench, || register(&bench, &bench.project()));
    check(&bench, &[&feature]);
    assert_eq!(bench.handle().view().features.len(), 1, "what is served stays served");
    let set = || bench.handle().set_step(id.clone(), Some("implement".into()));
    refused(&bench, || bench.runtime.block_on(set()));
    assert_ne!(bench.fresh("001-a").dossier.current_step.as_deref(), Some("implement"));
    bench.write("001-a/plan.md", "# Plan\n");
    wait_until("it is still watched", || {
        let view = bench.view("001-a");
        view.dossier.artifacts.iter().any(|row| row.key.contains("plan") && row.is_present())
    });
    bench.runtime.block_on(set()).expect("is set");
    register(&bench, &bench.project()).expect("registers");
    check(&bench, &[&bench.project()]);
    assert_eq!(
        bench.fresh("001-a").dossier.current_step.as_deref(),
        Some("implement"),
        "it goes along"
    );
}
