//! Nothing that a mission requires is ever left out in silence: of a hundred missions,
//! each required artifact in turn is removed, broken or made unreadable, and dossier, API
//! and log name exactly it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use dossierd::api::delivery::NoDelivery;
use dossierd::api::http::{Body, Peer, Request, Service};
use dossierd::api::ports::{
    ArtifactText, CommittedText, EventLogs, LogFault, LogPage, SessionStore, Text, TextFault,
};
use dossierd::api::service::HEARTBEAT;
use dossierd::api::session::KeptSession;
use dossierd::api::token::Token;
use dossierd::api::{Api, ApiConfig, MAX_SESSIONS, MAX_TEXT_BYTES};
use dossierd::daemon::view::FeatureView;
use dossierd::dossier::RelPath;
use dossierd::dossier::completeness::CompletenessStatus;
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::manifest::Requirement;

use crate::kit::random::Random;
use crate::kit::{Bench, MISSING, wait_until, write};

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

/// The overview touches neither artifacts nor logs on disk.
struct NoDisk;

impl ArtifactText for NoDisk {
    fn read(&self, _: &Path, _: &RelPath, _: u64) -> Result<Text, TextFault> {
        Err(TextFault::Gone)
    }

    fn committed(&self, _: &Path, _: &RelPath, _: u64) -> Result<CommittedText, String> {
        Err("no disk".into())
    }
}

impl SessionStore for NoDisk {
    fn load(&self) -> Vec<KeptSession> {
        Vec::new()
    }

    fn save(&self, _: &[KeptSession]) {}
}

impl EventLogs for NoDisk {
    fn read_back(
        &self,
        _: &FeatureView,
        _: usize,
        _: &mut dyn FnMut(&bytes::Bytes) -> bool,
    ) -> Result<Vec<bytes::Bytes>, LogFault> {
        Ok(Vec::new())
    }

    fn read(&self, _: &FeatureView, _: Option<&str>, _: usize) -> Result<LogPage, LogFault> {
        Err(LogFault::UnknownId)
    }
}

/// The API of the bench's daemon, without a transport.
fn api_of(bench: &Bench) -> Api {
    Api::new(ApiConfig {
        handle: bench.handle().clone(),
        token: Token::generate().expect("a token"),
        tcp_auth_none: false,
        socket: None,
        version: "0",
        started_at: dossierd::survey::now(),
        text: Arc::new(NoDisk),
        logs: Arc::new(NoDisk),
        delivery: Arc::new(NoDelivery),
        sessions: Arc::new(NoDisk),
        max_sessions: MAX_SESSIONS,
        text_bytes: MAX_TEXT_BYTES,
        clock: Arc::new(dossierd::survey::now),
        heartbeat: HEARTBEAT,
        places: Vec::new(),
    })
}

/// Key and reason of every blocking missing artifact in the overview.
fn named_by_the_api(bench: &Bench, api: &Api, slug: &str) -> Vec<[String; 2]> {
    let request = Request {
        method: http::Method::GET,
        path: "/api/dossier/overview".into(),
        query: format!("feature={slug}"),
        headers: http::HeaderMap::new(),
        body: bytes::Bytes::new(),
        peer: Peer::Bearer,
    };
    let response = bench.runtime.block_on(api.answer(request));
    assert_eq!(response.status, http::StatusCode::OK);
    let Body::Full(body) = response.body else { panic!("an overview is no stream") };
    let overview: serde_json::Value = serde_json::from_slice(&body).expect("is JSON");
    assert_eq!(overview["completeness_status"], "incomplete", "{slug}");
    let missing: Vec<_> = overview["missing"].as_array().expect("a list").clone();
    let blocking: Vec<_> = missing.iter().filter(|m| m["blocking"] == true).collect();
    assert_eq!(overview["missing_required_count"], blocking.len(), "{slug}");
    let text = |m: &serde_json::Value, name: &str| m[name].as_str().expect("text").to_owned();
    blocking.iter().map(|m| [text(m, "artifact_key"), text(m, "reason_code")]).collect()
}

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
    let api = api_of(&bench);
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
        for (slug, key, path, reason) in &spoilt {
            assert_eq!(named_by_the_api(&bench, &api, slug), [[key.as_str(), *reason]], "{path}");
            wait_until(&format!("the log of {slug} names {key} as {reason}"), || {
                let events = bench.log(slug);
                let last = events.iter().rev().find(|event| event["event_type"] == MISSING);
                last.is_some_and(|event| {
                    let notes = &event["payload"]["context_diagnostics"];
                    notes["artifact_key"] == **key && notes["reason_code"] == *reason
                })
            });
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
