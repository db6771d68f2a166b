//! What a daemon costs that watches 10,000 files in which nothing happens.

use std::time::{Duration, Instant};

use crate::fault::Outcome;
use crate::inputs::MANY_10_000;
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;
use crate::usage::threads;

/// How long it is looked at.
const WHILE: Duration = Duration::from_secs(30);

/// Time on a processor, and wake-ups of all threads together, over 30 s at rest.
pub(super) fn idle(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, home) = (stage.project(MANY_10_000)?, stage.home()?);
    let (daemon, client) = home.start_with(&project.root)?;
    drop(client);
    // Caches and snapshots that are written behind are written by then.
    daemon.wait_idle(Duration::from_secs(5))?;
    let (before, began) = (threads(daemon.pid())?, Instant::now());
    std::thread::sleep(WHILE);
    let (after, seconds) = (threads(daemon.pid())?, began.elapsed().as_secs_f64());
    let (mut busy, mut wakeups, mut who) = (0.0, 0.0, Vec::new());
    for (id, thread) in after {
        let was = before.get(&id).cloned().unwrap_or_default();
        let count = |now: u64, was: u64| {
            f64::from(u32::try_from(now.saturating_sub(was)).unwrap_or(u32::MAX))
        };
        let (nanos, woke) = (count(thread.busy, was.busy), count(thread.wakeups, was.wakeups));
        busy += nanos / 1e9;
        wakeups += woke;
        if woke > 0.0 {
            who.push(format!("{} {:.2}/s", thread.name, woke / seconds));
        }
    }
    let share = Series::one(Unit::Percent, busy / seconds * 100.0);
    let rate = Series::one(Unit::PerSecond, wakeups / seconds);
    let who = if who.is_empty() { "No thread woke up.".to_owned() } else { who.join(", ") };
    Ok(vec![
        Line::alone("idle CPU, 10,000 watched files, of a core", share, Limit::AtMost(0.1)),
        Line::alone("idle wake-ups, all threads", rate, Limit::AtMost(1.0)).note(who),
    ])
}
