//! From events to what is due: routing marks to features and roots, barriers to readers.

use std::path::Path;
use std::time::Instant;

use super::Engine;
use crate::daemon::command::Target;
use crate::daemon::fresh::Waiters;
use crate::daemon::view::WatchState;
use crate::dossier::RelPath;
use crate::store::{RootKind, with_causes};
use crate::watch::{Batch, MarkKind};

impl Engine {
    /// Takes everything from the dirty set.
    pub(super) fn take_marks(&mut self) {
        let now = Instant::now();
        let batch = self.parts.dirty.take();
        self.take_batch(batch, now);
    }

    fn take_batch(&mut self, batch: Batch, now: Instant) {
        if let Some(thread) = &batch.panic {
            self.fail(format!("{thread} panicked"));
        }
        for (path, kind) in &batch.marks {
            self.route(path, *kind, now);
        }
        for hint in &batch.root_hints {
            let hinted = self.roots.iter().position(|root| root.path() == hint);
            self.visits.extend(hinted);
        }
        // One visit answers for all marks: a checkout marks every feature of a project.
        for index in std::mem::take(&mut self.visits) {
            self.visit_root(index, now);
        }
        if batch.cookies_lost || batch.overflow.is_some() {
            self.rearm_cookies();
        }
        if let Some(reason) = &batch.overflow {
            self.overflowed(reason, now);
        }
        // Barriers come last: what they fence has been routed by now.
        let fenced = match batch.overflow {
            // The cookie may be among what was lost; the rescan looks at everything.
            Some(_) => self.waiters.seen(None),
            None => self.waiters.seen(Some(&batch.barriers)),
        };
        if !fenced.is_empty() {
            self.visit_owed_roots(now);
        }
        for waiter in fenced {
            if let (Some(cookies), Some(cookie)) =
                (&self.parts.cookies, Waiters::cookie_of(&waiter))
            {
                cookies.forget(cookie);
            }
            let jobs = self.freshen(&waiter.target);
            self.waiters.after_jobs(waiter.target, waiter.reply, jobs);
        }
    }

    /// Makes everything pending of the target due at once; gives the jobs to wait for.
    pub(super) fn freshen(&mut self, target: &Target) -> std::collections::BTreeMap<String, u64> {
        let wanted = self.features.iter_mut().filter(|(id, _)| match target {
            Target::All => true,
            Target::Feature(wanted) => *id == wanted,
        });
        wanted.map(|(id, feature)| (id.clone(), feature.freshen())).collect()
    }

    /// Events were lost: everything is to be looked at, soon but not again and again.
    fn overflowed(&mut self, reason: &str, now: Instant) {
        tracing::warn!(reason, "file events were lost; everything is scanned again");
        self.health.overflows += 1;
        self.backoff.request(now);
        self.owes_visits = true;
        let ids: Vec<String> = self.features.keys().cloned().collect();
        for id in ids {
            let live = self.features.get(&id).is_some_and(|f| f.watch == WatchState::Live);
            if live {
                self.set_watch(&id, WatchState::Rescanning { reason: reason.to_owned() });
            }
            // A fresh read must not be answered before the rescan, however long that is
            // put off: what it waits for is a job that looks at everything.
            if let Some(feature) = self.features.get_mut(&id) {
                feature.owe_rescan();
            }
        }
        self.publish = true;
    }

    /// Begins the rescan that lost events ask for, when it is due.
    pub(super) fn begin_rescan(&mut self, now: Instant) {
        if self.backoff.begin(now) {
            self.visit_all_roots(now);
            self.features.values_mut().for_each(crate::daemon::feature::Feature::touch_all);
        } else if self.backoff.is_running()
            && self.features.values().all(crate::daemon::feature::Feature::is_settled)
        {
            self.backoff.end(now);
        }
    }

    /// Finds whom a path concerns.
    fn route(&mut self, path: &Path, kind: MarkKind, now: Instant) {
        if let Some((id, dir)) = self.feature_of(path) {
            let relative = path.strip_prefix(&dir).ok().map(|p| p.to_path_buf());
            let relative = relative.filter(|p| !p.as_os_str().is_empty());
            self.touch(&id, relative.as_deref(), kind, now);
            // A feature directory itself may have come, gone or been replaced.
            if relative.is_none() {
                self.relist_above(path);
            }
            return;
        }
        self.relist_above(path);
        if kind.deep {
            let below: Vec<String> = self
                .features
                .values()
                .filter(|f| f.at.dir.starts_with(path))
                .map(|f| f.at.id.clone())
                .collect();
            for id in below {
                if let Some(feature) = self.features.get_mut(&id) {
                    feature.touch_all();
                }
            }
        }
        let is_project_file = |f: &&mut crate::daemon::feature::Feature| {
            path.parent() == Some(f.at.project_root.as_path())
        };
        if path.file_name().is_some_and(|name| name == ".dossierignore" || name == ".kittify") {
            self.features.values_mut().filter(is_project_file).for_each(|f| f.touch_context());
        }
    }

    /// Marks a path of a feature.
    fn touch(&mut self, id: &str, relative: Option<&Path>, kind: MarkKind, now: Instant) {
        use std::os::unix::ffi::OsStrExt;
        let Some(feature) = self.features.get_mut(id) else { return };
        let path = match relative {
            None => None,
            Some(relative) => match RelPath::new(relative.as_os_str().as_bytes()) {
                Ok(path) => Some(path),
                // A path from the kernel is always one; if not, look at everything.
                Err(_) => return feature.touch_all(),
            },
        };
        feature.touch(path, kind.deep || kind.maybe_dir, kind.ready, now);
    }

    /// The feature that a path is at or in, and its directory.
    fn feature_of(&self, path: &Path) -> Option<(String, std::path::PathBuf)> {
        path.ancestors().find_map(|dir| Some((self.by_dir.get(dir)?.clone(), dir.to_path_buf())))
    }

    /// The features of a project are to be listed again if the path is its `kitty-specs`,
    /// in it, or above it.
    fn relist_above(&mut self, path: &Path) {
        for index in 0..self.roots.len() {
            let root = &self.roots[index];
            let concerned = match (root.registered.kind, root.kitty_specs()) {
                (RootKind::Project, Some(specs)) => {
                    path.parent() == Some(specs.as_path()) || specs.starts_with(path)
                }
                _ => root.path().starts_with(path),
            };
            if concerned {
                self.visits.insert(index);
            }
        }
    }

    /// The directory of cookies may have lost its watch.
    fn rearm_cookies(&mut self) {
        if let Some(cookies) = &self.parts.cookies
            && let Err(error) = cookies.rearm(self.parts.backend.as_ref())
        {
            let error = with_causes(&error);
            tracing::warn!(%error, "fresh reads fall back to full scans");
        }
    }

    /// Fresh reads whose cookie was lost are served by a full scan.
    pub(super) fn give_up_cookies(&mut self, now: Instant) {
        for waiter in self.waiters.abandoned() {
            self.health.fresh_timeouts += 1;
            if let (Some(cookies), Some(cookie)) =
                (&self.parts.cookies, Waiters::cookie_of(&waiter))
            {
                cookies.forget(cookie);
            }
        }
        for (waiter, cookie) in self.waiters.given_up(now) {
            tracing::warn!("a cookie did not come back; the features are scanned in full");
            if let Some(cookies) = &self.parts.cookies {
                cookies.forget(cookie);
            }
            self.fresh_by_scan(waiter.target, waiter.reply, now);
        }
    }
}
