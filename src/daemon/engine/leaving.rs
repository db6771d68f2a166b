//! Features whose directory is gone for good: kept until the log says so too.
//!
//! Their removal is found by a job like any change, and may wait for its log like any change.
//! Where all goes well that takes a moment, in which nobody is told of them any more; where the
//! log cannot be written for long they are shown with the reason, as long as it is tried again.

use std::time::Instant;

use super::Engine;
use crate::daemon::feature::Feature;
use crate::daemon::job::Whereabouts;

impl Engine {
    /// Forgets a feature that has left, unless its removal still waits for the log.
    pub(super) fn let_go(&mut self, id: &str) {
        let Some(feature) = self.features.get(id) else { return };
        let Some(since) = feature.left_since else { return };
        let is_on_its_way = self.tickets.values().any(|(of, _)| of == id);
        let is_failing = feature.is_failing();
        let waits = (is_on_its_way || is_failing) && feature.at.dossier_of.is_none();
        let now = Instant::now();
        if !waits || self.is_awaited(&feature.at) {
            self.drop_feature(id);
        } else if is_failing && now >= since + self.parts.patience {
            if let Some(feature) = self.features.get_mut(id) {
                feature.lingers = true;
            }
            self.detach(id, now);
        }
    }

    /// Shows those that have left once their log has kept them for long.
    pub(super) fn tell_lingering(&mut self) {
        let left = self.features.values().filter(|feature| feature.has_left());
        let left: Vec<String> = left.map(|feature| feature.at.id.clone()).collect();
        left.iter().for_each(|id| self.let_go(id));
    }

    /// Forgets those that have left whose log is to be another feature's from now on: it goes
    /// on with what the log says by then, and writes what that lacks.
    pub(super) fn make_way_for(&mut self, at: &Whereabouts) {
        let is_in_the_way = |feature: &&Feature| {
            feature.has_left() && feature.at.id != at.id && feature.at.shares_dossier_with(at)
        };
        let left = self.features.values().filter(is_in_the_way);
        let left: Vec<String> = left.map(|feature| feature.at.id.clone()).collect();
        left.iter().for_each(|id| self.let_go(id));
    }

    /// Does another feature wait for the log of this one?
    fn is_awaited(&self, at: &Whereabouts) -> bool {
        self.features.values().any(|other| {
            let is_other = other.at.id != at.id && !other.has_left();
            is_other && other.at.dossier_of.is_none() && other.at.shares_dossier_with(at)
        })
    }
}
