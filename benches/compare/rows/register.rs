//! Registering many directories.

use std::cell::RefCell;
use std::time::Instant;

use crate::children::time;
use crate::daemon::{register, wait_ready};
use crate::fault::{Outcome, While};
use crate::inputs::Project;
use crate::peers;
use crate::row::{Limit, Line};
use crate::series::{Series, Unit};
use crate::stage::Stage;

/// A project of 10,000 directories with one small file each, from the request to register
/// it until it is ready: all of its features are served, and every directory is watched.
/// The request itself is answered when their event logs are durable too, which is shown
/// beside it.
///
/// The daemon runs already, and each round has an empty home and no former log. The peer
/// walks and reads the same files once, on two threads.
pub(super) fn register_many(stage: &Stage) -> Outcome<Vec<Line>> {
    let project = Project::of_directories(&stage.inputs)?;
    let specs = project.root.join("kitty-specs");
    let features = std::fs::read_dir(&specs).at("cannot list", &specs)?.count();
    let answered = RefCell::new(Vec::new());
    let [ours, peer] = stage.in_turn([
        Box::new(|| {
            project.forget_dossiers()?;
            let home = stage.home()?;
            let (daemon, _) = home.start()?;
            let (mut client, mut other) = (daemon.client()?, daemon.client()?);
            let began = Instant::now();
            let (ready, done) = std::thread::scope(|scope| {
                let request =
                    scope.spawn(|| register(&mut client, &project.root).map(|()| began.elapsed()));
                let ready = wait_ready(&mut other, features).map(|()| began.elapsed());
                (ready, request.join().expect("a request does not panic"))
            });
            answered.borrow_mut().push(done?);
            ready
        }),
        Box::new(|| time(&mut peers::command("walk-read", 2, &specs)?)),
    ])?;
    project.forget_dossiers()?;
    let name = "walk and read on two threads";
    let limit = Limit::Times { at_most: 2.0, slack: 0.0 };
    let mut durable = Series::new(Unit::Seconds);
    // The first one warmed up.
    answered.take().into_iter().skip(1).for_each(|time| durable.push_time(time));
    let what = "registering 10,000 directories with a file each, until";
    Ok(vec![
        Line::beside(format!("{what} ready"), ours.wall, (name, peer.wall.clone()), limit),
        Line::beside(format!("{what} durable"), durable, (name, peer.wall), Limit::None),
    ])
}
