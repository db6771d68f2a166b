//! Commands: checked at once, done by jobs, answered after the effect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::{Engine, Registration};
use crate::daemon::command::{Command, CommandError, Registered, Reply, Target};
use crate::daemon::emission::Extent;
use crate::daemon::feature::Feature;
use crate::daemon::publish;
use crate::daemon::root::{Root, registration};
use crate::daemon::view::{FeatureView, RootView};
use crate::daemon::waiting::{Waiting, answer};
use crate::project::root::{KITTY_SPECS, classify_registration};
use crate::store::{RegisteredRoot, Registry, RootKind, with_causes};
use crate::survey::{Task, now as timestamp};
use crate::watch::{CookieError, WatchBackend};

impl Engine {
    /// Does what is asked, or refuses it.
    pub(super) fn take_command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Register { path, mission_type, step, reply } => {
                self.register(&path, mission_type, step, reply, now);
            }
            Command::Unregister { id, reply } => {
                let result = self.unregister(&id, now);
                self.publish();
                answer(reply, result);
            }
            Command::Rescan { feature, reemit, reply } => {
                self.with_feature(&feature, reply, |f, reply| {
                    let extent = if reemit { Extent::Everything } else { Extent::Changes };
                    f.rescan(extent, Some(Waiting::View { reply, task: None }));
                })
            }
            Command::SetStep { feature, step, reply } => self.set_step(&feature, step, reply),
            Command::Capture { feature, request, reply } => {
                self.with_feature(&feature, reply, |f, reply| {
                    f.perform(Task::Capture(request), |task| Waiting::View {
                        reply,
                        task: Some(task),
                    });
                });
            }
            Command::ClearBaseline { feature, reply } => {
                self.with_feature(&feature, reply, |f, reply| {
                    f.perform(Task::ClearBaseline, |task| Waiting::Done {
                        reply,
                        task,
                        result: None,
                    });
                });
            }
            Command::Fresh { target, reply } => self.fresh(target, reply, now),
        }
    }

    /// Finds the feature, or says that there is none.
    fn with_feature<T>(
        &mut self,
        id: &str,
        reply: Reply<T>,
        act: impl FnOnce(&mut Feature, Reply<T>),
    ) {
        match self.features.get_mut(id) {
            Some(feature) => act(feature, reply),
            None => answer(reply, Err(CommandError::NotFound(id.to_owned()))),
        }
    }

    /// Begins a fresh read: a cookie that has to come back behind everything that changed.
    fn fresh(&mut self, target: Target, reply: Reply<()>, now: Instant) {
        if let Target::Feature(id) = &target
            && !self.features.contains_key(id)
        {
            return answer(reply, Err(CommandError::NotFound(id.clone())));
        }
        if self.parts.watch_fault.is_some() || self.is_polled(&target) {
            return self.fresh_by_scan(target, reply, now);
        }
        let Some(cookies) = &self.parts.cookies else {
            return self.fresh_by_scan(target, reply, now);
        };
        let issued = match cookies.issue() {
            // Somebody removed the private directory: make it again, once.
            Err(CookieError::Io { .. }) => cookies
                .rearm(self.parts.backend.as_ref() as &dyn WatchBackend)
                .and_then(|()| cookies.issue()),
            issued => issued,
        };
        match issued {
            Ok(cookie) => self.waiters.expect(target, reply, cookie, now),
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(%error, "no cookie; the features are scanned in full");
                self.fresh_by_scan(target, reply, now);
            }
        }
    }

    /// Serves a fresh read by looking at everything.
    pub(super) fn fresh_by_scan(&mut self, target: Target, reply: Reply<()>, now: Instant) {
        self.visit_all_roots(now);
        let wanted = self.features.iter_mut().filter(|(id, _)| match &target {
            Target::All => true,
            Target::Feature(wanted) => *id == wanted,
        });
        wanted.for_each(|(_, feature)| feature.touch_all());
        let jobs: BTreeMap<String, u64> = self.freshen(&target);
        self.waiters.after_jobs(target, reply, jobs);
    }

    /// Is any of the target polled or detached, so that no event tells of changes?
    fn is_polled(&self, target: &Target) -> bool {
        self.roots.iter().any(|root| {
            let own = |f: &&Feature| f.root_id == root.registered.id;
            let concerned = match target {
                Target::All => true,
                Target::Feature(id) => self.features.get(id).as_ref().is_some_and(own),
            };
            concerned && (root.is_degraded() || root.detached.is_some())
        }) || self.features.values().any(|f| {
            let concerned = match target {
                Target::All => true,
                Target::Feature(id) => f.at.id == *id,
            };
            concerned && (f.detached.is_some() || !f.unwatched.is_empty())
        })
    }

    /// Sets or clears the explicit step; the registry keeps it.
    fn set_step(&mut self, id: &str, step: Option<String>, reply: Reply<Arc<FeatureView>>) {
        let Some(feature) = self.features.get(id) else {
            return answer(reply, Err(CommandError::NotFound(id.to_owned())));
        };
        if let Some(step) = &step
            && let Err(error) = check_step(feature, step)
        {
            return answer(reply, Err(error));
        }
        let (slug, root_id) = (feature.at.slug.clone(), feature.root_id.clone());
        let mut wanted = self.registry();
        let Some(index) = wanted.roots.iter().position(|root| root.id == root_id) else {
            return answer(reply, Err(CommandError::NotFound(root_id)));
        };
        let registered = &mut wanted.roots[index];
        match &step {
            Some(step) => registered.steps.insert(slug, step.clone()),
            None => registered.steps.remove(&slug),
        };
        if let Err(error) = self.save_registry(&wanted) {
            return answer(reply, Err(error));
        }
        self.roots[index].registered = wanted.roots.swap_remove(index);
        self.with_feature(id, reply, |f, reply| {
            f.explicit_step = step;
            f.wait(Waiting::View { reply, task: None });
        });
    }

    /// Registers a root.
    fn register(
        &mut self,
        path: &Path,
        mission_type: Option<String>,
        step: Option<String>,
        reply: Reply<Registered>,
        now: Instant,
    ) {
        let (root, already) = match self.enter(path, mission_type, step.as_deref(), now) {
            Ok(entered) => entered,
            Err(error) => return answer(reply, Err(error)),
        };
        if let Some(index) = self.roots.iter().position(|r| r.registered.id == root) {
            self.visit_root(index, now);
        }
        self.reseat(now);
        self.retarget_slow_lane();
        self.publish = true;
        let number = self.number();
        let mut pending = 0;
        for feature in self.features.values_mut().filter(|f| f.root_id == root) {
            if step.is_some() {
                feature.explicit_step.clone_from(&step);
            }
            feature.wait(Waiting::Registration(number));
            pending += 1;
        }
        self.registrations
            .insert(number, Registration { root, already, pending: pending + 1, reply });
        self.registered(number);
    }

    /// One of the things that a registration waits for has come.
    pub(super) fn registered(&mut self, number: u64) {
        let Some(registration) = self.registrations.get_mut(&number) else { return };
        registration.pending -= 1;
        if registration.pending > 0 {
            return;
        }
        self.publish();
        let Some(Registration { root: id, already, reply, .. }) =
            self.registrations.remove(&number)
        else {
            return;
        };
        let own = self.features.values().filter(|f| f.root_id == id && f.is_listed());
        let features: Vec<Arc<FeatureView>> = own.filter_map(|f| f.view.clone()).collect();
        let root = self.roots.iter().find(|r| r.registered.id == id);
        let result = root.map(|root| Registered {
            root: Arc::new(publish::root_view(root, features.len())),
            features,
            already,
        });
        answer(reply, result.ok_or(CommandError::NotFound(id)));
    }

    /// Puts a root into the registry; gives its id, and whether it was there already.
    fn enter(
        &mut self,
        path: &Path,
        mission_type: Option<String>,
        step: Option<&str>,
        now: Instant,
    ) -> Result<(String, bool), CommandError> {
        if !path.is_absolute() {
            let text = format!("{} is not an absolute path", path.display());
            return Err(CommandError::Invalid(text));
        }
        let found = classify_registration(path)
            .map_err(|error| CommandError::Invalid(with_causes(&error)))?;
        let mut registered = registration(&found, mission_type, timestamp());
        if registered.kind == RootKind::Project && step.is_some() {
            let text = "a step belongs to one feature; register the feature directory, or set it afterwards";
            return Err(CommandError::Invalid(text.into()));
        }
        let new_path = registered.path.0.clone();
        if let Some(known) = self.roots.iter().find(|r| covers(r, &new_path)) {
            return Ok((known.registered.id.clone(), true));
        }
        let most = self.parts.max_roots;
        if self.roots.len() >= most {
            let text = format!("{most} roots are registered, which is the limit; remove one first");
            return Err(CommandError::Conflict(text));
        }
        self.refuse_taken_seat(&Root::new(registered.clone()), now)?;
        if let (Some(step), Some(name)) = (step, new_path.file_name()) {
            registered.steps.insert(name.to_string_lossy().into_owned(), step.to_owned());
        }
        let mut steps = std::mem::take(&mut registered.steps);
        let mut wanted = self.registry();
        for inside in wanted.roots.extract_if(.., |root| is_taken_over(root, &registered)) {
            steps.extend(inside.steps);
        }
        registered.steps = steps;
        wanted.roots.push(registered.clone());
        self.save_registry(&wanted)?;
        self.absorb(&registered);
        let id = registered.id.clone();
        self.roots.push(Root::new(registered));
        Ok((id, false))
    }

    /// Features that were registered by themselves go over to the project that has them.
    fn absorb(&mut self, project: &RegisteredRoot) {
        let (inside, outside): (Vec<Root>, Vec<Root>) = std::mem::take(&mut self.roots)
            .into_iter()
            .partition(|root| is_taken_over(&root.registered, project));
        self.roots = outside;
        let mut strangers = Vec::new();
        for root in inside {
            for feature in self.features.values_mut().filter(|f| f.root_id == root.registered.id) {
                feature.root_id.clone_from(&project.id);
                if feature.at.project_root != project.path.0 {
                    strangers.push(feature.at.id.clone());
                }
            }
            self.parts.dirty.remove_root(root.path());
        }
        // Without a marker of the project, a feature was its own project: its paths, its
        // files and its log begin anew in the one that it turns out to have.
        strangers.iter().for_each(|id| self.drop_feature(id));
    }

    /// Forgets a root and its features; their files stay.
    fn unregister(&mut self, id: &str, now: Instant) -> Result<Arc<RootView>, CommandError> {
        let is_named = |root: &Root| {
            root.registered.id == id
                || self.features.get(id).is_some_and(|f| {
                    f.root_id == root.registered.id && root.registered.kind == RootKind::Feature
                })
        };
        let Some(index) = self.roots.iter().position(is_named) else {
            return Err(match self.features.get(id) {
                Some(feature) => CommandError::Conflict(format!(
                    "{} came with its project; remove the project's root {}",
                    feature.at.slug, feature.root_id
                )),
                None => CommandError::NotFound(id.to_owned()),
            });
        };
        let mut wanted = self.registry();
        wanted.roots.remove(index);
        self.save_registry(&wanted)?;
        let root = self.roots.remove(index);
        let own: Vec<String> = self
            .features
            .values()
            .filter(|f| f.root_id == root.registered.id)
            .map(|f| f.at.id.clone())
            .collect();
        let view = publish::root_view(&root, own.len());
        own.iter().for_each(|id| self.drop_feature(id));
        self.parts.backend.unwatch_tree(root.path());
        self.parts.dirty.remove_root(root.path());
        // One inode has one watch: removing one path's may have ended another's, and so
        // may removing those below a path that another root is below.
        self.visit_all_roots(now);
        self.reseat(now);
        self.features.values_mut().for_each(Feature::touch_all);
        self.retarget_slow_lane();
        self.publish = true;
        Ok(Arc::new(view))
    }

    /// What the registry file says, as long as nothing else is asked for.
    fn registry(&self) -> Registry {
        Registry { roots: self.roots.iter().map(|root| root.registered.clone()).collect() }
    }

    /// Writes what the registry should say. Always before the loop goes by it: what could not
    /// be written has not happened, and there is nothing to be taken back.
    fn save_registry(&self, wanted: &Registry) -> Result<(), CommandError> {
        let saved = self.parts.registry.save(wanted);
        saved.map_err(|error| CommandError::Failed(with_causes(&error)))
    }
}

/// Is the root a feature that goes over to this project when it is registered?
fn is_taken_over(root: &RegisteredRoot, project: &RegisteredRoot) -> bool {
    let specs = project.path.0.join(KITTY_SPECS);
    project.kind == RootKind::Project
        && root.kind == RootKind::Feature
        && root.path.0.parent() == Some(&specs)
}

/// Is everything at this path served by the root already?
fn covers(root: &Root, path: &PathBuf) -> bool {
    root.path() == path
        || root.kitty_specs().is_some_and(|specs| path.parent() == Some(specs.as_path()))
}

/// A step has to be one of the mission's, as far as the mission is known.
fn check_step(feature: &Feature, step: &str) -> Result<(), CommandError> {
    let dossier = feature.view.as_ref().map(|view| &view.dossier);
    let Some(definition) = dossier.and_then(|dossier| dossier.definition.as_ref()) else {
        return Err(CommandError::Conflict(
            "the mission type is not known, so no step of it can be set; name it in meta.json"
                .into(),
        ));
    };
    if definition.mission.step_index(step).is_none() {
        let allowed = definition.mission.steps().join(", ");
        let text =
            format!("{step:?} is no step of {}; allowed are {allowed}", definition.mission_type);
        return Err(CommandError::Invalid(text));
    }
    Ok(())
}
