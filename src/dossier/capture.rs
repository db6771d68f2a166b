//! Capturing: the deliberate act of accepting what is present, as a whole or path by path.

use std::collections::BTreeMap;

use super::artifact::RequiredStatus;
use super::baseline::{BASELINE_SCHEMA_VERSION, Baseline, BaselineArtifact, BaselineKey};
use super::parity::{TreeHash, parity_hash};
use super::{Digest, RelPath, Timestamp};

/// What a person asks to have accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptureRequest {
    /// What the person says.
    pub note: Option<String>,
    /// Shown paths; `None` for everything.
    pub paths: Option<Vec<String>>,
    /// The state that the person has seen; in any other one nothing is accepted.
    pub expected: Option<TreeHash>,
}

/// What a capture needs besides the artifacts.
#[derive(Debug, Clone)]
pub struct CaptureContext {
    /// The current key.
    pub key: BaselineKey,
    /// Now.
    pub captured_at: Timestamp,
    /// The branch that is checked out, if any.
    pub checkout_branch: Option<String>,
    /// The commit that is checked out, if any.
    pub git_sha: Option<String>,
    /// What the person says.
    pub note: Option<String>,
}

/// One present artifact, as a capture sees it.
#[derive(Debug, Clone)]
pub struct Capturable {
    /// Its path.
    pub path: RelPath,
    /// Its key.
    pub artifact_key: String,
    /// Its content.
    pub content_hash: Digest,
    /// Whether it is required.
    pub required_status: RequiredStatus,
}

impl From<&Capturable> for BaselineArtifact {
    fn from(artifact: &Capturable) -> Self {
        Self {
            path: artifact.path.shown().into_owned(),
            artifact_key: artifact.artifact_key.clone(),
            content_hash_sha256: artifact.content_hash,
            required_status: artifact.required_status,
        }
    }
}

/// Accepts everything that is present.
pub fn capture(context: CaptureContext, present: &[Capturable]) -> Baseline {
    let mut sorted: Vec<&Capturable> = present.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let tree = TreeHash::of_sorted(sorted.iter().map(|a| (&a.path, a.content_hash)));
    assemble(context, sorted.into_iter().map(BaselineArtifact::from).collect(), tree)
}

/// Why some paths could not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmendError {
    /// The former baseline has no list of artifacts.
    #[error(
        "the baseline was written by another tool and has no list of artifacts; capture the whole feature once"
    )]
    NoNames,
    /// A path that neither the baseline nor the feature has.
    #[error("{0:?} is neither in the baseline nor in the feature")]
    UnknownPath(String),
}

/// Accepts the current state of some paths only: changed and new ones are taken over,
/// gone ones dropped, everything else stays as it was accepted.
pub fn amend(
    former: &Baseline,
    context: CaptureContext,
    present: &[Capturable],
    paths: &[String],
) -> Result<Baseline, AmendError> {
    let former_artifacts = former.artifacts.as_ref().ok_or(AmendError::NoNames)?;
    let mut accepted: BTreeMap<String, BaselineArtifact> =
        former_artifacts.iter().map(|a| (a.path.clone(), a.clone())).collect();
    let current: BTreeMap<String, BaselineArtifact> =
        present.iter().map(|a| (a.path.shown().into_owned(), a.into())).collect();
    for path in paths {
        let was_accepted = accepted.remove(path).is_some();
        match current.get(path) {
            Some(artifact) => {
                accepted.insert(path.clone(), artifact.clone());
            }
            None if was_accepted => {}
            None => return Err(AmendError::UnknownPath(path.clone())),
        }
    }
    let artifacts: Vec<BaselineArtifact> = accepted.into_values().collect();
    let tree = tree_hash_of(&artifacts);
    Ok(assemble(context, artifacts, tree))
}

/// Computes the parity of a list of artifacts and fills in the rest.
fn assemble(
    context: CaptureContext,
    artifacts: Vec<BaselineArtifact>,
    tree_hash: TreeHash,
) -> Baseline {
    let parity = parity_hash(artifacts.iter().map(|a| a.content_hash_sha256));
    Baseline {
        baseline_key_hash: context.key.hash().to_string(),
        captured_by: context.key.node_id.clone(),
        baseline_key: context.key,
        parity_hash_sha256: parity,
        captured_at: context.captured_at.to_string(),
        schema_version: Some(BASELINE_SCHEMA_VERSION),
        tree_hash: Some(tree_hash),
        checkout_branch: context.checkout_branch,
        git_sha: context.git_sha,
        note: context.note,
        artifacts: Some(artifacts),
    }
}

/// The tree hash of accepted artifacts. Their paths are in shown form, which is what the
/// hash covers; order is by the bytes of that form, the same as that of the real path
/// whenever the path is UTF-8.
fn tree_hash_of(artifacts: &[BaselineArtifact]) -> TreeHash {
    let lines: Vec<String> =
        artifacts.iter().map(|a| format!("{}\t{}", a.path, a.content_hash_sha256)).collect();
    TreeHash(Digest::sha256(lines.join("\n")))
}
