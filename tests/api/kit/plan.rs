//! Features made by the real core.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use dossierd::daemon::view::{
    FeatureView, IgnoredEntry, ProjectView, Rendered, ScanCost, StoreState, WatchState,
};
use dossierd::dossier::artifact::RequiredStatus;
use dossierd::dossier::assemble::{Sources, assemble};
use dossierd::dossier::baseline::{Baseline, BaselineKey};
use dossierd::dossier::capture::{Capturable, CaptureContext, capture};
use dossierd::dossier::definition::MissionDefinition;
use dossierd::dossier::drift::{BaselineState, compare};
use dossierd::dossier::extract::extract;
use dossierd::dossier::record::Provenance;
use dossierd::dossier::{
    Digest, Dossier, ErrorReason, FileFacts, FileState, FileTable, RelPath, Timestamp,
};

use super::SECRET_PLACE;

/// What a test feature is made from.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) root_id: String,
    pub(crate) files: Vec<(Vec<u8>, FileState, u64)>,
    pub(crate) baseline: Option<Arc<Baseline>>,
    pub(crate) watch: WatchState,
    pub(crate) generation: u64,
}

pub(crate) fn time(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

pub(crate) fn path(text: impl AsRef<[u8]>) -> RelPath {
    RelPath::new(text).expect("a path")
}

impl Plan {
    /// A software-dev feature with spec, plan and one work package; tasks.md is missing.
    pub(crate) fn new(id: &str, slug: &str) -> Self {
        let plan = Self {
            id: id.into(),
            slug: slug.into(),
            root_id: "root-p".into(),
            files: Vec::new(),
            baseline: None,
            watch: WatchState::Live,
            generation: 1,
        };
        plan.file("meta.json", r#"{"mission_type": "software-dev", "current_step": "implement"}"#)
            .file("spec.md", "# Spec\n")
            .file("plan.md", "# Plan\n")
            .file("tasks/WP01-first.md", "---\nwork_package_id: WP01\n---\n")
            .file("notes.xyz", "?")
    }

    pub(crate) fn file(mut self, name: impl AsRef<[u8]>, content: &str) -> Self {
        let at = path(&name);
        let state = FileState::Text {
            sha256: Digest::sha256(content),
            extract: Arc::new(extract(&at, content.as_bytes())),
        };
        self.files.push((name.as_ref().to_vec(), state, content.len() as u64));
        self
    }

    pub(crate) fn faulty(mut self, name: &str, reason: ErrorReason, detail: &str) -> Self {
        let state = FileState::Faulty { reason, detail: detail.into(), raw_sha256: None };
        self.files.push((name.into(), state, 7));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.files.retain(|(known, _, _)| known != name.as_bytes());
        self
    }

    pub(crate) fn watched(mut self, watch: WatchState) -> Self {
        self.watch = watch;
        self
    }

    /// Accepts what is there at this moment of the making.
    pub(crate) fn accepted(mut self, branch: &str) -> Self {
        let dossier = self.dossier();
        let present: Vec<Capturable> = dossier
            .rows
            .iter()
            .filter_map(|row| {
                Some(Capturable {
                    path: row.path.clone(),
                    artifact_key: row.artifact.key.to_string(),
                    content_hash: row.content_hash()?,
                    required_status: row.artifact.required_status,
                })
            })
            .collect();
        assert!(present.iter().any(|a| a.required_status == RequiredStatus::Required));
        let context = CaptureContext {
            key: self.key(),
            captured_at: time(50),
            checkout_branch: Some(branch.into()),
            git_sha: None,
            note: Some("as agreed".into()),
        };
        self.baseline = Some(Arc::new(capture(context, &present)));
        self
    }

    fn key(&self) -> BaselineKey {
        BaselineKey {
            project_uuid: "8a4a7da6-a97c-4bb4-893a-b31664abfee4".into(),
            node_id: "d036a097a835".into(),
            feature_slug: self.slug.clone(),
            target_branch: "main".into(),
            mission_key: "software-dev".into(),
            manifest_version: "1".into(),
        }
    }

    fn dossier(&self) -> Dossier {
        let files: FileTable = self
            .files
            .iter()
            .map(|(name, state, size)| {
                let facts =
                    FileFacts { size_bytes: *size, state: state.clone(), indexed_at: time(100) };
                (path(name), Arc::new(facts))
            })
            .collect();
        assemble(&Sources {
            feature_slug: &self.slug,
            files: &files,
            ignored: 1,
            faults: &|_| Vec::new(),
            missions: &MissionDefinition::builtin,
            registered_mission: None,
            explicit_step: None,
            remembered: &BTreeSet::new(),
            provenance: Arc::new(Provenance {
                source_kind: "git",
                git_sha: Some("0".repeat(40)),
                git_ref: Some("refs/heads/main".into()),
            }),
            both_at_once: None,
        })
    }

    pub(crate) fn view(&self) -> Arc<FeatureView> {
        let dossier = self.dossier();
        let state = match &self.baseline {
            Some(baseline) => BaselineState::Read(Arc::clone(baseline)),
            None => BaselineState::None,
        };
        let drift = compare(&dossier, &state, &self.key(), Some("main"));
        let project = ProjectView {
            root: PathBuf::from(SECRET_PLACE).join("p"),
            uuid: self.key().project_uuid,
            slug: "shop".into(),
            node_id: self.key().node_id,
            build_id: "b1".into(),
            branch: Some("main".into()),
            head_sha: Some("0".repeat(40)),
        };
        Arc::new(FeatureView {
            id: self.id.clone(),
            slug: self.slug.clone(),
            root_id: self.root_id.clone(),
            dir: project.root.join("kitty-specs").join(&self.slug),
            project: Arc::new(project),
            dossier: Arc::new(dossier),
            drift: Arc::new(drift),
            baseline: self.baseline.clone(),
            baseline_key: self.key(),
            snapshot_id: "11111111-2222-4333-8444-555555555555".into(),
            computed_at: time(200),
            last_scanned_at: time(300),
            watch: self.watch.clone(),
            store: StoreState {
                location: "state",
                fallback_reason: Some(format!("cannot write {SECRET_PLACE}/p/.kittify: denied")),
                failing: None,
                failing_code: None,
                repaired_bytes: 0,
            },
            place: None,
            ignored: Arc::new(vec![IgnoredEntry { path: "a~".into(), reason: "*~".into() }]),
            cost: ScanCost::default(),
            generation: self.generation,
            rendered: Rendered::default(),
        })
    }
}
