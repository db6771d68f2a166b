//! Baselines on disk: the one in force, and those of other contexts beside it.
//!
//! `parity-baseline.json` is what was captured last. What was captured before in another
//! context is kept as `baselines/<key hash>.json`, so that switching back finds it again.
//! One key can have baselines of several checked-out branches: those whose branch is not
//! the target branch are kept under a hash of key hash and branch.

use std::sync::Arc;

use crate::dossier::Digest;
use crate::dossier::baseline::{Acceptance, Baseline, BaselineKey};
use crate::dossier::drift::BaselineState;
use crate::store::{DossierDir, StoreError, with_causes};

/// The file that other tools know.
const CURRENT: &str = "parity-baseline.json";

/// What is no baseline is put aside under this name, or the next that is free, before a capture
/// takes its place.
const BROKEN: &str = "parity-baseline.broken";

/// More than a million artifacts need.
const SIZE_LIMIT: u64 = 512 * 1024 * 1024;

/// The baselines of one feature, with the last one parsed.
#[derive(Debug, Default)]
pub struct Baselines {
    parsed: Option<(Digest, Arc<Baseline>)>,
}

impl Baselines {
    /// Which baseline there is for this context: the current one if it is accepted, else
    /// one that was kept for the context, else the current one, to be rejected.
    pub fn load(
        &mut self,
        place: &DossierDir,
        key: &BaselineKey,
        branch: Option<&str>,
    ) -> BaselineState {
        let current = match self.read_current(place) {
            Ok(current) => current,
            Err(message) => return BaselineState::Broken(message),
        };
        let is_accepted = |b: &Baseline| b.acceptance(key, branch) == Acceptance::Accepted;
        if let Some(baseline) = current.as_ref().filter(|b| is_accepted(b)) {
            return BaselineState::Read(Arc::clone(baseline));
        }
        for name in [context_name(key, branch), key.hash()] {
            let kept = place.read_baseline(&name, SIZE_LIMIT).ok().flatten();
            let kept = kept.and_then(|bytes| Baseline::parse(&bytes).ok());
            if let Some(baseline) = kept.filter(is_accepted) {
                return BaselineState::Read(Arc::new(baseline));
            }
        }
        current.map_or(BaselineState::None, BaselineState::Read)
    }

    /// Puts a new baseline in force. The one before is kept if it belongs to another
    /// context; what is no baseline is put aside, never lost.
    pub fn save(&mut self, place: &DossierDir, baseline: &Baseline) -> Result<(), StoreError> {
        let name = |b: &Baseline| context_name(&b.baseline_key, b.checkout_branch.as_deref());
        match self.read_current(place) {
            Ok(Some(former)) if name(&former) != name(baseline) => {
                keep(place, &name(&former), &former)?;
            }
            Ok(_) => {}
            Err(_) => {
                put_aside(place)?;
            }
        }
        place.replace(CURRENT, &baseline.to_bytes())
    }

    /// Takes the baseline of this context out of force, or the current one if it belongs
    /// to another (which stays kept). False if there was none.
    pub fn clear(
        &mut self,
        place: &DossierDir,
        key: &BaselineKey,
        branch: Option<&str>,
    ) -> Result<bool, StoreError> {
        let mut cleared = false;
        match self.read_current(place) {
            Ok(Some(current)) if current.acceptance(key, branch) != Acceptance::Accepted => {
                let name = context_name(&current.baseline_key, current.checkout_branch.as_deref());
                keep(place, &name, &current)?;
                cleared |= place.remove(CURRENT)?;
            }
            Ok(Some(_)) => cleared |= place.remove(CURRENT)?,
            Ok(None) => {}
            Err(_) => cleared |= put_aside(place)?,
        }
        for name in [context_name(key, branch), key.hash()] {
            cleared |= place.remove_baseline(&name)?;
        }
        Ok(cleared)
    }

    /// The current file, parsed only when its bytes are new.
    fn read_current(&mut self, place: &DossierDir) -> Result<Option<Arc<Baseline>>, String> {
        let advice = "correct it, or capture a new baseline (it is then put aside)";
        let read = place.read(CURRENT, SIZE_LIMIT);
        let unreadable = |e| format!("{CURRENT} cannot be read: {}; {advice}", with_causes(&e));
        let Some(bytes) = read.map_err(unreadable)? else {
            self.parsed = None;
            return Ok(None);
        };
        let digest = Digest(*blake3::hash(&bytes).as_bytes());
        if let Some((_, baseline)) = self.parsed.as_ref().filter(|(known, _)| *known == digest) {
            return Ok(Some(Arc::clone(baseline)));
        }
        let parsed = Baseline::parse(&bytes);
        let baseline =
            Arc::new(parsed.map_err(|e| format!("{CURRENT} is no baseline: {e}; {advice}"))?);
        self.parsed = Some((digest, Arc::clone(&baseline)));
        Ok(Some(baseline))
    }
}

/// Puts aside what stands where the current file should be, whatever it is; false if there is
/// nothing.
fn put_aside(place: &DossierDir) -> Result<bool, StoreError> {
    Ok(place.put_aside(CURRENT, BROKEN)?.is_some())
}

/// Keeps the current file under this name as it is, with whatever other tools or later versions
/// have put into it.
fn keep(place: &DossierDir, name: &Digest, current: &Baseline) -> Result<(), StoreError> {
    let bytes = place.read(CURRENT, SIZE_LIMIT)?;
    place.replace_baseline(name, &bytes.unwrap_or_else(|| current.to_bytes()))
}

/// The name under which a baseline of this context is kept.
pub fn context_name(key: &BaselineKey, branch: Option<&str>) -> Digest {
    match branch {
        Some(branch) if branch != key.target_branch => {
            Digest::sha256(format!("{}\n{branch}", key.hash()))
        }
        _ => key.hash(),
    }
}
