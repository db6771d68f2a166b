//! Which logs there are: those of the features that are served, and those that features of
//! registered projects have left behind.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::daemon::handle::DaemonHandle;
use crate::daemon::view::{RootView, View};
use crate::dossier::Digest;
use crate::store::{DossierDir, Home, Position, project_id};

/// A log and how much of it counts.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) place: DossierDir,
    /// What comes behind it is not durable yet, and may be taken back; `None` if nobody
    /// writes the log.
    pub(super) end: Option<Position>,
}

/// Logs by name. A name is the same as long as project, feature and log stay where they
/// are, and fit to be a file's.
pub(super) type Logs = BTreeMap<String, Log>;

/// The logs of the features that are served, by the id of the feature, with their names.
pub(super) fn of_features(handle: &DaemonHandle) -> BTreeMap<String, (String, Log)> {
    let view = handle.view();
    let features = view.features.values().filter_map(|feature| {
        let place = feature.place.clone()?;
        let name = name(&feature.project.root, feature.dir.file_name()?, &place);
        let log = Log { place, end: handle.feed().durable_end(&feature.id) };
        Some((feature.id.clone(), (name, log)))
    });
    features.collect()
}

/// The logs that registered roots have, whether or not their features are still there: what
/// was logged of their end is still to be delivered.
pub(super) fn left_behind(view: &View, home: &Home) -> Logs {
    let mut logs = Logs::new();
    for root in &view.roots {
        let Some((project, slugs)) = project_of(root, home) else { continue };
        let id = project_id(project);
        for slug in slugs {
            for place in DossierDir::all_existing(project, &slug, &id, home) {
                logs.insert(name(project, &slug, &place), Log { place, end: None });
            }
        }
    }
    logs
}

/// The project of a root, and which of its features belong to the root.
fn project_of<'r>(root: &'r RootView, home: &Home) -> Option<(&'r Path, Vec<OsString>)> {
    if root.kind == "project" {
        return Some((&root.path, DossierDir::logged(&root.path, home)));
    }
    let specs = root.path.parent().filter(|dir| dir.ends_with("kitty-specs"))?;
    Some((specs.parent()?, vec![root.path.file_name()?.to_owned()]))
}

fn name(project_root: &Path, slug: &OsStr, place: &DossierDir) -> String {
    let slug = Digest::sha256(slug.as_encoded_bytes()).short(16);
    let place = if place.is_in_project() { "project" } else { "state" };
    format!("{}-{slug}-{place}", project_id(project_root))
}
