//! A daemon that starts again on a project in which nothing changed.

use std::time::Duration;

use crate::children::time;
use crate::fault::Outcome;
use crate::inputs::MANY_10_000;
use crate::peers;
use crate::row::{Limit, Line};
use crate::stage::Stage;

/// What starting costs whatever the project.
const SLACK: f64 = 0.020;

/// From the start of the process to its ready line, which is printed when watches are in
/// place, first scans have ended and both listeners are bound.
///
/// A former daemon registered the project, ended by SIGTERM, and so left its index cache;
/// all files are older than two seconds, so that the cache is trusted. The peer walks and
/// stats the same files; it is tried on one thread and on two, and the faster one counts.
pub(super) fn restart(stage: &Stage) -> Outcome<Vec<Line>> {
    let (project, home) = (stage.project(MANY_10_000)?, stage.home()?);
    let specs = project.root.join("kitty-specs");
    // Inputs may have been made a moment ago.
    std::thread::sleep(Duration::from_millis(2_500));
    let (daemon, _) = home.start_with(&project.root)?;
    daemon.stop()?;
    let [ours, one, two] = stage.in_turn([
        Box::new(|| {
            let (daemon, time) = home.start()?;
            daemon.stop()?;
            Ok(time)
        }),
        Box::new(|| time(&mut peers::command("walk-stat", 1, &specs)?)),
        Box::new(|| time(&mut peers::command("walk-stat", 2, &specs)?)),
    ])?;
    let (name, peer) = match one.wall.spread().median < two.wall.spread().median {
        true => ("walk and stat on one thread", one.wall),
        false => ("walk and stat on two threads", two.wall),
    };
    let what = "restart on an unchanged project of 10,000, process start to ready";
    let limit = Limit::Times { at_most: 2.0, slack: SLACK };
    Ok(vec![Line::beside(what, ours.wall, (name, peer), limit)])
}
