//! Registering many directories.

use std::time::Instant;

use crate::children::time;
use crate::daemon::register;
use crate::fault::{Outcome, failed};
use crate::inputs::Project;
use crate::peers;
use crate::row::{Limit, Line};
use crate::stage::Stage;

/// A project of 10,000 directories with one small file each, from the request to register
/// it until that is answered, which is when its features are scanned, and `/readyz` says
/// 200.
///
/// The daemon runs already, and each round has an empty home and no former log. The peer
/// walks and reads the same files once, on two threads.
pub(super) fn register_many(stage: &Stage) -> Outcome<Vec<Line>> {
    let project = Project::of_directories(&stage.inputs)?;
    let specs = project.root.join("kitty-specs");
    let [ours, peer] = stage.in_turn([
        Box::new(|| {
            project.forget_dossiers()?;
            let home = stage.home()?;
            let (daemon, _) = home.start()?;
            let mut client = daemon.client()?;
            let began = Instant::now();
            register(&mut client, &project.root)?;
            if client.get("/readyz", "")?.status != 200 {
                return failed("the daemon is not ready when a registration is answered");
            }
            Ok(began.elapsed())
        }),
        Box::new(|| time(&mut peers::command("walk-read", 2, &specs)?)),
    ])?;
    project.forget_dossiers()?;
    let what = "registering 10,000 directories with a file each, until ready";
    let peer = ("walk and read on two threads", peer.wall);
    Ok(vec![Line::beside(what, ours.wall, peer, Limit::Times { at_most: 2.0, slack: 0.0 })])
}
