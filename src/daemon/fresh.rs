//! Fresh reads: who waits for a cookie, and who for jobs.
//!
//! A waiter first waits for its cookie to come back through the watcher: then every event
//! of a change that happened before it asked has been taken. Then it waits for the jobs
//! that look at those changes. Losing events counts as seeing every cookie, because the
//! rescan that follows looks at everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::command::{Reply, Target};
use crate::watch::CookieId;

/// A cookie that has not come back by then is given up: the target is scanned in full.
const COOKIE_LIMIT: Duration = Duration::from_millis(1000);

/// One fresh read.
#[derive(Debug)]
pub(super) struct Waiter {
    pub target: Target,
    pub reply: Reply<()>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Cookie { cookie: CookieId, give_up: Instant },
    Jobs(BTreeMap<String, u64>),
}

/// All fresh reads under way.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Vec<Waiter>,
}

impl Waiters {
    /// A read that waits for a cookie.
    pub(super) fn expect(
        &mut self,
        target: Target,
        reply: Reply<()>,
        cookie: CookieId,
        now: Instant,
    ) {
        let stage = Stage::Cookie { cookie, give_up: now + COOKIE_LIMIT };
        self.waiting.push(Waiter { target, reply, stage });
    }

    /// A read that waits for these jobs, by feature.
    pub(super) fn after_jobs(
        &mut self,
        target: Target,
        reply: Reply<()>,
        jobs: BTreeMap<String, u64>,
    ) {
        self.waiting.push(Waiter { target, reply, stage: Stage::Jobs(jobs) });
    }

    /// Takes out those whose cookie is among these, or all that wait for a cookie.
    pub(super) fn seen(&mut self, cookies: Option<&[CookieId]>) -> Vec<Waiter> {
        self.take(|waiter| match &waiter.stage {
            Stage::Cookie { cookie, .. } => cookies.is_none_or(|seen| seen.contains(cookie)),
            Stage::Jobs(_) => false,
        })
    }

    /// Takes out those whose cookie did not come in time, with the cookie.
    pub(super) fn given_up(&mut self, now: Instant) -> Vec<(Waiter, CookieId)> {
        let late = self.take(|waiter| match &waiter.stage {
            Stage::Cookie { give_up, .. } => *give_up <= now,
            Stage::Jobs(_) => false,
        });
        late.into_iter()
            .filter_map(|waiter| match waiter.stage {
                Stage::Cookie { cookie, .. } => Some((waiter, cookie)),
                Stage::Jobs(_) => None,
            })
            .collect()
    }

    /// Takes out those for whom all jobs are done. `done` says whether a feature has done
    /// a job, or is gone.
    pub(super) fn satisfied(&mut self, done: impl Fn(&str, u64) -> bool) -> Vec<Waiter> {
        for waiter in &mut self.waiting {
            if let Stage::Jobs(jobs) = &mut waiter.stage {
                jobs.retain(|feature, job| !done(feature, *job));
            }
        }
        self.take(|waiter| matches!(&waiter.stage, Stage::Jobs(jobs) if jobs.is_empty()))
    }

    /// Takes out those that nobody waits for any more: they ran out of time.
    pub(super) fn abandoned(&mut self) -> Vec<Waiter> {
        self.take(|waiter| waiter.reply.is_closed())
    }

    /// The cookie a waiter still waits for.
    pub(super) fn cookie_of(waiter: &Waiter) -> Option<CookieId> {
        match waiter.stage {
            Stage::Cookie { cookie, .. } => Some(cookie),
            Stage::Jobs(_) => None,
        }
    }

    /// When the next cookie is given up.
    pub(super) fn next_give_up(&self) -> Option<Instant> {
        let times = self.waiting.iter().filter_map(|waiter| match &waiter.stage {
            Stage::Cookie { give_up, .. } => Some(*give_up),
            Stage::Jobs(_) => None,
        });
        times.min()
    }

    fn take(&mut self, which: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        self.waiting.extract_if(.., |waiter| which(waiter)).collect()
    }
}
