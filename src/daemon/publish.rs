//! From the loop's state to views. Everything that readers see is made here.

use std::sync::Arc;

use super::feature::Feature;
use super::job::FeatureWork;
use super::root::Root;
use super::view::{
    FeatureView, Health, IgnoredEntry, PendingFeature, ProjectView, Rendered, RootView, ScanCost,
    StoreState, UNKNOWN_IDENTITY, View, WatchState,
};
use crate::dossier::Timestamp;
use crate::dossier::completeness::CompletenessStatus;
use crate::dossier::drift::{ParityStatus, Severity};
use crate::index::{Ignored, IgnoredBy};

/// A new view of a feature after a job; `None` before anything was judged.
pub(super) fn feature_view(
    feature: &Feature,
    cost: ScanCost,
    scanned_at: Timestamp,
) -> Option<FeatureView> {
    let work = feature.work.as_ref()?;
    let judged = work.survey.judged.as_ref()?;
    let context = work.survey.context.as_ref()?;
    let former = feature.view.as_ref();
    let ignored = work.survey.index.ignored();
    let ignored: Vec<IgnoredEntry> =
        ignored.iter().map(|(path, ignored)| ignored_entry(&path.shown(), ignored)).collect();
    let project = ProjectView {
        root: feature.at.project_root.clone(),
        uuid: context.identity.project_uuid.clone(),
        slug: context.identity.project_slug.clone(),
        node_id: context.identity.node_id.clone(),
        build_id: context.identity.build_id.clone(),
        branch: context.git.as_ref().and_then(|git| git.branch.clone()),
        head_sha: context.git.as_ref().and_then(|git| git.head_sha.clone()),
    };
    Some(FeatureView {
        id: feature.at.id.clone(),
        slug: feature.at.slug.clone(),
        root_id: feature.root_id.clone(),
        project: Arc::new(project),
        dir: feature.at.dir.clone(),
        dossier: Arc::clone(&judged.dossier),
        drift: Arc::clone(&judged.drift),
        baseline: judged.baseline().cloned(),
        baseline_key: judged.key.clone(),
        snapshot_id: judged.snapshot_id.clone(),
        computed_at: judged.computed_at,
        last_scanned_at: scanned_at,
        watch: feature.watch.clone(),
        store: store_state(work),
        place: work.survey.place.clone(),
        ignored: Arc::new(ignored),
        cost,
        generation: former.map_or(1, |view| view.generation + 1),
        rendered: Rendered::default(),
    })
}

/// How the durable files do. That nothing may be written, whoever the project is, may have come
/// after the log was opened.
fn store_state(work: &FeatureWork) -> StoreState {
    let store = work.store.clone();
    match work.survey.obstacle() {
        Some(obstacle) if store.failing.is_none() => StoreState {
            failing: Some(obstacle.to_owned()),
            failing_code: Some(UNKNOWN_IDENTITY),
            ..store
        },
        _ => store,
    }
}

/// The same view in another watch state. A feature whose directory is gone is neither
/// complete nor in sync, whatever it was when it was last seen.
pub(super) fn with_watch(view: &FeatureView, watch: WatchState) -> FeatureView {
    let detached = matches!(watch, WatchState::Detached { .. });
    let (mut dossier, mut drift) = (Arc::clone(&view.dossier), Arc::clone(&view.drift));
    if detached {
        let unknown = Arc::make_mut(&mut dossier);
        unknown.completeness_status = CompletenessStatus::Unknown;
        unknown.step_status = CompletenessStatus::Unknown;
        let unknown = Arc::make_mut(&mut drift);
        unknown.parity_status = ParityStatus::Error;
        unknown.severity = Some(Severity::Error);
        unknown.message =
            Some("the feature directory is gone; what is shown is what it held last".into());
    }
    FeatureView {
        id: view.id.clone(),
        slug: view.slug.clone(),
        root_id: view.root_id.clone(),
        project: Arc::clone(&view.project),
        dir: view.dir.clone(),
        dossier,
        drift,
        baseline: view.baseline.clone(),
        baseline_key: view.baseline_key.clone(),
        snapshot_id: view.snapshot_id.clone(),
        computed_at: view.computed_at,
        last_scanned_at: view.last_scanned_at,
        watch,
        store: view.store.clone(),
        place: view.place.clone(),
        ignored: Arc::clone(&view.ignored),
        cost: view.cost,
        generation: view.generation + 1,
        rendered: Rendered::default(),
    }
}

/// Everything, at this moment.
pub(super) fn view<'a>(
    roots: &[Root],
    features: impl Iterator<Item = &'a Feature> + Clone,
    health: Health,
    generation: u64,
) -> View {
    let is_pending = |f: &Feature| f.view.is_none() && f.detached.is_none();
    let pending: Vec<PendingFeature> = features
        .clone()
        .filter(|feature| is_pending(feature))
        .map(|f| PendingFeature {
            id: f.at.id.clone(),
            slug: f.at.slug.clone(),
            root_id: f.root_id.clone(),
            dir: f.at.dir.clone(),
        })
        .collect();
    let roots = roots
        .iter()
        .map(|root| {
            let own = || features.clone().filter(|f| f.root_id == root.registered.id);
            let mut view = root_view(root, own().filter(|f| f.view.is_some()).count());
            if view.watch == WatchState::Live {
                view.watch = match own().any(is_pending) {
                    true => WatchState::Starting,
                    false => coverage(own()),
                };
            }
            Arc::new(view)
        })
        .collect();
    let views = features.filter_map(|f| Some((f.at.id.clone(), Arc::clone(f.view.as_ref()?))));
    View { roots, features: views.collect(), pending, health, generation }
}

/// A root is watched as well as all its features are.
fn coverage<'a>(features: impl Iterator<Item = &'a Feature>) -> WatchState {
    let (mut all, mut first) = (0, None);
    for feature in features {
        if let WatchState::Partial { unwatched, reason } = &feature.watch {
            all += unwatched;
            first.get_or_insert(reason);
        }
    }
    first.map_or(WatchState::Live, |reason| WatchState::Partial {
        unwatched: all,
        reason: reason.clone(),
    })
}

/// One root, as published.
pub(super) fn root_view(root: &Root, features: usize) -> RootView {
    RootView {
        id: root.registered.id.clone(),
        kind: match root.registered.kind {
            crate::store::RootKind::Project => "project",
            crate::store::RootKind::Feature => "feature",
        },
        path: root.path().to_path_buf(),
        watch: root.watch.clone(),
        added_at: root.registered.added_at.to_string(),
        features,
    }
}

fn ignored_entry(path: &str, ignored: &Ignored) -> IgnoredEntry {
    let reason = match &ignored.by {
        IgnoredBy::Hidden => "hidden".to_owned(),
        IgnoredBy::EditorLeftover(pattern) => format!("editor left-over ({pattern})"),
        IgnoredBy::Pattern { file, pattern } => format!("{pattern} in {}", file.as_str()),
        IgnoredBy::SymlinkedDirectory => "symbolic link to a directory".to_owned(),
    };
    let slash = if ignored.is_dir { "/" } else { "" };
    IgnoredEntry { path: format!("{path}{slash}"), reason }
}
