//! What a dossier is made from and belongs to, besides its files: what the project says, and
//! the threads that may make it.

use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use crate::dossier::Dossier;
use crate::dossier::baseline::BaselineKey;
use crate::dossier::record::Provenance;
use crate::platform::threads::spawn_scoped;
use crate::project::ProjectContext;

/// Calls one in a thread of its own, if there is one to be had, and the other one here.
pub(super) fn both_at_once(one: &mut (dyn FnMut() + Send), other: &mut (dyn FnMut() + Send)) {
    let is_threaded = std::thread::scope(|scope| {
        let thread = spawn_scoped(scope, &mut *one);
        other();
        let is_threaded = thread.is_some();
        if let Some(Err(panic)) = thread.map(ScopedJoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        is_threaded
    });
    if !is_threaded {
        one();
    }
}

/// Where contents come from.
pub(super) fn provenance(context: &ProjectContext) -> Arc<Provenance> {
    Arc::new(match &context.git {
        Some(git) => Provenance {
            source_kind: "git",
            git_sha: git.head_sha.clone(),
            git_ref: git.git_ref.clone(),
        },
        None => Provenance { source_kind: "manual", git_sha: None, git_ref: None },
    })
}

/// The current context of a dossier.
pub(super) fn baseline_key(dossier: &Dossier, context: &ProjectContext) -> BaselineKey {
    let branch = context.git.as_ref().and_then(|git| git.branch.clone());
    BaselineKey {
        project_uuid: context.identity.project_uuid.clone(),
        node_id: context.identity.node_id.clone(),
        feature_slug: dossier.feature_slug.clone(),
        target_branch: dossier
            .target_branch
            .clone()
            .or(branch)
            .unwrap_or_else(|| "main".to_owned()),
        mission_key: dossier.mission_type_or_unknown().to_owned(),
        manifest_version: dossier.manifest_version().to_owned(),
    }
}
