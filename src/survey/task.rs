//! Tasks of a survey: deliberate acts on the baseline, done on what the scan just found.

use std::sync::Arc;

use super::feature::FeatureSurvey;
use super::now;
use crate::dossier::Dossier;
use crate::dossier::baseline::{Acceptance, Baseline, BaselineKey};
use crate::dossier::capture::{self, Capturable, CaptureContext, CaptureRequest};
use crate::dossier::drift::BaselineState;
use crate::project::ProjectContext;
use crate::store::{DossierDir, StoreError, with_causes};

/// What is asked besides a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Accept the current state, of everything or of some shown paths.
    Capture(CaptureRequest),
    /// Forget the baseline.
    ClearBaseline,
}

/// Why a task had no effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It contradicts the current state.
    #[error("{0}")]
    Conflict(String),
    /// It could not be written.
    #[error("{0}")]
    Failed(String),
}

impl FeatureSurvey {
    /// Does one task.
    pub(super) fn perform(
        &mut self,
        task: &Task,
        dossier: &Dossier,
        key: &BaselineKey,
        context: &ProjectContext,
    ) -> Result<bool, TaskError> {
        let branch = context.git.as_ref().and_then(|git| git.branch.clone());
        let Some(place) = self.place.clone() else {
            return Err(TaskError::Failed("this feature has no place for a baseline".into()));
        };
        let failed = |e: StoreError| TaskError::Failed(with_causes(&e));
        let request = match task {
            Task::ClearBaseline => {
                let cleared = self.baselines.clear(&place, key, branch.as_deref());
                return cleared.map_err(failed);
            }
            Task::Capture(request) => request,
        };
        let capture_context = CaptureContext {
            key: key.clone(),
            captured_at: now(),
            checkout_branch: branch.clone(),
            git_sha: context.git.as_ref().and_then(|git| git.head_sha.clone()),
            note: request.note.clone(),
        };
        if let Some(unseen) = dossier.unseen() {
            let text =
                format!("not everything could be looked at, so it cannot be accepted: {unseen}");
            return Err(TaskError::Conflict(text));
        }
        if let Some(seen) = request.expected.filter(|seen| *seen != dossier.tree_hash) {
            return Err(TaskError::Conflict(format!(
                "the feature has changed since: its tree hash is {} and no longer {seen}; look again",
                dossier.tree_hash
            )));
        }
        let present = capturable(dossier);
        let baseline = match &request.paths {
            None => capture::capture(capture_context, &present),
            Some(paths) => {
                let former = self.accepted(&place, key, branch.as_deref())?;
                capture::amend(&former, capture_context, &present, paths)
                    .map_err(|e| TaskError::Conflict(e.to_string()))?
            }
        };
        self.baselines.save(&place, &baseline).map_err(failed)?;
        Ok(true)
    }

    /// The baseline in force in this context, to be amended.
    fn accepted(
        &mut self,
        place: &DossierDir,
        key: &BaselineKey,
        branch: Option<&str>,
    ) -> Result<Arc<Baseline>, TaskError> {
        let conflict = |text: String| Err(TaskError::Conflict(text));
        match self.baselines.load(place, key, branch) {
            BaselineState::Read(b)
                if b.acceptance(key, branch) == Acceptance::Accepted =>
            {
                Ok(b)
            }
            BaselineState::Broken(message) => conflict(message),
            BaselineState::None | BaselineState::Read(_) => conflict(
                "there is no baseline in this context to accept single artifacts into; capture the whole feature first"
                    .into(),
            ),
        }
    }
}

/// Present artifacts, as a capture sees them.
fn capturable(dossier: &Dossier) -> Vec<Capturable> {
    let rows = dossier.rows.iter().filter_map(|row| {
        Some(Capturable {
            path: row.path.clone(),
            artifact_key: row.artifact.key.to_string(),
            content_hash: row.content_hash()?,
            required_status: row.artifact.required_status,
        })
    });
    rows.collect()
}
