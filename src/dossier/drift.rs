//! Drift: how the current dossier differs from an accepted baseline, by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::artifact::RequiredStatus;
use super::baseline::{Acceptance, Baseline, BaselineKey};
use super::completeness::Missing;
use super::parity::TreeHash;
use super::{Digest, Dossier, ErrorReason};

/// How the current snapshot stands to the baseline. What could not be computed is
/// [`ParityStatus::Error`], never `in_sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParityStatus {
    /// Same contents, same names.
    InSync,
    /// Contents differ.
    Drifted,
    /// Same contents under other names.
    Moved,
    /// Nothing was accepted in this context.
    NoBaseline,
    /// What was accepted belongs to another context.
    BaselineRejected,
    /// It could not be computed.
    Error,
}

impl ParityStatus {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Drifted => "drifted",
            Self::Moved => "moved",
            Self::NoBaseline => "no_baseline",
            Self::BaselineRejected => "baseline_rejected",
            Self::Error => "error",
        }
    }
}

/// How much a drift matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Only new or moved artifacts, or a rejected baseline.
    Info,
    /// Contents changed or were removed.
    Warning,
    /// A required artifact is gone or unreadable.
    Error,
}

impl Severity {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One artifact that has the same contents under another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The path in the baseline.
    pub from: String,
    /// The path now.
    pub to: String,
}

/// The differences, by shown path, each list sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Differences {
    /// Present now, not accepted.
    pub added: Vec<String>,
    /// Accepted, not present now.
    pub removed: Vec<String>,
    /// Present with other contents.
    pub changed: Vec<String>,
    /// Removed here, added there, same contents.
    pub moved: Vec<Move>,
}

impl Differences {
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// What differs between two states, each of contents by shown path.
    pub fn between(before: &BTreeMap<&str, Digest>, now: &BTreeMap<&str, Digest>) -> Self {
        let mut out = Self::default();
        let mut gone: BTreeMap<Digest, Vec<&str>> = BTreeMap::new();
        for (path, digest) in before {
            match now.get(path) {
                None => gone.entry(*digest).or_default().push(path),
                Some(current) if current != digest => out.changed.push((*path).to_owned()),
                Some(_) => {}
            }
        }
        for (path, digest) in now {
            if before.contains_key(path) {
                continue;
            }
            match gone.get_mut(digest).filter(|paths| !paths.is_empty()) {
                Some(paths) => {
                    let from = paths.remove(0).to_owned();
                    out.moved.push(Move { from, to: (*path).to_owned() });
                }
                None => out.added.push((*path).to_owned()),
            }
        }
        out.removed = gone.into_values().flatten().map(str::to_owned).collect();
        out.removed.sort_unstable();
        out.moved.sort_by(|a, b| a.from.cmp(&b.from));
        out
    }
}

/// The answer to "has it drifted?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// How the snapshot stands to the baseline.
    pub parity_status: ParityStatus,
    /// `None` when there is nothing to report.
    pub severity: Option<Severity>,
    /// The accepted parity hash, if any.
    pub expected_hash: Option<Digest>,
    /// The current parity hash.
    pub actual_hash: Digest,
    /// The accepted tree hash, if known.
    pub expected_tree_hash: Option<TreeHash>,
    /// The current tree hash.
    pub actual_tree_hash: TreeHash,
    /// What differs, by name.
    #[serde(flatten)]
    pub differences: Differences,
    /// Are the names known? Not with baselines of other tools, which list no artifacts.
    pub names_known: bool,
    /// For a rejected baseline, the components of the context that differ.
    pub rejected_components: Vec<&'static str>,
    /// For `error`, what could not be done; for `no_baseline`, what to do.
    pub message: Option<String>,
}

/// Which baseline there is to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaselineState {
    /// None.
    None,
    /// One that was read.
    Read(std::sync::Arc<Baseline>),
    /// One that could not be read, and why.
    Broken(String),
}

/// Compares a dossier with the baseline, if there is one for this context.
pub fn compare(
    dossier: &Dossier,
    state: &BaselineState,
    key: &BaselineKey,
    checkout_branch: Option<&str>,
) -> Drift {
    let mut drift = Drift {
        parity_status: ParityStatus::NoBaseline,
        severity: None,
        expected_hash: None,
        actual_hash: dossier.parity_hash,
        expected_tree_hash: None,
        actual_tree_hash: dossier.tree_hash,
        differences: Differences::default(),
        names_known: true,
        rejected_components: Vec::new(),
        message: None,
    };
    let baseline = match state {
        BaselineState::None => {
            drift.message = Some("no baseline was captured in this context".into());
            return drift;
        }
        BaselineState::Broken(message) => {
            drift.parity_status = ParityStatus::Error;
            drift.severity = Some(Severity::Error);
            drift.message = Some(message.clone());
            return drift;
        }
        BaselineState::Read(baseline) => baseline,
    };
    drift.expected_hash = Some(baseline.parity_hash_sha256);
    drift.expected_tree_hash = baseline.tree_hash;
    match baseline.acceptance(key, checkout_branch) {
        Acceptance::Rejected(components) => {
            drift.parity_status = ParityStatus::BaselineRejected;
            drift.severity = Some(Severity::Info);
            drift.message = Some(format!(
                "the baseline was captured in another context: {} differ",
                components.join(", ")
            ));
            drift.rejected_components = components;
        }
        Acceptance::Accepted => against(&mut drift, dossier, baseline),
    }
    drift
}

/// Fills in how the dossier differs from an accepted baseline.
fn against(drift: &mut Drift, dossier: &Dossier, baseline: &Baseline) {
    let parity_equal = baseline.parity_hash_sha256 == dossier.parity_hash;
    let tree_equal = baseline.tree_hash.is_none_or(|tree| tree == dossier.tree_hash);
    drift.parity_status = match (parity_equal, tree_equal) {
        (true, true) => ParityStatus::InSync,
        (true, false) => ParityStatus::Moved,
        (false, _) => ParityStatus::Drifted,
    };
    drift.names_known = baseline.artifacts.is_some();
    drift.differences = differences(dossier, baseline);
    drift.severity = match drift.parity_status {
        ParityStatus::InSync => None,
        _ => Some(severity(drift, dossier, baseline)),
    };
    if let Some(unseen) = dossier.unseen() {
        drift.parity_status = ParityStatus::Error;
        drift.severity = Some(Severity::Error);
        drift.message = Some(format!("not everything could be looked at: {unseen}"));
    }
}

/// What differs, by name; nothing when the baseline lists no artifacts.
fn differences(dossier: &Dossier, baseline: &Baseline) -> Differences {
    let Some(accepted) = &baseline.artifacts else { return Differences::default() };
    let before: BTreeMap<&str, Digest> =
        accepted.iter().map(|a| (a.path.as_str(), a.content_hash_sha256)).collect();
    let shown: Vec<(String, Digest)> =
        dossier.present().map(|(path, digest)| (path.shown().into_owned(), digest)).collect();
    let now: BTreeMap<&str, Digest> = shown.iter().map(|(p, d)| (p.as_str(), *d)).collect();
    Differences::between(&before, &now)
}

/// The severity of a difference that exists.
fn severity(drift: &Drift, dossier: &Dossier, baseline: &Baseline) -> Severity {
    let differences = &drift.differences;
    let Some(accepted) = &baseline.artifacts else {
        // Without names all that is known is that contents differ, and what is missing.
        let is_gone = |m: &Missing| m.blocking && m.reason_code != ErrorReason::NotProducedYet;
        let broken = dossier.missing.iter().any(is_gone);
        return if broken { Severity::Error } else { Severity::Warning };
    };
    // What moved to where it is required as well is not gone.
    let required: BTreeSet<Cow<'_, str>> = dossier
        .rows
        .iter()
        .filter(|row| row.artifact.required_status == RequiredStatus::Required)
        .map(|row| row.path.shown())
        .collect();
    let strayed = differences.moved.iter().filter(|m| !required.contains(m.to.as_str()));
    let removed = differences.removed.iter().map(String::as_str);
    let gone: BTreeSet<&str> = removed.chain(strayed.map(|m| m.from.as_str())).collect();
    let required_gone = accepted
        .iter()
        .any(|a| a.required_status == RequiredStatus::Required && gone.contains(a.path.as_str()));
    if required_gone {
        Severity::Error
    } else if !differences.changed.is_empty() || !differences.removed.is_empty() {
        Severity::Warning
    } else {
        Severity::Info
    }
}
