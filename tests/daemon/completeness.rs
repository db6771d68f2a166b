//! Nothing that a mission requires is ever left out in silence: of a hundred missions,
//! each required artifact in turn is removed, broken or made unreadable, and dossier, view
//! and log name exactly it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use dossierd::dossier::completeness::CompletenessStatus;
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::manifest::Requirement;

use crate::kit::random::Random;
use crate::kit::{Bench, MISSING, write};

/// One required artifact of a mission: its key and a path that meets it.
type Required = (String, String);

/// What a mission requires up to a step.
fn required(mission: &str, step: usize) -> Vec<Required> {
    let definition = MissionDefinition::builtin(mission).expect("is built in");
    let due = |when: &Requirement| match when {
        Requirement::Always => true,
        Requirement::Step(at) => *at <= step,
        Requirement::Optional => false,
    };
    let entries = definition.manifest.entries().iter();
    entries
        .filter(|entry| entry.blocking && due(&entry.when))
        .map(|entry| {
            let pattern = &entry.patterns[0].text;
            (entry.artifact_key.clone(), pattern.replace("**/", "").replace('*', "01-x"))
        })
        .collect()
}

/// A way to spoil a file, and the reason code that it gives.
type Spoil = (&'static str, fn(&std::path::Path));

const SPOILS: [Spoil; 4] = [
    ("not_found", |path| fs::remove_file(path).expect("removed")),
    ("invalid_format", |path| write(path, b"text \xff\xfe")),
    ("unreadable", |path| {
        fs::remove_file(path).expect("removed");
        symlink("/etc/hostname", path).expect("linked");
    }),
    ("unreadable", |path| {
        fs::remove_file(path).expect("removed");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .expect("a fifo");
    }),
];

#[test]
fn what_is_required_and_not_there_is_named() {
    let bench = Bench::new();
    fs::create_dir_all(bench.project().join(".kittify")).expect("made");
    let mut random = Random(11);
    let types = ["software-dev", "research", "documentation"];
    let mut missions = Vec::new();
    for number in 0..100 {
        let mission = types[number % types.len()];
        let definition = MissionDefinition::builtin(mission).expect("is built in");
        let steps = definition.mission.steps();
        let step = 1 + random.below(steps.len() - 1);
        let slug = format!("{number:03}-m");
        let meta = format!(r#"{{"mission_type": "{mission}", "current_step": "{}"}}"#, steps[step]);
        bench.write(&format!("{slug}/meta.json"), meta);
        let required = required(mission, step);
        for (key, path) in &required {
            bench.write(&format!("{slug}/{path}"), format!("# {key} of {slug}\n"));
        }
        missions.push((slug, required));
    }
    bench.register(&bench.project());
    let view = bench.handle().view();
    for feature in view.features.values() {
        let status = feature.dossier.completeness_status;
        assert_eq!(
            status,
            CompletenessStatus::Complete,
            "{}: {:?}",
            feature.slug,
            feature.dossier.missing
        );
    }
    let rounds = missions.iter().map(|(_, required)| required.len()).max().expect("some");
    let mut named = 0;
    for round in 0..rounds {
        let mut spoilt = Vec::new();
        for (slug, required) in &missions {
            let Some((key, path)) = required.get(round) else { continue };
            let (reason, spoil) = SPOILS[random.below(SPOILS.len())];
            spoil(&bench.project().join("kitty-specs").join(slug).join(path));
            spoilt.push((slug, key, path, reason));
        }
        bench.fresh_all();
        for (slug, key, path, reason) in &spoilt {
            let dossier = bench.view(slug).dossier.clone();
            let missing: Vec<_> = dossier
                .missing
                .iter()
                .filter(|m| m.blocking)
                .map(|m| (m.artifact_key.as_str(), m.reason_code.as_str()))
                .collect();
            assert_eq!(missing, [(key.as_str(), *reason)], "{slug}/{path}");
            assert_eq!(dossier.completeness_status, CompletenessStatus::Incomplete);
            let anomalies = dossier.anomalies.iter().filter(|a| a.code == "missing-required");
            let keys: BTreeSet<_> = anomalies.filter_map(|a| a.artifact_key.as_deref()).collect();
            assert_eq!(keys, BTreeSet::from([key.as_str()]), "{slug}/{path}");
            named += 1;
        }
        // The log: some features each round, since each costs a wait for the disk.
        for (slug, key, _, reason) in spoilt.iter().skip(round).step_by(17) {
            let events = bench.events(slug);
            let last = events.iter().rev().find(|event| event["event_type"] == MISSING);
            let notes = &last.expect("is in the log")["payload"]["context_diagnostics"];
            assert_eq!(
                (&notes["artifact_key"], &notes["reason_code"]),
                (&(*key).clone().into(), &(*reason).into())
            );
        }
        for (slug, key, path, _) in &spoilt {
            let place = bench.project().join("kitty-specs").join(slug).join(path);
            let _ = fs::remove_file(&place);
            write(&place, format!("# {key} of {slug}\n"));
        }
    }
    assert!(named >= 300, "{named} spoilt artifacts");
    bench.fresh_all();
    let view = bench.handle().view();
    let complete = |f: &&std::sync::Arc<dossierd::daemon::view::FeatureView>| {
        f.dossier.completeness_status == CompletenessStatus::Complete
    };
    assert_eq!(view.features.values().filter(complete).count(), 100);
}
