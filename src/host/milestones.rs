//! What the loop comes to, for those who wait on a runtime.

use tokio::sync::oneshot;

use crate::daemon::Daemon;

/// What happens once in the life of a loop.
pub(super) struct Milestones {
    /// All first scans have ended.
    pub(super) ready: oneshot::Receiver<()>,
    /// The loop has ended.
    pub(super) ended: oneshot::Receiver<()>,
}

impl Milestones {
    /// Those of this daemon. A thread waits for them, until the loop ends.
    pub(super) fn of(daemon: &Daemon) -> std::io::Result<Self> {
        let (first_scans, over) = (daemon.ready().clone(), daemon.ended().clone());
        let (tell_ready, ready) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        let wait = move || {
            let are_done = crossbeam_channel::select! {
                recv(first_scans) -> done => done.is_ok(),
                recv(over) -> _ => false,
            };
            if are_done {
                // Nobody may be waiting for it.
                let _ = tell_ready.send(());
            }
            // It never sends; its end is what it says.
            let _ = over.recv();
            let _ = tell_ended.send(());
        };
        std::thread::Builder::new().name("ending".into()).spawn(wait)?;
        Ok(Self { ready, ended })
    }
}
