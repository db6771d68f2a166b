//! From a judgement to what is still to be written to the feature's log.

use std::sync::Arc;

use ulid::Ulid;

use crate::dossier::Timestamp;
use crate::dossier::drift::ParityStatus;
use crate::dossier::emit::{Batch, Emission, emit};
use crate::dossier::event::{Emitter, Namespace};
use crate::dossier::ledger::Ledger;
use crate::dossier::seal::Sealer;
use crate::project::ProjectContext;
use crate::survey::{FeatureSurvey, Judged, context_name};

/// Events of one scan, without ids and clock: those are given in the order of writing.
#[derive(Debug)]
pub(super) struct Emitted {
    /// In log order.
    pub batch: Batch,
    /// For their envelopes.
    pub sealer: Sealer,
    /// Do they name everything there is?
    pub full: bool,
    /// Do they begin a new segment? A segment never mixes contexts, and one that is not
    /// the first begins with a full scan, so that each can be read by itself.
    pub new_segment: bool,
}

/// How much is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Extent {
    /// What the log lacks.
    #[default]
    Changes,
    /// Everything.
    Everything,
    /// Everything, as the beginning of a new segment.
    NewSegment,
}

/// Does the judgement belong to another stream than the log?
pub(super) fn is_other_stream(survey: &FeatureSurvey, ledger: &Ledger) -> bool {
    let Some(judged) = &survey.judged else { return false };
    let namespace = namespace(judged);
    ledger.namespace.as_ref().is_some_and(|known| !known.is_same_stream(&namespace))
}

/// What is to be written; the ledger takes it in, as if it were written.
pub(super) fn emitted(
    survey: &FeatureSurvey,
    ledger: &mut Ledger,
    extent: Extent,
    other_stream: bool,
    now: Timestamp,
) -> Option<Emitted> {
    let (judged, context) = (survey.judged.as_ref()?, survey.context.as_ref()?);
    let namespace = namespace(judged);
    let full = extent >= Extent::Everything || ledger.snapshot.is_none();
    let batch = emit(&Emission {
        namespace,
        feature_prefix: &survey.prefix,
        dossier: &judged.dossier,
        drift: &judged.drift,
        rejection: rejection(judged, context),
        snapshot_id: &judged.snapshot_id,
        now,
        ledger,
        full,
    });
    let correlation_id = Ulid::generate().to_string();
    ledger.advance(&batch, &correlation_id, &judged.dossier);
    if batch.is_empty() {
        return None;
    }
    Some(Emitted {
        batch,
        sealer: Sealer::new(emitter(context), correlation_id, now),
        full,
        new_segment: other_stream || extent == Extent::NewSegment,
    })
}

/// The stream that events of this judgement belong to.
fn namespace(judged: &Judged) -> Namespace {
    Namespace {
        project_uuid: judged.key.project_uuid.clone(),
        mission_slug: judged.dossier.feature_slug.clone(),
        target_branch: judged.key.target_branch.clone(),
        mission_type: judged.key.mission_key.clone(),
        manifest_version: judged.key.manifest_version.clone(),
        step_id: judged.dossier.current_step.clone(),
    }
}

/// For a rejected baseline: the context it belongs to, and the current one.
fn rejection(judged: &Judged, context: &Arc<ProjectContext>) -> Option<(String, String)> {
    if judged.drift.parity_status != ParityStatus::BaselineRejected {
        return None;
    }
    let baseline = judged.baseline()?;
    let theirs = context_name(&baseline.baseline_key, baseline.checkout_branch.as_deref());
    let branch = context.git.as_ref().and_then(|git| git.branch.as_deref());
    Some((theirs.to_string(), context_name(&judged.key, branch).to_string()))
}

fn emitter(context: &ProjectContext) -> Emitter {
    Emitter {
        project_uuid: context.identity.project_uuid.clone(),
        project_slug: context.identity.project_slug.clone(),
        build_id: context.identity.build_id.clone(),
        node_id: context.identity.node_id.clone(),
    }
}
