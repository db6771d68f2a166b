//! Gives dossier directories to features as roots come and go, by the rule of `daemon/seats`, and
//! lets a feature wait until the one before it has let go.

use std::time::Instant;

use super::Engine;
use crate::daemon::command::CommandError;
use crate::daemon::feature::Feature;
use crate::daemon::job::Whereabouts;
use crate::daemon::root::Root;
use crate::daemon::seats::{holder, taken};
use crate::daemon::view::FeatureView;
use crate::store::RootKind;

impl Engine {
    /// The other feature that has the dossier directory of this one, as a path relative to
    /// the project; `None` if it is its own.
    pub(super) fn seat_holder(&self, at: &Whereabouts) -> Option<String> {
        let holder = holder(&self.roots, at)?;
        let is_other = holder.path() != at.dir;
        let holder = is_other.then(|| Whereabouts::new(holder.path(), &holder.project_root));
        holder.flatten().map(|holder| holder.prefix)
    }

    /// Has the feature, which was not loaded yet, to wait until another one has let go of the
    /// dossier directory that is its own now?
    pub(super) fn waits_for_seat(&self, feature: &Feature) -> bool {
        if feature.at.dossier_of.is_some() || feature.is_loaded() {
            return false;
        }
        let is_other = |at: &Whereabouts| {
            at.id != feature.at.id && at.dossier_of.is_none() && at.shares_dossier_with(&feature.at)
        };
        let is_root = |root: &Root| {
            root.registered.id == feature.root_id && root.registered.kind == RootKind::Feature
        };
        self.draining.values().any(|draining| is_other(&draining.at))
            // Only one that was registered by itself can take the place of another.
            || (self.roots.iter().any(is_root)
                && self.features.values().any(|other| is_other(&other.at)))
    }

    /// Refuses a feature whose dossier directory is another's that is there.
    pub(super) fn refuse_taken_seat(
        &mut self,
        root: &Root,
        now: Instant,
    ) -> Result<(), CommandError> {
        let at = Whereabouts::new(root.path(), &root.project_root);
        let Some(at) = at.filter(|_| root.registered.kind == RootKind::Feature) else {
            return Ok(());
        };
        let rival = |engine: &Self| {
            let mut others = engine.features.values();
            let rival = others.find(|other| {
                !other.leaving && other.at.dir != at.dir && other.at.shares_dossier_with(&at)
            })?;
            Some((rival.root_id.clone(), rival.at.prefix.clone()))
        };
        if let Some((root_id, _)) = rival(self) {
            // It may have been moved to where it is registered now, and nobody told yet.
            let index = self.roots.iter().position(|root| root.registered.id == root_id);
            index.into_iter().for_each(|index| self.visit_root(index, now));
        }
        let holder = self.seat_holder(&at).or_else(|| rival(self).map(|(_, prefix)| prefix));
        holder.map_or(Ok(()), |holder| Err(CommandError::Conflict(taken(&holder))))
    }

    /// Begins those features anew whose dossier directory has become their own, or another's,
    /// since roots came or went.
    pub(super) fn reseat(&mut self, now: Instant) {
        let staying = self.features.values().filter(|feature| !feature.leaving);
        let moved = staying.filter(|feature| {
            self.seat_holder(&feature.at).map(|holder| taken(&holder)) != feature.at.dossier_of
        });
        let moved: Vec<(String, String)> =
            moved.map(|feature| (feature.at.id.clone(), feature.root_id.clone())).collect();
        for (id, root_id) in moved {
            self.drop_feature(&id);
            let index = self.roots.iter().position(|root| root.registered.id == root_id);
            index.into_iter().for_each(|index| self.visit_root(index, now));
        }
    }

    /// Has the other features of a project look who it is, once this one has found that it is
    /// somebody else: a project has one identity at a time.
    pub(super) fn tell_siblings(&mut self, view: &FeatureView) {
        let is_other = |feature: &&mut Feature| {
            let shown = feature.view.as_ref().map(|shown| &shown.project);
            feature.at.project_root == view.project.root
                && shown.is_some_and(|shown| shown.uuid != view.project.uuid)
        };
        let others = self.features.values_mut().filter(is_other);
        others.for_each(Feature::touch_context);
    }

    /// Says of a feature that begins whether its dossier directory is another's.
    pub(super) fn seat(&self, at: Whereabouts) -> Whereabouts {
        let dossier_of = self.seat_holder(&at).map(|holder| taken(&holder));
        Whereabouts { dossier_of, ..at }
    }
}
