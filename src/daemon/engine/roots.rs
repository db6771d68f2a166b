//! Roots: where they are, which features they have, whether they are still there.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::jobs::describe;
use super::{Engine, TICK};
use crate::daemon::feature::Feature;
use crate::daemon::job::Whereabouts;
use crate::daemon::view::WatchState;
use crate::dossier::RelPath;
use crate::project::root as project_root;
use crate::store::{DossierDir, RootKind, project_id, with_causes};
use crate::survey::{newest_path, now as timestamp};
use crate::watch::{RootIdentity, SlowTarget, WatchError};

impl Engine {
    /// Watches a root, then lists its features, and takes in what came and went. Called as
    /// often as there is reason to; finds out by itself what to do.
    pub(super) fn visit_root(&mut self, index: usize, now: Instant) {
        let path = self.roots[index].path().to_path_buf();
        let found = match RootIdentity::of(&path) {
            Ok(found) => found,
            Err(error) if error.is_gone() => return self.detach_root(index, now),
            Err(error) => {
                let reason = error.to_string();
                self.set_root_watch(index, WatchState::Polling { reason });
                return;
            }
        };
        let former = self.roots[index].identity.replace(found);
        let replaced = former.is_some_and(|former| former != found);
        if replaced {
            self.replace_root(index, &path);
        }
        let returned = self.roots[index].detached.take().is_some();
        self.watch_root(index, &path, now);
        if former.is_none() || replaced || returned {
            let id = self.roots[index].registered.id.clone();
            let own = self.features.values_mut().filter(|f| f.root_id == id);
            own.for_each(Feature::revive);
        }
        match self.roots[index].registered.kind {
            RootKind::Feature => self.adopt(index, &path, now),
            RootKind::Project => self.list_features(index, now),
        }
    }

    /// Visits every root.
    pub(super) fn visit_all_roots(&mut self, now: Instant) {
        self.owes_visits = false;
        for index in 0..self.roots.len() {
            self.visit_root(index, now);
        }
    }

    /// Visits the roots that a fresh read must not be answered without: all, if events were
    /// lost; else those that are not what they were, such as after a directory far above
    /// was renamed, of which no event tells.
    pub(super) fn visit_owed_roots(&mut self, now: Instant) {
        if self.owes_visits {
            return self.visit_all_roots(now);
        }
        for index in 0..self.roots.len() {
            if RootIdentity::of(self.roots[index].path()).ok() != self.roots[index].identity {
                self.visit_root(index, now);
            }
        }
    }

    /// Another directory is at the root's path: its watches are those of the old one.
    fn replace_root(&mut self, index: usize, path: &Path) {
        tracing::info!(root = %self.roots[index].registered.id, "the root was replaced");
        self.parts.backend.unwatch_tree(path);
        // One inode has one watch: removing one path's may have ended another's.
        self.features.values_mut().for_each(Feature::touch_all);
    }

    /// Watches the root itself and, of a project, `kitty-specs`: both before listing.
    fn watch_root(&mut self, index: usize, path: &Path, now: Instant) {
        let fault = self.parts.watch_fault.clone();
        let root = &mut self.roots[index];
        root.choose_poll(fault.as_deref(), now);
        let mut watched = self.parts.backend.watch_root(path);
        if let Some(specs) = root.kitty_specs().filter(|specs| specs.is_dir()) {
            watched = watched.and(match self.parts.backend.watch_dir(&specs) {
                // It may be gone again; the root's own watch tells when it comes.
                Err(WatchError::Gone(_)) => Ok(()),
                other => other,
            });
        }
        let state = match (&root.poll, watched) {
            (Some(poll), _) => WatchState::Polling { reason: poll.reason.clone() },
            (None, Err(error)) => WatchState::Partial { unwatched: 1, reason: describe(&error) },
            (None, Ok(())) => WatchState::Live,
        };
        self.parts.dirty.add_root(path);
        self.set_root_watch(index, state);
    }

    /// Takes in the features that came, and lets those go that are gone.
    fn list_features(&mut self, index: usize, now: Instant) {
        let path = self.roots[index].path().to_path_buf();
        let listed = match project_root::feature_dirs(&path) {
            Ok(listed) => listed,
            Err(error) => {
                let reason = format!("{error}; its features are shown as they were last seen");
                self.set_root_watch(index, WatchState::Polling { reason });
                return;
            }
        };
        let id = self.roots[index].registered.id.clone();
        let there: std::collections::HashSet<&Path> =
            listed.iter().map(|(_, dir)| dir.as_path()).collect();
        let mut returned = false;
        let mut left = Vec::new();
        for feature in self.features.values_mut().filter(|f| f.root_id == id) {
            if there.contains(feature.at.dir.as_path()) {
                if feature.has_left() {
                    // What is there now begins anew, with what the log says by then.
                    left.push(feature.at.id.clone());
                } else if feature.leaving {
                    feature.revive();
                    returned = true;
                }
            } else if !feature.leaving {
                // Its parent is there and does not have it: it is gone for sure.
                feature.leaving = true;
                feature.empty();
            }
        }
        left.iter().for_each(|id| self.drop_feature(id));
        for (_, dir) in &listed {
            self.adopt(index, dir, now);
        }
        if returned {
            // Somebody else may have been given its dossier directory.
            self.reseat(now);
        }
        if !std::mem::replace(&mut self.roots[index].listed, true) {
            self.let_go_of_the_gone(index, now);
        }
    }

    /// Features that went while nobody watched: their logs still say that they are there.
    fn let_go_of_the_gone(&mut self, index: usize, now: Instant) {
        let Some(specs) = self.roots[index].kitty_specs() else { return };
        let root = self.roots[index].path().to_path_buf();
        for name in DossierDir::logged(&root, &self.parts.environment.home) {
            let dir = specs.join(name);
            // What is no directory, a file in the place of one, is no feature either.
            let is_there = dir.symlink_metadata().is_ok_and(|found| found.is_dir());
            let Some(at) = Whereabouts::new(&dir, &root) else { continue };
            // A feature that was registered by itself has its log among those of the project,
            // and leaves it there when it is removed.
            let is_elsewhere = self.seat_holder(&at).is_some();
            if is_there || is_elsewhere || self.by_dir.contains_key(&dir) || !self.has_log(&at) {
                continue;
            }
            self.adopt(index, &dir, now);
            let id = self.by_dir.get(&dir).cloned();
            if let Some(feature) = id.and_then(|id| self.features.get_mut(&id)) {
                feature.leaving = true;
                feature.empty();
            }
        }
    }

    /// Is the log in the dossier directory of this feature, which is gone, that of this one?
    /// Where its end does not tell, nobody is said to be gone.
    fn has_log(&self, at: &Whereabouts) -> bool {
        let (root, home) = (&at.project_root, &self.parts.environment.home);
        let place = DossierDir::existing(root, &at.name, &project_id(root), home);
        let newest = place.map_or(Ok(None), |place| newest_path(&place));
        let newest = newest.unwrap_or_else(|error| {
            let error = with_causes(&error);
            tracing::warn!(feature = at.prefix, %error, "it is not known whose log this is");
            None
        });
        newest.is_some_and(|path| Path::new(&path).starts_with(&at.prefix))
    }

    /// Begins to keep a feature, unless it is kept already.
    fn adopt(&mut self, index: usize, dir: &Path, now: Instant) {
        if self.by_dir.contains_key(dir) {
            return;
        }
        let root = &self.roots[index];
        let Some(at) = Whereabouts::new(dir, &root.project_root) else { return };
        let at = self.seat(at);
        let id = at.id.clone();
        let place = at.clone();
        let explicit_step = root.registered.steps.get(&at.slug).cloned();
        let mut feature = Feature::new(at, root.registered.id.clone(), self.next_safety(&id, now));
        feature.registered_mission.clone_from(&root.registered.mission_type);
        feature.explicit_step = explicit_step;
        self.by_dir.insert(dir.to_path_buf(), id.clone());
        self.features.insert(id, feature);
        self.make_way_for(&place);
        self.publish = true;
    }

    /// A root is gone. It may come back: a disk that is plugged in again.
    fn detach_root(&mut self, index: usize, now: Instant) {
        let root = &mut self.roots[index];
        root.identity = None;
        if root.detached.is_none() {
            root.detached = Some((now, timestamp()));
            tracing::warn!(root = %root.registered.id, "the root is gone");
        }
        let since = root.detached.map_or_else(timestamp, |(_, since)| since);
        let id = root.registered.id.clone();
        self.set_root_watch(index, WatchState::Detached { since });
        let own: Vec<String> =
            self.features.values().filter(|f| f.root_id == id).map(|f| f.at.id.clone()).collect();
        for id in own {
            self.detach(&id, now);
        }
    }

    /// A feature's directory is gone or cannot be opened: it is shown as it was last seen,
    /// neither complete nor in sync.
    pub(super) fn detach(&mut self, id: &str, now: Instant) {
        let Some(feature) = self.features.get_mut(id) else { return };
        if feature.detached.is_none() {
            feature.detached = Some((now, timestamp()));
        }
        let since = feature.detached.map_or_else(timestamp, |(_, since)| since);
        self.set_watch(id, WatchState::Detached { since });
        self.publish = true;
    }

    /// What is done every two seconds: are roots where they were, is a grace over, is
    /// something to be polled?
    pub(super) fn tick(&mut self, now: Instant) {
        self.next_tick = now + TICK;
        for index in 0..self.roots.len() {
            let root = &mut self.roots[index];
            let found = RootIdentity::of(root.path()).ok();
            let polled = root.poll.as_mut().is_some_and(|poll| {
                let due = poll.next <= now;
                if due {
                    poll.next = now + poll.every;
                }
                due
            });
            if polled {
                let id = root.registered.id.clone();
                let own = self.features.values_mut().filter(|f| f.root_id == id);
                own.for_each(Feature::touch_all);
            }
            let root = &self.roots[index];
            if found != root.identity || polled || root.is_to_be_retried() {
                self.visit_root(index, now);
            }
        }
        self.end_graces(now);
        self.poll_unwatched(now);
        let unopened = self.features.values_mut().filter(|f| f.reopening.is_due(now));
        unopened.for_each(Feature::touch_context);
        self.tell_behind(now);
        self.tell_lingering();
        self.relieve_workers(now);
    }

    /// Features that stayed away too long lose their rows.
    fn end_graces(&mut self, now: Instant) {
        let over: Vec<String> = self
            .features
            .values()
            .filter(|f| !f.emptied)
            .filter(|f| f.detached.is_some_and(|(since, _)| now >= since + self.parts.grace))
            .map(|f| f.at.id.clone())
            .collect();
        for id in over {
            let Some(feature) = self.features.get_mut(&id) else { continue };
            if feature.at.dir.is_dir() {
                // It is there again, or it never was gone but cannot be read.
                feature.touch_all();
                continue;
            }
            if !feature.at.project_root.is_dir() {
                // With the project its log is gone too: there is nobody to tell. The last
                // view stays, as detached.
                continue;
            }
            feature.leaving = self.roots.iter().any(|root| {
                root.registered.id == feature.root_id && root.registered.kind == RootKind::Project
            });
            feature.empty();
        }
    }

    /// Visits directories that are not watched: to see what changed, and to try again.
    fn poll_unwatched(&mut self, now: Instant) {
        for feature in self.features.values_mut() {
            let dir = feature.at.dir.clone();
            let unwatched: Vec<PathBuf> = feature.unwatched.keys().cloned().collect();
            for path in unwatched {
                let relative = path.strip_prefix(&dir).unwrap_or(Path::new(""));
                let relative = RelPath::new(relative.as_os_str().as_bytes()).ok();
                feature.touch(relative, true, true, now);
            }
        }
    }

    /// Why a feature is polled, if it is.
    pub(super) fn poll_reason(&self, id: &str) -> Option<String> {
        let root_id = &self.features.get(id)?.root_id;
        let root = self.roots.iter().find(|root| root.registered.id == *root_id)?;
        root.poll.as_ref().map(|poll| poll.reason.clone())
    }

    /// Tells the slow lane which projects there are.
    pub(super) fn retarget_slow_lane(&self) {
        let Some(slow) = &self.parts.slow else { return };
        let mut targets = vec![SlowTarget::config(self.parts.config_file.clone())];
        for root in &self.roots {
            let head = root.project_root.join(".git/HEAD");
            let target = SlowTarget::project(&root.project_root, head.is_file().then_some(head));
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        slow.set_targets(targets);
    }

    fn set_root_watch(&mut self, index: usize, watch: WatchState) {
        if self.roots[index].watch != watch {
            self.roots[index].watch = watch;
            self.publish = true;
        }
    }
}
