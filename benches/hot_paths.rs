//! The functions that run most, one by one: `cargo bench --bench hot_paths`.
//!
//! They tell where time goes when the comparison of whole processes (`compare`) says that
//! something became slower. Only what others may call is called, so that a bench outlives
//! the way in which something is done.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::event::{Payload, RawEvent};
use dossierd::dossier::extract::{extract, extract_head};
use dossierd::dossier::frontmatter::Frontmatter;
use dossierd::dossier::ledger::Ledger;
use dossierd::dossier::parity::{TreeHash, parity_hash};
use dossierd::dossier::{Digest, RelPath, classify, key};
use dossierd::index::{FeatureIndex, IgnoreRules, ScanRequest, ScanSettings, Touched};
use dossierd::project::ProjectContext;
use dossierd::project::identity::GeneratedIdentity;
use dossierd::project::missions::MissionCatalog;
use dossierd::survey::{Assignment, FeatureSurvey, Surroundings, now};
use dossierd::watch::Unwatched;

/// Artifacts of the feature that stands for all.
const ARTIFACTS: usize = 1_000;
/// The median size of real artifacts.
const SIZE: usize = 6_000;

const WORK_PACKAGE: &str = "---\nwork_package_id: WP07\ntitle: Token rotation\nlane: for_review\n\
    dependencies: [WP03, WP05]\nsubtasks:\n- T001\n- T002\n- T003\nhistory:\n\
    - timestamp: '2025-11-10T10:00:00Z'\n  lane: planned\n  agent: system\n---\n\n# WP07\n\n";

const LOG_LINE: &str = r#"{"event_id":"01M827FN92TN7RAFADWDQPRN3D","event_type":"MissionDossierArtifactIndexed","aggregate_id":"012-checkout","aggregate_type":"MissionDossier","payload":{"namespace":{"project_uuid":"5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815","mission_slug":"012-checkout","target_branch":"main","mission_type":"software-dev","manifest_version":"1","step_id":"done"},"artifact_id":{"mission_type":"software-dev","path":"kitty-specs/012-checkout/acceptance-matrix.json","artifact_class":"evidence"},"content_ref":{"hash":"d8832ac465c6856eb51f9db24046899e5cedfc2a5f27f55ef7dc8c5a22ae8090","algorithm":"sha256","size_bytes":6160,"encoding":"utf-8"},"indexed_at":"2026-11-22T18:14:51.914592Z","provenance":{"git_ref":"refs/heads/main"},"context_diagnostics":{"artifact_key":"artifact.acceptance-matrix_json","classified_by":"rule:acceptance-matrix","relative_path":"acceptance-matrix.json","required_status":"optional"}},"timestamp":"2026-11-22T18:14:51.938052Z","build_id":"42a51ea5f226747c","node_id":"b805cd5cee74","lamport_clock":118,"causation_id":null,"correlation_id":"01M827FN9274G99SZSGB0VEEX6","project_uuid":"5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815","project_slug":"bench","schema_version":"3.0.0","data_tier":0}"#;

/// Paths as features have them.
fn path(number: usize) -> RelPath {
    let text = match number % 4 {
        0 => format!("tasks/WP{number:02}-token-rotation.md"),
        1 => format!("tasks/WP{number:02}-token-rotation/review-cycle-1.md"),
        2 => format!("research/topic_{number}/notes.md"),
        _ => format!("contracts/orders-{number}.v1.yaml"),
    };
    RelPath::new(&text).expect("a path of plain letters is valid")
}

fn paths(count: usize) -> Vec<RelPath> {
    let mut paths: Vec<RelPath> = (0..count).map(path).collect();
    paths.sort();
    paths
}

/// A text of this size that differs from those with other numbers.
fn text(number: usize, size: usize) -> String {
    let mut text = format!("{WORK_PACKAGE}{number}\n");
    text.push_str(&"Every change is accepted by a person — or it is not. ".repeat(size / 54));
    text
}

fn write(path: &Path, content: &str) {
    let parent = path.parent().expect("a file lies in a directory");
    fs::create_dir_all(parent).expect("the directory can be made");
    fs::write(path, content).expect("the file can be written");
}

/// A project with one feature.
fn project(artifacts: usize) -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("there is a temporary directory");
    let feature = project.path().join("kitty-specs/012-checkout");
    write(&project.path().join(".kittify/config.yaml"), "project:\n  slug: bench\n");
    write(&feature.join("meta.json"), "{\"mission_type\": \"software-dev\"}\n");
    for (number, path) in paths(artifacts).iter().enumerate() {
        write(&feature.join(path.shown().as_ref()), &text(number, SIZE));
    }
    project
}

fn index(project: &Path) -> FeatureIndex {
    let feature = project.join("kitty-specs/012-checkout");
    let (rules, _) = IgnoreRules::load(&feature, Some(project));
    FeatureIndex::new(feature, rules, None)
}

/// Opening, reading, checking and hashing: everything but judging.
fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("index");
    for (name, count, size) in
        [("100 files of 6 KB", 100, SIZE), ("a file of 10 MB", 1, 10_000_000)]
    {
        let project = project(0);
        let feature = project.path().join("kitty-specs/012-checkout");
        for number in 0..count {
            write(&feature.join(format!("notes-{number}.md")), &text(number, size));
        }
        let cancelled = AtomicBool::new(false);
        let settings = ScanSettings {
            threads: 1,
            gate: false,
            extract,
            extract_head,
            now: &now,
            cancelled: &cancelled,
            progress: None,
            beat: None,
        };
        group.throughput(Throughput::Bytes((count * size) as u64));
        group.bench_function(name, |b| {
            let scan = |mut index: FeatureIndex| {
                index.scan(&ScanRequest::Full, &Unwatched, &settings).root.expect("it is there");
                index
            };
            b.iter_batched(|| index(project.path()), scan, BatchSize::PerIteration);
        });
    }
}

/// The two hashes of a feature, over all of its rows.
fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("hashes");
    for count in [1_000, 100_000] {
        let rows: Vec<(RelPath, Digest)> = paths(count)
            .into_iter()
            .map(|path| (path.clone(), Digest::sha256(path.shown().as_bytes())))
            .collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("parity of {count}"), |b| {
            b.iter(|| parity_hash(rows.iter().map(|(_, digest)| *digest)));
        });
        group.bench_function(format!("tree of {count}"), |b| {
            b.iter(|| TreeHash::of_sorted(rows.iter().map(|(path, digest)| (path, *digest))));
        });
    }
}

/// What is asked of every path, and of every text.
fn facts(c: &mut Criterion) {
    let paths = paths(ARTIFACTS);
    let definition = MissionDefinition::builtin("software-dev").expect("it is built in");
    let mut group = c.benchmark_group("facts");
    group.throughput(Throughput::Elements(paths.len() as u64));
    group.bench_function("class of 1000 paths", |b| {
        b.iter(|| {
            for path in &paths {
                let found = definition.manifest.find(path);
                black_box(classify::classify(path, None, Some(&found)));
            }
        });
    });
    group.bench_function("key of 1000 paths", |b| {
        b.iter(|| {
            for path in &paths {
                black_box(key::encode(path));
            }
        });
    });
    let text = text(1, SIZE);
    group.throughput(Throughput::Elements(1));
    group.bench_function("front matter of a work package", |b| {
        b.iter(|| Frontmatter::parse(black_box(text.as_bytes())));
    });
    group.bench_function("line of a log", |b| {
        b.iter(|| {
            let event: RawEvent = serde_json::from_str(black_box(LOG_LINE)).expect("an event");
            Payload::parse(event.event_type, event.payload).expect("a payload")
        });
    });
}

fn context(root: &Path) -> ProjectContext {
    static CATALOG: OnceLock<Arc<MissionCatalog>> = OnceLock::new();
    let catalog = CATALOG.get_or_init(|| Arc::new(MissionCatalog::builtin()));
    ProjectContext::load(root, Arc::clone(catalog), "0123456789ab", || GeneratedIdentity {
        project_uuid: "5f0c9a3e-7d61-4b8e-9c1f-2a64d0b7e815".to_owned(),
        project_slug: "bench".to_owned(),
        fault: None,
    })
}

/// One feature of 1,000 artifacts, from an edit to judgement, and as a snapshot.
fn survey(c: &mut Criterion) {
    let project = project(ARTIFACTS);
    let slug = "012-checkout".to_owned();
    let prefix = format!("kitty-specs/{slug}");
    let mut survey = FeatureSurvey::new(slug, prefix, index(project.path()), Vec::new(), None);
    let load = || context(project.path());
    let cancelled = AtomicBool::new(false);
    let around = Surroundings {
        watcher: &Unwatched,
        project: &load,
        cancelled: &cancelled,
        progress: None,
        beat: None,
    };
    let mut look = |request| {
        let assignment = Assignment {
            request: Some(request),
            tasks: Vec::new(),
            registered_mission: None,
            explicit_step: None,
            last_known: None,
            threads: 1,
            gate: true,
        };
        survey.run(&assignment, &around, &Ledger::default()).expect("the feature is there");
        let judged = survey.judged.clone();
        judged.expect("what was surveyed is judged")
    };
    let judged = look(ScanRequest::Full);
    let edited = path(ARTIFACTS / 2);
    let file = project.path().join("kitty-specs/012-checkout").join(edited.shown().as_ref());
    let touched = vec![Touched { path: Some(edited), deep: false }];
    let mut edits = 0;
    let mut group = c.benchmark_group("feature of 1000");
    group.bench_function("survey after an edit", |b| {
        b.iter_batched(
            || {
                edits += 1;
                write(&file, &text(edits, SIZE));
            },
            |()| look(ScanRequest::Touched(touched.clone())),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("snapshot as JSON", |b| b.iter(|| judged.snapshot().to_json()));
}

/// A minute in all.
fn short() -> Criterion {
    let criterion = Criterion::default().sample_size(30);
    criterion.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! {
    name = benches;
    config = short();
    targets = reading, hashes, facts, survey
}
criterion_main!(benches);
